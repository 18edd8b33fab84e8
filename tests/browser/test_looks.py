"""What the widget looks like, and whether everyone can use it."""

import json
from pathlib import Path

import pytest

from cells import MODEL, SHORT, STATE, sweep

AXE = Path(__file__).parents[2] / "js/node_modules/axe-core/axe.min.js"
THEMES = {"light": "JupyterLab Light", "dark": "JupyterLab Dark"}


def brightness(tab) -> float:
    """How bright the card behind the widget is, from 0 to 255."""
    return tab.page.evaluate(
        """() => {
            let element = document.querySelector('.lrf-root');
            let colour = 'rgba(0, 0, 0, 0)';
            while (element && /, 0\\)$/.test(colour)) {
                colour = getComputedStyle(element).backgroundColor;
                element = element.parentElement;
            }
            const [red, green, blue] = colour.match(/[\\d.]+/g).map(Number);
            return (red + green + blue) / 3;
        }"""
    )


def violations(tab, record_property) -> list[str]:
    tab.page.add_script_tag(path=AXE)
    found = tab.page.evaluate("axe.run('.lrf-root')")
    incomplete = {
        item["id"]: [node["html"][:120] for node in item["nodes"]] for item in found["incomplete"]
    }
    if incomplete:
        record_property("axe incomplete", json.dumps(incomplete))
    return [
        f"{item['id']}: {node['html']}" for item in found["violations"] for node in item["nodes"]
    ]


def set_theme(tab, name: str) -> None:
    tab.command("apputils:change-theme", theme=THEMES[name])
    tab.page.wait_for_function(
        "light => document.body.dataset.jpThemeLight === light", arg=str(name == "light").lower()
    )


@pytest.mark.parametrize("theme", THEMES)
def test_screenshots_and_no_violations_in_each_theme(notebook, shots, record_property, theme):
    tab = notebook([MODEL, sweep(400), SHORT])
    set_theme(tab, theme)
    tab.run(0)
    tab.run(1)
    tab.wait_points(260)
    tab.root.screenshot(path=shots / f"running-{theme}.png")
    assert violations(tab, record_property) == []
    tab.button("Stop").click()
    tab.until(f"{STATE} == 'stopped'")
    tab.command("notebook:clear-all-cell-outputs")
    tab.run(2)
    tab.until(f"{STATE} == 'done'")
    tab.settled()
    tab.root.screenshot(path=shots / f"done-{theme}.png")
    tab.button("Apply").click()
    tab.button("Undo").wait_for()
    tab.button("Settings").click()
    tab.root.get_by_label("Points").wait_for()
    tab.root.screenshot(path=shots / f"applied-{theme}.png")
    tab.page.screenshot(path=shots / f"notebook-{theme}.png")
    assert violations(tab, record_property) == []


def test_the_widget_follows_the_theme_while_it_changes(notebook):
    tab = notebook([MODEL, SHORT])
    tab.run(0)
    tab.run(1)
    tab.until(f"{STATE} == 'done'")
    tab.settled()
    set_theme(tab, "light")
    assert brightness(tab) > 200
    set_theme(tab, "dark")
    assert brightness(tab) < 80
    set_theme(tab, "light")
    assert brightness(tab) > 200
