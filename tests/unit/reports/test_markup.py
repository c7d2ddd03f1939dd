"""Markup: whatever a text holds, it stays a text."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.findings.text import safe_text
from tocsin.reports.markup import tag


class Reader(HTMLParser):
    """Gathers what a browser would see."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, name: str, attributes: list[tuple[str, str | None]]) -> None:
        """Note an element."""
        self.tags.append(name)
        self.attributes += attributes

    def handle_data(self, data: str) -> None:
        """Note a text."""
        self.text += data


@given(st.text(), st.text())
def test_texts_stay_texts(text: str, value: str) -> None:
    """Any text comes back as it is shown, in content and in an attribute, and makes no element."""
    found = Reader(tag("p", text, title=value).text)
    assert found.tags == ["p"]
    assert found.attributes == [("title", safe_text(value))]
    assert found.text == safe_text(text)


def test_nesting_and_numbers() -> None:
    """Elements hold elements, lists, numbers and nothing; attributes take their form from the type of their value."""
    made = tag("ul", [tag("li", 12345), tag("li", None, "b")], class_="a", data_kind="x", hidden=True, open=False, width=1.25)
    assert made.text == '<ul class="a" data-kind="x" hidden width="1.2"><li>12,345</li><li>b</li></ul>'


@pytest.mark.parametrize("name", ["onclick", "style", "onError", "srcdoc"])
def test_attributes_that_run_or_style_are_refused(name: str) -> None:
    """No element can get a handler of events or a style of its own."""
    with pytest.raises(ValueError, match=name.lower()):
        tag("p", "x", **{name.lower(): "alert(1)"})
