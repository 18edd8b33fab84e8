"""What is iterated over to sweep: points come, and everything is put back when they end."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Self

import torch
from torch import is_grad_enabled, is_inference_mode_enabled

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from lrfinder_widget.interrupts import Interrupts
    from lrfinder_widget.points import Point
    from lrfinder_widget.training.distributed import Ranks
    from lrfinder_widget.training.guard import Claim

    # What it returns at its end is their number.
    PointGenerator = Generator[Point, None, int]


class Iteration:
    """An iterator over points that restores when it is closed, of one sweep or a series."""

    # Or else it runs elsewhere, and is followed.
    trains = True
    _points: PointGenerator
    _claim: Claim
    _interrupts: Interrupts
    # None outside of a process group.
    _ranks: Ranks | None = None

    def __iter__(self) -> Iterator[Point]:
        return self

    def __next__(self) -> Point:
        if self._ranks is not None:
            with self._ranks.interrupts_noted(), _gradients_on():
                return next(self._points)
        if is_grad_enabled() and not is_inference_mode_enabled():
            try:
                return next(self._points)
            except BaseException:
                # An interrupt that hits torch's own way out of no_grad leaves it switched off.
                torch.set_grad_enabled(True)
                raise
        with _gradients_on():
            return next(self._points)

    @contextmanager
    def in_one_go(self) -> Iterator[Iterator[Point]]:
        """Return the points as an iterator for a block that does nothing else than take them.

        There gradients are on throughout, while ``next`` has to see to it at each point.
        """
        if self._ranks is not None:
            yield self
            return
        with _gradients_on():
            yield self._points

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if self._ranks is not None and error is not None:
            self._ranks.stop(error)
        self.close()

    def close(self) -> None:
        """End here and restore; does nothing if it has ended."""
        self._interrupts.hold()
        self._points.close()

    def check_free(self) -> None:
        """Raise `SweepInProgressError` if another sweep would refuse this one now."""
        self._claim.check()


@contextmanager
def _gradients_on() -> Iterator[None]:
    with torch.inference_mode(mode=False), torch.enable_grad():
        yield
