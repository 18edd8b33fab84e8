"""Find a learning rate: live in a notebook, in a script, without a trace."""

from typing import TYPE_CHECKING, Any

from lrfinder_widget.errors import (
    LossInferenceError,
    LRFinderError,
    NotEnoughPointsError,
    RankError,
    SettingsError,
    SweepInProgressError,
)
from lrfinder_widget.find import lr_find
from lrfinder_widget.function_sweep import range_test
from lrfinder_widget.optimizer_lr import get_lr, set_lr
from lrfinder_widget.result import LRFinderResult
from lrfinder_widget.seeding import seed_everything
from lrfinder_widget.settings import SweepSettings

if TYPE_CHECKING:
    from lrfinder_widget.widget import LRFinderWidget

__version__ = "0.1.0"

__all__ = [
    "LRFinderError",
    "LRFinderResult",
    "LRFinderWidget",
    "LossInferenceError",
    "NotEnoughPointsError",
    "RankError",
    "SettingsError",
    "SweepInProgressError",
    "SweepSettings",
    "get_lr",
    "lr_find",
    "range_test",
    "seed_everything",
    "set_lr",
]


def __getattr__(name: str) -> Any:
    # A script that only sweeps need not import Jupyter's packages.
    if name == "LRFinderWidget":
        from lrfinder_widget.widget import LRFinderWidget

        return LRFinderWidget
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
