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

from jsonschema import Draft202012Validator
from ocsf_json_schema import OcsfJsonSchemaEmbedded, get_ocsf_schema

from tocsin.findings import Coverage, RuleCoverage
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


READ: dict[str, Callable[[bytes], list[Any]]] = {
    "jsonl": read_lines,
    "json": read_json,
    "csv": read_csv,
    "ocsf": read_ocsf,
    "ecs": read_ecs,
    "splunk": read_splunk,
    "timesketch": read_timesketch,
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
}
"""Where one of them has the title of the rule."""
