"""What every source must do: know its own, read the same each time, and survive whatever a file has become."""

from __future__ import annotations

import io
import shutil
import zlib
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared_data import shared
from tocsin.events import KEYWORDS, TIME, Demand, Event
from tocsin.events.values import decode
from tocsin.findings.text import safe_text
from tocsin.sources import SOURCES, recognise
from tocsin.sources.interface import Loss, Records, Source, Stream

SAMPLES = Path(__file__).parent / "samples"
NAMES = {
    "json": "events.jsonl",
    "xml": "events.xml",
    "auditd": "audit.log",
    "syslog": "auth.log",
    "csv": "events.csv",
    "access_log": "access.log",
    "capture": "modbus.pcap",
    "application_log": "application.log",
    "cef": "events.cef",
    "clamav": "clamscan.log",
    "dns_log": "queries.log",
    "error_log": "error.log",
    "keyvalue": "fortigate.log",
    "sql_log": "postgresql.log",
    "squid": "squid.log",
    "w3c": "u_ex261006.log",
    "zeek": "smb_files.log",
}
EVENTS = {
    "json": 4,
    "xml": 2,
    "auditd": 5,
    "syslog": 3,
    "csv": 2,
    "zeek": 3,
    "access_log": 5,
    "capture": 7,
    "application_log": 2,
    "cef": 3,
    "clamav": 4,
    "dns_log": 3,
    "error_log": 4,
    "keyvalue": 3,
    "sql_log": 3,
    "squid": 3,
    "w3c": 3,
}
BINARY = frozenset({"capture", "evtx"})
"""Sources of formats that are no text."""
COSTLY = {"capture": 48}
"""Sources of which one reading starts a program -> one in how many damaged samples is read."""
NEEDS = {"capture": "tshark"}
"""Sources that need a program."""
HOSTILE = "x\x1b]0;owned\x07\u202e\n.log"
_DEMAND = Demand(
    ("Image", "CommandLine", "EventID", "message", "type", "a0", "TargetUserName", KEYWORDS, TIME), (), frozenset({"a0"})
)


@cache
def sample(name: str) -> bytes:
    """Return the sample of a source; EVTX has none of its own, since only Windows writes it."""
    if name == "evtx":
        path = min(shared("sigma-regression").rglob("*.evtx"), key=lambda path: (path.stat().st_size, path.name))
        return path.read_bytes()
    return (SAMPLES / NAMES[name]).read_bytes()


def _read(source: Source, data: bytes, label: str = "x") -> tuple[list[Records], list[Loss]]:
    items = list(source.read(Stream(io.BytesIO(data), label)))
    assert all(isinstance(item, (Records, Loss)) for item in items)
    return [i for i in items if isinstance(i, Records)], [i for i in items if isinstance(i, Loss)]


def _events(records: list[Records]) -> list[Event]:
    return [
        item.decoder.event(item.gate, raw, number)
        for item in records
        for raw, number in zip(item.raws, item.numbers, strict=True)
    ]


def _plain(records: list[Records]) -> list[str]:
    return sorted(
        repr((event.gate, event.fields, event.original, event.time, event.host, event.record)) for event in _events(records)
    )


def _case(source: Source) -> object:
    tool = NEEDS.get(source.name, "")
    missing = bool(tool) and shutil.which(tool) is None
    return pytest.param(source, id=source.name, marks=pytest.mark.skipif(missing, reason=f"{tool} is not installed"))


@cache
def _events_of_sample(source: Source) -> int:
    """Return how many events the sample of a source has."""
    return sum(len(item.raws) for item in _read(source, sample(source.name))[0] if item.counted)


def _is_spared(source: Source, data: bytes) -> bool:
    """Tell whether a damaged sample is left out because reading it costs much; the same ones in every run."""
    return bool(zlib.crc32(data) % COSTLY.get(source.name, 1))


each = pytest.mark.parametrize("source", [_case(source) for source in SOURCES])


def test_every_source_has_a_sample() -> None:
    """Names are unique, and each source has a sample here, EVTX in the shared data."""
    names = [source.name for source in SOURCES]
    assert len(set(names)) == len(names)
    assert set(names) == {*NAMES, "evtx"}


@each
def test_recognises_its_own(source: Source) -> None:
    """The sample is recognised, by this source first, with a byte order mark too where it is text."""
    data = sample(source.name)
    assert source.recognise(data)
    assert recognise(data) is source
    if source.name not in BINARY:
        assert recognise(b"\xef\xbb\xbf" + data) is source


@each
def test_does_not_recognise_others(source: Source) -> None:
    """Nothing, and noise, belong to nobody."""
    for data in (b"", b"\x00" * 600, b"\x7fELF\x02\x01" + bytes(range(256)) * 4):
        assert not source.recognise(data)


@each
def test_reads_all_and_the_same(source: Source) -> None:
    """The sample is read whole, twice the same, however the bytes come in."""
    data = sample(source.name)
    records, losses = _read(source, data)
    assert not losses
    counted = sum(len(item.raws) for item in records if item.counted)
    assert counted == EVENTS.get(source.name, counted) > 0
    assert _plain(_read(source, data)[0]) == _plain(records)

    class Trickle(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            return super().read(min(7, size) if size and size > 0 else 7)

    items = list(source.read(Stream(Trickle(data), "x")))
    assert _plain([item for item in items if isinstance(item, Records)]) == _plain(records)


@each
def test_records_keep_their_contract(source: Source) -> None:
    """Each record has a number, a gate that its event shares, and columns that say what its event says."""
    for item in _read(source, sample(source.name))[0]:
        assert len(item.raws) == len(item.numbers) > 0
        assert item.size_bytes >= 0
        columns = item.decoder.columns(item.gate, item.raws, _DEMAND)
        for row, event in enumerate(_events([item])):
            assert event.gate == item.gate
            assert event.record >= 1
            for name, column in columns.items():
                assert len(column) == len(item.raws)
                if name not in (KEYWORDS, TIME):
                    cell = column[row].as_py()
                    present, value = event.find(name)
                    assert (cell is not None) == (present and value is not None)
                    assert cell is None or decode(cell)
            assert event.original


@each
@given(share=st.floats(0, 1), junk=st.binary(max_size=8))
def test_truncated_and_damaged(source: Source, share: float, junk: bytes) -> None:
    """Cut anywhere, with anything after the cut, the reader does not raise, and reads no more events than before."""
    data, whole = sample(source.name), _events_of_sample(source)
    for damaged in (data[: int(share * len(data))], data[: int(share * len(data))] + junk):
        if _is_spared(source, damaged):
            continue
        records, losses = _read(source, damaged)
        _events(records)
        found = sum(len(item.raws) for item in records if item.counted)
        assert found <= whole + junk.count(b"\n") + 1
        for loss in losses:
            assert loss.error.code.startswith("F")
            assert loss.error.message


@each
def test_every_truncation(source: Source) -> None:
    """At every length of the sample the reader comes to its end, and losses have codes."""
    data = sample(source.name)
    lengths = range(len(data)) if len(data) < 4000 else [*range(0, 200), *range(4000, len(data), 997)]
    for length in lengths:
        if _is_spared(source, data[:length]):
            continue
        records, losses = _read(source, data[:length])
        _events(records)
        assert all(loss.error.code in ("F004", "F005", "F006", "F013") for loss in losses)


@each
def test_any_bytes_after_the_sample(source: Source) -> None:
    """Bytes that are no text after the sample cost nothing of what came before."""
    data, whole = sample(source.name), _events_of_sample(source)
    records, _ = _read(source, data + b"\n\xff\xfe\x00\x01\x80{<type=\n\n")
    assert sum(len(item.raws) for item in records if item.counted) >= whole


@each
def test_labels_with_hostile_text(source: Source) -> None:
    """A label made to harm changes nothing in what is read, and is safe once shown."""
    data = sample(source.name)
    assert _plain(_read(source, data, HOSTILE)[0]) == _plain(_read(source, data)[0])
    for loss in _read(source, data[: len(data) * 2 // 3], HOSTILE)[1]:
        assert safe_text(str(loss.error)).isprintable()
