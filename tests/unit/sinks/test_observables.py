"""What an event names, from the fields of many logs, and only where it is of its kind."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sink_forms import PROCESS, line
from tocsin.sinks.found import read_finding
from tocsin.sinks.observables import base_name, hashes, observables


def seen(event: object) -> dict[str, str]:
    """Return what an event names."""
    return observables(read_finding(line(event)))


def test_a_flat_event() -> None:
    """Names of Sysmon; addresses and numbers in their one form."""
    assert seen(PROCESS) == {
        "process.path": "C:\\Windows\\cmd.exe",
        "process.command": "cmd /c x",
        "process.pid": "12",
        "parent.path": "C:\\up.exe",
        "parent.pid": "16",
        "user": "CORP\\eve",
        "hashes": "MD5=0123456789ABCDEF0123456789ABCDEF,IMPHASH=00",
        "src.ip": "10.0.0.1",
        "src.port": "50000",
        "dst.ip": "2001:db8::1",
        "dst.port": "443",
        "dst.host": "x.example",
        "proto": "tcp",
    }


def test_nested_events_are_the_same() -> None:
    """As EVTX and Winlogbeat have them."""
    assert seen({"Event": {"System": {"EventID": 1}, "EventData": PROCESS}}) == seen(PROCESS)
    assert seen({"winlog": {"event_data": PROCESS}}) == seen(PROCESS)


def test_zeek_and_security() -> None:
    """Zeek's names; in Security 4688 `ProcessId` is the parent's, wherever it stands."""
    zeek = seen({"id.orig_h": "10.1.1.1", "id.orig_p": 5, "id.resp_h": "10.1.1.2", "id.resp_p": 502})
    assert zeek == {"src.ip": "10.1.1.1", "src.port": "5", "dst.ip": "10.1.1.2", "dst.port": "502"}
    created = {"ProcessId": "0x4", "NewProcessId": "0x1a4", "NewProcessName": "C:\\a.exe"}
    assert seen(created) == {"parent.pid": "4", "process.pid": "420", "process.path": "C:\\a.exe"}


@pytest.mark.parametrize(
    "event",
    [
        {"SourceIp": "-"},
        {"SourceIp": "999.1.1.1"},
        {"SourceIp": "fe80::1%eth0"},
        {"SourceIp": ["10.0.0.1"]},
        {"SourcePort": 65536},
        {"SourcePort": "1e3"},
        {"SourcePort": "١"},
        {"ProcessId": "4294967296"},
        {"ProcessId": True},
        {"QueryName": "<script>"},
        {"QueryName": "a" * 64},
        {"Protocol": "<tcp>"},
        {"Image": ""},
        {"Image": None},
        {"Image": {"a": 1}},
        [PROCESS],
        "text",
    ],
)
def test_what_is_not_of_its_kind_is_left_out(event: object) -> None:
    """A database that takes addresses and numbers would refuse the whole document."""
    assert seen(event) == {}


def test_hashes_have_their_length() -> None:
    """Others are none."""
    assert hashes(seen(PROCESS)) == {"MD5": "0123456789abcdef0123456789abcdef"}
    assert hashes(seen({"Hashes": "MD5=00,SHA256=xyz"})) == {}


@pytest.mark.parametrize(
    ("path", "name"),
    [("C:\\a\\b.exe", "b.exe"), ("/usr/bin/id", "id"), ("x", "x"), ("C:\\a\\", "a"), ("\\", "\\"), ("/", "/")],
)
def test_base_name(path: str, name: str) -> None:
    """Of Windows and of Unix; never empty."""
    assert base_name(path) == name


@given(st.text())
def test_any_path_has_a_name(path: str) -> None:
    """Empty only for an empty one."""
    assert bool(base_name(path)) == bool(path)
