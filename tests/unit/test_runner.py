"""The thread that owns the sweeps: commands, waiting, endings."""

import itertools
import signal
import subprocess
import sys
import threading
import time

import pytest
import torch
from torch import nn
from torch.nn import functional

from lrfinder_widget.errors import LRFinderError
from lrfinder_widget.runner import Runner
from lrfinder_widget.series import Series
from lrfinder_widget.settings import SweepSettings
from lrfinder_widget.training.training import Training
from specimens import CLASSES, FEATURES, mlp

pytestmark = pytest.mark.usefixtures("one_torch_thread")


class Recorder:
    """A listener that remembers the states it heard."""

    def __init__(self):
        self.states = []
        self.fuses = {}

    def started(self, runner):
        self.states.append("started")

    def sweep_began(self, runner):
        self.began = [*runner.starts]

    def stepped(self, runner):
        fuse = self.fuses.get(len(runner.points))
        if fuse is not None:
            fuse()

    def changed(self, runner):
        self.states.append(runner.state)
        fuse = self.fuses.get(runner.state)
        if fuse is not None:
            fuse()


class Swept:
    """A model with everything that a sweep of it needs."""

    def __init__(self):
        torch.manual_seed(0)
        self.model = mlp()
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=0.1, momentum=0.9)
        self.batches = [(torch.randn(4, FEATURES), torch.randint(CLASSES, (4,))) for _ in range(5)]
        self.before = self.weights()

    def weights(self):
        return [parameter.detach().clone() for parameter in self.model.parameters()]

    def sweep(self, num_iter=20, loss_fn=None, **settings):
        chosen = {"num_iter": num_iter, "diverge_threshold": None, "end_lr": 0.1}
        settings = SweepSettings(**{**chosen, **settings})
        training = Training(
            model=self.model, optimizer=self.optimizer, loader=self.batches, loss_fn=loss_fn
        )
        return Series(training, settings)

    def endless(self):
        return self.sweep(num_iter=1_000_000)

    def is_restored(self):
        rate = self.optimizer.param_groups[0]["lr"]
        same = all(map(torch.equal, self.before, self.weights()))
        return same and rate == 0.1 and not self.optimizer.state


@pytest.fixture
def swept():
    return Swept()


@pytest.fixture
def recorder():
    return Recorder()


@pytest.fixture
def runner(recorder):
    runner = Runner(recorder, tell_seconds=0)
    yield runner
    runner.close().exception(timeout=30)


def until(condition, seconds=30):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.001)


def test_a_run_is_numbered_and_comes_to_its_end(runner, recorder, swept):
    runner.run(swept.sweep()).result()
    runner.wait(30)
    assert (runner.state, runner.run_id, len(runner.points)) == ("done", 1, 20)
    assert recorder.states == ["started", "done"]
    assert swept.is_restored()


def test_a_run_of_several_sweeps_tells_where_each_begins_and_how_many_points_are_to_come(
    runner, recorder, swept
):
    told = []
    for count in (1, 20, 21, 41):
        recorder.fuses[count] = lambda: told.append((list(runner.starts), runner.total))
    runner.run(swept.sweep(repeats=3)).result()
    runner.wait(30)
    assert told == [([0], 60), ([0], 60), ([0, 20], 60), ([0, 20, 40], 60)]
    assert (runner.state, len(runner.points)) == ("done", 60)
    assert swept.is_restored()


def test_a_listener_hears_of_points_at_most_so_often_and_of_each_sweeps_first_at_once(
    recorder, swept
):
    runner = Runner(recorder, tell_seconds=1000)
    told = []
    recorder.fuses = {count: lambda: told.append(len(runner.points)) for count in range(1, 61)}
    runner.run(swept.sweep(repeats=3)).result()
    runner.wait(30)
    assert told == [1, 21, 41]


def test_a_sweep_that_ends_early_makes_the_whole_run_shorter(runner, recorder, swept):
    steps = itertools.count()

    def explodes_once(output, target):
        loss = functional.cross_entropy(output, target)
        return loss * float("inf") if next(steps) == 4 else loss

    runner.run(swept.sweep(loss_fn=explodes_once, repeats=2)).result()
    runner.wait(30)
    assert (runner.starts, runner.total, len(runner.points)) == ([0, 5], 25, 25)
    assert runner.sweep.stop_reasons == ["non-finite loss", "completed"]


def test_stop_ends_all_sweeps_of_a_run_and_keeps_their_points(runner, recorder, swept):
    recorder.fuses[30] = lambda: runner.stop("enough")
    runner.run(swept.sweep(repeats=3)).result()
    runner.wait(30)
    assert (runner.state, runner.starts, len(runner.points)) == ("stopped", [0, 20], 30)
    assert runner.sweep.stop_reasons == ["completed", "stopped"]
    assert swept.is_restored()


def test_the_thread_ends_when_there_is_nothing_to_do(runner, swept):
    runner.run(swept.sweep())
    runner.wait(30)
    until(lambda: "lrfinder-widget sweep" not in {thread.name for thread in threading.enumerate()})
    runner.run(swept.sweep()).result()
    runner.wait(30)
    assert runner.run_id == 2


def test_a_paused_sweep_takes_no_step_until_resumed(runner, recorder, swept):
    runner.run(swept.endless())
    until(lambda: len(runner.points) > 3)
    runner.pause().result()
    count = len(runner.points)
    with pytest.raises(TimeoutError, match=r"the sweep is still paused after 0.1 s; it goes on"):
        runner.wait(0.1)
    assert len(runner.points) == count
    runner.resume().result()
    until(lambda: len(runner.points) > count)
    runner.stop().result()
    assert recorder.states == ["started", "paused", "running", "stopped"]
    assert swept.is_restored()


def test_stop_is_answered_when_everything_is_restored(runner, swept):
    runner.run(swept.endless())
    until(lambda: len(runner.points) > 3)
    runner.stop("enough").result()
    assert swept.is_restored()
    assert (runner.state, runner.end_note, runner.active) == ("stopped", "enough", False)


def test_stopping_what_does_not_run_changes_nothing(runner, swept):
    runner.run(swept.sweep())
    runner.wait(30)
    runner.stop("late").result()
    assert (runner.state, runner.end_note) == ("done", "")


@pytest.mark.parametrize("verb", ["pause", "resume"])
def test_what_makes_no_sense_is_refused_with_the_state(runner, verb):
    with pytest.raises(LRFinderError, match=f"nothing to {verb}: the sweep is idle"):
        getattr(runner, verb)().result()


def test_a_second_run_ends_the_first_and_is_the_one_waited_for(runner, recorder, swept):
    runner.run(swept.endless())
    until(lambda: len(runner.points) > 3)
    runner.run(swept.sweep(num_iter=200)).result()
    assert not runner.finished
    runner.wait(30)
    assert (runner.state, runner.run_id, len(runner.points)) == ("done", 2, 200)
    assert recorder.states == ["started", "stopped", "started", "done"]


def test_whoever_waits_while_runs_follow_each_other_sees_the_last_one_end(runner, swept):
    for _ in range(10):
        runner.run(swept.sweep(num_iter=5))
        runner.run(swept.sweep(num_iter=7))
        runner.wait(30)
        assert (runner.state, len(runner.points)) == ("done", 7)
    assert runner.run_id == 20


def test_a_call_has_the_optimizer_to_itself(runner, swept):
    runner.run(swept.endless())
    until(lambda: len(runner.points) > 3)
    assert runner.call(swept.is_restored).result() is True
    assert runner.state == "stopped"


def test_a_job_is_refused_while_a_sweep_runs(runner, swept):
    runner.run(swept.endless())
    with pytest.raises(LRFinderError, match="not while the sweep is running"):
        runner.job(list).result()
    runner.stop().result()
    assert runner.job(lambda: 7).result() == 7


def test_a_closed_runner_refuses_every_command(runner, swept):
    runner.run(swept.endless())
    runner.close().result()
    assert (runner.state, swept.is_restored()) == ("closed", True)
    for command in (lambda: runner.run(swept.sweep()), runner.stop, runner.pause, runner.close):
        with pytest.raises(LRFinderError, match="this widget is closed"):
            command().result()
    runner.wait(30)


def test_a_run_that_queued_behind_a_close_does_not_start(runner, recorder, swept):
    runner.run(swept.endless()).result()
    gate = threading.Event()
    runner.call(lambda: gate.wait(30))
    runner.close()
    late = runner.run(swept.sweep())
    gate.set()
    with pytest.raises(LRFinderError, match="this widget is closed"):
        late.result(timeout=30)
    runner.wait(30)
    assert recorder.states == ["started", "stopped", "closed"]


def test_what_the_users_code_raises_is_kept_and_everything_restored(runner, swept):
    steps = itertools.count()

    def fails(output, target):
        if next(steps) == 4:
            raise ZeroDivisionError("in my loss")
        return functional.cross_entropy(output, target)

    runner.run(swept.sweep(loss_fn=fails))
    runner.wait(30)
    assert (runner.state, len(runner.points)) == ("failed", 4)
    assert (runner.failure.type, runner.failure.message) == ("ZeroDivisionError", "in my loss")
    assert "test_runner.py, line" in runner.failure.where
    assert swept.is_restored()


@pytest.mark.parametrize("moment", [3, "done"])
def test_a_listener_that_raises_leaves_a_runner_that_answers(runner, recorder, swept, moment):
    def burn():
        recorder.fuses.clear()
        raise RuntimeError("a listener's defect")

    recorder.fuses[moment] = burn
    runner.run(swept.sweep())
    runner.wait(30)
    assert (runner.state, runner.failure.message) == ("failed", "a listener's defect")
    assert swept.is_restored()
    runner.run(swept.sweep()).result(timeout=30)
    runner.wait(30)
    assert runner.state == "done"


@pytest.mark.parametrize(("verb", "state"), [("stop", "stopped"), ("close", "closed")])
def test_a_command_from_inside_a_step_is_carried_out_after_it(runner, swept, verb, state):
    class Commanding(nn.Module):
        def forward(self, output, target):
            runner.answer_of(getattr(runner, verb)())
            return functional.cross_entropy(output, target)

    runner.run(swept.sweep(loss_fn=Commanding()))
    runner.wait(30)
    assert (runner.state, len(runner.points)) == (state, 1)
    assert swept.is_restored()


def test_an_interrupted_wait_stops_and_restores(runner, swept):
    runner.run(swept.endless())
    until(lambda: len(runner.points) > 3)
    signal.setitimer(signal.ITIMER_REAL, 0.05)
    before = signal.signal(signal.SIGALRM, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            runner.wait(30)
    finally:
        signal.signal(signal.SIGALRM, before)
    assert (runner.state, runner.end_note) == ("stopped", "interrupted")
    assert swept.is_restored()


def test_commands_from_many_threads_are_all_answered(runner, swept):
    answered = []

    def command(number):
        for turn in range(20):
            verb = ("pause", "resume", "stop", "run")[(number + turn) % 4]
            argument = (swept.sweep(num_iter=50),) if verb == "run" else ()
            error = getattr(runner, verb)(*argument).exception(timeout=30)
            answered.append(error is None or isinstance(error, LRFinderError))

    threads = [threading.Thread(target=command, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    runner.stop().result(timeout=30)
    assert answered == [True] * 80
    assert swept.is_restored()


SCRIPT = """
import atexit, sys, time
import torch
from torch import nn
{early}
from lrfinder_widget.runner import Runner
from lrfinder_widget.settings import SweepSettings
from lrfinder_widget.series import Series
from lrfinder_widget.training.training import Training

torch.set_num_threads(1)
model = nn.Linear(4, 2)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
data = torch.utils.data.TensorDataset(torch.randn(64, 4), torch.randint(2, (64,)))
loader = torch.utils.data.DataLoader(data, batch_size=4, num_workers={workers})
before = [parameter.detach().clone() for parameter in model.parameters()]

class Silent:
    def started(self, runner): pass
    sweep_began = stepped = changed = started

def fingerprint():
    same = all(map(torch.equal, before, model.parameters()))
    model.state_dict()
    print("restored" if same and optimizer.param_groups[0]["lr"] == 0.1 else "touched")

runner = Runner(Silent())
runner.run(Series(Training(model=model, optimizer=optimizer, loader=loader), SweepSettings(
    num_iter=10**6, end_lr=0.1, diverge_threshold=None)))
while len(runner.points) < 5:
    time.sleep(0.001)
{late}
atexit.register(fingerprint)
{end}
"""


@pytest.mark.parametrize(
    ("workers", "late", "end", "code"),
    [
        (0, "", "", 0),
        (2, "", "", 0),
        (0, "runner.pause().result()", "", 0),
        (0, "", "sys.exit(3)", 3),
        (0, "", "raise ValueError('of the script')", 1),
    ],
)
def test_a_script_that_ends_in_mid_sweep_is_restored_first(workers, late, end, code):
    script = SCRIPT.format(early="", workers=workers, late=late, end=end)
    ended = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False
    )
    assert (ended.returncode, ended.stdout) == (code, "restored\n"), ended.stderr
    assert "lrfinder" not in ended.stderr


def test_an_end_is_not_held_up_by_a_step_that_never_ends():
    hanging = (
        "import threading\n"
        "started = threading.Event()\n"
        "def stuck(*_):\n"
        "    started.set()\n"
        "    threading.Event().wait()\n"
    )
    late = (
        "runner.stop().result()\n"
        "from lrfinder_widget import runner as module\n"
        "module._EXIT_SECONDS = 0.2\n"
        "hangs = Training(model=model, optimizer=optimizer, loader=loader, loss_fn=stuck)\n"
        "runner.run(Series(hangs))\n"
        "started.wait()\n"
    )
    script = SCRIPT.format(
        early=hanging, workers=0, late=late, end="atexit.unregister(fingerprint)"
    )
    ended = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False
    )
    assert ended.returncode == 0, ended.stderr
    assert "still in its step" in ended.stderr
