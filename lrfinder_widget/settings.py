"""The settings of a sweep, validated once, and the learning rates that follow from them."""

from __future__ import annotations

import dataclasses
import difflib
import math
import os
from dataclasses import dataclass
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np

from lrfinder_widget.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import torch
    from numpy.typing import NDArray

    Rule = str | Callable[[NDArray[np.float64], NDArray[np.float64]], float]

STEP_MODES = ("exp", "linear")
AMP = ("bf16", "fp16")
GROUPS = ("ratios", "equal")
MAX_SEED = 2**32 - 1  # NumPy's global generator takes no larger one
# Beyond this the median no longer moves, and a slip of the finger costs an hour.
MOST_REPEATS = 100
CUSTOM_RULE = "custom:"
# A mistyped number must not fill the memory: nobody sweeps for a million steps.
MOST_POINTS = 1_000_000


@dataclass(frozen=True, kw_only=True)
class SweepSettings:
    """Settings of one learning-rate sweep, checked when it is made.

    Parameters
    ----------
    start_lr, end_lr
        First and last learning rate; both are used exactly.
    num_iter
        How many points the sweep has, one optimizer step each; a million at most.
    step_mode
        ``"exp"`` spaces the learning rates evenly on a log axis, ``"linear"`` on a linear one.
    beta
        ``None`` smooths the curve without lag. A number such as 0.98 shows the classic debiased
        exponential moving average instead.
    diverge_threshold
        The sweep stops once the loss, averaged over a few points, exceeds this multiple of the
        best one so far. ``None`` switches that off.
    skip_start, skip_end
        How many points the rules leave out at either end.
    device
        Where batches are moved; ``None`` means the model's own device.
    seed
        Seeds every random generator for the sweep; they are put back afterwards. Repeat ``k`` of
        several is seeded with ``seed + k``.
    rule
        The name of the rule that makes the suggestion, or ``rule(lrs, smoothed_losses) -> lr``.
    repeats
        How many sweeps are made, each from the same starting state with another order of the data
        and other random draws. Several tell how far the suggestion can be trusted.
    accumulation_steps
        How many batches' gradients an optimizer step adds up. A point's loss is their mean.
    amp
        ``"bf16"``, ``"fp16"`` or a ``torch.autocast``: forward pass and loss run under it. With
        float16 the loss is scaled, and a step that the scaler skips is no point.
    clip_grad_norm, clip_grad_value
        Gradients are clipped to this norm, or to this value each, before a step.
    groups
        Which parameter groups are swept: ``"ratios"``, all of them, each at its ratio to the
        first; ``"equal"``, all at the same rate; or the names of some (their ``"name"``, or
        ``"group 0"``), while the others keep their rates.
    grad_norms
        Whether the norm of all gradients is recorded; by default where that costs less than 1 %
        of a step.
    val_batches
        How many batches of a ``val_loader`` each validation loss is the mean of; they are the
        same at every point.
    fixed_batch
        Train on the first batch only, again and again, as some textbooks do. The curve is smooth,
        but it hides the noise that limits the rate in real training and shows how fast one batch
        is learnt by heart: the suggestion tends to be too high.
    replay
        Accept a loader that can be read only once; what was read is kept and handed back, see
        `lrfinder_widget.LRFinderResult.loader`.
    snapshot
        Where the state to put back is kept meanwhile: ``"same"`` (the device of each tensor),
        ``"cpu"``, or the path of a folder to write it to. By default where there is room.
    """

    start_lr: float = 1e-7
    end_lr: float = 10.0
    num_iter: int = 100
    step_mode: Literal["exp", "linear"] = "exp"
    beta: float | None = None
    diverge_threshold: float | None = 4.0
    skip_start: int = 0
    skip_end: int = 0
    device: str | torch.device | None = None
    seed: int | None = None
    rule: Rule = "auto"
    repeats: int = 1
    accumulation_steps: int = 1
    amp: str | torch.autocast | None = None
    clip_grad_norm: float | None = None
    clip_grad_value: float | None = None
    groups: str | tuple[str, ...] = "ratios"
    grad_norms: bool | None = None
    val_batches: int = 1
    fixed_batch: bool = False
    replay: bool = False
    snapshot: str | None = None

    def __post_init__(self) -> None:
        checked = {
            "start_lr": _positive("start_lr", self.start_lr),
            "end_lr": _positive("end_lr", self.end_lr),
            "num_iter": _integer("num_iter", self.num_iter, at_least=2, at_most=MOST_POINTS),
            "beta": None if self.beta is None else _beta(self.beta),
            "diverge_threshold": (
                None if self.diverge_threshold is None else _threshold(self.diverge_threshold)
            ),
            "skip_start": _integer("skip_start", self.skip_start, at_least=0),
            "skip_end": _integer("skip_end", self.skip_end, at_least=0),
            "seed": None if self.seed is None else _seed(self.seed),
            "repeats": _integer("repeats", self.repeats, at_least=1, at_most=MOST_REPEATS),
            "accumulation_steps": _integer(
                "accumulation_steps", self.accumulation_steps, at_least=1
            ),
            "amp": _amp(self.amp),
            "clip_grad_norm": _positive_or_none("clip_grad_norm", self.clip_grad_norm),
            "clip_grad_value": _positive_or_none("clip_grad_value", self.clip_grad_value),
            "groups": _groups(self.groups),
            "grad_norms": None if self.grad_norms is None else _flag("grad_norms", self.grad_norms),
            "val_batches": _integer("val_batches", self.val_batches, at_least=1),
            "fixed_batch": _flag("fixed_batch", self.fixed_batch),
            "replay": _flag("replay", self.replay),
            "snapshot": _folder("snapshot", self.snapshot),
        }
        for name, value in checked.items():
            object.__setattr__(self, name, value)
        self._check_range()
        self._check_choices()

    def _check_range(self) -> None:
        if self.start_lr >= self.end_lr:
            raise SettingsError(
                "end_lr must be greater than start_lr "
                f"(got start_lr={self.start_lr:g}, end_lr={self.end_lr:g})"
            )
        if math.isinf(self.end_lr / self.start_lr):
            raise SettingsError(
                "start_lr is too small beside end_lr: their ratio is beyond a float "
                f"(got start_lr={self.start_lr:g}, end_lr={self.end_lr:g})"
            )
        if self.skip_start + self.skip_end >= self.num_iter:
            raise SettingsError(
                "skip_start and skip_end must leave some of the num_iter points (got "
                f"skip_start={self.skip_start}, skip_end={self.skip_end}, "
                f"num_iter={self.num_iter})"
            )

    def _check_choices(self) -> None:
        if self.step_mode not in STEP_MODES:
            raise SettingsError(
                f"step_mode must be 'exp' or 'linear' (got {self.step_mode!r})"
                f"{_nearest(self.step_mode, STEP_MODES)}"
            )
        if not isinstance(self.rule, str) and not callable(self.rule):
            raise SettingsError(
                "rule must be a rule's name or a function rule(lrs, smoothed_losses) -> lr "
                f"(got {self.rule!r})"
            )

    @classmethod
    def from_keywords(cls, **keywords: Any) -> Self:
        """Make settings from keywords; an unknown name is answered with the nearest known one."""
        names = [field.name for field in dataclasses.fields(cls)]
        for name in keywords:
            if name not in names:
                raise SettingsError(
                    f"unknown setting {name!r}{_nearest(name, names)}; "
                    f"the settings are {', '.join(names)}"
                )
        return cls(**keywords)

    def replace(self, **changes: Any) -> Self:
        """Return a copy with some settings changed, checked anew."""
        return self.from_keywords(**{**self._fields(), **changes})

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as JSON can hold them; a function as rule is named, not stored."""
        fields = self._fields()
        fields["rule"] = rule_name(self.rule)
        if self.device is not None:
            fields["device"] = str(self.device)
        if self.amp is not None:
            fields["amp"] = amp_name(self.amp)
        if not isinstance(self.groups, str):
            fields["groups"] = list(self.groups)
        return fields

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Make settings from what ``to_dict`` returned."""
        return cls.from_keywords(**data)

    def _fields(self) -> dict[str, Any]:
        # dataclasses.asdict would deep-copy a callable rule's captured model.
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}


def rule_name(rule: Rule) -> str:
    """Return the name of a rule; a function's is marked as custom."""
    if isinstance(rule, str):
        return rule
    return CUSTOM_RULE + getattr(rule, "__name__", type(rule).__name__)


def learning_rates(settings: SweepSettings) -> NDArray[np.float64]:
    """Return the learning rate of each point, both ends exact.

    Point ``i`` of ``n`` is ``start_lr * (end_lr / start_lr) ** (i / (n - 1))``, or the linear
    counterpart with ``step_mode="linear"``.
    """
    start, end, last = settings.start_lr, settings.end_lr, settings.num_iter - 1
    # Python's power is the same on every machine and NumPy build; NumPy's vector loops are not.
    if settings.step_mode == "exp":
        rates = [start * (end / start) ** (i / last) for i in range(last)]
    else:
        rates = [start + (end - start) * (i / last) for i in range(last)]
    return np.array([*rates, end], dtype=np.float64)


def _number(name: str, value: object) -> float:
    # bool is a number to Python, but True as a learning rate is a slip.
    # A tensor without dimensions as well; torch is not imported for this alone.
    if getattr(value, "ndim", None) == 0 and callable(getattr(value, "item", None)):
        value = value.item()  # type: ignore[attr-defined]  # it is there
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, Real):
        raise SettingsError(
            f"{name} must be a number (got {value!r}, of type {type(value).__name__})"
        )
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise SettingsError(f"{name} must be finite (got {value!r})")
    return number


def _positive_or_none(name: str, value: object) -> float | None:
    return None if value is None else _positive(name, value)


def _positive(name: str, value: object) -> float:
    number = _number(name, value)
    if number <= 0:
        raise SettingsError(f"{name} must be positive (got {number:g})")
    return number


def _integer(name: str, value: object, *, at_least: int, at_most: int | None = None) -> int:
    number = _number(name, value)
    if not number.is_integer():
        raise SettingsError(f"{name} must be a whole number (got {value!r})")
    whole = int(value) if isinstance(value, Integral) else int(number)
    if whole < at_least:
        raise SettingsError(f"{name} must be at least {at_least} (got {whole})")
    if at_most is not None and whole > at_most:
        raise SettingsError(f"{name} must be at most {at_most} (got {whole})")
    return whole


def _flag(name: str, value: object) -> bool:
    if not isinstance(value, (bool, np.bool_)):
        raise SettingsError(f"{name} must be True or False (got {value!r})")
    return bool(value)


def amp_name(amp: str | torch.autocast) -> str:
    """Return ``"bf16"`` or ``"fp16"``, whichever `amp` computes in."""
    if isinstance(amp, str):
        return amp
    return "fp16" if str(amp.fast_dtype) == "torch.float16" else "bf16"


def _amp(value: object) -> Any:
    if value is None or value in AMP:
        return value
    # Not imported for this alone: whoever passes one has imported torch.
    if type(value).__name__ == "autocast" and hasattr(value, "fast_dtype"):
        return value
    raise SettingsError(
        f"amp must be 'bf16', 'fp16', a torch.autocast or None (got {value!r})"
        f"{_nearest(value, AMP)}"
    )


def _groups(value: object) -> str | tuple[str, ...]:
    if isinstance(value, str):
        if value not in GROUPS:
            raise SettingsError(
                "groups must be 'ratios', 'equal' or a list of parameter groups' names (got "
                f"{value!r}){_nearest(value, GROUPS)}"
            )
        return value
    if isinstance(value, (list, tuple)) and value and all(isinstance(name, str) for name in value):
        return tuple(value)
    raise SettingsError(
        f"groups must be 'ratios', 'equal' or a list of parameter groups' names (got {value!r})"
    )


def _folder(name: str, value: object) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, os.PathLike):
        return str(os.fspath(value))
    raise SettingsError(f"{name} must be 'same', 'cpu', a folder's path or None (got {value!r})")


def _beta(value: object) -> float:
    number = _number("beta", value)
    if not 0 <= number < 1:
        raise SettingsError(
            "beta must lie in [0, 1): 0 is no smoothing, 0.98 a strong one, None the lag-free "
            f"one (got {number:g})"
        )
    return number


def _threshold(value: object) -> float:
    number = _number("diverge_threshold", value)
    if number <= 1:
        raise SettingsError(
            "diverge_threshold must be greater than 1, since it is a multiple of the best loss; "
            f"pass None to switch it off (got {number:g})"
        )
    return number


def _seed(value: object) -> int:
    number = _integer("seed", value, at_least=0)
    if number > MAX_SEED:
        raise SettingsError(f"seed must be at most 2**32 - 1 (got {number})")
    return number


def _nearest(name: object, names: tuple[str, ...] | list[str]) -> str:
    near = difflib.get_close_matches(str(name).lower(), names, n=1)
    return f"; did you mean {near[0]!r}?" if near else ""
