"""Settings are checked once, in words that help, and the schedule hits both ends."""

import json
import math
import pickle
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from lrfinder_widget.errors import LRFinderError, SettingsError
from lrfinder_widget.settings import SweepSettings, learning_rates


def test_the_defaults_are_those_users_know():
    settings = SweepSettings()
    assert (settings.start_lr, settings.end_lr, settings.num_iter) == (1e-7, 10.0, 100)
    assert (settings.step_mode, settings.beta, settings.rule) == ("exp", None, "auto")
    assert settings.diverge_threshold == 4.0
    assert (settings.skip_start, settings.skip_end) == (0, 0)
    assert settings.device is None
    assert settings.seed is None


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        ({"start_lr": 0}, r"start_lr must be positive \(got 0\)"),
        ({"start_lr": -1e-3}, r"start_lr must be positive \(got -0.001\)"),
        ({"end_lr": math.nan}, r"end_lr must be finite \(got nan\)"),
        ({"end_lr": math.inf}, r"end_lr must be finite \(got inf\)"),
        ({"end_lr": 10**400}, "end_lr must be finite"),
        ({"start_lr": "1e-3"}, r"start_lr must be a number \(got '1e-3', of type str\)"),
        ({"start_lr": True}, "start_lr must be a number"),
        ({"start_lr": np.bool_(1)}, "start_lr must be a number"),
        ({"start_lr": None}, "start_lr must be a number"),
        ({"start_lr": np.array([1e-3])}, "start_lr must be a number"),
        (
            {"start_lr": 0.1, "end_lr": 1e-3},
            r"end_lr must be greater than start_lr \(got start_lr=0.1, end_lr=0.001\)",
        ),
        ({"start_lr": 1, "end_lr": 1}, "end_lr must be greater than start_lr"),
        ({"start_lr": 1e-320}, "start_lr is too small beside end_lr"),
        ({"num_iter": 1}, r"num_iter must be at least 2 \(got 1\)"),
        ({"num_iter": 10.5}, r"num_iter must be a whole number \(got 10.5\)"),
        ({"num_iter": True}, "num_iter must be a number"),
        ({"num_iter": 20_000_000}, r"num_iter must be at most 1000000 \(got 20000000\)"),
        ({"step_mode": "linaer"}, r"got 'linaer'\); did you mean 'linear'\?"),
        ({"step_mode": 3}, r"step_mode must be 'exp' or 'linear' \(got 3\)"),
        ({"step_mode": ["exp"]}, "step_mode must be"),
        ({"beta": 1}, r"beta must lie in \[0, 1\).*got 1"),
        ({"beta": -0.1}, "beta must lie in"),
        ({"diverge_threshold": 1}, "greater than 1.*pass None to switch it off.*got 1"),
        ({"skip_start": -1}, r"skip_start must be at least 0 \(got -1\)"),
        ({"skip_start": 60, "skip_end": 40}, "must leave some of the num_iter points"),
        ({"seed": -1}, "seed must be at least 0"),
        ({"seed": 2**32}, r"seed must be at most 2\*\*32 - 1"),
        ({"rule": 3}, "rule must be a rule's name or a function"),
    ],
    ids=str,
)
def test_a_bad_value_is_refused_with_what_it_was_and_what_to_do(bad, words):
    with pytest.raises(SettingsError, match=words) as caught:
        SweepSettings(**bad)
    assert isinstance(caught.value, LRFinderError)
    assert isinstance(caught.value, ValueError)


def test_numpy_scalars_and_whole_floats_become_plain_numbers():
    settings = SweepSettings(
        start_lr=np.float32(0.5),
        end_lr=np.array(2.0),
        num_iter=100.0,
        skip_start=np.int64(3),
        seed=np.uint32(2**32 - 1),
        beta=Fraction(1, 2),
    )
    kinds = [type(getattr(settings, name)) for name in ("start_lr", "end_lr", "beta")]
    assert kinds == [float] * 3
    kinds = [type(getattr(settings, name)) for name in ("num_iter", "skip_start", "seed")]
    assert kinds == [int] * 3
    assert settings.seed == 2**32 - 1


def test_tensors_without_dimensions_become_plain_numbers():
    import torch

    settings = SweepSettings(start_lr=torch.tensor(0.5), num_iter=torch.tensor(20), end_lr=2)
    assert (settings.start_lr, type(settings.start_lr)) == (0.5, float)
    assert (settings.num_iter, type(settings.num_iter)) == (20, int)
    for bad in (torch.tensor([0.5]), torch.tensor(True), torch.tensor(1j)):  # noqa: FBT003 - data
        with pytest.raises(SettingsError, match="start_lr must be a number"):
            SweepSettings(start_lr=bad)


def test_an_unknown_setting_is_answered_with_the_nearest_one():
    with pytest.raises(SettingsError, match="unknown setting 'num_iters'; did you mean 'num_iter'"):
        SweepSettings.from_keywords(num_iters=10)
    with pytest.raises(SettingsError, match="unknown setting 'zzz'; the settings are start_lr, "):
        SweepSettings.from_keywords(zzz=1)


def test_a_changed_copy_is_checked_too_and_leaves_the_first_as_it_was():
    settings = SweepSettings(num_iter=50)
    assert settings.replace(end_lr=1).end_lr == 1.0
    assert settings.replace(end_lr=1).num_iter == 50
    with pytest.raises(SettingsError, match="start_lr"):
        settings.replace(end_lr=1e-9)
    with pytest.raises(SettingsError, match="did you mean 'end_lr'"):
        settings.replace(end_rl=1)
    assert settings == SweepSettings(num_iter=50)


def test_settings_pass_through_json_and_pickle():
    settings = SweepSettings(start_lr=1 / 3, device="cpu", seed=4, beta=0.98)
    stored = json.loads(json.dumps(settings.to_dict()))
    assert SweepSettings.from_dict(stored) == settings
    assert pickle.loads(pickle.dumps(settings)) == settings


def test_a_function_as_rule_is_stored_by_its_name():
    def my_rule(lrs, losses):
        return lrs[losses.argmin()]

    assert SweepSettings(rule=my_rule).to_dict()["rule"] == "custom:my_rule"


def test_a_device_object_is_kept_and_stored_by_its_name():
    import torch

    settings = SweepSettings(device=torch.device("cpu"))
    assert settings.device == torch.device("cpu")
    assert settings.to_dict()["device"] == "cpu"


def test_each_point_has_the_learning_rate_of_the_formula():
    settings = SweepSettings(start_lr=1e-4, end_lr=3.0, num_iter=7)
    expected = [1e-4 * (3.0 / 1e-4) ** (i / 6) for i in range(6)] + [3.0]
    assert learning_rates(settings).tolist() == expected
    linear = learning_rates(settings.replace(step_mode="linear"))
    assert np.allclose(np.diff(linear), (3.0 - 1e-4) / 6)


@hypothesis_settings(deadline=None)
@given(
    start=st.floats(1e-12, 1.0),
    factor=st.floats(1.001, 1e12),
    num_iter=st.integers(2, 300),
    step_mode=st.sampled_from(["exp", "linear"]),
)
def test_the_schedule_rises_and_hits_both_ends_exactly(start, factor, num_iter, step_mode):
    settings = SweepSettings(
        start_lr=start, end_lr=start * factor, num_iter=num_iter, step_mode=step_mode
    )
    rates = learning_rates(settings)
    assert rates.dtype == np.float64
    assert len(rates) == num_iter
    assert rates[0] == settings.start_lr
    assert rates[-1] == settings.end_lr
    assert (np.diff(rates) > 0).all()


# The settings of any training loop


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        ({"accumulation_steps": 0}, r"accumulation_steps must be at least 1 \(got 0\)"),
        ({"accumulation_steps": 1.5}, r"accumulation_steps must be a whole number \(got 1.5\)"),
        ({"accumulation_steps": None}, "accumulation_steps must be a number"),
        ({"amp": "BF16"}, r"amp must be 'bf16', 'fp16', .* \(got 'BF16'\); did you mean 'bf16'\?"),
        ({"amp": True}, r"amp must be 'bf16', 'fp16', a torch.autocast or None \(got True\)"),
        ({"clip_grad_norm": 0}, r"clip_grad_norm must be positive \(got 0\)"),
        ({"clip_grad_norm": math.inf}, r"clip_grad_norm must be finite \(got inf\)"),
        ({"clip_grad_norm": "1"}, "clip_grad_norm must be a number .*of type str"),
        ({"clip_grad_value": -1}, r"clip_grad_value must be positive \(got -1\)"),
        ({"clip_grad_value": True}, "clip_grad_value must be a number"),
        ({"groups": "ratio"}, r"groups must be .* \(got 'ratio'\); did you mean 'ratios'\?"),
        ({"groups": []}, r"groups must be 'ratios', 'equal' or a list .* \(got \[\]\)"),
        ({"groups": [0, 1]}, r"or a list of parameter groups' names \(got \[0, 1\]\)"),
        ({"groups": None}, "groups must be 'ratios', 'equal' or a list"),
        ({"grad_norms": 1}, r"grad_norms must be True or False \(got 1\)"),
        ({"val_batches": 0}, r"val_batches must be at least 1 \(got 0\)"),
        ({"fixed_batch": None}, r"fixed_batch must be True or False \(got None\)"),
        ({"replay": "yes"}, r"replay must be True or False \(got 'yes'\)"),
        ({"snapshot": 3}, r"snapshot must be 'same', 'cpu', a folder's path or None \(got 3\)"),
    ],
    ids=str,
)
def test_a_bad_value_of_the_training_loop_is_refused_in_words(bad, words):
    with pytest.raises(SettingsError, match=words):
        SweepSettings(**bad)


def test_by_default_a_step_is_plain():
    settings = SweepSettings()
    assert (settings.accumulation_steps, settings.amp) == (1, None)
    assert (settings.clip_grad_norm, settings.clip_grad_value) == (None, None)
    assert (settings.groups, settings.grad_norms, settings.val_batches) == ("ratios", None, 1)
    assert (settings.fixed_batch, settings.replay, settings.snapshot) == (False, False, None)


def test_numbers_flags_names_and_paths_of_the_training_loop_become_plain(tmp_path):
    settings = SweepSettings(
        accumulation_steps=np.int64(4),
        clip_grad_norm=np.float32(0.5),
        clip_grad_value=2,
        groups=["head", "group 0"],
        grad_norms=np.bool_(1),
        snapshot=tmp_path,
    )
    assert type(settings.accumulation_steps) is int
    assert (settings.clip_grad_norm, type(settings.clip_grad_norm)) == (0.5, float)
    assert (settings.clip_grad_value, type(settings.clip_grad_value)) == (2.0, float)
    assert settings.groups == ("head", "group 0")
    assert settings.grad_norms is True
    assert settings.snapshot == str(tmp_path)


OF_THE_LOOP = {
    "accumulation_steps": 4,
    "amp": "fp16",
    "clip_grad_norm": 1.0,
    "clip_grad_value": 0.5,
    "groups": ("head", "group 0"),
    "grad_norms": False,
    "val_batches": 3,
    "fixed_batch": True,
    "replay": True,
    "snapshot": "cpu",
}


@pytest.mark.parametrize("name", OF_THE_LOOP)
def test_each_setting_of_the_training_loop_passes_through_json_and_pickle(name):
    settings = SweepSettings(**{name: OF_THE_LOOP[name]})
    stored = json.loads(json.dumps(settings.to_dict()))
    assert SweepSettings.from_dict(stored) == settings
    assert getattr(SweepSettings.from_dict(stored), name) == OF_THE_LOOP[name]
    assert pickle.loads(pickle.dumps(settings)) == settings
    assert settings != SweepSettings()


@pytest.mark.parametrize(("dtype", "name"), [("bfloat16", "bf16"), ("float16", "fp16")])
def test_an_autocast_is_kept_and_stored_by_what_it_computes_in(dtype, name):
    import torch

    autocast = torch.autocast("cpu", dtype=getattr(torch, dtype))
    settings = SweepSettings(amp=autocast)
    assert settings.amp is autocast
    stored = json.loads(json.dumps(settings.to_dict()))
    assert stored["amp"] == name
    assert SweepSettings.from_dict(stored) == SweepSettings(amp=name)


def test_files_from_before_these_settings_still_make_settings():
    old = {
        name: value for name, value in SweepSettings().to_dict().items() if name not in OF_THE_LOOP
    }
    assert SweepSettings.from_dict(old) == SweepSettings()
