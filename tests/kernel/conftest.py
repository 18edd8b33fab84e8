from collections.abc import Iterator

import pytest

from real_kernel import RealKernel, start_kernel
from swept import SETUP


@pytest.fixture
def kernel(tmp_path) -> Iterator[RealKernel]:
    """A kernel of the test's own."""
    with start_kernel(tmp_path) as kernel:
        yield kernel


@pytest.fixture(scope="session")
def _warm_kernel(tmp_path_factory) -> Iterator[RealKernel]:
    with start_kernel(tmp_path_factory.mktemp("kernel")) as kernel:
        kernel.run(SETUP)
        yield kernel


@pytest.fixture
def notebook(_warm_kernel) -> Iterator[RealKernel]:
    """A kernel with torch and something to sweep; the tests share it, one after the other."""
    yield _warm_kernel
    _warm_kernel.run("close_all()")
    assert _warm_kernel.evaluate("'model' not in globals() or (restored(), hooks()) == (True, 0)")
    _warm_kernel.forget()


@pytest.fixture(scope="session")
def subshell(_warm_kernel) -> str:
    """A second shell of that kernel, which answers while a cell is busy."""
    return _warm_kernel.new_subshell()
