"""One thread trains: claims on a model and its optimizer while a sweep runs or is paused."""

from __future__ import annotations

import itertools
import sys
import threading
import time
from threading import get_ident
from typing import TYPE_CHECKING, Any, NoReturn

import torch
from torch import nn
from torch.optim import Optimizer

from lrfinder_widget.errors import SweepInProgressError
from lrfinder_widget.scheduler_rates import number
from lrfinder_widget.training.sharding import is_sharded
from lrfinder_widget.training.thread_waits import waits_for_a_thread

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

# How long a thread that may be the model's own is held back to see whether it is, at most: a step
# that waits for it in a way that cannot be seen would wait for ever.
_PATIENCE_SECONDS = 5.0
_LOOK_SECONDS = 0.0005
# Where a module keeps its compiled call, if it has one; torch calls that instead of its own.
_CALL = "_compiled_call_impl"

_claims: list[Claim] = []
_claims_lock = threading.Lock()


class Claim:
    """A sweep's exclusive right to train `model` with `optimizer`.

    While it is held, a forward pass of the model or a submodule, ``state_dict`` or
    ``load_state_dict`` of model or optimizer, and an optimizer step raise `SweepInProgressError`
    in every other thread: they would mix two trainings, or save weights in the middle of a sweep.

    Parameters
    ----------
    model, optimizer
        What the sweep trains.
    displace
        Stops and restores the sweep that holds the claim; None if it cannot be (a blocking
        `lr_find`).
    """

    def __init__(
        self,
        model: nn.Module,
        optimizer: Optimizer,
        displace: Callable[[], None] | None = None,
    ) -> None:
        self.model = model
        self.optimizer = optimizer
        self.displace = displace
        self.displaced = False
        self.resting_rates: list[float] = []
        self.parameters = _parameter_ids(model, optimizer)
        self._handles: list[Any] = []
        self._calls: list[_GuardedCall] = []
        # The step that the sweep is in the middle of, from 1 on; 0 between two steps.
        self.step = 0
        self.thread: int | None = None

    def take(self) -> None:
        """Claim for the calling thread.

        A sweep of the same model and optimizer gives way if both can be displaced (the cell of a
        widget was edited and run again): it is stopped and restored, and `displaced` is set.

        Raises
        ------
        SweepInProgressError
            If any other sweep trains some of the same parameters.
        """
        while True:
            with _claims_lock:
                other = _overlapping(self.parameters)
                if other is None:
                    _claims.append(self)
                    break
            self._refuse_unless_gives_way(other)
            if other.displace is not None:
                other.displace()
            self.displaced = True
        self.thread = get_ident()
        self.resting_rates = [number(group["lr"]) for group in self.optimizer.param_groups]
        self._hook()

    def check(self) -> None:
        """Raise `SweepInProgressError` if `take` would do so now."""
        with _claims_lock:
            other = _overlapping(self.parameters)
        if other is not None and other is not self:
            self._refuse_unless_gives_way(other)

    def _refuse_unless_gives_way(self, other: Claim) -> None:
        same = other.model is self.model and other.optimizer is self.optimizer
        if not (same and self.displace is not None and other.displace is not None):
            raise SweepInProgressError(_held(other, self.model, self.optimizer))

    def release(self) -> None:
        """Give the claim up."""
        for handle in self._handles:
            handle.remove()
        self._handles.clear()
        for call in self._calls:
            call.remove()
        self._calls.clear()
        self.thread = None
        with _claims_lock:
            if self in _claims:
                _claims.remove(self)

    def _hook(self) -> None:
        refuse = _Refusal(self)
        keep = self._handles.append  # one by one: what fails later does not leave the rest behind
        for module in _guarded_modules(self.model):
            self._calls.append(_GuardedCall(module, self))
            keep(module.register_state_dict_pre_hook(refuse.state_dict))
            keep(module.register_load_state_dict_pre_hook(refuse.load_state_dict))
        optimizer = self.optimizer
        handle = optimizer.register_step_pre_hook(refuse.step)
        keep(handle)
        # Before the user's: after one that removes itself, torch cannot go on to another.
        hooks = vars(optimizer).get("_optimizer_step_pre_hooks", {})
        if handle.id in hooks:
            hooks.move_to_end(handle.id, last=False)
        if hasattr(optimizer, "_optimizer_state_dict_pre_hooks"):  # wrappers may lack the rest
            keep(optimizer.register_state_dict_pre_hook(refuse.state_dict))
            keep(optimizer.register_load_state_dict_pre_hook(refuse.load_state_dict))

    def admits_this_thread(self) -> bool:
        """Return whether the calling thread is part of the sweep's own step."""
        thread = self.thread
        if thread is None or get_ident() == thread:
            return True
        if not self.step:
            return False
        return _started_by_torch() or self._step_waits_for_this_thread(thread)

    def _step_waits_for_this_thread(self, thread: int) -> bool:
        """Return whether the step comes to wait for a thread, as it does for one of the model's.

        The model's thread may be here before the sweep's has handed out the rest of the work.
        """
        if threading.current_thread() is threading.main_thread():
            return False  # cells run there, and nobody hands it work
        step = self.step
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while self.step == step and time.monotonic() < deadline:
            if waits_for_a_thread(thread):
                return True
            time.sleep(_LOOK_SECONDS)
        return False


class _GuardedCall:
    """A module's call, refused in other threads.

    It stands where ``module.compile()`` puts the compiled call. A forward hook would send every
    call through torch's long way (10 to 15 µs each), and a copy of the module takes hooks along;
    this it leaves behind.
    """

    def __init__(self, module: nn.Module, claim: Claim) -> None:
        self._module = module
        self._before = vars(module).get(_CALL)
        call = self._before or module._call_impl  # noqa: SLF001 - there is no other way to it
        own_thread = get_ident()

        def guarded(*args: Any, **kwargs: Any) -> Any:
            if get_ident() != own_thread and not claim.admits_this_thread():
                _refuse(f"a forward pass of {_described(module, claim.model)}")
            return call(*args, **kwargs)

        self._guarded = guarded
        # Through __dict__: what torch.compile returns hands attributes on to the module in it.
        vars(module)[_CALL] = guarded

    def remove(self) -> None:
        attributes = vars(self._module)
        if attributes.get(_CALL) is not self._guarded:
            return  # compiled meanwhile
        if self._before is None:
            del attributes[_CALL]
        else:
            attributes[_CALL] = self._before


class _Refusal:
    """The hooks of a claim; a copy of the model made meanwhile carries them, inert later."""

    def __init__(self, claim: Claim) -> None:
        self._claim = claim

    def __deepcopy__(self, memo: dict[int, Any]) -> _Refusal:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        # A pickled copy of the model (for a worker process) has nothing to guard.
        return (_inert, ())

    def step(self, _optimizer: Optimizer, _args: Any, _kwargs: Any) -> None:
        claim = self._claim
        if get_ident() != claim.thread and not claim.admits_this_thread():
            _refuse("an optimizer step")

    def state_dict(self, owner: Any, *_: Any) -> None:
        if not self._claim.admits_this_thread():
            _refuse(f"state_dict() of the {_kind(owner)}")

    def load_state_dict(self, owner: Any, *_: Any) -> None:
        if not self._claim.admits_this_thread():
            _refuse(f"load_state_dict() of the {_kind(owner)}")


def _inert() -> _Refusal:
    class _Nothing:
        thread = None
        model = None

        @staticmethod
        def admits_this_thread() -> bool:
            return True

    return _Refusal(_Nothing())  # type: ignore[arg-type]


def rates_at_rest(optimizer: Optimizer) -> list[float]:
    """Return each parameter group's learning rate, not a sweep's that is in progress."""
    with _claims_lock:
        rates = next((claim.resting_rates for claim in _claims if claim.optimizer is optimizer), [])
    return rates or [number(group["lr"]) for group in optimizer.param_groups]


def _refuse(what: str) -> NoReturn:
    message = (
        f"{what} from another thread while a learning-rate sweep trains this model: its weights "
        "are the sweep's now and will be put back. Wait for it first (widget.wait()), or stop it "
        "(widget.stop())"
    )
    raise SweepInProgressError(message)


def _overlapping(parameters: set[int]) -> Claim | None:
    return next((claim for claim in _claims if not parameters.isdisjoint(claim.parameters)), None)


def _held(other: Claim, model: nn.Module, optimizer: Optimizer) -> str:
    if other.model is model and other.optimizer is not optimizer:
        who = "with another optimizer"
    elif other.displace is None:
        who = "in lr_find"
    else:
        who = "in a widget"
    return (
        f"a learning-rate sweep {who} is training this model's parameters; wait for it or stop it "
        "first (widget.wait() or widget.stop())"
    )


def _parameter_ids(model: nn.Module, optimizer: Optimizer) -> set[int]:
    ids = {id(parameter) for parameter in model.parameters()}
    return ids | {id(p) for group in optimizer.param_groups for p in group["params"]}


def _guarded_modules(model: nn.Module) -> list[nn.Module]:
    found: dict[int, nn.Module] = {}
    waiting = [model]
    while waiting:
        module = waiting.pop()
        if id(module) in found or isinstance(module, torch.jit.ScriptModule):
            continue
        # A compiled module's inside is traced: a guard there would be compiled in, and anew.
        compiled = hasattr(module, "_orig_mod") or _CALL in vars(module)
        if compiled or _needs_guard(module):
            found[id(module)] = module
        if not compiled:
            waiting.extend(module.children())
    return list(found.values())


def _needs_guard(module: nn.Module) -> bool:
    """Return whether a forward pass of `module` alone would touch the sweep's tensors.

    An activation holds none, and a plain ``Sequential`` comes to them only through parts that have
    a guard of their own: a hook on either would cost time in each step. A sharded one gathers its
    parts before it comes to them.
    """
    tensors = itertools.chain(module.parameters(), module.buffers())
    holds_tensors = next(tensors, None) is not None
    plain = type(module).forward is nn.Sequential.forward and not is_sharded(module)
    return holds_tensors and not plain


def _described(module: nn.Module, model: nn.Module) -> str:
    if module is model:
        return "the model"
    name = next((name for name, part in model.named_modules() if part is module), "")
    return f"the model's {name!r}" if name else "the model"


def _kind(owner: Any) -> str:
    return "optimizer" if isinstance(owner, Optimizer) else "model"


def _started_by_torch() -> bool:
    """Return whether this is a thread of the autograd engine or of ``parallel_apply``."""
    thread = _python_thread(get_ident())
    if thread is None:
        return True
    frame: FrameType | None = sys._getframe()  # noqa: SLF001 - the documented way to look
    while frame is not None:
        if frame.f_code.co_filename.replace("\\", "/").endswith("nn/parallel/parallel_apply.py"):
            return True
        frame = frame.f_back
    return False


def _python_thread(ident: int) -> threading.Thread | None:
    """Return the thread if Python started it; the autograd engine's are not among them."""
    # enumerate() lists them without making a stand-in for an unknown one, as current_thread does.
    found = next((thread for thread in threading.enumerate() if thread.ident == ident), None)
    return None if type(found).__name__ == "_DummyThread" else found
