"""How fast a sweep goes: time left, and whether something slows it."""

from __future__ import annotations

from collections import deque

_WINDOW = 8
# A step varies by its batch; a cell that spins makes it 5 to 100 times as long.
_SLOWED_FACTOR = 4.0
# Below this nobody notices, whatever the factor.
_SLOWED_SECONDS = 0.002


class Pace:
    """The durations of a sweep's steps, in seconds."""

    def __init__(self) -> None:
        self._recent: deque[float] = deque(maxlen=_WINDOW)
        self._sum = 0.0
        self._best = float("inf")
        self._first = True

    def step(self, seconds: float) -> None:
        """Count a step that took `seconds`."""
        if self._first:  # it prepares: workers start, kernels are chosen
            self._first = False
            return
        if len(self._recent) == _WINDOW:
            self._sum -= self._recent[0]
        self._recent.append(seconds)
        self._sum += seconds
        if len(self._recent) == _WINDOW:
            self._best = min(self._best, self._sum / _WINDOW)

    def prepared(self) -> None:
        """Leave the next step out: it prepares a sweep."""
        self._first = True

    def interrupted(self) -> None:
        """Forget the recent steps after a pause."""
        self._recent.clear()
        self._sum = 0.0

    @property
    def seconds_a_step(self) -> float | None:
        """Mean of the recent steps; None before there are any."""
        return self._sum / len(self._recent) if self._recent else None

    @property
    def slowed(self) -> bool:
        """Whether steps now take several times what they took at best."""
        now = self.seconds_a_step
        return (
            now is not None
            and len(self._recent) == _WINDOW
            and now > _SLOWED_SECONDS
            and now > _SLOWED_FACTOR * self._best
        )
