"""Ask every peer for its suggestions, and keep what they say.

Fill the cache with ``.venv/bin/python -m benchmarks.regret.peers.run``. A sweep whose task, runner
and pins have not changed is read, not run.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from benchmarks.regret.peers import environments
from benchmarks.regret.peers.record import Record, records
from benchmarks.regret.peers.sweeps import identity
from benchmarks.regret.tasks import PAIRS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from benchmarks.regret.tasks import Pair

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
CACHE = HERE.parents[1] / "results/regret/peers"
SEEDS = (0, 1, 2, 3)
RUNNERS = {
    "torch-lr-finder": "torch_lr_finder_peer",
    "fastai": "fastai_peer",
    "lightning": "lightning_peer",
    "ignite": "ignite_peer",
}


def suggestions(pairs: Sequence[Pair] = PAIRS, seeds: Sequence[int] = SEEDS) -> list[Record]:
    """Return what every peer says about every pair from every seed."""
    return [record for peer in RUNNERS for record in suggestions_of(peer, pairs, seeds)]


def suggestions_of(peer: str, pairs: Sequence[Pair], seeds: Sequence[int]) -> list[Record]:
    """Return what a peer says; only what is not in the cache is swept."""
    identities = {pair.name: identity(pair) for pair in pairs}
    files = {name: cache_file(peer, identified) for name, identified in identities.items()}
    held = {file: read(file) for file in files.values()}
    # Pairs that differ in nothing but the schedule have one file, and are swept once.
    swept = {file: name for name, file in files.items()}
    missing = [
        (name, seed, identities[name])
        for file, name in swept.items()
        for seed in seeds
        if seed not in {record.seed for record in held[file]}
    ]
    try:
        for record in run(peer, missing):
            held[files[record.pair]].append(record)
    finally:  # what was swept before a runner failed is kept
        for file in {files[name] for name, *_ in missing}:
            write(file, held[file])
    return [
        replace(record, pair=name)
        for name, file in files.items()
        for record in held[file]
        if record.seed in seeds
    ]


def cache_file(peer: str, identified: str) -> Path:
    """Name the file by the content of all that decides a sweep."""
    sources = [HERE / f"{name}.py" for name in (RUNNERS[peer], "sweeps", "record")]
    parts = [identified, environments.pins(peer)]
    parts += [source.read_text(encoding="utf-8") for source in sources]
    return CACHE / f"{hashlib.sha256(''.join(parts).encode()).hexdigest()[:16]}.json"


def read(file: Path) -> list[Record]:
    """Read the records of a peer and a pair, if there are any."""
    return records(file.read_text(encoding="utf-8")) if file.exists() else []


def write(file: Path, held: Sequence[Record]) -> None:
    """Write them, whole or not at all."""
    file.parent.mkdir(parents=True, exist_ok=True)
    unfinished = file.with_suffix(".unfinished")
    unfinished.write_text("".join(record.line() for record in held), encoding="utf-8")
    unfinished.replace(file)


def run(peer: str, sweeps: Sequence[tuple[str, int, str]]) -> Iterator[Record]:
    """Sweep pairs, by name, seed and identity, in one process of the peer's environment."""
    if not sweeps:
        return
    python = environments.python(peer)
    print(f"{peer}: {len(sweeps)} sweeps", file=sys.stderr)
    with tempfile.TemporaryDirectory() as folder:
        results = Path(folder) / "records.jsonl"
        done = subprocess.run(
            [str(python), "-m", f"{__package__}.{RUNNERS[peer]}", str(results)],
            cwd=ROOT,
            env={**os.environ, "MPLBACKEND": "Agg"},  # torch-lr-finder suggests while it plots
            input=json.dumps(sweeps),
            capture_output=True,
            text=True,
            check=False,
        )
        yield from read(results)
    if done.returncode != 0:
        raise RuntimeError(f"the runner of {peer} failed:\n{done.stderr[-4000:]}")


def main() -> None:
    """Fill the cache, and say how many suggestions there are."""
    began = time.perf_counter()
    by_peer: dict[str, list[Record]] = defaultdict(list)
    for record in suggestions():
        by_peer[record.peer].append(record)
    for peer, found in by_peer.items():
        none = [record for record in found if record.suggestion is None]
        seconds = median(record.seconds for record in found)
        print(f"{peer}: {len(found)} records, {len(none)} without a suggestion, {seconds:.2f} s")
        for record in none:
            print(f"  {record.pair}, seed {record.seed}: {record.reason}")
    print(f"{time.perf_counter() - began:.0f} s in all, kept in {CACHE}")


if __name__ == "__main__":
    main()
