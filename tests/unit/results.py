"""Results of hand-made curves, of one run and of three."""

import numpy as np

from lrfinder_widget.result import LRFinderResult
from lrfinder_widget.settings import SweepSettings, learning_rates

DECADES = np.linspace(-7, 1, 100)


def losses_at(decades):
    return 2.3 - 1.7 / (1 + np.exp(-4 * (decades + 2.5))) + 0.3 * np.exp(5 * decades)


LOSSES = losses_at(DECADES)


def make(points=90, shift=0.0, **changes):
    checked = SweepSettings(**changes)
    return LRFinderResult(
        lrs=learning_rates(checked)[:points],
        losses=losses_at(DECADES + shift)[:points],
        settings=checked,
        stop_reason="diverged",
        notes=("The model was in eval mode.",),
        loss_name="cross-entropy (inferred)",
        optimizer="AdamW",
        network="convolutional",
        batch_size=32,
    )


def make_three(**changes):
    runs = [make(points=90, **changes), make(points=85, shift=0.2, **changes)]
    return LRFinderResult.combined([*runs, make(points=93, shift=-0.1, **changes)])


def fifth(lrs, losses):
    return lrs[losses.argmin()] / 5
