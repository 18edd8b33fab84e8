"""The page's words for settings: what it says of one is found in its form."""

from __future__ import annotations

import re

# As in js/src/settings.tsx; clipping has no field there.
LABELS = {
    "start_lr": "From",
    "end_lr": "To",
    "num_iter": "Points",
    "repeats": "Repeats",
    "step_mode": "Steps",
    "diverge_threshold": "Stop at × best loss",  # noqa: RUF001 - a multiplication sign
    "beta": "Beta",
    "clip_grad_norm": "Gradient norm at most",
}
# What is said to Python, and what to a form.
_PHRASES = {
    "pass None to switch it off": "leave it empty to switch it off",
    ", None the lag-free one": "",
    "the num_iter points": "the points",
}
_NAMES = re.compile(rf"\b({'|'.join(LABELS)})\b")


def in_form_words(text: str) -> str:
    """Return a sentence, or a button's words, with the form's labels for the settings' names."""
    for said, instead in _PHRASES.items():
        text = text.replace(said, instead)
    return _NAMES.sub(lambda name: LABELS[name[0]], text)
