"""Notebooks are stored without what running them leaves behind."""

import json
from pathlib import Path

import pytest

NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.name)
def notebook(request):
    return json.loads(request.param.read_text(encoding="utf-8"))


def test_a_notebook_is_stored_without_outputs_and_run_numbers(notebook):
    for cell in notebook["cells"]:
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None


def test_a_notebook_names_its_kernel_and_holds_no_widget_state(notebook):
    # Without a kernel JupyterLab opens a notebook with a dialog.
    assert notebook["metadata"]["kernelspec"]["name"] == "python3"
    assert "widgets" not in notebook["metadata"]


def test_every_cell_has_an_id(notebook):
    ids = [cell["id"] for cell in notebook["cells"]]
    assert len(set(ids)) == len(ids)


def test_the_quickstart_and_the_colab_demo_are_there():
    assert {"quickstart.ipynb", "colab_demo.ipynb"} <= {path.name for path in NOTEBOOKS}
