"""One rank fails, and no other waits for it: all end with its error, restored."""

import pytest

from lrfinder_widget import LRFinderResult

SECONDS = 10


@pytest.mark.parametrize("where", ["forward", "loss", "backward", "loader", "step"])
@pytest.mark.parametrize("kind", ["plain", "DDP", "FSDP2"])
def test_an_error_on_one_rank_ends_all_with_that_error(ranks, kind, where):
    answers = ranks.run("failed_in", kind, where)
    assert all(answer["seconds"] < SECONDS for answer in answers)
    first, second = (answer["value"] for answer in answers)
    assert (first["error"], second["error"]) == ("RankError", "Boom")
    assert first["message"].startswith("rank 1 raised Boom: as the test wants it.")
    for answer in (first, second):
        assert answer["changed"] == []
        assert "destroy_process_group()" in answer["message"]


def test_an_error_before_it_begins_is_heard_of_and_leaves_the_group_usable(ranks):
    first, second = ranks.values("failed_before_it_began")
    assert (first["error"], second["error"]) == ("RankError", "SettingsError")
    assert first["message"].startswith("rank 1 raised SettingsError: num_iter must be at least 2")
    assert first["group works"]
    assert second["group works"]


def test_settings_that_differ_are_refused_on_all_ranks(ranks):
    first, second = ranks.values("asked_for_different_things")
    assert first == second
    assert first == {
        "error": "SettingsError",
        "message": "num_iter must be the same on every rank (rank 0 has 20, rank 1 has 21)",
        "group works": True,
    }


def test_a_rank_that_never_begins_is_named(ranks):
    first, _ = ranks.run("never_came", timeout=2)
    assert first["error"] == "TimeoutError"
    assert "rank 1 did not begin the sweep" in first["message"]


def test_a_rank_that_is_late_ends_all_at_the_groups_timeout(ranks):
    answers = ranks.run("stuck", timeout=2)
    assert all(answer["seconds"] < SECONDS for answer in answers)
    for answer in answers:
        assert answer["value"]["changed"] == []


@pytest.mark.parametrize(("kind", "victim"), [("FSDP2", 0), ("DDP", 1)])  # rank 0 holds the store
def test_when_a_rank_is_killed_the_others_end_restored(ranks, kind, victim, tmp_path):
    journal = tmp_path / "journal.jsonl"
    answers = ranks.run("killed", kind, victim, str(journal))
    assert answers[victim] is None
    survivor = answers[1 - victim]
    assert survivor["seconds"] < SECONDS
    assert survivor["value"]["changed"] == []
    assert "another rank has probably died" in survivor["value"]["message"]
    assert len(LRFinderResult.load(journal).losses) == 5
