"""What a sweep recorded, before anything is made of it."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from lrfinder_widget.analysis.curve import Curve, vector
from lrfinder_widget.errors import LRFinderError
from lrfinder_widget.settings import SweepSettings
from lrfinder_widget.stop_reasons import COMPLETED, STOP_REASONS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import ArrayLike, NDArray

FIELDS = (
    "lrs",
    "losses",
    "settings",
    "stop_reason",
    "notes",
    "loss_name",
    "optimizer",
    "network",
    "batch_size",
    "val_losses",
    "grad_norms",
    "metrics",
)


class Record:
    """The points of a sweep, and what is known of it; see `lrfinder_widget.LRFinderResult`."""

    def __init__(
        self,
        *,
        lrs: ArrayLike,
        losses: ArrayLike,
        settings: SweepSettings | None = None,
        stop_reason: str = COMPLETED,
        notes: tuple[str, ...] = (),
        loss_name: str = "",
        optimizer: str = "",
        network: str = "",
        batch_size: int = 0,
        val_losses: ArrayLike = (),
        grad_norms: ArrayLike = (),
        metrics: Mapping[str, ArrayLike] | None = None,
    ) -> None:
        if stop_reason not in STOP_REASONS:
            raise LRFinderError(
                f"stop_reason must be one of {', '.join(STOP_REASONS)} (got {stop_reason!r})"
            )
        self._curve = Curve(lrs, losses)
        self._settings = settings or SweepSettings()
        self._stop_reason = stop_reason
        self._notes = tuple(notes)
        self._loss_name = loss_name
        self._optimizer = optimizer
        self._network = network
        self._batch_size = batch_size
        self._val_losses = self._column("val_losses", val_losses)
        self._grad_norms = self._column("grad_norms", grad_norms)
        self._metrics = {
            name: self._column(name, values) for name, values in (metrics or {}).items()
        }

    @property
    def lrs(self) -> NDArray[np.float64]:
        """The learning rates that were used."""
        return self._curve.lrs

    @property
    def losses(self) -> NDArray[np.float64]:
        """The losses as they were; the last may be NaN or infinite."""
        return self._curve.losses

    @property
    def val_losses(self) -> NDArray[np.float64]:
        """The validation loss after each step; NaN without a ``val_loader``."""
        return self._val_losses

    @property
    def grad_norms(self) -> NDArray[np.float64]:
        """The norm of all gradients at each step, before clipping; NaN where not measured."""
        return self._grad_norms

    @property
    def metrics(self) -> Mapping[str, NDArray[np.float64]]:
        """Other scalars that ``compute_loss`` returned, by their names."""
        return MappingProxyType(self._metrics)

    @property
    def settings(self) -> SweepSettings:
        """The settings of the sweep."""
        return self._settings

    @property
    def stop_reason(self) -> str:
        """Why the sweep ended: completed, diverged, non-finite loss, stopped, or out of memory."""
        return self._stop_reason

    @property
    def notes(self) -> tuple[str, ...]:
        """What the sweep had to say, a sentence each."""
        return self._notes

    @property
    def loss_name(self) -> str:
        """The loss that was used, in words."""
        return self._loss_name

    @property
    def optimizer(self) -> str:
        """The name of the optimizer's class."""
        return self._optimizer

    @property
    def network(self) -> str:
        """The kind of network: transformer, convolutional, recurrent, perceptron, or nothing."""
        return self._network

    @property
    def batch_size(self) -> int:
        """How many samples a step trained on; 0 if that is not known."""
        return self._batch_size

    def fields(self) -> dict[str, Any]:
        """Return the arguments that make an equal record."""
        return {name: getattr(self, name) for name in FIELDS}

    def _column(self, name: str, values: ArrayLike) -> NDArray[np.float64]:
        """Return one number for each point; NaN for all of them where none is given."""
        column = vector(name, values)
        if not len(column):
            column = vector(name, np.full(len(self._curve), np.nan))
        if len(column) != len(self._curve):
            raise LRFinderError(
                f"{name} must have one number for each learning rate, or none "
                f"(got {len(column)} for {len(self._curve)} learning rates)"
            )
        return column
