"""The training batches of a LightningDataModule or a LightningModule, asked for as fit does."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from torch.utils.data import DataLoader

from lrfinder_widget.errors import SettingsError
from lrfinder_widget.training.own_loader import own_copy
from lrfinder_widget.training.shared_generators import shared_generators

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lrfinder_widget.adapters.lightning_trainer import StandIn


def training_loader(stand_in: StandIn, data: Any) -> Any:
    """Return the loader that Trainer.fit would train on; the module is attached.

    What is set up is a copy of the datamodule (or of the module, for its own loader): fit sets the
    user's up anyway, and finds it as the user left it.

    Parameters
    ----------
    data
        A LightningDataModule, a loader or several, or None for the module's own.
    """
    module, connector = stand_in.module, stand_in.trainer._data_connector  # noqa: SLF001 - it knows whose hooks move batches
    if isinstance(data, stand_in.part("").LightningDataModule):
        datamodule = copy.copy(data)
        connector.attach_data(module, datamodule=datamodule)
        return _one_loader(stand_in, _set_up(datamodule))
    connector.attach_data(module)
    if data is not None:
        return _one_loader(stand_in, data)
    if not stand_in.part(".utilities.model_helpers").is_overridden("train_dataloader", module):
        raise SettingsError(
            f"{type(module).__name__} has no train_dataloader of its own: pass a DataLoader or a "
            "LightningDataModule"
        )
    return _one_loader(stand_in, _set_up(_copy_of(module)))


def _set_up(holder: Any) -> Any:
    holder.prepare_data()
    holder.setup("fit")
    return holder.train_dataloader()


def _copy_of(module: Any) -> Any:
    """Return a shallow copy of a module, on which layers can be replaced without trace."""
    own = copy.copy(module)
    for table in ("_parameters", "_buffers", "_modules"):
        vars(own)[table] = copy.copy(vars(module)[table])
    return own


def changed_beside(stand_in: StandIn, loader: Any) -> tuple[Any, ...]:
    """Return what a step may change beside module and loader."""
    loaders = loader.loaders if isinstance(loader, CombinedBatches) else []
    datamodule = stand_in.trainer.datamodule
    # By one of its methods: the datamodule itself would be kept with all its data.
    return (*loaders, *([] if datamodule is None else [datamodule.on_after_batch_transfer]))


class CombinedBatches:
    """Batches of several loaders at once, in the containers in which Lightning combines them.

    Each iteration reads the loaders through copies: an iterator of their own would be left behind.
    """

    def __init__(self, stand_in: StandIn, loaders: Any, mode: str) -> None:
        self._combine = stand_in.part(".utilities.combined_loader").CombinedLoader
        self._loaders = loaders
        self._mode = mode

    def __iter__(self) -> Iterator[Any]:
        for batch, _, _ in self._combine(_own_copies(self._loaders), self._mode):
            yield batch

    def __len__(self) -> int:
        together: Any = {"min_size": min, "sequential": sum}.get(self._mode, max)
        return int(together([len(loader) for loader in self.loaders]))

    @property
    def loaders(self) -> list[Any]:
        """The loaders, without the containers that they are in."""
        return list(self._combine(self._loaders, self._mode).flattened)


def _one_loader(stand_in: StandIn, loaders: Any) -> Any:
    combined = stand_in.part(".utilities.combined_loader").CombinedLoader
    if isinstance(loaders, combined):
        return CombinedBatches(stand_in, loaders.iterables, loaders._mode)  # noqa: SLF001 - it has no other name
    several = isinstance(loaders, Mapping) or (
        isinstance(loaders, (list, tuple)) and any(isinstance(one, DataLoader) for one in loaders)
    )
    return CombinedBatches(stand_in, loaders, "max_size_cycle") if several else loaders


def _own_copies(loaders: Any) -> Any:
    if isinstance(loaders, Mapping):
        return {name: _own_copies(one) for name, one in loaders.items()}
    if isinstance(loaders, (list, tuple)):
        return [_own_copies(one) for one in loaders]
    return own_copy(loaders)


@contextmanager
def draws_put_back() -> Iterator[None]:
    """Put the process's random generators back at the end: fit will draw the same again."""
    states = [(generator, generator.get()) for generator in shared_generators()]
    try:
        yield
    finally:
        for generator, state in states:
            generator.set(state)
