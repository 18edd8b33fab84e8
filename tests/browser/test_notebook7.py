"""The same widget in Jupyter Notebook 7, which hears keys and orders its page in its own way."""

from collections.abc import Iterator

import pytest

from cells import LONG, MODEL, RATE, SPIN, STATE, STOP_SPINNING, UNTOUCHED
from lab import NOTEBOOK_7, Lab, serve


@pytest.fixture(scope="module")
def lab(tmp_path_factory) -> Iterator[Lab]:
    with serve(tmp_path_factory.mktemp("notebook7"), NOTEBOOK_7) as lab:
        yield lab


def test_in_notebook_7_the_curve_grows_keys_stay_in_the_widget_stop_and_apply_answer(
    own_context, notebook
):
    tab = notebook([MODEL, LONG, SPIN], context=own_context)
    tab.run(0)
    tab.run(1)
    # The curve grows after the cell has returned.
    tab.wait_points(5)
    assert tab.is_finished(1)
    # By a hundred points the page has greeted twice, so that a subshell carries its messages.
    tab.wait_points(100)

    # A key on the marker chooses; neither it nor a letter does anything to the notebook.
    cells, active = tab.cell_count(), tab.active_cell()
    before = tab.shown_rate()
    tab.slider.press("ArrowUp")
    tab.until(f"w.lr and abs(w.lr / ({before!r} * 10 ** 0.05) - 1) < 0.01")
    tab.slider.press("Home")
    tab.until("w.lr == w.settings['start_lr']")
    tab.slider.press("b")
    assert tab.cell_count() == cells
    assert tab.active_cell() == active

    # Stop and Apply do not wait for another cell that spins.
    tab.run(2, wait=False)
    tab.until("'spinning' in globals() and spinning")
    tab.wait_points(tab.points() + 20)
    tab.button("Stop").click()
    tab.until(f"{STATE} == 'stopped'", seconds=5)
    assert tab.evaluate(UNTOUCHED)
    tab.rate_field.fill("3e-4")
    tab.rate_field.press("Enter")
    tab.button("Apply").click()
    tab.until(f"{RATE} == 3e-4")
    assert not tab.is_finished(2)
    tab.evaluate(STOP_SPINNING)
    tab.wait_cell(2)
