"""In marimo: one module for all widgets, no subshell, and comms that end when their cell does."""

import re
from contextlib import ExitStack

import pytest
from playwright.sync_api import expect

from marimo_server import serve

MODEL = """
import threading
import time

import marimo as mo
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from lrfinder_widget import LRFinderWidget

torch.set_num_threads(1)
inputs = torch.randn(1024, 20)
targets = (inputs @ torch.randn(20, 2)).argmax(1)
loader = DataLoader(TensorDataset(inputs, targets), batch_size=32)


class Pause(nn.Module):
    def forward(self, inputs):
        time.sleep(0.02)
        return inputs


def fresh():
    model = nn.Sequential(Pause(), nn.Linear(20, 32), nn.ReLU(), nn.Linear(32, 2))
    return model, torch.optim.SGD(model.parameters(), lr=1e-3)


def widget(model, optimizer, points):
    return LRFinderWidget(model, optimizer, loader, num_iter=points, diverge_threshold=None)


def sweeping():
    return sum("sweep" in thread.name for thread in threading.enumerate())
"""

BUTTONS = """
restart, look = mo.ui.button(label="Restart"), mo.ui.button(label="Look")
mo.hstack([restart, look])
"""
FIRST = """
restart.value
model_1, optimizer_1 = fresh()
widget(model_1, optimizer_1, 3000).show()
"""
SECOND = """
model_2, optimizer_2 = fresh()
mo.ui.anywidget(widget(model_2, optimizer_2, 300))
"""
RATES = """
look.value
rates = [optimizer.param_groups[0]["lr"] for optimizer in (optimizer_1, optimizer_2)]
mo.md(f"rates {rates}, {sweeping()} sweeping")
"""

WIDGET = """
model, optimizer = fresh()
shown = widget(model, optimizer, 300).show()
"""
WAITING = """
result = await shown
mo.md(f"awaited {len(result.losses)} points")
"""


@pytest.fixture
def open_marimo(tmp_path, own_context):
    """Open a notebook of these cells, which marimo runs one after the other."""
    with ExitStack() as stack:

        def open_notebook(*cells):
            url = stack.enter_context(serve(tmp_path, [MODEL, *cells]))
            page = own_context.new_page()
            stack.callback(page.close)
            page.goto(url)
            return page

        yield open_notebook


def button(card, name):
    return card.get_by_role("button", name=name, exact=True)


def points(card):
    return int(re.match(r"\d+", card.locator(".lrf-status").inner_text())[0])


def test_each_widget_draws_its_own_sweep_and_applies_to_its_own_optimizer(open_marimo):
    page = open_marimo(BUTTONS, FIRST, SECOND, RATES)
    first, second = (page.locator(".lrf-root").nth(at) for at in range(2))
    expect(first.locator(".lrf-status")).to_contain_text("of 3000", timeout=60_000)
    before = points(first)
    page.reload()  # all widgets open before one is drawn
    expect(first.locator(".lrf-status")).to_contain_text("of 3000")
    expect(second.locator(".lrf-status")).to_contain_text("ready · 300 points")
    field = second.get_by_label("Learning rate", exact=True).last
    field.fill("3e-4")
    field.press("Enter")
    button(second, "Apply").click()
    expect(second).to_contain_text("Applied 3e-4")
    assert points(first) > before
    button(first, "Stop").click()
    expect(first.locator(".lrf-status")).to_contain_text("stopped")
    page.get_by_role("button", name="Look").click()
    expect(page.get_by_text("rates [0.001, 0.0003], 0 sweeping")).to_be_visible()


def test_a_cell_that_runs_again_stops_the_sweep_that_it_had_shown(open_marimo):
    page = open_marimo(BUTTONS, FIRST, SECOND, RATES)
    first = page.locator(".lrf-root").first
    button(first, "Pause").click(timeout=60_000)
    expect(first.locator(".lrf-status")).to_contain_text("paused")
    page.get_by_role("button", name="Restart").click()
    expect(first.locator(".lrf-status")).to_contain_text("left")
    page.get_by_role("button", name="Look").click()
    expect(page.get_by_text("1 sweeping")).to_be_visible()


def test_the_curve_grows_while_the_next_cell_waits_for_the_sweep(open_marimo):
    page = open_marimo(WIDGET, WAITING)
    expect(page.locator(".lrf-status")).to_have_text(re.compile(r"\d+ of 300"), timeout=60_000)
    expect(page.get_by_text("only when the running cell ends")).to_be_visible()
    expect(page.get_by_text("awaited 300 points")).to_be_visible(timeout=60_000)
    expect(page.locator(".lrf-status")).to_have_text("done · 300 points")
