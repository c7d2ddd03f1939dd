"""The transforms of field maps: parts and readings of URLs."""

import pytest

from tocsin.events import Event, Gate
from tocsin.events.values import elements, encode
from tocsin.rules.transforms import MANY, ONE, made_cell
from tocsin.rules.twins import see
from tocsin.rules.view import Alias, View

URLS = [
    "http://h.example:8080/a/b.EXE?x=1#f",
    "/a/b.php?u=http://x/y",
    "/r/http://x/y.jsp",
    "h.example:443",
    "http://u@[2001:db8::1]/?q",
    "",
    "*",
]


@pytest.mark.parametrize(
    ("transform", "expected"),
    [
        ("url_path", ["/a/b.EXE", "/a/b.php", "/r/http://x/y.jsp", "h.example:443", "/", "", "*"]),
        ("url_query", ["x=1", "u=http://x/y", None, None, "q", None, None]),
        ("url_host", ["h.example", None, None, "h.example", "2001:db8::1", None, "*"]),
        ("url_extension", ["exe", "php", "jsp", "example:443", None, None, None]),
    ],
)
def test_parts_of_urls(transform, expected):
    """A URL inside a path or query is no host of the request."""
    assert [ONE[transform](url) for url in URLS] == expected


@pytest.mark.parametrize(
    ("transform", "text", "expected"),
    [
        ("url_and_query", "/a?b=c", ("/a?b=c", "b=c")),
        ("url_and_query", "/a", ("/a", None)),
        ("url_and_query", "/a?", ("/a?", None)),
        ("url_and_target", "http://h/a?b", ("http://h/a?b", "/a?b")),
        ("url_and_target", "http://h", ("http://h",)),
        ("url_and_target", "/a?u=http://h/x", ("/a?u=http://h/x",)),
        ("plus_and_space", "a+b", ("a+b", "a b")),
        ("plus_and_space", "a b+c", ("a b+c",)),
        ("plus_and_space", "ab", ("ab",)),
    ],
)
def test_readings(transform, text, expected):
    """A field that rules mean in two ways is a list of both, in a column and in an event alike."""
    assert MANY[transform](text) == expected
    alias = Alias("field", ("native",), transform)
    cell = made_cell(alias, (encode(text),))
    assert cell == encode(list(expected))
    event = see(Event(Gate("p", "c", ""), {"native": text}, {}), View((), (alias,)))
    assert elements(event.fields["field"]) == expected
    assert made_cell(alias, (None,)) is None
