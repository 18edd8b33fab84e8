"""Choosing a learning rate on the page, and applying it."""

import pytest
from playwright.sync_api import expect

from cells import LONG, MODEL, RATE, SHORT, STATE, UNTOUCHED


@pytest.fixture
def finished(notebook):
    tab = notebook([MODEL, SHORT])
    tab.run(0)
    tab.run(1)
    tab.until(f"{STATE} == 'done'")
    tab.settled()
    return tab


def middle(box) -> tuple[float, float]:
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def drag(tab, distance: float, *, release: bool = True) -> None:
    x, y = middle(tab.slider.bounding_box())
    mouse = tab.page.mouse
    mouse.move(x, y)
    mouse.down()
    for step in range(1, 11):
        mouse.move(x + distance * step / 10, y)
    if release:
        mouse.up()


def test_dragging_the_marker_reaches_python(finished):
    tab = finished
    before = tab.evaluate("w.lr")
    drag(tab, -120)
    tab.until(f"w.lr < {before!r} / 2")
    tab.until(f"abs(w.lr / {tab.shown_rate()!r} - 1) < 0.06")


def test_dragging_works_while_the_sweep_runs_and_no_echo_moves_the_marker(notebook):
    tab = notebook([MODEL, LONG])
    tab.run(0)
    tab.run(1)
    tab.wait_points(20)
    # Until it is chosen by hand, the marker follows the suggestion.
    tab.slider.press("ArrowRight")
    start, _ = middle(tab.slider.bounding_box())
    drag(tab, 100, release=False)
    held, _ = middle(tab.slider.bounding_box())
    assert held == pytest.approx(start + 100, abs=2)
    tab.wait_points(tab.points() + 20)
    still, _ = middle(tab.slider.bounding_box())
    assert still == pytest.approx(held, abs=0.5)
    tab.page.mouse.up()
    tab.until("'lr' in w.selection")
    assert tab.evaluate(STATE) == "running"


def test_a_click_into_the_chart_moves_the_marker_there(finished):
    tab = finished
    box = tab.chart_box()
    tab.page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    # Half-way between 1e-7 and 10 on a logarithmic axis.
    tab.until("abs(w.lr / 1e-3 - 1) < 0.1")


def test_arrow_keys_move_a_twentieth_of_a_decade_and_stay_in_the_widget(finished):
    tab = finished
    before = tab.evaluate("w.lr")
    cells = tab.cell_count()
    active = tab.active_cell()
    tab.slider.focus()
    tab.slider.press("ArrowLeft")
    tab.until(f"abs(w.lr / ({before!r} * 10 ** -0.05) - 1) < 1e-6")
    tab.slider.press("ArrowUp")
    tab.until(f"abs(w.lr / {before!r} - 1) < 1e-6")
    tab.slider.press("PageDown")
    tab.until(f"abs(w.lr / ({before!r} / 10) - 1) < 1e-6")
    tab.slider.press("End")
    tab.until("w.lr == w.settings['end_lr']")
    tab.slider.press("Home")
    tab.until("w.lr == w.settings['start_lr']")
    # In JupyterLab's command mode, letters edit the notebook.
    tab.slider.press("b")
    tab.slider.press("a")
    assert tab.cell_count() == cells
    assert tab.active_cell() == active


def test_the_marker_is_reached_by_tab_and_read_out(finished):
    tab = finished
    tab.button("Settings").focus()
    for _ in range(10):
        tab.page.keyboard.press("Tab")
        if tab.slider.evaluate("element => element === document.activeElement"):
            break
    assert tab.slider.evaluate("element => element === document.activeElement")
    assert "loss" in tab.slider.get_attribute("aria-valuetext")


def test_a_typed_number_reaches_python_and_nonsense_is_refused_in_words(finished):
    tab = finished
    field = tab.rate_field
    field.fill("3e-4")
    field.press("Enter")
    tab.until("w.lr == 3e-4")
    field.fill("fast")
    field.press("Enter")
    expect(field).to_have_attribute("aria-invalid", "true")
    assert tab.evaluate("w.lr") == 3e-4


def test_a_rule_moves_the_marker_to_its_value(finished):
    tab = finished
    for label, rule in (("Steepest", "steepest"), ("Minimum", "minimum")):
        tab.root.get_by_role("radio", name=label).first.click()
        tab.until(f"w.lr == float(w.result.suggestions[{rule!r}])")


def test_apply_reaches_the_optimizer_and_undo_brings_the_rate_back(finished):
    tab = finished
    tab.rate_field.fill("3e-4")
    tab.rate_field.press("Enter")
    tab.until("w.lr == 3e-4")
    tab.button("Apply").click()
    tab.until(f"{RATE} == 3e-4")
    tab.root.get_by_text("Applied").first.wait_for()
    assert tab.evaluate(UNTOUCHED)
    tab.button("Undo").click()
    tab.until(f"{RATE} == 1e-3")


def test_apply_during_the_sweep_stops_and_restores_first(notebook):
    tab = notebook([MODEL, LONG])
    tab.run(0)
    tab.run(1)
    tab.wait_points(20)
    tab.rate_field.fill("3e-4")
    tab.rate_field.press("Enter")
    tab.until("w.lr == 3e-4")
    tab.button("Apply").click()
    tab.until(f"{RATE} == 3e-4")
    assert tab.evaluate(STATE) == "stopped"
    assert tab.evaluate(UNTOUCHED)


def test_what_python_chooses_moves_the_marker_on_the_page(finished):
    tab = finished
    before = tab.slider.get_attribute("aria-valuetext")
    tab.root.get_by_role("radio", name="Minimum").first.click()
    tab.page.wait_for_function(
        "before => document.querySelector('.lrf-root [role=slider]')"
        ".getAttribute('aria-valuetext') !== before",
        arg=before,
    )
    tab.until(f"abs(w.lr / {tab.shown_rate()} - 1) < 0.06")
