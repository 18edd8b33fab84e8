"""Compiled models and optimizers are compiled once, not anew for each learning rate."""

import pytest
import torch
from torch.nn import functional
from torch.optim import SGD, Adam, AdamW

from evidence import differences, flat, seeded
from lrfinder_widget import lr_find
from specimens import Samples, TiedWeights, batch_norm_and_dropout, batches_of_4, mlp

pytestmark = pytest.mark.usefixtures("one_torch_thread")

COMPILED = []


def counting(graph, _inputs):
    """Compile to what there is, and count."""
    COMPILED.append(graph)
    return graph.forward


@pytest.fixture(autouse=True)
def _fresh():
    torch._dynamo.reset()
    COMPILED.clear()
    seeded()
    yield
    torch._dynamo.reset()


def find(model, optimizer, **settings):
    result = lr_find(
        model,
        optimizer,
        batches_of_4(Samples()),
        functional.cross_entropy,
        progress=False,
        **{"num_iter": 8, "start_lr": 1e-4, "end_lr": 0.1, **settings},
    )
    assert len(result.losses) == 8
    return result


@pytest.mark.parametrize("how", ["torch.compile(model)", "model.compile()"])
def test_a_compiled_model_is_compiled_once_for_all_rates(how):
    model = TiedWeights()
    if how == "model.compile()":
        model.compile(backend=counting)
        compiled = model
    else:
        compiled = torch.compile(model, backend=counting)
    find(compiled, SGD(model.parameters(), lr=0.1))
    assert len(COMPILED) == 1
    find(compiled, SGD(model.parameters(), lr=0.1), repeats=1)
    assert len(COMPILED) == 1


def test_what_was_compiled_before_a_sweep_is_used_by_it_and_after_it():
    model = mlp()
    compiled = torch.compile(model, backend=counting)
    inputs, targets = next(iter(batches_of_4(Samples())))
    functional.cross_entropy(compiled(inputs), targets).backward()
    before = len(COMPILED)
    find(compiled, SGD(model.parameters(), lr=0.1))
    functional.cross_entropy(compiled(inputs), targets).backward()
    assert (before, len(COMPILED)) == (1, 1)


def test_a_compiled_model_sweeps_to_the_same_curve_and_is_put_back():
    def losses(*, compiled):
        seeded()
        model = batch_norm_and_dropout()
        optimizer = Adam(model.parameters(), lr=0.01)
        swept = torch.compile(model, backend=counting) if compiled else model
        before = flat({"model": model, "optimizer": optimizer})
        result = find(swept, optimizer, seed=1)
        assert differences(before, flat({"model": model, "optimizer": optimizer})) == []
        return result.losses.tolist()

    assert losses(compiled=True) == losses(compiled=False)


@pytest.mark.parametrize("kind", [SGD, Adam])
def test_a_compiled_optimizer_step_with_a_tensor_rate_is_compiled_once(kind):
    model = mlp()
    rate = torch.tensor(0.01)
    optimizer = kind(model.parameters(), lr=rate)
    optimizer.step = torch.compile(optimizer.step, backend=counting)
    result = find(model, optimizer)
    plain = mlp()
    plain.load_state_dict(model.state_dict())
    assert result.losses.tolist() == pytest.approx(
        find(plain, kind(plain.parameters(), lr=torch.tensor(0.01))).losses.tolist()
    )
    # The first step, which makes the optimizer's state, and all those after it.
    assert 1 <= len(COMPILED) <= 2
    assert optimizer.param_groups[0]["lr"] is rate
    assert rate.item() == torch.tensor(0.01).item()


# With foreach, torch takes a tensor as rate only where it can be captured in a CUDA graph.
@pytest.mark.parametrize("options", [{"fused": True}, {"foreach": False}], ids=str)
@pytest.mark.parametrize("kind", [SGD, Adam, AdamW])
def test_a_tensor_rate_is_written_in_place_for_every_implementation(kind, options):
    model = mlp()
    rate = torch.tensor(0.01)
    optimizer = kind(model.parameters(), lr=rate, **options)
    RATES.clear()
    optimizer.register_step_pre_hook(
        lambda own, *_: RATES.append((own.param_groups[0]["lr"] is rate, rate.item()))
    )
    before = flat({"model": model, "optimizer": optimizer})
    result = find(model, optimizer)
    assert [used for _, used in RATES] == result.lrs.tolist()
    assert all(in_place for in_place, _ in RATES)
    assert differences(before, flat({"model": model, "optimizer": optimizer})) == []


RATES = []
