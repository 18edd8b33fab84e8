"""The ground the kernel tests stand on."""

import pytest

from real_kernel import CellError


def test_a_kernel_runs_cells_keeps_outputs_and_raises_errors(kernel):
    kernel.run("x = 6")
    assert kernel.evaluate("x * 7") == 42
    (printed,) = [m for m in kernel.run("print(x)") if m["msg_type"] == "stream"]
    assert printed["content"]["text"] == "6\n"
    with pytest.raises(CellError, match="ZeroDivisionError"):
        kernel.run("1 / 0")


def test_a_subshell_answers_while_a_cell_is_busy(kernel):
    subshell = kernel.new_subshell()
    cell = kernel.start("import threading\nend = threading.Event()\nend.wait()")
    kernel.until(lambda: kernel.evaluate("'end' in globals()", subshell=subshell), "a busy cell")
    assert not kernel.is_finished(cell)
    kernel.evaluate("end.set()", subshell=subshell)
    kernel.finish(cell)


def test_an_interrupt_reaches_a_busy_cell(kernel):
    subshell = kernel.new_subshell()
    cell = kernel.start("started = True\nwhile True:\n    pass")
    kernel.until(
        lambda: kernel.evaluate("'started' in globals()", subshell=subshell), "a busy cell"
    )
    kernel.interrupt()
    with pytest.raises(CellError, match="KeyboardInterrupt"):
        kernel.finish(cell)


def test_the_page_side_of_a_widget_writes_traits_and_sends_messages(kernel):
    kernel.run(
        "import ipywidgets\nheard = []\nw = ipywidgets.IntSlider()\n"
        "w.on_msg(lambda _, content, buffers: (heard.append(content),"
        " w.send({'kind': 'reply', 'id': content['id']})))"
    )
    comm = kernel.comm_of("w")
    kernel.set_state(comm, {"value": 7})
    kernel.until_true("w.value == 7")
    assert kernel.ask(comm, {"kind": "hello", "id": 3}) == {"kind": "reply", "id": 3}
