"""Cells of the notebooks that are measured, and what their page notes meanwhile."""

SETUP = """
import time

import numpy as np
import torch
from torch import nn
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader, TensorDataset

torch.set_num_threads(1)
torch.manual_seed(0)
START, END = 1e-6, 1.0


class Pause(nn.Module):
    \"\"\"Makes every step take as long as one of a larger model.\"\"\"

    def __init__(self, seconds):
        super().__init__()
        self.seconds = seconds

    def forward(self, inputs):
        if self.seconds:
            time.sleep(self.seconds)
        return inputs


inputs = torch.randn(1024, 20)
targets = (inputs @ torch.randn(20, 2)).argmax(1)
loader = DataLoader(TensorDataset(inputs, targets), batch_size=32, shuffle=True)
model = nn.Sequential(Pause({pause}), nn.Linear(20, 32), nn.ReLU(), nn.Linear(32, 2))
opt = torch.optim.SGD(model.parameters(), lr=1e-3, momentum=0.9)
stamps = []
opt.register_step_post_hook(lambda *_: stamps.append(time.time()))
"""

WIDGET = """
from lrfinder_widget import LRFinderWidget

w = LRFinderWidget(
    model, opt, loader, start_lr=START, end_lr=END, num_iter={points}, diverge_threshold=None,
    repeats={curves}, grad_norms={norms},
)
w
"""
RUN_WIDGET = "w.run()"

FIGURE = """
import plotly.graph_objects as go

figure = go.FigureWidget()
figure.add_scatter(mode="lines")
figure.update_xaxes(type="log")
figure
"""
# As people write it: one point, one update.
RUN_FIGURE = """
def batches():
    while True:
        yield from loader


lrs, losses = [], []
for lr, (batch, target) in zip(np.geomspace(START, END, {points}), batches()):
    opt.param_groups[0]["lr"] = float(lr)
    opt.zero_grad()
    loss = cross_entropy(model(batch), target)
    loss.backward()
    opt.step()
    lrs.append(float(lr))
    losses.append(loss.item())
    with figure.batch_update():
        figure.data[0].x = lrs
        figure.data[0].y = losses
"""

# The widget draws its progress bar and its canvas in one animation frame. What is drawn in a frame
# is counted as seen when the next one begins, which is the latest that its pixels can be there.
WATCH_WIDGET = """() => {
    window.drawn = [];
    let last = 0;
    const look = () => {
        const bar = document.querySelector('.lrf-root [role=progressbar]');
        const count = Number(bar?.getAttribute('aria-valuenow') ?? 0);
        if (count === last) return;
        last = count;
        requestAnimationFrame(() => window.drawn.push([Date.now(), count]));
    };
    new MutationObserver(look).observe(document.querySelector('.lrf-root'), {
        attributes: true, subtree: true, attributeFilter: ['aria-valuenow'],
    });
}"""
# Plotly says when it has drawn; its calculated data are what it drew.
WATCH_FIGURE = """() => {
    window.drawn = [];
    let last = 0;
    const figure = document.querySelector('.js-plotly-plot');
    figure.on('plotly_afterplot', () => {
        const count = figure.calcdata?.[0]?.length ?? 0;
        if (count === last) return;
        last = count;
        requestAnimationFrame(() => window.drawn.push([Date.now(), count]));
    });
}"""
DRAWN = "count => (window.drawn.at(-1)?.[1] ?? 0) >= count"


def widget_cells(pause: float, points: int, *, curves: int = 1, norms: bool = False) -> list[str]:
    """Return the cells that make a model, show the widget, and run it."""
    widget = WIDGET
    for name, value in {"points": points, "curves": curves, "norms": norms}.items():
        widget = widget.replace(f"{{{name}}}", str(value))
    return [SETUP.replace("{pause}", str(pause)), widget, RUN_WIDGET]
