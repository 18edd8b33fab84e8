"""A sweep that runs, is watched, and is stopped."""

from cells import LONG, MODEL, SPIN, STATE, STEP, STOP_SPINNING, UNTOUCHED

ANSWER = 0.25  # seconds a control may take, on top of the step in flight


def started(notebook):
    tab = notebook([MODEL, LONG, SPIN])
    tab.run(0)
    tab.run(1)
    tab.wait_points(5)
    return tab


def seconds_to_stop(tab) -> float:
    """From the click, as the page's clock has it, to the state, as the kernel's clock has it."""
    tab.page.evaluate(
        "addEventListener('click', () => { window.clicked = Date.now(); },"
        " { capture: true, once: true })"
    )
    tab.button("Stop").click()
    tab.until(f"{STATE} == 'stopped'")
    stopped = tab.evaluate("next(when for when, state in heard if state == 'stopped')")
    return stopped - tab.page.evaluate("window.clicked") / 1000


def test_points_grow_on_the_page_after_the_cell_has_returned(notebook):
    tab = started(notebook)
    assert tab.is_finished(1)
    seen = tab.points()
    tab.wait_points(seen + 20)
    assert tab.evaluate(STATE) == "running"


def test_pause_holds_the_sweep_and_resume_goes_on(notebook):
    tab = started(notebook)
    tab.button("Pause").click()
    tab.until(f"{STATE} == 'paused'")
    tab.button("Resume").click()
    tab.wait_points(tab.points() + 10)


def test_stop_answers_within_a_quarter_of_a_second_and_a_step(notebook):
    tab = started(notebook)
    # The page has greeted twice by then, so that a subshell carries its messages.
    tab.wait_points(100)
    assert seconds_to_stop(tab) < ANSWER + STEP
    assert tab.evaluate(UNTOUCHED)
    tab.button("Run again").wait_for()


def test_stop_and_the_points_do_not_wait_for_a_cell_that_spins(notebook):
    tab = started(notebook)
    tab.wait_points(100)
    tab.run(2, wait=False)
    tab.until("'spinning' in globals() and spinning")
    tab.wait_points(tab.points() + 20)
    # A spinning cell makes a step take longer; the slowest one seen bounds the one in flight.
    assert seconds_to_stop(tab) < ANSWER + 5 * STEP
    assert not tab.is_finished(2)
    assert tab.evaluate(UNTOUCHED)
    tab.evaluate(STOP_SPINNING)
    tab.wait_cell(2)


def test_the_marker_reaches_python_while_another_cell_spins(notebook):
    tab = started(notebook)
    tab.wait_points(100)
    tab.run(2, wait=False)
    tab.until("'spinning' in globals() and spinning")
    tab.slider.press("Home")
    tab.until("w.lr == w.settings['start_lr']")
    assert not tab.is_finished(2)
    tab.evaluate(STOP_SPINNING)
    tab.wait_cell(2)


def test_an_error_in_the_model_is_shown_in_the_widget(notebook):
    broken = (
        "model, opt, loader = fresh(0)\n"
        "model[0].forward = lambda inputs: inputs.no_such_thing\n"
        "w = LRFinderWidget(model, opt, loader).show()"
    )
    tab = notebook([MODEL, broken])
    tab.run(0)
    tab.run(1)
    tab.root.get_by_text("no_such_thing").first.wait_for()
    assert tab.evaluate(STATE) == "failed"


def test_no_exception_text_becomes_html(notebook):
    broken = (
        "model, opt, loader = fresh(0)\n"
        "def forward(inputs):\n"
        "    raise ValueError('<img src=x onerror=\"window.injected = 1\">')\n"
        "model[0].forward = forward\n"
        "w = LRFinderWidget(model, opt, loader).show()"
    )
    tab = notebook([MODEL, broken])
    tab.run(0)
    tab.run(1)
    tab.root.get_by_text("<img src=x").first.wait_for()
    assert tab.root.locator("img").count() == 0
    assert tab.page.evaluate("window.injected") is None
