import os
from collections.abc import Sequence
from pathlib import Path

import pytest

# Set before NumPy and torch are imported: the tests share their machine.
os.environ.setdefault("OMP_NUM_THREADS", "1")

BROWSER = Path(__file__).parent / "browser"


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: Sequence[pytest.Item]):
    # Playwright's synchronous interface keeps an event loop running in the main thread, in which
    # no other test may start one: browser tests come last, whatever order the command line has.
    items.sort(key=lambda item: BROWSER in item.path.parents)


@pytest.fixture(autouse=True, scope="session")
def _one_torch_thread():
    import torch

    torch.set_num_threads(1)
