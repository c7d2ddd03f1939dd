"""Append to a record until killed, and say after each commit how far it is: record_writer.py DATABASE WORD [BATCHES]."""

from __future__ import annotations

import sys
from pathlib import Path

from record_samples import ORIGIN, engine, entry
from tocsin.stores import record as store


def main() -> None:
    """Append batches of one to seven entries."""
    path, word, batches = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]) if len(sys.argv) > 3 else sys.maxsize
    with engine(path) as made:
        for number in range(batches):
            with made.begin() as connection:
                store.prepare(connection, ORIGIN)
                store.append(connection, [entry(number, word=f"{word} {number} {at}") for at in range(number % 7 + 1)])
                done = store.checkpoint(connection)
            sys.stdout.write(f"{done.size} {done.root.hex()}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
