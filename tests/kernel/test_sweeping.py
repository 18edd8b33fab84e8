"""A sweep in a notebook's kernel, as a page sees it."""

import base64

import numpy as np
import pytest

from real_kernel import CellError
from swept import COUNT, STATE, WIDGET_VIEW, blocks, curve, show, single, states

CURVE_NUMBERS = "np.frombuffer(w.curve, '<f8').tolist()"
COLUMN = "getattr(w.result, name).tolist()"


def displays(outputs, kind="display_data"):
    return [m["content"] for m in outputs if m["msg_type"] == kind]


def test_show_returns_while_the_sweep_goes_on_and_shows_the_widget_once(notebook):
    outputs = notebook.run("fresh(); w = widget()\nw.show()")
    assert notebook.evaluate(STATE) == "running"
    (display,) = displays(outputs)
    assert WIDGET_VIEW in display["data"]
    assert displays(outputs, "execute_result") == []


def test_a_bare_widget_is_shown_idle(notebook):
    outputs = notebook.run("fresh(); w = widget()\nw")
    assert notebook.evaluate(STATE) == "idle"
    (display,) = displays(outputs)
    assert WIDGET_VIEW in display["data"]
    assert displays(outputs, "execute_result") == []


def test_a_widget_that_is_displayed_again_is_there_twice(notebook):
    outputs = notebook.run("fresh(); w = widget(); w.show(); display(w)")
    assert len(displays(outputs)) == 2
    assert len(displays(notebook.run("w"))) == 1


def test_all_points_arrive_in_order_and_wait_returns_them(notebook):
    comm = show(notebook, "fresh(); w = widget(150); w.show()")
    notebook.run("result = w.wait()")
    notebook.until(lambda: len(curve(notebook, comm)) == 150, "150 points")
    lrs, losses = notebook.evaluate("[result.lrs.tolist(), result.losses.tolist()]")
    assert curve(notebook, comm) == list(zip(single(lrs), single(losses), strict=True))
    assert (lrs[0], lrs[-1]) == (1e-7, 0.1)
    (smoothed, buffers) = notebook.customs(comm, "smoothed")[-1]
    assert len(buffers[0]) == 4 * smoothed["count"]
    assert notebook.evaluate("restored()")


def test_the_state_is_told_from_the_start_to_the_end(notebook):
    comm = show(notebook, "fresh(); w = widget(60); w.show()")
    notebook.run("result = w.wait()")
    notebook.until(lambda: states(notebook, comm)[-1].get("status", {}).get("state") == "done", "")
    told = [state["status"]["state"] for state in states(notebook, comm) if "status" in state]
    assert list(dict.fromkeys(told)) == ["idle", "running", "done"]
    final = {key: value for state in states(notebook, comm) for key, value in state.items()}
    assert [final["status"][key] for key in ("points", "total", "run")] == [60, 60, 1]
    assert final["loss"] == "cross-entropy (inferred)"
    assert final["optimizer"]["groups"] == [{"label": "group 0", "lr": 1e-3, "ratio": 1.0}]
    assert final["suggestions"][0]["rule"] == "auto"
    numbers = notebook.evaluate(CURVE_NUMBERS)
    assert final["columns"] == ["lrs", "losses", "smoothed"]
    assert numbers == notebook.evaluate(f"[v for name in w.columns for v in {COLUMN}]")


def test_gradient_norms_and_validation_losses_come_live_and_with_the_finished_curve(notebook):
    comm = show(
        notebook,
        "fresh(); w = LRFinderWidget(model, opt, loader, val_loader=loader, grad_norms=True,"
        " val_batches=1, num_iter=40, end_lr=0.1, diverge_threshold=None); widgets.append(w)\n"
        "w.show(wait=True)",
    )
    names = ["lrs", "losses", "val_losses", "grad_norms"]
    notebook.until(lambda: len(curve(notebook, comm)) == 40, "40 points")
    live = {name: [] for name in names}
    for offset, columns in blocks(notebook, comm):
        for name in names:
            live[name][offset:] = columns[name]
    for name in names:
        assert live[name] == single(notebook.evaluate(f"w.result.{name}.tolist()"))
    assert notebook.evaluate("w.columns") == ["lrs", "losses", "smoothed", *names[2:]]
    assert notebook.evaluate(CURVE_NUMBERS) == notebook.evaluate(
        f"[v for name in w.columns for v in {COLUMN}]"
    )
    assert notebook.evaluate("bool(np.isfinite(w.result.grad_norms).all())")


@pytest.mark.parametrize("affordable", [True, False])
def test_the_columns_of_a_run_are_settled_when_its_first_points_are_told(notebook, affordable):
    comm = show(
        notebook,
        "from lrfinder_widget.training import gradients\n"
        f"gradients.SHARE = float('{'inf' if affordable else 0}')\n"
        # Slow enough for the first step to be told of by itself.
        "fresh(0.03); w = widget(20, repeats=2, grad_norms=None)\n"
        "w.show(wait=True); w.run(); w.wait(); gradients.SHARE = 0.01",
    )
    for run in (1, 2):
        notebook.until(lambda run=run: len(curve(notebook, comm, run)) == 40, f"run {run}")
        told = [columns for _, columns in blocks(notebook, comm, run)]
        assert {"grad_norms" in columns for columns in told} == {affordable}
    if affordable:  # what the first run found out
        assert np.isfinite(told[0]["grad_norms"]).all()


def test_a_sweep_that_is_paused_before_its_columns_are_settled_shows_what_there_is(notebook):
    comm = show(notebook, "fresh(0.1); w = widget(grad_norms=None); w.show()")
    notebook.until_true(f"{COUNT} == 1")
    notebook.run("w.pause()")
    count = notebook.evaluate(COUNT)
    notebook.until(lambda: len(curve(notebook, comm)) == count, "the first points")


def test_groups_that_are_not_swept_are_told_apart_and_left_alone_by_apply(notebook):
    notebook.run(
        "fresh()\n"
        "opt = torch.optim.SGD([{'params': model[1].parameters(), 'lr': 1e-3, 'name': 'body'},"
        " {'params': model[-1].parameters(), 'lr': 1e-2, 'name': 'head'}])\n"
        "w = widget(40, groups=['head'])\n"
        "w.show(wait=True)"
    )
    assert notebook.evaluate("w.optimizer['groups']") == [
        {"label": "body", "lr": 1e-3, "ratio": None},
        {"label": "head", "lr": 1e-2, "ratio": 1.0},
    ]
    notebook.run("w.apply(0.5)")
    assert notebook.evaluate("w.applied['groups']") == [
        {"label": "body", "before": 1e-3, "after": 1e-3},
        {"label": "head", "before": 1e-2, "after": 0.5},
    ]


FAILING = """
fresh()
class Breaks(nn.Module):
    steps = 0
    def forward(self, inputs):
        self.steps += 1
        if self.steps > 5:
            raise ValueError("<b>my</b> layer is broken")
        return inputs
"""
FAILURES = {
    "the forward pass": "fresh(0.002, Breaks()); before = weights(); w = widget()",
    "the loss": (
        "steps = iter(range(5))\n"
        "def loss(output, target):\n"
        "    if next(steps, None) is None:\n"
        "        raise ValueError('<b>my</b> layer is broken')\n"
        "    return nn.functional.cross_entropy(output, target)\n"
        "w = LRFinderWidget(model, opt, loader, loss, diverge_threshold=None, end_lr=0.1)\n"
        "widgets.append(w)"
    ),
    "the loader": (
        "class Loader:\n"
        "    def __iter__(self):\n"
        "        for _ in range(5):\n"
        "            yield torch.zeros(2, 20), torch.zeros(2, dtype=torch.long)\n"
        "        raise ValueError('<b>my</b> layer is broken')\n"
        "w = LRFinderWidget(model, opt, Loader(), diverge_threshold=None, end_lr=0.1)\n"
        "widgets.append(w)"
    ),
}


@pytest.mark.parametrize("code", FAILURES.values(), ids=FAILURES)
def test_a_failure_is_told_with_the_line_of_the_cell_and_raised_by_wait(notebook, code):
    notebook.run(FAILING + code + "\nw.show()")
    notebook.until_true(f"{STATE} == 'failed'")
    error = notebook.evaluate("w.error")
    assert (error["type"], error["message"]) == ("ValueError", "<b>my</b> layer is broken")
    assert error["where"].startswith("cell, line ")
    assert "raise ValueError(" in error["where"]
    with pytest.raises(CellError, match="ValueError: <b>my</b> layer is broken"):
        notebook.run("w.wait()")
    assert notebook.evaluate("restored(), hooks()") == [True, 0]


def test_without_a_page_the_output_ends_with_the_picture_beside_the_widget(notebook):
    shown = displays(notebook.run("fresh(); w = widget(60); w.show(wait=True)"))

    def update():
        return [m["content"] for m in notebook.iopub if m["msg_type"] == "update_display_data"]

    notebook.until(update, "the output's update")
    (content,) = update()
    assert content["transient"]["display_id"] == shown[0]["transient"]["display_id"]
    assert WIDGET_VIEW in content["data"]
    assert base64.b64decode(content["data"]["image/png"]).startswith(b"\x89PNG")
    assert notebook.evaluate("w.status['picture']") == 1


def test_apply_writes_the_rate_and_undo_takes_it_back(notebook):
    notebook.run(
        "fresh()\n"
        "opt = torch.optim.SGD([{'params': model[1].parameters(), 'lr': 1e-3},"
        " {'params': model[-1].parameters(), 'lr': 1e-2}])\n"
        "scheduler = torch.optim.lr_scheduler.StepLR(opt, 10)\n"
        "w = widget(60, scheduler=scheduler)\n"
        "w.show(wait=True)\n"
        "w.lr = 0.5\n"
        "w.apply()"
    )
    rates = "[group['lr'] for group in opt.param_groups]"
    assert notebook.evaluate(rates) == [0.5, 5.0]
    assert notebook.evaluate("scheduler.base_lrs") == [0.5, 5.0]
    assert notebook.evaluate("w.applied") == {
        "lr": 0.5,
        "groups": [
            {"label": "group 0", "before": 1e-3, "after": 0.5},
            {"label": "group 1", "before": 1e-2, "after": 5.0},
        ],
        "notes": notebook.evaluate("w.applied['notes']"),
        "warnings": [],
        "undo": True,
    }
    assert "StepLR" in notebook.evaluate("' '.join(w.applied['notes'])")
    notebook.run("w.undo()")
    assert notebook.evaluate(rates) == [1e-3, 1e-2]
    assert notebook.evaluate("scheduler.base_lrs") == [1e-3, 1e-2]
    assert notebook.evaluate("w.applied") is None


def test_apply_in_mid_sweep_stops_and_restores_first(notebook):
    notebook.run("fresh(); w = widget(); w.show()")
    notebook.until_true(f"{COUNT} > 5")
    notebook.run("w.apply(0.25)")
    assert notebook.evaluate("w.status['state'], opt.param_groups[0]['lr']") == ["stopped", 0.25]
    assert notebook.evaluate("w.applied['groups'][0]['before']") == 1e-3
    notebook.run("w.undo()")
    assert notebook.evaluate("restored()")


@pytest.mark.parametrize("verb", ["w.apply(-1)", "w.apply(float('nan'))", "w.undo()", "w.apply()"])
def test_a_refused_apply_or_undo_leaves_the_sweep_running(notebook, verb):
    notebook.run("fresh(); w = widget(); w.show()")
    with pytest.raises(CellError, match=r"SettingsError|LRFinderError"):
        notebook.run(verb)
    assert notebook.evaluate(STATE) == "running"


def test_a_run_during_a_run_starts_afresh_and_is_the_one_waited_for(notebook):
    comm = show(notebook, "fresh(); w = widget(); w.show()")
    notebook.until_true(f"{COUNT} > 5")
    notebook.run("w._finder.configure({'num_iter': 40}); w.run(); result = w.wait()")
    assert notebook.evaluate("w.status['state'], len(result.lrs)") == ["done", 40]
    notebook.until(lambda: len(curve(notebook, comm, run=2)) == 40, "40 points of run 2")


def test_a_run_that_is_stopped_before_its_first_point_has_no_result(notebook):
    notebook.run("fresh(); w = widget(40); w.show(wait=True)")
    notebook.run("w._runner.call(lambda: time.sleep(0.3)); w.run(); w.stop()")
    assert notebook.evaluate("w.status['state'], w.status['points']") == ["stopped", 0]
    with pytest.raises(CellError, match="ended before its first point"):
        notebook.run("w.wait()")


def test_a_closed_widget_refuses_to_be_used(notebook):
    notebook.run("fresh(); w = widget(); w.show(); w.close()")
    assert notebook.evaluate("restored(), hooks(), w.status['state']") == [True, 0, "closed"]
    for use in ("w.show()", "w.run()", "w.stop()", "w.apply(1e-3)", "w.pause()"):
        with pytest.raises(CellError, match="this widget is closed; make a new LRFinderWidget"):
            notebook.run(use)
    notebook.run("w.close()")


def test_a_widget_whose_comm_the_host_closes_is_closed(notebook):
    notebook.run("fresh(); w = widget(); w.show(); w.pause(); w.comm.close()")
    assert notebook.evaluate("restored(), hooks(), w.status['state']") == [True, 0, "closed"]


def test_a_rule_of_the_users_that_raises_is_told_and_the_curve_is_kept(notebook):
    notebook.run(
        "fresh()\n"
        "def rule(lrs, losses):\n"
        "    raise IndexError('my rule needs a longer curve')\n"
        "w = widget(60, rule=rule); w.show()"
    )
    notebook.until_true("w.status['state'] not in ('idle', 'running')")
    assert notebook.evaluate("len(w._runner.points)") == 60
    assert notebook.evaluate("restored()")
    assert "my rule needs a longer curve" in notebook.evaluate("str(w.status) + str(w.error)")


def test_a_sweep_trains_with_the_autocast_and_device_of_the_cell_that_started_it(notebook):
    notebook.run(
        "seen = []\n"
        "class Looks(nn.Module):\n"
        "    def forward(self, inputs):\n"
        "        seen.append((torch.is_autocast_enabled('cpu'),"
        " str(torch.get_autocast_dtype('cpu')), torch.is_grad_enabled()))\n"
        "        return inputs\n"
        "fresh(0, Looks())\n"
        "with torch.autocast('cpu', dtype=torch.bfloat16), torch.no_grad():\n"
        "    w = widget(5).show(wait=True)\n"
        "w2 = widget(5).show(wait=True)"
    )
    assert notebook.evaluate("seen[0]") == [True, "torch.bfloat16", True]
    assert notebook.evaluate("seen[-1]") == [False, "torch.bfloat16", True]
    notebook.run(
        "seen.clear()\n"
        "class Made(nn.Module):\n"
        "    def forward(self, inputs):\n"
        "        seen.append(str(torch.empty(1).device))\n"
        "        return inputs\n"
        "fresh(0, Made())\n"
        "loader = [(torch.zeros(4, 20), torch.zeros(4, dtype=torch.long))]\n"
        "with torch.inference_mode(), torch.device('meta'):\n"
        "    w = widget(5).show(wait=True)"
    )
    assert notebook.evaluate("set(seen) == {'meta'}")


STOPPED_SOON = """
fresh(); w = widget(start_lr=1e-9, end_lr=1e-8); w.show()
while len(w._runner.points) < 40:
    time.sleep(0.01)
w.stop()
"""
UNSUGGESTED = {
    "it failed": (FAILING + "fresh(0, Breaks())\nw = widget(); w.show()", ""),
    "it has few points": (
        "fresh(); w = widget(3); w.show()",
        "No suggestions: too few points. Drag the marker to choose.",
    ),
    "it was stopped at once": (
        "fresh(); w = widget(); w._runner.call(lambda: time.sleep(0.3)); w.show(); w.stop()",
        "No suggestions: the sweep ended before its first point. Drag the marker to choose.",
    ),
    "it was stopped on the plateau": (
        STOPPED_SOON,
        "No suggestions: the loss had not fallen yet. Drag the marker to choose.",
    ),
    "it suggests something": ("fresh(); w = widget(100, end_lr=10); w.show()", ""),
    "it goes on": ("fresh(); w = widget(); w.show()", None),
}


@pytest.mark.parametrize(("code", "why"), UNSUGGESTED.values(), ids=UNSUGGESTED)
def test_a_page_is_told_why_an_ended_sweep_suggests_nothing(notebook, code, why):
    notebook.run(code)
    if why is not None:
        notebook.until_true(f"{STATE} not in ('idle', 'running')")
    assert notebook.evaluate("w.status['unsuggested']") == (why or "")
