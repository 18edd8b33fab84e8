import pytest
import torch

pytest.register_assert_rewrite("evidence", "endings")


@pytest.fixture
def one_torch_thread():
    # For small models a second thread only waits, and on a busy machine for long.
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
