"""Nothing that a page sends is trusted: what is no request changes nothing and is answered."""

import pytest

from swept import COUNT, STATE, ids, request, show

NAN, INFINITY = float("nan"), float("inf")
NESTED: list = []
for _ in range(200):
    NESTED = [NESTED]

REQUESTS = [
    {},
    {"kind": "stop"},
    {"kind": "format the disk"},
    {"kind": None},
    {"kind": ["stop"]},
    {"kind": {"stop": 1}, "run": 1},
    {"kind": "stop", "run": 0},
    {"kind": "stop", "run": 2},
    {"kind": "stop", "run": -1},
    {"kind": "stop", "run": True},
    {"kind": "stop", "run": 1.0},
    {"kind": "stop", "run": "1"},
    {"kind": "stop", "run": 10**300},
    {"kind": "stop", "run": NAN},
    {"kind": "pause", "run": NESTED},
    {"kind": "resume", "run": 1},
    {"kind": "stop", "run": 1, "and": "more"},
    {"kind": "apply"},
    {"kind": "apply", "lr": NAN},
    {"kind": "apply", "lr": INFINITY},
    {"kind": "apply", "lr": -1e-3},
    {"kind": "apply", "lr": 0},
    {"kind": "apply", "lr": True},
    {"kind": "apply", "lr": "1e-3"},
    {"kind": "apply", "lr": [1e-3]},
    {"kind": "apply", "lr": 10**400},
    {"kind": "undo"},
    {"kind": "code", "lr": 1e-3},
    {"kind": "code", "schedule": "one_cycle"},
    {"kind": "code", "schedule": "exec", "lr": 1e-3},
    {"kind": "code", "schedule": "one_cycle", "lr": -1},
    {"kind": "configure"},
    {"kind": "configure", "settings": {"repeats": 0}},
    {"kind": "configure", "settings": {"repeats": 101}},
    {"kind": "configure", "settings": {"repeats": "three"}},
    {"kind": "configure", "settings": []},
    {"kind": "configure", "settings": {"start_lr": 1, "end_lr": 0.1}},
    {"kind": "configure", "settings": {"start_lr": NAN}},
    {"kind": "configure", "settings": {"num_iter": 1}},
    {"kind": "configure", "settings": {"num_iter": 2.5}},
    {"kind": "configure", "settings": {"num_iter": "many"}},
    {"kind": "configure", "settings": {"num_iter": None}},
    {"kind": "configure", "settings": {"num_iter": 10**400}},
    {"kind": "configure", "settings": {"step_mode": 3}},
    {"kind": "configure", "settings": {"step_mode": "<script>"}},
    {"kind": "configure", "settings": {"beta": 2}},
    {"kind": "configure", "settings": {"beta": NESTED}},
    {"kind": "configure", "settings": {"diverge_threshold": "no"}},
    {"kind": "configure", "settings": {"rule": "minimum"}},
    {"kind": "configure", "settings": {"seed": 1}},
    {"kind": "configure", "settings": {"__class__": 1}},
    {"kind": "run", "run": 7},
    {"kind": "run", "run": 1, "settings": {"num_iter": -5}},
    {"kind": "hello", "binary": "yes"},
    {"kind": "resync", "run": 1, "have": -1, "smoothed": True},
    {"kind": "resync", "run": 1, "have": 0, "smoothed": 1},
    {"kind": "resync", "run": 1},
    {"kind": "picture", "run": 1},
    {"kind": "save_picture", "run": 1},
    {"kind": "points", "run": 1},
    {"kind": "_stop", "run": 1},
    {"kind": "refuse"},
]
WHOLE = (
    "{name: getattr(w, name)"
    " for name in ('settings', 'selection', 'optimizer', 'applied', 'error')}"
    " | {'state': w.status['state'], 'run': w.status['run'], 'controls': w.status['controls']}"
)


def answers(notebook, comm, count):
    def refusals():
        return [reply for reply, _ in notebook.customs(comm, "reply") if not reply["ok"]]

    notebook.until(lambda: len(refusals()) >= count, f"{count} refusals")
    return refusals()


@pytest.mark.parametrize("on_subshell", [False, True])
def test_a_bad_request_changes_nothing_and_is_answered(notebook, subshell, on_subshell):
    comm = show(notebook)
    before = notebook.evaluate(WHOLE)
    bad = [{"id": next(ids), **content} for content in REQUESTS]
    for content in bad:
        notebook.send(comm, content, subshell=subshell if on_subshell else None)
    replies = answers(notebook, comm, len(bad))
    assert sorted(reply["id"] for reply in replies) == [content["id"] for content in bad]
    assert all(reply["error"] and len(reply["error"]) < 400 for reply in replies)
    assert notebook.evaluate(WHOLE) == before
    count = notebook.evaluate(COUNT)
    notebook.until_true(f"{COUNT} > {count}")


@pytest.mark.parametrize("number", [None, "1", -1, 1.5, True, 2**60, [1], NAN])
def test_a_request_without_a_usable_id_is_refused_without_one(notebook, number):
    comm = show(notebook)
    notebook.send(comm, {"kind": "stop", "run": 1, "id": number})
    (reply,) = answers(notebook, comm, 1)
    assert (reply["id"], reply["error"][:22]) == (None, "stop: id must be a who")
    assert notebook.evaluate(STATE) == "running"


@pytest.mark.parametrize("content", [None, "stop", 7, NAN, [], NESTED, [{"kind": "stop"}]])
def test_what_is_no_object_is_refused(notebook, content):
    comm = show(notebook)
    notebook.send(comm, content)
    (reply,) = answers(notebook, comm, 1)
    assert reply["error"].startswith("a request must be an object")
    assert notebook.evaluate(STATE) == "running"


WRITES = [
    {"status": {"state": "done"}},
    {"settings": {"num_iter": 3}},
    {"optimizer": {}},
    {"applied": {"lr": 1}},
    {"error": {"type": "<b>"}},
    {"curve": "AAAA"},
    {"suggestions": [{"rule": "auto", "label": "x", "lr": 1, "index": 0, "why": ""}]},
    {"selection": None},
    {"selection": {}},
    {"selection": {"lr": NAN}},
    {"selection": {"lr": -1}},
    {"selection": {"lr": 0}},
    {"selection": {"lr": "1e-3"}},
    {"selection": {"lr": 1e-3, "rule": "auto"}},
    {"selection": {"rule": "no such rule"}},
    {"selection": {"rule": NESTED}},
    {"selection": [1e-3]},
    {"selection": {"lr": 10**400}},
    [],
    "selection",
    7,
]


def test_a_page_writes_nothing_but_a_selection(notebook, subshell):
    comm = show(notebook)
    before = notebook.evaluate(WHOLE)
    for state in WRITES:
        notebook.set_state(comm, state, subshell=subshell)
    replies = answers(notebook, comm, len(WRITES))
    assert {reply["id"] for reply in replies} == {None}
    assert notebook.evaluate(WHOLE) == before
    notebook.set_state(comm, {"selection": {"lr": 0.02}, "status": {}}, subshell=subshell)
    notebook.until_true("w.lr == 0.02")
    assert notebook.evaluate(WHOLE) == {**before, "selection": {"lr": 0.02}}


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"method": "update"},
        {"method": "update", "state": None, "buffer_paths": []},
        {"method": "update", "state": {"selection": {"lr": 1}}, "buffer_paths": 7},
        {"method": "custom"},
        {"method": "burn", "content": {}},
        {"method": ["update"]},
        {"method": "request_state", "more": 1},
        {"method": "request_states"},
    ],
)
def test_messages_outside_the_widget_protocol_change_nothing(notebook, data):
    comm = show(notebook)
    before = notebook.evaluate(WHOLE)
    notebook.send_raw(comm, data)
    assert notebook.evaluate(WHOLE) == before
    count = notebook.evaluate(COUNT)
    notebook.until_true(f"{COUNT} > {count}")


def test_a_flood_changes_nothing_and_the_sweep_goes_on(notebook, subshell):
    comm = show(notebook)
    before = notebook.evaluate(WHOLE)
    for number in range(10_000):
        bad = REQUESTS[number % len(REQUESTS)]
        notebook.send(comm, {"id": number, **bad}, subshell=subshell)
        if number % 20 == 0:
            notebook.pump()
    # Replies may be dropped on the way while so many come; this one comes after the flood.
    assert notebook.evaluate(STATE, subshell=subshell) == "running"
    assert not notebook.ask(comm, request("stop", run=99), subshell=subshell)["ok"]
    assert notebook.evaluate(WHOLE) == before
    count = notebook.evaluate(COUNT)
    notebook.until_true(f"{COUNT} > {count}")
    assert notebook.ask(comm, request("stop", run=1), subshell=subshell)["ok"]
    assert notebook.evaluate("restored()")


def test_a_flood_of_clicks_is_cut_short(notebook, subshell):
    comm = show(notebook)
    for _ in range(300):
        for verb in ("pause", "resume"):
            notebook.send(comm, request(verb, run=1), subshell=subshell)
        notebook.pump()
    assert notebook.ask(comm, request("stop", run=1), subshell=subshell)
    notebook.run("w.stop()")
    assert notebook.evaluate("restored()")
