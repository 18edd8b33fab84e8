import sys

import pytest

from lrfinder_widget.command.run_folder import RunFolder
from toy import CONFIG, MODULE

DRAW = RunFolder._draw


@pytest.fixture
def toy(tmp_path, monkeypatch):
    """A folder with a config and its module, which is the working folder meanwhile."""
    (tmp_path / "toy.yaml").write_text(CONFIG)
    (tmp_path / "toy_training.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    before = {*sys.modules}
    yield tmp_path
    for name in {"toy_training", "training", "broken"} - before:
        sys.modules.pop(name, None)


@pytest.fixture
def no_pictures(monkeypatch):
    """Pictures take longer than all the rest; few tests look at them."""
    monkeypatch.setattr(RunFolder, "_draw", lambda folder, result: None)


@pytest.fixture
def with_pictures(no_pictures, monkeypatch):
    """Pictures all the same."""
    monkeypatch.setattr(RunFolder, "_draw", DRAW)
