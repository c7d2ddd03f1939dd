"""The hunt finds in real evidence what a naive search of every value of every event finds, whoever reads it."""

from __future__ import annotations

import io
import ipaddress
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from shared_data import shared
from tocsin.events import Event
from tocsin.findings import Report
from tocsin.indicators import Indicator, Indicators, read_indicators
from tocsin.inquiries.search import Search, Terms
from tocsin.runs.evidence import read_events
from tocsin.runs.hunt import Hunt
from tocsin.runs.ruleset import RuleSet
from tocsin.runs.scan import Scan, ScanOptions
from tocsin.sinks import JsonLinesSink
from tocsin.sources.interface import Loss

ARCHIVES = ("otrf/empire_shell_net_local_users.zip", "otrf/cmd_psexec_lsa_secrets_dump.zip", "otrf/sh_arp_cache.zip")
LOGS = "evtx-attack-samples/Lateral Movement"
ZEEK = "otrf/metasploit_sharpdump_lsass_memory_dump_zeek_logs.zip"
NAME = "[^0-9a-z_.$~@+-]+"
Key = tuple[int, str]


def run(paths: list[Path], search: Search, **options: object) -> tuple[list[dict], Report]:
    """Hunt, and return the findings and the report."""
    out = io.BytesIO()
    inquiry = Hunt(search, Indicators(list(search.indicators)))
    scan = Scan(ScanOptions(tuple(map(str, paths)), inquiry=inquiry, **options), RuleSet([], []))  # type: ignore[arg-type]
    report = scan.run(JsonLinesSink(), out)
    return [json.loads(line) for line in out.getvalue().splitlines()], report


def events(paths: list[Path]) -> Iterator[Event]:
    """Yield every event, in the simplest way that there is."""
    for path in paths:
        yield from (item for item in read_events(path) if not isinstance(item, Loss))


def has_hash(value: str, text: str) -> bool:
    """Tell naively whether a text holds a whole hash."""
    return value in re.split(r"[^0-9a-z]+", text)


def has_address(value: str, text: str) -> bool:
    """Tell naively whether a text holds a whole IPv4 address."""
    return any(token.rstrip(".") == value for token in re.split(r"[^\w.]+", text))


def has_domain(value: str, text: str) -> bool:
    """Tell naively whether a text holds a domain or one below it."""
    names = [token.strip(".") for token in re.split(r"[^\w.-]+", text)]
    return any(name == value or name.endswith(f".{value}") for name in names)


def has_name(value: str, text: str) -> bool:
    """Tell naively whether a text holds a file name without spaces."""
    return any(part == value or part.rstrip(".") == value for part in re.split(NAME, text))


NAIVE: dict[str, Callable[[str, str], bool]] = {
    "hash": has_hash,
    "address": has_address,
    "domain": has_domain,
    "file name": has_name,
}


@pytest.fixture(scope="module")
def evidence() -> list[Path]:
    """Return real logs of several formats."""
    logs = sorted(shared(*LOGS.split("/")).glob("*.evtx"))[:12]
    return [*(shared(*name.split("/")) for name in (*ARCHIVES, ZEEK)), *logs]


@pytest.fixture(scope="module")
def indicators(evidence: list[Path]) -> list[Indicator]:
    """Return the indicators of the public MISP events, and values that occur in the evidence, whole and in part."""
    found = {(item.kind, item.value): item for item in read_indicators(sorted(shared("misp").glob("*.json"))).found}
    for number, event in enumerate(events(evidence)):
        if number % 5:
            continue
        text = "\n".join(event.values()).casefold()
        for value in re.findall(r"(?<![0-9a-z])[0-9a-f]{64}(?![0-9a-z])", text)[:2]:
            found["hash", value] = Indicator("hash", value, value)
            found["hash", value[:32]] = Indicator("hash", value[:32], value[:32])
        for value in re.findall(r"\d+\.\d+\.\d+\.\d+", text)[:2]:
            for each in (value, value[1:], value[:-1]):
                try:
                    found["address", each] = Indicator("address", str(ipaddress.ip_address(each)), each)
                except ValueError:
                    continue
        for value in re.findall(r"[a-z0-9-]+\.(?:com|net|local|org)\b", text)[:2]:
            found["domain", value] = Indicator("domain", value, value)
        for value in re.findall(r"[a-z0-9]{3,}\.(?:exe|dll)\b", text)[:2]:
            found["file name", value] = Indicator("file name", value, f"name {value}")
    return [item for item in found.values() if item.kind in NAIVE and (item.kind != "address" or ":" not in item.value)]


def naive_hits(evidence: list[Path], indicators: list[Indicator]) -> dict[str, int]:
    """Count the events that hold each indicator, looking at every value."""
    counts: dict[str, int] = {}
    for event in events(evidence):
        folds = [text.casefold() for text in event.values()]
        whole = "\n".join(folds)
        for item in indicators:
            if item.value in whole and any(NAIVE[item.kind](item.value, fold) for fold in folds):
                key = f"{item.kind} {item.value}"
                counts[key] = counts.get(key, 0) + 1
    return counts


def test_indicators(evidence: list[Path], indicators: list[Indicator]) -> None:
    """Every indicator is found in as many events as a naive search finds it in, those of MISP among them."""
    ours, report = run(evidence, Search(Terms(), indicators))
    counts: dict[str, int] = {}
    for finding in ours:
        key = finding["rule"]["title"].removeprefix("Indicator: ").partition(" (")[0]
        counts[key] = counts.get(key, 0) + 1
    assert counts == naive_hits(evidence, indicators)
    kinds = {key.partition(" ")[0] for key in counts}
    assert kinds == {"hash", "address", "domain", "file"}
    assert len(counts) > 60
    assert report.coverage.complete
    assert report.coverage.events == sum(1 for event in events(evidence) if event.gate.event_id != "process")


TERMS = [
    Terms(texts=("MimiKatz", "net1 ")),
    Terms(texts=("powershell", "-enc"), every=True),
    Terms(regexes=(r"\\(cmd|net)\.exe\b",)),
    Terms(regexes=(r"(?i)HKLM\\system",)),
    Terms(networks=("172.18.0.0/16",)),
    Terms(fields=(("EventID", "4624"), ("LogonType", "3"))),
    Terms(fields=(("Image", r"*\net.exe"), ("Image", r"*\cmd.exe")), texts=("user",)),
    Terms(texts=("ü",)),
]


def naive_terms(terms: Terms, event: Event) -> bool:
    """Tell naively whether an event holds what is asked for; fields are those of the event, as it is read."""
    texts = list(event.values())
    join = all if terms.every else any
    checks = []
    if terms.texts:
        checks.append(join(any(wanted.casefold() in text.casefold() for text in texts) for wanted in terms.texts))
    if terms.regexes:
        checks.append(join(any(re.search(wanted, text) for text in texts) for wanted in terms.regexes))
    for network in terms.networks:
        tokens = [token.rstrip(".") for text in texts for token in re.split(r"[^\w.]+", text) if token.count(".") >= 3]
        checks.append(any(inside(token, network) for token in tokens))
    for name in {name for name, _ in terms.fields}:
        values = {value.casefold() for key, value in terms.fields if key == name}
        held = [str(item).casefold() for item in [event.find(name)[1]] if item is not None]
        held += [str(event.find("NewProcessName")[1]).casefold()] if name == "Image" and event.gate.event_id == "4688" else []
        checks.append(
            any(text.endswith(value.lstrip("*")) if "*" in value else text == value for text in held for value in values)
        )
    return all(checks)


def inside(token: str, network: str) -> bool:
    """Tell whether a token is an address of a network."""
    try:
        return ipaddress.ip_address(token) in ipaddress.ip_network(network)
    except ValueError:
        return False


@pytest.mark.parametrize("terms", TERMS, ids=lambda terms: str(terms)[:60])
def test_terms(evidence: list[Path], terms: Terms) -> None:
    """Texts, expressions, networks and fields are found in the events in which a naive search finds them."""
    ours, _ = run(evidence, Search(terms))
    assert len(ours) == sum(naive_terms(terms, event) for event in events(evidence))


def test_times_and_jobs(evidence: list[Path]) -> None:
    """A range of time is a search by itself; the answer does not depend on the number of workers."""
    times = sorted(event.time for event in events(evidence) if event.time)
    since, until = times[len(times) // 3], times[len(times) // 2]
    ours, _ = run(evidence, Search(Terms(), whole=True), since=since, until=until, jobs=1)
    assert sum(bool(item["time"]) for item in ours) == sum(since <= time < until for time in times)
    assert run(evidence, Search(Terms(), whole=True), since=since, until=until, jobs=2)[0] == ours


def test_unknown_logs(tmp_path: Path) -> None:
    """Events of logs that no rule knows are searched too, escapes and all."""
    path = tmp_path / "own.jsonl"
    path.write_text('{"who": "me", "deep": [{"to": "evil.com"}]}\n{"who": "\\u0065vil.com"}\n{"who": "notevil.com"}\n' * 3)
    ours, report = run([path], Search(Terms(), [Indicator("domain", "evil.com", "x")]))
    assert [item["source"]["record"] for item in ours] == [1, 2, 4, 5, 7, 8]
    assert ours[0]["matched"] == {"indicator": {"deep.to": ["evil.com"]}}
    assert report.coverage.events == 9


def test_numbers_written_in_other_ways(tmp_path: Path) -> None:
    """A number is found by the text that it has as a value, however JSON writes it."""
    path = tmp_path / "a.jsonl"
    path.write_text(
        '{"Channel": "Security", "EventID": 1, "x": 1e3, "y": {"a": 1}}\n'
        '{"Channel": "Security", "EventID": 1, "x": 1000.0, "y": {"a":1}}\n{"a": 1.0E3}\n'
    )
    assert len(run([path], Search(Terms(texts=("1000.0",))))[0]) == 3
    assert len(run([path], Search(Terms(fields=(("x", "1000.0"),))))[0]) == 2
    assert len(run([path], Search(Terms(fields=(("y", '{"a":1}'),))))[0]) == 2


ZEEK_HTTP = (
    "#separator \\x09\n#set_separator\t,\n#empty_field\t(empty)\n#unset_field\t-\n#path\thttp\n"
    "#fields\tts\tuid\tid.orig_h\thost\turi\n#types\ttime\tstring\taddr\tstring\tstring\n"
)


def test_urls_in_two_fields(tmp_path: Path) -> None:
    """A URL is found where a log writes host and path apart, and only the whole of it."""
    rows = [("www.evil.com", "/a/b.php"), ("evil.com", "/a/b.php"), ("evil.com", "/a/b.php2"), ("evil.com", "/x?/a/b.php")]
    path = tmp_path / "http.log"
    lines = [f"{1588206049 + at}.5\tC{at}\t10.0.0.1\t{host}\t{uri}\n" for at, (host, uri) in enumerate(rows)]
    path.write_text(ZEEK_HTTP + "".join(lines))
    ours, report = run([path], Search(Terms(), [Indicator("url", "http://evil.com/a/b.php", "x")]))
    assert report.coverage.events == len(rows)
    assert [item["matched"] for item in ours] == [{"indicator": {"host+uri": ["evil.com/a/b.php"]}}]


def test_fault_costs_one_event(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An event that cannot be looked at is told as a loss of its file; the others are searched."""
    path = tmp_path / "a.jsonl"
    path.write_text("".join(f'{{"Channel": "Security", "EventID": 1, "x": "evil {at}"}}\n' for at in range(5)))
    search = Search(Terms(texts=("evil",)))
    hits = search.hits

    def failing(event: Event) -> list:
        if event.record == 3:
            raise ValueError("a fault")
        return hits(event)

    monkeypatch.setattr(search, "hits", failing)
    ours, report = run([path], search)
    assert [item["source"]["record"] for item in ours] == [1, 2, 4, 5]
    (file,) = report.coverage.files
    assert (file.status, report.coverage.complete) == ("partial", False)
    assert "1 event could not be looked at: ValueError: a fault" in file.reason


def test_slow_expression_is_told(tmp_path: Path) -> None:
    """An expression that is cut off on a value is told as not decided, never as nothing found."""
    path = tmp_path / "a.jsonl"
    path.write_text('{"Channel": "Security", "EventID": 1, "x": "%s!"}\n' % ("a" * 40))
    ours, report = run([path], Search(Terms(regexes=(r"^(?=a)(a|aa)+$",))))
    assert not ours
    assert "[E001]" in report.coverage.rules.failed[0].reason
