"""What is kept of a peer's sweep."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Record:
    """A sweep and the rate that it suggests.

    Attributes
    ----------
    pair, seed
        What was swept. The schedule of a pair changes nothing: a sweep has its own.
    peer
        The library, and its rule where it has several.
    suggestion, reason
        The rate; or None, and why there is none.
    lrs, losses
        The curve as the peer keeps it, mostly smoothed.
    seconds
        How long the sweep and the suggestion took together.
    """

    pair: str
    seed: int
    peer: str
    suggestion: float | None
    reason: str
    lrs: list[float]
    losses: list[float]
    seconds: float

    def line(self) -> str:
        """Return it as a line of JSON."""
        return json.dumps(asdict(self)) + "\n"


def records(text: str) -> list[Record]:
    """Read lines of JSON."""
    return [Record(**json.loads(line)) for line in text.splitlines()]
