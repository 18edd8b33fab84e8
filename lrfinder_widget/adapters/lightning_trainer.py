"""The trainer that a LightningModule sees while a sweep trains it: one of the sweep's own."""

from __future__ import annotations

import copy
import importlib
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from torch import Tensor

from lrfinder_widget.errors import SettingsError
from lrfinder_widget.training.batch_loss import is_scalar

if TYPE_CHECKING:
    from collections.abc import Iterator

# What Trainer.fit takes where neither epochs nor steps are limited.
_DEFAULT_EPOCHS = 1000


class StandIn:
    """A trainer that stands in for the user's: the same epoch, step and limits, nothing to log to.

    A module that reads ``self.trainer``, ``self.global_step`` or ``self.optimizers()``, or that
    logs, does so on this one; the user's trainer is only read, once. It is attached for the time
    of each step alone, so that between two steps the module is as the user knows it.

    Parameters
    ----------
    module
        The LightningModule.
    trainer
        The user's Trainer, or None.

    Attributes
    ----------
    package : str
        The package that the module is of: ``lightning.pytorch`` or ``pytorch_lightning``.
    trainer : Trainer
        The one that stands in.
    logged : dict
        The scalars that the module logged since `attached` was last entered, by name.
    """

    def __init__(self, module: Any, trainer: Any) -> None:
        self.package = package_of(module)
        if trainer is not None and not isinstance(trainer, self.part("").Trainer):
            raise SettingsError(
                f"trainer must be a Trainer of {self.package}, as the module is (got "
                f"{type(trainer).__module__}.{type(trainer).__name__})"
            )
        self.module = module
        self.trainer = self._like(trainer)
        self.logged: dict[str, Any] = {}
        kind = self.part("").LightningModule
        self._modules = [part for part in module.modules() if isinstance(part, kind)]

    def part(self, name: str) -> Any:
        """Return a module of the package, such as ``".trainer.states"``."""
        return importlib.import_module(self.package + name)

    @contextmanager
    def attached(self) -> Iterator[None]:
        """Let the module see this trainer, and log into `logged`."""
        self.logged.clear()
        seen = [dict(vars(part)) for part in self._modules]
        for part in self._modules:
            vars(part).update(_trainer=self.trainer, log=self._log)
        try:
            yield
        finally:
            for part, before in zip(self._modules, seen, strict=True):
                _put_back(vars(part), before, ("_trainer", "log"))

    def connect(self, loader: Any) -> None:
        """Make the trainer ready to fit: its data, the optimizers and schedulers.

        ``configure_optimizers`` may ask it for the number of batches; the loader is not read.
        """
        trainer, loop = self.trainer, self.trainer.fit_loop
        loop._combined_loader = self.part(".utilities.combined_loader").CombinedLoader(loader)  # noqa: SLF001 - or it would start the loader's workers
        loop.max_batches = _limited(_length(loader), trainer.limit_train_batches)
        trainer.state.fn = self.part(".trainer.states").TrainerFn.FITTING
        trainer.training = True
        trainer.strategy.connect(self.module)
        trainer.strategy.setup_optimizers(trainer)

    def _log(self, name: str, value: Any, *_: Any, **__: Any) -> None:
        # "loss" is the name of the loss itself.
        if name != "loss" and is_scalar(value):
            self.logged[name] = value.detach() if isinstance(value, Tensor) else value

    def _like(self, trainer: Any) -> Any:
        device = self.module.device
        options: dict[str, Any] = {"max_epochs": _DEFAULT_EPOCHS}
        if trainer is not None:
            options = _options(trainer)
            if not self.module.automatic_optimization:
                options["precision"] = trainer.precision
        with self._quietly():
            made = self.part("").Trainer(
                accelerator=device.type,
                devices=1 if device.index is None or device.type == "cpu" else [device.index],
                logger=False,
                enable_checkpointing=False,
                enable_progress_bar=False,
                enable_model_summary=False,
                **options,
            )
        made.loggers = [self.part(".loggers.logger").DummyLogger()]
        if trainer is not None:
            made.fit_loop.load_state_dict(copy.deepcopy(trainer.fit_loop.state_dict()))
        return made

    @contextmanager
    def _quietly(self) -> Iterator[None]:
        """Keep from the user what a new trainer tells about devices: it was not asked for."""
        log = importlib.import_module("lightning_utilities.core.rank_zero").log
        before, log.disabled = log.disabled, True
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                yield
        finally:
            log.disabled = before


def package_of(module: Any) -> str:
    """Return the package whose LightningModule `module` is.

    Raises
    ------
    SettingsError
        If it is none.
    """
    for kind in type(module).__mro__:
        package, found, _ = kind.__module__.partition(".core.module")
        if kind.__name__ == "LightningModule" and found:
            return package
    raise SettingsError(
        f"module must be a LightningModule (got {type(module).__name__}); for a torch module use "
        "LRFinderWidget(model, optimizer, loader)"
    )


def _options(trainer: Any) -> dict[str, Any]:
    names = ("max_steps", "accumulate_grad_batches", "limit_train_batches", "gradient_clip_val")
    options = {name: getattr(trainer, name) for name in names}
    options["gradient_clip_algorithm"] = trainer.gradient_clip_algorithm
    options["max_epochs"] = trainer.max_epochs
    if trainer.max_epochs is None:
        options["max_epochs"] = _DEFAULT_EPOCHS if trainer.max_steps == -1 else -1
    return options


def _put_back(attributes: dict[str, Any], before: dict[str, Any], names: tuple[str, ...]) -> None:
    for name in names:
        if name in before:
            attributes[name] = before[name]
        else:
            attributes.pop(name, None)


def _length(loader: Any) -> float:
    try:
        return len(loader)
    except TypeError:  # it cannot tell
        return float("inf")


def _limited(batches: float, limit: float) -> float:
    if isinstance(limit, int):
        return min(batches, limit)
    return batches if batches == float("inf") else int(batches * limit)
