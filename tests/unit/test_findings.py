"""What findings say of stored curves from real sweeps; `make_curves.py` made them."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lrfinder_widget.analysis.curve import Curve
from lrfinder_widget.analysis.findings import Finding, Reading, find_findings
from lrfinder_widget.analysis.smoothing import smooth
from lrfinder_widget.analysis.suggestion import suggest
from lrfinder_widget.divergence import Divergence
from lrfinder_widget.errors import NotEnoughPointsError
from lrfinder_widget.settings import SweepSettings, learning_rates

FOLDER = Path(__file__).parent / "curves"
NAMES = sorted(path.stem for path in FOLDER.glob("*.json"))
HEALTHY = [name for name in NAMES if name.startswith("healthy")]

# For each curve: the finding, its severity, and what is to be changed.
EXPECTED = {
    "flat_unused_head": ("flat_everywhere", "error", {}),
    "flat_full_batch": ("flat_everywhere", "error", {}),
    "flat_saturated": ("flat_everywhere", "error", {}),
    "explodes_from_high_start": ("explodes_at_once", "error", {"start_lr": 1e-4}),
    "explodes_unscaled": ("explodes_at_once", "error", {"start_lr": 1e-11}),
    "explodes_after_steep_fall": ("explodes_at_once", "error", {"start_lr": 1e-10}),
    "never_rose_flat": ("never_rose", "warning", {"end_lr": 10.0}),
    "never_rose_falling": ("never_rose", "warning", {"end_lr": 10.0}),
    "never_rose_adam": ("never_rose", "warning", {"end_lr": 1.0}),
    "stopped_heavy_tails": ("stopped_too_early", "warning", {"diverge_threshold": 30.0}),
    "stopped_heavy_tails_again": ("stopped_too_early", "warning", {"diverge_threshold": 300.0}),
    "stopped_low_threshold": ("stopped_too_early", "warning", {"diverge_threshold": 30.0}),
    "stopped_single_samples": ("stopped_too_early", "warning", {"diverge_threshold": 30.0}),
    "stopped_near_zero": ("stopped_too_early", "warning", {"diverge_threshold": 30.0}),
    "noisy_batches": ("too_noisy", "warning", {"num_iter": 300}),
    "noisy_few_points": ("too_noisy", "warning", {"num_iter": 120}),
    "noisy_labels": ("too_noisy", "warning", {"num_iter": 300}),
    "noisy_lstm": ("too_noisy", "warning", {"num_iter": 300}),
    # Trained down to the noise of its targets, it is told from too noisy only by the sentence.
    "converged_regression": ("too_noisy", "warning", {"num_iter": 300}),
    "converged_classifier": ("already_converged", "warning", {}),
    "converged_adam": ("already_converged", "warning", {}),
    "stuck_deep_sigmoid": ("already_converged", "warning", {}),
    "non_finite_input": ("non_finite_loss", "error", {}),
    "non_finite_first": ("non_finite_loss", "error", {}),
    "non_finite_end": ("non_finite_loss", "info", {}),
    "plateau_lstm": ("plateau_then_learning", "info", {"start_lr": 1e-3}),
    "gradients_gru": ("gradients_grow_first", "info", {"clip_grad_norm": 0.89}),
    "gradients_rnn": ("gradients_grow_first", "info", {"clip_grad_norm": 1.5}),
}
# These depend on the suggestion, which is given here so that a better rule changes nothing.
SUGGESTED = {
    "edge_start": (0.011, "edge_of_range", "warning", {"start_lr": 1e-4}),
    "edge_start_momentum": (0.1, "edge_of_range", "warning", {"start_lr": 1e-3}),
    "steep_start": (3.8e-7, "unusual_rate", "info", {}),
    "unusual_low": (4e-7, "unusual_rate", "info", {}),
    "unusual_scaled_loss": (45.0, "unusual_rate", "info", {}),
}


def suggestion_of(lrs, losses):
    try:
        return suggest(Curve(lrs, losses)).lr
    except NotEnoughPointsError:
        return None


def reading_of(lrs, losses, chosen=None, **fields):
    lrs, losses = np.asarray(lrs, float), np.asarray(losses, float)
    chosen = chosen or SweepSettings()
    fields = {"stop_reason": "completed", **fields}
    if "suggestion" not in fields:
        fields["suggestion"] = suggestion_of(lrs, losses)
    return Reading(lrs, losses, smooth(lrs, losses, chosen.beta), chosen, **fields)


def stored(name, change=lambda losses: losses, more=None, **fields):
    data = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    known = {key: data[key] for key in ("stop_reason", "optimizer", "network", "batch_size")}
    losses = change(np.array(data["losses"], float))
    known["grad_norms"] = np.array(data.get("grad_norms", []), float)
    chosen = SweepSettings(**{**data["settings"], **(more or {})})
    return reading_of(data["lrs"], losses, chosen, **{**known, **fields})


def summary(findings):
    return [(finding.name, finding.severity, dict(finding.changes)) for finding in findings]


def names(findings):
    return [finding.name for finding in findings]


def test_every_stored_curve_is_judged_here():
    assert {*EXPECTED, *SUGGESTED, *HEALTHY} == set(NAMES)
    assert len(HEALTHY) >= 10


@pytest.mark.parametrize("name", EXPECTED)
def test_a_real_sweep_raises_the_finding_it_was_made_for_and_no_other(name):
    # The suggestion lies where nothing is to be said about it.
    findings = find_findings(stored(name, suggestion=None))
    assert summary(findings) == [EXPECTED[name]]


@pytest.mark.parametrize("name", SUGGESTED)
def test_a_suggestion_raises_the_finding_it_was_made_for_and_no_other(name):
    suggestion, *expected = SUGGESTED[name]
    assert summary(find_findings(stored(name, suggestion=suggestion))) == [tuple(expected)]


@pytest.mark.parametrize("name", HEALTHY)
def test_a_healthy_sweep_raises_no_warning_and_no_error(name):
    assert [found for found in find_findings(stored(name)) if found.severity != "info"] == []


@pytest.mark.parametrize("name", [*EXPECTED, *SUGGESTED])
def test_what_is_said_is_one_sentence(name):
    suggestion = SUGGESTED[name][0] if name in SUGGESTED else None
    (found,) = find_findings(stored(name, suggestion=suggestion))
    assert found.text[0].isupper()
    assert found.text.endswith(".")
    assert ". " not in found.text
    assert "nan" not in found.text.replace("NaN", "")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("factor", [1e-3, 1e4])
def test_scaling_the_loss_changes_no_finding(name, factor):
    scaled = find_findings(stored(name, lambda losses: factor * losses))
    assert summary(scaled) == summary(find_findings(stored(name)))


@pytest.mark.parametrize(
    "name",
    # The rest is judged by how large scatter is beside the loss, or by multiples of the best one.
    [name for name in NAMES if not name.startswith(("stopped", "converged", "stuck", "noisy"))],
)
def test_shifting_the_loss_changes_no_finding_that_does_not_speak_of_zero(name):
    # By twice the median: far enough to matter, near enough for noise not to seem tiny beside it.
    def shifted(losses):
        return losses + 2 * np.median(losses[np.isfinite(losses)]) if len(losses) > 1 else losses

    assert summary(find_findings(stored(name, shifted))) == summary(find_findings(stored(name)))


@pytest.mark.parametrize("name", NAMES)
def test_the_smoothing_that_is_shown_changes_no_finding(name):
    known = suggestion_of(stored(name).lrs, stored(name).losses)
    lagging = find_findings(stored(name, more={"beta": 0.98}, suggestion=known))
    assert summary(lagging) == summary(find_findings(stored(name, suggestion=known)))


@pytest.mark.parametrize("name", NAMES)
def test_a_sweep_that_was_stopped_by_hand_raises_nothing(name):
    assert find_findings(stored(name, stop_reason="stopped")) == ()


@pytest.mark.parametrize("points", range(20))
def test_too_few_points_raise_nothing(points):
    lrs, losses = np.geomspace(1e-7, 10, points), 1 + 0.1 * np.sin(np.arange(points))
    assert find_findings(reading_of(lrs, losses, SweepSettings(num_iter=max(points, 2)))) == ()


@pytest.mark.parametrize("points", [5, 10, 19, 20, 100])
@pytest.mark.parametrize("loss", [2.3, 0.0, -1e300])
@pytest.mark.parametrize(
    ("end_lr", "expected"),
    [
        (10.0, ("flat_everywhere", "error", {})),
        (1e-4, ("never_rose", "warning", {"end_lr": 10.0})),
    ],
)
def test_a_constant_loss_is_told_from_as_many_points_as_make_a_suggestion(
    points, loss, end_lr, expected
):
    chosen = SweepSettings(num_iter=points, end_lr=end_lr)
    reading = reading_of(learning_rates(chosen), np.full(points, loss), chosen)
    assert summary(find_findings(reading)) == [expected]
    assert summary(find_findings(reading._replace(losses=reading.losses[:4]))) == []


@pytest.mark.parametrize("at", [0, 5, 50, 98, 99])
@pytest.mark.parametrize("low", [2.0, -1e10])
def test_a_single_low_point_is_no_descent(at, low):
    losses = np.full(100, 2.3)
    losses[at] = low
    reading = reading_of(learning_rates(SweepSettings()), losses)
    assert names(find_findings(reading)) == ["flat_everywhere"]


def shape(lrs, noise=0.0, seed=0):
    """Return losses that fall from 2.3 to 0.3 around a rate of 1e-3 and take off at 0.1."""
    decades = np.log10(lrs)
    falling = 2.3 - 2 / (1 + np.exp(-(decades + 3) / 0.3))
    taking_off = 40 * np.maximum((decades + 1) / 1.5, 0) ** 2
    return falling + taking_off + noise * np.random.default_rng(seed).standard_normal(len(lrs))


def until_stopped(lrs, losses, chosen, **fields):
    """Return the reading of losses up to the point where the threshold stops the sweep."""
    divergence = Divergence(chosen.diverge_threshold)
    stops = [divergence.update(loss) for loss in losses.tolist()]
    points = stops.index(True) + 1 if any(stops) else len(stops)
    reason = "diverged" if any(stops) else "completed"
    return reading_of(lrs[:points], losses[:points], chosen, stop_reason=reason, **fields)


@pytest.mark.parametrize("noise", [0.0, 0.02, 0.1])
@pytest.mark.parametrize("threshold", [None, 4.0])
@pytest.mark.parametrize("points", [100, 200, 400])
def test_a_linear_sweep_that_falls_in_its_first_points_raises_nothing(points, threshold, noise):
    chosen = SweepSettings(
        step_mode="linear", end_lr=1.0, num_iter=points, diverge_threshold=threshold
    )
    lrs = learning_rates(chosen)
    reading = until_stopped(lrs, shape(lrs, noise), chosen, suggestion=None)
    assert find_findings(reading) == ()


def test_a_linear_sweep_that_falls_in_its_first_points_and_ends_too_early_is_told_so():
    chosen = SweepSettings(step_mode="linear", end_lr=0.1)
    reading = until_stopped(learning_rates(chosen), shape(learning_rates(chosen)), chosen)
    (found,) = find_findings(reading)
    assert (found.name, dict(found.changes)) == ("never_rose", {"end_lr": 1.0})
    assert "falls" in found.text


@pytest.mark.parametrize("spike", [5.0, 100.0, 1e10])
@pytest.mark.parametrize("points", [1, 3])
@pytest.mark.parametrize("stopped", [True, False])
@pytest.mark.parametrize("noise", [0.0, 0.05])
def test_first_points_that_are_high_hide_no_descent(spike, points, stopped, noise):
    lrs = learning_rates(SweepSettings())
    losses = shape(lrs, noise)
    losses[:points] = spike
    make = until_stopped if stopped else reading_of
    assert find_findings(make(lrs, losses, SweepSettings(), suggestion=None)) == ()


@pytest.mark.parametrize("start_lr", [1e-7, 1e-6, 1e-5])
def test_a_loss_that_only_rises_explodes_at_once_and_is_no_noise(start_lr):
    chosen = SweepSettings(start_lr=start_lr)
    lrs = learning_rates(chosen)
    reading = until_stopped(lrs, 2.3 * (1 + (lrs / start_lr) ** 2), chosen)
    (found,) = find_findings(reading)
    assert found.name == "explodes_at_once"
    assert found.changes["start_lr"] == pytest.approx(start_lr / 1e4)


def test_losses_that_scatter_by_factors_are_rarely_taken_for_a_blow_up():
    def found(seed):
        losses = np.exp(np.random.default_rng(seed).standard_normal(100))
        lrs = learning_rates(SweepSettings())
        return names(find_findings(until_stopped(lrs, losses, SweepSettings())))

    few = [each for each in map(found, range(100)) if each]
    assert few.count(["stopped_too_early"]) > 0.7 * len(few)


def test_a_sweep_of_one_point_that_diverged_is_told_in_the_singular():
    (found,) = find_findings(reading_of([1e-7], [2.3], stop_reason="diverged"))
    assert "within 1 point," in found.text


@pytest.mark.parametrize("name", [name for name in EXPECTED if name.startswith("stopped")])
def test_the_proposed_threshold_would_not_have_stopped_the_sweep_there(name):
    reading = stored(name)
    (found,) = find_findings(reading)

    def stops(threshold):
        divergence = Divergence(threshold)
        return any(divergence.update(loss) for loss in reading.losses.tolist())

    assert stops(reading.settings.diverge_threshold)
    assert not stops(found.changes["diverge_threshold"])


def test_a_sweep_that_stops_behind_its_valley_did_not_stop_too_early():
    whole = stored("healthy_digits-cnn-batchnorm_sgd-momentum")
    bottom = int(np.argmin(whole.smoothed))

    def found(points):
        cut = slice(bottom + points)
        reading = reading_of(whole.lrs[cut], whole.losses[cut], stop_reason="diverged")
        return names(find_findings(reading))

    assert [found(points) for points in (1, 4, 6, 8)] == [*[["stopped_too_early"]] * 2, [], []]


def test_a_threshold_that_nothing_reasonable_replaces_is_switched_off():
    (found,) = find_findings(stored("stopped_heavy_tails", more={"diverge_threshold": 1000.0}))
    assert found.changes == {"diverge_threshold": None}
    assert found.action == "Run again with diverge_threshold = None"


@pytest.mark.parametrize("name", HEALTHY)
def test_gradients_that_grow_as_a_model_learns_raise_nothing(name):
    reading = stored(name)
    assert np.isfinite(reading.grad_norms).all()
    assert "gradients_grow_first" not in names(find_findings(reading))


def test_growing_gradients_are_told_with_where_they_begin_and_a_norm_to_clip_to():
    reading = stored("gradients_gru")
    (found,) = find_findings(reading)
    bound = found.changes["clip_grad_norm"]
    assert found.action == "Run again with clip_grad_norm = 0.89"
    turn = float(found.text.split("the loss turns at ")[1].split(":")[0])
    onset = float(found.text.split("From a rate of ")[1].split(" ")[0])
    assert onset < turn / 1.4
    before, between = reading.lrs < onset, (reading.lrs > onset) & (reading.lrs < turn / 1.4)
    assert np.median(reading.grad_norms[before]) < bound < np.median(reading.grad_norms[between])
    assert 0.85 < np.mean(reading.grad_norms[before] <= bound) < 1


@pytest.mark.parametrize(
    ("norms", "more"),
    [
        (lambda norms: norms[:0], {}),
        (lambda norms: np.where(np.arange(len(norms)) == 3, math.nan, norms), {}),
        (lambda norms: np.where(np.arange(len(norms)) == 3, math.inf, norms), {}),
        (lambda norms: 0 * norms, {}),
        (lambda norms: norms.mean() + 0 * norms, {}),
        (lambda norms: norms[::-1], {}),
        (lambda norms: norms, {"clip_grad_norm": 0.5}),
    ],
    ids=["none", "a NaN", "infinite", "all 0", "level", "falling", "clipped already"],
)
def test_other_gradients_raise_nothing(norms, more):
    reading = stored("gradients_gru", more=more)
    assert find_findings(reading._replace(grad_norms=norms(reading.grad_norms))) == ()


def test_gradients_that_grow_only_as_the_loss_turns_raise_nothing():
    reading = stored("gradients_gru")
    late = np.where(reading.lrs < 0.25, np.median(reading.grad_norms), 100.0)
    assert find_findings(reading._replace(grad_norms=late)) == ()


def test_runs_that_agree_are_not_too_noisy():
    assert find_findings(stored("noisy_lstm", suggestion=None, run_suggestions=(1e-3, 2e-3))) == ()
    apart = stored("noisy_lstm", suggestion=None, run_suggestions=(1e-3, 2e-2))
    assert names(find_findings(apart)) == ["too_noisy"]


def test_a_noisy_sweep_of_very_many_points_is_not_asked_for_more():
    losses = 2 + 0.7 * np.random.default_rng(0).standard_normal(1000)
    losses[-100:] += np.linspace(0, 9, 100)
    lrs = np.geomspace(1e-7, 10, 1000)
    (found,) = find_findings(reading_of(lrs, losses, SweepSettings(num_iter=1000), suggestion=None))
    assert found.name == "too_noisy"
    assert found.changes == {}
    assert found.action == ""
    assert "larger batches" in found.text


def test_a_suggestion_at_the_end_of_a_completed_range_asks_for_a_higher_end():
    reading = stored("healthy_clusters-mlp-batchnorm_sgd-momentum", suggestion=9.0)
    assert summary(find_findings(reading))[0] == ("edge_of_range", "warning", {"end_lr": 100.0})


def test_a_loss_that_is_not_finite_in_the_middle_of_its_descent_is_a_warning():
    reading = stored("never_rose_falling")
    losses = np.append(reading.losses[:97], math.nan)
    found = find_findings(
        reading_of(reading.lrs[:98], losses, reading.settings, stop_reason="non-finite loss")
    )
    assert [(finding.name, finding.severity) for finding in found] == [
        ("non_finite_loss", "warning")
    ]
    assert "step 98 of 100" in found[0].text


@pytest.mark.parametrize(
    ("optimizer", "network", "batch_size", "usual", "unusual"),
    [
        ("AdamW", "transformer", 32, 5e-3, 2e-2),
        ("Adam", "perceptron", 32, 5e-2, 2e-1),
        ("SGD", "perceptron", 32, 5e-1, 2.0),
        ("SGD", "convolutional", 4096, 5.0, 20.0),
        ("RMSprop", "", 0, 5e-2, 2e-1),
    ],
)
def test_a_rate_is_unusual_beyond_ten_times_the_usual_range(
    optimizer, network, batch_size, usual, unusual
):
    def found(suggestion):
        kind = {"optimizer": optimizer, "network": network, "batch_size": batch_size}
        # Seen to its end, so that no rate lies at an edge.
        reading = stored("healthy_digits-mlp_adamw", suggestion=suggestion, **kind)
        return names(find_findings(reading))

    assert found(usual) == []
    assert found(unusual) == ["unusual_rate"]


@pytest.mark.parametrize(("optimizer", "network"), [("LBFGS", "perceptron"), ("Adam", "graph")])
def test_nothing_is_usual_for_what_is_not_known(optimizer, network):
    reading = stored(
        "healthy_digits-mlp_adamw", suggestion=5.0, optimizer=optimizer, network=network
    )
    assert find_findings(reading) == ()


def test_an_action_names_the_settings_and_their_values():
    changes = {"start_lr": 1e-5, "end_lr": 100.0, "num_iter": 300}
    finding = Finding("name", "info", "Text.", changes)
    assert finding.action == "Run again with start_lr = 1e-5, end_lr = 100, num_iter = 300"


def test_a_change_that_the_other_settings_forbid_is_not_proposed():
    # A start so low that its ratio to the end is beyond a float.
    lrs, losses = np.geomspace(1e-300, 1e7, 4), [1.0, 10.0, 1e5, 1e9]
    chosen = SweepSettings(start_lr=1e-300, end_lr=1e7)
    (found,) = find_findings(reading_of(lrs, losses, chosen, stop_reason="diverged"))
    assert (found.name, found.changes, found.action) == ("explodes_at_once", {}, "")


numbers = st.floats(allow_nan=False, allow_infinity=False)
plain = st.floats(-10, 10).map(lambda value: round(value, 3))


@st.composite
def readings(draw):
    start = draw(st.sampled_from([5e-324, 1e-300, 1e-7, 1e-3, 1.0]))
    ratio = draw(st.sampled_from([1.001, 10.0, 1e8]))
    chosen = SweepSettings(
        start_lr=start,
        end_lr=max(start * ratio, start + 5e-324),
        num_iter=draw(st.sampled_from([5, 30, 100, 2000])),
        step_mode=draw(st.sampled_from(["exp", "linear"])),
        diverge_threshold=draw(st.sampled_from([None, 1.5, 4.0, 1e6])),
        skip_start=draw(st.integers(0, 2)),
        skip_end=draw(st.integers(0, 2)),
        beta=draw(st.sampled_from([None, 0.9])),
    )
    losses = draw(st.lists(draw(st.sampled_from([numbers, plain])), max_size=70))
    losses += draw(st.sampled_from([[], [math.nan], [math.inf]]))
    losses = losses[: chosen.num_iter]
    known = [None, chosen.start_lr, chosen.end_lr]
    norms = np.abs(draw(st.sampled_from([losses, losses[::-1], []])))
    return reading_of(
        learning_rates(chosen)[: len(losses)],
        losses,
        chosen,
        stop_reason=draw(st.sampled_from(["completed", "diverged", "non-finite loss", "stopped"])),
        suggestion=draw(st.sampled_from(known)),
        optimizer=draw(st.sampled_from(["", "SGD", "AdamW"])),
        network=draw(st.sampled_from(["", "transformer", "perceptron"])),
        batch_size=draw(st.sampled_from([0, 32])),
        grad_norms=norms,
    )


def test_losses_as_large_and_as_small_as_can_be_are_judged():
    for count in (5, 30):
        losses = np.resize([0.0, 1.7e308, -1.7e308], count)
        reading = reading_of(
            np.geomspace(1e-7, 1, count), losses, stop_reason="completed", suggestion=None
        )
        named = [found.name for found in find_findings(reading)]
        assert named == ([] if count < 20 else ["flat_everywhere"])  # no overflow is warned of


@settings(max_examples=150, deadline=None)
@given(readings())
def test_any_curve_is_judged_and_every_change_makes_valid_settings(reading):
    for finding in find_findings(reading):
        changed = reading.settings.replace(**finding.changes)
        assert (changed != reading.settings) == bool(finding.changes)
        assert finding.text
        assert bool(finding.action) == bool(finding.changes)
