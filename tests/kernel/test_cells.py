"""Cells and widgets: rates that a cell changes, and cells that run again."""

import pytest

from swept import COUNT, STATE, request, show, states

RATE = "w.optimizer['groups'][0]['lr']"
MADE_ANEW = "fresh(); {0} = widget(); {0}.show()"
AGAIN = ["stopped", "its cell was run again"]


@pytest.fixture
def a_cells_rate(notebook):
    """A cell that sets the rate, which is as it was when the test is over."""
    yield "opt.param_groups[0].update(lr=0.123)"
    notebook.run("opt.param_groups[0].update(lr=1e-3)")


def how(name):
    return f"{name}.status['state'], {name}.status['text']"


def test_a_rate_that_a_cell_writes_is_told_when_the_cell_has_ended(notebook, a_cells_rate):
    notebook.run("fresh(); w = widget(20).show(wait=True); w.apply(0.138)")
    notebook.run(a_cells_rate)
    assert notebook.evaluate(RATE) == 0.123
    assert notebook.evaluate("w.applied['lr']") == 0.138


@pytest.mark.parametrize("by", ["page", "Python"])
def test_a_rate_that_changed_since_is_told_when_one_is_chosen(notebook, subshell, by, a_cells_rate):
    comm = show(notebook, "fresh(); w = widget(20).show(wait=True)")
    # A silent request is no cell: nothing is heard of its end.
    notebook.evaluate(a_cells_rate)
    assert notebook.evaluate(RATE) == 1e-3
    if by == "page":
        notebook.set_state(comm, {"selection": {"lr": 0.02}}, subshell=subshell)
    else:
        notebook.evaluate("setattr(w, 'lr', 0.02)")
    notebook.until_true(f"{RATE} == 0.123 and w.lr == 0.02")


def test_a_cell_that_leaves_the_rates_alone_sends_nothing(notebook):
    comm = show(notebook, "fresh(); w = widget(20).show(wait=True)")
    notebook.run("w._runner.job(lambda: None).result()")  # the picture is drawn by now
    notebook.forget()
    notebook.run("1 + 1")
    assert states(notebook, comm) == []
    assert notebook.customs(comm) == []


@pytest.mark.parametrize("held", ["running", "paused"])
def test_a_cell_that_ends_beside_a_sweep_tells_the_rates_at_rest(notebook, held):
    notebook.run("fresh(); w = widget(); w.show()")
    notebook.until_true(f"{COUNT} > 5")
    if held == "paused":
        notebook.run("w.pause()")
    notebook.run("swept = opt.param_groups[0]['lr']; w.lr = 0.02")
    assert notebook.evaluate("swept < 1e-3")
    assert notebook.evaluate(RATE) == 1e-3


def test_an_optimizer_that_cannot_be_told_of_spoils_no_cell(notebook):
    notebook.run("fresh(); w = widget(20).show(wait=True); del opt.param_groups[0]['lr']")
    outputs = notebook.run("opt.param_groups[0]['lr'] = 1e-3")
    assert [m for m in outputs if m["msg_type"] in ("stream", "error")] == []
    assert notebook.evaluate(RATE) == 1e-3


def test_a_closed_widget_hears_of_no_cell(notebook, a_cells_rate):
    notebook.run("fresh(); w = widget(20).show(wait=True); w.close()")
    notebook.run(a_cells_rate)
    assert notebook.evaluate(RATE) == 1e-3


def test_a_cell_that_makes_everything_anew_ends_the_sweep_that_it_showed_before(notebook):
    notebook.run(MADE_ANEW.format("w"), cell="a")
    notebook.until_true(f"{COUNT} > 3")
    notebook.run("first, kept = w, len(w._runner.points)")
    notebook.run(MADE_ANEW.format("w"), cell="a")
    assert notebook.evaluate(how("first")) == AGAIN
    assert notebook.evaluate("len(first.result.lrs) >= kept")
    assert notebook.evaluate(STATE) == "running"
    notebook.run("first.apply(0.25)")  # it is not closed


def test_it_has_ended_before_the_cell_begins(notebook):
    notebook.run(MADE_ANEW.format("w"), cell="a")
    notebook.until_true(f"{COUNT} > 3")
    notebook.run("seen = w.status['state'], restored()", cell="a")
    assert notebook.evaluate("seen") == ["stopped", True]


def test_another_cell_ends_no_sweep(notebook):
    notebook.run(MADE_ANEW.format("first"), cell="a")
    notebook.run("1 + 1", cell="b")
    notebook.run(MADE_ANEW.format("w"), cell="c")
    assert notebook.evaluate("first.status['state']") == "running"


def test_cells_without_identity_end_no_sweep(notebook):
    notebook.run(MADE_ANEW.format("first"))
    notebook.run(MADE_ANEW.format("w"))
    assert notebook.evaluate("first.status['state']") == "running"


def test_a_cell_that_shows_two_widgets_keeps_both_and_ends_both_when_it_runs_again(notebook):
    code = MADE_ANEW.format("a") + "\n" + MADE_ANEW.format("b")
    notebook.run(code, cell="two")
    assert notebook.evaluate("[each.status['state'] for each in (a, b)]") == ["running"] * 2
    notebook.run("before_a, before_b = a, b")
    notebook.run(code, cell="two")
    assert notebook.evaluate(how("before_a")) == notebook.evaluate(how("before_b")) == AGAIN
    assert notebook.evaluate("[each.status['state'] for each in (a, b)]") == ["running"] * 2


def test_a_widget_that_another_cell_shows_too_goes_on(notebook):
    notebook.run(MADE_ANEW.format("first"), cell="a")
    notebook.run("first", cell="b")
    notebook.run(MADE_ANEW.format("w"), cell="a")
    assert notebook.evaluate("first.status['state']") == "running"
    notebook.run("w", cell="b")
    assert notebook.evaluate(how("first")) == AGAIN
    assert notebook.evaluate(STATE) == "running"


def test_a_cell_that_shows_a_widget_made_elsewhere_lets_it_go_on_when_it_shows_it_anew(notebook):
    notebook.run("fresh(); w = widget()", cell="a")
    notebook.run("w.show()", cell="b")
    notebook.run("w.show()", cell="b")
    assert notebook.evaluate(STATE) == "running"
    notebook.run("w.run()", cell="b")  # unseen, but asked for
    assert notebook.evaluate(STATE) == "running"


def test_a_cell_within_a_cell_is_that_cell(notebook):
    notebook.run(
        "fresh(); w = widget(); w.show(); get_ipython().run_cell_magic('capture', '', '1 + 1')",
        cell="a",
    )
    assert notebook.evaluate(STATE) == "running"


def test_a_page_finds_the_ended_sweep_as_it_finds_any_other(notebook, subshell):
    comm = show(notebook, MADE_ANEW.format("w"))
    notebook.run("w", cell="a")  # the cell without identity shows it, too
    notebook.run("1 + 1", cell="a")
    assert notebook.evaluate(STATE) == "running"
    assert notebook.ask(comm, request("stop", run=1), subshell=subshell)["ok"]
