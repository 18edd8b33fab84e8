"""Processes that play the ranks of a process group, each running the same scenario."""

import json
import os
import selectors
import socket
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).parent
SIZE = 2
# Far beyond what any scenario takes, and within what a test may take.
PATIENCE_SECONDS = 100


class RankProcesses:
    """Runs scenarios (functions in `scenarios_of_….py`) on all ranks at once."""

    def __init__(self):
        self._processes = [None] * SIZE

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in self._processes:
            _end(process)

    def _restart_the_dead(self):
        for rank, process in enumerate(self._processes):
            if process is None or process.poll() is not None:
                _end(process)
                self._processes[rank] = _start()

    def run(self, scenario, *arguments, **options):
        """Return each rank's answer: what the scenario returned or raised; None if it was killed.

        An answer has ``value`` or ``error`` (with ``message``), and ``seconds``.
        """
        self._restart_the_dead()
        order = {"scenario": scenario, "arguments": arguments, "options": options, "size": SIZE}
        port = free_port()
        for rank, process in enumerate(self._processes):
            line = json.dumps({**order, "rank": rank, "port": port}) + "\n"
            process.stdin.write(line.encode())
            process.stdin.flush()
        return self._answers()

    def _answers(self):
        answers = {}
        deadline = time.monotonic() + PATIENCE_SECONDS
        with selectors.DefaultSelector() as selector:
            for rank, process in enumerate(self._processes):
                selector.register(process.stdout, selectors.EVENT_READ, rank)
            while len(answers) < SIZE:
                ready = selector.select(deadline - time.monotonic())
                assert ready, f"only rank {sorted(answers)} answered within {PATIENCE_SECONDS} s"
                for key, _ in ready:
                    line = key.fileobj.readline()
                    answers[key.data] = json.loads(line) if line else None
                    selector.unregister(key.fileobj)
        return [answers[rank] for rank in range(SIZE)]

    def values(self, scenario, *arguments, **options):
        """Return what the scenario returned on each rank."""
        answers = self.run(scenario, *arguments, **options)
        for answer in answers:
            assert "error" not in answer, answer
        return [answer["value"] for answer in answers]


def _start():
    return subprocess.Popen(
        [sys.executable, str(HERE / "rank_main.py")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


def _end(process):
    if process is not None:
        process.kill()
        process.wait()
        process.stdin.close()
        process.stdout.close()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
