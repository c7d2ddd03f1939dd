"""Tables for tests: folders of Parquet files, and nodes that share them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from node_samples import EXAMPLE

SHARE = "events"
TABLE_URL = f"/delta-sharing/shares/{SHARE}/schemas/default/tables/logons"


def write_table(folder: Path, columns: Mapping[str, Sequence[Any]] | pa.Table, name: str = "a") -> Path:
    """Write a file of a table into its folder, and return it."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.parquet"
    pq.write_table(columns if isinstance(columns, pa.Table) else pa.table(dict(columns)), path)
    return path


def shares(path: Path | str, owner: str = "water-cert", epoch: int = 1) -> str:
    """Return the value of `shares` in node.yml, of one share with one table."""
    return f"{{{SHARE}: {{owner: {owner}, marking: [TLP:GREEN], epoch: {epoch}, tables: {{logons: {path}}}}}}}"


def rulebook(*rules: str) -> str:
    """Return the example's rulebook with more rules at its end, each a map in YAML."""
    return (EXAMPLE / "rulebook.yml").read_text() + "".join(f"  - {rule}\n" for rule in rules)


def rule(tables: str, to: str = "community", name: str = "tables", more: str = "") -> str:
    """Return a rule that gives the table in some way, each a map in YAML."""
    return f"{{id: {name}, to: [{to}], collections: [{SHARE}], types: [table], tables: {{logons: {tables}}}{more}}}"


__all__ = ["SHARE", "TABLE_URL", "rule", "rulebook", "shares", "write_table"]
