"""A real JupyterLab or Notebook 7 in a process of its own, away from the user's settings."""

import json
import os
import socket
import subprocess
import sys
import urllib.request
from contextlib import contextmanager
from pathlib import Path
from time import monotonic
from typing import NamedTuple

SETTINGS = {
    "@jupyterlab/apputils-extension/notification": {
        "fetchNews": "false",
        "checkForUpdates": False,
    },
    "@jupyterlab/docmanager-extension/plugin": {"autosave": False},
    # JupyterLab saves no widget state unless the user turns that on.
    "@jupyter-widgets/jupyterlab-manager/plugin": {"saveState": True},
}

# The debugger complains when a notebook is closed, and these tests take complaints seriously.
NOT_NEEDED = {"@jupyterlab/debugger-extension": True}

OPTIONS = {
    "IdentityProvider.token": "",
    "PasswordIdentityProvider.hashed_password": "",
    "ServerApp.disable_check_xsrf": True,
    "ServerApp.open_browser": False,
    "ServerApp.ip": "127.0.0.1",
    "ServerApp.port_retries": 0,
    "ServerApp.allow_root": True,
    "LabApp.extension_manager": "readonly",
}


class Application(NamedTuple):
    """What a server shows notebooks with, and where."""

    name: str
    module: str
    traits: str
    path: str


# A workspace of its own for each tab, so that no tab restores another's layout.
JUPYTERLAB = Application(
    "JupyterLab", "jupyterlab", "LabApp", "lab/workspaces/tab-{tab}/tree/{name}"
)
NOTEBOOK_7 = Application("Notebook 7", "notebook", "JupyterNotebookApp", "notebooks/{name}")


class Lab:
    """The running server: its address, its folder, and its REST interface."""

    def __init__(self, home: Path, port: int, application: Application):
        self.application = application
        self.home = home
        self.root = home / "notebooks"
        self.port = port
        self.url = f"http://127.0.0.1:{port}"

    def address(self, name: str, tab: int) -> str:
        """Where a tab finds a notebook."""
        return f"{self.url}/{self.application.path.format(name=name, tab=tab)}"

    def api(self, path: str, method: str = "GET"):
        request = urllib.request.Request(f"{self.url}/api/{path}", method=method)
        with urllib.request.urlopen(request, timeout=10) as answer:
            body = answer.read()
        return json.loads(body) if body else None

    def answers(self) -> bool:
        try:
            return bool(self.api("status"))
        except OSError:
            return False

    def stop_kernels(self) -> None:
        for session in self.api("sessions"):
            self.api(f"sessions/{session['id']}", "DELETE")


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def environment(home: Path) -> dict[str, str]:
    for name, settings in SETTINGS.items():
        path = home / "settings" / f"{name}.jupyterlab-settings"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(settings), encoding="utf-8")
    page = home / "config/labconfig/page_config.json"
    page.parent.mkdir(parents=True)
    page.write_text(json.dumps({"disabledExtensions": NOT_NEEDED}), encoding="utf-8")
    return {
        **os.environ,
        "HOME": str(home),
        "IPYTHONDIR": str(home / "ipython"),
        "JUPYTER_CONFIG_DIR": str(home / "config"),
        "JUPYTER_DATA_DIR": str(home / "data"),
        "JUPYTER_RUNTIME_DIR": str(home / "runtime"),
        "JUPYTERLAB_SETTINGS_DIR": str(home / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(home / "workspaces"),
        "JUPYTER_PLATFORM_DIRS": "0",
        "OMP_NUM_THREADS": "1",
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",
    }


@contextmanager
def serve(home: Path, application: Application = JUPYTERLAB):
    """Start the server, wait until it answers, and stop it with all its kernels."""
    lab = Lab(home, free_port(), application)
    lab.root.mkdir(parents=True)
    reachable = {f"{application.traits}.expose_app_in_browser": True}
    options = [f"--{name}={value}" for name, value in (OPTIONS | reachable).items()]
    place = [f"--ServerApp.port={lab.port}", f"--ServerApp.root_dir={lab.root}"]
    log = home / "server.log"
    with log.open("w") as out:
        server = subprocess.Popen(
            [sys.executable, "-m", application.module, *options, *place],
            env=environment(home),
            cwd=home,
            stdout=out,
            stderr=subprocess.STDOUT,
        )
        try:
            deadline = monotonic() + 60
            while not lab.answers():
                if server.poll() is not None or monotonic() > deadline:
                    message = f"{application.name} did not start:\n{log.read_text()}"
                    raise RuntimeError(message)
                # Not a wait for time: it returns early when the server gives up.
                _wait(server, 0.1)
            yield lab
            lab.stop_kernels()
        finally:
            server.terminate()
            _wait(server, 10)
            if server.poll() is None:
                server.kill()


def _wait(process: subprocess.Popen, seconds: float) -> None:
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        return
