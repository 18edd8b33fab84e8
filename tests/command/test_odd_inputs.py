"""What is odd but happens: names, values and paths that nobody meant to write."""

import re

import pytest

from lrfinder_widget import range_test
from lrfinder_widget.command import init
from lrfinder_widget.command.agreement import agreement
from toy import CONFIG, lr_finder, usage

pytestmark = pytest.mark.usefixtures("no_pictures")

WRONG = {
    "a file in place of a module": (
        "toy_training:make_model",
        "./toy_training:make_model",
        r"toy.yaml:3: model.class_path: './toy_training:make_model' must be written as",
    ),
    "a name relative to nothing": (
        "toy_training:make_model",
        ".foo.bar",
        r"toy.yaml:3: model.class_path: '.foo.bar' must be written as package.module.Class",
    ),
    "a value that the class refuses": (
        "lr: 0.001",
        "lr: -1",
        r"toy.yaml:10: optimizer.init_args.lr: SGD .*Invalid learning rate: -1",
    ),
    "a value that is left out": (
        "lr: 0.001",
        "lr:",
        r"toy.yaml:10: optimizer.init_args.lr: SGD .*'NoneType' and 'float'",
    ),
    "values that the class refuses without a name": (
        "lr: 0.001  # to be found",
        "dampening: 1\n    nesterov: true",
        r"toy.yaml:9: optimizer.init_args: SGD .*Nesterov momentum requires",
    ),
    "a key that is a number": (
        "    hidden: 4",
        "    hidden: 4\n  1: 2",
        r"toy.yaml:6: model.1: unknown key",
    ),
    "an argument to what takes none": (
        "data: toy_training:make_data",
        "data: {class_path: toy_training:no_batch_size, init_args: {a: 1}}",
        r"toy.yaml:6: data.init_args.a: no_batch_size takes no 'a'; it takes none",
    ),
    "a device that is a mapping": (
        "num_iter: 30",
        "device: {a: 1}",
        r"toy.yaml:13: sweep.device: it must name a device.* \(got {'a': 1}\)",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_odd_in_a_config_is_refused_with_its_line(case, toy, capsys):
    before, after, said = WRONG[case]
    assert before in CONFIG
    (toy / "toy.yaml").write_text(CONFIG.replace(before, after, 1))
    assert lr_finder("check", "--config", "toy.yaml") == 2
    message = capsys.readouterr().err
    assert re.search(said, message), message
    assert message.count("\n") == 1


LOSS = """

class Weights(list):
    def __init__(self, first: float) -> None:
        super().__init__([first, 1.0])


def weighted(output, target, *, smooth: float = 0.0, weights: list = ()):
    assert isinstance(smooth, float)
    weight = torch.tensor([*weights]) if weights else None
    return nn.functional.cross_entropy(output, target, weight, label_smoothing=smooth)
"""


@pytest.fixture
def weighted(toy):
    """Writes a config whose loss function has the given arguments."""
    with (toy / "toy_training.py").open("a") as file:
        file.write(LOSS)

    def write(arguments):
        loss = f"loss: {{class_path: toy_training:weighted, init_args: {arguments}}}\n"
        (toy / "toy.yaml").write_text(CONFIG + loss)

    return write


def test_the_arguments_of_a_loss_function_have_their_types_and_are_built(weighted, capsys):
    losses = []
    for arguments in (
        "{smooth: 0}",
        "{weights: {class_path: toy_training.Weights, init_args: {first: 100}}}",
    ):
        weighted(arguments)
        assert lr_finder("check", "--config", "toy.yaml", "--seed", 1) == 0
        losses += re.findall(r"Loss: weighted, ([\d.]+)", capsys.readouterr().out)
    assert len({*losses}) == 2


def test_an_argument_of_a_loss_function_of_the_wrong_type_is_refused_with_its_line(
    weighted, capsys
):
    weighted("{smooth: lots}")
    assert lr_finder("check", "--config", "toy.yaml") == 2
    said = capsys.readouterr().err
    assert re.search(r"toy.yaml:17: loss.init_args.smooth: it must be float .*'lots'", said), said


def test_a_file_that_cannot_be_written_is_named_as_it_was_given(tmp_path):
    result = range_test(lambda lr: lr, num_iter=30)
    for path in (tmp_path / "none" / "x.json", tmp_path / "file" / "x.json"):
        (tmp_path / "file").touch()
        with pytest.raises(OSError, match=re.escape(repr(str(path)))) as raised:
            result.save(path)
        assert "tmp'" not in str(raised.value)


def test_what_the_code_of_the_user_raises_over_a_value_is_raised(toy):
    with (toy / "toy_training.py").open("a") as file:
        file.write("\n\ndef refuses(hidden: int):\n    raise ValueError('in my code')\n")
    (toy / "toy.yaml").write_text(CONFIG.replace(":make_model", ":refuses"))
    with pytest.raises(ValueError, match="in my code"):
        lr_finder("check", "--config", "toy.yaml")


@pytest.fixture
def swept(toy):
    assert lr_finder("run", "--config", "toy.yaml", "--num_iter", 10, "--output", "run") in (0, 3)
    return toy


def test_a_picture_below_a_file_is_refused_with_the_path_and_the_reason(swept, capsys):
    capsys.readouterr()
    assert lr_finder("show", "run", "--output", "toy.yaml/x") == 2
    told = capsys.readouterr()
    assert re.search(r"cannot write to toy.yaml.x: \w+", told.err)
    assert not told.out


def test_a_starter_below_a_file_is_refused_with_the_path_and_the_reason(toy, capsys):
    assert usage("init", "toy.yaml/x") == 2
    assert re.search(r"cannot write to toy.yaml.x: \w+", capsys.readouterr().err)
    assert (toy / "toy.yaml").read_text() == CONFIG


def test_a_starter_that_fails_half_way_takes_away_what_it_wrote(toy, monkeypatch, capsys):
    before = {*toy.rglob("*")}

    def full(*_):
        raise OSError(28, "No space left on device")

    for folder in (".", "new/start"):
        with monkeypatch.context() as broken:
            broken.setattr("PIL.Image.Image.save", full)
            assert lr_finder("init", folder) == 2
        assert "No space left" in capsys.readouterr().err
        with monkeypatch.context() as broken:
            broken.setattr(init, "_quoted", full)
            assert lr_finder("init", folder) == 2
        assert {*toy.rglob("*")} == before
    assert lr_finder("init") == 0


def test_a_command_to_copy_is_quoted(toy, capsys):
    config = toy / "my toy.yaml"
    config.write_text(CONFIG)
    assert lr_finder("check", "--config", "my toy.yaml") == 0
    assert "next: lr-finder run --config 'my toy.yaml'" in capsys.readouterr().out
    assert lr_finder("run", "--config", "my toy.yaml", "--output", "my run") == 0
    assert "lr-finder apply 'my run' --config 'my toy.yaml'" in capsys.readouterr().out
    assert lr_finder("init", "my start") == 0
    assert re.search(
        r"Next: lr-finder check --config 'my start.lr_finder.yaml'", capsys.readouterr().out
    )


@pytest.mark.parametrize("count", [2, 3])
def test_without_repeats_there_are_sweeps_enough_to_tell_folds_apart(count, toy, monkeypatch):
    seen = []
    monkeypatch.setattr(
        "lrfinder_widget.command.folds.agreement",
        lambda groups: seen.append(agreement(groups)) or seen[0],
    )
    assert lr_finder("folds", "--config", "toy.yaml", "--folds", count, "--output", "out") == 0
    assert seen[0].enough
