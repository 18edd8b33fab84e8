"""How fast a sweep goes: time left, and whether something slows it."""

from __future__ import annotations

from collections import deque

_WINDOW = 8
# A step varies by its batch; a cell that spins makes it 5 to 100 times as long.
_SLOWED_FACTOR = 4.0
# Below this nobody notices, whatever the factor.
_SLOWED_SECONDS = 0.002


class Pace:
    """What a sweep's steps took between the last looks at the clock; times are in seconds."""

    def __init__(self) -> None:
        # When somebody looked, and how many steps there were.
        self._looks: deque[tuple[float, int]] = deque(maxlen=_WINDOW + 1)
        self._best = float("inf")

    def begin(self, now: float, steps: int) -> None:
        """Count from here on: what came before prepared a sweep, or was a pause."""
        self._looks.clear()
        self._looks.append((now, steps))

    def look(self, now: float, steps: int) -> None:
        """Take the time after `steps` steps."""
        self._looks.append((now, steps))
        if len(self._looks) > _WINDOW:
            self._best = min(self._best, self.seconds_a_step or self._best)

    @property
    def seconds_a_step(self) -> float | None:
        """Mean of the recent steps; None before there are any."""
        if not self._looks:
            return None
        (began, first), (now, last) = self._looks[0], self._looks[-1]
        return (now - began) / (last - first) if last > first else None

    @property
    def slowed(self) -> bool:
        """Whether steps now take several times what they took at best."""
        now = self.seconds_a_step
        return (
            now is not None
            and len(self._looks) > _WINDOW
            and now > _SLOWED_SECONDS
            and now > _SLOWED_FACTOR * self._best
        )
