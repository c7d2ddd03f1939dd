"""What the documents of OCSF, ECS, Splunk and Timesketch say of a finding."""

from __future__ import annotations

import json

from sink_forms import PROCESS, line, read_ecs, read_ocsf, read_splunk, read_timesketch, write

TIMED = line(PROCESS)
UNTIMED = line(PROCESS, time="")


def test_ocsf_has_each_part() -> None:
    """Class, severity, rule, techniques, evidence and observables."""
    (found,) = read_ocsf(write("ocsf", [TIMED]))
    assert (found["class_uid"], found["severity_id"], found["severity"]) == (2004, 4, "High")
    assert found["time"] == 1704164645678
    assert found["metadata"]["original_time"] == "2024-01-02T03:04:05.678901Z"
    info = found["finding_info"]
    assert info["uid"] == "/cases/a b.zip!/x.jsonl#7:0001"
    assert info["analytic"] == {"type_id": 1, "type": "Rule", "name": "A title", "uid": "0001"}
    assert info["attacks"] == [
        {"tactic": {"name": "defense-evasion"}},
        {"technique": {"uid": "T1059"}, "sub_technique": {"uid": "T1059.001"}},
        {"technique": {"uid": "T0855"}},
    ]
    (evidence,) = found["evidences"]
    assert evidence["process"]["cmd_line"] == "cmd /c x"
    assert evidence["process"]["parent_process"] == {"pid": 16, "name": "up.exe", "path": "C:\\up.exe"}
    assert evidence["dst_endpoint"] == {"ip": "2001:db8::1", "hostname": "x.example", "port": 443}
    assert {"name": "evidences.src_endpoint.ip", "type_id": 2, "value": "10.0.0.1"} in found["observables"]
    assert json.loads(found["raw_data"]) == PROCESS
    assert found["device"] == {"type_id": 0, "name": "PC1", "hostname": "PC1"}


def test_ocsf_without_a_time() -> None:
    """The demanded number is 0, and it is said that nothing is known."""
    (found,) = read_ocsf(write("ocsf", [UNTIMED]))
    assert found["time"] == 0
    assert "unknown" in found["status_detail"]
    assert "original_time" not in found["metadata"]


def test_a_host_that_is_no_name_is_kept() -> None:
    """OCSF demands a form of host names."""
    (found,) = read_ocsf(write("ocsf", [line({}, host="<b> x")]))
    assert found["device"] == {"type_id": 0, "name": "<b> x"}


def test_ecs_has_each_part() -> None:
    """Under the names of the Elastic Common Schema."""
    (found,) = read_ecs(write("ecs", [TIMED]))
    assert found["@timestamp"] == "2024-01-02T03:04:05.678901Z"
    assert found["message"] == "A title on PC1: Image=C:\\a.exe"
    assert found["event"]["code"] == "1"
    assert found["event"]["provider"] == "Microsoft-Windows-Sysmon/Operational"
    assert (found["event"]["category"], found["event"]["type"]) == (["process"], ["start"])
    assert json.loads(found["event"]["original"]) == PROCESS
    assert found["rule"] == {
        "id": "0001",
        "name": "A title",
        "reference": "https://example.org/a",
        "author": ["me"],
        "ruleset": "sigma",
    }
    assert found["threat"]["technique"] == {"id": ["T1059", "T0855"], "subtechnique": {"id": ["T1059.001"]}}
    assert found["threat"]["tactic"] == {"name": ["defense-evasion"]}
    assert found["source"] == {"ip": "10.0.0.1", "port": 50000}
    assert found["destination"] == {"ip": "2001:db8::1", "port": 443, "domain": "x.example"}
    assert found["process"] == {
        "executable": "C:\\Windows\\cmd.exe",
        "command_line": "cmd /c x",
        "pid": 12,
        "name": "cmd.exe",
        "hash": {"md5": "0123456789abcdef0123456789abcdef"},
        "parent": {"executable": "C:\\up.exe", "pid": 16, "name": "up.exe"},
    }
    assert found["related"]["hosts"] == ["PC1", "x.example"]
    assert "time_unknown" not in found["tags"]


def test_ecs_without_a_time() -> None:
    """The tag tells, and the next document of the same rule has it not."""
    untimed, timed = read_ecs(write("ecs", [UNTIMED, TIMED]))
    assert untimed["@timestamp"].startswith("1970-01-01")
    assert "time_unknown" in untimed["tags"]
    assert "time_unknown" not in timed["tags"]


def test_splunk_has_the_finding_whole() -> None:
    """Beside the time in seconds, the host and the source."""
    timed, untimed = read_splunk(write("splunk", [TIMED, UNTIMED]))
    assert timed["event"] == json.loads(TIMED)
    assert timed["time"] == 1704164645.678901
    assert (timed["host"], timed["source"]) == ("PC1", "/cases/a b.zip!/x.jsonl")
    assert timed["fields"] == {"level": "high", "rule_id": "0001", "technique": ["T1059.001", "T0855"]}
    assert "time" not in untimed
    assert untimed["fields"]["time_unknown"] == "true"


def test_timesketch_is_flat() -> None:
    """With the names that its analyzers use."""
    timed, untimed = read_timesketch(write("timesketch", [TIMED, UNTIMED]))
    assert timed["datetime"] == "2024-01-02T03:04:05.678901+00:00"
    assert timed["timestamp"] == 1704164645678901
    assert timed["timestamp_desc"] == "Event Time"
    assert (timed["command_line"], timed["src_ip"], timed["username"]) == ("cmd /c x", "10.0.0.1", "CORP\\eve")
    assert json.loads(timed["event"]) == PROCESS
    assert untimed["timestamp_desc"] == "Not a time"
    assert untimed["timestamp"] == 0
