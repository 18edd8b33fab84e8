"""On a host that behaves like Colab: background messages wait, binary buffers are lost."""

from cells import MODEL, RATE, STATE, sweep
from holding_host import HoldingHost


def test_the_curve_grows_and_apply_works_where_the_host_holds_messages_back(own_context, notebook):
    host = HoldingHost(own_context)
    tab = notebook([MODEL, sweep(400)], context=own_context)
    tab.run(0)
    tab.run(1)
    tab.wait_points(20)
    tab.wait_points(tab.points() + 20)
    assert tab.evaluate(STATE) == "running"
    assert tab.leftmost_point() < 0.02
    assert host.held > 0
    assert host.dropped_buffers > 0
    tab.rate_field.fill("3e-4")
    tab.rate_field.press("Enter")
    tab.until("w.lr == 3e-4")
    tab.button("Apply").click()
    tab.until(f"{RATE} == 3e-4")
    tab.button("Undo").wait_for()
