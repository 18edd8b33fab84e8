"""A page that lacks something asks for it; a host that drops buffers gets numbers."""

import pytest

from swept import COUNT, blocks, curve, request, show, single, states


@pytest.fixture
def paused(notebook):
    """A sweep of 30 points or more that stands still, and its comm; all was said before."""
    comm = show(notebook)
    notebook.until_true(f"{COUNT} > 30")
    notebook.run("w.pause()")
    notebook.forget()
    return comm


def sent_after(notebook, comm, **fields):
    """Ask for what is missing; return the blocks that came and the last of the state."""
    assert notebook.ask(comm, request("resync", **fields))["ok"]
    return blocks(notebook, comm)


@pytest.mark.parametrize("have", [0, 1, 17])
def test_a_page_gets_exactly_the_points_it_lacks_and_the_whole_state(notebook, paused, have):
    ((offset, columns),) = sent_after(notebook, paused, run=1, have=have, smoothed=True)
    assert offset == have
    for name in ("lrs", "losses"):
        assert columns[name] == single(notebook.evaluate(f"w._runner.points.{name}")[have:])
    whole = states(notebook, paused)[0]
    assert whole["status"]["state"] == "paused"
    assert {"settings", "selection", "suggestions", "optimizer", "applied", "loss"} <= set(whole)
    ((smoothed, _),) = notebook.customs(paused, "smoothed")
    assert smoothed["count"] == notebook.evaluate(COUNT)


@pytest.mark.parametrize("run", [0, 2, 77])
def test_a_page_with_another_run_gets_the_whole_curve(notebook, paused, run):
    ((offset, columns),) = sent_after(notebook, paused, run=run, have=5, smoothed=False)
    assert (offset, len(columns["losses"])) == (0, notebook.evaluate(COUNT))
    assert notebook.customs(paused, "smoothed") == []


def test_a_page_that_lacks_nothing_gets_no_points(notebook, paused):
    count = notebook.evaluate(COUNT)
    assert sent_after(notebook, paused, run=1, have=count, smoothed=False) == []
    assert sent_after(notebook, paused, run=1, have=count + 5, smoothed=False) == []


def test_where_buffers_are_dropped_points_come_as_numbers(notebook):
    comm = show(
        notebook,
        "fresh(0.002)\n"
        "steps = iter(range(10**6))\n"
        "def loss(output, target):\n"
        "    loss = nn.functional.cross_entropy(output, target)\n"
        "    return loss * float('nan') if next(steps) >= end_at else loss\n"
        "end_at = 10**6\n"
        "w = LRFinderWidget(model, opt, loader, loss, end_lr=0.1, num_iter=10**6)\n"
        "widgets.append(w); w.show()",
    )
    assert notebook.ask(comm, request("hello", binary=False))["ok"]
    notebook.forget()
    assert notebook.ask(comm, request("resync", run=1, have=0, smoothed=True))["ok"]
    notebook.run("end_at = 0; w.wait()")
    count = notebook.evaluate(COUNT)
    notebook.until(lambda: len(curve(notebook, comm)) == count, "all points")
    assert curve(notebook, comm)[-1][1] == "NaN"
    for kind in ("points", "smoothed"):
        messages = notebook.customs(comm, kind)
        assert messages
        assert all("data" in content and not buffers for content, buffers in messages)
    assert notebook.evaluate("w.status['state'], len(w.curve)") == ["done", 0]
    assert "not finite" in notebook.evaluate("w.status['text']")


def test_a_finished_sweep_is_sent_whole_to_a_page_that_comes_late(notebook):
    comm = show(notebook, "fresh(); w = widget(40); w.show(wait=True)")
    notebook.forget()
    ((offset, columns),) = sent_after(notebook, comm, run=0, have=0, smoothed=True)
    assert (offset, len(columns["lrs"]), len(columns["losses"])) == (0, 40, 40)
    assert states(notebook, comm)[0]["status"]["state"] == "done"
