"""Memory that runs out ends a sweep: everything is restored, the points so far are kept."""

import pytest
import torch
from torch import nn

from evidence import differences, training_with
from lrfinder_widget import LRFinderWidget, NotEnoughPointsError, lr_find
from lrfinder_widget.training.out_of_memory import is_out_of_memory
from specimens import Samples, batches_of_4, mlp

pytestmark = pytest.mark.usefixtures("one_torch_thread")

MESSAGES = (
    "[enforce fail at alloc_cpu.cpp:121] . DefaultCPUAllocator: can't allocate memory",
    "MPS backend out of memory (MPS allocated: 9.00 GB). Tried to allocate 1.00 GB",
    "CUDA out of memory. Tried to allocate 2.00 GiB",
    "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
)


class Hungry(nn.Module):
    """Asks for more memory than there is at one of its calls."""

    def __init__(self, at, error):
        super().__init__()
        self.body = mlp()
        self.at, self.error, self.calls = at, error, 0

    def forward(self, inputs):
        self.calls += 1
        if self.calls == self.at:
            raise self.error
        return self.body(inputs)


def hungry(at=4, error=None):
    return training_with(model=Hungry(at, error or torch.OutOfMemoryError("CUDA out of memory")))


def find(training, **settings):
    return lr_find(
        training.model,
        training.optimizer,
        training.loader,
        training.loss_fn,
        progress=False,
        num_iter=12,
        **settings,
    )


@pytest.mark.parametrize(
    "error",
    [torch.OutOfMemoryError("CUDA out of memory"), MemoryError(), *map(RuntimeError, MESSAGES)],
    ids=str,
)
def test_every_way_to_say_that_memory_ran_out_is_understood(error):
    assert is_out_of_memory(error)
    training = hungry(error=error)
    before = training.trace()
    sweep = training.sweep()
    assert len(list(sweep)) == 3
    assert sweep.stop_reason == "out of memory"
    assert differences(before, training.trace()) == []


def test_memory_that_really_runs_out_is_told():
    def loss_fn(output, target):
        return torch.empty(2**60, dtype=torch.uint8).sum()

    sweep = training_with(loss_fn=loss_fn).sweep()
    assert list(sweep) == []
    assert sweep.stop_reason == "out of memory"


@pytest.mark.parametrize("error", [RuntimeError("shapes do not match"), ValueError(MESSAGES[2])])
def test_another_error_leaves_the_sweep_as_it_is(error):
    with pytest.raises(type(error), match=str(error)[:10]):
        list(hungry(error=error).sweep())


def test_the_finding_says_what_to_lower_and_what_keeps_the_batch_as_large():
    result = find(hungry(), accumulation_steps=1)
    (finding,) = result.findings
    assert (finding.name, finding.severity) == ("out_of_memory", "error")
    assert "at step 4 of 12: halve the loader's batch size (4 now)" in finding.text
    assert finding.changes == {"accumulation_steps": 2}


def test_a_curve_that_memory_cut_short_still_has_its_points():
    training = training_with(model=Hungry(31, torch.OutOfMemoryError("CUDA out of memory")))
    result = lr_find(
        training.model, training.optimizer, training.loader, progress=False, num_iter=40
    )
    assert (len(result.losses), result.stop_reason) == (30, "out of memory")


def test_without_a_single_point_the_result_is_empty_and_its_suggestion_says_why():
    training = hungry(at=1)
    before = training.trace()
    result = find(training)
    assert (len(result.losses), result.stop_reason) == (0, "out of memory")
    assert result.findings[0].name == "out_of_memory"
    with pytest.raises(NotEnoughPointsError, match="Memory ran out at step 1 of 12: halve"):
        _ = result.suggestion
    assert differences(before, training.trace()) == []


@pytest.mark.parametrize(("at", "lengths"), [(4, [3]), (13, [12, 0]), (16, [12, 3])])
def test_no_further_repeat_is_begun(at, lengths):
    # The counter on the model is put back between repeats, but not what a global counts.
    CALLS.clear()
    training = training_with()

    def loss_fn(output, target):
        CALLS.append(None)
        if len(CALLS) == at:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return nn.functional.cross_entropy(output, target)

    training.loss_fn = loss_fn
    result = find(training, repeats=3, diverge_threshold=None)
    assert [len(run.losses) for run in result.runs] == lengths
    assert result.stop_reason == "out of memory"
    assert result.findings[0].name == "out_of_memory"


CALLS = []


@pytest.mark.parametrize("at", [1, 4])
def test_a_widget_is_done_and_shows_the_finding(at):
    model = Hungry(at, torch.OutOfMemoryError("CUDA out of memory"))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    widget = LRFinderWidget(model, optimizer, batches_of_4(Samples()), num_iter=12)
    widget.run()
    result = widget.wait(60)
    assert (len(result.losses), result.stop_reason) == (at - 1, "out of memory")
    assert widget.status["state"] == "done"
    assert widget.status["text"] == f"memory ran out at step {at}"
    assert [finding["name"] for finding in widget.findings] == ["out_of_memory"]
    assert widget.error is None
    widget.close()
