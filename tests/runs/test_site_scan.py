"""Scans with a site file: findings name assets, what is new is found once, and the bytes depend on nothing else."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest

from scan_samples import rules, scan, write
from shared_data import shared
from tocsin.runs import scan as scan_module
from tocsin.runs.learn import learn_site
from tocsin.runs.scan import Scan, ScanOptions
from tocsin.sinks import make_sink
from tocsin.sites.parse import parse_site
from tocsin.sites.site import Site
from tocsin.sites.write import site_text

SITE = """\
site: Riverdale Water
zones:
  office: {level: 4, networks: [10.20.4.0/24]}
  control: {level: 2, networks: [10.20.6.0/24]}
  field: {level: 1, networks: [10.20.7.0/24]}
assets:
  ENG-WS-02: {addresses: [10.20.6.32], roles: [engineering_station], zone: control}
  SCADA-1: {addresses: [10.20.6.20, h1], roles: [scada_server], zone: control}
  PLC-1: {addresses: [10.20.7.11], roles: [plc], zone: field}
conversations:
  - {from: SCADA-1, to: PLC-1, protocol: modbus, port: 502, writes: true, functions: [READ_COILS]}
working_hours: {time_zone: UTC, days: [mon, tue, wed, thu, fri], from: '06:00', until: '18:00'}
"""


def site(text: str = SITE) -> Site:
    """Return the site of a text without problems."""
    found, problems, _ = parse_site(text.encode(), "site.yml")
    assert not problems, problems
    return found


def zeek(path: Path, rows: list[tuple[float, str, str, str]], log: str = "modbus", form: str = "tsv") -> Path:
    """Write rows of time, source, target and function as a Zeek log; as JSON with the name of the log."""
    path.parent.mkdir(parents=True, exist_ok=True)
    names = ("ts", "uid", "id.orig_h", "id.orig_p", "id.resp_h", "id.resp_p", "func", "exception")
    found = [(time, "C1", source, 40000, target, 502, func, "-") for time, source, target, func in rows]
    if form == "json":
        lines = [json.dumps({"_path": log, **dict(zip(names[:-1], row, strict=False))}) for row in found]
    else:
        kinds = ("time", "string", "addr", "port", "addr", "port", "string", "string")
        head = ["#separator \\x09", "#set_separator\t,", "#empty_field\t(empty)", "#unset_field\t-", f"#path\t{log}"]
        lines = [*head, "\t".join(("#fields", *names)), "\t".join(("#types", *kinds))]
        lines += ["\t".join(map(str, row)) for row in found]
    path.write_text("\n".join(lines) + "\n")
    return path


DAY = 1791244800.0  # 2026-10-06, a Tuesday
ROWS = [
    (DAY + 36000 + number, "10.20.6.20", "10.20.7.11", "READ_COILS" if number % 50 else "WRITE_SINGLE_COIL")
    for number in range(200)
]
ROWS += [(DAY + 40000 + number, "10.20.4.9", "10.20.7.11", "READ_COILS") for number in range(50)]
ROWS += [(DAY + 80000, "10.20.6.32", "10.20.7.11", "READ_COILS")]


def titles(found: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """Return the check and the time of each finding."""
    return [(item["rule"]["path"].removeprefix("baseline/"), item["time"][11:19]) for item in found]


def baseline_only(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the findings of checks."""
    return [item for item in found if item["rule"]["path"].startswith("baseline/")]


EXPECTED = [
    ("new-function", "10:00:00"),
    ("new-asset", "11:06:40"),
    ("new-conversation", "11:06:40"),
    ("new-conversation", "22:13:20"),
    ("out-of-hours", "22:13:20"),
]


@pytest.mark.parametrize("form", ["tsv", "json"])
def test_each_new_thing_once(tmp_path: Path, form: str) -> None:
    """Each new thing is one finding, of its first event, in either form of log; the same file again adds nothing."""
    zeek(tmp_path / "modbus.log", ROWS, form=form)
    zeek(tmp_path / "copy" / "modbus.log", ROWS, form=form)
    _, found, _ = scan(tmp_path, site=site())
    assert sorted(titles(found)) == sorted(EXPECTED)
    first = next(item for item in found if item["rule"]["path"] == "baseline/new-asset")
    assert first["matched"] == {"no asset of zone office has the address": {"id.orig_h": ["10.20.4.9"]}}
    assert first["source"]["path"].endswith("copy/modbus.log")
    assert first["assets"] == {
        "10.20.4.9": {"name": "", "roles": [], "zone": "office"},
        "10.20.7.11": {"name": "PLC-1", "roles": ["plc"], "zone": "field"},
    }
    hours = next(item for item in found if item["rule"]["path"] == "baseline/out-of-hours")
    assert hours["matched"] == {
        "ENG-WS-02 is worked with outside 06:00-18:00 UTC": {
            "ts": ["Tue 2026-10-06 22:13:20+0000"],
            "id.orig_h": ["10.20.6.32"],
        }
    }


def test_bytes_do_not_depend_on_the_work(tmp_path: Path) -> None:
    """The first event is the same whatever the number of workers, and whatever file it is in or how files are ordered."""
    parts = [ROWS[number::7] for number in range(7)]
    for number, rows in enumerate(parts):
        zeek(tmp_path / "a" / f"{number}" / "modbus.log", rows[::-1])
        zeek(tmp_path / "b" / f"{9 - number}" / "modbus.log", rows)
    texts = [scan(tmp_path / "a", site=site(), jobs=jobs)[2] for jobs in (1, 2, 5)]
    assert texts[0] == texts[1] == texts[2]
    assert sorted(titles(scan(tmp_path / "b", site=site(), jobs=3)[1])) == sorted(EXPECTED)


def test_findings_without_a_site_stay_as_they_were(tmp_path: Path) -> None:
    """Without a site file no byte changes; with one, each finding has one more key at its end."""
    path = write(tmp_path / "a.jsonl", range(300))
    _, plain, before = scan(path)
    report, named, after = scan(path, site=site())
    assert len(plain) == len(named) == 60
    assert [list(item)[-1] for item in plain] == ["matched"] * 60
    assert before.splitlines() == [line.partition(b',"assets":')[0] + b"}" for line in after.splitlines()]
    assets = {item["host"]: item["assets"] for item in named}
    assert assets["h0"] == {}
    assert assets["h1"] == {"h1": {"name": "SCADA-1", "roles": ["scada_server"], "zone": "control"}}
    assert report.tally.assets == {"SCADA-1 (scada_server, zone control)": sum(item["host"] == "h1" for item in named)}
    assert report.coverage.site == "Riverdale Water"


def test_times_limit_what_is_first(tmp_path: Path) -> None:
    """With a range of time, the first event of a new thing is the first in the range."""
    zeek(tmp_path / "modbus.log", ROWS)
    _, found, _ = scan(tmp_path, site=site(), since="2026-10-06T10:01:00.000000Z", until="2026-10-06T12:00:00.000000Z")
    assert titles(found) == [("new-function", "10:01:40"), ("new-asset", "11:06:40"), ("new-conversation", "11:06:40")]


def test_level_limits_checks(tmp_path: Path) -> None:
    """Checks below the level are not evaluated, and not told of."""
    zeek(tmp_path / "modbus.log", ROWS)
    report, found, _ = scan(tmp_path, site=site(), level="high")
    assert (found, report.coverage.baseline) == ([], [])


def test_very_many_new_things(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No more than the limit is reported, the first by time, and the coverage says that there is more."""
    monkeypatch.setattr(scan_module, "MOST_NEW", 2)
    zeek(tmp_path / "modbus.log", ROWS)
    report, found, _ = scan(tmp_path, site=site())
    assert sorted(titles(found)) == sorted(EXPECTED[:2]) or len(found) == 2
    assert all("there is more that is new" in check.reason for check in report.coverage.baseline)


def test_coverage_of_checks(tmp_path: Path) -> None:
    """Each check says whether it was evaluated, or why not: no site, nothing listed, no log, no time."""
    zeek(tmp_path / "modbus.log", ROWS)
    other = write(tmp_path / "other" / "a.jsonl", range(10))
    without = "site: x\nzones: {a: {networks: [10.20.6.0/24]}}\n"
    reasons = {
        "no site": scan(tmp_path / "modbus.log")[0].coverage.baseline,
        "little": scan(tmp_path / "modbus.log", site=site(without))[0].coverage.baseline,
        "whole": scan(tmp_path / "modbus.log", site=site())[0].coverage.baseline,
        "no log": scan(other, site=site())[0].coverage.baseline,
    }
    assert {check.reason for check in reasons["no site"]} == {"no site file was given (--site)"}
    assert [check.status for check in reasons["little"]] == ["evaluated", *["not evaluable"] * 3]
    assert [check.status for check in reasons["whole"]] == ["evaluated"] * 4
    assert {check.reason for check in reasons["no log"]} == {"no event of a network log that tells of conversations was read"}


def _learn(folders: list[Path]) -> str:
    learnt, outcomes = learn_site([str(folder) for folder in folders])
    assert [(item.path, item.reason) for item in outcomes if item.status != "read"] == []
    return site_text(learnt)


def test_real_logs_are_their_own_baseline() -> None:
    """A site learnt from real logs of Modbus, DNP3 and S7comm finds nothing new in them; less one asset, just that one."""
    folders = [shared("ics", "zeek", name) for name in ("modbus", "dnp3", "s7comm")]
    text = _learn(folders)
    report, found, _ = scan(*folders, site=site(text))
    assert baseline_only(found) == []
    status = {check.title: check.reason or check.status for check in report.coverage.baseline}
    assert status.pop("Engineering work outside working hours") == "the site file gives no working hours"
    assert set(status.values()) == {"evaluated"}
    lines = text.splitlines()
    at = lines.index("  host-192.168.0.33:")
    short = "\n".join(lines[:at] + lines[at + 5 :]).replace("host-192.168.0.33", "192.168.0.33") + "\n"
    _, found, _ = scan(*folders, site=site(short))
    assert [(item["rule"]["path"], item["matched"]) for item in baseline_only(found)] == [
        ("baseline/new-asset", {"no asset of zone net-192.168.0.0 has the address": {"id.orig_h": ["192.168.0.33"]}})
    ]


def test_real_logs_without_a_function() -> None:
    """A function taken out of the learnt file is the one that is new: the S7 stop of the snap7 log."""
    folders = [shared("ics", "zeek", name) for name in ("modbus", "dnp3", "s7comm")]
    text = _learn(folders)
    assert text.count("      - PLC Stop # seen 1\n") == 1
    report, found, _ = scan(*folders, site=site(text.replace("      - PLC Stop # seen 1\n", "")))
    (new,) = baseline_only(found)
    assert new["matched"]["not among the functions listed for s7comm"] == {
        "function_name": ["PLC Stop"],
        "id.orig_h": ["134.217.61.131"],
        "id.resp_h": ["134.217.61.211"],
    }
    assert report.tally.findings == len(found)


def test_csv_names_assets(tmp_path: Path) -> None:
    """The table has one more column with a site file, in which assets are named; without it the columns stay."""
    path = zeek(tmp_path / "modbus.log", ROWS)
    out = io.BytesIO()
    Scan(ScanOptions((str(path),), site=site()), rules()).run(make_sink("csv", assets=True), out)
    rows = list(csv.DictReader(io.StringIO(out.getvalue().decode())))
    assert list(rows[0])[-1] == "assets"
    assert rows[0]["assets"] == "10.20.6.20 = SCADA-1 (scada_server, zone control); 10.20.7.11 = PLC-1 (plc, zone field)"
    assert any(row["assets"].startswith("10.20.4.9 = (zone office)") for row in rows)


def test_a_hostile_log_is_a_table_still(tmp_path: Path) -> None:
    """Addresses, functions and times of any form break nothing."""
    odd = [(DAY, "not-an-address", "10.20.7.11", "READ_COILS"), (9e18, "10.20.6.32", "=1+1", "\x1b[2J"), (-1.0, "::", "%", "-")]
    path = zeek(tmp_path / "modbus.log", [*odd, *ROWS[:3]])
    report, found, _ = scan(path, site=site())
    assert report.coverage.files[0].status == "read"
    assert ("new-function", "10:00:00") in titles(found)


def test_example_with_its_site() -> None:
    """The checks tell the evening of the example: data sent out, a sweep, a forgotten device, commands out of hours."""
    example = Path(__file__).resolve().parents[2] / "examples" / "water-utility"
    _, found, _ = scan(example / "evidence", site=site((example / "site.yml").read_text()))
    assert titles(baseline_only(found)) == [
        ("new-conversation", "07:43:10"),
        ("new-conversation", "21:38:03"),
        ("out-of-hours", "21:38:03"),
        ("new-asset", "21:38:05"),
        ("new-conversation", "21:38:05"),
        ("out-of-hours", "21:40:30"),
        ("new-function", "21:44:01"),
        ("new-function", "21:46:10"),
        ("new-function", "21:47:12"),
    ]
