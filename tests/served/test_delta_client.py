"""The public client of Delta Sharing reads the tables of a node that is served, with a profile that the command line wrote."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from delta_client import run_client
from served_node import COMMAND, make_node, served
from table_samples import rule, rulebook, write_table

GIVES = rule("{rows: {site: north}, columns: {user: token, address: prefix, at: {time: hour}, port: keep}}")
START = datetime(2030, 1, 1, tzinfo=UTC)


def logons(count: int, start: int = 0) -> pa.Table:
    """Return logons at two sites."""
    numbers = range(start, start + count)
    columns = {
        "site": ["north" if number % 2 else "south" for number in numbers],
        "user": [f"user-{number % 7}" for number in numbers],
        "address": [f"10.0.{number % 3}.{number % 200}" for number in numbers],
        "at": pa.array([START + timedelta(minutes=number) for number in numbers], pa.timestamp("us", "UTC")),
        "port": list(numbers),
    }
    return pa.table(columns)


@dataclass
class Shared:
    """A node that is served, its table, and the profile of a member."""

    folder: Path
    table: Path
    profile: Path
    url: str


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shared]:
    """Give a node that serves a table of 1,000 rows."""
    folder = tmp_path_factory.mktemp("delta")
    write_table(folder / "logons", logons(1000))
    share = {"events": {"owner": "water-cert", "marking": ["TLP:GREEN"], "tables": {"logons": "../logons"}}}
    collections = {name: {"title": name} for name in ("indicators", "warnings", "incidents", "sightings")}
    make_node(folder / "node", rulebook(GIVES), {"shares": share, "collections": collections})
    with served(folder / "node") as node:
        url = node.url.split("/taxii2/")[0]
        found = Shared(folder / "node", folder / "logons", folder / "member.share", url)
        write_profile(found, found.profile)
        yield found


def write_profile(shared: Shared, path: Path, *options: str) -> str:
    """Write a profile of a member by the command line, and return the id of its token."""
    command = [
        *COMMAND,
        "node",
        "profile",
        str(shared.folder),
        "riverdale-water",
        "-o",
        str(path),
        "--url",
        shared.url,
        *options,
    ]
    subprocess.run(command, check=True, capture_output=True)
    assert path.stat().st_mode & 0o777 == 0o600
    return str(json.loads(path.read_text())["bearerToken"]).split("_")[1]


def test_the_client_reads_what_the_rule_gives(shared: Shared) -> None:
    """Listing, loading as pandas, limits, hints, version, metadata: as the rule gives them."""
    shares, tables, whole, some, version, columns = run_client(
        shared.profile,
        "[share.name for share in client.list_shares()]",
        "[[table.share, table.schema, table.name] for table in client.list_all_tables()]",
        "rows(delta_sharing.load_as_pandas(url))",
        "rows(delta_sharing.load_as_pandas(url, limit=3))",
        "delta_sharing.get_table_version(url)",
        "json.loads(delta_sharing.get_table_metadata(url).schema_string)['fields']",
    )
    assert (shares, tables) == (["events"], [["events", "default", "logons"]])
    assert [row["port"] for row in whole] == list(range(1, 1000, 2))
    assert len({row["user"] for row in whole}) == 7
    assert not any(row["user"].startswith("user-") or row["address"].startswith("10.0.") for row in whole)
    assert {row["at"][14:19] for row in whole} == {"00:00"}
    assert some == whole[:3]
    assert version == 0
    assert [(column["name"], column["type"]) for column in columns] == [
        ("user", "string"),
        ("address", "string"),
        ("at", "timestamp"),
        ("port", "long"),
    ]


def test_the_client_reads_changes(shared: Shared) -> None:
    """Rows that were added are the changes between two versions."""
    (before,) = run_client(shared.profile, "delta_sharing.get_table_version(url)")
    write_table(shared.table, logons(10, 1000), "b")
    (changes,) = run_client(
        shared.profile, f"rows(delta_sharing.load_table_changes_as_pandas(url, starting_version={before + 1}))"
    )
    assert [row["port"] for row in changes] == [1001, 1003, 1005, 1007, 1009]
    assert {(row["_change_type"], row["_commit_version"]) for row in changes} == {("insert", before + 1)}


def test_a_profile_is_rotated_and_revoked(shared: Shared, tmp_path: Path) -> None:
    """A profile that another takes the place of opens nothing: the client is told 401."""
    old, new = tmp_path / "old.share", tmp_path / "new.share"
    name = write_profile(shared, old)
    run_client(old, "delta_sharing.get_table_version(url)")
    write_profile(shared, new, "--instead-of", name)
    with pytest.raises(subprocess.CalledProcessError) as error:
        run_client(old, "delta_sharing.get_table_version(url)")
    assert "401" in error.value.stderr
    run_client(new, "delta_sharing.get_table_version(url)")
