"""Repeats on an executor: a copy is trained there, and the result is the same."""

import multiprocessing
import pickle
import sys
import threading
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor

import pytest
import torch
from torch import nn
from torch.nn import functional

from evidence import differences, new_training
from lrfinder_widget import SettingsError, SweepInProgressError, lr_find
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


def test_progress_counts_the_repeats_that_have_finished(capsys):
    training = new_training()
    lr_find(training.model, training.optimizer, training.loader, executor=AtOnce(), **SHORT)
    assert "3/3" in capsys.readouterr().err


def test_views_of_one_memory_stay_views_of_one_memory():
    model = nn.Linear(FEATURES, 2)
    model.register_buffer("row", model.weight.detach()[0])
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    copy = unpack(pack(Training(model=model, optimizer=optimizer, loader=[])))
    with torch.no_grad():
        copy.model.weight.zero_()
    assert not copy.model.row.any()
    assert model.row.any()
