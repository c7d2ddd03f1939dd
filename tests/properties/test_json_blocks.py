"""Blocks of JSON lines hold what the slow reader reads, whatever the lines; what they cannot tell goes to it."""

from __future__ import annotations

import io
import json
from functools import partial
from random import Random
from typing import Any

import hyperscan
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from json_compare import FIELDS, Broken, FastJson, Pipe, Trickle, blocks, mutated, read_slowly, repeated, spelled
from tocsin.kernels.block import Block
from tocsin.rules.windows_channels import SPACELESS
from tocsin.sources import json as json_source
from tocsin.sources import json_blocks, json_text
from tocsin.sources.hits import find_hits
from tocsin.sources.interface import HEAD_BYTES, Stream
from tocsin.sources.json_blocks import JsonBlocks
from tocsin.sources.screen import literal_database

FAST = FastJson()
NARROW = FastJson(size_bytes=700, rows=5, tokens=2100)
_TEXT = st.one_of(
    st.sampled_from(("cmd.exe", "C:\\Windows\\x.exe", "", " ", "4688", "K\u212aſ", "Straße", "a\nb\t/", "\x00n")),
    st.sampled_from(("2026-10-03T06:10:13.120Z", "2026-10-03 06:10:13", "1759471813", "WinEventLog:Security")),
    st.text(max_size=8),
    st.text(alphabet='\ud83d\ude00\x00\x1f\x7f\u2028\U0001f600\\"/nu0041é ', max_size=70),
)
_SCALARS = st.one_of(
    _TEXT,
    _TEXT,
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from((0, -1, 10**17, 10**18 - 1, 10**18, 2**63, 2**64, 10**30, -(10**18), -0.0, 1.5, 1e300, 1e-7, 100.0)),
    st.floats(allow_nan=False, allow_infinity=False),
)
_KEYS = st.sampled_from((*FIELDS, "@timestamp", "b", "c d", "@Name", "#attributes", "Provider_attributes", "", "é", "x" * 17))
_NODES = st.recursive(
    _SCALARS,
    lambda inner: st.dictionaries(_KEYS, inner, max_size=3) | st.lists(inner, max_size=3),
    max_leaves=4,
)
_CHANNELS = st.sampled_from(
    (
        "Security",
        "System",
        "Microsoft-Windows-Sysmon/Operational",
        "Linux-Sysmon/Operational",
        "x\\y",
        "ü",
        "",
        None,
        5,
        ["Security"],
    )
)
_IDS = st.sampled_from((1, 1, "1", 4688, 1.0, "", True, None, [1], {"#text": 1}, {"#text": None}, {"#text": 1, "b": 2}))
_SHAPE_KEYS = (
    *("Event", "System", "winlog", "data", "win", "result", "_source", "fields", "_index", "winlog.channel", "winlog.event_id"),
    *("event", "event.code", "event.provider", "source", "sourcetype", "records", "results", "hits", "_raw", "Message"),
    "__REALTIME_TIMESTAMP",
)
_RARE = st.one_of(
    *[st.just({})] * 4,
    st.dictionaries(st.sampled_from(_SHAPE_KEYS), _NODES, max_size=2),
    st.fixed_dictionaries({"event": st.just({"code": "1", "provider": "Microsoft-Windows-Sysmon"})}),
    st.fixed_dictionaries({"event.code": st.just(1), "event.provider": st.just("Microsoft-Windows-Security-Auditing")}),
)


def _mixed(parts: tuple[dict[str, Any], ...], order: int) -> dict[str, Any]:
    items = [item for part in parts for item in part.items()]
    Random(order).shuffle(items)
    return dict(items)


def _shuffled(*parts: st.SearchStrategy) -> st.SearchStrategy:
    return st.tuples(st.tuples(*parts), st.integers(0, 9)).map(lambda pair: _mixed(*pair))


_FLAT = _shuffled(
    st.dictionaries(_KEYS, _NODES, max_size=6),
    st.fixed_dictionaries({"Channel": _CHANNELS, "EventID": _IDS}),
    _RARE,
)
_PLAIN_FLAT = _shuffled(
    st.dictionaries(st.sampled_from(FIELDS), _SCALARS, max_size=6),
    st.fixed_dictionaries({"Channel": st.sampled_from(("Security", "System", "x y")), "EventID": st.sampled_from((1, "4688"))}),
)
_ATTRIBUTES = st.dictionaries(
    st.sampled_from(("Name", "Guid", "SystemTime", "ProcessID", "ActivityID", "Qualifiers", "x", "@x")), _SCALARS, max_size=3
)
_ELEMENTS = st.one_of(
    _SCALARS,
    _NODES,
    st.fixed_dictionaries({"#attributes": _ATTRIBUTES}),
    st.just({"#text": None}),
    st.fixed_dictionaries({"#text": _SCALARS}, optional={"#attributes": _ATTRIBUTES}),
)
_ELEMENT_NAMES = (
    "Provider",
    "Level",
    "Task",
    "Keywords",
    "TimeCreated",
    "EventRecordID",
    "Correlation",
    "Execution",
    "Computer",
    "Security",
)
_SYSTEM = st.dictionaries(
    st.sampled_from((*_ELEMENT_NAMES, *(f"{name}_attributes" for name in _ELEMENT_NAMES))), _ELEMENTS | _ATTRIBUTES, max_size=5
)
_ODD_SYSTEM = st.dictionaries(st.sampled_from(("Other", "Channel_attributes", "#attributes", "@x")), _ELEMENTS, max_size=1)
_DATA = st.one_of(
    st.dictionaries(st.sampled_from(FIELDS), _SCALARS, max_size=6),
    st.dictionaries(st.sampled_from(FIELDS), _ELEMENTS, max_size=6),
    st.dictionaries(_KEYS, _NODES, max_size=4),
    st.fixed_dictionaries({"Data": _NODES | st.fixed_dictionaries({"#text": _NODES})}),
    _NODES,
)


@st.composite
def _nested(draw: st.DrawFn) -> dict[str, Any]:
    system = draw(_shuffled(_SYSTEM, st.fixed_dictionaries({"Channel": _CHANNELS, "EventID": _IDS | _ELEMENTS})))
    if draw(st.integers(0, 9)) == 0:
        system |= draw(_ODD_SYSTEM)
    body = draw(
        _shuffled(st.just({"System": system}), st.fixed_dictionaries({}, optional={"EventData": _DATA, "#attributes": _NODES}))
    )
    if draw(st.integers(0, 9)) == 0:
        body |= draw(
            st.dictionaries(st.sampled_from(("UserData", "ProcessingErrorData", "RenderingInfo", "xmlns")), _NODES, max_size=1)
        )
    return draw(_shuffled(st.just({"Event": body}), _RARE))


OBJECTS = st.one_of(_FLAT, _PLAIN_FLAT, _nested(), _nested(), st.dictionaries(_KEYS, _NODES, max_size=3))
_STYLES = st.integers(0, 1 << 32).map(Random)


def _line(found: Any, style: Random) -> bytes:
    text = spelled(repeated(found, style) if style.random() < 0.3 else found, style)
    return text.encode("utf-8", "surrogatepass")


def _check(data: bytes, file: type[io.BytesIO] | type[io.RawIOBase] = io.BytesIO) -> None:
    wanted = read_slowly(data, file)
    for reader in (FAST, NARROW):
        found = reader.read(data, file)
        assert found.events == wanted.events
        assert found.losses == wanted.losses


@settings(max_examples=600)
@given(st.lists(OBJECTS, min_size=1, max_size=4), _STYLES)
def test_events_and_cells(found: list[Any], style: Random) -> None:
    """Each row has the gate, the cells, the time, host and number of its event, or goes to the slow reader."""
    _check(b'{"Channel":"Security","EventID":1}\n' + blocks(_line(item, style) for item in found))


@settings(max_examples=300)
@given(st.lists(_PLAIN_FLAT, min_size=1, max_size=4), st.booleans())
def test_plain_events_are_read_fast(found: list[Any], ascii_only: bool) -> None:
    """Flat events of texts, numbers, words are not left to the slow reader, but for surrogates, NUL, powers, spaced names."""
    texts = [json.dumps(item, ensure_ascii=ascii_only) for item in found]
    wanted = sum(
        not any(part in text for part in ("\\ud", "\\u0000", "null"))
        and not (" " in "".join(item) and item["Channel"] not in SPACELESS)
        and not any("\ud800" <= char <= "\udfff" for char in text)
        and not any(isinstance(value, float) and "e" in repr(value) for value in item.values())
        for text, item in zip(texts, found, strict=True)
    )
    data = b'{"Channel":"Security","EventID":1}\n' + "\n".join(texts).encode("utf-8", "surrogatepass")
    assert FAST.read(data).fast >= wanted


@settings(max_examples=600)
@given(st.lists(OBJECTS, min_size=1, max_size=3), _STYLES)
def test_changed_bytes(found: list[Any], style: Random) -> None:
    """Damaged lines give the same events and losses as by the slow reader."""
    lines = blocks(_line(item, style) for item in found)
    _check(b'{"Channel":"Security","EventID":1}\n' + mutated(lines, style))
    _check(mutated(lines, style))


@settings(max_examples=300)
@given(st.binary(max_size=300))
@example(b"{" * 300)
@example(b'{"Channel":"Security","EventID":1}\r\n\r\n\x00')
@example(b'\n\n\n{"Channel":"Security","EventID":1}')
@example(b'\xef\xbb\xbf\xef\xbb\xbf{"Channel":"Security","EventID":1}\n{}')
@example(b'{"a":"' + b"x" * 3000 + b'"}\n{"a":"\n' + b"\n" * 800)
def test_any_bytes(data: bytes) -> None:
    """Any bytes, at the start or after a line, give the same events and losses as by the slow reader."""
    for prefix in (b"", b'{"Channel":"Security","EventID":1}\n', b'\xef\xbb\xbf{"Channel":"Security","EventID":1}\n{"a":"'):
        _check(prefix + data)


@pytest.mark.parametrize("size", [600, 699, 700, 701, 1400, 5000])
@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n", b"\n\n", b"x"])
def test_lines_longer_than_the_block(size: int, end: bytes) -> None:
    """A line that does not fit into the block is read all the same, and so is what follows it."""
    for before in (0, 1, 9):
        short = b'{"Channel":"Security","EventID":1,"Image":"short"}\n'
        long = b'{"Channel":"Security","EventID":1,"Image":"' + b"x" * (size - 46) + b'"}'
        _check(short * (1 + before) + long + b"\n" + short * 3 + long + end)


@pytest.mark.parametrize("provider", ["Provider_Name", "SourceName"])
def test_sysmon_for_linux_in_another_channel(provider: str) -> None:
    """An event of Sysmon for Linux that names another channel has the gate that both readers tell."""
    FAST.read(b'{"Channel":"Security","EventID":1}\n{"Channel":"Syslog","EventID":1,"%b":"Linux-Sysmon"}\n' % provider.encode())


@pytest.mark.parametrize("file", [Broken, Trickle, Pipe])
@pytest.mark.parametrize("form", [b"%b", b"[%b", b'{"Channel":\n"Security","EventID":1}%b'])
def test_stream_that_breaks_off(file: type[io.BytesIO] | type[io.RawIOBase], form: bytes) -> None:
    """Wherever a stream breaks off, all before that is read, and it is told once, by both readers."""
    line = b'{"Channel":"Security","EventID":1,"Image":"x"}\n'
    for size in (*range(1, 2 * len(line) + 2), 690, 699, 700, 701, 702, 1400, 2000, HEAD_BYTES - 1, HEAD_BYTES, 200_000):
        data = form % (line * (size // len(line) + 1))[:size]
        wanted = read_slowly(data, file)
        assert wanted.losses["F005"] == 1
        assert form != b"%b" or size < len(line) or wanted.events.total() == size // len(line)
        _check(data, file)
    _check(b'{"Channel":"Security","EventID":1}\nbroken\n' * 30 + line[:9], file)


@pytest.mark.parametrize("text", ["\u017f", "needle", "\u212aneedle"])
@pytest.mark.parametrize("size", [1, 3, 9, 1000])
def test_very_many_hits_of_a_search(text: str, size: int) -> None:
    """A block full of a word, or of characters that fold to ASCII, has suspects only, and the search looks at few hits."""
    line = b'{"Channel":"Security","EventID":1,"Image":"' + text.encode() * size + b'"}\n\n'
    quiet = b'{"Channel":"Security","EventID":1,"Image":"x"}\n'
    reader = JsonBlocks(FIELDS, Block())
    data = quiet + (line + quiet) * (100_000 // len(line))
    assert all(isinstance(item, tuple) for item in reader.read(Stream(io.BytesIO(data), "x.json")))
    assert reader.suspects(("needle",)).tolist() == [row % 2 == 1 for row in range(reader.block.rows)]
    database = literal_database((text.encode(),), hyperscan.HS_MODE_BLOCK)
    row_at = reader.block.row_at[: reader.block.rows]
    hits = find_hits(database, reader.block.view, 0, reader.block.used, row_at)
    assert len(hits) <= 9 * (2 + max(reader.block.rows, len(data) // 256))
    assert all(data[: place + 1].endswith(text.encode()) for _, place in hits)


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b""])
@pytest.mark.parametrize("size", [1999, 2000, 2001, 2100, 2299, 2300, 2301, 2600, 5000])
def test_lines_beyond_the_limit(size: int, end: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both readers take a line that is just as long as it may be, and tell the loss of one that is a byte longer."""
    monkeypatch.setattr(json_text, "RECORD_BYTES", 2000)
    monkeypatch.setattr(json_blocks, "RECORD_BYTES", 2000)
    monkeypatch.setattr(json_blocks, "BLOCK_BYTES", 300)
    monkeypatch.setattr(json_source, "utf8_blocks", partial(json_text.utf8_blocks, size=300))
    short = b'{"Channel":"Security","EventID":1,"Image":"short"}\n'
    long = b'{"Channel":"Security","EventID":1,"Image":"' + b"x" * (size - 45 - end.count(b"\r")) + b'"}'
    for before in (1, 2, 5, 6, 7):
        data = short * before + long + end + (short * 2 if end else b"")
        wanted = read_slowly(data)
        assert wanted.losses["F013"] == (size > 2000)
        assert wanted.events.total() == before + 2 * bool(end) + (size <= 2000)
        found = NARROW.read(data)
        assert found.events == wanted.events
        assert found.losses == wanted.losses
