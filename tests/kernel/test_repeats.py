"""Several sweeps of one run, as pages are told of them; and the code for a chosen rate."""

import pytest

from swept import blocks, curve, request, show, single, states

# Rates at which this model descends and blows up, so that there are suggestions.
THREE = (
    "fresh(0.001, samples=1024)\n"
    "loader = torch.utils.data.DataLoader(loader.dataset, batch_size=32, shuffle=True)\n"
    "w = widget(60, repeats=3, end_lr=10, diverge_threshold=4); w.show()"
)


def test_sweeps_of_a_run_are_told_apart_and_read_together(notebook):
    comm = show(notebook, THREE)
    notebook.run("w.wait()")
    status = notebook.evaluate("w.status")
    runs = notebook.evaluate("[len(run.lrs) for run in w.result.runs]")
    starts = [0, runs[0], runs[0] + runs[1]]
    assert (status["repeats"], status["starts"]) == (3, starts)
    assert status["points"] == sum(runs)
    assert status["total"] == starts[-1] + 60  # what sweeps that ended early saved is taken off
    verdict = notebook.evaluate("w.result.spread.words")
    assert status["text"] == f"3 runs · suggestions {verdict}"
    # Points: one sequence, and where it divides.
    points = [content for content, _ in notebook.customs(comm, "points")]
    assert all(content["starts"] == starts[: len(content["starts"])] for content in points)
    assert points[-1]["starts"] == starts
    lrs, losses = notebook.evaluate("[w._runner.points.lrs, w._runner.points.losses]")
    notebook.until(lambda: len(curve(notebook, comm)) == sum(runs), "all points")
    assert curve(notebook, comm) == list(zip(single(lrs), single(losses), strict=True))
    assert blocks(notebook, comm)[0][0] == 0
    # What they say together, in traits.
    assert notebook.evaluate("[*map(list, w.result.band)]") == notebook.evaluate(
        "np.frombuffer(w.band, '<f8').reshape(3, -1).tolist()"
    )
    assert notebook.evaluate("w.interval == list(w.result.interval)")
    columns = "[v for name in names for run in w.result.runs for v in getattr(run, name).tolist()]"
    notebook.run("names = ('lrs', 'losses', 'smoothed')")
    assert notebook.evaluate("np.frombuffer(w.curve, '<f8').tolist()") == notebook.evaluate(columns)
    assert notebook.evaluate("restored()")


def test_the_band_and_the_interval_come_when_a_sweep_has_ended(notebook):
    comm = show(notebook, THREE)
    notebook.run("w.wait()")
    told = states(notebook, comm)
    began = [state["status"]["starts"] for state in told if "status" in state]
    assert began == sorted(began, key=len)
    assert {len(starts) for starts in began} == {1, 2, 3}
    # One that began anew says so; before, there was nothing to read.
    at_the_second = [
        state for state in told if "interval" in state and len(state["status"]["starts"]) == 2
    ]
    assert all(state["interval"] for state in at_the_second)
    assert at_the_second


@pytest.mark.parametrize("changes", [{"num_iter": 30, "repeats": 1}, {"repeats": 2}])
def test_a_page_runs_again_with_what_a_finding_says(notebook, changes):
    comm = show(notebook, "fresh(0.001); w = widget(20); w.show(wait=True)")
    assert notebook.ask(comm, request("run", run=1, settings=changes))["ok"]
    notebook.run("w.wait()")
    total = {"num_iter": 20, "repeats": 1} | changes
    assert notebook.evaluate("w.status['points']") == total["num_iter"] * total["repeats"]
    assert notebook.evaluate("w.settings['repeats']") == total["repeats"]


def test_where_buffers_are_dropped_the_band_comes_as_numbers(notebook):
    comm = show(notebook, "fresh(0.001); w = widget(20, repeats=2)\nw")
    assert notebook.ask(comm, request("hello", binary=False))["ok"]
    notebook.run("w.show(wait=True)")
    notebook.until(lambda: notebook.customs(comm, "band"), "a band")
    ((band, buffers), *_) = notebook.customs(comm, "band")
    assert (band["run"], band["count"], buffers) == (1, 20, [])
    assert band["data"] == notebook.evaluate("[v for part in w.result.band for v in part.tolist()]")
    assert notebook.evaluate("len(w.band)") == 0
    notebook.forget()
    assert notebook.ask(comm, request("resync", run=0, have=0, smoothed=True))["ok"]
    assert len(notebook.customs(comm, "band")) == 1


@pytest.mark.parametrize("schedule", ["one_cycle", "warmup_cosine", "constant"])
def test_code_for_a_chosen_rate_runs_as_it_is(notebook, schedule):
    comm = show(notebook, "fresh(0.001); w = widget(20); w.show(wait=True)")
    reply = notebook.ask(comm, request("code", schedule=schedule, lr=0.0123))
    assert reply["ok"]
    assert "0.0123" in reply["code"]
    names = "dict(optimizer=torch.optim.SGD(model.parameters(), lr=1e-3), epochs=2, loader=loader)"
    notebook.run(f"exec({reply['code']!r}, {names})")


def test_code_is_there_while_a_sweep_runs(notebook):
    comm = show(notebook)
    assert notebook.ask(comm, request("code", schedule="one_cycle", lr=1e-3))["ok"]
    assert notebook.evaluate("w.status['state']") == "running"


def test_a_rule_of_the_users_that_fails_does_not_end_the_sweeps_to_come(notebook):
    show(
        notebook,
        "def fail(lrs, losses):\n    raise ZeroDivisionError('no')\n"
        "fresh(0.001); w = widget(20, repeats=2, rule=fail); w.show(wait=True)",
    )
    assert notebook.evaluate("w.status['state'], len(w.result.runs)") == ["done", 2]
    assert len([note for note in notebook.evaluate("w.status['notes']") if "fail" in note]) == 1
