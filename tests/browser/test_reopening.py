"""Nothing is lost: reloads, second views and tabs, a cell run again, a saved notebook."""

import base64
import io
import subprocess
import sys

import numpy as np
from PIL import Image

from cells import LONG, MODEL, RATE, SHORT, STATE, UNTOUCHED, sweep

WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"


def running(notebook, cells=(MODEL, LONG)):
    tab = notebook(list(cells))
    tab.run(0)
    tab.run(1)
    tab.wait_points(20)
    return tab


def finished(notebook):
    tab = notebook([MODEL, SHORT])
    tab.run(0)
    tab.run(1)
    tab.until(f"{STATE} == 'done'")
    tab.settled()
    return tab


def test_a_reload_in_mid_sweep_shows_the_whole_curve_and_goes_on(notebook):
    tab = running(notebook)
    tab.save()
    before = tab.points()
    tab.reload()
    tab.wait_points(before + 20)
    first = tab.leftmost_point()
    # The curve begins where the sweep began, not where the page came back.
    assert first < 0.02
    tab.wait_points(tab.points() + 20)
    tab.button("Stop").click()
    tab.until(f"{STATE} == 'stopped'")


def test_running_the_edited_cell_again_in_mid_sweep_starts_afresh(notebook):
    again = LONG.replace("*fresh(0.02)", "model, opt, loader").replace("before = weights()\n", "")
    tab = running(notebook)
    tab.evaluate("globals().update(first=w)")
    tab.edit(1, again)
    tab.run(1)
    tab.until("w is not first and w.status['state'] == 'running'")
    assert tab.evaluate("first.status['state']") != "running"
    tab.wait_points(5)
    assert tab.points() < 200
    tab.button("Stop").click()
    tab.until(f"{STATE} == 'stopped'")
    # Both sweeps together have left the weights as they were before the first.
    assert tab.evaluate(UNTOUCHED)


def test_a_second_view_of_the_same_widget_agrees(notebook):
    tab = running(notebook, [MODEL, LONG, "w"])
    tab.run(2)
    second = tab.page.locator(".lrf-root").nth(1)
    second.get_by_role("slider", name="Learning rate").press("Home")
    tab.page.wait_for_function(
        "document.querySelectorAll('.lrf-root [role=slider]').length === 2 && new Set("
        "[...document.querySelectorAll('.lrf-root [role=slider]')]"
        ".map(slider => slider.getAttribute('aria-valuetext').split(',')[0])).size === 1"
    )
    tab.until("w.lr == w.settings['start_lr']")
    second.get_by_role("button", name="Stop", exact=True).click()
    tab.button("Run again").wait_for()


def test_a_second_tab_agrees(notebook):
    tab = running(notebook)
    tab.save()
    other = notebook(tab.path)
    other.wait_points(tab.points())
    other.slider.press("Home")
    tab.until("w.lr == w.settings['start_lr']")
    tab.page.bring_to_front()
    tab.wait_rate(tab.evaluate("w.lr"))
    tab.button("Stop").click()
    other.button("Run again").wait_for()
    other.button("Apply").click()
    tab.until(f"{RATE} == w.settings['start_lr']")
    tab.button("Undo").wait_for()


def test_the_zoom_and_the_focus_survive_the_picture(notebook):
    tab = notebook([MODEL, sweep(150)])
    tab.run(0)
    tab.run(1)
    tab.wait_points(20)
    whole = tab.button("Show the whole curve (Escape)")
    assert whole.is_disabled()
    box = tab.chart_box()
    tab.page.keyboard.down("Shift")
    tab.page.mouse.move(box["x"] + 10, box["y"] + 50)
    tab.page.mouse.down()
    tab.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 90, steps=5)
    tab.page.mouse.up()
    tab.page.keyboard.up("Shift")
    tab.slider.focus()
    tab.until(f"{STATE} == 'done'")
    tab.settled()
    assert whole.is_enabled()
    tab.page.wait_for_function(
        "document.activeElement === document.querySelector('.lrf-root [role=slider]')"
    )


def picture_of(bundle: dict) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(bundle["image/png"])))


def is_light(picture: Image.Image) -> bool:
    return float(np.asarray(picture.convert("L")).mean()) > 200


def test_a_saved_notebook_holds_a_light_picture_beside_the_widget(notebook):
    tab = finished(notebook)
    saved = tab.save()
    (bundle,) = [out["data"] for out in saved["cells"][1]["outputs"] if "data" in out]
    assert WIDGET_VIEW in bundle
    picture = picture_of(bundle)
    assert min(picture.size) >= 300
    assert is_light(picture)


def test_an_exported_notebook_shows_the_picture(notebook, tmp_path):
    tab = finished(notebook)
    tab.save()
    export = [sys.executable, "-m", "nbconvert", "--to", "html", "--output-dir", str(tmp_path)]
    subprocess.run([*export, str(tab.path)], check=True)
    html = (tmp_path / f"{tab.path.stem}.html").read_text(encoding="utf-8")
    assert "data:image/png;base64," in html


def test_a_notebook_saved_with_widget_state_shows_its_curve_without_its_kernel(notebook, lab):
    tab = finished(notebook)
    tab.save()
    tab.leave()
    lab.stop_kernels()
    # JupyterLab gives the notebook a new kernel, which does not know the widget. With no kernel at
    # all its widget manager never gets ready and every widget stays at "Loading widget...".
    reopened = notebook(tab.path, kernel=False)
    reopened.root.get_by_text("not connected").first.wait_for()
    assert reopened.leftmost_point() < 0.02
    assert reopened.points() == 60
    assert reopened.button("Apply").is_disabled()
    reopened.slider.wait_for()
