"""What a page is offered: suggestions of a curve that tells something, changes that it can make."""

import json
from pathlib import Path

import numpy as np
import pytest

from lrfinder_widget import SettingsError
from lrfinder_widget.result import LRFinderResult
from lrfinder_widget.settings import SweepSettings
from lrfinder_widget.widget.form_words import LABELS, in_form_words
from lrfinder_widget.widget.messages import PAGE_SETTINGS, parse_request
from lrfinder_widget.widget.state import finding_list, suggestion_list

FOLDER = Path(__file__).parent / "curves"


def listed(name, **settable):
    """What a page is told of the findings of a stored curve."""
    held = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    measured = {"grad_norms": np.array(held.get("grad_norms", []), float)}
    result = LRFinderResult(
        lrs=held["lrs"], losses=held["losses"], stop_reason=held["stop_reason"], **measured
    )
    return finding_list(result, **settable)


def test_a_change_that_a_page_can_make_is_a_button_whose_request_is_understood():
    (found,) = listed("plateau_lstm")
    assert found["action"] == "Run again with From = 0.001"
    request = {"kind": "run", "id": 1, "run": 0, "settings": found["changes"]}
    assert parse_request(request).fields["settings"] == {"start_lr": 1e-3}


def test_a_finding_on_gradients_offers_to_clip_them():
    (found,) = listed("gradients_gru")
    assert found["action"] == "Run again with Gradient norm at most = 0.89"
    assert found["changes"] == {"clip_grad_norm": 0.89}


def test_a_change_that_a_page_cannot_make_is_said_but_no_button():
    (found,) = listed("gradients_gru", settable=())  # of a sweep that runs elsewhere
    assert "clip them to a norm of 0.89" in found["text"]
    assert (found["changes"], found["action"]) == ({}, "")


def test_what_is_wrong_with_a_setting_is_said_in_the_words_of_the_form():
    worded = {
        "num_iter must be at least 2 (got 1)": "Points must be at least 2 (got 1)",
        "end_lr must be greater than start_lr (got start_lr=1, end_lr=0.1)": (
            "To must be greater than From (got From=1, To=0.1)"
        ),
    }
    for said, instead in worded.items():
        assert in_form_words(said) == instead
    with pytest.raises(SettingsError) as refused:
        SweepSettings(diverge_threshold=1)
    assert in_form_words(str(refused.value)) == (
        f"{LABELS['diverge_threshold']} must be greater than 1, since it is a multiple of the best "
        "loss; leave it empty to switch it off (got 1)"
    )
    with pytest.raises(SettingsError) as refused:
        SweepSettings(beta=1)
    assert in_form_words(str(refused.value)) == (
        "Beta must lie in [0, 1): 0 is no smoothing, 0.98 a strong one (got 1)"
    )


def test_the_form_has_the_labels_that_are_spoken_of():
    form = (Path(__file__).parents[2] / "js" / "src" / "settings.tsx").read_text(encoding="utf-8")
    for name in PAGE_SETTINGS:
        assert name == "clip_grad_norm" or f'"{LABELS[name]}"' in form


def stopped(count):
    """A result of the first points of a stored curve, as if it had been stopped there."""
    held = json.loads((FOLDER / "healthy_digits-mlp_adamw.json").read_text(encoding="utf-8"))
    points = {name: held[name][:count] for name in ("lrs", "losses")}
    return LRFinderResult(**points, stop_reason="stopped")


def test_a_sweep_that_was_stopped_on_its_plateau_suggests_nothing_on_a_page():
    assert suggestion_list(stopped(30)) == []
    assert stopped(30).suggestion > 0  # who asks in Python gets what the rule makes of it


def test_a_sweep_that_was_stopped_in_its_descent_suggests_what_it_has_shown():
    held = json.loads((FOLDER / "healthy_digits-mlp_adamw.json").read_text(encoding="utf-8"))
    lowest = int(np.argmin(held["losses"]))
    assert suggestion_list(stopped(lowest))[0]["rule"] == "auto"
