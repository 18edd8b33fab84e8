"""What this package raises. Each message says what to do."""


class LRFinderError(Exception):
    """Base of every error that this package raises on purpose."""


class SettingsError(LRFinderError, ValueError):
    """A setting or an argument cannot be used; the message names what it got."""


class LossInferenceError(LRFinderError, TypeError):
    """No loss follows from the model's output and the batch; the message says what to pass."""


class SweepInProgressError(LRFinderError, RuntimeError):
    """The model or optimizer belongs to a sweep until that ends."""


class NotEnoughPointsError(LRFinderError, ValueError):
    """The curve has too few points for a suggestion."""


class RankError(LRFinderError, RuntimeError):
    """Another process of the sweep failed; the message says which, of what, and what is left."""
