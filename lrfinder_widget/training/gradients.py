"""The gradients of a step: their norm, and clipping."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch.nn.utils import clip_grad_value_, clip_grads_with_norm_, get_total_norm

from lrfinder_widget.errors import SettingsError
from lrfinder_widget.training.sharding import whole

if TYPE_CHECKING:
    from torch import Tensor
    from torch.optim import Optimizer

    from lrfinder_widget.settings import SweepSettings

# The norm may cost this share of a step; that is found out in so many steps, or in fewer when these
# seconds have passed: noise is small beside a slow step, and the page waits to hear.
SHARE = 0.01
TRIALS = 8
PATIENCE_SECONDS = 0.3
_FEWEST_TRIALS = 2  # the first step prepares
# The thread's own time: on a busy machine a step takes twenty times as long on the clock, now and
# then, and the norm would seem to cost nothing. Windows counts it in sixtieths of a second.
_cost_clock = time.perf_counter if sys.platform == "win32" else time.thread_time


@dataclass
class NormCost:
    """Whether a training's gradient norms cost little: found out once, and kept for all its sweeps.

    Attributes
    ----------
    affordable : bool or None
        None until it is known.
    """

    affordable: bool | None = None

    def is_sought(self, settings: SweepSettings) -> bool:
        """Return whether a sweep with such settings has to find it out."""
        asked = settings.grad_norms is not None or settings.clip_grad_norm is not None
        return self.affordable is None and not asked


class Gradients:
    """Measures and clips the gradients between the backward pass and the optimizer's step.

    Parameters
    ----------
    optimizer
        Whose parameters' gradients these are.
    settings
        ``clip_grad_norm``, ``clip_grad_value`` and ``grad_norms``, of which None means: as long as
        it costs less than 1 % of a step. Of the first steps, which find that out, only the last
        reports its norm.
    cost
        What earlier sweeps of the training have found out, and later ones will know.

    Attributes
    ----------
    needed : bool
        Whether there is anything to do.
    """

    def __init__(self, optimizer: Optimizer, settings: SweepSettings, cost: NormCost) -> None:
        self._optimizer = optimizer
        self._clip_norm = settings.clip_grad_norm
        self._clip_value = settings.clip_grad_value
        self._cost = cost
        by_default = cost.affordable or self._clip_norm is not None
        self._recorded = bool(by_default if settings.grad_norms is None else settings.grad_norms)
        self._trials_left = TRIALS if cost.is_sought(settings) else 0
        self._norm_seconds = self._step_seconds = float("inf")
        self._step_began = self._trial_began = 0.0
        self._choose()

    def _choose(self) -> None:
        measured = self.recorded or self._clip_norm is not None
        self._measured = measured
        self.needed = measured or self._clip_value is not None

    @property
    def on_trial(self) -> bool:
        """Whether it is still to be found out what a norm costs."""
        return self._trials_left > 0

    @property
    def recorded(self) -> bool:
        """Whether the norm is recorded, or may yet be."""
        return self._recorded or self.on_trial

    def give_up(self) -> None:
        """Record no norm from now on."""
        self._recorded, self._trials_left = False, 0
        self._cost.affordable = False
        self._choose()

    def begin_trial(self) -> None:
        """Take the time: a step begins."""
        self._trial_began = self._trial_began or time.perf_counter()
        self._step_began = _cost_clock()

    def end_trial(self) -> bool:
        """Take the time, the step has ended; return whether its norm is to be told."""
        self._step_seconds = min(self._step_seconds, _cost_clock() - self._step_began)
        self._trials_left -= 1
        late = time.perf_counter() - self._trial_began > PATIENCE_SECONDS
        if late and self._trials_left <= TRIALS - _FEWEST_TRIALS:
            self._trials_left = 0
        if not self._trials_left:
            bare = self._step_seconds - self._norm_seconds
            self._recorded = self._cost.affordable = self._norm_seconds < SHARE * bare
            self._choose()
        return self._recorded

    def norm_and_clip(self) -> Tensor | None:
        """Clip as asked, and return the norm from before, if it is recorded."""
        parameters = [
            parameter
            for group in self._optimizer.param_groups
            for parameter in group["params"]
            if parameter.grad is not None
        ]
        norm = None
        if self._measured and parameters:
            began = _cost_clock()
            norm = whole(get_total_norm([_dense(parameter.grad) for parameter in parameters]))
            self._norm_seconds = min(self._norm_seconds, _cost_clock() - began)
            if self._clip_norm is not None:
                clip_grads_with_norm_(parameters, self._clip_norm, norm)
        if self._clip_value is not None:
            try:
                clip_grad_value_(parameters, self._clip_value)
            except NotImplementedError as error:
                raise SettingsError(
                    "clip_grad_value cannot be used here: sparse and complex gradients have no "
                    "clamp in torch; use clip_grad_norm"
                ) from error
        return norm if self.recorded else None


def _dense(gradient: Tensor) -> Tensor:
    """Return the values of a sparse gradient (an embedding's), else the gradient."""
    return gradient.coalesce().values() if gradient.is_sparse else gradient
