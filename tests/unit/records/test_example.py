"""The example of the documentation is exactly what is written today: formats that others check may not change unnoticed."""

from __future__ import annotations

from pathlib import Path

from record_samples import KEY, ORIGIN, WITNESS, check, codes, example, reading, signed
from tocsin.records.bundle import Leaf, Stretch, bundle_lines
from tocsin.records.entry import encode
from tocsin.records.keys import Use
from tocsin.records.receipt import Receipt
from tocsin.records.tree import inclusion_proof, leaf_hash
from tocsin.records.verify import Trust

FOLDER = Path(__file__).resolve().parents[3] / "examples" / "record"


def files() -> dict[str, bytes]:
    """Return what the folder has to hold."""
    data = [encode(item) for item in example()]
    history = [Leaf(seq, leaf_hash(item), item) for seq, item in enumerate(data)]
    first, last = signed(history, 4), signed(history, 6)
    last = last.with_signature(WITNESS.cosign(last.text, 1_794_826_000))
    stretch = Stretch(ORIGIN, 6, [str(KEY)], [str(first), str(last)])
    hashes = [item.hash for item in history]
    receipt = Receipt(data[1], 1, tuple(inclusion_proof(1, 4, reading(hashes[:4]))), str(first))
    return {
        "record.jsonl": b"".join(bundle_lines(stretch, history)),
        "receipt.tlog-proof": str(receipt).encode(),
        "log.pub": f"{KEY}\n".encode(),
        "witness.pub": f"{WITNESS.public(Use.WITNESS)}\n".encode(),
    }


def test_the_example_is_what_is_written() -> None:
    """Every byte of the example is made again."""
    assert {path.name: path.read_bytes() for path in FOLDER.iterdir()} == files()


def test_the_example_is_sound() -> None:
    """The example is verified, with its witness."""
    lines = (FOLDER / "record.jsonl").read_bytes().splitlines(keepends=True)
    assert codes(check(lines, Trust((KEY,), (WITNESS.public(Use.WITNESS),)))) == []
