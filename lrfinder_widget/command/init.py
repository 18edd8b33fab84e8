"""`lr-finder init`: a config to start from, and all that it needs to run."""

from __future__ import annotations

import math
import shutil
from contextlib import suppress
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING

import numpy as np

from lrfinder_widget.command.exits import FOUND
from lrfinder_widget.command.output import Output
from lrfinder_widget.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from PIL.Image import Image

STARTER = Path(__file__).parent / "starter"
CONFIG, TRAINING, EXAMPLE = "lr_finder.yaml", "training.py", "example_images"
# What stands in the starter for the folder of images, and for the size they are brought to.
PLACE, PIXELS = "IMAGES", "PIXELS"
# The example's size, and how many images of each class it has; a size that does for photos.
SIZE, EACH = 32, 60
PHOTO_SIZE = 64


def init(folder: Path, images: Path | None) -> int:
    """Write the starter into `folder`, for `images` or for small example images."""
    _check_images(images)
    written = [CONFIG, TRAINING, *([EXAMPLE] if images is None else [])]
    for name in written:
        if (folder / name).exists():
            raise SettingsError(f"{folder / name} exists, and is not overwritten")
    made = [each for each in (folder, *folder.parents) if not each.exists()]
    try:
        _write(folder, images)
    except BaseException as error:
        _take_away([folder / name for name in written], made)
        if isinstance(error, OSError):
            raise SettingsError(f"cannot write to {folder}: {error.strerror}") from error
        raise
    output = Output()
    output.say(f"Written: {', '.join(str(folder / name) for name in written)}")
    output.headline(f"Next: lr-finder check --config {quote(str(folder / CONFIG))}")
    return FOUND


def _write(folder: Path, images: Path | None) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    if images is None:
        _write_example(folder / EXAMPLE)
    config = (STARTER / CONFIG).read_text(encoding="utf-8")
    place = str((folder / EXAMPLE if images is None else images).resolve())
    size = SIZE if images is None else PHOTO_SIZE
    config = config.replace(PLACE, _quoted(place)).replace(PIXELS, str(size))
    (folder / CONFIG).write_text(config, encoding="utf-8")
    training = (STARTER / TRAINING).read_text(encoding="utf-8")
    (folder / TRAINING).write_text(training, encoding="utf-8")


def _take_away(written: Sequence[Path], made: Sequence[Path]) -> None:
    """Remove what a failure left half done, so that the next attempt is not refused for it."""
    for path in written:
        with suppress(OSError):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    for folder in made:
        with suppress(OSError):
            folder.rmdir()


def _check_images(images: Path | None) -> None:
    if images is None:
        return
    if not images.is_dir():
        raise SettingsError(f"--images {images} is not a folder")
    classes = [path for path in images.iterdir() if path.is_dir()]
    if len(classes) < 2:  # noqa: PLR2004 - one class is nothing to tell apart
        raise SettingsError(
            f"--images {images} must hold one folder of images for each class, such as "
            f"{images / 'cats'} and {images / 'dogs'} (it holds {len(classes)} folders)"
        )


def _quoted(text: str) -> str:
    """Return a text as YAML's plain single-quoted one."""
    return "'" + text.replace("'", "''") + "'"


def _write_example(folder: Path) -> None:
    """Draw small noisy pictures of three shapes, the same at each call."""
    draws = np.random.default_rng(0)
    for name, inside in _SHAPES.items():
        (folder / name).mkdir(parents=True)
        for number, image in enumerate(_images(inside, draws)):
            image.save(folder / name / f"{number:02}.png")


def _images(
    inside: Callable[[np.ndarray, np.ndarray], np.ndarray], draws: np.random.Generator
) -> Iterator[Image]:
    from PIL import Image

    down, right = np.mgrid[:SIZE, :SIZE]
    for _ in range(EACH):
        radius = draws.uniform(8, 13)
        middle = draws.uniform(radius, SIZE - radius, size=2)
        shape = inside((right - middle[0]) / radius, (down - middle[1]) / radius)
        # Dark on light, so that a few seconds suffice to learn the shapes.
        picture = np.where(shape[..., None], draws.uniform(0, 100, 3), draws.uniform(155, 255, 3))
        picture = picture + draws.normal(0, 10, size=picture.shape)
        yield Image.fromarray(np.clip(picture, 0, 255).astype(np.uint8))


_SHAPES: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "circle": lambda x, y: np.hypot(x, y) <= 1,
    "square": lambda x, y: np.maximum(abs(x), abs(y)) <= math.sqrt(math.pi) / 2,
    "triangle": lambda x, y: (abs(y) <= 1) & (abs(x) <= (y + 1) / 2),
}
