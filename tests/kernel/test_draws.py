"""Cells that draw random numbers while a sweep runs or rests."""

import pytest

from swept import COUNT

DRAWING = """
drawn, end, drawing = {'torch': [], 'NumPy': [], 'random': []}, False, True
limit = time.monotonic() + 20
def draw_each():
    drawn['torch'].append(torch.rand(1, dtype=torch.float64).item())
    drawn['NumPy'].append(np.random.rand())
    drawn['random'].append(random.random())
while not end and time.monotonic() < limit:
    draw_each()
"""
GENERATORS = (
    "def generators():\n"
    "    return (torch.get_rng_state().tolist(), repr(np.random.get_state(legacy=False)),"
    " random.getstate())"
)


@pytest.fixture(params=["pass", "more.append(nn.Dropout(0.5))"], ids=["still", "drawing itself"])
def begun(request, notebook):
    notebook.run(f"more = []\n{request.param}\nfresh(0.001, *more); w = widget(); w.show()")
    notebook.until_true(f"{COUNT} > 20")
    return notebook


def assert_nothing_was_drawn_twice(notebook):
    notebook.run("w.stop()\nfor _ in range(2000): draw_each()")
    repeated = notebook.evaluate("[len(values) - len(set(values)) for values in drawn.values()]")
    # A draw of torch's that lost the processor just before its lock cannot be waited for.
    assert repeated[0] <= 1
    assert repeated[1:] == [0, 0]
    (note,) = [note for note in notebook.evaluate("w.status['notes']") if "Random numbers" in note]
    assert all(name in note for name in ("torch", "NumPy", "random"))
    assert "not rewound" in note


def test_a_cell_that_draws_during_a_sweep_keeps_its_draws(begun, subshell):
    cell = begun.start(DRAWING)
    count = begun.evaluate(COUNT, subshell=subshell)
    passed = f"{COUNT} > {count + 60} and len(drawn['torch']) > 3000"
    begun.until(lambda: begun.evaluate(passed, subshell=subshell), "draws and points")
    begun.evaluate("globals().update(end=True)", subshell=subshell)
    begun.finish(cell)
    assert_nothing_was_drawn_twice(begun)


def test_a_cell_that_draws_while_a_sweep_is_paused_keeps_its_draws(begun):
    begun.run("w.pause()")
    begun.run(DRAWING.replace("not end", "len(drawn['torch']) < 100"))
    assert_nothing_was_drawn_twice(begun)


def test_a_seed_that_a_cell_sets_holds_beside_a_model_that_draws_nothing(notebook):
    notebook.run("fresh(0.001); w = widget(); w.show()")
    notebook.until_true(f"{COUNT} > 400")
    notebook.run(
        "torch.manual_seed(5); np.random.seed(5); random.seed(5)\n"
        "count = len(w._runner.points)\n"
        "while len(w._runner.points) < count + 50: time.sleep(0.001)\n"
        "w.stop()\n"
        "after = [torch.rand(1).item(), np.random.rand(), random.random()]\n"
        "torch.manual_seed(5); np.random.seed(5); random.seed(5)\n"
        "expected = [torch.rand(1).item(), np.random.rand(), random.random()]"
    )
    assert notebook.evaluate("after == expected")


@pytest.mark.parametrize("more", ["", ", nn.Dropout(0.5)"])
def test_where_no_cell_draws_every_generator_stands_where_it_stood(notebook, more):
    notebook.run(
        f"{GENERATORS}\n"
        f"fresh(0{more})\n"
        "stood = generators()\n"
        "w = widget(150); w.show(); w.wait()\n"
        "same = generators() == stood"
    )
    assert notebook.evaluate("same")
    assert notebook.evaluate("w.status['notes']") == []
