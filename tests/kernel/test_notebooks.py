"""The notebooks run from top to bottom, and show what they promise."""

import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"


def execute(name):
    notebook = nbformat.read(NOTEBOOKS / f"{name}.ipynb", as_version=4)
    client = NotebookClient(notebook, timeout=120, resources={"metadata": {"path": NOTEBOOKS}})
    return client.execute()


@pytest.fixture(params=["quickstart", "colab_demo"], scope="module")
def executed(request):
    return execute(request.param)


@pytest.fixture(scope="module")
def reading():
    return execute("reading_the_curve")


@pytest.fixture(scope="module")
def variation():
    return execute("variation_between_runs")


@pytest.fixture(scope="module")
def any_loop():
    return execute("any_training_loop")


def printed(notebook) -> str:
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    return "".join(output.text for output in outputs if output.output_type == "stream")


def test_the_chosen_rate_learns_better_than_ten_times_too_low_and_too_high(executed):
    rows = re.findall(r"^(ten times too \w+|chosen) .*?([\d.]+)%$", printed(executed), re.MULTILINE)
    assert [name for name, _ in rows] == ["ten times too low", "chosen", "ten times too high"] * 2
    final = [float(accuracy) for _, accuracy in rows]
    for low, chosen, high in (final[:3], final[3:]):
        assert chosen > 80
        assert chosen > max(low, high)


def test_the_widget_and_the_pictures_are_among_the_outputs(executed):
    outputs = [output for cell in executed.cells for output in cell.get("outputs", [])]
    bundles = [output.data for output in outputs if "data" in output]
    assert sum("application/vnd.jupyter.widget-view+json" in data for data in bundles) == 2
    assert sum("image/png" in data for data in bundles) >= 2


def numbers(notebook, row):
    """The numbers in the printed row that begins with these words."""
    line = re.search(rf"^{row}:? .*$", printed(notebook), re.MULTILINE)[0]
    return [float(number) for number in re.findall(r"\d\S*", line.removeprefix(row))]


def test_a_rate_on_the_descent_trains_better_than_one_out_of_any_other_region(reading):
    losses = {row: numbers(reading, row)[-1] for row in ("plateau", "descent", "bottom", "blow-up")}
    assert min(losses, key=losses.get) == "descent"
    assert losses["descent"] < losses["bottom"] / 2


def test_each_finding_is_shown_on_a_sweep_that_provokes_it(reading):
    found = re.findall(r"^(?:\w+, (\w+):|nothing to find)", printed(reading), re.MULTILINE)
    assert found == [
        *("", "never_rose", "", "explodes_at_once", "flat_everywhere", "too_noisy"),
        *("stopped_too_early", "already_converged", "non_finite_loss"),
    ]


def test_more_runs_suggest_a_steadier_rate(variation):
    assert numbers(variation, "3 runs of 100 points")[-1] < numbers(variation, "40 points")[-1]
    assert "very normal" in printed(variation)


def test_a_sweep_that_is_too_noisy_is_called_an_issue_and_mended(variation):
    verdicts = re.findall(r"^batches of .*\d +([a-z].*)$", printed(variation), re.MULTILINE)
    assert verdicts[0] == "an issue"
    assert "an issue" not in verdicts[1:]


def test_the_pictures_of_the_curves_are_among_the_outputs(reading, variation):
    for notebook, pictures in (reading, 7), (variation, 4):
        outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
        shown = sum("image/png" in output.data for output in outputs if "data" in output)
        assert shown >= pictures


def test_every_framework_trains_on_at_the_rate_that_was_applied(any_loop):
    said = {
        cell.source: output.data.get("text/plain", "")
        for cell in any_loop.cells
        for output in cell.get("outputs", [])
        if "data" in output
    }

    def numbers_of(words):
        text = next(text for source, text in said.items() if source.endswith(words))
        return [float(number) for number in re.findall(r"\d+\.\d+(?:e-?\d+)?", text)]

    backbone, head = numbers_of('(group["name"], group["lr"]) for group in optimizer.param_groups]')
    assert (backbone, head > 1e-3) == (1e-4, True)
    module, hyperparameter = numbers_of("module.lr, module.hparams.lr")
    assert module == hyperparameter
    assert f"first step at {module:.3g}" in printed(any_loop)
    (rate,) = numbers_of("trainer.args.learning_rate")
    first, *_ = numbers_of('for entry in trainer.state.log_history if "loss" in entry]')
    assert 0.9 * rate < first <= rate
    suggested, assigned = numbers_of(
        "finder.result.suggestion, float(model.optimizer.learning_rate)"
    )
    assert assigned == pytest.approx(suggested, rel=0.01)
    assert sum("LRFinderWidget" in text for text in said.values()) == 6
