"""Twins: what a Security event shows as the Sysmon event that it stands in for, as an event and as columns."""

from __future__ import annotations

import pytest

from tocsin.engine.columns import view_column
from tocsin.events import Event, Gate, batch_of, cell_column
from tocsin.events.values import decode, elements, encode
from tocsin.rules.logsource import views
from tocsin.rules.twins import see

PROCESS = {
    "NewProcessName": "C:\\a.exe",
    "ParentProcessName": "C:\\p.exe",
    "NewProcessId": "0x1f4",
    "ProcessId": "0x10",
    "MandatoryLabel": "S-1-16-12288",
    "SubjectDomainName": "DOM",
    "SubjectUserName": "anna",
    "SubjectLogonId": "0xABC",
    "CommandLine": "a -x",
    "Image": "a native field of that name",
}


def _twin(event_id: str) -> tuple[Gate, object]:
    gate = Gate("windows", "Security", event_id)
    return gate, next(view for view in views(gate) if view.twin)


def test_process() -> None:
    """A 4688 has Sysmon's names: ids in decimal, the label as integrity, domain and user joined."""
    gate, view = _twin("4688")
    seen = see(Event(gate, PROCESS, PROCESS), view).fields
    wanted = {
        "Image": "C:\\a.exe",
        "ParentImage": "C:\\p.exe",
        "ProcessId": "500",
        "ParentProcessId": "16",
        "IntegrityLevel": "High",
    }
    assert {name: seen[name] for name in wanted} == wanted
    assert (seen["User"], seen["LogonId"], seen["CommandLine"]) == ("DOM\\anna", "0xabc", "a -x")


def test_absent_sources() -> None:
    """A field whose source is absent is absent, even where the native event has one of its name."""
    gate, view = _twin("4688")
    seen = see(Event(gate, {"Image": "x", "ProcessId": "0x10"}, {}), view).fields
    assert "Image" not in seen
    assert "ProcessId" not in seen
    assert seen["ParentProcessId"] == "16"


def test_registry_and_network() -> None:
    """4657 writes hives as Sysmon does, 5156 protocols and directions."""
    gate, view = _twin("4657")
    fields = {"ObjectName": "\\REGISTRY\\MACHINE\\SOFTWARE\\X", "ObjectValueName": "V"}
    assert see(Event(gate, fields, {}), view).fields["TargetObject"] == "HKLM\\SOFTWARE\\X\\V"
    gate, view = _twin("5156")
    seen = see(Event(gate, {"Protocol": "6", "Direction": "%%14593", "DestPort": 80}, {}), view).fields
    assert (seen["Protocol"], seen["Initiated"], seen["DestinationPort"]) == ("tcp", "true", "80")


@pytest.mark.parametrize("event_id", ["4688", "4657", "5156"])
def test_columns_are_what_is_seen(event_id: str) -> None:
    """The columns of a view hold what the view shows of each event, for odd values too."""
    gate, view = _twin(event_id)
    names = sorted({name for alias in view.aliases for name in (*alias.sources, alias.field)})
    values: list[object] = ["0x1F", "x", "", None, 5, "\0n", "\\REGISTRY\\USER\\y", "%%14592", "17", "ſ"]
    rows = [{name: values[(at + step) % len(values)] for step, name in enumerate(names) if (at + step) % 4} for at in range(40)]
    columns = {name: cell_column([encode(row[name]) if name in row else None for row in rows]) for name in names}
    batch = batch_of(gate, columns, len(rows), lambda row: None)
    for alias in view.aliases:
        column = view_column(batch, view, alias.field)
        found = [None if cell is None else decode(cell) for cell in column.to_pylist()]
        wanted = []
        for row in rows:
            present, value = see(Event(gate, row, {}), view).find(alias.field)
            wanted.append(elements(value) if present else None)
        assert found == wanted, alias
