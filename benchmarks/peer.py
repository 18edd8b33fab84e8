"""The peer that the sweep is timed beside, installed apart from the project's own packages."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

REQUIREMENT = "torch-lr-finder==0.2.2"
# Inside the virtual environment: ignored by git, and gone with `make clean`.
FOLDER = Path(sys.prefix) / "peers"


def install() -> Path:
    """Install torch-lr-finder, if it is not there, and return the folder to import it from.

    It is pure Python, and what it imports is the project's anyway: so no dependencies, and the
    same torch for both.
    """
    if not (FOLDER / "torch_lr_finder").is_dir():
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps"]
        subprocess.run([*pip, "--target", str(FOLDER), REQUIREMENT], check=True)
    return FOLDER
