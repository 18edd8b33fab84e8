"""What a user installs: built from a clean tree, unpacked, and installed without Node."""

import os
import shutil
import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
STATIC = "lrfinder_widget/widget/static"
BUNDLE = {f"{STATIC}/widget.js", f"{STATIC}/widget.css"}

pytestmark = pytest.mark.packaging


def source_files() -> list[str]:
    """What belongs to the source: tracked files, and new ones that git does not ignore."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    if not (ROOT / ".git").exists():  # inside an unpacked sdist everything is source
        return [str(path.relative_to(ROOT)) for path in ROOT.rglob("*") if path.is_file()]
    answer = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return answer.stdout.splitlines()


@pytest.fixture(scope="module")
def clean_tree(tmp_path_factory) -> Path:
    """Only source, no bundle; Node's modules come along, so that npm downloads nothing."""
    tree = tmp_path_factory.mktemp("clean")
    for name in source_files():
        if (ROOT / name).is_file():
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, tree / name)
    assert not (tree / STATIC).exists()
    shutil.copytree(ROOT / "js/node_modules", tree / "js/node_modules", symlinks=True)
    return tree


@pytest.fixture(scope="module")
def distributions(clean_tree, tmp_path_factory) -> dict[str, Path]:
    """The sdist, built with npm, and the wheel, built from that sdist without npm."""
    out = tmp_path_factory.mktemp("dist")
    build = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(out)]
    subprocess.run([*build, "--sdist", str(clean_tree)], check=True)
    (sdist,) = out.glob("*.tar.gz")
    unpacked = tmp_path_factory.mktemp("unpacked")
    with tarfile.open(sdist) as archive:
        archive.extractall(unpacked, filter="data")
    (tree,) = unpacked.iterdir()
    subprocess.run([*build, "--wheel", str(tree)], check=True, env=without_npm())
    (wheel,) = out.glob("*.whl")
    return {"sdist": sdist, "wheel": wheel}


def without_npm() -> dict[str, str]:
    return {**os.environ, "PATH": os.devnull}


@pytest.fixture(scope="module")
def in_sdist(distributions) -> set[str]:
    with tarfile.open(distributions["sdist"]) as archive:
        return {name.split("/", 1)[1] for name in archive.getnames() if "/" in name}


@pytest.fixture(scope="module")
def in_wheel(distributions) -> set[str]:
    with zipfile.ZipFile(distributions["wheel"]) as archive:
        return set(archive.namelist())


def test_the_sdist_holds_the_bundle_and_everything_to_build_it_again(in_sdist):
    tracked = {name for name in source_files() if name.startswith(("js/", "lrfinder_widget/"))}
    assert tracked <= in_sdist
    assert in_sdist >= BUNDLE
    assert {"pyproject.toml", "README.md", "LICENSE", "Makefile", "constraints.txt"} <= in_sdist


def test_the_sdist_holds_nothing_that_was_installed(in_sdist):
    assert not [name for name in in_sdist if "node_modules" in name or ".venv" in name]


def test_the_wheel_holds_the_package_with_its_bundle_and_types(in_wheel):
    package = {name for name in source_files() if name.startswith("lrfinder_widget/")}
    assert package <= in_wheel
    assert in_wheel >= BUNDLE
    assert "lrfinder_widget/py.typed" in in_wheel


def test_the_wheel_holds_nothing_but_the_package(in_wheel):
    tops = {name.split("/")[0] for name in in_wheel}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"lrfinder_widget"}
    assert not [name for name in in_wheel if name.endswith((".ts", ".tsx", ".map"))]


def test_the_sdist_installs_without_npm_and_finds_its_bundle(distributions, tmp_path):
    venv.create(tmp_path / "fresh", symlinks=True)
    python = tmp_path / "fresh" / "bin" / "python"
    install = [sys.executable, "-m", "pip", "install", "--no-deps", "--no-build-isolation"]
    place = ["--ignore-installed", "--prefix", str(tmp_path / "fresh")]
    subprocess.run([*install, *place, str(distributions["sdist"])], check=True, env=without_npm())
    code = (
        "from importlib.util import find_spec; from pathlib import Path;"
        "home = Path(find_spec('lrfinder_widget').origin).parent;"
        "print(home); print((home / 'widget/static/widget.js').stat().st_size)"
    )
    answer = subprocess.run(
        [python, "-I", "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    home, size = answer.stdout.split()
    assert home.startswith(str(tmp_path))
    assert int(size) > 10_000
