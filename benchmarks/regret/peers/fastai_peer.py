"""Run fastai's `Learner.lr_find` with its own range, and two of its rules.

Nothing here imports `fastai.vision` or `fastai.basics`: torchvision is not installed, and a learner
over plain loaders does without it.
"""

from __future__ import annotations

import tempfile
from functools import partial
from typing import TYPE_CHECKING, Any

from fastai.callback.schedule import minimum, valley  # its import adds lr_find to Learner
from fastai.data.core import DataLoaders
from fastai.learner import Learner
from fastai.optimizer import OptimWrapper

from benchmarks.regret.peers.sweeps import STEPS, optimizer_of, serve

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch.optim import Optimizer

    from benchmarks.regret.tasks import Pair


class Find:
    """One call of `lr_find`, on the optimizer that the pair is trained with."""

    def __init__(self, pair: Pair, seed: int, rule: Callable[..., Any]) -> None:
        def torch_optimizer(parameters: Any, lr: float) -> Optimizer:
            return optimizer_of(pair, parameters, lr)

        model, loader = pair.task.start(seed)
        self.rule = rule
        self.folder = tempfile.TemporaryDirectory()  # lr_find saves the model on disk
        self.learner = Learner(
            DataLoaders(loader, loader),  # a sweep skips validation
            model,
            loss_func=pair.task.loss_fn,
            opt_func=partial(OptimWrapper, opt=torch_optimizer),
            path=self.folder.name,
        )

    def suggest(self) -> float:
        """Sweep without a bar and a plot."""
        with self.learner.no_bar(), self.folder:
            (suggestion,) = self.learner.lr_find(
                num_it=STEPS, show_plot=False, suggest_funcs=self.rule
            )
        return suggestion

    def curve(self) -> tuple[list[float], list[float]]:
        """Return what the recorder holds: the losses are smoothed."""
        recorder = self.learner.recorder
        return getattr(recorder, "lrs", []), getattr(recorder, "losses", [])


if __name__ == "__main__":
    # The first is fastai's default; the second divides the rate of the least loss by 10.
    serve(
        {
            "fastai valley": partial(Find, rule=valley),
            "fastai minimum/10": partial(Find, rule=minimum),
        }
    )
