"""While a sweep runs or is paused, nobody else trains or saves the model."""

import pytest

from real_kernel import CellError
from swept import COUNT, STATE

USES = {
    "a forward pass": "model(torch.zeros(1, 20))",
    "a forward pass of a part": "model[1](torch.zeros(1, 20))",
    "saving the model": "model.state_dict()",
    "saving a part": "model[-1].state_dict()",
    "loading into the model": "model.load_state_dict(saved)",
    "saving the optimizer": "opt.state_dict()",
    "loading into the optimizer": "opt.load_state_dict(opt_saved)",
    "an optimizer step": "opt.step()",
}
REMEDY = r"SweepInProgressError: .*another thread while a learning-rate sweep.*widget\.wait\(\)"


@pytest.mark.parametrize("held", ["running", "paused"])
def test_what_would_mix_two_trainings_is_refused_with_the_remedy(notebook, held):
    notebook.run("fresh()\nsaved, opt_saved = model.state_dict(), opt.state_dict()")
    notebook.run("w = widget(); w.show()")
    notebook.until_true(f"{COUNT} > 3")
    if held == "paused":
        notebook.run("w.pause()")
    for use in USES.values():
        with pytest.raises(CellError, match=REMEDY):
            notebook.run(use)
        assert notebook.evaluate(f"'SweepInProgressError' in elsewhere(lambda: {use})")
    assert notebook.evaluate(STATE) == held
    notebook.run("w.stop()")
    assert notebook.evaluate("restored(), hooks()") == [True, 0]
    for use in USES.values():
        notebook.run(use)


def test_a_new_widget_takes_the_place_of_one_on_the_same_model_and_optimizer(notebook):
    for pause in ("pass", "w.pause()"):
        notebook.run("fresh(); w = widget(); w.show()")
        notebook.until_true(f"{COUNT} > 3")
        notebook.run(pause)
        notebook.run("first = w; w = widget(30); w.show()")
        notebook.run("result = w.wait()")
        assert notebook.evaluate("first.status['state'], first.status['text']") == [
            "stopped",
            "a new sweep of this model took its place",
        ]
        assert notebook.evaluate("w.status['state'], len(result.lrs)") == ["done", 30]
        assert any("takes its place" in note for note in notebook.evaluate("w.status['notes']"))
        assert notebook.evaluate("restored(), hooks()") == [True, 0]
        assert notebook.evaluate("opt.param_groups[0]['lr']") == 1e-3


def test_a_replacing_widget_shows_the_optimizers_own_rate_while_it_runs(notebook):
    notebook.run("fresh(); w = widget(); w.show()")
    notebook.until_true(f"{COUNT} > 3")
    notebook.run("w = widget(); w.show()")
    notebook.until_true(f"{COUNT} > 3")
    assert notebook.evaluate(STATE) == "running"
    assert notebook.evaluate("w.optimizer['groups'][0]['lr']") == 1e-3


REFUSED = {
    "lr_find": "lr_find(model, opt, loader, progress=False)",
    "another optimizer": (
        "other = torch.optim.Adam(model.parameters())\nLRFinderWidget(model, other, loader).show()"
    ),
    "a model around it": (
        "around = nn.Sequential(model)\n"
        "LRFinderWidget(around, torch.optim.SGD(around.parameters(), lr=1.0), loader).show()"
    ),
}


@pytest.mark.parametrize("code", REFUSED.values(), ids=REFUSED)
def test_another_owner_is_refused_and_the_sweep_goes_on(notebook, code):
    notebook.run("fresh(); w = widget(); w.show()")
    with pytest.raises(CellError, match=r"SweepInProgressError: .*stop"):
        notebook.run(code)
    count = notebook.evaluate(COUNT)
    notebook.until_true(f"{COUNT} > {count}")


def test_a_widget_is_refused_while_lr_find_sweeps_its_model(notebook):
    notebook.run(
        "fresh()\n"
        "w = widget(20)\n"
        "begun, release = threading.Event(), threading.Event()\n"
        "def loss(output, target):\n"
        "    begun.set()\n"
        "    release.wait(20)\n"
        "    return nn.functional.cross_entropy(output, target)\n"
        "finding = threading.Thread(target=lr_find, args=(model, opt, loader, loss),"
        " kwargs={'progress': False, 'num_iter': 5})\n"
        "finding.start()\n"
        "begun.wait(20)"
    )
    for use in ("w.show()", "w.run()"):
        with pytest.raises(CellError, match="sweep in lr_find"):
            notebook.run(use)
    notebook.run("release.set(); finding.join()")
    notebook.run("w.show(wait=True)")
    assert notebook.evaluate(STATE) == "done"


def test_a_model_may_run_its_parts_in_threads_of_its_own(notebook):
    notebook.run(
        "from concurrent.futures import ThreadPoolExecutor\n"
        "class Parallel(nn.Module):\n"
        "    def __init__(self):\n"
        "        super().__init__()\n"
        "        self.parts = nn.ModuleList([nn.Linear(8, 8) for _ in range(3)])\n"
        "    def forward(self, inputs):\n"
        "        parts = [pool.submit(part, inputs) for part in self.parts]\n"
        "        deadline = time.monotonic() + 0.005\n"
        "        while time.monotonic() < deadline:\n"
        "            pass\n"
        "        return sum(part.result() for part in parts)\n"
        "pool = ThreadPoolExecutor(2)\n"
        "fresh(0, Parallel())\n"
        "w = widget(60).show(wait=True)"
    )
    assert notebook.evaluate("w.status['state'], len(w.result.lrs)") == ["done", 60]


def test_a_model_may_recompute_its_activations(notebook):
    notebook.run(
        "from torch.utils.checkpoint import checkpoint\n"
        "class Recomputes(nn.Module):\n"
        "    def __init__(self, reentrant):\n"
        "        super().__init__()\n"
        "        self.part, self.reentrant = nn.Linear(8, 8), reentrant\n"
        "    def forward(self, inputs):\n"
        "        return checkpoint(self.part, inputs, use_reentrant=self.reentrant)\n"
        "ends = []\n"
        "for reentrant in (False, True):\n"
        "    fresh(0, Recomputes(reentrant))\n"
        "    ends.append(widget(20).show(wait=True).status['state'])"
    )
    assert notebook.evaluate("ends") == ["done", "done"]


def test_what_a_cell_writes_into_a_parameter_group_meanwhile_stays(notebook):
    notebook.run("fresh(0.005); w = widget(); w.show()")
    notebook.until_true(f"{COUNT} > 20")
    for count in range(10):
        notebook.run(f"opt.param_groups[0]['weight_decay'] = {count}.0")
    notebook.run("w.stop()")
    assert notebook.evaluate("opt.param_groups[0]['weight_decay']") == 9.0
    assert notebook.evaluate("restored(), hooks()") == [True, 0]
