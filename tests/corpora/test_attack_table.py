"""The table of ATT&CK that reports use equals the public data. `TOCSIN_WRITE_DOCS=1` writes it anew."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import tocsin.reports
from shared_data import need_shared, shared

need_shared()

TABLE = Path(tocsin.reports.__file__).parent / "attack.json"
ORDER = (43, 42, 1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 10, 40)
"""The tactics of the Enterprise matrix from left to right, by the numbers of their ids."""
NOTICE = "© 2025 The MITRE Corporation. This work is reproduced and distributed with the permission of The MITRE Corporation."


def is_current(technique: dict[str, Any]) -> bool:
    """Tell whether a technique is neither revoked nor deprecated."""
    return not any(technique.get(key) for key in ("revoked", "deprecated", "x_mitre_deprecated"))


def enterprise() -> dict[str, Any]:
    """Return the Enterprise matrix."""
    found = json.loads(shared("attack", "enterprise-techniques.json").read_text("utf-8"))
    by_id = {tactic["id"]: tactic for tactic in found["tactics"]}
    tactics = [by_id[f"TA{number:04}"] for number in ORDER]
    techniques = {item["id"]: [item["name"], item["tactics"]] for item in found["techniques"] if is_current(item)}
    return {"tactics": {item["shortname"]: item["name"] for item in tactics}, "techniques": dict(sorted(techniques.items()))}


def ics() -> dict[str, Any]:
    """Return the ICS matrix."""
    found = json.loads(shared("attack", "ics-attack.json").read_text("utf-8"))["objects"]
    by_id = {item["id"]: item for item in found}
    matrix = next(item for item in found if item["type"] == "x-mitre-matrix")
    tactics = [by_id[reference] for reference in matrix["tactic_refs"]]
    techniques = {
        item["external_references"][0]["external_id"]: [
            item["name"],
            [phase["phase_name"] for phase in item["kill_chain_phases"]],
        ]
        for item in found
        if item["type"] == "attack-pattern" and is_current(item)
    }
    names = {item["x_mitre_shortname"]: item["name"] for item in tactics}
    return {"tactics": names, "techniques": dict(sorted(techniques.items()))}


def licence() -> str:
    """Return the licence that any copy has to reproduce, on one line."""
    return " ".join(shared("attack", "LICENSE.txt").read_text("utf-8").split())


def written(table: dict[str, Any]) -> str:
    """Return the table as the package has it: a technique a line."""
    parts = [f'"notice": {json.dumps(table["notice"], ensure_ascii=False)}']
    parts.append(f'"licence": {json.dumps(table["licence"], ensure_ascii=False)}')
    for name in ("enterprise", "ics"):
        tactics = ",\n".join(f"  {json.dumps(key)}: {json.dumps(value)}" for key, value in table[name]["tactics"].items())
        techniques = ",\n".join(
            f"  {json.dumps(key)}: {json.dumps(value, ensure_ascii=False)}" for key, value in table[name]["techniques"].items()
        )
        parts.append(f'"{name}": {{"tactics": {{\n{tactics}\n}}, "techniques": {{\n{techniques}\n}}}}')
    return "{" + ",\n".join(parts) + "}\n"


def test_table() -> None:
    """Names and tactics of every current technique are those of the data, with MITRE's notice and licence."""
    table = {"notice": NOTICE, "licence": licence(), "enterprise": enterprise(), "ics": ics()}
    assert NOTICE in table["licence"]
    if os.environ.get("TOCSIN_WRITE_DOCS"):
        TABLE.write_text(written(table), "utf-8")
    assert TABLE.read_text("utf-8") == written(table)
    assert json.loads(TABLE.read_text("utf-8")) == table


def test_matrices_are_whole() -> None:
    """Every technique is under tactics of its matrix, and each tactic has techniques."""
    for matrix in (enterprise(), ics()):
        used = {tactic for _, tactics in matrix["techniques"].values() for tactic in tactics}
        assert used == set(matrix["tactics"])
