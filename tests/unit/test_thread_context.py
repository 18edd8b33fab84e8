"""What torch keeps for each thread goes along to the sweep's."""

from concurrent.futures import ThreadPoolExecutor

import torch

from lrfinder_widget.thread_context import ThreadContext


def seen_in_another_thread(context):
    def look():
        with context:
            inside = (
                torch.is_autocast_enabled("cpu"),
                torch.get_autocast_dtype("cpu"),
                torch.is_autocast_cache_enabled(),
                torch.get_default_device(),
            )
        return inside, torch.is_autocast_enabled("cpu"), torch.get_default_device()

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(look).result()


def test_autocast_with_its_type_and_cache_is_taken_over_and_left():
    with torch.autocast("cpu", dtype=torch.float16, cache_enabled=False):
        context = ThreadContext.current()
    inside, enabled_after, _ = seen_in_another_thread(context)
    assert inside[:3] == (True, torch.float16, False)
    assert not enabled_after


def test_the_default_device_is_taken_over_and_left():
    with torch.device("meta"):
        context = ThreadContext.current()
    inside, _, device_after = seen_in_another_thread(context)
    assert inside[3] == torch.device("meta")
    assert device_after == torch.device("cpu")


def test_where_nothing_is_set_nothing_is_entered():
    inside, _, _ = seen_in_another_thread(ThreadContext.current())
    assert (inside[0], inside[3]) == (False, torch.device("cpu"))


def test_a_context_can_be_entered_again():
    with torch.autocast("cpu", dtype=torch.bfloat16):
        context = ThreadContext.current()
    for _ in range(2):
        assert seen_in_another_thread(context)[0][0]
