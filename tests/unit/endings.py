"""The ways in which a sweep can end, each brought about at step `at` and checked."""

import contextlib
import gc


class Boom(Exception):  # noqa: N818 - it stands for whatever a user's code raises
    """Raised by a test in the place of the user's code."""


class Fuse:
    """Called again and again; raises at one of the calls."""

    def __init__(self, error, at):
        self.error = error
        self.left = at

    def __call__(self, *_):
        self.left -= 1
        if self.left == 0:
            raise self.error("as the test wants it")


def ended_normally(training, at=6):
    points = list(sweep := training.sweep())
    assert (sweep.stop_reason, len(points)) == ("completed", 12)


def ended_by_divergence(training, at=6):
    calls = iter(range(1000))
    # Early enough for the last of the 12 points to tell, late enough for a best loss to be known.
    onset = min(max(at, 4), 8)

    def loss_fn(output, target):
        return training.loss_fn(output, target) * (1e3 if next(calls) >= onset else 1)

    sweep = training.sweep(loss_fn, diverge_threshold=4.0)
    assert onset < len(list(sweep)) < 12
    assert sweep.stop_reason == "diverged"


def ended_by_a_loss_that_is_not_finite(training, at=6):
    calls = iter(range(1000))

    def loss_fn(output, target):
        return training.loss_fn(output, target) * (float("nan") if next(calls) == at - 1 else 1)

    sweep = training.sweep(loss_fn)
    assert len(list(sweep)) == at
    assert sweep.stop_reason == "non-finite loss"


def ended_by_close(training, at=6):
    sweep = training.sweep()
    for _ in range(at):
        next(sweep)
    sweep.close()
    assert sweep.stop_reason == "stopped"


def ended_by_being_dropped(training, at=6):
    sweep = training.sweep()
    for _ in range(at):
        next(sweep)
    del sweep
    gc.collect()


def _fails_with(error, sweep):
    try:
        list(sweep)
    except error:
        return
    raise AssertionError(f"the sweep swallowed {error.__name__}")


@contextlib.contextmanager
def _hooked(register, fuse):
    handle = register(lambda *_: fuse())
    yield
    handle.remove()


def _ended_by_forward(training, error, at):
    last = list(training.model.children())[-1]
    with _hooked(last.register_forward_hook, Fuse(error, at)):
        _fails_with(error, training.sweep())


def ended_by_an_error_in_forward(training, at=6):
    _ended_by_forward(training, Boom, at)


def ended_by_an_interrupt_in_forward(training, at=6):
    _ended_by_forward(training, KeyboardInterrupt, at)


def ended_by_an_error_in_loss(training, at=6):
    fuse = Fuse(Boom, at)

    def loss_fn(output, target):
        fuse()
        return training.loss_fn(output, target)

    _fails_with(Boom, training.sweep(loss_fn))


def ended_by_an_error_in_backward(training, at=6):
    fuse = Fuse(Boom, at)

    def loss_fn(output, target):
        output.register_hook(lambda _: fuse())
        return training.loss_fn(output, target)

    _fails_with(Boom, training.sweep(loss_fn))


def ended_by_an_error_in_the_loader(training, at=6):
    training.loader.dataset.fuse = Fuse(Boom, at)
    try:
        _fails_with(Boom, training.sweep())
    finally:
        training.loader.dataset.fuse = None


def ended_by_an_error_in_step(training, at=6):
    with _hooked(training.optimizer.register_step_post_hook, Fuse(Boom, at)):
        _fails_with(Boom, training.sweep())


ENDINGS = {
    ending.__name__.removeprefix("ended_").replace("_", " "): ending
    for ending in (
        ended_normally,
        ended_by_divergence,
        ended_by_a_loss_that_is_not_finite,
        ended_by_close,
        ended_by_being_dropped,
        ended_by_an_error_in_forward,
        ended_by_an_interrupt_in_forward,
        ended_by_an_error_in_loss,
        ended_by_an_error_in_backward,
        ended_by_an_error_in_the_loader,
        ended_by_an_error_in_step,
    )
}
