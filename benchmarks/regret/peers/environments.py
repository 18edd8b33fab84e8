"""One virtual environment for each peer, so that what they need never meets the project's own."""

from __future__ import annotations

import platform
import subprocess
import sys
from pathlib import Path

BENCHMARKS = Path(__file__).parents[2]
FOLDER = BENCHMARKS / ".environments"
# It holds the releases that the pins below bring along.
CONSTRAINTS = BENCHMARKS.parent / "constraints.txt"

# What the tasks need: the same releases everywhere, so that a seed means the same weights.
SHARED = ("torch==2.13.0", "numpy==2.4.6", "scikit-learn==1.9.1", "pillow==13.0.0")
PINS = {
    "torch-lr-finder": ("torch-lr-finder==0.2.2", "matplotlib==3.11.2"),
    "fastai": (
        "fastcore==2.2.39",
        "fastdownload==0.0.8",
        "fastprogress==1.0.5",
        "fasttransform==0.0.5",
        "matplotlib==3.11.2",
        "packaging==26.3",
        "pandas==3.1.1",
        "plum-dispatch==2.9.0",
        "PyYAML==6.0.3",
        "requests==2.34.2",
    ),
    "lightning": ("lightning==2.6.6", "pytorch-lightning==2.6.6", "torchmetrics==1.9.0"),
    "ignite": ("pytorch-ignite==0.5.5",),
}
# fastai declares torchvision and spaCy for its vision and text modules; its learner imports
# neither, and the torchvision that an index offers may not fit a torch without CUDA.
ALONE = {"fastai": ("fastai==2.8.12",)}


def pins(peer: str) -> str:
    """Return all that is pinned for a peer, and the Python that runs it, a line each."""
    python = f"python=={platform.python_version()}"
    return "\n".join((python, *SHARED, *PINS[peer], *ALONE.get(peer, ()))) + "\n"


def python(peer: str) -> Path:
    """Return the Python of a peer's environment, built if it is not there or other pins hold."""
    folder = FOLDER / peer
    stamp = folder / "pins.txt"
    if not stamp.exists() or stamp.read_text(encoding="utf-8") != pins(peer):
        build(peer, folder)
        stamp.write_text(pins(peer), encoding="utf-8")
    return folder / "bin/python"


def build(peer: str, folder: Path) -> None:
    """Make the environment from nothing."""
    print(f"building the environment of {peer}", file=sys.stderr)
    subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
    pip = [str(folder / "bin/python"), "-m", "pip", "install", "--quiet"]
    held = ["--constraint", str(CONSTRAINTS)]
    subprocess.run([*pip, *held, *SHARED, *PINS[peer]], check=True)
    if peer in ALONE:
        subprocess.run([*pip, "--no-deps", *ALONE[peer]], check=True)
