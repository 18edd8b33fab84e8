import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from lab import Lab, serve
from notebook_tab import Notebook, write_notebook
from watcher import Watcher

FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # Nothing but this machine can be reached; what tries is recorded and fails the test.
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
)
FAILED = pytest.StashKey[bool]()
SIZE = {"width": 1000, "height": 900}


def chromium() -> str | None:
    """The browser of the machine; None leaves it to Playwright's own."""
    names = (os.environ.get("CHROMIUM"), "chromium", "chromium-browser")
    return next((found for name in names if name and (found := shutil.which(name))), None)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=list(FLAGS))
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def lab(tmp_path_factory) -> Iterator[Lab]:
    with serve(tmp_path_factory.mktemp("lab")) as lab:
        yield lab


@pytest.fixture(scope="session")
def session_watcher() -> Watcher:
    return Watcher()


@pytest.fixture(autouse=True)
def watcher(session_watcher) -> Iterator[Watcher]:
    """Fails the test on errors in the page and on requests that leave the machine."""
    session_watcher.complaints.clear()
    yield session_watcher
    assert not session_watcher.complaints, "\n".join(session_watcher.complaints)


@pytest.fixture(scope="session")
def context(browser, session_watcher) -> Iterator[BrowserContext]:
    """One for all tests: JupyterLab's own files come from its cache."""
    context = browser.new_context(viewport=SIZE)
    session_watcher.watch(context)
    yield context
    context.close()


@pytest.fixture
def own_context(browser, session_watcher) -> Iterator[BrowserContext]:
    """One for tests that change what lies between page and server."""
    context = browser.new_context(viewport=SIZE)
    session_watcher.watch(context)
    yield context
    context.close()


class Desk:
    """The tab that most tests use, one after the other; a test that failed leaves it unusable."""

    def __init__(self, context: BrowserContext):
        self.context = context
        self._page: Page | None = None

    def take(self) -> Page:
        page, self._page = self._page, None
        return page or self.context.new_page()

    def put_back(self, page: Page) -> None:
        self._page = page


@pytest.fixture(scope="session")
def desk(context) -> Desk:
    return Desk(context)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    item.stash.setdefault(FAILED, False)
    item.stash[FAILED] |= report.failed
    return report


@pytest.fixture
def notebook(lab, desk, watcher, request) -> Iterator[Callable[..., Notebook]]:
    """Make a notebook from cell sources, or take an existing one, and open it.

    The first one opens in the tab that tests share, the others in tabs of their own.
    """
    tabs: list[Notebook] = []
    name = request.node.name.split("[")[0][5:50]

    def open_notebook(
        cells: list[str] | Path, *, kernel: bool = True, context: BrowserContext | None = None
    ) -> Notebook:
        path = cells
        if isinstance(cells, list):
            path = lab.root / f"{name}-{len(tabs)}.ipynb"
            write_notebook(path, cells)
        page = context.new_page() if context else desk.take()
        tab = Notebook(page, lab, path)
        tabs.append(tab)
        return tab.open(kernel=kernel)

    yield open_notebook
    reuse = not request.node.stash[FAILED] and bool(tabs) and tabs[0].page.context is desk.context
    for tab in tabs[1:] if reuse else tabs:
        tab.close()
    if reuse:
        tabs[0].leave()
        desk.put_back(tabs[0].page)
    lab.stop_kernels()


@pytest.fixture
def shots(tmp_path_factory) -> Path:
    """Where screenshots go: the folder that LRF_SHOTS names, or a temporary one."""
    named = os.environ.get("LRF_SHOTS")
    folder = Path(named) if named else tmp_path_factory.mktemp("shots")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def pytest_terminal_summary(terminalreporter) -> None:
    """Show what axe could not decide by itself."""
    for report in terminalreporter.getreports("passed") + terminalreporter.getreports("failed"):
        for name, value in report.user_properties:
            if name == "axe incomplete":
                terminalreporter.write_line(f"axe-core, for a person to decide: {value}")
