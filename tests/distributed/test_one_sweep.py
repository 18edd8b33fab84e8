"""Several processes make one sweep: one curve, the one that a single process finds."""

import json

import pytest

from trained import SETTINGS, Trained, curve

KINDS = ("DDP", "FSDP2")


def alone(**settings):
    """What one process finds with whole batches."""
    return curve(Trained(None, "plain").find(**settings))


def assert_close(one, other, names):
    for name in names:
        assert one[name] == pytest.approx(other[name], rel=1e-4), name


@pytest.mark.parametrize("kind", KINDS)
def test_two_processes_find_what_one_finds_with_the_doubled_batch(ranks, kind):
    settings = {"grad_norms": True}
    first, second = ranks.values("found", kind, settings)
    assert json.dumps(first) == json.dumps(second)
    assert len(first["losses"]) == SETTINGS["num_iter"]
    assert all(norm > 0 for norm in first["grad_norms"])
    assert_close(first, alone(**settings), ("lrs", "losses", "grad_norms", "suggestion"))


@pytest.mark.parametrize("kind", KINDS)
def test_clipping_and_accumulation_are_those_of_the_doubled_batch_too(ranks, kind):
    settings = {"clip_grad_norm": 0.5, "accumulation_steps": 3}
    first, second = ranks.values("found", kind, settings)
    assert json.dumps(first) == json.dumps(second)
    assert_close(first, alone(**settings), ("losses", "grad_norms"))


@pytest.mark.parametrize("kind", KINDS)
def test_so_is_the_loss_on_validation_batches(ranks, kind):
    settings = {"val_batches": 2}
    first, second = ranks.values("found", kind, settings, validated=True)
    assert json.dumps(first) == json.dumps(second)
    assert_close(
        first, alone(val_loader=Trained(None, "plain").batches, **settings), ["val_losses"]
    )


def test_every_rank_decides_alike_whether_norms_are_worth_their_cost(ranks):
    first, second = ranks.values("found", "FSDP2", {})
    assert json.dumps(first) == json.dumps(second)


def test_metrics_are_means_over_the_ranks_that_report_them(ranks):
    first, second = ranks.values("found_with_metrics")
    assert json.dumps(first) == json.dumps(second)
    assert first["metrics"]["rank"] == [0.5] * 12
    assert first["metrics"]["late"][2:] == [5.0] * 10
    assert all(value != value for value in first["metrics"]["late"][:2])  # noqa: PLR0124 - NaN


def test_a_distributed_sampler_shuffles_the_repeats_and_is_put_back(ranks):
    first, second = ranks.values("found_with_distributed_sampler")
    assert json.dumps(first) == json.dumps(second)
    assert first["epoch"] == 2
    assert first["order kept"]
    assert first["spread"] == 2


def test_accumulated_gradients_are_sent_once_a_step(ranks):
    for points, sent in ranks.values("accumulated"):
        assert points == 6
        assert sent == points


@pytest.mark.parametrize("kind", ["plain", *KINDS])
def test_a_model_that_is_not_wrapped_is_noted(ranks, kind):
    for notes in ranks.values("noted", kind):
        assert any("not wrapped" in note for note in notes) == (kind == "plain")


def test_only_rank_0_shows_progress_and_writes_the_journal(ranks, tmp_path):
    first, second = ranks.values("reported", str(tmp_path))
    assert first["bar"]
    assert not second["bar"]
    assert first["journals"] == second["journals"] == ["0.jsonl"]


def test_seed_and_device_may_differ_between_ranks(ranks):
    first, second = ranks.values("seeded_apart")
    assert first["losses"] == second["losses"]
