"""The report in Chromium: it filters, zooms and opens findings, can be used by everybody, and nothing hostile runs."""

from __future__ import annotations

import base64
import os
import re
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner
from visits import visiting

from report_samples import EXAMPLE, ROOT, finding, page, written
from tocsin.cli.report import report
from tocsin.findings import Coverage
from tocsin.findings.reading import FindingsFile
from tocsin.findings.text import safe_text
from tocsin.incidents import join
from tocsin.reports import Report
from tocsin.runs.packs import resolve_rules
from tocsin.runs.ruleset import load_rules, read_rule_files
from tocsin.runs.scan import Scan, ScanOptions
from tocsin.sinks import make_sink
from tocsin.sites.parse import load_site
from tocsin.sites.placeholders import placeholders_of
from unit.reports.test_page import hostile_finding, hostile_report

PICTURE = ROOT / "docs" / "report.png"
OPENS_IN_S = 2.0
MANY = 20_000
COUNT = 64
"""Findings of the example."""
WCAG = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


@pytest.fixture(scope="module")
def scanned(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Report]:
    """Return the findings of the example, and what a report of them has besides."""
    folder = tmp_path_factory.mktemp("scan")
    site = load_site(EXAMPLE / "site.yml")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        files = read_rule_files(resolve_rules((), ()))
        options = ScanOptions(paths=("examples/water-utility/evidence",), output=folder / "f.jsonl", site=site, jobs=1)
        scan = Scan(options, load_rules(files, placeholders_of(site), None))
        scan.run(make_sink("jsonl", assets=True), None, lambda *_: None)
    assert scan.report is not None
    coverage = msgspec.json.decode(msgspec.json.encode(scan.report.coverage), type=Coverage)
    incidents = join(list(FindingsFile(folder / "f.jsonl"))).incidents
    return folder / "f.jsonl", Report(coverage, site, incidents, {file.label: file.text.decode() for file in files})


@pytest.fixture(scope="module")
def example(scanned: tuple[Path, Report]) -> Path:
    """Return the report of the example."""
    path = scanned[0].with_name("report.html")
    path.write_text(page(*scanned), "utf-8")
    return path


def shown(visit: Any) -> int:
    """Return how many findings pass the filters, when the search in events has ended."""
    for _ in range(200):
        found = re.match(r"([\d,]+) of [\d,]+ findings?(.*)", visit.page.text_content("#count").strip())
        if found and "searched" not in found[2]:
            return int(found[1].replace(",", ""))
        visit.page.wait_for_timeout(50)
    raise AssertionError(visit.page.text_content("#count"))


def test_opens_without_a_word(browser: Any, example: Path) -> None:
    """The page shows its findings, asks for nothing, and the browser has nothing to complain about."""
    with visiting(browser, example) as visit:
        assert visit.page.text_content("h1") == "Riverdale Water"
        assert shown(visit) == COUNT
        assert visit.page.locator("#rows > tr").count() == 50
        assert visit.faults() == []


def test_filters(browser: Any, scanned: tuple[Path, Report], example: Path) -> None:
    """Levels, hosts, rules, techniques, incidents and texts choose the findings, each as the findings have them."""
    with visiting(browser, example) as visit:
        visit.page.click(".tile.l-high button")
        assert shown(visit) == 28
        visit.page.click("#clear")
        visit.page.select_option("#host", "OFFICE-PC-07")
        assert shown(visit) == 14
        visit.page.uncheck("#levels input[value=high]")
        assert 0 < shown(visit) < 14
        visit.page.click("#clear")
        visit.page.select_option("#rule", label="Modbus write from a station that is no master")
        assert shown(visit) == 4
        visit.page.click("#attack [data-kind=technique][data-value='t1059.001']")
        assert shown(visit) == 3
        visit.page.click("#chosen button")
        assert shown(visit) == COUNT
        visit.page.click("#incident-1 [data-kind=incident]")
        assert shown(visit) == scanned[1].incidents[0].findings
        assert visit.faults() == []


def test_search_reads_events(browser: Any, example: Path) -> None:
    """A text that only an event has is found, whatever its case; marks between values are no text."""
    with visiting(browser, example) as visit:
        visit.page.fill("#text", "c:\\windows\\SYSTEM32\\NLTEST.exe")
        visit.page.wait_for_timeout(300)
        assert shown(visit) == 1
        visit.page.fill("#text", '"],["')
        visit.page.wait_for_timeout(300)
        assert shown(visit) == 0
        assert "No finding passes" in visit.page.text_content("#rows")


def test_time_and_zoom(browser: Any, example: Path) -> None:
    """Zooming, dragging over the picture and typing a time are one and the same choice."""
    with visiting(browser, example) as visit:
        visit.page.fill("#since", "2026-10-06 20:00")
        visit.page.press("#since", "Tab")
        late = shown(visit)
        assert 0 < late < COUNT
        visit.page.click("[data-zoom=all]")
        assert shown(visit) == COUNT
        assert visit.page.input_value("#since") == ""
        visit.page.locator("#plot").scroll_into_view_if_needed()
        box = visit.page.locator("#plot").bounding_box()
        visit.page.mouse.move(box["x"] + box["width"] - 70, box["y"] + 60)
        visit.page.mouse.down()
        visit.page.mouse.move(box["x"] + box["width"] - 5, box["y"] + 60, steps=4)
        visit.page.mouse.up()
        assert shown(visit) == late
        assert visit.page.input_value("#since").startswith("2026-10-06 2")
        visit.page.fill("#until", "yesterday")
        visit.page.press("#until", "Tab")
        assert visit.page.get_attribute("#until", "aria-invalid") == "true"
        assert visit.faults() == []


def test_a_finding_opens_by_keyboard(browser: Any, example: Path) -> None:
    """Enter opens a finding: its event, what matched marked in it, its rule; the focus can be seen."""
    with visiting(browser, example) as visit:
        button = visit.page.locator("#finding-9 button")
        button.focus()
        visit.page.keyboard.press("Tab")
        visit.page.keyboard.press("Shift+Tab")
        assert button.evaluate("node => getComputedStyle(node).outlineStyle") == "solid"
        visit.page.keyboard.press("Enter")
        details = visit.page.locator(".details")
        details.locator(".record").wait_for()
        assert button.get_attribute("aria-expanded") == "true"
        marks = details.locator(".record mark").all_text_contents()
        assert marks == ["\\nltest.exe", "/domain_trusts"]
        assert "T1482 Domain Trust Discovery" in details.text_content()
        assert "detection:" in details.locator("pre").text_content()
        visit.page.keyboard.press("Enter")
        assert visit.page.locator(".details").count() == 0


def test_events_of_a_correlation_are_a_table(browser: Any, tmp_path: Path) -> None:
    """The events that a correlation joined stand in one table, a line each; the rest is as in any event."""
    parts = [
        {"rule": f"Rule {at}", "time": "2026-10-06T06:13:02Z", "host": "PC-1", "path": "a", "record": at} for at in range(3)
    ]
    event = {"type": "temporal", "group": {"Computer": "PC-1"}, "count": 3, "events": parts}
    path = tmp_path / "report.html"
    made = finding(event, telemetry="correlation", matched={"temporal": {"Computer": ["PC-1"], "": ["3"]}})
    path.write_text(page(written(tmp_path / "f.jsonl", [made])), "utf-8")
    with visiting(browser, path) as visit:
        visit.page.click("#finding-1 button")
        visit.page.locator(".joined").wait_for()
        assert visit.page.locator(".joined thead th").all_text_contents() == ["Rule", "Time", "Host", "Path", "Record"]
        assert visit.page.locator(".joined tbody tr").count() == 3
        assert visit.page.locator(".record tbody th").all_text_contents() == [
            "type",
            "group.Computer (matched)",
            "count (matched)",
        ]
        assert visit.faults() == []


def test_links_of_incidents_lead_to_findings(browser: Any, example: Path) -> None:
    """A link in an incident opens the finding, also when a filter hides it."""
    with visiting(browser, example) as visit:
        visit.page.select_option("#host", "JUMP-01")
        visit.page.evaluate("location.hash = '#finding-62'")
        visit.page.locator("#finding-62 + .opened .record").wait_for()
        assert shown(visit) == COUNT
        assert visit.page.locator("#finding-62 button").evaluate("node => node === document.activeElement")


def test_links_of_the_summary_open_incidents(browser: Any, example: Path) -> None:
    """The first incidents are open, a link opens one that is closed, each time it is followed."""
    with visiting(browser, example) as visit:
        incident = visit.page.locator("#incident-3")
        assert incident.evaluate("node => node.open")
        assert not visit.page.locator("#incident-4").evaluate("node => node.open")
        for _ in range(2):
            incident.evaluate("node => { node.open = false; }")
            visit.page.click("#summary a[href='#incident-3']")
            visit.page.wait_for_timeout(100)
            assert incident.evaluate("node => node.open")


def test_pages_of_the_table(browser: Any, example: Path) -> None:
    """The table is turned a page at a time, and says where it is."""
    with visiting(browser, example) as visit:
        assert visit.page.text_content("#page") == f"1 to 50 of {COUNT}"
        assert visit.page.locator("[data-page=back]").is_disabled()
        visit.page.click("[data-page=on]")
        assert visit.page.text_content("#page") == f"51 to {COUNT} of {COUNT}"
        assert visit.page.locator("[data-page=last]").is_disabled()


def test_theme_is_kept(browser: Any, example: Path) -> None:
    """A theme that is chosen holds against the system's, and after opening the page again."""
    ground = "getComputedStyle(document.body).backgroundColor"
    with visiting(browser, example) as visit:
        light = visit.page.evaluate(ground)
        assert light == "rgb(244, 246, 248)"
        visit.page.select_option("#theme", "dark")
        dark = visit.page.evaluate(ground)
        assert dark != light
        visit.page.reload()
        assert visit.page.evaluate(ground) == dark
    with visiting(browser, example, color_scheme="dark") as visit:
        assert visit.page.evaluate(ground) == dark


def test_without_a_program(browser: Any, example: Path) -> None:
    """Without JavaScript everything but the table of findings is there, and the page says so."""
    with visiting(browser, example, java_script_enabled=False) as visit:
        assert "needs JavaScript" in visit.page.locator("noscript").first.text_content()
        assert visit.page.locator("#plot rect").count() > 20
        assert visit.page.locator("#incident-1").is_visible()
        assert not visit.page.locator("#filters").is_visible()


def test_paper(browser: Any, example: Path) -> None:
    """On paper incidents are open, all findings are listed, and what only a screen can do is gone."""
    with visiting(browser, example, color_scheme="dark") as visit:
        visit.page.emulate_media(media="print")
        visit.page.evaluate("dispatchEvent(new Event('beforeprint'))")
        assert visit.page.locator("#rows > tr").count() == COUNT
        assert visit.page.locator("#incidents details:not([open])").count() == 0
        assert not visit.page.locator("nav").is_visible()
        assert visit.page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
        visit.page.evaluate("dispatchEvent(new Event('afterprint'))")
        assert visit.page.locator("#rows > tr").count() == 50
        assert visit.page.pdf().startswith(b"%PDF")


@pytest.mark.parametrize("width", [1280, 640, 320])
def test_nothing_is_cut_off(browser: Any, example: Path, width: int) -> None:
    """The page is never wider than its window, down to 320 pixels; wide tables scroll by themselves."""
    with visiting(browser, example, viewport={"width": width, "height": 800}) as visit:
        visit.page.click("#finding-9 button")
        visit.page.locator(".record").wait_for()
        assert visit.page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_accessible(browser: Any, example: Path, scheme: str) -> None:
    """Axe finds nothing against WCAG 2.2 AA, in both themes, with incidents and a finding open."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed (the group 'test' has it)")
    with visiting(browser, example, color_scheme=scheme) as visit:
        visit.page.evaluate("document.querySelectorAll('details').forEach((item) => { item.open = true; })")
        visit.page.click("#finding-9 button")
        visit.page.locator(".record").wait_for()
        visit.page.locator(".details details").evaluate("item => { item.open = true; }")
        visit.page.fill("#until", "yesterday")
        visit.page.press("#until", "Tab")
        results = axe.Axe().run(visit.page, options={"runOnly": WCAG})
        found = [(item["id"], [node["html"][:150] for node in item["nodes"][:3]]) for item in results.response["violations"]]
        assert found == []
        assert len(results.response["passes"]) > 30


def test_opens_fast(browser: Any, tmp_path: Path) -> None:
    """With 20,000 findings the table can be used in less than two seconds; the last finding opens, and all are searched."""
    event = {f"Field{at}": f"value {at} " * 8 for at in range(40)}
    items = (
        finding(event | {"number": f"n{at:06}", "CommandLine": f"tool.exe /step {at}"}, host=f"PC-{at % 50}")
        for at in range(MANY)
    )
    path = tmp_path / "report.html"
    path.write_text(page(written(tmp_path / "f.jsonl", items)), "utf-8")
    best = 60.0
    for _ in range(3):
        begin = time.perf_counter()
        with visiting(browser, path) as visit:
            visit.page.locator("#rows > tr").nth(49).wait_for()
            best = min(best, time.perf_counter() - begin)
    assert best < OPENS_IN_S
    with visiting(browser, path) as visit:
        visit.page.click("[data-page=last]")
        visit.page.click(f"#finding-{MANY} button")
        visit.page.locator(".record").wait_for()
        assert f"n{MANY - 1:06}" in visit.page.text_content(".record")
        visit.page.fill("#text", "N012345")
        visit.page.wait_for_timeout(300)
        assert shown(visit) == 1


def nested(levels: int) -> object:
    """Return a value in so many maps."""
    value: object = "the innermost"
    for _ in range(levels):
        value = {"in": value}
    return value


def test_hostile_findings_stay_texts(browser: Any, tmp_path: Path) -> None:
    """Markup, programs, escape sequences, changes of direction, huge and nested values: shown as texts, nothing runs."""
    payload = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\" onfocus=alert(3) autofocus='\x1b]0;x\x07\u202e"
    items = [
        hostile_finding(),
        finding({"CommandLine": payload, payload: payload}, matched={payload: {"CommandLine": [payload]}}, host=payload),
        finding({"huge": "A" * 2**20, "CommandLine": '=HYPERLINK("http://x.example")'}),
        finding({"deep": nested(400), "surrogate": "\\ud800", "nul": "\x00", "list": [payload, {"a": [payload]}]}),
        finding({}, rule={"references": ["javascript:alert(4)", "data:text/html,<script>alert(5)</script>", payload]}),
        finding({"User": payload}, rule={"title": payload, "level": payload, "tags": [f"attack.{payload}"], "author": payload}),
    ]
    path = tmp_path / "report.html"
    path.write_text(page(written(tmp_path / "f.jsonl", items), hostile_report()), "utf-8")
    with visiting(browser, path) as visit:
        for number in range(1, len(items) + 1):
            visit.page.click(f"#finding-{number} button")
            visit.page.locator(f"#finding-{number} + .opened .record").wait_for()
        text = visit.page.locator("#listing").inner_text()
        assert "<img src=x onerror=alert(2)>" in text
        assert "\\u202e" in text
        assert "\u202e" not in visit.page.content()
        assert "the innermost" in text
        visit.page.click("text=Show all 1,048,576 characters")
        assert len(visit.page.locator("#listing").inner_text()) > 2**20
        assert visit.page.locator("img, iframe, object, embed").count() == 0
        assert visit.page.locator("a[href]:not([href^='#']):not([href^='https://attack.mitre.org/'])").count() == 0
        visit.page.fill("#text", payload)
        visit.page.wait_for_timeout(300)
        assert shown(visit) >= 1
        for key in ("#host", "#rule"):
            visit.page.locator(key).evaluate("node => { node.selectedIndex = 1; node.dispatchEvent(new Event('change')); }")
        visit.page.evaluate("document.querySelectorAll('.choose').forEach((node) => node.click())")
        visit.page.wait_for_timeout(200)
        assert visit.faults() == []


def test_names_are_the_same_on_both_sides(browser: Any, tmp_path: Path) -> None:
    """The page's program writes names as Python does, whatever they hold: choosing a host shows its findings."""
    characters = [
        *map(chr, (*range(1, 32), 127, 0x85, 0x9F, 0x061C, 0x200B, 0x202E, 0x2066, 0xFEFF, 0xE0041)),
        "ß",
        "😀",
        "\u200d",
    ]
    hosts = [f"a{character}b" for character in characters]
    path = tmp_path / "report.html"
    path.write_text(page(written(tmp_path / "f.jsonl", [finding({}, host=host) for host in hosts])), "utf-8")
    with visiting(browser, path) as visit:
        values = visit.page.evaluate("[...document.querySelectorAll('#host option')].slice(1).map((node) => node.value)")
        assert sorted(values) == sorted(safe_text(host) for host in hosts)
        for button in visit.page.locator("#hosts [data-kind=host]").all()[:10]:
            button.click()
            assert shown(visit) == 1
        assert visit.faults() == []


def test_the_page_as_pdf(browser: Any, scanned: tuple[Path, Report], tmp_path: Path) -> None:
    """A page becomes a PDF of several sheets; the browser leaves nothing behind beside it."""
    found = CliRunner().invoke(report, [str(scanned[0]), "-o", str(tmp_path / "report.pdf")], standalone_mode=False)
    assert found.exception is None
    text = (tmp_path / "report.pdf").read_bytes()
    assert text.startswith(b"%PDF")
    assert text.count(b"/Type /Page\n") + text.count(b"/Type /Page ") + text.count(b"/Type /Page/") > 3
    assert [item.name for item in tmp_path.iterdir()] == ["report.pdf"]


def test_the_policy_stops_what_would_be_injected(browser: Any, tmp_path: Path) -> None:
    """Even a program put into the file by hand does not run: the policy is real."""
    path = tmp_path / "report.html"
    text = page(written(tmp_path / "f.jsonl", [finding({})]))
    path.write_text(text.replace("</footer>", "<script>alert(1)</script><img src=x onerror=alert(2)></footer>"), "utf-8")
    with visiting(browser, path) as visit:
        visit.page.wait_for_timeout(200)
        faults = visit.faults()
        assert not [item for item in faults if item.startswith("dialogue")]
        assert {item.split()[1] for item in faults if item.startswith("refused")} >= {"script-src-elem", "img-src"}


SAME = """async pictures => {
    const [one, other] = await Promise.all(pictures.map(async text => {
        const picture = await createImageBitmap(await (await fetch('data:image/png;base64,' + text)).blob());
        const canvas = new OffscreenCanvas(picture.width, picture.height).getContext('2d');
        canvas.drawImage(picture, 0, 0);
        return canvas.getImageData(0, 0, picture.width, picture.height);
    }));
    if (one.width !== other.width || one.height !== other.height) return 1;
    let differ = 0;
    for (let at = 0; at < one.data.length; at += 4)
        differ += Math.abs(one.data[at] - other.data[at]) > 48;
    return differ / (one.width * one.height);
}"""
"""The share of pixels in which two pictures differ."""


def test_the_picture_of_the_readme(browser: Any, example: Path, tmp_path: Path) -> None:
    """docs/report.png is what the report of the demo looks like; `TOCSIN_WRITE_DOCS=1` takes it anew."""
    path = PICTURE if os.environ.get("TOCSIN_WRITE_DOCS") else tmp_path / "report.png"
    with visiting(browser, example, viewport={"width": 1280, "height": 1180}) as visit:
        visit.page.screenshot(path=path)
    pictures = [base64.b64encode(item.read_bytes()).decode() for item in (PICTURE, path)]
    blank = browser.new_page()
    try:
        assert blank.evaluate(SAME, pictures) < 0.02  # fonts may differ a little
    finally:
        blank.close()
