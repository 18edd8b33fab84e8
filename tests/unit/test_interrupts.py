"""Ctrl-C: wherever it comes, everything is put back, and it ends the sweep."""

import signal
import sys
from pathlib import Path

import pytest
import torch

import lrfinder_widget
from evidence import differences, new_training
from lrfinder_widget import lr_find
from lrfinder_widget.interrupts import Interrupts

pytestmark = pytest.mark.usefixtures("one_torch_thread")

PACKAGE = str(Path(lrfinder_widget.__file__).parent)
# Interrupts of two short sweeps, spread evenly over all lines of the package that they run.
PLACES = 150


class Tracer:
    """Counts the lines of the package that are run, and interrupts at one of them."""

    def __init__(self, at=None):
        self.count = 0
        self.place = None
        self._at = at

    def __enter__(self):
        sys.settrace(self._called)
        return self

    def __exit__(self, *_):
        sys.settrace(None)

    def _called(self, frame, _event, _argument):
        return self._line if frame.f_code.co_filename.startswith(PACKAGE) else None

    def _line(self, frame, event, _argument):
        if event == "line":
            self.count += 1
            if self.count == self._at:
                self.place = f"{frame.f_code.co_filename}:{frame.f_lineno}"
                sys.settrace(None)
                signal.raise_signal(signal.SIGINT)
        return self._line


def swept(training):
    lr_find(
        training.model,
        training.optimizer,
        training.loader,
        training.loss_fn,
        num_iter=4,
        repeats=2,
        diverge_threshold=None,
        progress=False,
        seed=1,
    )


def test_an_interrupt_at_any_line_of_ours_is_raised_and_leaves_no_trace():
    training = new_training("batch norm and dropout", "AdamW")
    training.train(2)
    swept(training)  # what is loaded once is loaded
    told = training.trace()
    handler = signal.getsignal(signal.SIGINT)
    with Tracer() as whole:
        swept(training)
    assert whole.count > 10 * PLACES
    for at in range(1, whole.count, whole.count // PLACES):
        with pytest.raises(KeyboardInterrupt), Tracer(at) as tracer:
            swept(training)
        assert differences(told, training.trace()) == [], tracer.place
        assert signal.getsignal(signal.SIGINT) is handler, tracer.place
        assert torch.is_grad_enabled(), tracer.place
    swept(training)  # nothing holds on to the model


def test_an_interrupt_waits_while_it_could_do_harm_and_comes_then():
    interrupts = Interrupts()
    with interrupts:
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            interrupts.let_through()
        signal.raise_signal(signal.SIGINT)  # the ways out are not interrupted again
        interrupts.waiting = None
    with pytest.raises(KeyboardInterrupt), Interrupts():
        signal.raise_signal(signal.SIGINT)


def test_a_handler_that_ends_nothing_is_called_each_time():
    heard = []
    before = signal.signal(signal.SIGINT, lambda number, _: heard.append(number))
    try:
        with Interrupts() as interrupts:
            interrupts.let_through()
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)
            assert len(heard) == 2
    finally:
        signal.signal(signal.SIGINT, before)


def test_sweeps_that_do_not_end_in_order_hold_up_no_interrupt_later():
    before = signal.getsignal(signal.SIGINT)
    first, second = Interrupts(), Interrupts()
    first.__enter__()
    second.__enter__()
    first.__exit__()
    first.hold()  # as closing a sweep that has ended does
    second.__exit__()
    try:
        assert signal.getsignal(signal.SIGINT) is before
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_handler_that_is_put_back_after_its_sweep_lets_every_interrupt_through():
    before = signal.getsignal(signal.SIGINT)
    with Interrupts():
        kept = signal.getsignal(signal.SIGINT)
    try:
        signal.signal(signal.SIGINT, kept)
        for _ in range(3):
            with pytest.raises(KeyboardInterrupt):
                signal.raise_signal(signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)
