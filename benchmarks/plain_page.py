"""The widget alone on a page: no Jupyter, no kernel, a finished run to drag over."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

STATIC = Path(__file__).parents[1] / "lrfinder_widget/widget/static"
ADDRESS = "http://plain.test/"
SIZE = {"width": 1000, "height": 900}

PAGE = """<!doctype html>
<meta charset="utf-8">
<link rel="stylesheet" href="widget.css">
<body data-jp-theme-light="true"><div id="here"></div></body>
"""
# Traits of a run that came to its end, on a model that never hears from a kernel but its welcome.
SHOW = """async ({curves, points}) => {
    const total = curves * points;
    const block = values => {
        const view = new DataView(new ArrayBuffer(8 * values.length));
        values.forEach((value, at) => view.setFloat64(8 * at, value, true));
        return view;
    };
    const rates = Array.from({length: points}, (_, at) => 10 ** (-7 + 8 * at / (points - 1)));
    const lossOf = (rate, curve) => {
        const decade = Math.log10(rate) + 0.02 * curve;
        return 2.3 - 1.75 / (1 + Math.exp(-2.2 * (decade + 2.6)))
            + 0.35 * Math.exp(3.4 * (decade + 0.35));
    };
    let seed = 7;
    const noise = () => (seed = (seed * 16807) % 2147483647) / 2147483647 - 0.5;
    const lines = Array.from({length: curves}, (_, curve) => rates.map(r => lossOf(r, curve)));
    const smoothed = lines.flat();
    const at = share => rates.map((_, i) => {
        const sorted = lines.map(line => line[i]).sort((a, b) => a - b);
        return sorted[Math.floor(share * (curves - 1))];
    });
    const traits = {
        status: {
            state: 'done', run: 1, total, points: total, repeats: curves,
            starts: lines.map((_, curve) => curve * points), text: '', notes: [], slowed: false,
            controls: 'live', picture: 1,
        },
        settings: {
            start_lr: 1e-7, end_lr: 10, num_iter: points, step_mode: 'exp',
            diverge_threshold: 4, beta: null, repeats: curves, rule: 'auto',
        },
        selection: {rule: 'auto'},
        suggestions: [['auto', 'Suggested', 7.9e-3], ['steepest', 'Steepest', 2.5e-3],
            ['minimum', 'Minimum', 5.6e-2]].map(([rule, label, lr], index) =>
                ({rule, label, lr, index, why: ''})),
        optimizer: {
            name: 'SGD', detail: 'momentum 0.9', groups: [{label: 'group 0', lr: 1e-3, ratio: 1}],
        },
        applied: null, loss: 'cross-entropy (inferred)', error: null,
        curve: block([...lines.flatMap(() => rates), ...smoothed.map(v => v + 0.2 * noise()),
            ...smoothed]),
        columns: ['lrs', 'losses', 'smoothed'],
        band: curves > 1 ? block([...at(0), ...at(0.5), ...at(1)]) : null,
        interval: [1.8e-3, 1.8e-2], findings: [],
    };
    const listeners = new Map();
    const emit = (name, ...values) => (listeners.get(name) ?? []).forEach(hear => hear(...values));
    const model = {
        get: name => traits[name],
        set: (name, value) => { traits[name] = value; emit(`change:${name}`); },
        save_changes: () => undefined,
        send: request => request.kind === 'hello' && queueMicrotask(() =>
            emit('msg:custom', {kind: 'welcome', id: request.id, probe: true}, [block([1])])),
        on: (name, hear) => listeners.set(name, [...(listeners.get(name) ?? []), hear]),
        off: () => undefined,
    };
    const widget = (await import('/widget.js')).default();
    widget.initialize({model});
    widget.render({model, el: document.querySelector('#here')});
}"""


@contextmanager
def plain_page(browser: Any, curves: int, points: int) -> Iterator[Any]:
    """Yield a page that shows a finished run of so many curves of so many points each."""
    page = browser.new_page(viewport=SIZE)
    try:
        page.route(f"{ADDRESS}**", _answer)
        page.goto(ADDRESS)
        page.evaluate(SHOW, {"curves": curves, "points": points})
        page.locator(".lrf-canvas canvas").wait_for()
        yield page
    finally:
        page.close()


def _answer(route: Any) -> None:
    name = route.request.url.removeprefix(ADDRESS)
    if (STATIC / name).is_file():
        route.fulfill(path=STATIC / name)
    else:
        route.fulfill(body=PAGE, content_type="text/html")
