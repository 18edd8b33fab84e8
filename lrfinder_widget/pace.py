"""How fast a sweep goes: time left, and whether something slows it."""

from __future__ import annotations

from collections import deque

_WINDOW = 8
# A step varies by its batch; a cell that spins makes it 5 to 100 times as long.
_SLOWED_FACTOR = 4.0
# Steps until a new sweep's own pace counts: the first takes as long as many.
_SETTLED = 4
# Below this nobody notices, whatever the factor.
_SLOWED_SECONDS = 0.002
_TWO_LOOKS = 2
# When somebody looked, and how many steps there were.
_Look = tuple[float, int]


class Pace:
    """What a sweep's steps took between the last looks at the clock; times are in seconds."""

    def __init__(self) -> None:
        self._looks: deque[_Look] = deque(maxlen=_WINDOW + 1)
        self._before: float | None = None
        self._best = float("inf")

    def begin(self, now: float, steps: int) -> None:
        """Count from here on: what came before prepared a sweep, or was a pause."""
        self._before = self.seconds_a_step
        # A new one: another thread may be reading the old one.
        self._looks = deque([(now, steps)], maxlen=_WINDOW + 1)

    def look(self, now: float, steps: int) -> None:
        """Take the time after `steps` steps."""
        self._looks.append((now, steps))
        first = self._looks[0]
        if steps - first[1] >= _WINDOW:
            self._best = min(self._best, _mean(first, (now, steps)) or self._best)

    @property
    def seconds_a_step(self) -> float | None:
        """Mean of the recent steps; None before there are any."""
        looks = [*self._looks]
        mean = _mean(looks[0], looks[-1]) if looks else None
        settled = self._before is None or (looks and looks[-1][1] - looks[0][1] >= _SETTLED)
        return mean if settled and mean is not None else self._before

    @property
    def slowed(self) -> bool:
        """Whether steps now take several times what they took at best."""
        looks = [*self._looks]
        # Over two looks, not one slow batch alone.
        now = _mean(looks[-3], looks[-1]) if len(looks) > _TWO_LOOKS else None
        return now is not None and now > max(_SLOWED_SECONDS, _SLOWED_FACTOR * self._best)


def _mean(begin: _Look, end: _Look) -> float | None:
    (began, first), (ended, last) = begin, end
    return (ended - began) / (last - first) if last > first else None
