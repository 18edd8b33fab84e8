"""Keras on its PyTorch backend: a compiled model, and a callback for ``fit``."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

import keras
import torch

from lrfinder_widget.adapters.keras_data import Epochs, loader_of
from lrfinder_widget.adapters.keras_optimizer import accumulated_batches, stands_in_for
from lrfinder_widget.errors import LossInferenceError, SettingsError
from lrfinder_widget.points import Points
from lrfinder_widget.series import Series
from lrfinder_widget.series_result import result_of
from lrfinder_widget.settings import SweepSettings
from lrfinder_widget.training.training import Training

if TYPE_CHECKING:
    from collections.abc import Callable

    from lrfinder_widget.result import LRFinderResult


def from_keras(
    model: Any,
    x_or_dataset: Any,
    y: Any = None,
    *,
    sample_weight: Any = None,
    batch_size: int = 32,
    validation_data: Any = None,
    **settings: Any,
) -> tuple[Training, dict[str, Any]]:
    """Return what a compiled Keras model trains with, and the settings that follow from it.

    An optimizer that has no variables yet is given them, as ``fit`` does first of all. A model
    with a ``train_step`` of its own, or an optimizer that scales the loss, is trained by
    ``train_step``; else the compiled loss is computed here.

    Parameters
    ----------
    model
        A compiled model that has its weights.
    x_or_dataset, y, sample_weight, batch_size, validation_data
        As ``model.fit`` takes them; arrays are shuffled. A dataset is a ``DataLoader``, a
        ``PyDataset`` or any iterable of batches that can be iterated repeatedly.
    **settings
        See `SweepSettings`.

    Raises
    ------
    SettingsError
        If the backend, the model, its optimizer or the data cannot be swept.
    """
    _check_model(model)
    optimizer = model.optimizer
    if not optimizer.built:
        optimizer.build(model.trainable_variables)
    own_step = _takes_its_own_step(model)
    batches = accumulated_batches(optimizer)
    if own_step and batches > 1:
        raise SettingsError(
            f"the optimizer adds up the gradients of {batches} batches while the model takes its "
            "own steps, so that most points would change no weight; compile the model without "
            "gradient_accumulation_steps for the sweep"
        )
    loader = loader_of(x_or_dataset, y, sample_weight, batch_size)
    val_loader = _validation_loader(validation_data, batch_size)
    training = Training(
        model=model,
        optimizer=stands_in_for(optimizer, model),
        loader=loader,
        compute_loss=None if own_step else _CompiledLoss(model),
        train_step=_OwnStep(model) if own_step else None,
        val_loader=val_loader,
        # In a list each, of which a sweep looks at the items' state, but copies no large arrays.
        also=tuple([each.dataset] for each in (loader, val_loader) if isinstance(each, Epochs)),
    )
    return training, {"accumulation_steps": batches} | settings


class _CompiledLoss:
    """The loss that a model was compiled with, with regularizers and ``add_loss``.

    It trains where gradients are recorded, and evaluates where they are not: the mode of the
    modules says nothing to Keras, since ``fit`` leaves them in eval mode.
    """

    def __init__(self, model: Any) -> None:
        self.__name__ = _loss_name(model.loss)
        self._call_takes_training = _takes_training(model.call)
        self._loss_takes_training = _takes_training(model.compute_loss)

    def __call__(self, model: Any, batch: Any) -> Any:
        training = torch.is_grad_enabled()
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(_as_tensors(batch))
        called_with = {"training": training} if self._call_takes_training else {}
        more = {"training": training} if self._loss_takes_training else {}
        y_pred = model(x, **called_with)
        return model.compute_loss(x=x, y=y, y_pred=y_pred, sample_weight=sample_weight, **more)


class _OwnStep:
    """The whole step of a model; what it reports is of this batch alone."""

    def __init__(self, model: Any) -> None:
        self.__name__ = f"{type(model).__name__}.train_step"
        self._model = model

    def __call__(self, batch: Any) -> Any:
        self._model.reset_metrics()
        logs = self._model.train_step(_as_tensors(batch))
        if isinstance(logs, dict) and "loss" not in logs:
            raise LossInferenceError(
                f"{self.__name__} returns {', '.join(logs) or 'nothing'}, but no 'loss': return "
                "the loss to sweep under that name too"
            )
        return logs


def _takes_its_own_step(model: Any) -> bool:
    scales = model.optimizer.loss_scale_factor is not None or isinstance(
        model.optimizer, keras.optimizers.LossScaleOptimizer
    )
    return scales or type(model).train_step is not keras.Model.train_step


def _as_tensors(batch: Any) -> Any:
    batch = tuple(batch) if isinstance(batch, list) else batch
    return keras.tree.map_structure(
        lambda part: None if part is None else keras.ops.convert_to_tensor(part), batch
    )


def _validation_loader(data: Any, batch_size: int) -> Any:
    if data is None:
        return None
    if isinstance(data, tuple):
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        return loader_of(x, y, sample_weight, batch_size, shuffle=False)
    return loader_of(data, None, None, batch_size, shuffle=False)


def _takes_training(function: Callable[..., Any]) -> bool:
    return "training" in inspect.signature(function).parameters


def _loss_name(loss: Any) -> str:
    if isinstance(loss, (list, tuple, dict)):
        return "the compiled losses"
    if isinstance(loss, str):
        return loss
    return str(getattr(loss, "name", getattr(loss, "__name__", "the model's own loss")))


def _check_model(model: Any) -> None:
    if keras.backend.backend() != "torch":
        raise SettingsError(
            f"Keras runs on {keras.backend.backend()}; a sweep needs its PyTorch backend: set the "
            "environment variable KERAS_BACKEND=torch before keras is imported for the first time"
        )
    if not isinstance(model, keras.Model):
        raise SettingsError(f"model must be a keras.Model (got {type(model).__name__})")
    optimizer = getattr(model, "optimizer", None)
    if not model.compiled or optimizer is None:
        raise SettingsError(
            "the model is not compiled: call model.compile(optimizer=…, loss=…) first"
        )
    if not model.built:
        raise SettingsError(
            "the model has no weights yet: call it once on a batch (model(x[:1])), or give it its "
            "input shape (keras.Input)"
        )
    if not model.trainable_variables:
        raise SettingsError("the model has no trainable weight: each of its layers is frozen")
    if not isinstance(optimizer.learning_rate, keras.Variable):
        raise SettingsError(
            "the optimizer's learning rate is a schedule, which nothing can be written to; compile "
            "with a number for the sweep (keras.optimizers.Adam(learning_rate=1e-3)), and build "
            "the schedule from what it suggests"
        )


class FindLearningRate(keras.callbacks.Callback):  # type: ignore[misc]  # Keras ships no types
    """Sweeps the learning rate before each ``fit`` and trains at the one that it suggests.

    >>> finder = FindLearningRate(x, y)  # doctest: +SKIP
    >>> model.fit(x, y, epochs=5, callbacks=[finder])  # doctest: +SKIP

    A callback does not see the data that ``fit`` was given, so it takes them itself.

    Parameters
    ----------
    x_or_dataset, y, sample_weight, batch_size
        As ``model.fit`` takes them.
    **settings
        See `SweepSettings`.

    Attributes
    ----------
    result : LRFinderResult or None
        The curve and the suggestions of the last sweep.
    """

    def __init__(
        self,
        x_or_dataset: Any,
        y: Any = None,
        *,
        sample_weight: Any = None,
        batch_size: int = 32,
        **settings: Any,
    ) -> None:
        super().__init__()
        SweepSettings.from_keywords(**settings)  # a slip is better told before the training begins
        self._data = (x_or_dataset, y)
        self._settings = {"sample_weight": sample_weight, "batch_size": batch_size, **settings}
        self.result: LRFinderResult | None = None

    def on_train_begin(self, logs: Any = None) -> None:
        """Sweep, and assign the suggestion to the optimizer's learning rate."""
        del logs
        training, settings = from_keras(self.model, *self._data, **self._settings)
        points = Points()
        with Series(training, SweepSettings.from_keywords(**settings)) as series:
            for point in series:
                points.append(point)
        self.result = result_of(series, points)
        self.model.optimizer.learning_rate = self.result.suggestion
