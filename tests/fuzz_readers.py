"""Changes real JSON lines and EVTX files at random, and compares what the fast and the slow readers make of them.

Run by `make fuzz SECONDS=...`, and for some seconds by a test. Prints how to repeat what fails: the seed of one round.
"""

from __future__ import annotations

import argparse
import io
import sys
import time
import zipfile
from collections.abc import Callable
from functools import partial
from itertools import count
from random import Random

from evtx import PyEvtxParser

from evtx_compare import FastReading, all_fields
from evtx_compare import read_slowly as read_evtx_slowly
from evtx_damage import damaged
from json_compare import FastJson, blocks, mutated, read_slowly
from shared_data import DATA

_LINES = 400
_FIRST = b'{"Channel":"Security","EventID":1}\n'
Round = Callable[[Random], int]


def json_lines() -> list[bytes]:
    """Return some lines of each real data set: flat ones, and nested ones as the EVTX library writes them."""
    found = []
    for path in sorted((DATA / "otrf").glob("*.zip")):
        with zipfile.ZipFile(path) as archive:
            for name in archive.namelist():
                lines = archive.read(name).splitlines() if name.endswith(".json") else []
                found += lines[:: max(1, len(lines) // 40)]
    for path in sorted((DATA / "evtx-attack-samples").rglob("*.evtx"))[::20]:
        parser = PyEvtxParser(io.BytesIO(path.read_bytes()))
        found += [record["data"].replace("\n", " ").encode() for record in list(parser.records_json())[:20]]
    return found


def json_round(lines: list[bytes], readers: list[FastJson], random: Random) -> int:
    """Compare the readers on a few lines, some of them changed; return how many events were read fast."""
    some = [random.choice(lines) for _ in range(random.randrange(1, 12))]
    at = random.randrange(len(some))
    some[at] = mutated(some[at], random)
    data = blocks(some)
    if random.random() < 0.3:
        data = mutated(data, random)
    if random.random() < 0.7:
        data = _FIRST + data
    wanted = read_slowly(data)
    found = random.choice(readers).read(data)
    assert found.events == wanted.events
    assert found.losses == wanted.losses
    return found.fast


def evtx_round(files: list[bytes], reader: FastReading, random: Random) -> int:
    """Compare the readers on a damaged file; return how many events were read fast."""
    data = damaged(random, random.choice(files))
    reader.blocks.block.clear()
    found, wanted = reader.read(data), read_evtx_slowly(data, reader.fields)
    assert found.events == wanted.events
    assert found.losses == wanted.losses
    return found.fast


def make_round(kind: str) -> Round:
    """Return what one round of a kind does."""
    if kind == "json":
        readers = [FastJson(), FastJson(size_bytes=1 << 12), FastJson(size_bytes=1 << 14, rows=3, tokens=2100)]
        return partial(json_round, json_lines(), readers)
    paths = sorted((DATA / "evtx-attack-samples").rglob("*.evtx"))
    return partial(evtx_round, [path.read_bytes() for path in paths], FastReading(all_fields(paths[::4])))


def fuzz(kind: str, seconds: float, seed: int) -> tuple[int, int]:
    """Run rounds for some time; return how many, and how many events were read fast."""
    one_round = make_round(kind)
    until, fast = time.monotonic() + seconds, 0
    for number in count(seed):
        if time.monotonic() > until:
            return number - seed, fast
        try:
            fast += one_round(Random(number))
        except BaseException:
            sys.stderr.write(f"failed: {kind}, round {number}; repeat it with --kind {kind} --seed {number} --seconds 1\n")
            raise
    raise AssertionError


def main() -> None:
    """Fuzz the readers that are named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60, help="for each reader")
    parser.add_argument("--seed", type=int, default=int(time.time()) % 10**6 * 10**6)
    parser.add_argument("--kind", action="append", choices=("json", "evtx"))
    found = parser.parse_args()
    for kind in found.kind or ("json", "evtx"):
        rounds, fast = fuzz(kind, found.seconds, found.seed)
        sys.stdout.write(f"{kind}: {rounds} rounds from seed {found.seed}, {fast} events read fast, both readers agree\n")


if __name__ == "__main__":
    main()
