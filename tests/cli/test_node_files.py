"""`tocsin node import` and `export` as operators run them, on real files: what is taken, refused, given and recorded."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from node_samples import START, Clock, World, indicator, objects_url, opened
from pymisp_reader import read_by_pymisp
from shared_data import shared
from tocsin.errors import NodeError
from tocsin.feeds.interface import Incoming, Terms
from tocsin.feeds.read import read_package
from tocsin.records.entry import Entry, Kind, decode, entry_hash
from tocsin.runs import export_files
from tocsin.runs.adoption import adopt
from tocsin.runs.export_files import Form, export
from tocsin.runs.node import RULEBOOK
from tocsin.sharing.decisions import Caller
from tocsin.sharing.markings import TLP_2, Tlp
from tocsin.stores import record
from tocsin.stores.database import reading
from tocsin.stores.interface import Query

RUN = "import sys; sys.argv[0] = 'tocsin'; from tocsin.cli.main import run; run()"
CERT = ("--as", "water-cert")
INTO = ("--collection", "indicators", *CERT)
ALL = ("--purpose", "detect", "--purpose", "block", "--purpose", "investigate", "--purpose", "research")


def node(verb: str, folder: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a command of `tocsin node`."""
    words = [sys.executable, "-c", RUN, "node", verb, str(folder), *map(str, arguments)]
    return subprocess.run(words, capture_output=True, text=True, timeout=120)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return the folder of a node of the example's community."""
    with opened(tmp_path / "node"):
        return tmp_path / "node"


def entries(folder: Path, kind: Kind) -> list[Entry]:
    """Return what the record of a node holds of a kind."""
    with opened(folder) as world, reading(world.node.engine) as connection:
        leaves = list(record.entries(connection, 0, record.size_of(connection)))
    return [entry for leaf in leaves if leaf.entry is not None and (entry := decode(leaf.entry)).kind is kind]


def packed(path: Path, *objects: Any) -> Path:
    """Write objects as a bundle."""
    path.write_text(json.dumps({"type": "bundle", "objects": objects}))
    return path


def receipts(done: subprocess.CompletedProcess[str]) -> list[str]:
    """Return the receipts that a command printed."""
    return [line.split()[1] for line in done.stdout.splitlines() if line.startswith("  receipt ")]


def test_files_of_other_tools_are_taken_once(folder: Path) -> None:
    """ATT&CK, an event of MISP, an advisory and the KEV catalogue come in whole; again they are known, and nothing is added."""
    names = [("attack", "ics-attack.json"), ("misp", "sshdoor__misp-events__anoat.json"), ("csaf", "icsa-24-121-01.json")]
    paths = [*(shared(*name) for name in names), next(shared("kev").glob("*.json"))]
    first, again = (node("import", folder, *paths, *INTO) for _ in range(2))
    assert (first.returncode, again.returncode) == (0, 0), first.stdout + first.stderr
    counts = [1826, 18, 6, 1404]
    assert _heads(first) == [f"{count:,} taken, 0 known, 0 refused" for count in counts]
    assert _heads(again) == [f"0 taken, {count:,} known, 0 refused" for count in counts]
    assert "ICSA-24-121-01: 18 notes are not taken [X031]" in first.stdout
    written = entries(folder, Kind.WRITE)
    assert [entry_hash(entry).hex() for entry in written] == receipts(first) + receipts(again)
    assert [entry.detail["sha256"] for entry in written[:4]] == [
        hashlib.sha256(path.read_bytes()).hexdigest() for path in paths
    ]


def _heads(done: subprocess.CompletedProcess[str]) -> list[str]:
    return [line.rpartition(": ")[2] for line in done.stdout.splitlines() if line.startswith("/")]


def test_what_is_refused_is_told_with_code_and_place(folder: Path, tmp_path: Path) -> None:
    """A wrong object, a version with another content, a wrong file and one that is not there; the rest is taken."""
    wrong = {name: value for name, value in indicator(2).items() if name != "pattern"}
    good = packed(tmp_path / "good.json", indicator(1), wrong)
    other = packed(tmp_path / "other.json", indicator(1, name="another"))
    odd = tmp_path / "odd.json"
    odd.write_text('{"x": 1}')
    done = node("import", folder, good, tmp_path / "none.json", odd, other, *INTO)
    assert done.returncode == 4
    refused = f"  refused: {good}: objects[1]: there is no `pattern` [X010]\n"
    assert f"{good}: 1 taken, 0 known, 1 refused\n  marked TLP:GREEN 1\n{refused}" in done.stdout
    assert f"{tmp_path / 'none.json'}: cannot be read: No such file or directory [X001]\n" in done.stdout
    assert f"{odd}: it is JSON of another form [X002]\n" in done.stdout
    conflict = f"  refused: {other}: objects[0]: this version is here with another content [X040]\n"
    assert f"{other}: 0 taken, 0 known, 1 refused\n{conflict}" in done.stdout
    with opened(folder) as world:
        assert world.ids("water-cert", "indicators") == [indicator(1)["id"]]


def test_the_strict_check(folder: Path, tmp_path: Path) -> None:
    """With --strict a pattern that is none is refused, without it is kept."""
    path = packed(tmp_path / "a.json", indicator(1, pattern="[nothing"))
    done = node("import", folder, path, *INTO, "--strict")
    assert done.returncode == 4
    assert "[X015]" in done.stdout
    assert node("import", folder, path, *INTO).returncode == 0


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("--collection", "indicators", "--as", "hilltown"), "N014"),
        (("--collection", "everything", "--as", "water-cert"), "N014"),
        (("--collection", "nothing", "--as", "water-cert"), "N017"),
        (("--collection", "indicators", "--as", "nobody"), "N007"),
    ],
)
def test_who_may_not_write(folder: Path, tmp_path: Path, words: tuple[str, ...], code: str) -> None:
    """Only whom a rule lets write into a collection can have files taken for it; nothing is written."""
    done = node("import", folder, packed(tmp_path / "a.json", indicator(1)), *words)
    assert (done.returncode, f"[{code}]" in done.stderr, done.stdout) == (2, True, "")
    assert entries(folder, Kind.WRITE) == []


def given(path: Path) -> list[bytes]:
    """Return the objects of a bundle, byte by byte as they stand in it."""
    return [item.body for item in read_package(path, "given", Terms({}, Tlp.CLEAR)) if isinstance(item, Incoming)]


@pytest.mark.parametrize("organisation", ["water-cert", "riverdale-water", "hilltown", "guardline", "riverside-university"])
def test_an_organisation_gets_what_it_gets_by_taxii(folder: Path, tmp_path: Path, organisation: str) -> None:
    """The same objects byte for byte; and the record has it with the digest of the file and what is restricted in it."""
    objects = [indicator(number, level) for number, level in enumerate((*Tlp, None))]
    with opened(folder) as world:
        world.post("water-cert", "indicators", *objects)
        expected = world.ids(organisation, "indicators")
    to = tmp_path / "out.json"
    done = node("export", folder, "--to", to, "--format", "stix", "--as", organisation, *ALL)
    assert done.returncode == 0, done.stderr
    bodies = given(to)
    assert [json.loads(body)["id"] for body in bodies] == expected != []
    assert bodies == [json.dumps(item).encode() for item in objects if item["id"] in expected]
    last = entries(folder, Kind.RELEASE)[-1]
    assert [entry_hash(last).hex()] == receipts(done)
    assert last.detail["sha256"] == hashlib.sha256(to.read_bytes()).hexdigest()
    assert (last.organisation, last.detail["rows"], last.detail["what"]) == (organisation, str(len(expected)), "export stix")
    restricted = {
        item["id"] for item in objects if item.get("object_marking_refs", [""])[0] not in {TLP_2[Tlp(0)], TLP_2[Tlp(1)]}
    }
    assert {item.id for item in last.objects} == restricted & set(expected)


def test_purposes_decide(folder: Path, tmp_path: Path) -> None:
    """Without a purpose a provider gets nothing: its rule is for detection. Nothing has no receipt."""
    with opened(folder) as world:
        world.post("water-cert", "indicators", indicator(1))
    done = node("export", folder, "--to", tmp_path / "o.json", "--format", "stix", "--as", "guardline", "--purpose", "detect")
    assert len(given(tmp_path / "o.json")) == len(receipts(done)) == 1
    done = node("export", folder, "--to", tmp_path / "o.json", "--format", "stix", "--as", "guardline")
    assert (done.returncode, "[N014]" in done.stderr) == (2, True)
    words = ("--as", "riverdale-water", "--collection", "warnings", "--purpose", "detect")
    done = node("export", folder, "--to", tmp_path / "o.json", "--format", "csv", *words)
    assert (done.returncode, receipts(done)) == (0, [])


def test_a_table(folder: Path, tmp_path: Path) -> None:
    """Indicators with the levels that they have here; what is none is counted by its type."""
    report = {"type": "report", "name": "r", "published": indicator(1)["created"], "object_refs": [indicator(2)["id"]]}
    report = {**indicator(9, Tlp.AMBER), **report, "id": indicator(9)["id"].replace("indicator", "report")}
    with opened(folder) as world:
        answer = world.post("water-cert", "indicators", indicator(1, Tlp.CLEAR), indicator(2, Tlp.GREEN), report)
        assert answer.json()["success_count"] == 3
    done = node("export", folder, "--to", tmp_path / "o.csv", "--format", "csv", *CERT)
    rows = ["type,value,name,tlp,pap", "ip,192.0.2.1,,TLP:CLEAR,PAP:CLEAR", "ip,192.0.2.2,,TLP:AMBER,PAP:CLEAR"]
    assert (tmp_path / "o.csv").read_text().splitlines() == rows
    assert "  left out: an object of type report is no indicator of values that holds [X024]\n" in done.stdout
    assert entries(folder, Kind.RELEASE)[-1].detail["sha256"] == hashlib.sha256((tmp_path / "o.csv").read_bytes()).hexdigest()


@pytest.mark.parametrize(
    ("form", "to", "code"),
    [("stix", "none/a.json", "U002"), ("csv", "", "U002"), ("misp", "full", "O001"), ("misp", "none/feed", "O001")],
)
def test_a_destination_that_cannot_be_written(folder: Path, tmp_path: Path, form: str, to: str, code: str) -> None:
    """A folder that is not there, one that is no file, one that is not empty: an error, nothing is left, nothing recorded."""
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").touch()
    with opened(folder) as world:
        world.post("water-cert", "indicators", indicator(1))
    before = sorted(tmp_path.rglob("*"))
    done = node("export", folder, "--to", tmp_path / to, "--format", form, *CERT)
    assert (done.returncode in {1, 2}, f"[{code}]" in done.stderr, done.stdout) == (True, True, ""), done.stderr
    assert [path for path in tmp_path.rglob("*") if path not in before and folder not in path.parents] == []
    assert entries(folder, Kind.RELEASE) == []


def test_pymisp_reads_an_exported_feed(folder: Path, tmp_path: Path) -> None:
    """Of all events of ESET: the values, tags, manifest and hashes are those that PyMISP would write itself."""
    done = node("import", folder, *sorted(shared("misp").glob("*.json")), *INTO)
    assert done.returncode == 0, done.stdout
    feed = tmp_path / "feed"
    done = node("export", folder, "--to", feed, "--format", "misp", *CERT)
    asked = [sys.executable, "-c", RUN, "share", "simulate", str(folder / RULEBOOK), str(feed), "--collection", "indicators"]
    told = subprocess.run(asked, capture_output=True, text=True, timeout=120)
    assert (told.returncode, told.stderr) == (0, "")
    assert "indicator" in {word for line in told.stdout.splitlines() for word in line.split()[1:2]}
    assert done.returncode == 0, done.stderr
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in sorted(feed.iterdir()))).hexdigest()
    assert entries(folder, Kind.RELEASE)[-1].detail["sha256"] == digest
    read = read_by_pymisp(feed)
    manifest = json.loads((feed / "manifest.json").read_text())
    assert len(read) == len(manifest) == len(list(feed.glob("*.json"))) - 1 >= 27
    hashes = {tuple(line.split(",")) for line in (feed / "hashes.csv").read_text().splitlines()}
    assert {(digest, name) for name, event in read.items() for digest in event["hashes"]} == hashes
    for name, event in read.items():
        assert {key: str(value) for key, value in event["manifest"].items()} == {
            key: str(value) for key, value in manifest[name].items()
        }
        assert event["attributes"]
        assert all(any(tag.startswith("tlp:") for tag in attribute[3]) for attribute in event["attributes"])


def test_one_observable_in_two_events(folder: Path, tmp_path: Path) -> None:
    """What has no version and differs between two events of a file is kept as two versions, each under its own marking."""
    attribute = {"type": "domain", "value": "a.example", "timestamp": "1700000000", "to_ids": False}
    names = [f"b2a1c0de-0000-4000-8000-00000000000{number}" for number in range(2)]
    events = [
        {"uuid": name, "info": name, "date": "2023-11-01", "timestamp": "1700000001", "distribution": "3",
         "Tag": [{"name": tag}], "Attribute": [{**attribute, "uuid": name.replace("b2a1", tag[4:6] * 2)}]}
        for name, tag in zip(names, ("tlp:amber", "tlp:red"), strict=True)
    ]  # fmt: skip
    path = tmp_path / "events.json"
    path.write_text(json.dumps({"response": [{"Event": event} for event in events]}))
    done = node("import", folder, path, *INTO)
    assert (done.returncode, len(receipts(done))) == (0, 2), done.stdout
    assert "0 taken, 6 known, 0 refused" in node("import", folder, path, *INTO).stdout
    with opened(folder) as world:
        every = {"match[type]": "domain-name", "match[version]": "all"}
        assert len(world.ids("water-cert", "indicators", **every)) == 2
        assert len(world.ids("riverdale-water", "indicators", **every)) == 1


def test_what_an_object_does_not_say_goes_with_it(folder: Path, tmp_path: Path) -> None:
    """A GREEN object that came in a RED report is RED at the next node too, though the report is withdrawn by then."""
    head = {name: value for name, value in indicator(1).items() if name in {"spec_version", "created", "modified"}}
    name = indicator(1)["id"].replace("indicator", "report")
    report = {"type": "report", "id": name, **head, "name": "r", "published": head["created"]}
    report |= {"object_refs": [indicator(1)["id"]], "object_marking_refs": [TLP_2[Tlp.RED]]}
    with opened(folder) as world:
        world.post("water-cert", "indicators", indicator(1, Tlp.GREEN), indicator(2, Tlp.GREEN), report)
        world.node.objects.remove(Caller("water-cert"), Query(("indicators",), ids=(name,)))
    done = node("export", folder, "--to", tmp_path / "o.json", "--format", "stix", *CERT)
    assert "  1 are more restricted than they say themselves" in done.stdout
    with opened(tmp_path / "second"):
        pass
    assert node("import", tmp_path / "second", tmp_path / "o.json", *INTO).returncode == 0
    with opened(tmp_path / "second") as world:
        assert world.ids("riverdale-water", "indicators") == [indicator(2)["id"]]
        assert world.ids("water-cert", "indicators") == [indicator(1)["id"], indicator(2)["id"]]


def test_a_bundle_whose_objects_say_all_is_a_plain_one(folder: Path, tmp_path: Path) -> None:
    """Nothing stands beside objects that say how restricted they are."""
    with opened(folder) as world:
        world.post("water-cert", "indicators", indicator(1, Tlp.GREEN))
    node("export", folder, "--to", tmp_path / "o.json", "--format", "stix", *CERT)
    assert json.loads((tmp_path / "o.json").read_text()).keys() == {"type", "id", "objects"}


def test_an_owner_withdraws_where_it_may_only_write(folder: Path) -> None:
    """Hilltown may write warnings and read none: TAXII refuses it, the command withdraws all versions, and records it."""
    rule = "  - {id: hilltown, may: write, to: [hilltown], collections: [incidents]}\n"
    book = folder / RULEBOOK
    book.write_text(book.read_text() + "\n" + rule)
    name = indicator(1)["id"]
    with opened(folder) as world:
        world.post("hilltown", "incidents", indicator(1))
        world.post("hilltown", "incidents", indicator(1, version=START + 1), indicator(2))
        assert world.client("hilltown").delete(f"{objects_url('incidents')}{name}/").status_code == 403
    done = node("withdraw", folder, name, "--as", "hilltown", "--collection", "incidents")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"withdrew 2 versions of {name} from incidents\n")
    (entry,) = entries(folder, Kind.WITHDRAWAL)
    assert receipts(done) == [entry_hash(entry).hex()]
    assert (entry.organisation, [item.id for item in entry.objects]) == ("hilltown", [name, name])
    with opened(folder) as world:
        assert world.ids("riverdale-water", "incidents") == [indicator(2)["id"]]
    again = node("withdraw", folder, name, "--as", "hilltown", "--collection", "incidents")
    assert (again.returncode, "[N017]" in again.stderr) == (2, True)


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("--as", "riverdale-water", "--collection", "indicators"), "N016"),
        (("--as", "riverside-university", "--collection", "warnings"), "N017"),
        (("--as", "water-cert", "--collection", "nothing"), "N017"),
        (("--as", "nobody", "--collection", "indicators"), "N007"),
    ],
)
def test_what_is_not_withdrawn(folder: Path, words: tuple[str, ...], code: str) -> None:
    """Another's object, one that is not there, and wrong names: nothing is withdrawn, nor recorded."""
    with opened(folder) as world:
        world.post("water-cert", "indicators", indicator(1))
    done = node("withdraw", folder, indicator(1)["id"], *words)
    assert (done.returncode, f"[{code}]" in done.stderr) == (2, True), done.stderr
    assert entries(folder, Kind.WITHDRAWAL) == []


def test_what_the_rule_for_writing_is_not_about_is_refused(folder: Path, tmp_path: Path) -> None:
    """A rule takes the types, and the levels of TLP, that it names; what is else is refused with the reason, and not kept."""
    book = folder / RULEBOOK
    rule = "{id: guard, may: write, to: [guardline], collections: [incidents], types: [indicator], up_to: TLP:GREEN}"
    book.write_text(book.read_text() + f"  - {rule}\n")
    assert node("adopt", folder).returncode == 0
    other = {**indicator(3), "type": "x-thing", "id": indicator(3)["id"].replace("indicator", "x-thing")}
    path = packed(tmp_path / "some.json", indicator(1, Tlp.GREEN), other)
    done = node("import", folder, path, "--collection", "incidents", "--as", "guardline")
    assert (done.returncode, done.stdout.count("[X042]")) == (4, 1)
    assert "1 taken, 0 known, 1 refused" in done.stdout
    assert "no rule takes x-thing in incidents" in done.stdout
    path = packed(tmp_path / "red.json", indicator(2, Tlp.RED))
    done = node("import", folder, path, "--collection", "incidents", "--as", "guardline")
    assert "0 taken, 0 known, 1 refused" in done.stdout
    assert "rule guard is for up to TLP:GREEN, and this is TLP:RED [X042]" in done.stdout
    assert entries(folder, Kind.WRITE)[0].detail["rejected"] == "1"


def test_approving_without_a_terminal(folder: Path) -> None:
    """A token comes from standard input or the environment; without one, and with a wrong one, the error says what to do."""
    for given, code, hint in (("", "U002", "TOCSIN_TOKEN"), ("nonsense\n", "N040", "issued to you")):
        words = [sys.executable, "-c", RUN, "node", "adopt", str(folder), "--approve"]
        done = subprocess.run(words, input=given, capture_output=True, text=True, timeout=60)
        assert (done.returncode, f"[{code}]" in done.stderr, hint in done.stderr) == (2, True, True), done.stderr
        assert "Warning" not in done.stderr


def test_adopting_tells_problems(folder: Path) -> None:
    """What `share check` calls a problem is shown with its place when the rulebook is taken in force."""
    book = folder / RULEBOOK
    book.write_text(book.read_text().replace("up_to: TLP:GREEN", "up_to: TLP:AMBER", 1))
    done = node("adopt", folder)
    assert done.returncode == 0, done.stderr
    assert "problem: " in done.stderr
    assert "[B011]" in done.stderr
    assert "rulebook.yml is in force now" in done.stdout


@pytest.fixture
def world(tmp_path: Path) -> Any:
    """Give an open node."""
    with opened(tmp_path / "node", clock=Clock()) as found:
        yield found


def test_another_rulebook_meanwhile(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was read under one rulebook is not given under another: nothing is written or recorded."""
    world.post("water-cert", "indicators", *(indicator(number, Tlp.AMBER) for number in range(4)))
    monkeypatch.setattr(export_files, "_PAGE", 2)
    page, book = world.node.objects.page, world.folder / RULEBOOK

    def changes(*arguments: Any) -> Any:
        book.write_text(book.read_text().replace("up_to: TLP:GREEN", "up_to: TLP:CLEAR"))
        adopt(world.node)
        return page(*arguments)

    monkeypatch.setattr(world.node.objects, "page", changes)
    size = _size(world)
    with pytest.raises(NodeError, match="X041"):
        export(world.node, Caller("riverdale-water", ("detect",)), ("indicators",), tmp_path / "o.json", Form.STIX)
    assert not (tmp_path / "o.json").exists()
    assert _size(world) == size + 1  # the change of the rulebook


def _size(world: World) -> int:
    with reading(world.node.engine) as connection:
        return record.size_of(connection)


def test_many_restricted_objects_are_recorded_in_several_entries(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every restricted object of a file is in one of its entries, which all have the digest of the file."""
    world.post("water-cert", "indicators", *(indicator(number, Tlp.AMBER) for number in range(5)))
    monkeypatch.setattr(export_files, "_TOGETHER", 2)
    done = export(world.node, Caller("water-cert"), ("indicators",), tmp_path / "o.json", Form.STIX)
    with reading(world.node.engine) as connection:
        leaves = list(record.entries(connection, record.size_of(connection) - 3, record.size_of(connection)))
    found = [decode(leaf.entry) for leaf in leaves if leaf.entry is not None]
    assert [len(entry.objects) for entry in found] == [2, 2, 1]
    assert [entry_hash(entry).hex() for entry in found] == done.receipts
    assert {entry.detail["sha256"] for entry in found} == {hashlib.sha256((tmp_path / "o.json").read_bytes()).hexdigest()}
