"""Delta Sharing over HTTP: what is listed, given, refused, and what a link opens."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable, write_deltalake

from node_samples import World, opened
from table_samples import TABLE_URL, rule, rulebook, shares, write_table
from tocsin.records.entry import Kind, decode
from tocsin.runs.adoption import adopt
from tocsin.runs.limits import Limits, Rates
from tocsin.runs.node import RULEBOOK
from tocsin.server.answers import RECEIPT
from tocsin.stores import record
from tocsin.stores.database import reading
from tocsin.stores.tokens import Role

MEMBER, OTHER, STRANGER = "riverdale-water", "lakeside-services", "hilltown"
ROWS = {"site": ["north", "south", "north"], "user": ["ann", "bob", "cyd"], "port": [1, 2, 3]}
GIVES = rule("{rows: {site: north}, columns: {user: token, port: keep}}")


@pytest.fixture
def world(tmp_path: Path, database: dict[str, str]) -> Iterator[World]:
    """Give a node that shares a table of three rows, two of which members get."""
    write_table(tmp_path / "logons", ROWS)
    with opened(tmp_path / "node", rulebook(GIVES), shares=shares(tmp_path / "logons"), **database) as found:
        yield found


def query(world: World, organisation: str = MEMBER, **body: Any) -> httpx2.Response:
    """Ask for the files of the table."""
    return world.client(organisation).post(f"{TABLE_URL}/query", json=body)


def lines(answer: httpx2.Response, key: str = "file") -> list[dict[str, Any]]:
    """Return the lines of an answer that describe a file."""
    assert answer.status_code == 200, answer.text
    return [line[key] for line in map(json.loads, answer.text.splitlines()) if key in line]


def rows(world: World, organisation: str = MEMBER, **body: Any) -> list[dict[str, Any]]:
    """Return the rows that an organisation gets."""
    files = lines(query(world, organisation, **body))
    client = world.client(organisation)
    return [row for file in files for row in pq.read_table(io.BytesIO(client.get(file["url"]).content)).to_pylist()]


def change_rules(world: World, *rules: str) -> None:
    """Take another rulebook in force. The node is being set up: nobody has to approve."""
    (world.folder / RULEBOOK).write_text(rulebook(*rules))
    done = adopt(world.node)
    for _ in range(2):
        if not done.in_force:
            done = adopt(world.node, world.node.tokens.accept(world.token("water-cert", *Role, holder=f"person {_}")))
    assert done.in_force


def test_each_gets_the_rows_and_columns_of_its_rule(world: World) -> None:
    """Members get what the rule gives, under tokens of their own; the owner all of it; others nothing, not even its name."""
    mine, others = rows(world), rows(world, OTHER)
    assert [row["port"] for row in mine] == [1, 3]
    assert [sorted(row) for row in mine] == [["port", "user"]] * 2
    assert {row["user"] for row in mine}.isdisjoint({"ann", "cyd"} | {row["user"] for row in others})
    assert rows(world, "water-cert") == pa.table(ROWS).to_pylist()
    assert query(world, STRANGER).status_code == 404
    assert world.client(STRANGER).get("/delta-sharing/shares").json() == {"items": []}


def test_lists_have_pages(tmp_path: Path) -> None:
    """Shares, schemas and tables are listed in pages, with what the caller gets alone."""
    tables = ", ".join(f"{schema}.t{number}: ../logons" for schema in ("a", "b") for number in range(3))
    write_table(tmp_path / "logons", ROWS)
    given = (
        "{id: all, to: [community], collections: [one], tables: {a.t0: {columns: {port: keep}}, b.t1: {columns: {port: keep}}}}"
    )
    value = f"{{one: {{owner: water-cert, tables: {{{tables}}}}}, two: {{owner: water-cert, tables: {{x: ../logons}}}}}}"
    text = rulebook(given).replace("unmarked: TLP:AMBER+STRICT", "unmarked: TLP:GREEN")
    with opened(tmp_path / "node", text, shares=value) as world:
        member, owner = world.client(MEMBER), world.client("water-cert")
        base = "/delta-sharing/shares"
        assert [item["name"] for item in member.get(base).json()["items"]] == ["one"]
        assert [item["name"] for item in owner.get(base).json()["items"]] == ["one", "two"]
        assert [item["name"] for item in member.get(f"{base}/one/schemas").json()["items"]] == ["a", "b"]
        assert [item["name"] for item in member.get(f"{base}/one/schemas/a/tables").json()["items"]] == ["t0"]
        assert member.get(f"{base}/two").status_code == member.get(f"{base}/three").status_code == 404
        assert member.get(f"{base}/one").json()["share"]["name"] == "one"
        found, token = [], ""
        while True:
            page = owner.get(f"{base}/one/all-tables", params={"maxResults": 4, "pageToken": token}).json()
            found += [(item["schema"], item["name"]) for item in page["items"]]
            token = page.get("nextPageToken", "")
            if not token:
                break
        assert found == [(schema, f"t{number}") for schema in ("a", "b") for number in range(3)]
        for wrong in ({"maxResults": "x"}, {"maxResults": "-1"}, {"pageToken": "@"}, {"pageToken": "eA=="}):
            assert owner.get(base, params=wrong).json()["errorCode"] == "D010"


def test_versions_and_changes(world: World, tmp_path: Path) -> None:
    """New rows are a version whose changes are told; hidden ones are none; rows that go begin anew."""
    client = world.client(MEMBER)
    assert client.get(f"{TABLE_URL}/version").headers["Delta-Table-Version"] == "0"
    world.clock.now += 5_000_000
    write_table(tmp_path / "logons", {"site": ["south"], "user": ["dan"], "port": [9]}, "b")
    assert client.get(f"{TABLE_URL}/version").headers["Delta-Table-Version"] == "0"
    write_table(tmp_path / "logons", {"site": ["north"], "user": ["eve"], "port": [5]}, "c")
    answer = client.get(f"{TABLE_URL}/changes", params={"startingVersion": 1})
    added = lines(answer, "add")
    assert [(item["version"], item["timestamp"]) for item in added] == [(1, world.clock.now // 1000)]
    assert pq.read_table(io.BytesIO(client.get(added[0]["url"]).content)).column("port").to_pylist() == [5]
    assert len(lines(client.get(f"{TABLE_URL}/changes", params={"startingVersion": 0}), "add")) == 2
    assert [row["port"] for row in rows(world, version=0)] == [1, 3]
    assert [row["port"] for row in rows(world, timestamp="2030-03-01T12:00:01Z")] == [1, 3]
    assert query(world, version=2).json()["errorCode"] == "D009"
    assert query(world, timestamp="2029-03-01T12:00:00Z").json()["errorCode"] == "D009"
    starting = {"startingTimestamp": "2030-03-01T12:00:04Z"}
    assert client.get(f"{TABLE_URL}/version", params=starting).headers["Delta-Table-Version"] == "1"
    (tmp_path / "logons" / "a.parquet").unlink()
    assert [row["port"] for row in rows(world)] == [5]
    assert query(world, version=1).json()["errorCode"] == "D009"
    assert client.get(f"{TABLE_URL}/changes", params={"startingVersion": 1}).json()["errorCode"] == "D011"
    assert client.get(f"{TABLE_URL}/changes", params={"startingVersion": 2}).status_code == 200


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"{", "D010"),
        (b"[]", "D010"),
        (b'{"version": "x"}', "D010"),
        (b'{"version": 0, "timestamp": "2030-03-01T12:00:00Z"}', "D010"),
        (b'{"timestamp": "soon"}', "D010"),
        (b'{"startingVersion": 0}', "D010"),
        (b'{"version": -1}', "D009"),
        (b'{"predicateHints": ' + json.dumps(["a = 1"] * 201).encode() + b"}", "D010"),
        (b'{"predicateHints": ' + b"[" * 100_000, "D010"),
    ],
)
def test_queries_that_cannot_be_understood(world: World, body: bytes, code: str) -> None:
    """A body that says nothing sensible is refused in the form of Delta Sharing."""
    answer = world.client(MEMBER).post(f"{TABLE_URL}/query", content=body)
    assert (answer.status_code, answer.json()["errorCode"]) == (400, code)


@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        ({}, "D010"),
        ({"startingVersion": "x"}, "D010"),
        ({"startingVersion": "0", "startingTimestamp": "2030-03-01T12:00:00Z"}, "D010"),
        ({"startingVersion": "1"}, "D009"),
        ({"startingVersion": "0", "endingVersion": "7"}, "D009"),
        ({"startingTimestamp": "2031-03-01T12:00:00Z"}, "D009"),
    ],
)
def test_changes_that_cannot_be_told(world: World, parameters: dict[str, str], code: str) -> None:
    """Versions that are none are refused."""
    answer = world.client(MEMBER).get(f"{TABLE_URL}/changes", params=parameters)
    assert (answer.status_code, answer.json()["errorCode"]) == (400, code)


def test_hints_leave_out_files_and_never_rows(world: World, tmp_path: Path) -> None:
    """A limit and predicates leave out whole files by what the caller is given."""
    write_table(tmp_path / "logons", {"site": ["north"], "user": ["eve"], "port": [50]}, "b")
    assert len(lines(query(world))) == 2
    assert [row["port"] for row in rows(world, predicateHints=["port > 40"])] == [50]
    hint = {
        "op": "lessThan",
        "children": [{"op": "column", "name": "port"}, {"op": "literal", "value": "3", "valueType": "int"}],
    }
    assert [row["port"] for row in rows(world, jsonPredicateHints=json.dumps(hint))] == [1, 3]
    assert [row["port"] for row in rows(world, limitHint=1)] == [1, 3]
    assert len(rows(world, predicateHints=["site = 'south'"])) == 3
    assert lines(query(world, limitHint=0)) == []


def test_a_link_is_for_its_caller_and_for_minutes(world: World, tmp_path: Path) -> None:
    """A link needs no token, has ranges, and opens nothing once it is over or forged."""
    client = world.client(MEMBER)
    link = lines(query(world))[0]["url"]
    client.headers.pop("Authorization")
    whole = client.get(link)
    assert whole.status_code == 200
    assert client.head(link).headers["content-length"] == str(len(whole.content))
    part = client.get(link, headers={"Range": "bytes=0-3"})
    assert (part.status_code, part.content) == (206, b"PAR1")
    assert client.get(link, headers={"Range": "bytes=999999-"}).status_code == 416
    base = link.rsplit("/", 1)[0]
    forged = (link[:-1] + ("A" if link[-1] != "A" else "B"), f"{link}A", f"{base}/x", f"{base}/{'A' * 5000}")
    for wrong in forged:
        assert client.get(wrong).json()["errorCode"] == "D012"
    world.clock.now += 599_000_000
    assert client.get(link).status_code == 200
    world.node.rates = Rates(Limits(requests_per_minute=1, requests_at_once=1), world.clock)
    assert [client.get(link).status_code for _ in range(11)] == [200] * 10 + [429]
    world.clock.now += 1_000_000
    assert client.get(link).status_code == 403


def test_a_link_ends_with_the_token_the_rule_and_the_rows(world: World, tmp_path: Path) -> None:
    """Revoking a token, changing a rule, or taking rows back ends links that were given before."""
    link = lines(query(world))[0]["url"]
    client = world.client(MEMBER)
    assert client.get(link).status_code == 200
    write_table(tmp_path / "logons", {"site": ["north"], "user": ["eve"], "port": [5]})
    rows(world)
    assert client.get(link).status_code == 403
    link = lines(query(world))[0]["url"]
    change_rules(world, rule("{rows: {site: north}, columns: {user: token}}"))
    assert client.get(link).status_code == 403
    assert [list(row) for row in rows(world)] == [["user"]]
    link = lines(query(world))[0]["url"]
    name = client.headers["Authorization"].split("_")[1]
    assert world.node.tokens.revoke(name)
    assert client.get(link).status_code == 403


@pytest.mark.parametrize("kind", ["folder", "delta"])
def test_a_link_gives_no_rows_that_were_taken_out(kind: str, world: World, tmp_path: Path) -> None:
    """A link ends with the rows although nobody asked for the table since; one to rows that stay goes on."""
    table = tmp_path / "logons"
    if kind == "delta":
        (table / next(table.glob("*.parquet")).name).unlink()
        write_deltalake(table, pa.table(ROWS))
        write_deltalake(table, pa.table({"site": ["north"], "user": ["eve"], "port": [9]}), mode="append")
    else:
        pq.write_table(pa.table({"site": ["north"], "user": ["eve"], "port": [9]}), table / "more.parquet")
    client = world.client(MEMBER)
    links = [line["url"] for line in lines(query(world))]
    assert [client.get(link).status_code for link in links] == [200, 200]
    if kind == "delta":
        DeltaTable(table).delete("user = 'eve'")
    else:
        (table / "more.parquet").unlink()
    assert sorted(client.get(link).status_code for link in links) == [200, 403]


def test_a_link_ends_when_its_table_is_held_back(world: World, tmp_path: Path) -> None:
    """A rule with a larger `k`, and rows that leave too few alike, hold files back that were linked to before."""
    gives = "{rows: {site: north}, columns: {site: keep}}"
    change_rules(world, rule(gives, more=", k: 2"))
    client = world.client(MEMBER)
    link = lines(query(world))[0]["url"]
    assert client.get(link).status_code == 200
    change_rules(world, rule(gives, more=", k: 3"))
    assert (client.get(link).status_code, client.get(link).json()["errorCode"]) == (403, "D006")
    change_rules(world, rule(gives, more=", k: 2"))
    assert client.get(link).status_code == 200
    write_table(tmp_path / "logons", {"site": ["north"], "user": ["eve"], "port": [5]})
    assert client.get(link).status_code == 403


def test_with_a_k_only_the_last_version_is_given(world: World, tmp_path: Path) -> None:
    """A version in which too few looked alike is not given by itself later, and neither is what a version added."""
    change_rules(world, rule("{rows: {site: north}, columns: {user: keep}}", more=", k: 2"))
    assert query(world).json()["errorCode"] == "D006"
    pq.write_table(pa.table({"site": ["north"] * 2, "user": ["ann", "cyd"], "port": [5, 6]}), tmp_path / "logons/more.parquet")
    assert sorted(row["user"] for row in rows(world)) == ["ann", "ann", "cyd", "cyd"]
    for older in ({"version": 0}, {"timestamp": "2000-01-01T00:00:00Z"}):
        assert query(world, **older).status_code == 400
    answer = world.client(MEMBER).get(f"{TABLE_URL}/changes?startingVersion=0")
    assert answer.status_code == 400


def test_what_was_made_for_another_rule_is_swept(world: World) -> None:
    """When a rulebook is adopted, files of policies that give nothing to anybody any more are removed; others stay."""
    rows(world)
    rows(world, OTHER)
    folder = world.folder / "released"
    before = {path.name for path in folder.iterdir() if path.is_dir()}
    assert world.node.tables.sweep() == 0
    change_rules(world, rule("{columns: {port: keep}}"))
    assert not before & {path.name for path in folder.iterdir()}
    rows(world)
    assert len(before) == 2
    assert world.node.tables.sweep() == 0
    assert len([path for path in folder.iterdir() if path.is_dir()]) == 1
    assert rows(world) == [{"port": port} for port in ROWS["port"]]


def test_recipients_of_one_policy_share_its_files(tmp_path: Path) -> None:
    """What depends on no key is made once for all who get it; another epoch of keys makes tokens anew."""
    write_table(tmp_path / "logons", ROWS)
    with opened(tmp_path / "node", rulebook(rule("{columns: {port: keep}}")), shares=shares(tmp_path / "logons")) as world:
        assert rows(world) == rows(world, OTHER)
        assert len(list((world.folder / "released").glob("*/*.parquet"))) == 1
    made = []
    for epoch in (1, 2):
        name = tmp_path / f"node-{epoch}"
        with opened(name, rulebook(GIVES), shares=shares(tmp_path / "logons", epoch=epoch)) as world:
            (name / "keys" / "tables.key").write_bytes(b"k" * 32)
        with opened(name) as world:
            made.append({row["user"] for row in rows(world)})
    assert made[0].isdisjoint(made[1])


def test_too_few_that_look_alike_are_held_back(tmp_path: Path) -> None:
    """Below the rule's k nothing is given, with the reason; with enough rows it is."""
    write_table(tmp_path / "logons", ROWS)
    text = rulebook(rule("{columns: {site: keep, user: token}, subject: user}", more=", k: 2"))
    with opened(tmp_path / "node", text, shares=shares(tmp_path / "logons")) as world:
        answer = query(world)
        assert (answer.status_code, answer.json()["errorCode"]) == (403, "D006")
        assert query(world).status_code == world.client(MEMBER).get(f"{TABLE_URL}/metadata").status_code == 403
        write_table(tmp_path / "logons", {"site": ["south"], "user": ["bob"], "port": [1]}, "b")
        assert query(world).status_code == 403
        write_table(tmp_path / "logons", {"site": ["south"], "user": ["eve"], "port": [1]}, "b")
        assert len(rows(world)) == 4


def test_what_cannot_be_read_is_told_to_the_operator_alone(
    world: World, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A damaged file, another schema, a link or a folder in the table: nothing is given, and no name of it to the caller."""
    (tmp_path / "logons" / "b.parquet").write_bytes(b"PAR1 damaged")
    answer = query(world)
    assert (answer.status_code, answer.json()["errorCode"]) == (503, "D013")
    assert "b.parquet" not in answer.text
    assert "b.parquet" in caplog.text
    (tmp_path / "logons" / "b.parquet").unlink()
    (tmp_path / "logons" / "b.parquet").symlink_to("/etc/passwd")
    assert query(world).json()["errorCode"] == "D013"
    assert "D003" in caplog.text
    (tmp_path / "logons" / "b.parquet").unlink()
    (tmp_path / "logons" / "inner").mkdir()
    assert query(world).json()["errorCode"] == "D013"
    (tmp_path / "logons" / "inner").rmdir()
    write_table(tmp_path / "logons", {"site": [1], "user": ["x"], "port": [1]}, "a..%2f..\n<b>")
    assert query(world).json()["errorCode"] == "D013"
    (tmp_path / "logons" / "a..%2f..\n<b>.parquet").unlink()
    write_table(tmp_path / "logons", {"site": ["north"], "user": ["fay"], "port": [7]}, "'; DROP TABLE logons; --\u202e")
    assert sorted(row["port"] for row in rows(world)) == [1, 3, 7]


def test_delta_tables(tmp_path: Path) -> None:
    """A Delta table is given as it is now, with its partitions; rows that were deleted from it are gone."""
    folder = tmp_path / "logons"
    table = pa.table({"site": ["north", "south", "north"], "user": ["ann", "bob", "cyd"], "port": [1, 2, 3]})
    write_deltalake(folder, table, partition_by=["site"])
    text = rulebook(rule("{rows: {site: north}, columns: {site: keep, port: keep}}"))
    with opened(tmp_path / "node", text, shares=shares(folder)) as world:
        assert rows(world) == [{"site": "north", "port": 1}, {"site": "north", "port": 3}]
        write_deltalake(folder, table.slice(0, 1), mode="append")
        assert len(lines(world.client(MEMBER).get(f"{TABLE_URL}/changes?startingVersion=1"), "add")) == 1
        DeltaTable(folder).delete("port = 1")
        assert rows(world) == [{"site": "north", "port": 3}]


def test_what_is_given_is_in_the_record(world: World) -> None:
    """Each answer about a table is recorded with its files' digests before it is given, and the receipt proves it."""
    answer = query(world)
    receipt = answer.headers[RECEIPT]
    with reading(world.node.engine) as connection:
        found = [decode(leaf.entry) for leaf in record.entries(connection, 0, record.checkpoint(connection).size)]
    entry = found[-1]
    name = lines(answer)[0]["url"]
    assert (entry.kind, entry.organisation, entry.detail["table"]) == (Kind.RELEASE, MEMBER, "events/default.logons")
    assert (entry.detail["rule"], entry.detail["version"], entry.detail["files"]) == ("tables", "0", "1")
    stored = world.client(MEMBER).get(name).content
    assert entry.objects[0].sha256 == hashlib.sha256(stored).hexdigest()
    assert world.client(MEMBER).get(f"/record/receipts/{receipt}").status_code == 200
