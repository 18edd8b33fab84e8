import os
import signal
from pathlib import Path

import pytest

# Set before NumPy and torch are imported: the tests share their machine.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# Read once, when keras is imported for the first time.
os.environ["KERAS_BACKEND"] = "torch"

# A shell starts what runs in the background with interrupts ignored, and Python leaves it at that.
# The tests, and the processes that they start, hear them wherever they are run.
signal.signal(signal.SIGINT, signal.default_int_handler)

BROWSER = Path(__file__).parent / "browser"


WITHOUT_CUDA = pytest.StashKey[int]()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]):
    _deselect_without_cuda(config, items)
    # Playwright's synchronous interface keeps an event loop running in the main thread, in which
    # no other test may start one: browser tests come last, whatever order the command line has.
    items.sort(key=lambda item: BROWSER in item.path.parents)


def _deselect_without_cuda(config: pytest.Config, items: list[pytest.Item]):
    needing = [item for item in items if item.get_closest_marker("needs_cuda")]
    if not needing:
        return
    import torch

    if torch.cuda.is_available():
        return
    config.stash[WITHOUT_CUDA] = len(needing)
    if hasattr(config, "workeroutput"):  # a worker of pytest-xdist, whose controller tells
        config.workeroutput["without_cuda"] = len(needing)
    config.hook.pytest_deselected(items=needing)
    items[:] = [item for item in items if item not in needing]


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node):
    count = getattr(node, "workeroutput", {}).get("without_cuda", 0)
    if count:  # each worker collects all
        node.config.stash[WITHOUT_CUDA] = count


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config):
    count = config.stash.get(WITHOUT_CUDA, 0)
    if count:
        terminalreporter.write_line(
            f"{count} tests need a CUDA device and were not run: there is none here.", yellow=True
        )


@pytest.fixture(autouse=True, scope="session")
def _one_torch_thread():
    import torch

    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _interrupts_are_heard_as_before():
    before = signal.getsignal(signal.SIGINT)
    yield
    assert signal.getsignal(signal.SIGINT) is before, "a handler of this test was left in place"
