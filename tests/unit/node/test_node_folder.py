"""The folder of a node: made whole or not at all, opened with clear errors, its file documented."""

from __future__ import annotations

import re
import stat
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner

from node_samples import ROOT, configure, opened
from tocsin.cli.main import app
from tocsin.errors import NodeError, RecordError
from tocsin.runs import new_node
from tocsin.runs.new_node import init_node
from tocsin.runs.node import NODE_FILE, RULEBOOK, open_node
from tocsin.runs.node_file import _Collection, _File
from tocsin.runs.record import DATABASE, KEY
from tocsin.stores.tokens import Role


def made(folder: Path) -> str:
    """Make a node and return its first token."""
    return init_node(folder, "water-cert", "Water CERT", "Water CERT")


def test_a_new_node_is_its_owners_alone(tmp_path: Path) -> None:
    """Nobody else can read the folder or its keys, and the first token is in none of its files."""
    token = made(tmp_path / "node")
    files = [path for path in (tmp_path / "node").rglob("*") if path.is_file()]
    assert {NODE_FILE, RULEBOOK, DATABASE, KEY.name} <= {path.name for path in files}
    assert stat.S_IMODE((tmp_path / "node").stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "node" / KEY).stat().st_mode) == 0o600
    secret = token.split("_", 2)[2].encode()  # the secret itself may hold an underscore
    assert not [path for path in files if secret in path.read_bytes()]


def test_a_node_is_made_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When making fails midway nothing is left behind, and it can be tried again."""

    def fails(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(new_node, "adopt", fails)
        with pytest.raises(OSError, match="No space"):
            made(tmp_path / "node")
    assert list(tmp_path.iterdir()) == []
    assert made(tmp_path / "node")


def test_what_is_in_the_way(tmp_path: Path) -> None:
    """A folder with something in it, or a file, is left as it is."""
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").touch()
    (tmp_path / "empty").mkdir()
    for name in ("full", "full/x"):
        with pytest.raises(NodeError, match="N005"):
            made(tmp_path / name)
    assert made(tmp_path / "empty")


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        (lambda folder: (folder / NODE_FILE).unlink(), "N003"),
        (lambda folder: (folder / NODE_FILE).write_text("title: x\n"), "N006"),
        (lambda folder: configure(folder, listn="x"), "N006"),
        (lambda folder: configure(folder, record="two words"), "N006"),
        (lambda folder: configure(folder, page="0"), "N006"),
        (lambda folder: (folder / KEY).unlink(), "L009"),
        (lambda folder: (folder / KEY).write_text("-----BEGIN PRIVATE KEY-----\n"), "L009"),
        (lambda folder: (folder / DATABASE).write_bytes(b"x" * 4096), "N004"),
        (lambda folder: configure(folder, database="postgresql+psycopg://nobody@127.0.0.1:1/none"), "N004"),
    ],
)
def test_a_folder_that_cannot_be_used(tmp_path: Path, spoil: object, code: str) -> None:
    """Each way in which a folder is no node has its code."""
    made(tmp_path / "node")
    assert callable(spoil)
    spoil(tmp_path / "node")
    with pytest.raises((NodeError, RecordError), match=code):
        open_node(tmp_path / "node")


def test_another_record_is_not_continued(tmp_path: Path) -> None:
    """A node whose file names another record does not open its database."""
    made(tmp_path / "node")
    file = tmp_path / "node" / NODE_FILE
    file.write_text(re.sub("record: .*", "record: tocsin/other", file.read_text()))
    with pytest.raises(RecordError, match="L011"):
        open_node(tmp_path / "node")


def test_every_key_is_documented() -> None:
    """The table of docs/node.md has each key of the file, and no other."""
    page = (ROOT / "docs" / "node.md").read_text()
    table = re.findall(r"^\| (`[a-z_`, ]+`) \|", page, re.MULTILINE)
    named = {name.strip(" `") for row in table for name in row.split(",")}
    assert named - {""} == {field.name for field in msgspec.structs.fields(_File)}
    of_collections = next(
        row for row in (ROOT / "docs" / "node.md").read_text().splitlines() if row.startswith("| `collections`")
    )
    assert all(f"`{field.name}`" in of_collections for field in msgspec.structs.fields(_Collection))


def test_tokens_by_command(tmp_path: Path) -> None:
    """A token that a command issues is accepted as it was asked for, and no more from its revocation on."""
    folder = str(tmp_path / "node")
    with opened(tmp_path / "node") as world:
        run = CliRunner()
        words = ["--purpose", "detect", "--role", "write", "--holder", "m.keller", "--from", "10.1.0.0/16", "--days", "3650"]
        done = run.invoke(app, ["node", "token", folder, "riverdale-water", *words])
        assert done.exit_code == 0, done.output
        access = world.node.tokens.accept(done.output.strip())
        assert access is not None
        assert (access.holder, access.roles, access.caller.purposes) == ("m.keller", {Role.WRITE}, ("detect",))
        assert access.may_come_from("10.1.2.3")
        assert not access.may_come_from("10.2.2.3")
        assert not access.may_come_from("testclient")
        assert run.invoke(app, ["node", "revoke", folder, access.token]).exit_code == 0
        assert world.node.tokens.accept(done.output.strip()) is None
        assert run.invoke(app, ["node", "revoke", folder, access.token]).exception is not None
        for wrong in (["nobody"], ["riverdale-water", "--purpose", "x"], ["riverdale-water", "--from", "x"]):
            assert isinstance(run.invoke(app, ["node", "token", folder, *wrong]).exception, NodeError)
