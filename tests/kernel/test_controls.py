"""What a page asks for, with and without a subshell, also while a cell computes."""

from time import monotonic

import pytest

from swept import COUNT, SPIN, STATE, curve, request, show


def greet(notebook, comm, shell=None):
    """Say hello as a page does, the second time with what it found."""
    notebook.send(comm, request("hello", binary=None), subshell=shell)
    notebook.until(lambda: notebook.customs(comm, "welcome"), "a welcome")
    return notebook.ask(comm, request("hello", binary=True), subshell=shell)


@pytest.fixture
def spinning(notebook, subshell):
    """Start a cell that computes in Python until the test is over."""
    cells = []

    def start():
        cells.append(notebook.start(SPIN))
        spins = "globals().get('spinning', False)"
        notebook.until(lambda: notebook.evaluate(spins, subshell=subshell), "a busy cell")

    yield start
    notebook.evaluate("globals().update(end=True)", subshell=subshell)
    for cell in cells:
        notebook.finish(cell)


def test_every_control_of_a_page_is_answered(notebook, subshell):
    comm = show(notebook)
    greet(notebook, comm, subshell)

    def ask(kind, **fields):
        return notebook.ask(comm, request(kind, **fields), subshell=subshell)["ok"]

    assert ask("pause", run=1)
    assert notebook.evaluate(STATE) == "paused"
    assert ask("resume", run=1)
    assert ask("stop", run=1)
    assert notebook.evaluate("w.status['state'], restored()") == ["stopped", True]
    assert ask("configure", settings={"num_iter": 40, "end_lr": 0.2})
    assert ask("run", run=1, settings={"step_mode": "linear"})
    notebook.run("result = w.wait()")
    assert notebook.evaluate("len(result.lrs), result.lrs[-1], result.settings.step_mode") == [
        40,
        0.2,
        "linear",
    ]
    assert ask("apply", lr=0.5)
    assert notebook.evaluate("opt.param_groups[0]['lr'], w.applied['lr']") == [0.5, 0.5]
    assert ask("undo")
    assert notebook.evaluate("opt.param_groups[0]['lr'], w.applied") == [1e-3, None]
    reply = notebook.ask(comm, request("save_picture", run=2), subshell=subshell)
    assert reply["png"].startswith("iVBOR")
    assert ask("picture", run=2)
    assert notebook.evaluate("w.status['picture']") == 2


def test_a_refused_setting_is_named_as_in_the_form(notebook, subshell):
    comm = show(notebook)
    for ask in (
        request("configure", settings={"start_lr": -1}),
        request("run", run=1, settings={"start_lr": -1}),
    ):
        reply = notebook.ask(comm, ask, subshell=subshell)
        assert reply["error"] == "From must be positive (got -1)"
    assert notebook.evaluate(STATE) == "running"


def test_apply_in_mid_sweep_stops_and_restores_first(notebook, subshell):
    comm = show(notebook)
    assert notebook.ask(comm, request("apply", lr=0.25), subshell=subshell)["ok"]
    assert notebook.evaluate("w.status['state'], opt.param_groups[0]['lr']") == ["stopped", 0.25]
    assert notebook.evaluate("w.applied['groups'][0]['before']") == 1e-3
    assert notebook.ask(comm, request("undo"), subshell=subshell)["ok"]


def test_on_a_subshell_clicks_are_answered_at_once_while_a_cell_computes(
    notebook, subshell, spinning
):
    comm = show(notebook)
    assert greet(notebook, comm, subshell)["ok"]
    assert notebook.evaluate("w.status['controls']") == "live"
    notebook.until(lambda: len(curve(notebook, comm)) > 20, "points")
    spinning()
    count = len(curve(notebook, comm))
    notebook.until(lambda: len(curve(notebook, comm)) > count + 20, "points while a cell computes")
    took = []
    # The best of three: the machine may be busy with something else.
    for verb in ("pause", "resume", "stop"):
        began = monotonic()
        assert notebook.ask(comm, request(verb, run=1), subshell=subshell)["ok"]
        took.append(monotonic() - began)
    assert min(took) < 0.25 + 0.05
    assert notebook.evaluate("spinning, restored()", subshell=subshell) == [True, True]
    assert notebook.ask(comm, request("apply", lr=0.5), subshell=subshell)["ok"]
    rate = "spinning, opt.param_groups[0]['lr']"
    assert notebook.evaluate(rate, subshell=subshell) == [True, 0.5]
    assert notebook.ask(comm, request("undo"), subshell=subshell)["ok"]


def test_a_sweep_beside_a_computing_cell_keeps_a_twentieth_of_its_speed(
    notebook, subshell, spinning
):
    notebook.run("fresh(0.001); w = widget(); w.show()")

    def points_a_second(seconds):
        first, began = notebook.evaluate(f"({COUNT}, time.monotonic())", subshell=subshell)
        done = f"time.monotonic() - {began} > {seconds}"
        notebook.until(lambda: notebook.evaluate(done, subshell=subshell), "the time to pass")
        last, ended = notebook.evaluate(f"({COUNT}, time.monotonic())", subshell=subshell)
        return (last - first) / (ended - began)

    notebook.until_true(f"{COUNT} > 20")
    alone = points_a_second(1)
    spinning()
    assert points_a_second(2) > alone / 20
    assert notebook.evaluate("spinning", subshell=subshell)


def test_the_switch_interval_is_lowered_for_the_sweep_only(notebook):
    interval = "__import__('sys').getswitchinterval()"
    before = notebook.evaluate(interval)
    notebook.run("fresh(); w = widget(); w.show()")
    notebook.until_true(f"{COUNT} > 3")
    assert notebook.evaluate(interval) < before
    notebook.run("w.pause()")
    notebook.until_true(f"{interval} == {before}")
    notebook.run("w.resume(); w.stop()")
    notebook.until_true(f"{interval} == {before}")


def test_without_a_subshell_the_widget_says_that_clicks_are_queued(notebook, subshell, spinning):
    comm = show(notebook)
    assert greet(notebook, comm)["ok"]
    assert notebook.evaluate("w.status['controls']") == "queued"
    spinning()
    stop = request("stop", run=1)
    notebook.send(comm, stop)
    count = len(curve(notebook, comm))
    notebook.until(lambda: len(curve(notebook, comm)) > count + 20, "points while the click waits")
    assert notebook.evaluate(STATE, subshell=subshell) == "running"
    notebook.evaluate("globals().update(end=True)", subshell=subshell)
    notebook.until_true(f"{STATE} == 'stopped'")


def test_a_page_whose_subshell_is_gone_is_answered_again(notebook):
    comm = show(notebook)
    gone = notebook.new_subshell()
    greet(notebook, comm, gone)
    notebook.until(lambda: len(curve(notebook, comm)) > 20, "points sent for that subshell")
    notebook.delete_subshell(gone)
    fresh = notebook.new_subshell()
    notebook.run("pass")
    assert notebook.ask(comm, request("stop", run=1), subshell=fresh)["ok"]
    notebook.delete_subshell(fresh)
