"""After a sweep of several processes each rank is as it was."""

import pytest


@pytest.mark.parametrize("optimizer", ["AdamW", "SGD"])
@pytest.mark.parametrize("steps", [0, 4])
@pytest.mark.parametrize("kind", ["DDP", "DDP with views", "FSDP2"])
def test_training_after_a_sweep_is_what_it_would_have_been(ranks, kind, steps, optimizer):
    for answer in ranks.values("left_behind", kind, optimizer, steps):
        assert answer == {"points": 12, "changed": [], "later": []}


@pytest.mark.parametrize(("steps", "used"), [(0, False), (1, False), (4, True)])
def test_a_reducer_that_has_not_settled_is_left_alone(ranks, steps, used):
    assert ranks.values("reducers", steps) == [[used, True]] * 2


def test_gathered_parameters_are_no_obstacle(ranks):
    for answer in ranks.values("left_behind", "FSDP2", "AdamW", 2, gathered=True):
        assert answer == {"points": 12, "changed": [], "later": []}


@pytest.mark.parametrize("place", ["cpu", "folder"])
def test_shards_are_put_back_from_wherever_they_are_kept(ranks, place, tmp_path):
    place = str(tmp_path) if place == "folder" else place
    for answer in ranks.values("left_behind", "FSDP2", "AdamW", 2, snapshot=place):
        assert answer == {"points": 12, "changed": [], "later": []}


def test_a_part_that_was_swept_can_still_become_part_of_a_sharded_whole(ranks):
    assert ranks.values("swept_before_wrapping_is_done") == [0, 0]


@pytest.mark.parametrize("kind", ["DDP", "FSDP2"])
def test_another_thread_is_refused_before_it_waits_for_other_ranks(ranks, kind):
    assert ranks.values("guarded", kind, timeout=10) == [[], ["SweepInProgressError"] * 3]
