def test_a_notebook_opens_runs_its_cells_and_answers(notebook):
    tab = notebook(["x = 6", "import time\nbusy = True\ntime.sleep(1)\nbusy = False", "print(x)"])
    tab.run(0)
    assert tab.evaluate("x * 7") == 42
    tab.run(1, wait=False)
    tab.until("globals().get('busy')")
    assert not tab.is_finished(1)
    tab.wait_cell(1)
    tab.run(2)
    assert tab.outputs(2)[0]["text"] == "6\n"


def test_what_leaves_the_machine_and_what_fails_in_the_page_is_noticed(notebook, watcher):
    tab = notebook(["x = 1"])
    tab.page.evaluate("fetch('http://example.org/').catch(() => null)")
    tab.page.evaluate("setTimeout(() => { throw new Error('on purpose'); })")
    tab.page.evaluate("console.error('said on purpose')")
    tab.run(0)
    noticed = "\n".join(watcher.complaints)
    watcher.complaints.clear()
    assert "left the machine: http://example.org/" in noticed
    assert "uncaught" in noticed
    assert "said on purpose" in noticed
