"""A config that cannot be used: the file, the line, and the nearest right name."""

import re
import sys

import pytest

from toy import CONFIG, lr_finder, usage

# What is written into the toy's config in place of what, and what is said of it.
WRONG = {
    "an unknown key at the top": ("model:", "modle:", r"toy.yaml:2: modle: .*did you mean 'model'"),
    "an unknown key of a part": (
        "  init_args:\n    hidden",
        "  init_arg:\n    hidden",
        r"toy.yaml:4: model.init_arg: unknown key; did you mean 'init_args'",
    ),
    "an unknown argument": (
        "hidden: 4",
        "hiden: 4",
        r"toy.yaml:5: model.init_args.hiden: .*did you mean 'hidden'",
    ),
    "an unknown argument of a class": (
        "momentum: 0.9",
        "momentun: 0.9",
        r"toy.yaml:11: optimizer.init_args.momentun: .*did you mean 'momentum'",
    ),
    "an unknown setting": (
        "num_iter: 30",
        "num_iters: 30",
        r"toy.yaml:13: sweep.num_iters: unknown key; did you mean 'num_iter'",
    ),
    "a setting at the top": (
        "# A toy.",
        "start_lr: 1e-3",
        r"toy.yaml:1: start_lr: unknown key; it belongs under 'sweep'",
    ),
    "an argument of the wrong type": (
        "hidden: 4",
        "hidden: four",
        r"toy.yaml:5: model.init_args.hidden: it must be int \(got 'four'\)",
    ),
    "an argument of a class of the wrong type": (
        "lr: 0.001",
        "lr: fast",
        r"toy.yaml:10: optimizer.init_args.lr: it must be .*float.* \(got 'fast'\)",
    ),
    "a setting of the wrong type": (
        "num_iter: 30",
        "num_iter: many",
        r"toy.yaml:13: sweep.num_iter: num_iter must be a number \(got 'many'",
    ),
    "a setting out of its range": (
        "start_lr: 1e-4",
        "start_lr: 100",
        r"toy.yaml:15: sweep.end_lr: end_lr must be greater than start_lr",
    ),
    "an unknown rule": (
        "num_iter: 30",
        "rule: steepst",
        r"toy.yaml:13: sweep.rule: .*did you mean 'steepest'",
    ),
    "a batch size that is none": (
        "# A toy.",
        "batch_size: big",
        r"toy.yaml:1: batch_size: it must be a whole number of at least 1 \(got 'big'\)",
    ),
    "a switch that is none": (
        "# A toy.",
        "deterministic: 1",
        r"toy.yaml:1: deterministic: it must be true or false \(got 1\)",
    ),
    "a part that is missing": (
        "data: toy_training:make_data\n",
        "",
        r"toy.yaml:1: 'data' is missing",
    ),
    "a part that is a list": (
        "data: toy_training:make_data",
        "data: [toy_training]",
        r"toy.yaml:6: data: it must be a mapping, or the name of a class or a function",
    ),
    "a part without a class": (
        "class_path: torch.optim.SGD",
        "class_path:",
        r"toy.yaml:8: optimizer.class_path: it must name a class or a function",
    ),
    "a name without a module": (
        "data: toy_training:make_data",
        "data: make_data",
        r"toy.yaml:6: data.class_path: 'make_data' must be written as",
    ),
    "a module that is not there": (
        "data: toy_training:make_data",
        "data: toy_trainin:make_data",
        r"toy.yaml:6: data.class_path: there is no module 'toy_trainin'; did you mean 'toy_tr",
    ),
    "a function that is not there": (
        "toy_training:make_model",
        "toy_training:make_modle",
        r"toy.yaml:3: model.class_path: .* has no 'make_modle'; did you mean 'make_model'",
    ),
    "a thing that is not called": (
        "toy_training:make_model",
        "toy_training:__doc__",
        r"toy.yaml:3: model.class_path: .* is neither a class nor a function",
    ),
    "an argument that is missing": (
        "hidden: 4",
        "bias: true",
        r"toy.yaml:4: model.init_args: make_model needs 'hidden'",
    ),
    "an argument that the command gives": (
        "lr: 0.001",
        "params: 0.001",
        r"toy.yaml:10: optimizer.init_args.params: lr-finder itself gives 'params'",
    ),
    "a model that is none": (
        "toy_training:make_model\n  init_args:\n    hidden: 4",
        "builtins.dict",
        r"toy.yaml:2: model: dict must return a torch.nn.Module \(got dict\)",
    ),
    "an optimizer that is none": (
        "torch.optim.SGD",
        "torch.optim.lr_scheduler.StepLR",
        r"StepLR takes no",
    ),
    "a key that stands there twice": (
        "    hidden: 4",
        "    hidden: 4\n    hidden: 5",
        r"toy.yaml:6: found duplicate key",
    ),
    "no YAML": ("hidden: 4", "hidden: [4", r"toy.yaml:\d+: "),
    "a tag": (
        "hidden: 4",
        "hidden: !!python/object/apply:os.system ['touch ran']",
        r"toy.yaml:5: model.init_args.hidden: tags such as .*os.system are not used here",
    ),
    "a device that is not there": (
        "num_iter: 30",
        "device: gpu",
        r"device 'gpu' cannot be used",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_said_with_its_line_and_nothing_is_written(case, toy, capsys):
    before, after, said = WRONG[case]
    assert before in CONFIG
    (toy / "toy.yaml").write_text(CONFIG.replace(before, after, 1))
    assert lr_finder("run", "--config", "toy.yaml") == 2
    message = capsys.readouterr().err
    assert re.search(said, message), message
    assert message.count("\n") == 1
    assert not (toy / "runs").exists()
    assert not (toy / "ran").exists()


FLAGS = {
    ("--strat_lr", "1"): "did you mean --start_lr",
    ("--start_lr", "fast"): "argument --start_lr/--start-lr: invalid float value: 'fast'",
    ("--start_lr", "20"): "--start_lr: end_lr must be greater than start_lr",
    ("--num-iter", "1"): "--num_iter: num_iter must be at least 2",
    ("--rule", "steepst"): "--rule: unknown rule 'steepst'; did you mean 'steepest'",
    ("--batch_size", "0"): "--batch_size: it must be a whole number of at least 1 (got 0)",
    ("--start", "1"): "unknown argument --start",
}


@pytest.mark.parametrize("flags", FLAGS)
def test_a_flag_that_cannot_be_used_is_named(flags, toy, capsys):
    assert usage("run", "--config", "toy.yaml", *flags) == 2
    assert FLAGS[flags] in capsys.readouterr().err
    assert not (toy / "runs").exists()


def test_a_config_that_is_not_there_is_named(toy, capsys):
    assert lr_finder("run", "--config", "none.yaml") == 2
    assert "none.yaml" in capsys.readouterr().err


def test_a_config_that_is_no_mapping_is_refused(toy, capsys):
    (toy / "toy.yaml").write_text("- 1\n")
    assert lr_finder("run", "--config", "toy.yaml") == 2
    assert "lr-finder init" in capsys.readouterr().err


@pytest.mark.parametrize("flag", ["--batch_size", "--fold"])
def test_a_flag_that_the_data_function_does_not_take_is_refused(flag, toy, capsys):
    (toy / "toy.yaml").write_text(CONFIG.replace(":make_data", ":no_batch_size"))
    assert lr_finder("check", "--config", "toy.yaml", flag, 2) == 2
    assert f"no_batch_size takes no '{flag[2:]}'" in capsys.readouterr().err


def test_what_a_module_of_the_user_raises_is_raised(toy):
    (toy / "broken.py").write_text("import surely_not_installed\n")
    (toy / "toy.yaml").write_text(CONFIG.replace("toy_training:make_data", "broken:make_data"))
    with pytest.raises(ModuleNotFoundError, match="surely_not_installed"):
        lr_finder("run", "--config", "toy.yaml")
    assert not (toy / "runs").exists()


def test_modules_beside_the_config_are_found_from_any_folder_and_the_path_is_put_back(
    toy, tmp_path_factory, monkeypatch
):
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    before = [*sys.path]
    assert lr_finder("check", "--config", toy / "toy.yaml") == 0
    assert sys.path == before


NESTED = CONFIG.replace(
    "data: toy_training:make_data",
    """\
data:
  class_path: torch.utils.data.DataLoader
  init_args:
    dataset:
      class_path: toy_training.Rows
      init_args:
        count: 12
loss:
  class_path: torch.nn.functional.cross_entropy
  init_args:
    label_smoothing: 0.1""",
)
ROWS = """

class Rows(torch.utils.data.Dataset):
    def __init__(self, count: int) -> None:
        self.count = count

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        return torch.ones(3), index % 2
"""


@pytest.fixture
def nested(toy):
    with (toy / "toy_training.py").open("a") as file:
        file.write(ROWS)
    (toy / "toy.yaml").write_text(NESTED)
    return toy


def test_a_part_may_be_a_class_with_a_class_inside(nested, capsys):
    assert lr_finder("check", "--config", "toy.yaml", "--batch_size", 6) == 0
    said = capsys.readouterr().out
    assert "Batch: 6 samples" in said
    assert "Loss: cross_entropy" in said


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("count: 12", "coun: 12", "toy.yaml:12: data.init_args.dataset.init_args.coun: Rows takes"),
        ("count: 12", "count: a", "toy.yaml:12: data.init_args.dataset.init_args.count: it must"),
        ("toy_training.Rows", "toy_training.Row", "toy.yaml:10: data.init_args.dataset.class_path"),
        ("        count: 12", "      count: 12", "toy.yaml:12: data.init_args.dataset.count"),
    ],
)
def test_what_is_wrong_inside_has_its_line_too(nested, capsys, before, after, said):
    (nested / "toy.yaml").write_text(NESTED.replace(before, after))
    assert lr_finder("check", "--config", "toy.yaml") == 2
    assert said in capsys.readouterr().err


def test_a_dataset_is_made_a_shuffled_loader(toy, capsys):
    (toy / "toy.yaml").write_text(CONFIG.replace(":make_data", ":make_dataset"))
    with (toy / "toy_training.py").open("a") as file:
        file.write("\n\ndef make_dataset():\n    return make_data().dataset\n")
    assert lr_finder("check", "--config", "toy.yaml", "--batch_size", 16) == 0
    assert "Batch: 16 samples" in capsys.readouterr().out


def test_an_optimizer_may_come_from_a_function_of_the_model(toy, capsys):
    (toy / "toy.yaml").write_text(
        CONFIG.replace("torch.optim.SGD", "toy_training:make_optimizer").replace(
            "    momentum: 0.9\n", ""
        )
    )
    assert lr_finder("check", "--config", "toy.yaml") == 0
    assert "Optimizer: AdamW" in capsys.readouterr().out


@pytest.mark.parametrize("own", ["", ", momentum: 0.9"])
def test_what_is_merged_in_has_the_line_it_is_merged_into(own, toy, capsys):
    text = CONFIG[: CONFIG.index("  init_args:\n    lr")] + CONFIG[CONFIG.index("sweep:") :]
    merged = f"  init_args: {{<<: {{lr: fast}}{own}}}\nsweep:"
    (toy / "toy.yaml").write_text(text.replace("sweep:", merged))
    assert lr_finder("run", "--config", "toy.yaml") == 2
    assert "toy.yaml:9: optimizer.init_args.lr: it must be" in capsys.readouterr().err
