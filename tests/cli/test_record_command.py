"""`tocsin record` as users run it, on the record of a node's folder."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from record_samples import KEY, ORIGIN, SIGNER, WITNESS, engine, entry
from tocsin.records.checkpoint import sign_checkpoint
from tocsin.records.keys import Use
from tocsin.runs import record as runs
from tocsin.stores import record as store

RUN = "import sys; sys.argv[0] = 'tocsin'; from tocsin.cli.main import run; run()"
WITHOUT = "import sys; sys.modules['cryptography'] = None; " + RUN


def tocsin(*arguments: object, code: str = RUN) -> subprocess.CompletedProcess[str]:
    """Run the command."""
    environment = os.environ | {"COLUMNS": "100"}
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=120,
        env=environment,
        check=False,
    )


@pytest.fixture
def node(tmp_path: Path) -> Path:
    """Return the folder of a node with 25 entries, a cosigned checkpoint at 10 and one at 20."""
    folder = tmp_path / "node"
    (folder / "keys").mkdir(parents=True)
    (folder / "keys/record.pem").write_bytes(SIGNER.pem())
    (tmp_path / "log.pub").write_text(f"# the log\n{KEY}\n")
    with engine(folder / "node.db") as made, made.begin() as connection:
        store.prepare(connection, ORIGIN)
        store.append(connection, [entry(number, word="\x1b[31m\u202e" if number == 7 else "") for number in range(25)])
        for size in (10, 20):
            note = sign_checkpoint(store.checkpoint(connection, size), SIGNER)
            store.keep_checkpoint(connection, note.with_signature(WITNESS.cosign(note.text, 1_790_000_000)))
    return folder


@pytest.fixture
def bundle(node: Path, tmp_path: Path) -> Path:
    """Return an exported bundle."""
    path = tmp_path / "record.jsonl"
    done = tocsin("record", "export", node, "-o", path)
    assert done.returncode == 0, done.stderr
    assert f"25 entries of {ORIGIN}" in done.stdout
    assert str(KEY) in done.stdout
    return path


def test_a_sound_bundle(bundle: Path, tmp_path: Path) -> None:
    """An exported bundle is verified with the key, given as a line or as a file."""
    for key in (KEY, tmp_path / "log.pub"):
        done = tocsin("record", "verify", bundle, "--key", key)
        assert (done.returncode, done.stderr) == (0, "")
        assert "entries      0 to 24: 25 shown" in done.stdout
        assert "checkpoints  3, the last of 25 entries" in done.stdout
        assert done.stdout.splitlines()[-1] == "verified: every entry shown is in the log that was signed"


@pytest.mark.parametrize("start", [7, 15, 25])
def test_a_later_stretch(node: Path, tmp_path: Path, start: int) -> None:
    """A bundle of the last entries proves that they continue every kept checkpoint before them."""
    path = tmp_path / "late.jsonl"
    assert tocsin("record", "export", node, "-o", path, "--from", start, "--only", "org-1").returncode == 0
    done = tocsin("record", "verify", path, "--key", KEY)
    assert done.returncode == 0, done.stdout
    assert "checkpoints  3" in done.stdout
    assert tocsin("record", "export", node, "-o", path, "--from", 26).returncode == 2


def test_a_changed_bundle(bundle: Path) -> None:
    """A changed entry is told with file, line and code, and no traceback; so is a bundle without a key."""
    bundle.write_bytes(bundle.read_bytes().replace(b"org-2", b"org-3", 1))
    done = tocsin("record", "verify", bundle, "--key", KEY)
    assert done.returncode == 4
    assert f"{bundle}:8: entry 2 does not have the hash beside it" in done.stdout
    assert done.stdout.splitlines()[-1].startswith("NOT VERIFIED: 2 problems")
    assert "Traceback" not in done.stderr + done.stdout
    without = tocsin("record", "verify", bundle)
    assert without.returncode == 4
    assert "[L013]" in without.stdout


def test_receipts_and_kept_checkpoints(node: Path, bundle: Path, tmp_path: Path) -> None:
    """A receipt is verified alone, and a bundle has to agree with receipts and checkpoints that were kept."""
    kept, forged = tmp_path / "kept.tlog-proof", tmp_path / "forged.txt"
    with runs.open_record(node) as connection:
        kept.write_text(str(store.receipt(connection, 7, store.kept_checkpoints(connection, 25)[0])))
        forged.write_text(str(sign_checkpoint(store.checkpoint(connection, 10), SIGNER)).replace("\n10\n", "\n11\n"))
    alone = tocsin("record", "verify", kept, "--key", KEY, "--witness", WITNESS.public(Use.WITNESS))
    assert alone.returncode == 0, alone.stdout
    assert f"signed by {ORIGIN}, {WITNESS.name}" in alone.stdout
    assert tocsin("record", "verify", kept).returncode == 4
    assert tocsin("record", "verify", bundle, "--key", KEY, "--checkpoint", kept).returncode == 0
    done = tocsin("record", "verify", bundle, "--key", KEY, "--checkpoint", forged)
    assert done.returncode == 4
    assert "[L007]" in done.stdout
    assert tocsin("record", "verify", bundle, "--key", KEY, "--witness", WITNESS.public(Use.WITNESS)).returncode == 4
    kept.write_text(kept.read_text().replace("index 7", "index 8"))
    assert "[L008]" in tocsin("record", "verify", kept, "--key", KEY).stdout


def test_show(bundle: Path) -> None:
    """Entries are shown as a table, with what a terminal would obey made visible."""
    done = tocsin("record", "show", bundle, "--key", KEY, "--objects")
    assert done.returncode == 0
    assert "\\x1b[31m\\u202e" in done.stdout
    assert not {"\x1b", "\u202e", "\u2028"} & set(done.stdout)
    assert done.stdout.count("indicator--") == 24
    assert done.stdout.splitlines()[1].split()[:5] == ["0", "2026-09-21", "14:13:20", "refusal", "org-0"]


@pytest.mark.parametrize(
    "content", [b"", b"{}\n", b"\xff\xfe\x00", b"c2sp.org/tlog-proof@v1\n", b"c2sp.org/tlog-proof@v1\n\xff"]
)
def test_what_is_no_record(tmp_path: Path, content: bytes) -> None:
    """A file of another kind is told, without a traceback."""
    path = tmp_path / "x.jsonl"
    path.write_bytes(content)
    for verb in ("verify", "show"):
        done = tocsin("record", verb, path, "--key", KEY)
        assert done.returncode in {3, 4}
        assert "[L001]" in done.stdout + done.stderr
        assert "Traceback" not in done.stderr


def test_wrong_keys_and_folders(tmp_path: Path, bundle: Path, node: Path) -> None:
    """A key that is none, one of the other use, a folder without a record or key: each has its code."""
    assert "[L009]" in tocsin("record", "verify", bundle, "--key", "abc").stderr
    assert "[L009]" in tocsin("record", "verify", bundle, "--key", SIGNER.public(Use.WITNESS)).stderr
    assert tocsin("record", "verify", bundle, "--key", "abc").returncode == 2
    out = tmp_path / "out.jsonl"
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty/node.db").write_bytes(b"")
    for folder in (tmp_path, tmp_path / "empty"):
        done = tocsin("record", "export", folder, "-o", out)
        assert (done.returncode, "[L011]" in done.stderr) == (1, True)
        assert "Traceback" not in done.stderr
    (node / "keys/record.pem").unlink()
    assert "[L009]" in tocsin("record", "export", node, "-o", out).stderr
    (node / "node.db").write_bytes(b"no database" * 1000)
    assert "[L011]" in tocsin("record", "export", node, "-o", out).stderr
    assert not out.exists()


def test_other_commands_work_without_the_extra(bundle: Path) -> None:
    """Where the packages of the extra are missing the command says so, and others work."""
    done = tocsin("record", "verify", bundle, "--key", KEY, code=WITHOUT)
    assert (done.returncode, "[L015]" in done.stderr) == (2, True)
    assert tocsin("rules", "modifiers", code=WITHOUT).returncode == 0


def test_export_while_the_node_appends(node: Path, tmp_path: Path) -> None:
    """A bundle that is written while entries come has those of its checkpoint, and is sound."""
    with engine(node / "node.db") as made, made.begin() as writing:
        store.append(writing, [entry(25)])
        done = runs.export_folder(node, tmp_path / "b.jsonl")
    assert done.checkpoint.size == 25
    assert runs.verify(tmp_path / "b.jsonl", runs.Trust((KEY,))).sound


def test_export_to_a_stream(node: Path) -> None:
    """A node can write a bundle from its own connection."""
    out = io.BytesIO()
    with runs.open_record(node) as connection:
        assert runs.export(connection, SIGNER, out, 3).start == 3
    assert out.getvalue().startswith(b'{"bundle":')
