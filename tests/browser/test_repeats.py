"""Several sweeps of one run on the page, and findings with the buttons that try it otherwise."""

import math
import re

import pytest
from playwright.sync_api import expect

from cells import MODEL, STATE, UNTOUCHED
from test_looks import THEMES, set_theme, violations

# Pixels as faint as the band; lines and points are stronger, but for their edges.
BAND_PIXELS = """() => {
    const canvas = document.querySelector('.lrf-root canvas');
    const {data} = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
    let band = 0;
    for (let at = 0; at < data.length; at += 4) {
        const blue = data[at + 2] - data[at] > 60;
        if (blue && data[at + 3] > 30 && data[at + 3] < 52) band++;
    }
    return band;
}"""

# A band has twice that many, a single line a tenth.
BAND = 700


def sweeps(points: int, repeats: int, **settings) -> str:
    """Start sweeps that come out the same each time."""
    return (
        f"torch.manual_seed(0); w = LRFinderWidget(*fresh(0.01), num_iter={points}, "
        f"repeats={repeats}, seed=1, **{settings})\n"
        "before = weights()\n"
        "w.show()"
    )


def title(tab):
    return tab.root.locator(".lrf-status")


@pytest.mark.parametrize("theme", THEMES)
def test_screenshots_of_three_runs_with_their_band_the_interval_and_a_verdict(
    notebook, shots, record_property, theme
):
    tab = notebook([MODEL, sweeps(100, 3)])
    set_theme(tab, theme)
    tab.run(0)
    tab.run(1)
    expect(title(tab)).to_have_text(re.compile(r"^run 1 of 3 · \d+ of 100"))
    expect(title(tab)).to_have_text(re.compile(r"^run 3 of 3 · [4-9]\d of 100"), timeout=30_000)
    # The band of the first two is there while the third one comes.
    assert tab.page.evaluate(BAND_PIXELS) > BAND
    tab.root.screenshot(path=shots / f"third-run-{theme}.png")
    tab.until(f"{STATE} == 'done'")
    tab.settled()
    verdict = tab.evaluate("w.result.spread.words")
    expect(title(tab)).to_have_text(f"3 runs · suggestions {verdict}")
    assert tab.page.evaluate(BAND_PIXELS) > BAND
    low, high = tab.evaluate("w.result.interval")
    expect(tab.root.locator(".lrf-good")).to_contain_text("good from")
    plot, shade = tab.chart_box(), tab.root.locator(".lrf-interval").bounding_box()
    places = [(shade["x"] - plot["x"]), (shade["x"] + shade["width"] - plot["x"])]
    for place, rate in zip(places, (low, high), strict=True):
        assert place / plot["width"] == pytest.approx((math.log10(rate) + 7) / 8, abs=0.01)
    assert tab.evaluate(UNTOUCHED)
    tab.root.screenshot(path=shots / f"three-runs-{theme}.png")
    assert violations(tab, record_property) == []


@pytest.mark.parametrize("theme", THEMES)
def test_screenshots_of_a_finding_whose_button_runs_again_with_what_it_says(
    notebook, shots, record_property, theme
):
    tab = notebook([MODEL, sweeps(60, 3, end_lr=0.1)])
    set_theme(tab, theme)
    tab.run(0)
    tab.run(1)
    tab.until(f"{STATE} == 'done'")
    tab.settled()
    (finding,) = tab.evaluate("w.findings")
    assert finding["changes"] == {"end_lr": 1.0}
    expect(tab.root.locator(".lrf-finding")).to_contain_text(finding["text"])
    tab.root.screenshot(path=shots / f"finding-{theme}.png")
    assert violations(tab, record_property) == []
    narrow = "document.querySelector('.lrf-root').style.width = '360px'"
    tab.page.evaluate(narrow)
    tab.page.wait_for_function(
        "document.querySelector('.lrf-root canvas').getBoundingClientRect().width <= 360"
    )
    tab.root.screenshot(path=shots / f"narrow-finding-{theme}.png")
    tab.button(finding["action"]).click()
    tab.until(f"w.status['run'] == 2 and {STATE} == 'done'")
    assert tab.evaluate("[w.result.settings.end_lr, w.result.settings.repeats]") == [1.0, 3]
    expect(tab.button(finding["action"])).to_have_count(0)


def test_code_is_copied_or_shown_to_be_copied_by_hand(notebook):
    tab = notebook([MODEL, sweeps(60, 1)])
    tab.run(0)
    tab.run(1)
    tab.until(f"{STATE} == 'done'")
    tab.settled()
    tab.page.evaluate(
        "() => { navigator.clipboard.writeText = async text => { window.copied = text; }; }"
    )
    tab.button("Copy code").click()
    tab.button("Copied").wait_for()
    code = tab.page.evaluate("window.copied")
    assert f"lr = {tab.evaluate('w.lr')!r}" in code
    tab.button("Copy code").wait_for()
    tab.page.evaluate(
        "() => { navigator.clipboard.writeText = async () => { throw new Error('no'); }; }"
    )
    tab.button("Copy code").click()
    expect(tab.root.locator(".lrf-code")).to_have_text(code)
    tab.page.evaluate("() => { delete navigator.clipboard.writeText; }")
