"""The notebooks run from top to bottom, and show what they promise."""

import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"


@pytest.fixture(params=["quickstart", "colab_demo"], scope="module")
def executed(request):
    notebook = nbformat.read(NOTEBOOKS / f"{request.param}.ipynb", as_version=4)
    client = NotebookClient(notebook, timeout=120, resources={"metadata": {"path": NOTEBOOKS}})
    return client.execute()


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
