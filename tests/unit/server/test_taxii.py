"""TAXII of a node: what each caller gets, what it may not know of, what is recorded."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from sqlalchemy import event
from starlette.testclient import TestClient

from node_samples import AGGREGATE, START, TAXII, World, ids_of, indicator, objects_url, opened
from tocsin.records.entry import Entry, Kind, decode
from tocsin.records.receipt import parse_receipt, verify_receipt
from tocsin.server.answers import RECEIPT
from tocsin.sharing.decisions import Caller
from tocsin.sharing.markings import PAP_2, PAP_IDS, TLP_2, TLP_IDS, Tlp
from tocsin.sharing.moments import moment_text
from tocsin.stores import record
from tocsin.stores.database import reading
from tocsin.stores.tokens import Role, Terms


@pytest.fixture
def world(tmp_path: Path, database: dict[str, str]) -> Iterator[World]:
    """Give a node of the example's community, on each kind of database."""
    with opened(tmp_path / "node", **database) as found:
        yield found


def entries(world: World) -> list[Entry]:
    """Return what the record of a node holds."""
    with reading(world.node.engine) as connection:
        leaves = list(record.entries(connection, 0, record.size_of(connection)))
    return [decode(leaf.entry) for leaf in leaves if leaf.entry is not None]


def test_each_gets_what_markings_and_rules_give(world: World) -> None:
    """The same collection answers each caller with another set, in the order in which objects were added."""
    objects = [indicator(number, level) for number, level in enumerate(Tlp)]
    assert world.post("water-cert", "indicators", *objects, indicator(9, None)).json()["success_count"] == 6
    clear, green, amber, strict, red, unmarked = ids_of([*objects, indicator(9, None)])
    assert world.ids("water-cert", "indicators") == [clear, green, amber, strict, red, unmarked]
    assert world.ids("riverdale-water", "indicators") == [clear, green, amber, strict, unmarked]
    assert world.ids("lakeside-services", "indicators") == [clear, green, amber, strict, unmarked]
    assert world.ids("hilltown", "indicators") == [clear, green, amber]
    assert world.ids("guardline", "indicators") == [clear, green, amber, strict, unmarked]
    assert world.client("riverside-university").get(objects_url("incidents")).status_code == 404


def test_hidden_and_absent_are_answered_alike(world: World) -> None:
    """What a caller may not know of is answered in the same bytes as what is not there, for every endpoint of objects."""
    hidden, absent = indicator(1, Tlp.RED)["id"], indicator(2)["id"]
    world.post("water-cert", "indicators", indicator(1, Tlp.RED))
    client = world.client("hilltown")
    for end in ("", "versions/"):
        answers = [client.get(f"{objects_url('indicators')}{name}/{end}") for name in (hidden, absent)]
        assert [answer.status_code for answer in answers] == [404, 404]
        assert answers[0].content == answers[1].content
        assert answers[0].headers == answers[1].headers
    answers = [client.get(objects_url("indicators"), params={"match[id]": name}) for name in (hidden, absent)]
    assert answers[0].content == answers[1].content == b"{}"


def test_a_page_is_recorded_before_it_is_given(world: World) -> None:
    """A release names restricted objects by id and digest, others by their number, and the answer by its digest."""
    world.post("water-cert", "indicators", indicator(1, Tlp.GREEN), indicator(2, Tlp.AMBER))
    answer = world.client("riverdale-water").get(objects_url("indicators"))
    entry = entries(world)[-1]
    assert (entry.kind, entry.organisation, entry.detail["rows"]) == (Kind.RELEASE, "riverdale-water", "2")
    assert entry.detail["sha256"] == hashlib.sha256(answer.content).hexdigest()
    body = json.dumps(indicator(2, Tlp.AMBER)).encode()
    assert [(item.id, item.sha256) for item in entry.objects] == [(indicator(2)["id"], hashlib.sha256(body).hexdigest())]
    assert body in answer.content
    assert entry.rulebook == world.node.rules.digest


def test_a_receipt_proves_the_release(world: World) -> None:
    """The receipt of an answer leads to a proof that stands by the record's key; nobody else is given it."""
    world.post("water-cert", "indicators", indicator(1))
    client = world.client("riverdale-water")
    leaf = client.get(objects_url("indicators")).headers[RECEIPT]
    world.ids("hilltown", "indicators")
    receipt = parse_receipt(client.get(f"/record/receipts/{leaf}").text)
    entry, opened_checkpoint = verify_receipt(receipt, [world.node.record.key])
    assert (entry.kind, entry.organisation) == (Kind.RELEASE, "riverdale-water")
    assert opened_checkpoint.checkpoint.size == len(entries(world))
    assert client.get("/record/key").text.strip() == str(world.node.record.key)
    assert world.client("hilltown").get(f"/record/receipts/{leaf}").status_code == 404
    assert client.get("/record/receipts/xyz").status_code == 404


def test_the_same_checkpoint_until_more_is_recorded(world: World) -> None:
    """Asking for a checkpoint is recorded nowhere and gives the same one again; an entry makes the next."""
    client = world.client("riverdale-water")
    first = client.get("/record/checkpoint").text
    assert client.get("/record/checkpoint").text == first
    world.post("water-cert", "indicators", indicator(1))
    assert client.get("/record/checkpoint").text != first


def test_taking_refusing_and_withdrawing_are_recorded(world: World) -> None:
    """A write, a refusal, a withdrawal and an empty answer: three entries, and none for what gave nothing."""
    before = len(entries(world))
    assert world.ids("water-cert", "indicators") == []
    posted = world.post("water-cert", "indicators", indicator(1, Tlp.AMBER), {"id": "x"})
    client = world.client("riverdale-water")
    mine = objects_url("indicators") + indicator(1)["id"] + "/"
    assert client.delete(mine).status_code == 403
    gone = world.client("water-cert").delete(mine)
    found = [entry for entry in entries(world)[before:] if entry.kind is not Kind.TOKEN]
    assert [entry.kind for entry in found] == [Kind.WRITE, Kind.REFUSAL, Kind.WITHDRAWAL]
    assert found[0].detail["added"] == found[0].detail["rejected"] == "1"
    assert found[1].detail["code"] == "N016"
    assert found[0].objects[0] == found[2].objects[0]
    assert posted.headers[RECEIPT] != gone.headers[RECEIPT]


def asked(client: TestClient) -> Iterator[httpx2.Response]:
    """Yield answers until the last free page of the database is full, and some more."""
    for _ in range(100):
        yield client.get(objects_url("indicators"))


def grow_no_more(connection: Any, *_: Any) -> None:
    """Let SQLite answer as on a full disk as soon as the database needs another page."""
    connection.execute("PRAGMA max_page_count=1")


@pytest.mark.parametrize("database", [{}])
def test_nothing_is_given_when_the_record_cannot_grow(world: World) -> None:
    """When an entry cannot be written the page is not answered, nor is what is posted kept."""
    world.post("water-cert", "indicators", indicator(1))
    client, owner = world.client("riverdale-water"), world.client("water-cert")
    event.listen(world.node.engine, "checkout", grow_no_more)
    answer = next(answer for answer in asked(client) if answer.status_code != 200)
    assert (answer.status_code, answer.json()["error_code"], answer.headers["Retry-After"]) == (503, "N020", "30")
    posted = owner.post(
        objects_url("indicators"), content=json.dumps({"objects": [indicator(2)]}), headers={"Content-Type": TAXII}
    )
    assert posted.status_code == 503
    event.remove(world.node.engine, "checkout", grow_no_more)
    world.node.engine.dispose()
    assert world.ids("riverdale-water", "indicators") == [indicator(1)["id"]]


def test_who_is_let_in(world: World) -> None:
    """Without a valid token every address answers 401 with a challenge, and the same words for each reason."""
    client = world.client("riverdale-water")
    expired = world.node.tokens.issue(Caller("riverdale-water"), Terms((Role.READ,), START - 1))
    headers: list[dict[str, str]] = [
        {"Authorization": ""},
        {"Authorization": "Bearer tocsin_x"},
        {"Authorization": f"Bearer {expired}"},
    ]
    answers = [client.get(objects_url("indicators"), headers=each) for each in headers]
    assert {answer.status_code for answer in answers} == {401}
    assert len({answer.content for answer in answers}) == 1
    assert all("Bearer" in answer.headers["WWW-Authenticate"] for answer in answers)
    assert world.client("riverdale-water", Role.WRITE).get(objects_url("indicators")).status_code == 403


def test_paging_by_date_or_next(world: World) -> None:
    """What shares a moment, one object of each label, stays on one page where the limit lets it; by `next` any will do."""
    objects = [indicator(number, (Tlp.CLEAR, Tlp.GREEN, Tlp.AMBER)[number % 3]) for number in range(15)]
    world.post("water-cert", "indicators", *objects)
    client, url = world.client("hilltown"), objects_url("indicators")
    moments = [item["date_added"] for item in client.get(url.replace("objects", "manifest")).json()["objects"]]
    assert [moments.count(moment) for moment in sorted(set(moments))] == [3] * 5
    for limit in (3, 4, 5, 15):
        found, parameters = [], {"limit": str(limit)}
        while page := (answer := client.get(url, params=parameters)).json().get("objects"):
            found += ids_of(page)
            parameters["added_after"] = answer.headers["X-TAXII-Date-Added-Last"]
        assert sorted(found) == sorted(ids_of(objects))
    for limit in (1, 2, 3):
        found, parameters = [], {"limit": str(limit)}
        while (body := client.get(url, params=parameters).json()).get("more"):
            found += ids_of(body["objects"])
            parameters["next"] = body["next"]
        assert sorted([*found, *ids_of(body["objects"])]) == sorted(ids_of(objects))


def test_an_aggregate_is_read_as_one(world: World) -> None:
    """What several collections hold comes in one order, once each, page by page; it is not written to, and tells no more."""
    for number, collection in enumerate(("indicators", "warnings", "indicators", "incidents")):
        world.post("riverdale-water", collection, indicator(number), indicator(number + 10))
    world.post("riverdale-water", "warnings", indicator(0))
    client, found, start = world.client("riverdale-water"), [], {}
    for _ in range(5):
        page = client.get(objects_url(AGGREGATE), params={"limit": "2", **start}).json()
        found += [item["id"] for item in page.get("objects", [])]
        start = {"next": page.get("next", "")}
        if not page.get("more"):
            break
    assert found == [indicator(number)["id"] for number in (0, 10, 1, 11, 2, 12, 3, 13)]
    assert world.ids("hilltown", AGGREGATE) == [indicator(number)["id"] for number in (0, 10, 1, 11, 2, 12)]
    assert client.get(f"{objects_url(AGGREGATE)}{indicator(3)['id']}/versions/").json() == {"versions": [moment_text(START)]}
    assert world.client("hilltown").get(f"{objects_url(AGGREGATE)}{indicator(3)['id']}/").status_code == 404
    assert world.post("riverdale-water", AGGREGATE, indicator(5)).status_code == 403


def test_the_markings_that_a_caller_may_see(world: World) -> None:
    """An object with one of the markings that are listed is given, and one with any other is not."""
    listed = {
        organisation: world.client(organisation).get(objects_url("indicators").replace("objects/", "markings/")).json()
        for organisation in ("riverdale-water", "hilltown", "guardline", "lakeside-services")
    }
    refs = [*TLP_IDS, *PAP_IDS, *world.node.rules.book.markings]
    objects = [indicator(number, None, object_marking_refs=[ref]) for number, ref in enumerate(refs)]
    clear = [indicator(number, Tlp.CLEAR) for number in range(100, 101)]
    for item in objects:
        if item["object_marking_refs"][0] in PAP_IDS:
            item["object_marking_refs"].append(TLP_2[Tlp.CLEAR])
    world.post("water-cert", "indicators", *objects, indicator(99, None), *clear)
    for organisation, answer in listed.items():
        given = set(world.ids(organisation, "indicators"))
        names = set(answer["object_marking_refs"])
        for item in objects:
            (ref, *_) = item["object_marking_refs"]
            same = TLP_2[TLP_IDS[ref]] if ref in TLP_IDS else PAP_2[PAP_IDS[ref]] if ref in PAP_IDS else ref
            assert (item["id"] in given) == (same in names), (organisation, ref)
        assert (indicator(99)["id"] in given) == answer["unmarked"]
    every = world.client("hilltown").get("/taxii2/api/markings/").json()["collections"]
    assert listed["hilltown"] in every
    assert len(every) == 3
