"""Curves of real sweeps, stored by make_curves.py."""

import json
import math
from pathlib import Path

import numpy as np

FOLDER = Path(__file__).parent / "curves"


def stored(name):
    """The rates and the losses of a stored curve, the finite ones."""
    held = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    losses = np.array([math.nan if isinstance(x, str) else x for x in held["losses"]])
    finite = np.isfinite(losses)
    return np.array(held["lrs"])[finite], losses[finite]


HEALTHY = {path.stem: stored(path.stem) for path in sorted(FOLDER.glob("healthy_*.json"))}
