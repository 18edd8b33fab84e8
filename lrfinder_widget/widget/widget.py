"""LRFinderWidget: a live learning-rate finder in the output of a cell."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import anywidget
import traitlets

from lrfinder_widget.errors import LRFinderError
from lrfinder_widget.optimizer_lr import checked_rate
from lrfinder_widget.runner import CLOSED, IDLE
from lrfinder_widget.settings import SweepSettings
from lrfinder_widget.training.accelerated import accelerated
from lrfinder_widget.training.training import Training
from lrfinder_widget.widget.finder import Finder
from lrfinder_widget.widget.follower import Follower
from lrfinder_widget.widget.messages import parse_selection
from lrfinder_widget.widget.pages import Pages
from lrfinder_widget.widget.state import plain

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Generator, Iterable
    from concurrent.futures import Executor

    from torch import Tensor, nn
    from torch.optim import Optimizer

    from lrfinder_widget.result import LRFinderResult

_STATIC = Path(__file__).parent / "static"
_AWAIT_SECONDS = 0.05


class LRFinderWidget(anywidget.AnyWidget):
    """Find a learning rate by watching a sweep live, and set it with a click.

    >>> w = LRFinderWidget(model, optimizer, loader).show()  # doctest: +SKIP

    The sweep trains `model` in a background thread, one optimizer step at each of `num_iter`
    learning rates from `start_lr` to `end_lr` (Smith, "Cyclical Learning Rates for Training
    Neural Networks", 2017), and streams the loss to a chart in the cell's output. Afterwards, and
    whenever it is stopped, model, optimizer, loader and random generators are exactly as before.

    Parameters
    ----------
    model
        The model to train; its parameters are those of `optimizer`.
    optimizer
        The optimizer whose learning rate is sought. Parameter groups keep their ratios.
    loader
        A ``DataLoader`` or any iterable of batches that can be iterated repeatedly.
    loss_fn
        A function of ``(output, target)`` that returns a scalar. By default it is inferred from
        the first batch, and shown.
    scheduler
        A learning-rate scheduler whose rates *Apply* brings along; see `set_lr`.
    compute_loss, val_loader, scaler
        See `lr_find`.
    journal
        A file to write each point to as it comes; a second run writes ``name-2``, and so on.
    executor
        See `lr_find`; a curve appears when its sweep has ended, and there is no pausing.
    **settings
        See `SweepSettings`: ``start_lr``, ``end_lr``, ``num_iter``, ``repeats``, ``rule``, …

    Attributes
    ----------
    lr : float or None
        The chosen learning rate: the marker's, or the suggestion it follows.
    result : LRFinderResult or None
        The last sweep's curve and suggestions, once it has ended.

    Raises
    ------
    SettingsError
        If a setting or an argument cannot be used.
    """

    _esm = _STATIC / "widget.js"
    _css = _STATIC / "widget.css"

    status = traitlets.Dict().tag(sync=True)
    settings = traitlets.Dict().tag(sync=True)
    selection = traitlets.Dict().tag(sync=True)
    suggestions: traitlets.List[Any] = traitlets.List().tag(sync=True)
    optimizer = traitlets.Dict().tag(sync=True)
    applied = traitlets.Dict(default_value=None, allow_none=True).tag(sync=True)
    loss = traitlets.Unicode().tag(sync=True)
    error = traitlets.Dict(default_value=None, allow_none=True).tag(sync=True)
    curve = traitlets.Bytes().tag(sync=True)
    columns: traitlets.List[Any] = traitlets.List().tag(sync=True)
    band = traitlets.Bytes().tag(sync=True)
    interval: traitlets.List[Any] = traitlets.List(default_value=None, allow_none=True).tag(
        sync=True
    )
    findings: traitlets.List[Any] = traitlets.List().tag(sync=True)

    def __init__(
        self,
        model: nn.Module,
        optimizer: Optimizer,
        loader: Iterable[Any],
        loss_fn: Callable[..., Tensor] | None = None,
        *,
        scheduler: Any = None,
        compute_loss: Callable[[nn.Module, Any], Any] | None = None,
        val_loader: Iterable[Any] | None = None,
        scaler: Any = None,
        journal: str | os.PathLike[str] | None = None,
        executor: Executor | None = None,
        **settings: Any,
    ) -> None:
        training = Training(
            model=model,
            optimizer=optimizer,
            loader=loader,
            loss_fn=loss_fn,
            compute_loss=compute_loss,
            val_loader=val_loader,
            scheduler=scheduler,
            scaler=scaler,
        )
        training, settings = accelerated(training, settings)
        self._open(training, SweepSettings.from_keywords(**settings), journal, executor)

    def _open(
        self,
        training: Training,
        settings: SweepSettings,
        journal: str | os.PathLike[str] | None = None,
        executor: Executor | None = None,
    ) -> None:
        pages = Pages(self)
        finder = Finder(training, settings, listener=pages, journal=journal, executor=executor)
        self._begin(pages, finder)

    def _begin(self, pages: Pages, finder: Finder) -> None:
        self._pages = pages
        self._finder = finder
        self._runner = finder.runner
        super().__init__()
        self._pages.open(self._finder)

    @classmethod
    def watch(cls, path: str | os.PathLike[str]) -> Self:
        """Return a widget that shows a sweep which runs elsewhere, from its journal.

        >>> w = LRFinderWidget.watch("runs/lr_finder_2026-11-22_10-00-00").show()  # doctest: +SKIP

        The chart grows as the other process (a terminal, a cluster's job) writes. *Choose* writes
        the rate beside the journal as ``choice.json``; ``lr-finder run --wait-for-choice`` waits
        for that.

        Parameters
        ----------
        path
            The journal (``lr_find(…, journal=path)``), or the folder of a run of ``lr-finder``.
            The journal need not be there yet.

        Raises
        ------
        SettingsError
            If there is no such folder.
        LRFinderError
            If the file is no journal.
        """
        widget = cls.__new__(cls)
        pages = Pages(widget)
        widget._begin(pages, Follower(path, pages))  # noqa: SLF001 - its own
        return widget

    @classmethod
    def _of(cls, training: Training, settings: dict[str, Any]) -> Self:
        """Return a widget for what an adapter made of a framework's objects."""
        widget = cls.__new__(cls)
        widget._open(training, SweepSettings.from_keywords(**settings))  # noqa: SLF001 - its own
        return widget

    @classmethod
    def from_lightning(
        cls,
        module: Any,
        datamodule_or_loader: Any = None,
        trainer: Any = None,
        *,
        optimizer: int | None = None,
        lr_attribute: str | None = None,
        val_loader: Iterable[Any] | None = None,
        **settings: Any,
    ) -> Self:
        """Return a widget for a LightningModule, of ``lightning`` or ``pytorch_lightning``.

        >>> w = LRFinderWidget.from_lightning(module, datamodule, trainer).show()  # doctest: +SKIP

        The sweep calls ``training_step`` and the batch-transfer hooks with a trainer of its own in
        the user's place: ``self.trainer``, ``self.global_step`` and ``self.optimizers()`` work and
        stay where they are; what ``self.log`` is given becomes ``result.metrics``. Other hooks
        (``setup`` and ``configure_model`` of the module, say) and callbacks are not called.
        *Apply* writes the module's ``lr`` or ``learning_rate`` (the attribute and the
        hyperparameter), with which the next ``trainer.fit`` trains.

        Parameters
        ----------
        module
            The module. One with ``automatic_optimization = False`` takes its steps itself.
        datamodule_or_loader
            A LightningDataModule, of which a copy is set up as fit does (where that takes long and
            is done, pass ``datamodule.train_dataloader()``); or a loader or several. By default
            the module's own ``train_dataloader``.
        trainer
            The Trainer that will fit. By default one with the usual limits stands in.
        optimizer
            Which one of several that ``configure_optimizers`` returns, by number; the others keep
            their rates.
        lr_attribute
            Where the module keeps its learning rate, such as ``"model.lr"``.
        val_loader
            See `lr_find`; its loss is ``training_step``'s, too.
        **settings
            See `SweepSettings`. Accumulation, clipping and mixed precision are by default the
            trainer's.

        Raises
        ------
        SettingsError
            If an argument cannot be used.
        """
        from lrfinder_widget.adapters.lightning import from_lightning

        training, settings = from_lightning(
            module,
            datamodule_or_loader,
            trainer,
            optimizer=optimizer,
            lr_attribute=lr_attribute,
            val_loader=val_loader,
            **settings,
        )
        return cls._of(training, settings)

    @classmethod
    def from_trainer(cls, trainer: Any, **settings: Any) -> Self:
        """Return a widget for a ``transformers.Trainer``.

        >>> w = LRFinderWidget.from_trainer(trainer).show()  # doctest: +SKIP

        The sweep uses the trainer's dataloader, loss and optimizer, and leaves the trainer as it
        is. *Apply* writes ``trainer.args.learning_rate``, which the next ``trainer.train()`` starts
        from, and the trainer's optimizer and scheduler where it has them.

        Parameters
        ----------
        trainer
            The trainer, before or between calls of ``train``.
        **settings
            See `SweepSettings`. Accumulation, clipping and mixed precision are by default those of
            its ``TrainingArguments``.

        Raises
        ------
        SettingsError
            If it is no ``Trainer``, or DeepSpeed, FSDP or LOMO takes its steps.
        """
        from lrfinder_widget.adapters.transformers import from_trainer

        return cls._of(*from_trainer(trainer, **settings))

    @classmethod
    def from_keras(
        cls,
        model: Any,
        x_or_dataset: Any,
        y: Any = None,
        *,
        sample_weight: Any = None,
        batch_size: int = 32,
        validation_data: Any = None,
        **settings: Any,
    ) -> Self:
        """Return a widget for a compiled Keras model on the PyTorch backend.

        >>> w = LRFinderWidget.from_keras(model, x, y).show()  # doctest: +SKIP

        *Apply* assigns the optimizer's learning rate. An optimizer that has no variables yet is
        given them at once, as ``fit`` does. `lrfinder_widget.adapters.keras.FindLearningRate` does
        the same within ``fit``.

        Parameters
        ----------
        model
            A compiled model that has its weights, with a number as learning rate.
        x_or_dataset, y, sample_weight, batch_size, validation_data
            As ``model.fit`` takes them: arrays, a ``DataLoader`` or a ``PyDataset``.
        **settings
            See `SweepSettings`.

        Raises
        ------
        SettingsError
            If Keras runs on another backend, or an argument cannot be used.
        """
        from lrfinder_widget.adapters.keras import from_keras

        training, settings = from_keras(
            model,
            x_or_dataset,
            y,
            sample_weight=sample_weight,
            batch_size=batch_size,
            validation_data=validation_data,
            **settings,
        )
        return cls._of(training, settings)

    def show(self, *, wait: bool = False) -> Self:
        """Show the widget in this cell and start a sweep, if none has run yet.

        Parameters
        ----------
        wait
            Block until the sweep has ended, as `wait` does.

        Returns
        -------
        LRFinderWidget
            The widget itself; as a cell's last expression it is still shown once.
        """
        self._finder.refuse_closed()
        fresh = self._runner.state == IDLE and self._runner.finished
        if fresh:
            self._finder.check_free()
        self._pages.show(explicitly=True)
        if fresh:
            self.run()
        if wait:
            self.wait()
        return self

    def run(self) -> None:
        """Start a sweep; one in progress is stopped and restored first.

        Raises
        ------
        SweepInProgressError
            If a sweep that is not this widget's trains the same parameters.
        """
        self._runner.inherit()
        self._pages.cells.keep()
        self._finder.start()

    def pause(self) -> None:
        """Take no further step until `resume`; the model stays the sweep's."""
        self._runner.answer_of(self._runner.pause())

    def resume(self) -> None:
        """Go on after `pause`."""
        self._runner.answer_of(self._runner.resume())

    def stop(self) -> None:
        """End the sweep; returns when everything is restored."""
        self._runner.answer_of(self._runner.stop())

    def wait(self, timeout: float | None = None) -> LRFinderResult:
        """Block until the sweep has ended, and return its result.

        An interrupt of the waiting cell stops the sweep and restores everything.

        Raises
        ------
        TimeoutError
            After `timeout` seconds; the sweep goes on.
        LRFinderError
            If there was no sweep to wait for.
        Exception
            Whatever the model, the loss or the loader raised.
        """
        self._finder.refuse_unstarted()
        self._runner.wait(timeout)
        return self._finder.outcome()

    def __await__(self) -> Generator[Any, None, LRFinderResult]:
        return self._wait_async().__await__()

    async def _wait_async(self) -> LRFinderResult:
        self._finder.refuse_unstarted()
        try:
            # An idle event loop does not see an interrupt: wake often enough to answer at once.
            while not self._runner.finished:  # noqa: ASYNC110 - nothing would wake an Event
                await asyncio.sleep(_AWAIT_SECONDS)
        except (asyncio.CancelledError, KeyboardInterrupt):
            self._runner.stop("interrupted").result()
            raise
        return self._finder.outcome()

    @property
    def lr(self) -> float | None:
        """The chosen learning rate: the marker's, or the suggestion it follows; set to choose."""
        if "lr" in self.selection:
            return float(self.selection["lr"])
        rule = self.selection.get("rule")
        return next((s["lr"] for s in self.suggestions if s["rule"] == rule), None)

    @lr.setter
    def lr(self, value: float) -> None:
        self._pages.publish(selection=parse_selection({"lr": plain(value)}, ()))
        self._pages.refresh_rates()

    @property
    def result(self) -> LRFinderResult | None:
        """The last sweep's curve and suggestions, once it has ended."""
        return self._finder.result

    @property
    def loader(self) -> Any:
        """With ``replay=True``, what the sweeps read of the loader and then the rest; else None."""
        return self._finder.loader

    def apply(self, lr: float | None = None) -> None:
        """Set the optimizer's learning rate, by default to the chosen one.

        A sweep in progress is stopped and everything restored first.

        Raises
        ------
        LRFinderError
            If no learning rate is given and none is chosen.
        SettingsError
            If `lr` is not a positive number.
        """
        if lr is None:
            lr = self.lr
            if lr is None:
                raise LRFinderError(
                    "no learning rate is chosen yet: pass one, move the marker, or wait for the "
                    "suggestion (widget.wait())"
                )
        checked_rate(lr)  # a rate that cannot be used does not end a sweep
        self._runner.answer_of(self._runner.call(lambda: self._pages.apply_rate(lr)))

    def undo(self) -> None:
        """Put back the learning rates from before the last `apply`."""
        self._finder.refuse_closed()
        self._finder.check_undo()
        self._runner.answer_of(self._runner.call(self._pages.undo_rate))

    def close(self) -> None:
        """Stop, restore, and take the widget off the page."""
        # ipywidgets closes in __del__ too, also after a constructor that refused its arguments.
        runner = getattr(self, "_runner", None)
        # When the interpreter exits, no thread would answer; what ran was stopped and restored.
        if runner is not None and not sys.is_finalizing():
            if runner.state != CLOSED:
                runner.answer_of(runner.close())
            self._pages.cells.forget()
            super().close()

    def set_state(self, sync_data: Any) -> None:
        """Take over what a page writes, if it is a selection (ipywidgets calls this)."""
        selection = self._pages.checked_selection(sync_data)
        if selection is not None:
            with self._pages.lock:
                super().set_state({"selection": selection})
            self._pages.refresh_rates()

    def _send(self, msg: Any, buffers: Any = None) -> None:
        self._pages.route.run(super()._send, msg, buffers)

    def _ipython_display_(self) -> None:
        self._finder.refuse_closed()
        self._pages.show(explicitly=False)
