import pytest

from rank_processes import RankProcesses


@pytest.fixture(scope="session")
def ranks():
    """Processes that play the ranks; each scenario has a process group of its own."""
    with RankProcesses() as processes:
        yield processes
