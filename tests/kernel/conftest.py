from collections.abc import Iterator

import pytest

from real_kernel import RealKernel, start_kernel


@pytest.fixture
def kernel(tmp_path) -> Iterator[RealKernel]:
    """A kernel of the test's own."""
    with start_kernel(tmp_path) as kernel:
        yield kernel
