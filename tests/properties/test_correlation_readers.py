"""What correlations keep does not depend on the reader: columns of a block and whole events give the same bytes."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_readers_agree import SIZES, both, evidence, narrow

from scan_samples import scan
from tocsin.correlations.occurrence import _folded_product, group_digest, joined_digests, origin_of, origins, text_digest
from tocsin.engine import alike, coded, executor
from tocsin.events.time import normal_time, parse_time
from tocsin.kernels.block import Block
from tocsin.kernels.json_scan import TEXT
from tocsin.runs import units
from tocsin.runs.collect import MatchCollector
from tocsin.runs.ruleset import RuleFile, RuleSet, load_rules
from tocsin.sources.block_columns import UNTIMED, BlockColumns
from tocsin.sources.interface import Stream
from tocsin.sources.json_blocks import JsonBlocks

_BASE = """\
---
title: {name}
name: {name}
level: low
logsource: {{product: windows, {source}}}
detection: {{selection: {selection}, none: {{IpAddress: [null, '-']}}, machine: {{User|endswith: $}},
  condition: selection and not (none or machine)}}
"""
_BASES = (
    ("logon", "service: security", "{EventID: 4624, Type: [3, 10]}"),
    ("same_logon", "service: security", "{EventID: 4624, Type: [3, 10]}"),
    ("failed", "service: security", "{EventID: 4625}"),
    ("process", "category: process_creation", "{Image|endswith: .exe}"),
)
_CORRELATION = """\
---
title: {title}
name: {title}
level: high
correlation: {{type: {type}, rules: {rules}, group-by: {groups}, timespan: {span}, generate: {generate},
  condition: {condition}}}
"""
_ORDERED = """\
---
title: {title}
level: high
correlation: {{type: temporal_ordered, rules: {rules}, group-by: {groups}, timespan: 1h}}
"""
_ROWS: tuple[tuple[str, str, str, str, str, str, str], ...] = (
    ("many", "event_count", "[failed]", "[IpAddress]", "10m", "false", "{gte: 2}"),
    ("everywhere", "event_count", "[same_logon]", "[]", "5m", "true", "{gte: 3}"),
    ("names", "value_count", "[failed]", "[IpAddress]", "10m", "false", "{field: User, gte: 2}"),
    ("pairs", "value_count", "[logon]", "[Computer]", "10m", "false", "{field: [User, IpAddress], gte: 2}"),
    ("bytes", "value_sum", "[logon]", "[User]", "10m", "false", "{field: Size, gte: 2}"),
    ("middle", "value_median", "[same_logon]", "[IpAddress]", "10m", "false", "{field: Size, gte: 1}"),
    ("programs", "value_count", "[process]", "[User]", "10m", "false", "{field: Image, gte: 2}"),
)


def rules() -> RuleSet:
    """Return correlations of every kind over rules of which two are the same."""
    text = "".join(_BASE.format(name=name, source=source, selection=selection) for name, source, selection in _BASES)
    names = ("title", "type", "rules", "groups", "span", "generate", "condition")
    text += "".join(_CORRELATION.format(**dict(zip(names, row, strict=True))) for row in _ROWS)
    text += _ORDERED.format(title="guessed", rules="[failed, logon]", groups="[IpAddress, User]")
    text += _ORDERED.format(title="then", rules="[names, same_logon]", groups="[IpAddress]")
    found = load_rules([RuleFile("rules.yml", text.encode())], {})
    assert not found.rejected, found.rejected
    return found


RULES = rules()
_PLAIN = st.sampled_from(
    ["10.0.0.1", "10.0.0.2", "anna", "ANNA", "bert", "m$", "7", "2.5", "1e400", "STRASSE", "straße", "a\tb"]
)
_ODD = st.one_of(
    st.sampled_from([None, "", "-", 7, -0.0, True, 2.5, [], {}, {"a": ["b"]}, "\0n", "\0"]),
    st.lists(st.one_of(_PLAIN, st.sampled_from([None, "", 3])), max_size=3),
    st.integers(8, 80).map(lambda count: [f"u{number}" for number in range(count)]),
)
_VALUES = st.one_of(_PLAIN, _PLAIN, _PLAIN, _PLAIN, _ODD)
_SECONDS = st.integers(0, 900)
_FORMS = (
    "2026-10-03T06:{0:02}:{1:02}Z",
    "2026-10-03T06:{0:02}:{1:02}.5Z",
    "2026-10-03T06:{0:02}:{1:02}.1234567Z",
    "2026-10-03 06:{0:02}:{1:02}.250",
    "2026-10-03T08:{0:02}:{1:02}+02:00",
)
_TIMES = st.one_of(
    *[_SECONDS.map(lambda second, form=form: form.format(*divmod(second, 60))) for form in _FORMS],
    st.sampled_from([None, "", "2026-02-30T06:00:00Z", "2026-10-03T06:00:60Z", 1790000000, "soon", ["2026-10-03T06:00:00Z"]]),
)
_FIELDS = ("IpAddress", "User", "Type", "Size", "Computer", "NewProcessName", "SubjectUserName", "SubjectDomainName")


@st.composite
def logons(draw: st.DrawFn) -> str:
    """Draw a line with a logon, flat or nested, in which anything may be odd or missing."""
    event: dict[str, Any] = {name: draw(_VALUES) for name in _FIELDS if draw(st.integers(0, 9))}
    event["EventID"] = draw(st.sampled_from([4624, 4624, 4625, 4625, "4625", 4688]))
    event["Type"] = draw(st.sampled_from([3, "10", "3", 2, None]))
    if draw(st.booleans()):
        event["NewProcessName"] = "C:\\x\\" + draw(_PLAIN) + ".exe"
    time = draw(_TIMES)
    if draw(st.integers(0, 3)):
        event |= {"Channel": "Security", draw(st.sampled_from(["TimeCreated", "@timestamp", "EventTime", "NoTime"])): time}
        return json.dumps(event | ({"Other Name": 1} if draw(st.integers(0, 9)) == 0 else {}))
    system: dict[str, Any] = {"Channel": "Security", "EventID": event.pop("EventID"), "EventRecordID": draw(st.integers(0, 9))}
    if "Computer" in event and draw(st.booleans()):
        system["Computer"] = event.pop("Computer")
    return json.dumps(
        {"Event": {"System": system | {"TimeCreated": {"#attributes": {"SystemTime": time}}}, "EventData": event}}
    )


@settings(max_examples=70, deadline=None)
@given(st.lists(logons(), min_size=1, max_size=25), st.sampled_from(SIZES), st.integers(0, 1 << 32).map(Random))
def test_columns_and_events_keep_the_same(lines: list[str], size: int, style: Random) -> None:
    """Findings, and what was left out and why, are the same for the kernels and the slow way, jobs, parts and copies."""
    data = ("\n".join(lines * style.choice((1, 1, 3))) + "\n").encode()
    files = evidence(a=data, b=data[: len(data) // 2])
    with narrow(size, style.choice((4, 1 << 17))), files as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(units, "PART_BYTES", style.choice((400, 1 << 26)))
        dedupe = style.random() < 0.2
        found, coverage = both(folder, RULES, style.choice((1, 2)), dedupe=dedupe)
        patch.setattr(MatchCollector, "takes_columns", False)
        whole = scan(folder, found=RULES, reader="slow", jobs=1, dedupe=dedupe)
        assert (whole[2], whole[0].coverage) == (found, coverage)


def test_a_stream_that_has_runs() -> None:
    """Every correlation finds something in logons that are plain, whoever reads them and however they are divided."""
    random = Random(5)
    lines = []
    for number in range(600):
        event = {"Channel": "Security", "EventID": random.choice([4624, 4625, 4688]), "Computer": f"h{random.randrange(3)}"}
        event |= {"IpAddress": f"10.0.0.{random.randrange(5)}", "User": f"u{random.randrange(9)}", "Type": 3}
        event |= {
            "Size": random.randrange(9),
            "NewProcessName": f"C:\\{random.randrange(4)}.exe",
            "SubjectUserName": "s",
            "SubjectDomainName": "d",
        }
        lines.append(json.dumps(event | {"@timestamp": f"2026-10-03T06:{number // 60:02}:{number % 60:02}Z"}))
    with evidence(a="\n".join(lines[::2]).encode() + b"\n", b="\n".join(lines[1::2]).encode() + b"\n") as folder:
        first, _ = both(folder, RULES)
        titles = {json.loads(line)["rule"]["title"] for line in first.splitlines()}
        assert titles >= {title for title, *_ in _ROWS if title != "names"} | {"guessed", "then"}
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(units, "PART_BYTES", 9000)
            for reader in ("fast", "slow"):
                for jobs in (1, 3):
                    assert scan(folder, found=RULES, reader=reader, jobs=jobs)[2] == first
        assert both(folder, RULES, dedupe=True)[0]


@settings(max_examples=300, deadline=None)
@given(st.lists(st.one_of(_TIMES, st.datetimes().map(lambda time: f"{time.isoformat()}Z"), st.text(max_size=30)), max_size=9))
def test_times_of_a_block(times: list[Any]) -> None:
    """Times that are read many at once are those that are read one by one, or are left to the whole event."""
    reader = JsonBlocks([], Block(1 << 16, 64, 1 << 13))
    data = "".join(json.dumps({"Channel": "Security", "EventID": 1, "TimeCreated": time}) + "\n" for time in times)
    rows: list[int] = []
    for item in reader.read(Stream(_bytes(data), "times")):
        if isinstance(item, tuple):
            rows += [row for row in range(*item) if not reader.block.row_flags[row]]
    columns = BlockColumns(reader, np.array(rows, np.int64))
    found, sure = columns.times(columns.places(reader.time_names), reader.time_kinds)
    for row, number, known in zip(rows, found.tolist(), sure.tolist(), strict=True):
        time = times[int(reader.block.row_number[row]) - 1]
        moment = parse_time(time) if normal_time(time) else None
        told = (moment - datetime(1970, 1, 1, tzinfo=UTC)) // datetime.resolution if moment else UNTIMED
        assert not known or number == told, time
        assert known or not isinstance(time, str) or not time or reader.block.token_kind[row] != TEXT


def _bytes(text: str) -> Any:
    return io.BytesIO(text.encode("utf-8", "surrogatepass"))


@given(st.lists(st.text(max_size=3), max_size=3), st.lists(st.integers(0, 1 << 62), min_size=1, max_size=5))
def test_digests_one_by_one_and_together(texts: list[str], records: list[int]) -> None:
    """A digest is the same alone and as one of many, and records of one file never share one."""
    parts = [np.array([text_digest(text), 7], np.uint64) for text in texts]
    assert int(joined_digests(parts, 2)[0]) == group_digest(tuple(texts))
    product = int(parts[0][0]) * (7 << 60) if parts else 0
    if parts:
        folded = _folded_product(parts[0][:1], np.array([7 << 60], np.uint64))
        assert int(folded[0]) == (product >> 64) ^ (product & (1 << 64) - 1)
    many = origins(origin_base := 12345, np.array(records, np.int64))
    assert len(set(many.tolist())) == len(set(records))
    assert origin_base
    assert origin_of("f", 0, records[0]) == origin_of("f", 0, records[0]) != origin_of("f", 1, records[0])


@pytest.fixture(autouse=True)
def _alike_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ask which combinations are alike even where there are few."""
    monkeypatch.setattr(coded, "_FEW", 1)
    monkeypatch.setattr(executor, "_SAMPLE", 1)
    monkeypatch.setattr(alike, "_TESTS_A_ROW", 1000)
