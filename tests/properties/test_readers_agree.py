"""Whole scans by the fast readers write the same bytes and the same coverage as by the slow ones."""

from __future__ import annotations

import gzip
import io
import json
import lzma
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from test_json_blocks import OBJECTS
from vocabulary import PLACEHOLDERS, compiled, events, lines, rule_documents

from json_compare import FastJson, mutated, repeated, spelled
from scan_samples import RULES, event, rules, scan, write
from shared_data import shared
from tocsin.engine import alike, coded, executor
from tocsin.engine.coded import CodedEngine
from tocsin.engine.executor import FastEngine
from tocsin.findings import Coverage
from tocsin.kernels import codes
from tocsin.kernels.block import ROWS, TOKENS, Block
from tocsin.plans.expr import Plan
from tocsin.plans.gates import native_fields
from tocsin.runs import readers, units, worker
from tocsin.runs.ruleset import RuleFile, RuleSet, load_rules, read_rule_files
from tocsin.sources import json as json_source
from tocsin.sources import json_blocks, json_text
from tocsin.sources.containers import Limits
from tocsin.sources.interface import BlockSource
from tocsin.sources.json_blocks import JsonBlocks

_RULES = st.lists(rule_documents(), min_size=1, max_size=6)
_EVENTS = st.lists(events(), min_size=1, max_size=12)
_STYLES = st.integers(0, 1 << 32).map(Random)
_FIRST = b'{"Channel":"Security","EventID":1}\n'
SIZES = (1 << 12, 1 << 13, (1 << 20) + (1 << 12))
"""Bytes of a block: taken after every read, and taken when some files have filled it."""


@contextmanager
def narrow(size_bytes: int, entries: int) -> Iterator[None]:
    """Make blocks small, and the tables of codes so small that they are forgotten all the time."""

    def make(name: str, engine: FastEngine, plans: Sequence[Plan], more: Iterable[str] = ()) -> tuple[BlockSource, CodedEngine]:
        if name != "json":
            return readers.make_reader(name, engine, plans, more)
        reader = JsonBlocks(sorted(native_fields(plans, more)), Block(size_bytes, min(ROWS, entries * 5000), TOKENS))
        return reader, CodedEngine(engine, reader)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(worker, "make_reader", make)
        patch.setattr(codes, "ENTRIES", entries)
        patch.setattr(codes, "STORE_BYTES", 16 * entries)
        patch.setattr(codes, "COMBINATIONS", 4 if entries < ROWS else codes.COMBINATIONS)
        patch.setattr(coded, "_FEW", 1)
        patch.setattr(executor, "_SAMPLE", 1)
        patch.setattr(alike, "_TESTS_A_ROW", 1000)
        yield


def coverage_of(found: Coverage) -> Any:
    """Return coverage as plain data."""
    return msgspec.to_builtins(found)


def both(folder: Path, found: RuleSet, jobs: int = 1, **options: Any) -> tuple[bytes, Coverage]:
    """Scan a folder with both readers, which must agree; return the findings and the coverage."""
    slow = scan(folder, found=found, reader="slow", jobs=1, **options)
    fast = scan(folder, found=found, reader="fast", jobs=jobs, **options)
    assert fast[1] == slow[1]
    assert fast[2] == slow[2]
    assert coverage_of(fast[0].coverage) == coverage_of(slow[0].coverage)
    return slow[2], slow[0].coverage


def agree(folder: Path, found: RuleSet, jobs: int = 1) -> bytes:
    """Scan a folder with both readers, which must agree; return the findings."""
    return both(folder, found, jobs)[0]


@contextmanager
def evidence(**files: bytes) -> Iterator[Path]:
    """Give a folder with files."""
    folder = Path(tempfile.mkdtemp(prefix="tocsin-readers-"))
    try:
        for name, data in files.items():
            (folder / f"{name}.jsonl").write_bytes(data)
        yield folder
    finally:
        shutil.rmtree(folder)


def rule_set(documents: list[dict[str, Any]]) -> RuleSet | None:
    """Return the rules of documents that compile."""
    usable = [dict(document, title=f"r{at}") for at, document in enumerate(documents) if compiled(document)]
    text = "---\n".join(yaml.safe_dump(document, allow_unicode=True, sort_keys=False) for document in usable)
    return load_rules([RuleFile("rules.yml", text.encode("utf-8", "replace"))], PLACEHOLDERS) if usable else None


def _lines(found: list[Any], style: Random) -> bytes:
    texts = [spelled(repeated(item, style) if style.random() < 0.1 else item, style) for item in found]
    return "\n".join(texts).encode("utf-8", "surrogatepass") + b"\n"


@settings(max_examples=70)
@given(_RULES, _EVENTS, _EVENTS, st.sampled_from(SIZES), _STYLES)
def test_any_rules_and_events(documents: list[dict], one: list[dict], other: list[dict], size: int, style: Random) -> None:
    """Random rules find the same in random events, spelled in any way, in blocks and tables of any size."""
    found = rule_set(documents)
    if not found or not found.plans:
        return
    again = one * style.choice((1, 1, 40))
    with narrow(size, style.choice((4, 1 << 17))), evidence(a=_FIRST + _lines(again, style), b=_FIRST + lines(other)) as folder:
        agree(folder, found, style.choice((1, 1, 2)))


@settings(max_examples=60)
@given(_RULES, st.lists(OBJECTS, min_size=1, max_size=6), st.sampled_from(SIZES), _STYLES)
def test_odd_and_damaged_lines(documents: list[dict], objects: list[Any], size: int, style: Random) -> None:
    """So they do in odd shapes, in lines with damage, and whatever is lost is told the same."""
    found = rule_set([*documents, {**_KEYWORDS, "detection": {"words": ["cmd", "x"], "condition": "words"}}])
    assert found
    data = _lines(objects, style)
    with narrow(size, 4), evidence(a=_FIRST + data, b=_FIRST + mutated(data, style), c=data) as folder:
        agree(folder, found)


_KEYWORDS: dict[str, Any] = {"title": "words", "level": "low", "logsource": {"product": "windows"}}
_WORDS = (
    "needle",
    "kelvin",
    "<script",
    "a&b",
    "o'neil",
    'say "it"',
    "path\\file",
    "a/b",
    "STRASSE",
    "file",
    "sss",
    "tab\there",
)
_DISGUISES = (
    lambda text: text,
    lambda text: text.upper(),
    lambda text: text.replace("k", "\u212a").replace("s", "\u017f"),
    lambda text: text.replace("ss", "ß").replace("SS", "ẞ").replace("fi", "\ufb01"),
    lambda text: text[: len(text) // 2] + "-" + text[len(text) // 2 :],
)
_SPELLINGS = (
    lambda text: json.dumps(text),
    lambda text: json.dumps(text, ensure_ascii=False),
    lambda text: '"' + "".join(f"\\u{ord(char):04x}" for char in text) + '"',
    lambda text: json.dumps(text).replace("<", "\\u003c").replace("&", "\\u0026").replace("'", "\\u0027").replace("/", "\\/"),
    lambda text: json.dumps(text, ensure_ascii=False).replace("e", "\\u0065", 1),
    lambda text: f'["x",{json.dumps(text)}]',
    lambda text: f'{{"b":{{"c":{json.dumps(text, ensure_ascii=False)}}}}}',
)
_FORMS = (
    '{"Channel":"Security","EventID":1,"Image":%s}',
    '{"Channel":"Security","EventID":1,"Unread":%s}',
    '{"Event":{"System":{"Channel":"Security","EventID":1},"EventData":{"Image":%s}}}',
    '{"Event":{"System":{"Channel":"Security","EventID":1},"EventData":{"Unread":%s}}}',
    '{"Event":{"System":{"Channel":"Security","EventID":1,"Computer":%s}}}',
)


@pytest.mark.parametrize("word", _WORDS)
def test_keywords(word: str) -> None:
    """A keyword is found wherever it stands, however it is disguised and spelled."""
    rows = [
        form % spelling(disguise("x " + word + " y")) for form in _FORMS for disguise in _DISGUISES for spelling in _SPELLINGS
    ]
    quiet = [form % json.dumps(f"quiet {number}") for number in range(40) for form in _FORMS]
    documents = [
        {**_KEYWORDS, "detection": {"words": [word], "condition": "words"}},
        {**_KEYWORDS, "detection": {"words": {"|all": [word, "x"]}, "condition": "words"}},
        {
            **_KEYWORDS,
            "detection": {"words": [f"*{word}*"], "other": {"Image|contains": "y"}, "condition": "words and not other"},
        },
    ]
    found = rule_set(documents)
    assert found
    assert len(found.plans) == 3
    data = "\n".join((*rows, *quiet)).encode() + b"\n"
    with narrow(1 << 13, 8), evidence(a=data) as folder:
        assert agree(folder, found).count(b"\n") > len(rows) // 2


_TWINS = (
    ({"category": "process_creation"}, {"Image|endswith": "\\cmd.exe"}),
    ({"category": "process_creation"}, {"CommandLine|contains": "whoami", "User|contains": "SYSTEM"}),
    ({"category": "process_creation"}, {"ParentImage|endswith": "\\a.exe", "ProcessId": 4}),
    ({"category": "network_connection"}, {"DestinationPort": 80, "Initiated": "true"}),
    ({"category": "network_connection"}, {"DestinationIp|cidr": "10.0.0.0/8"}),
    ({"category": "registry_set"}, {"TargetObject|endswith": "\\Run\\x", "Details|contains": "a"}),
    ({"category": "registry_event"}, {"EventType": "SetValue"}),
    ({"service": "security"}, {"NewProcessName|endswith": "\\cmd.exe"}),
)
_TWIN_VALUES: dict[str, tuple[Any, ...]] = {
    "NewProcessName": ("C:\\Windows\\cmd.exe", "C:\\b.exe", None, ["C:\\cmd.exe"], ""),
    "CommandLine": ("whoami /all", "", None),
    "ParentProcessName": ("C:\\a.exe", "C:\\b.exe"),
    "NewProcessId": ("0x4", 4, "0x", None, "0x0000000000000004"),
    "SubjectUserName": ("SYSTEM", "bob", None, ["SYSTEM"]),
    "SubjectDomainName": ("NT AUTHORITY", "", None),
    "TargetUserName": ("SYSTEM", "-"),
    "DestPort": (80, "80", 443),
    "DestAddress": ("10.1.2.3", "::ffff:10.1.2.3", "192.168.0.1", "-"),
    "Direction": ("%%14593", "%%14592", 14593),
    "Application": ("\\device\\harddiskvolume1\\windows\\cmd.exe", "x"),
    "Protocol": (6, "17"),
    "ObjectName": ("\\REGISTRY\\MACHINE\\Software\\Run", "x", None),
    "ObjectValueName": ("x", "", None),
    "NewValue": ("abc", 5),
    "OperationType": ("%%1904", "%%1905", "%%1906", None),
}


def _twin_event(style: Random) -> dict[str, Any]:
    data = {name: style.choice(values) for name, values in _TWIN_VALUES.items() if style.random() < 0.7}
    gate = {"Channel": "Security", "EventID": style.choice((4688, 5156, 4657, "4688"))}
    return {**gate, **data} if style.random() < 0.5 else {"Event": {"System": gate, "EventData": data}}


@pytest.mark.parametrize("seed", range(6))
def test_twins(seed: int) -> None:
    """Events of Windows' own audit are found by the rules of their Sysmon twins, together and each alone."""
    style = Random(seed)
    documents = [
        {**_KEYWORDS, "logsource": {"product": "windows", **source}, "detection": {"a": item, "condition": "a"}}
        for source, item in _TWINS
    ]
    data = _FIRST + _lines([_twin_event(style) for _ in range(200)], style)
    with narrow(SIZES[seed % 3], 16), evidence(a=data) as folder:
        for group in (documents, documents[seed : seed + 1]):
            found = rule_set(group)
            assert found
            assert agree(folder, found, 1 + seed % 2).count(b'"twin":true') >= (5 if seed < 5 else 0)


_ASKING = (
    {"a": {"X|exists": True}, "condition": "a"},
    {"a": {"X|exists": False}, "condition": "a"},
    {"a": {"X": None}, "condition": "a"},
    {"a": {"X": None}, "b": {"Y|exists": True}, "condition": "not a and b"},
    {"a": {"X": ""}, "condition": "a"},
    {"a": {"X|cidr": "10.0.0.0/8"}, "condition": "a"},
    {"a": {"X|fieldref": "Y"}, "condition": "a"},
    {"a": {"X|fieldref|neq": "Y"}, "condition": "a"},
    {"a": {"X|re": "^a.*z$"}, "condition": "a"},
    {"a": {"X|re": "(?=a)a+$"}, "condition": "a"},
    {"a": {"X|gt": 5}, "condition": "a"},
    {"a": {"X|contains|all": ["a", "z"]}, "condition": "a"},
    {"a": {"Provider_Name|exists": True, "X": "az"}, "condition": "a"},
    {"a": {"Computer": None}, "condition": "a"},
    {"a": {"Provider_Name": "p"}, "condition": "a"},
    {"a": {"X.b": "az"}, "condition": "a"},
)
_ASKED = (
    None,
    "",
    "az",
    "a",
    "10.1.1.1",
    7,
    7.5,
    "7",
    True,
    [],
    ["az", None],
    [[1], "a"],
    {"b": "az"},
    {},
    {"#text": "az"},
    "\x00n",
)


@pytest.mark.parametrize("together", [False, True])
def test_what_rules_ask(together: bool) -> None:
    """Absence, null, networks, references and expressions are told of every kind of value."""
    style = Random(7)
    data = []
    for x in ("-", *_ASKED):
        for y in ("-", *_ASKED):
            fields = {name: value for name, value in (("X", x), ("Y", y)) if value != "-"}
            host = style.choice(
                ({}, {"Computer": None}, {"Hostname": "h"}, {"Computer": "c", "Hostname": None}, {"SourceName": "p"})
            )
            data.append({"Channel": "Security", "EventID": 1, **host, **fields})
            system = {"Channel": "Security", "EventID": {"#text": 1}, "Computer": style.choice((None, "c", {"#text": "c"}))}
            system |= style.choice(({}, {"Provider": {"#attributes": {"Name": "p"}}}, {"Provider_attributes": {"Name": "p"}}))
            data.append({"Event": {"System": system, "EventData": fields or style.choice((None, {}))}})
    documents = [{**_KEYWORDS, "detection": detection} for detection in _ASKING]
    groups = [documents] if together else [[document] for document in documents]
    for group in groups:
        found = rule_set(group)
        assert found
        with narrow(1 << 13, 8), evidence(a=_FIRST + _lines(data, style)) as folder:
            assert agree(folder, found)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("entries", [2, 64, 1 << 17])
def test_parts_and_workers(size: int, entries: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Files in parts, compressed ones, and several workers change nothing."""
    monkeypatch.setattr(units, "PART_BYTES", 20_000)
    write(tmp_path / "a.jsonl", range(700))
    write(tmp_path / "b.jsonl", range(5, 90))
    (tmp_path / "c.jsonl.gz").write_bytes(gzip.compress((tmp_path / "a.jsonl").read_bytes()))
    (tmp_path / "d.jsonl").write_bytes(_FIRST + b"broken\n" + json.dumps(event(5)).encode() + b'\n{"a":')
    with narrow(size, entries):
        outputs = {agree(tmp_path, rules(), jobs) for jobs in (1, 2)}
    assert len(outputs) == 1


@pytest.mark.parametrize("jobs", [1, 2])
def test_mixed_evidence(jobs: int, tmp_path: Path) -> None:
    """A folder of all kinds of evidence gives the same by the rules of the corpus."""
    logs = sorted(shared("evtx-attack-samples").rglob("*.evtx"))[::25]
    for path in logs:
        shutil.copyfile(path, tmp_path / path.name)
    shutil.copyfile(shared("otrf", "cmd_psexec_lsa_secrets_dump.zip"), tmp_path / "psexec.zip")
    shutil.copyfile(shared("otrf", "covenant_persistwmi.tar.gz"), tmp_path / "wmi.tar.gz")
    shutil.copytree(Path(__file__).parents[2] / "examples" / "water-utility" / "evidence", tmp_path / "water")
    write(tmp_path / "a.jsonl", range(50))
    corpus = load_rules([RuleFile("own.yml", RULES.encode()), *read_rule_files([shared("sigma", "rules")])], {})
    with narrow(1 << 16, 256):
        assert agree(tmp_path, corpus, jobs).count(b"\n") > 50


_ODD_LINES = (
    '{"Channel":"Security","EventID":1,"Image":[]}',
    '{"Channel":"Security","EventID":1e400,"Image":"x"}',
    '{ "Channel":"Security","EventID":1.0,"Image":"x"}',
    '{ "Channel" :5,"EventID":true,"Image":"x"}',
    '{"Channel":"Security",\r"EventID":1,"Image":"x"}',
    '{ "Event":{"System":{"Channel":"Security","EventID":1},"EventData":{"Data": 5,"Image":"x"}}}',
    '{"Event":{"System":{"Channel":"Security","EventID":1,"Computer":"c","EventRecordID":5},'
    '"EventData":{"Computer":"x","EventRecordID":"9","Image":"x"}}}',
    '{"Event":{"System":{"Channel":"Security","EventID":1,"Provider":{"#attributes":{"Name":"x"}},"Provider":"y"},"EventData":{"Image":"x"}}}',
    '{"Channel":"Security","EventID":1,"Hostname":"y","Computer":null}',
    '{"Channel":"Security","EventID":1,"Image":"y","Image":null}',
    '{"Event":{"System":{"Channel":"Security","EventID":1},"EventData":{"Image":{}}}}',
    '{"Event":{"System":{"Channel":"Security","EventID":1},"EventData":{"Data":[{"#attributes":{"Name":"A"},"#text":"x"}]}}}',
    '{"Event":{"System":{"Channel":"Security","EventID":1,"Level":{"#text":null}},"EventData":{"Image":"x"}}}',
    '{"Channel":"Security","EventID":1,"Provider_Name":"Linux-Sysmon","Image":"x"}',
)
_EARLY, _LATE = '"2026-10-03T01:00:00Z"', '"2026-10-03T02:00:00Z"'


def _timed_lines() -> Iterator[str]:
    """Yield lines with several times, in both styles of attributes and in odd values."""
    for early in (_EARLY, "null"):
        styles = [
            f'"TimeCreated":{{"#attributes":{{"SystemTime":{early}}}}}',
            f'"TimeCreated_attributes":{{"SystemTime":{_LATE}}}',
        ]
        for pair in (styles, styles[::-1]):
            yield _IN_EVENT % ",".join(('"Channel":"Security"', '"EventID":1', *pair))
    for one in ("0", "false", '""', "null", "[]", '"x"', "1791266400", r'"\u0030"'):
        for other in (_EARLY, "1791266400", "true"):
            yield _FLAT_EVENT % f'"TimeCreated_SystemTime":{one},"TimeCreated":{other}'


_IN_EVENT = '{"Event":{"System":{%s},"EventData":{"Image":"x"}}}'
_FLAT_EVENT = '{"Channel":"Security","EventID":1,%s,"Image":"x"}'


@pytest.mark.parametrize("line", [*_ODD_LINES, *_timed_lines()])
def test_odd_lines(line: str) -> None:
    """A line with an odd feature gives the same finding, and the same fields count as seen."""
    documents = [
        {**_KEYWORDS, "detection": {"a": {name: "x"}, "condition": "a"}}
        for name in ("Image", "Computer", "Data", "Provider_Name", "Provider", "Level")
    ]
    found = rule_set(documents)
    assert found
    with evidence(a=f"{line}\n{line}\n".encode()) as folder:
        agree(folder, found)


def _zipped(data: bytes) -> bytes:
    """Return an archive whose member has a wrong checksum."""
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.jsonl", data)
    found = bytearray(held.getvalue())
    for mark, at in ((b"PK\x03\x04", 14), (b"PK\x01\x02", 16)):
        found[found.find(mark) + at] ^= 1
    return bytes(found)


_DAMAGED: tuple[tuple[str, Callable[[bytes], bytes], str], ...] = (
    ("cut.jsonl.gz", lambda data: gzip.compress(data)[:-300], "F005"),
    ("end.jsonl.gz", lambda data: gzip.compress(data)[:-4], "F005"),
    ("checksum.zip", _zipped, "F004"),
)


def _needles(count: int) -> bytes:
    """Return events that do not compress well, each with a keyword."""
    style = Random(count)
    found = [event(number, CommandLine=f"needleword {style.random()}") for number in range(count)]
    return b"".join(json.dumps(item).encode() + b"\n" for item in found)


@pytest.mark.parametrize(("name", "damage", "code"), _DAMAGED)
@pytest.mark.parametrize("count", [60, 3000])
@pytest.mark.parametrize("size", [SIZES[0], SIZES[2]])
def test_damaged_archives(
    name: str, damage: Callable[[bytes], bytes], code: str, count: int, size: int, tmp_path: Path
) -> None:
    """What comes before the damage of an archive is read, and the rest is told as lost."""
    (tmp_path / name).write_bytes(damage(_needles(count)))
    with narrow(size, 64):
        written, coverage = both(tmp_path, rules())
    assert f"[{code}]" in coverage.files[0].reason
    assert coverage.files[0].status == "partial"
    assert written.count(b"\n") > count // 2


@pytest.mark.parametrize("count", [1, 5, 60])
def test_small_file_that_is_cut_off(count: int, tmp_path: Path) -> None:
    """Of a small compressed file that is cut off anywhere every whole line that can be expanded is read."""
    whole = gzip.compress(_needles(count))
    for size in range(len(whole) // 3, len(whole), max(1, len(whole) // 9)):
        (tmp_path / "a.jsonl.gz").write_bytes(whole[:size])
        expanded = zlib.decompressobj(zlib.MAX_WBITS | 16).decompress(whole[:size])
        (outcome,) = both(tmp_path, rules())[1].files
        assert expanded.count(b"\n") <= outcome.events <= expanded.count(b"\n") + 1
        assert "[F005]" in outcome.reason


@pytest.mark.parametrize("reader", ["slow", "fast"])
def test_archive_beyond_its_limit(reader: str, tmp_path: Path) -> None:
    """What comes before the limit of an archive is read, and the rest is told as lost."""
    data = _needles(3000)
    (tmp_path / "a.jsonl.xz").write_bytes(lzma.compress(data))
    limits = Limits(expanded_bytes=len(data) // 2)
    with narrow(SIZES[0], 64):
        report, findings, _ = scan(tmp_path, found=rules(), reader=reader, jobs=1, limits=limits)
    (outcome,) = report.coverage.files
    assert "[F007]" in outcome.reason
    assert outcome.status == "partial"
    assert len(findings) > 100


@pytest.mark.parametrize("size", SIZES)
def test_broken_lines_at_borders_of_parts(size: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A part of a file is read as the file is, whatever it begins with; losses and findings have the lines of the file."""
    lines = [json.dumps(event(number)).encode() for number in range(300)]
    for at, odd in enumerate((b"broken", b"", b"[", b"x\0y\0z", b"\xef\xbb\xbf{}", b"<Event>", b'{"a":1', b"\x1f\x8b\x08")):
        lines[30 * at + 30] = odd
    data = b"\xef\xbb\xbf" + b"\n".join(lines) + b"\n"
    (tmp_path / "a.jsonl").write_bytes(data)
    with narrow(size, 64):
        whole = both(tmp_path, rules())
        for part in (len(lines[1]) // 2, 1000, 7000):
            monkeypatch.setattr(units, "PART_BYTES", part)
            found = both(tmp_path, rules(), 2)
            assert found[0] == whole[0]
            assert coverage_of(found[1]) == coverage_of(whole[1])
    assert "not valid JSON: 31, 91, 121" in whole[1].files[0].reason
    assert whole[1].files[0].events == 292


def test_long_lines_in_parts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Each line over the limit is told by its number in the file, whatever part of the file it is in."""
    monkeypatch.setattr(json_text, "RECORD_BYTES", 5000)
    monkeypatch.setattr(json_blocks, "RECORD_BYTES", 5000)
    monkeypatch.setattr(json_blocks, "BLOCK_BYTES", 300)
    monkeypatch.setattr(json_source, "BLOCK_BYTES", 300)
    monkeypatch.setattr(json_source, "utf8_blocks", partial(json_text.utf8_blocks, size=300))
    lines = [json.dumps(event(number)) for number in range(200)]
    for at, size in ((20, 5000), (40, 5001), (41, 9000), (120, 6000), (199, 7000)):
        lines[at] = json.dumps(event(5, Pad="y" * (size - len(json.dumps(event(5, Pad=""))))))
    (tmp_path / "a.jsonl").write_text("\n".join(lines) + "\n")
    with narrow(SIZES[0], 64):
        for part in (units.PART_BYTES, 3000, 8000):
            monkeypatch.setattr(units, "PART_BYTES", part)
            (outcome,) = both(tmp_path, rules(), 2)[1].files
            told = [line for line in range(1, 201) if f"line {line}: longer than 5000 bytes" in outcome.reason]
            assert (told, outcome.events) == ([41, 42, 121, 200], 196)


_NAMED = (
    '[{"@Name":"Image","#text":"%s"}]',
    '{"@Name":"Image","#text":"%s"}',
    '{"#attributes":{"Name":"Image"},"#text":"%s"}',
    '[{"#attributes":{"Name":"Image"},"#text":"%s"},{"#attributes":{"Name":"User"},"#text":"u"}]',
    '{"Name":"Image","#text":"%s"}',
    '{ "#attributes" : {"Name":"Image"}, "#text":"%s"}',
    '{"#text":"%s","@Name":"Image"}',
    '{"#text":"a","#attributes":{"Name":"Image"},"#text":"%s"}',
)


@pytest.mark.parametrize("data", _NAMED)
@pytest.mark.parametrize("more", ["%s", '"Data":"a",%s', '%s,"Data":"a"', '%s,"Data":{"#text":"a"}', '%s,"Data":null'])
def test_named_elements_of_data(data: str, more: str) -> None:
    """Elements of `Data` that have names are fields, also for rules of which none reads `Data`."""
    line = '{"Event":{"System":{"Channel":"Security","EventID":1},"EventData":{%s}}}'
    lines = [line % more.replace("%s", '"Data":' + data.replace("%s", value)) for value in ("x", "y", "\\u0078")]
    found = rule_set([{**_KEYWORDS, "detection": {"a": {"Image": "x"}, "condition": "a"}}])
    assert found
    with evidence(a="\n".join(lines).encode() + b"\n") as folder:
        written = agree(folder, found)
    assert more != "%s" or written.count(b"\n") == 2


def test_unnamed_elements_of_data_are_read_fast() -> None:
    """One unnamed element, as the EVTX library writes it, does not make a line slow."""
    line = b'{"Event":{"System":{"Channel":"Security","EventID":1},"EventData":{"Data":%b}}}\n'
    values = (b'"x"', b'{"#text":"x"}', b'{"#text":["x","y"]}', b"5", b"null")
    reader = FastJson()
    assert reader.read(b"".join(line.replace(b"%b", value) for value in values)).fast == len(values)
