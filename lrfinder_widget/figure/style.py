"""What all pictures have in common: colours, strengths, words."""

from __future__ import annotations

CURVE = "#0b66d8"
INK = "#1c1f23"
SOFT = "#5c6570"
GRID = "#e6eaee"
PAPER = "#ffffff"
FAINT = 0.35
# How strongly the good rates and the band of several runs are shaded; they lie over each other.
GOOD_SHADE = 0.08
BAND_SHADE = 0.16
THIN = 0.55

BAND = "band"
LR = "learning rate"
VALIDATION = "validation loss"
NORM = "gradient norm"

# The share of the height that the gradient norms get, and the gap above them.
NORM_PART = 0.2
GAP = 0.05
