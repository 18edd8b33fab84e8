"""A notebook in a browser tab: open it, run its cells, find the widget, ask the kernel."""

import json
from pathlib import Path
from time import monotonic

import nbformat
from playwright.sync_api import Locator, Page

from kernel_view import KernelView
from lab import Lab

PANEL = "window.jupyterapp.shell.currentWidget"
FRAME = "new Promise(resolve => requestAnimationFrame(() => resolve(true)))"
CLOSE_ALL = """() => {
    for (const panel of [...window.jupyterapp.shell.widgets('main')]) panel.dispose();
}"""
# A column holds the curve where a pixel is coloured: grid and background are grey.
LEFTMOST = """() => {
    const over = document.querySelector('.lrf-root .u-over').getBoundingClientRect();
    const canvas = document.querySelector('.lrf-root canvas');
    const place = canvas.getBoundingClientRect();
    const scale = canvas.width / place.width;
    const left = Math.round((over.left - place.left) * scale);
    const top = Math.round((over.top - place.top) * scale);
    const width = Math.round(over.width * scale);
    const height = Math.round(over.height * scale);
    const { data } = canvas.getContext('2d').getImageData(left, top, width, height);
    for (let x = 0; x < width; x += 1) {
        for (let y = 0; y < height; y += 1) {
            const i = 4 * (y * width + x);
            const colours = [data[i], data[i + 1], data[i + 2]];
            const spread = Math.max(...colours) - Math.min(...colours);
            if (data[i + 3] > 40 && spread > 40) return x / width;
        }
    }
    return 1;
}"""


def write_notebook(path: Path, cells: list[str]) -> None:
    # The source of the first cell is folded away, so that what the others show is in sight.
    hidden = {"metadata": {"jupyter": {"source_hidden": True}}}
    first, *others = cells
    notebook = nbformat.v4.new_notebook(
        cells=[
            nbformat.v4.new_code_cell(first, **hidden),
            *(nbformat.v4.new_code_cell(source) for source in others),
        ],
        metadata={
            "kernelspec": {
                "name": "python3",
                "display_name": "Python 3 (ipykernel)",
                "language": "python",
            }
        },
    )
    nbformat.write(notebook, path)


class Notebook:
    """One tab that shows one notebook."""

    def __init__(self, page: Page, lab: Lab, path: Path):
        self.page = page
        self.lab = lab
        self.path = path
        self._kernel: KernelView | None = None

    def open(self, *, kernel: bool = True) -> "Notebook":
        """Open the notebook, in the JupyterLab that the page has or in a new one."""
        name = str(self.path.relative_to(self.lab.root))
        if self.page.url == "about:blank":
            self.page.goto(self.lab.address(name, id(self.page)))
        else:
            self.command("docmanager:open", path=name)
        return self.ready(kernel=kernel)

    def reload(self) -> "Notebook":
        self.page.reload()
        return self.ready()

    def ready(self, *, kernel: bool = True) -> "Notebook":
        self.page.wait_for_function(
            f"""path => window.jupyterapp
                && {PANEL}?.context?.path === path
                && {PANEL}.context.isReady
                && {PANEL}.content.widgets.length > 0""",
            arg=str(self.path.relative_to(self.lab.root)),
            timeout=60_000,
        )
        if kernel:
            self.page.wait_for_function(
                f"{PANEL}.sessionContext.session?.kernel?.status === 'idle'"
                f" || {PANEL}.sessionContext.session?.kernel?.status === 'busy'",
                timeout=60_000,
            )
        self.page.evaluate(
            "window.jupyterapp.shell.leftCollapsed || window.jupyterapp.shell.collapseLeft()"
        )
        return self

    def cell_count(self) -> int:
        return self.page.evaluate(f"{PANEL}.content.widgets.length")

    def active_cell(self) -> int:
        return self.page.evaluate(f"{PANEL}.content.activeCellIndex")

    # Cells

    def run(self, index: int, *, wait: bool = True) -> None:
        """Run a cell; with wait, until the kernel has answered."""
        self.page.evaluate(
            f"""index => {{
                const panel = {PANEL};
                panel.content.activeCellIndex = index;
                window.finished = window.finished || {{}};
                window.finished[index] = false;
                window.jupyterapp.commands.execute('notebook:run-cell')
                    .then(() => {{ window.finished[index] = true; }});
            }}""",
            index,
        )
        if wait:
            self.wait_cell(index)

    def wait_cell(self, index: int, seconds: float = 60) -> None:
        self.page.wait_for_function(
            "index => window.finished[index]", arg=index, timeout=seconds * 1000
        )
        error = self.page.evaluate(
            f"""index => {PANEL}.content.widgets[index].model.toJSON().outputs
                .filter(output => output.output_type === 'error')
                .map(output => `${{output.ename}}: ${{output.evalue}}`).join()""",
            index,
        )
        assert not error, f"cell {index} failed: {error}"

    def is_finished(self, index: int) -> bool:
        return self.page.evaluate("index => window.finished[index]", index)

    def edit(self, index: int, source: str) -> None:
        self.page.evaluate(
            f"""([index, source]) =>
                {PANEL}.content.widgets[index].model.sharedModel.setSource(source)""",
            [index, source],
        )

    def outputs(self, index: int) -> list[dict]:
        return self.page.evaluate(
            f"index => {PANEL}.content.widgets[index].model.toJSON().outputs", index
        )

    def command(self, name: str, **arguments) -> None:
        run = "([name, args]) => window.jupyterapp.commands.execute(name, args).then(() => null)"
        self.page.evaluate(run, [name, arguments])

    def save(self) -> dict:
        """Save as the user does, and return what is on disk."""
        self.command("docmanager:save")
        return json.loads(self.path.read_text(encoding="utf-8"))

    # The kernel

    def evaluate(self, expression: str):
        if self._kernel is None:
            kernel = self.page.evaluate(f"{PANEL}.sessionContext.session.kernel.id")
            address = f"ws://127.0.0.1:{self.lab.port}/api/kernels/{kernel}/channels"
            self._kernel = KernelView(address)
        return self._kernel.evaluate(expression)

    def until(self, expression: str, seconds: float = 30) -> None:
        """Wait until an expression is true in the kernel."""
        deadline = monotonic() + seconds
        while not self.evaluate(f"bool({expression})"):
            assert monotonic() < deadline, f"not within {seconds} s: {expression}"
            self.page.evaluate(FRAME)

    # The widget

    @property
    def root(self) -> Locator:
        return self.page.locator(".lrf-root").first

    @property
    def slider(self) -> Locator:
        return self.root.get_by_role("slider", name="Learning rate")

    def button(self, name: str) -> Locator:
        return self.root.get_by_role("button", name=name, exact=True)

    @property
    def rate_field(self) -> Locator:
        return self.root.get_by_role("textbox", name="Learning rate")

    def points(self) -> int:
        """How many points the page has, by its progress bar."""
        value = self.root.get_by_role("progressbar").get_attribute("aria-valuenow")
        return int(float(value or 0))

    def wait_points(self, count: int, seconds: float = 30) -> None:
        self.root.wait_for()
        deadline = monotonic() + seconds
        while self.points() < count:
            assert monotonic() < deadline, f"{self.points()} points, not {count}"
            self.page.evaluate(FRAME)

    def settled(self) -> None:
        """Wait until the picture is in the output, which re-creates the view."""
        self.until("w.status['picture'] == w.status['run']")
        self.page.evaluate(FRAME)
        self.slider.wait_for()

    def shown_rate(self) -> float:
        """The learning rate that the marker reads out."""
        return float(self.slider.get_attribute("aria-valuetext").split(",")[0])

    def wait_rate(self, lr: float) -> None:
        """Wait until the marker reads out a learning rate."""
        self.page.wait_for_function(
            """lr => Math.abs(parseFloat(document.querySelector('.lrf-root [role=slider]')
                .getAttribute('aria-valuetext')) / lr - 1) < 0.06""",
            arg=lr,
        )

    def leftmost_point(self) -> float:
        """Where the drawn curve begins: 0 at the left edge of the plotting area, 1 at the right.

        Taken from the pixels themselves: the strongest colour of each column, grid lines aside.
        """
        return self.page.evaluate(LEFTMOST)

    def chart_box(self) -> dict:
        """Where the plotting area is on the page, in pixels."""
        return self.root.locator(".lrf-canvas .u-over").bounding_box()

    def close(self) -> None:
        """Close the tab; its kernel goes on."""
        self.leave()
        self.page.close()

    def leave(self) -> None:
        """Close the notebook without saving; JupyterLab stays open in the tab."""
        if self._kernel is not None:
            self._kernel.close()
        self.page.evaluate(CLOSE_ALL)
