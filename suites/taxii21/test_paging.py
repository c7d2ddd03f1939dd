"""Section 3.5: page by page, everything once and nothing twice."""

from __future__ import annotations

from threading import Thread

import pytest
from exchange import FIRST, LAST, Collection, Json, check_error, expect, moment
from requirements import must, should
from samples import Library, domain, indicator, malware

_BOTH = pytest.mark.parametrize("endpoint", ["manifest", "objects"])
_EXTRA = 9


@pytest.fixture(scope="module")
def batch(shared: Collection) -> list[str]:
    """Return the ids of objects that were added in one request."""
    made = [domain() for _ in range(_EXTRA)]
    shared.add(*made)
    return [item["id"] for item in made]


def _mine(ids: list[str]) -> dict[str, str]:
    return {"match[id]": ",".join(ids)}


def _keys(pages: list[Json]) -> list[tuple[str, str]]:
    """Return what tells the records of pages apart."""
    found = [item for page in pages for item in page.get("objects", [])]
    return [(item["id"], item.get("version") or item.get("modified", "")) for item in found]


@must("3.5", "3.14.1")
@_BOTH
@pytest.mark.parametrize("limit", ["1", "2", "3"])
def test_pages_are_the_whole(shared: Collection, library: Library, endpoint: str, limit: str) -> None:
    """Page after page gives what one answer gives, in the same order, everything once."""
    asked = library.mine | {"match[version]": "all"}
    pages = [page for _, page in shared.pages(endpoint, asked | {"limit": limit})]
    assert _keys(pages) == _keys([shared.read(endpoint, asked)])


@must("3.5")
@_BOTH
def test_pages_of_one_batch_are_the_whole(shared: Collection, batch: list[str], endpoint: str) -> None:
    """Objects that were added together are all given out page by page."""
    pages = [page for _, page in shared.pages(endpoint, _mine(batch) | {"limit": "2"})]
    assert sorted(key for key, _ in _keys(pages)) == sorted(batch)


@should("3.5")
@_BOTH
def test_pages_by_date_are_the_whole(shared: Collection, batch: list[str], endpoint: str) -> None:
    """Who goes on by the date of the last record, instead of `next`, gets everything too, in any limit."""
    asked, found = _mine(batch) | {"limit": "2"}, []
    for _ in range(2 * _EXTRA):
        answer = expect(shared.server.get(shared.at(endpoint), asked), 200)
        found += [item["id"] for item in answer.json().get("objects", [])]
        if not answer.json().get("more"):
            break
        asked = asked | {"added_after": answer.headers[LAST]}
    assert sorted(found) == sorted(batch)


@must("3.5")
@_BOTH
def test_every_page_keeps_to_the_limit(shared: Collection, library: Library, endpoint: str) -> None:
    """No page is longer than was asked for."""
    lengths = [len(page["objects"]) for _, page in shared.pages(endpoint, library.mine | {"limit": "3"})]
    assert max(lengths) <= 3


@must("3.5")
@_BOTH
def test_last_page_says_so(shared: Collection, library: Library, endpoint: str) -> None:
    """`more` is true on every page but the last."""
    told = [bool(page.get("more")) for _, page in shared.pages(endpoint, library.mine | {"limit": "4"})]
    assert told == [True] * (len(told) - 1) + [False]


@must("3.7")
@_BOTH
def test_next_is_text(shared: Collection, library: Library, endpoint: str) -> None:
    """`next` is text that is not empty, and is given only with `more`."""
    for _, page in shared.pages(endpoint, library.mine | {"limit": "4"}):
        assert "next" not in page or (isinstance(page["next"], str) and page["next"])
        assert "next" not in page or page.get("more") is True


@must("3.5")
def test_dates_of_pages_go_on(shared: Collection, library: Library) -> None:
    """A page begins no earlier than the one before it ended."""
    last = None
    for answer, _ in shared.pages("objects", library.mine | {"limit": "2", "match[version]": "all"}):
        assert last is None or moment(answer.headers[FIRST]) >= moment(last)
        last = answer.headers[LAST]


@must("3.5")
@_BOTH
def test_limit_may_change_between_pages(shared: Collection, library: Library, endpoint: str) -> None:
    """A page may be longer than the one before it."""
    first = shared.read(endpoint, library.mine | {"limit": "1"})
    if "next" not in first:
        pytest.skip("the server gives no next")
    rest = shared.read(endpoint, library.mine | {"limit": "100", "next": first["next"]})
    assert sorted(key for key, _ in _keys([first, rest])) == sorted(library.ids)


@should("3.5")
def test_same_page_again_is_the_same(shared: Collection, library: Library) -> None:
    """A page that is asked for twice is the same both times."""
    first = shared.read("objects", library.mine | {"limit": "2"})
    if "next" not in first:
        pytest.skip("the server gives no next")
    asked = library.mine | {"limit": "2", "next": first["next"]}
    assert _keys([shared.read("objects", asked)]) == _keys([shared.read("objects", asked)])


@must("3.5")
@_BOTH
def test_pages_hold_while_others_add(shared: Collection, endpoint: str) -> None:
    """What is added between two pages moves nothing: what was there is given out once, and what is new, if at all, after it."""
    made = [indicator() for _ in range(6)]
    shared.add(*made[:3])
    shared.add(*made[3:])
    new = [malware() for _ in range(4)]
    ids, late = [item["id"] for item in made], [item["id"] for item in new]
    found: list[str] = []
    for _, page in shared.pages(endpoint, _mine(ids + late) | {"limit": "2"}):
        found += [item["id"] for item in page.get("objects", [])]
        if new:
            shared.add(new.pop())
    assert sorted(found[:6]) == sorted(ids)
    assert len(found) == len(set(found))
    assert set(found[6:]) <= set(late)


@must("3.5")
def test_pages_hold_while_many_add_at_once(shared: Collection) -> None:
    """While others add, page by page nothing that was there before is missed or given out twice."""
    made = [indicator() for _ in range(12)]
    shared.add(*made)
    ids = [item["id"] for item in made]
    others = [Thread(target=_add_some, args=(Collection(shared.server, shared.id, shared.added), 5)) for _ in range(3)]
    for thread in others:
        thread.start()
    found = [item["id"] for _, page in shared.pages("objects", _mine(ids) | {"limit": "2"}) for item in page["objects"]]
    for thread in others:
        thread.join()
    assert sorted(found) == sorted(ids)


def _add_some(collection: Collection, times: int) -> None:
    for _ in range(times):
        collection.add(indicator(), malware())


@must("3.4")
def test_what_is_added_at_once_is_all_found_by_date(shared: Collection) -> None:
    """Who asks again and again for what was added since, while others add, gets everything."""
    ids: list[str] = []
    start = Collection(shared.server, shared.id, ids)
    threads = [Thread(target=_add_some, args=(start, 4)) for _ in range(3)]
    marker = indicator()
    shared.add(marker)
    since = shared.manifest({"match[id]": marker["id"]})[0]["date_added"]
    seen: list[str] = []
    for thread in threads:
        thread.start()
    for alive in [True] * 8 + [False]:
        if not alive:
            for thread in threads:
                thread.join()
        for answer, page in shared.pages("manifest", {"added_after": since}):
            seen += [item["id"] for item in page.get("objects", [])]
            since = max(since, answer.headers.get(LAST, since))
    shared.added += ids
    assert set(ids) <= set(seen), f"{len(set(ids) - set(seen))} of {len(ids)} were missed"
    assert len(ids) == 24


@should("3.5")
@_BOTH
def test_pages_hold_while_others_delete(shared: Collection, endpoint: str) -> None:
    """When what was given out already is deleted, the next pages miss nothing."""
    made = [indicator() for _ in range(8)]
    shared.add(*made)
    ids = [item["id"] for item in made]
    found: list[str] = []
    for number, (_, page) in enumerate(shared.pages(endpoint, _mine(ids) | {"limit": "2"})):
        found += [item["id"] for item in page.get("objects", [])]
        if not number:
            expect(shared.delete(found[0]), 200)
            expect(shared.delete(found[1]), 200)
    assert sorted(found) == sorted(ids)


@must("3.4")
@pytest.mark.parametrize("value", ["", "x", "%%%", "-1", "AAAA" * 500, "' OR 1=1", "W10="])
def test_next_that_nobody_gave_is_harmless(shared: Collection, library: Library, value: str) -> None:
    """A `next` that the server did not give is refused, or shows nothing that the filters keep out."""
    answer = expect(shared.server.get(shared.at("objects"), {"match[id]": library.id, "next": value}), 200, 400, 404, 414)
    if answer.status_code == 200:
        assert {item["id"] for item in answer.json().get("objects", [])} <= {library.id}


@must("3.4")
def test_next_of_another_query_is_harmless(shared: Collection, library: Library) -> None:
    """A `next` of another query is refused, or gives only what the filters of this one match."""
    first = shared.read("objects", library.mine | {"limit": "1"})
    if "next" not in first:
        pytest.skip("the server gives no next")
    asked = {"match[id]": library.id, "match[type]": "indicator", "next": first["next"]}
    answer = expect(shared.server.get(shared.at("objects"), asked), 200, 400, 404)
    if answer.status_code == 200:
        assert {item["id"] for item in answer.json().get("objects", [])} <= {library.id}


@must("3.4")
def test_next_opens_no_other_collection(shared: Collection, library: Library, write_only: Collection) -> None:
    """A `next` of one collection opens no other."""
    first = shared.read("objects", library.mine | {"limit": "1"})
    check_error(write_only.server.get(write_only.at("objects"), {"next": first.get("next", "x")}), 403, 404)
