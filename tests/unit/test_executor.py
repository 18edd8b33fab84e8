"""Repeats on an executor: a copy is trained there, and the result is the same."""

import functools
import multiprocessing
import pickle
import sys
import tempfile
import threading
import time
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor

import pytest
import torch
from torch import nn
from torch.nn import functional

from evidence import differences, new_training
from lrfinder_widget import (
    LRFinderError,
    LRFinderWidget,
    SettingsError,
    SweepInProgressError,
    SweepSettings,
    lr_find,
)
from lrfinder_widget.dispatch import Dispatched, run_packed
from lrfinder_widget.series import Series
from lrfinder_widget.training.packing import pack, unpack
from lrfinder_widget.training.training import Training
from specimens import FEATURES, mlp

pytestmark = pytest.mark.usefixtures("one_torch_thread")

SHORT = {"num_iter": 12, "diverge_threshold": None, "end_lr": 0.1, "repeats": 3, "seed": 4}


class AtOnce(Executor):
    """Runs what is submitted at once, in this thread, on what a process would get."""

    def __init__(self):
        self.submitted = 0

    def submit(self, function, *args):
        self.submitted += 1
        future = Future()
        try:
            function, args = pickle.loads(pickle.dumps((function, args)))
            future.set_result(function(*args))
        except Exception as error:  # noqa: BLE001 - a process hands on whatever is raised
            future.set_exception(error)
        return future


def found(training, executor=None, **settings):
    return lr_find(
        training.model,
        training.optimizer,
        training.loader,
        training.loss_fn,
        progress=False,
        executor=executor,
        **{**SHORT, **settings},
    )


def curves(result):
    return [(run.lrs.tolist(), run.losses.tolist(), run.stop_reason) for run in result.runs]


def assert_same_with(executor, training, **settings):
    expected = found(training, **settings)
    told = training.trace()
    result = found(training, executor, **settings)
    assert curves(result) == curves(expected)
    assert result.notes == expected.notes
    for name in ("optimizer", "network", "batch_size", "loss_name", "settings"):
        assert getattr(result, name) == getattr(expected, name)
    assert differences(told, training.trace()) == []


@pytest.mark.parametrize("optimizer", ["SGD with momentum", "two groups", "AdamW", "counting"])
@pytest.mark.parametrize("loader", ["shuffled", "shuffled by its own generator"])
def test_an_executor_gives_the_same_result_and_leaves_what_was_passed_alone(optimizer, loader):
    training = new_training("batch norm and dropout", optimizer, loader)
    training.train(3)  # there is a state to take along
    assert_same_with(AtOnce(), training)


@pytest.mark.parametrize("model", ["tied weights", "remembering", "restless buffers"])
def test_a_copy_is_tied_as_the_model_is(model):
    training = new_training(model)
    training.train(2)
    assert_same_with(AtOnce(), training)


def test_a_process_that_starts_from_nothing_gives_the_same_result():
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as executor:
        assert_same_with(executor, new_training("batch norm and dropout"), repeats=2)


def test_a_pool_of_threads_gives_the_same_result():
    with ThreadPoolExecutor(3) as executor:
        assert_same_with(executor, new_training("batch norm and dropout"))


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning")
def test_a_local_dask_cluster_gives_the_same_result():
    from distributed import Client, LocalCluster

    cluster = LocalCluster(
        n_workers=1, threads_per_worker=2, processes=False, dashboard_address=":0"
    )
    training = new_training("batch norm and dropout")
    expected = curves(found(training))
    with cluster, Client(cluster) as client:
        # In one process Dask's threads draw random numbers of their own: of that there is a note.
        assert curves(found(training, client.get_executor())) == expected


def test_without_a_seed_the_same_notebook_gives_the_same_result():
    training = new_training("batch norm and dropout")
    first = found(training, AtOnce(), seed=None)
    assert curves(found(training, AtOnce(), seed=None)) == curves(first)
    torch.rand(1)
    assert curves(found(training, AtOnce(), seed=None)) != curves(first)
    assert first.settings.seed is None


def test_one_repeat_may_run_on_an_executor_too():
    executor = AtOnce()
    assert_same_with(executor, new_training(), repeats=1)
    assert executor.submitted == 1


def test_a_rule_of_the_users_stays_here():
    result = found(new_training(), AtOnce(), rule=lambda lrs, _: lrs[3])
    assert result.suggestion.lr == pytest.approx(result.lrs[3])


def test_optimizers_whose_own_pickling_forgets_something_are_taken_along_whole():
    model = mlp()
    optimizer = torch.optim.LBFGS(model.parameters())
    torch.optim.lr_scheduler.StepLR(optimizer, 1)
    copy = unpack(pack(Training(model=model, optimizer=optimizer, loader=[])))
    assert copy.optimizer._params[0] is next(copy.model.parameters())
    assert copy.optimizer.param_groups[0]["params"][0] is next(copy.model.parameters())
    assert "step" not in vars(copy.optimizer) or "StepLR" not in repr(copy.optimizer.step)


class Unpicklable(nn.Linear):
    def __reduce__(self):
        raise TypeError("not this one")


def test_what_does_not_pickle_is_named_with_what_to_do():
    training = new_training()
    training.model.add_module("extra", Unpicklable(1, 1))
    with pytest.raises(SettingsError, match=r"the model cannot be pickled.*not this one.*leave ex"):
        found(training, AtOnce())
    training = new_training()
    lock = threading.Lock()
    training.loss_fn = lambda output, target: lock and functional.cross_entropy(output, target)
    with pytest.raises(SettingsError, match=r"the loss_fn cannot be pickled.*in a module"):
        found(training, AtOnce())


def test_what_the_other_process_does_not_have_is_answered_with_what_to_do(monkeypatch):
    training = new_training()
    training.loss_fn = torch.nn.CrossEntropyLoss()

    class Elsewhere(AtOnce):
        def submit(self, function, *args):
            monkeypatch.setitem(sys.modules, "torch.nn.modules.loss", None)
            future = super().submit(function, *args)
            monkeypatch.undo()
            return future

    with pytest.raises(SettingsError, match=r"cannot unpickle.*leave executor out"):
        found(training, Elsewhere())


def test_without_cloudpickle_functions_of_a_module_still_travel(monkeypatch):
    monkeypatch.setitem(sys.modules, "cloudpickle", None)
    training = new_training("batch norm and dropout", "counting")
    assert_same_with(AtOnce(), training)
    training.loss_fn = lambda output, target: functional.cross_entropy(output, target) / 2
    with pytest.raises(SettingsError, match="the loss_fn cannot be pickled"):
        found(training, AtOnce())


def test_what_is_no_executor_is_refused():
    with pytest.raises(SettingsError, match=r"executor must be .*\(got int\)"):
        found(new_training(), 3)


def test_a_model_in_the_middle_of_a_sweep_is_not_copied():
    training = new_training()
    with Series(training.for_sweep()) as series:
        next(series)
        with pytest.raises(SweepInProgressError):
            found(training, AtOnce())


def fails(output, target):
    raise ZeroDivisionError("in my loss")


def test_what_is_raised_there_is_raised_here():
    training = new_training()
    training.loss_fn = fails
    with pytest.raises(ZeroDivisionError, match="in my loss"):
        found(training, AtOnce())


def test_an_interrupt_cancels_what_has_not_begun():
    class Interrupted(Executor):
        def __init__(self):
            self.futures = []

        def submit(self, function, *args):
            if len(self.futures) == 2:
                raise KeyboardInterrupt
            self.futures.append(Future())
            return self.futures[-1]

    executor = Interrupted()
    training = new_training()
    told = training.trace()
    with pytest.raises(KeyboardInterrupt):
        found(training, executor)
    assert [future.cancelled() for future in executor.futures] == [True, True]
    assert differences(told, training.trace()) == []


def test_progress_counts_steps(capsys):
    training = new_training()
    lr_find(training.model, training.optimizer, training.loader, executor=AtOnce(), **SHORT)
    assert "36/36" in capsys.readouterr().err


class ByHand(Executor):
    """Runs nothing until it is told to."""

    def __init__(self):
        self.futures = []
        self.calls = []

    def submit(self, function, *args):
        self.futures.append(Future())
        self.calls.append(functools.partial(function, *args))
        return self.futures[-1]

    def run(self, number):
        self.futures[number].set_running_or_notify_cancel()
        self.futures[number].set_result(self.calls[number]())


def dispatched(executor, **settings):
    training = new_training().for_sweep()
    return Dispatched(executor, training, SweepSettings(**{**SHORT, **settings}))


def test_sweeps_come_whole_and_in_their_order_whichever_ends_first():
    executor = ByHand()
    with dispatched(executor) as sweeps:
        assert next(sweeps) is None
        executor.run(1)
        assert next(sweeps) is None
        executor.run(0)
        points = [next(sweeps) for _ in range(24)]
        assert [point.index for point in points] == [*range(12), *range(12)]
        assert (sweeps.starts, sweeps.total, sweeps.stop_reason) == ([0, 12], 36, "stopped")
        assert next(sweeps) is None
        executor.run(2)
        assert [point.index for point in sweeps] == [*range(12)]
        assert (sweeps.starts, sweeps.total, sweeps.stop_reason) == ([0, 12, 24], 36, "completed")


def test_what_the_last_one_raises_does_not_wait_for_the_first():
    executor = ByHand()
    with dispatched(executor) as sweeps:
        assert next(sweeps) is None
        executor.futures[2].set_exception(ZeroDivisionError("there"))
        with pytest.raises(ZeroDivisionError, match="there"):
            next(sweeps)
    assert [future.cancelled() for future in executor.futures] == [True, True, False]


def test_who_ends_early_ends_the_sweep_that_has_begun_and_leaves_no_sign_behind(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with ThreadPoolExecutor(1) as executor:
        sweeps = dispatched(executor, num_iter=100_000)
        with sweeps:
            assert next(sweeps) is None
        first = sweeps._futures[0].result()  # it would take minutes
        assert first.stop_reason == "stopped"
        assert len(first.points) < 100_000
        assert all(future.cancelled() for future in sweeps._futures[1:])
    assert list(tmp_path.iterdir()) == []


def test_a_sweep_that_is_called_off_before_its_turn_trains_nothing(tmp_path):
    executor = ByHand()
    sweeps = dispatched(executor)
    assert next(sweeps) is None
    sign = tmp_path / "stop"
    sign.touch()
    run = run_packed(*executor.calls[0].args[:3], str(sign))
    assert (len(run.points), run.stop_reason) == (0, "stopped")
    sweeps.close()


def wait_until(condition):
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.001)


def widget(training, executor, **settings):
    return LRFinderWidget(
        training.model,
        training.optimizer,
        training.loader,
        training.loss_fn,
        executor=executor,
        **{**SHORT, **settings},
    )


def test_a_widget_gives_the_same_result_and_leaves_what_was_passed_alone():
    training = new_training("batch norm and dropout")
    expected = found(training)
    told = training.trace()
    finder = widget(training, AtOnce())
    finder.run()
    assert curves(finder.wait()) == curves(expected)
    assert finder.status["starts"] == [0, 12, 24]
    assert finder.result.suggestion == expected.suggestion
    assert differences(told, training.trace()) == []
    finder.close()


def test_a_widget_applies_while_copies_are_trained_stops_and_does_not_pause():
    training = new_training()
    executor = ByHand()
    finder = widget(training, executor)
    finder.run()
    wait_until(lambda: len(executor.futures) == SHORT["repeats"])
    with pytest.raises(LRFinderError, match="cannot be paused"):
        finder.pause()
    finder.apply(0.0125)
    assert training.optimizer.param_groups[0]["lr"] == 0.0125
    assert finder.status["state"] == "running"
    finder.stop()
    assert finder.status["state"] == "stopped"
    assert all(future.cancelled() for future in executor.futures)
    finder.close()


class OneThenNone(AtOnce):
    """Runs the first thing only."""

    def submit(self, function, *args):
        return Future() if self.submitted else super().submit(function, *args)


def test_of_a_widget_that_is_stopped_the_sweeps_that_ended_are_kept():
    training = new_training()
    finder = widget(training, OneThenNone())
    finder.run()
    # What one sweep says is told before the next has ended.
    wait_until(lambda: finder.suggestions and finder.status["points"] == SHORT["num_iter"])
    finder.stop()
    assert len(finder.result.runs) == 1
    assert finder.result.stop_reason == "completed"
    finder.close()


def test_a_journal_and_an_executor_do_not_go_together(tmp_path):
    training = new_training()
    with pytest.raises(SettingsError, match="journal cannot be used with executor"):
        found(training, AtOnce(), journal=tmp_path / "sweep.jsonl")
    with pytest.raises(SettingsError, match="journal cannot be used with executor"):
        widget(training, AtOnce(), journal=tmp_path / "sweep.jsonl")
    assert list(tmp_path.iterdir()) == []


def test_views_of_one_memory_stay_views_of_one_memory():
    model = nn.Linear(FEATURES, 2)
    model.register_buffer("row", model.weight.detach()[0])
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    copy = unpack(pack(Training(model=model, optimizer=optimizer, loader=[])))
    with torch.no_grad():
        copy.model.weight.zero_()
    assert not copy.model.row.any()
    assert model.row.any()
