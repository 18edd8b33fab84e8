"""Promise 1 on a CUDA device; see `needs_cuda` in tests/conftest.py."""

import pytest
import torch
from torch import nn
from torch.nn import functional
from torch.optim import SGD, Adam

from evidence import differences, flat, seeded
from lrfinder_widget import lr_find
from specimens import CLASSES, FEATURES, Samples, batch_norm_and_dropout, batches_of_4, mlp

pytestmark = pytest.mark.needs_cuda


def sweep_leaves_no_trace(model, optimizer, *also, points=8, **settings):
    # Some steps first: optimizer state and gradients are there to be put back.
    for inputs, targets in batches_of_4(Samples()):
        device = next(model.parameters()).device
        output = model(inputs.to(device))
        functional.cross_entropy(output, targets.to(output.device)).backward()
        optimizer.step()
    drawn = torch.cuda.get_rng_state_all()
    before = flat([model, optimizer, *also])
    result = lr_find(
        model,
        optimizer,
        batches_of_4(Samples(), shuffle=True, pin_memory=True),
        functional.cross_entropy,
        progress=False,
        **{"num_iter": points, "start_lr": 1e-4, "end_lr": 0.1, **settings},
    )
    assert len(result.losses) == points
    assert differences(before, flat([model, optimizer, *also])) == []
    assert all(map(torch.equal, drawn, torch.cuda.get_rng_state_all()))


@pytest.mark.parametrize("place", ["same", "cpu", "a folder", None])
def test_a_training_on_the_device_is_put_back_wherever_copies_are_kept(place, tmp_path):
    seeded()
    model = batch_norm_and_dropout().cuda()
    optimizer = Adam(model.parameters(), lr=0.01)
    snapshot = str(tmp_path) if place == "a folder" else place
    sweep_leaves_no_trace(model, optimizer, snapshot=snapshot)


def test_mixed_precision_with_a_gradient_scaler_leaves_no_trace():
    seeded()
    model = mlp().cuda()
    optimizer = SGD(model.parameters(), lr=0.05, momentum=0.9)
    sweep_leaves_no_trace(model, optimizer, amp="fp16")
    scaler = torch.amp.GradScaler("cuda")
    before = flat(scaler)
    lr_find(model, optimizer, batches_of_4(Samples()), scaler=scaler, amp="fp16", progress=False)
    assert differences(before, flat(scaler)) == []


@pytest.mark.parametrize("options", [{"capturable": True}, {"fused": True}], ids=str)
@pytest.mark.parametrize("rate", [0.01, "a tensor"])
def test_capturable_and_fused_optimizers_leave_no_trace(options, rate):
    seeded()
    model = mlp().cuda()
    lr = torch.tensor(0.01, device="cuda") if rate == "a tensor" else rate
    optimizer = Adam(model.parameters(), lr=lr, **options)
    sweep_leaves_no_trace(model, optimizer)
    assert optimizer.param_groups[0]["lr"] is lr


class Split(nn.Module):
    """Its first layer is on the device, the second on the processor."""

    def __init__(self):
        super().__init__()
        self.first = nn.Linear(FEATURES, 8, device="cuda:0")
        self.second = nn.Linear(8, CLASSES)

    def forward(self, inputs):
        return self.second(torch.tanh(self.first(inputs)).cpu())


def test_a_model_split_over_device_and_processor_leaves_no_trace():
    seeded()
    model = Split()
    sweep_leaves_no_trace(model, SGD(model.parameters(), lr=0.05, momentum=0.9))


def test_memory_that_runs_out_on_the_device_ends_the_sweep():
    seeded()
    model = mlp().cuda()
    optimizer = SGD(model.parameters(), lr=0.05)
    before = flat([model, optimizer])

    def loss_fn(output, target):
        hoard = torch.empty(2**50, dtype=torch.uint8, device="cuda")
        return functional.cross_entropy(output, target) + hoard.sum()

    result = lr_find(model, optimizer, batches_of_4(Samples()), loss_fn, progress=False)
    assert result.stop_reason == "out of memory"
    assert differences(before, flat([model, optimizer])) == []
