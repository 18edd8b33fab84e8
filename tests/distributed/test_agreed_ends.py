"""Whatever ends a sweep on one rank ends it on all, and the group stays usable."""

import pytest


def test_divergence_follows_from_the_mean(ranks):
    first, second = ranks.values("diverged_on_one")
    assert first == second
    assert first["stop_reason"] == "diverged"
    assert first["changed"] == []
    assert first["group works"]


def test_a_loss_that_is_not_finite_on_one_rank_ends_all(ranks):
    assert ranks.values("not_finite_on_one") == [[6, "non-finite loss", True]] * 2


@pytest.mark.parametrize("kind", ["DDP", "FSDP2"])
def test_a_step_that_the_scaler_skips_is_skipped_by_all(ranks, kind):
    first, second = ranks.values("skipped_by_scaler", kind)
    assert first == second
    assert len(first["losses"]) == 12
    assert first["steps"] == 14
    assert first["changed"] == []
    assert first["scale"] == 256.0


@pytest.mark.parametrize("kind", ["DDP", "FSDP2"])
@pytest.mark.parametrize(("at", "stop_reason"), [(1, "stopped"), (5, "stopped"), (12, "completed")])
def test_a_sweep_that_is_closed_on_one_rank_ends_on_all_at_that_point(ranks, kind, at, stop_reason):
    for answer in ranks.values("closed_on_one", kind, at):
        assert answer == {
            "points": at,
            "stop_reason": stop_reason,
            "changed": [],
            "group works": True,
        }


@pytest.mark.parametrize("at", [5, 12, 17])
def test_so_do_repeats_also_between_two_of_them(ranks, at):
    for answer in ranks.values("closed_on_one", "DDP", at, repeats=3):
        assert answer == {
            "points": at,
            "stop_reason": "stopped",
            "changed": [],
            "group works": True,
        }


def test_a_sweep_that_is_dropped_on_one_rank_ends_on_all(ranks):
    for answer in ranks.values("dropped_on_one"):
        assert answer == {"points": 4, "changed": [], "works": True}


def test_an_interrupt_on_one_rank_interrupts_all_between_two_steps(ranks):
    first, second = ranks.values("interrupted_on_one")
    assert first.pop("message") == "rank 1 was interrupted"
    assert second.pop("message") == ""
    expected = {"points": 4, "changed": [], "group works": True, "handler back": True}
    assert first == second == expected


def test_an_error_in_the_code_that_takes_the_points_ends_all(ranks):
    first, second = ranks.values("failed_around_the_points")
    assert first.pop("error") == "Boom: as the test wants it"
    assert second.pop("error").startswith("RankError: rank 0 raised Boom: as the test wants it.")
    assert first == second == {"points": 3, "changed": [], "group works": True}
