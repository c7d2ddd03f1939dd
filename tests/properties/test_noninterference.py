"""Non-interference: whatever is hidden from a caller could as well not exist, by all that the node ever answers it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from sqlalchemy import and_, exists, func, or_, select, true

from node_samples import objects_url
from postgresql import new_database, server_url
from tocsin.server.parameters import next_text
from tocsin.sharing.decisions import Caller
from tocsin.sharing.markings import TLP_2, Tlp
from tocsin.sharing.moments import moment_text
from tocsin.sharing.rulebook import Action, Organisation, Rule, Rulebook, Selection
from tocsin.stores import intake, objects, questions, schema
from tocsin.stores.interface import Place
from two_worlds import NOON, SECOND_US, VERSIONS, Ask, Script, difference, play, scripts, stix_id

pytestmark = pytest.mark.filterwarnings("ignore:Generating overly large repr")


class SeenError(Exception):
    """The worlds were told apart."""


@settings(max_examples=30)
@given(scripts())
def test_what_is_hidden_could_as_well_not_exist(script: Script) -> None:
    """Every byte that the observer gets is the same when what is hidden from it was never posted."""
    assert difference(script) == ""


def test_it_holds_on_postgresql() -> None:
    """The same on a server of PostgreSQL, with fewer scripts."""
    server_url()

    @settings(max_examples=6)
    @given(scripts())
    def compare(script: Script) -> None:
        assert difference(script, new_database) == ""

    compare()


def everything(*_: object) -> Any:
    """Stand in for the grants: all may be seen."""
    return true()


def by_hidden_versions(e: Any, reader: object, query: Any, relations: Any) -> Any:
    """Stand in for the search for other versions: those that are hidden count."""
    other = schema.entry.alias()
    same = other.c.collection.in_(query.collections), other.c.stix_id == e.c.stix_id
    return exists(select(1).where(*same, or_(*(relation(e, other) for relation in relations))))


def by_hidden_ends(connection: Any, reader: Any, query: Any) -> tuple[int | None, int | None]:
    """Stand in for where a page begins: by the last row of a batch, which may be hidden."""
    bounds = [questions._last_of(connection, schema.batch.c.added <= query.after)] if query.after is not None else []
    if query.start is not None:
        found = questions._seq_of(connection, reader, query.collections, query.start)
        bounds.append(questions._last_of(connection, schema.batch.c.added < query.start.added) if found is None else found)
    return max(bounds, default=None), None


def by_hidden_batches(store: Any, connection: Any) -> int:
    """Stand in for the moment of a batch: just after the last one, which may be hidden."""
    last = connection.execute(select(func.max(schema.batch.c.added))).scalar() or 0
    return max(store._clock(), last + 1)


def known_to_all(caller: int, collections: Any, stix_id: str) -> Any:
    """Stand in for the question whether an object is known to the caller: to anybody."""
    e = schema.entry
    return select(e.c.seq).where(and_(e.c.collection.in_(collections), e.c.stix_id == stix_id)).limit(1)


BREAKS: dict[str, tuple[object, str, Callable[..., Any]]] = {
    "no grants": (questions, "_granted", everything),
    "hidden versions": (questions, "_exists", by_hidden_versions),
    "ranks in the batch": (intake, "_ranks", lambda labels: iter(range(len(labels)))),
    "moments of batches": (objects.ObjectStore, "_next_moment", by_hidden_batches),
    "known ids": (objects, "select_known", known_to_all),
}


def hidden_end() -> Script:
    """Return a script in which a batch ends with hidden objects, and a page is asked for from between them and what is seen."""
    everyone = Selection()
    rules = (Rule("given", ("ash", "birch"), everyone, up_to=Tlp.GREEN), Rule("put", ("ash",), everyone, Action.WRITE))
    book = Rulebook("Water CERT", "ash", {name: Organisation(name, name) for name in ("ash", "birch")}, rules=rules)
    batch = [made(1, Tlp.GREEN), *(made(number, Tlp.RED) for number in (2, 3, 4))]
    url = objects_url("indicators")
    place = next_text(Place(NOON + SECOND_US + 2, stix_id("indicator", 0), 0, "2.1"))
    steps = (Ask("ash", "POST", url, objects=tuple(batch)), Ask("birch", "GET", url, (("next", place),)))
    return Script(book, Caller("birch"), steps)


def made(number: int, level: Tlp) -> str:
    """Return an object of a level."""
    return json.dumps({"type": "indicator", "id": stix_id("indicator", number), "object_marking_refs": [TLP_2[level]]})


def test_a_place_between_hidden_objects(monkeypatch: pytest.MonkeyPatch) -> None:
    """A `next` that no page gave does not tell where hidden objects are; told by the ends of batches it would."""
    assert difference(hidden_end()) == ""
    monkeypatch.setattr(questions, "_beginning", by_hidden_ends)
    assert difference(hidden_end()) != ""


def hidden_sighting() -> Script:
    """Return a script in which two sightings are counted, then a hidden version of one and one with a hidden count come."""
    names, everything = ("ash", "birch", "cedar"), Selection()
    rules = (
        Rule("counts", ("birch",), everything, up_to=Tlp.GREEN, k=2),
        Rule("put", ("ash", "cedar"), everything, Action.WRITE),
    )
    book = Rulebook("Water CERT", "ash", {name: Organisation(name, name) for name in names}, rules=rules)
    url = objects_url("indicators")
    first = [Ask(owner, "POST", url, objects=(sighted(at, Tlp.CLEAR, 0),)) for at, owner in enumerate(("ash", "cedar"))]
    more = json.loads(sighted(2, Tlp.CLEAR, 0)) | {"count": 40, "granular_markings": [RED_COUNT]}
    later = Ask("ash", "POST", url, objects=(sighted(0, Tlp.RED, 1), json.dumps(more)))
    count = Ask("birch", "GET", url.replace("objects", "sightings"))
    return Script(book, Caller("birch"), (*first, count, later, count))


RED_COUNT = {"selectors": ["count"], "marking_ref": TLP_2[Tlp.RED]}


def sighted(number: int, level: Tlp, version: int) -> str:
    """Return a version of a sighting of a level."""
    head = {"type": "sighting", "spec_version": "2.1", "id": stix_id("sighting", number)}
    moments = {"created": moment_text(VERSIONS[0]), "modified": moment_text(VERSIONS[version])}
    seen = {"sighting_of_ref": stix_id("indicator", 1), "object_marking_refs": [TLP_2[level]]}
    return json.dumps({**head, **moments, **seen})


def test_a_hidden_version_of_a_sighting(monkeypatch: pytest.MonkeyPatch) -> None:
    """A sighting is counted as it was, whatever version of it comes that is hidden, and once when its count is hidden."""
    script = hidden_sighting()
    assert difference(script) == ""
    counts = [answer.body for ask, answer in play(script)[0] if "sightings" in ask and answer.status == 200]
    assert [body.partition(b'"count":')[2][:1] for body in counts[:2]] == [b"2", b"3"]
    monkeypatch.setattr(intake, "_for_all", lambda held: held.body)
    assert difference(script) != ""


def hidden_part() -> Script:
    """Return a script in which the name of an indicator is for nobody else, and the rest of it is for the observer."""
    everyone = Selection()
    rules = (Rule("given", ("birch",), everyone, up_to=Tlp.GREEN), Rule("put", ("ash",), everyone, Action.WRITE))
    book = Rulebook("Water CERT", "ash", {name: Organisation(name, name) for name in ("ash", "birch")}, rules=rules)
    body = json.loads(made(1, Tlp.GREEN)) | {"name": "x", "granular_markings": [RED_NAME]}
    url = objects_url("indicators")
    return Script(book, Caller("birch"), (Ask("ash", "POST", url, objects=(json.dumps(body),)), Ask("birch", "GET", url)))


RED_NAME = {"selectors": ["name"], "marking_ref": TLP_2[Tlp.RED]}


def test_a_hidden_part_of_an_object(monkeypatch: pytest.MonkeyPatch) -> None:
    """A part that is hidden could as well not be in the object, nor what its markings say of it."""
    script = hidden_part()
    assert difference(script) == ""
    monkeypatch.setattr(objects, "redact", lambda body, hidden: body)
    assert difference(script) != ""


@pytest.mark.parametrize("broken", BREAKS)
def test_a_leak_is_noticed(broken: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The property fails for a node that tells of hidden objects, in each of the ways in which one could."""
    monkeypatch.setattr(*BREAKS[broken])

    @settings(max_examples=150, phases=(Phase.generate,), report_multiple_bugs=False, print_blob=False)
    @given(scripts())
    def search(script: Script) -> None:
        if difference(script):
            raise SeenError

    with pytest.raises(SeenError):
        search()


def test_scripts_hide_and_show() -> None:
    """Most scripts hide objects from the observer and show it others, and most objects are kept: it is about something."""
    found: list[bool] = []
    kept: Counter[bool] = Counter()

    @settings(max_examples=10, phases=(Phase.generate,))
    @given(scripts())
    def count(script: Script) -> None:
        noticed, _, missing = play(script, kept=kept)
        seen = any(answer.status == 200 and b'"objects":[' in answer.body for _, answer in noticed)
        found.append(bool(missing) and seen)

    count()
    assert sum(found) * 2 > len(found)
    assert kept[True] > 10 * kept[False]
