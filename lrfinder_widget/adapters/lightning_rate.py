"""Where a LightningModule keeps the learning rate that ``configure_optimizers`` will read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, MutableMapping
from numbers import Real
from typing import TYPE_CHECKING, Any

from torch import Tensor

from lrfinder_widget.errors import SettingsError
from lrfinder_widget.parameter_groups import group_ratios
from lrfinder_widget.scheduler_rates import number

if TYPE_CHECKING:
    from torch.optim import Optimizer

_NAMES = ("lr", "learning_rate")
NO_PLACE = (
    "Apply changes the sweep's own optimizer only: the module keeps no learning rate under lr or "
    "learning_rate that configure_optimizers could read at the next fit. Keep it there "
    "(self.lr = lr), or name its place: lr_attribute='model.lr'."
)

# A mapping and the key under which it holds a learning rate, see `Training.rate_places`.
Place = tuple[MutableMapping[str, Any], str]


class Attributes(MutableMapping[str, Any]):
    """An object's attributes as a mapping; a property is written as the object wants it."""

    def __init__(self, owner: Any) -> None:
        self._owner = owner

    def __getitem__(self, name: str) -> Any:
        return getattr(self._owner, name)

    def __setitem__(self, name: str, value: Any) -> None:
        setattr(self._owner, name, value)

    def __delitem__(self, name: str) -> None:
        delattr(self._owner, name)

    def __iter__(self) -> Iterator[str]:
        return iter(vars(self._owner))

    def __len__(self) -> int:
        return len(vars(self._owner))


class LiveRates(MutableMapping[str, Any]):
    """The rates of another optimizer's groups under one key, which keep their ratios.

    Reading returns all of them as they are, and writing that back puts each back exactly.
    """

    KEY = "lr of the trainer's optimizer"

    def __init__(self, optimizer: Optimizer) -> None:
        self._groups = optimizer.param_groups
        self._ratios = group_ratios(optimizer)

    def __getitem__(self, key: str) -> tuple[Any, ...]:
        return tuple(number(group["lr"]) for group in self._groups)

    def __setitem__(self, key: str, value: Any) -> None:
        rates = value if isinstance(value, tuple) else [value * ratio for ratio in self._ratios]
        for group, rate in zip(self._groups, rates, strict=True):
            if isinstance(group["lr"], Tensor):
                group["lr"].fill_(rate)
            else:
                group["lr"] = rate

    def __delitem__(self, key: str) -> None:
        raise TypeError("an optimizer's learning rate cannot be deleted")

    def __iter__(self) -> Iterator[str]:
        return iter((self.KEY,))

    def __len__(self) -> int:
        return 1


def places_of(module: Any, attribute: str | None) -> list[Place]:
    """Return where the module keeps its learning rate, its hyperparameters included.

    Parameters
    ----------
    attribute
        The user's name for it, with dots for what is nested; None to look for the usual names.

    Raises
    ------
    SettingsError
        If there is no such attribute.
    """
    if attribute is not None:
        return [_named(module, attribute)]
    # Not module.hparams: asking makes an empty one.
    kept = vars(module).get("_hparams", {})
    places: list[Place] = [
        (Attributes(module), name) for name in _NAMES if _is_rate(getattr(module, name, module))
    ]
    return places + [(kept, name) for name in _NAMES if _is_rate(kept.get(name, module))]


def doubt_about(places: list[Place], optimizer: Optimizer) -> str | None:
    """Return a sentence if what is kept in the places is not what the optimizer was made with."""
    group = optimizer.param_groups[0]
    made_with = [optimizer.defaults.get("lr"), group["lr"], group.get("initial_lr")]
    rates = {number(rate) for rate in made_with if rate is not None}
    for place, name in places:
        if place[name] is not None and number(place[name]) not in rates:
            return (
                f"configure_optimizers makes an optimizer with the learning rate {max(rates):g}, "
                f"while {name} is {number(place[name]):g}: fit may not train at what Apply writes "
                "there. Let configure_optimizers use it as it is."
            )
    return None


def _is_rate(value: Any) -> bool:
    if isinstance(value, Tensor):
        return value.ndim == 0
    return value is None or (isinstance(value, Real) and not isinstance(value, bool))


def _named(module: Any, path: str) -> Place:
    owner: Any = module
    *way, name = path.split(".")
    try:
        for step in way:
            owner = owner[step] if isinstance(owner, Mapping) else getattr(owner, step)
        place = owner if isinstance(owner, MutableMapping) else Attributes(owner)
        held = place[name]
    except (AttributeError, KeyError):
        raise SettingsError(
            f"lr_attribute is {path!r}, but {type(module).__name__} has no such attribute; name "
            "the one that configure_optimizers reads, such as 'lr' or 'model.lr'"
        ) from None
    if not _is_rate(held):
        raise SettingsError(
            f"lr_attribute {path!r} holds no learning rate (it is a {type(held).__name__})"
        )
    return place, name
