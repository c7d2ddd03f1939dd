"""Nodes cosign each other's records: each checkpoint continues the last, or nobody cosigns it."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from node_samples import World, indicator, opened
from peer_nodes import Community
from tocsin.errors import NodeError
from tocsin.records.bundle import Consistency
from tocsin.records.checkpoint import open_checkpoint, read_checkpoint, sign_checkpoint
from tocsin.records.keys import Signer
from tocsin.records.peers import submission_text
from tocsin.records.tree import leaf_hash
from tocsin.records.verify import Trust
from tocsin.runs.node_file import read_node_file
from tocsin.runs.record import KEY, export_folder, verify
from tocsin.stores import record
from tocsin.stores.database import reading

PATH = "/record/add-checkpoint"


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[tuple[Community, World, World]]:
    """Give a node that pushes to another, which cosigns its record, and that one."""
    with ExitStack() as stack:
        community = Community(tmp_path, stack)
        a, b = community.add("a"), community.add("b")
        # b knows the record of a by a peer that it never asks
        community.know(
            "b", "a", "none", "https://a.example/taxii2/api/", organisation="water-cert", record_key=f"'{a.node.record.key}'"
        )
        community.push("a", "b", community.serve("b"), witness_key=f"'{b.node.record.witness_key}'")
        yield community, a, b


def note_of(world: World) -> tuple[int, str]:
    """Return the size of the record of a node, and its checkpoint."""
    note = world.node.record.checkpoint()
    return read_checkpoint(note).size, str(note)


def test_a_record_is_cosigned_in_each_run(pair: tuple[Community, World, World], tmp_path: Path) -> None:
    """The cosignature of the peer is on the checkpoint, in bundles and receipts, and each run adds one that continues it."""
    community, a, b = pair
    a.post("water-cert", "indicators", indicator(1))
    code, said = community.sync("a")
    assert (code, "it cosigned the record of this node at" in said) == (0, True), said
    first, note = note_of(a)
    both = [a.node.record.key, b.node.record.witness_key]
    assert {key.name for key in open_checkpoint(note, both).signers} == {key.name for key in both}
    assert "cosigned" not in community.sync("a")[1]
    a.post("water-cert", "indicators", indicator(2))
    assert "cosigned" in community.sync("a")[1]
    second, _ = note_of(a)
    assert second > first
    assert b.node.record.seen(a.node.record.key.name) == second
    export_folder(a.folder, tmp_path / "bundle")
    assert not verify(tmp_path / "bundle", Trust((a.node.record.key,), (b.node.record.witness_key,))).problems
    other = Trust((a.node.record.key,), (a.node.record.witness_key,))
    assert verify(tmp_path / "bundle", other).problems


def test_a_node_that_was_put_back_is_not_cosigned(pair: tuple[Community, World, World]) -> None:
    """A record that lost entries is told so, and the peer keeps what it saw."""
    community, a, b = pair
    a.post("water-cert", "indicators", indicator(1))
    community.sync("a")
    size, _ = note_of(a)
    a.node.engine.dispose()
    copy = a.folder.parent / "copy.db"
    with sqlite3.connect(a.folder / "node.db") as connection:
        connection.execute(f"VACUUM INTO '{copy}'")
    connection.close()
    a.post("water-cert", "indicators", indicator(2))
    community.sync("a")
    seen = b.node.record.seen(a.node.record.key.name)
    assert seen > size
    a.node.engine.dispose()
    for name in ("node.db-wal", "node.db-shm"):
        (a.folder / name).unlink(missing_ok=True)
    shutil.copy(copy, a.folder / "node.db")
    a.post("water-cert", "indicators", indicator(3))
    code, said = community.sync("a")
    assert code == 1
    assert "N072" in said
    assert b.node.record.seen(a.node.record.key.name) == seen


def test_what_a_witness_refuses(pair: tuple[Community, World, World], caplog: pytest.LogCaptureFixture) -> None:
    """Other records, other keys, forked histories, wrong sizes and nonsense are not cosigned, each with its status."""
    community, a, b = pair
    client = community.stack.enter_context(opened(b.folder)).client("riverdale-water")
    size, note = note_of(a)

    def ask(old: int, text: str, *proof: bytes) -> tuple[int, str]:
        body = submission_text(Consistency(old, 0, proof), text)  # type: ignore[arg-type]
        answer = client.post(PATH, content=body.encode())
        return answer.status_code, answer.text

    assert ask(0, note_of(b)[1])[0] == 404
    assert ask(3, note) == (409, "0\n")
    assert client.post(PATH, content=b"\xff\x00").status_code == 400
    assert client.post(PATH, content=b"").status_code == 400
    forged = sign_checkpoint(read_checkpoint(a.node.record.checkpoint()), Signer.new(a.node.record.key.name))
    assert ask(0, str(forged))[0] == 403
    assert ask(0, note, leaf_hash(b"x"))[0] == 422
    status, answer = ask(0, note)
    assert (status, answer.startswith("— ")) == (200, True)
    assert ask(0, note) == (409, f"{size}\n")
    real = Signer.from_pem(a.node.record.key.name, (a.folder / KEY).read_bytes())
    checkpoint = read_checkpoint(a.node.record.checkpoint())
    fork = sign_checkpoint(type(checkpoint)(checkpoint.origin, size, leaf_hash(b"another history")), real)
    assert ask(size, str(fork))[0] == 422
    assert "forked" in caplog.text
    with reading(b.node.engine) as connection:
        kept = record.last_seen(connection, checkpoint.origin)
    assert kept is not None
    assert read_checkpoint(kept) == checkpoint


def test_keys_that_are_none(tmp_path: Path) -> None:
    """A key for another use, or none, is told when the file of the node is read."""
    with ExitStack() as stack:
        community = Community(tmp_path, stack)
        a = community.add("a")
        path = a.folder / "node.yml"
        before = path.read_text()
        for keys in (
            {"witness_key": f"'{a.node.record.key}'"},
            {"record_key": f"'{a.node.record.witness_key}'"},
            {"record_key": "x"},
        ):
            community.know("a", "b", "none", "https://b.example/", organisation="water-cert", **keys)
            with pytest.raises(NodeError, match="_key"):
                read_node_file(path)
            path.write_text(before)
