"""The gradients of a step: their norm, and clipping."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from torch.nn.utils import clip_grad_value_, clip_grads_with_norm_, get_total_norm

from lrfinder_widget.errors import SettingsError
from lrfinder_widget.training.sharding import whole

if TYPE_CHECKING:
    from torch import Tensor
    from torch.optim import Optimizer

    from lrfinder_widget.settings import SweepSettings

# The norm may cost this share of a step; that is found out in so many steps.
SHARE = 0.01
TRIALS = 4


class Gradients:
    """Measures and clips the gradients between the backward pass and the optimizer's step.

    Parameters
    ----------
    optimizer
        Whose parameters' gradients these are.
    settings
        ``clip_grad_norm``, ``clip_grad_value`` and ``grad_norms``, of which None means: as long as
        it costs less than 1 % of a step. The first steps, which find that out, report no norm.

    Attributes
    ----------
    needed : bool
        Whether there is anything to do.
    """

    def __init__(self, optimizer: Optimizer, settings: SweepSettings) -> None:
        self._optimizer = optimizer
        self._clip_norm = settings.clip_grad_norm
        self._clip_value = settings.clip_grad_value
        self._recorded = settings.grad_norms is True or (
            settings.grad_norms is None and self._clip_norm is not None
        )
        on_trial = settings.grad_norms is None and not self._recorded
        self._trials_left = TRIALS if on_trial else 0
        self._norm_seconds = self._step_seconds = float("inf")
        self._step_began = 0.0
        self._choose()

    def _choose(self) -> None:
        measured = self._recorded or self._trials_left > 0 or self._clip_norm is not None
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
        self._choose()

    def begin_trial(self) -> None:
        """Take the time: a step begins."""
        self._step_began = time.perf_counter()

    def end_trial(self) -> None:
        """Take the time: the step has ended."""
        self._step_seconds = min(self._step_seconds, time.perf_counter() - self._step_began)
        self._trials_left -= 1
        if not self._trials_left:
            bare = self._step_seconds - self._norm_seconds
            self._recorded = self._norm_seconds < SHARE * bare
            self._choose()

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
            began = time.perf_counter()
            norm = whole(get_total_norm([_dense(parameter.grad) for parameter in parameters]))
            self._norm_seconds = min(self._norm_seconds, time.perf_counter() - began)
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
        return norm if self._recorded else None


def _dense(gradient: Tensor) -> Tensor:
    """Return the values of a sparse gradient (an embedding's), else the gradient."""
    return gradient.coalesce().values() if gradient.is_sparse else gradient
