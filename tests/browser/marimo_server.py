"""A real marimo in a process of its own, away from the user's settings and files."""

import os
import subprocess
import sys
import urllib.request
from contextlib import contextmanager, suppress
from pathlib import Path
from textwrap import indent
from time import monotonic

from lab import free_port

# Cells run when the page is opened, as they do in `marimo run`.
SETTINGS = "[runtime]\nauto_instantiate = true\n"
OPTIONS = ("--headless", "--no-token", "--no-sandbox", "--skip-update-check")


def write_notebook(path: Path, cells: list[str]) -> None:
    functions = [f"@app.cell\ndef _():\n{indent(source.strip(), '    ')}\n" for source in cells]
    path.write_text("\n\n".join(["import marimo\n\napp = marimo.App()", *functions]))


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/health", timeout=10):
            return True
    except OSError:
        return False


@contextmanager
def serve(home: Path, cells: list[str]):
    """Start marimo with a notebook, wait until it answers with its address, and stop it."""
    settings = home / "config/marimo/marimo.toml"
    settings.parent.mkdir(parents=True)
    settings.write_text(SETTINGS)
    write_notebook(home / "notebook.py", cells)
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    log = home / "server.log"
    with log.open("w") as out:
        server = subprocess.Popen(
            [sys.executable, "-m", "marimo", "edit", "notebook.py", *OPTIONS, f"--port={port}"],
            env={**os.environ, "HOME": str(home), "XDG_CONFIG_HOME": str(home / "config")},
            cwd=home,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
        )
        try:
            deadline = monotonic() + 60
            while not answers(url):
                if server.poll() is not None or monotonic() > deadline:
                    message = f"marimo did not start:\n{log.read_text()}"
                    raise RuntimeError(message)
                # Not a wait for time: it returns early when the server gives up.
                with suppress(subprocess.TimeoutExpired):
                    server.wait(0.1)
            yield url
        finally:
            server.terminate()
            with suppress(subprocess.TimeoutExpired):
                server.wait(10)
            if server.poll() is None:
                server.kill()
