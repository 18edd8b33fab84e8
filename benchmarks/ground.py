"""Real parts to measure on, shared with the tests: a kernel, and a JupyterLab in Chromium."""

from __future__ import annotations

import os
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).parent
TESTS = HERE.parent / "tests"


def one_torch_thread() -> None:
    """Give this process's children one thread: more would measure the machine's other work."""
    os.environ["OMP_NUM_THREADS"] = "1"


@contextmanager
def kernel() -> Iterator[Any]:
    """Start a kernel that can import what stands beside this file."""
    sys.path.append(str(TESTS / "kernel"))
    from real_kernel import start_kernel

    with tempfile.TemporaryDirectory() as folder, start_kernel(folder) as started:
        started.run(f"import sys; sys.path.insert(0, {str(HERE)!r})")
        yield started


class Laboratory:
    """A JupyterLab in a browser tab; notebooks open in it one after the other."""

    def __init__(self, lab: Any, browser: Any, page: Any) -> None:
        self.browser = browser
        self.page = page
        self._lab = lab
        self._count = 0

    @contextmanager
    def notebook(self, cells: list[str]) -> Iterator[Any]:
        """Open a notebook of these cells, and close it with its kernel."""
        from notebook_tab import Notebook, write_notebook

        self._count += 1
        path = self._lab.root / f"benchmark-{self._count}.ipynb"
        write_notebook(path, cells)
        tab = Notebook(self.page, self._lab, path).open()
        yield tab
        tab.leave()
        self._lab.stop_kernels()


@contextmanager
def laboratory() -> Iterator[Laboratory]:
    """Start JupyterLab and Chromium, as the browser tests do."""
    sys.path.append(str(TESTS / "browser"))
    from playwright.sync_api import sync_playwright

    from conftest import FLAGS, SIZE, chromium
    from lab import serve

    with (
        tempfile.TemporaryDirectory() as folder,
        serve(Path(folder)) as lab,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=chromium(), args=list(FLAGS))
        try:
            page = browser.new_page(viewport=SIZE)
            page.set_default_timeout(120_000)
            yield Laboratory(lab, browser, page)
        finally:
            browser.close()
