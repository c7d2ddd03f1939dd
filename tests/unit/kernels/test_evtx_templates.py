"""Templates: what is understood of them, and which shapes are left to the slow reader."""

from __future__ import annotations

import struct
import xml.etree.ElementTree as ET
from collections.abc import Callable

import pytest

from tocsin.kernels.evtx_work import ABSENT, EMPTY, INNER, INNER_USER, NULL, OUTER, REFUSED
from tocsin.sources.evtx_templates import MISSING, Names, Template, understand

FIELDS = ["Provider_Name", "Channel", "EventID", "A", "B", "ThreatName", "Data", "Binary"]


def _numbered(part: int) -> Callable[[str], int]:
    numbers = {name: at * 3 + part for at, name in enumerate(FIELDS)}
    return lambda name: numbers.get(name, -1)


NAMES = Names(_numbered(0), _numbered(1), _numbered(2))


def form(text: str) -> bytes:
    """Return the form of a template that is written as XML, with substitutions as %1."""
    return _element(ET.fromstring(text))


def _word(token: int, argument: int = 0, raw: bytes = b"") -> bytes:
    return struct.pack("<Q", token | argument << 8) + raw + bytes(-len(raw) % 8)


def _named(token: int, text: str) -> bytes:
    return _word(token, len(text.encode("utf-16-le")) // 2, text.encode("utf-16-le"))


def _value(text: str | None) -> bytes:
    text = (text or "").strip()
    if text.startswith("%"):
        return _word(0x0E, int(text[1:]))
    return _named(0x05, text) if text else b""


def _element(element: ET.Element) -> bytes:
    found = _named(0x41 if element.attrib else 0x01, element.tag)
    for name, text in element.attrib.items():
        found += _named(0x06, name) + _value(text)
    if not len(element) and not element.text:
        return found + _word(0x03)
    found += _word(0x02) + _value(element.text)
    for child in element:
        found += _element(child) + _value(child.tail)
    return found + _word(0x04)


SYSTEM = '<System><Provider Name="P"/><EventID>%3</EventID><Channel>%1</Channel></System>'


def event(rest: str) -> Template:
    """Return what is understood of an event with some content beside System."""
    return understand(form(f'<Event lang="x">{SYSTEM}{rest}</Event>'), NAMES)


def test_event() -> None:
    """System's elements are absent when empty, constants are kept, and what comes last is nested."""
    found = event("%20")
    number = {name: 3 * at for at, name in enumerate(FIELDS)}
    assert (found.role, found.nested_slot, found.nested_role) == (OUTER, 20, INNER)
    assert found.constants == [(number["Provider_Name"] + 1, "P")]
    assert found.uses == [(3, number["EventID"] + 1, -1, ABSENT), (1, number["Channel"] + 1, -1, ABSENT)]
    assert found.texts == ["P"]


def test_event_data() -> None:
    """A named Data that is empty is an empty text, another element null, and constants are constants."""
    text = '<EventData><Data Name="A">%0</Data><Data Name="B"/><Binary>%1</Binary><Data Name="Unread">x</Data></EventData>'
    found = understand(form(text), NAMES)
    assert (found.role, found.layout, found.constants) == (INNER, 0, [])
    assert found.uses == [(0, 9, -1, EMPTY), (MISSING, 12, -1, EMPTY), (1, 21, -1, NULL)]
    assert found.texts == ["x"]


def test_unnamed_data() -> None:
    """The only unnamed Data may be a list; a substitution that is used twice may not."""
    assert understand(form("<EventData><Data>%0</Data><Binary>%1</Binary></EventData>"), NAMES).array_slot == 0
    twice = understand(form("<EventData><Data>%0</Data><Binary>%0</Binary></EventData>"), NAMES)
    assert (twice.role, twice.array_slot) == (INNER, -1)


def test_spaces() -> None:
    """A name with spaces is known without them too, the first of several such."""
    found = understand(
        form('<EventData><Data Name="Threat Name">%0</Data><Data Name="ThreatN ame">%1</Data></EventData>'), NAMES
    )
    assert (found.layout, found.uses) == (1, [(0, -1, 17, EMPTY)])


def test_user_data() -> None:
    """The elements of UserData's one child are fields; the child may be nested."""
    found = event("<UserData><Cleared lang='y'><A>%7</A></Cleared></UserData>")
    assert (found.role, found.uses[-1]) == (OUTER, (7, 9, -1, NULL))
    nested = event("<UserData>%9</UserData>")
    assert (nested.nested_slot, nested.nested_role) == (9, INNER_USER)
    assert understand(form("<Cleared><A>%7</A></Cleared>"), NAMES).role == INNER_USER


@pytest.mark.parametrize(
    "rest",
    [
        "<RenderingInfo/>",
        "text",
        "%1<EventData/>",
        "<EventData/>%1",
        "<EventData/><UserData/>",
        SYSTEM,
        "<EventData>%1</EventData>",
        "<EventData>text</EventData>",
        "<EventData><Data>%1</Data><Data>%2</Data></EventData>",
        '<EventData><Data Name="A">%1</Data><Data>%2</Data></EventData>',
        '<EventData><Data Name="%1">%2</Data></EventData>',
        '<EventData><Data Name="A" Type="x">%2</Data></EventData>',
        '<EventData><Data Name="A">%1</Data><Data Name="A">%2</Data></EventData>',
        '<EventData><Data Name="A">%1</Data><A>%2</A></EventData>',
        '<EventData><Data Name="Channel">%1</Data></EventData>',
        '<EventData><Data Name="EventID"/></EventData>',
        '<EventData><Data Name="A_attributes">%1</Data></EventData>',
        '<EventData><Data Name="A"><B>%1</B></Data></EventData>',
        '<EventData Name="%1"><A>%1</A></EventData>',
        "<UserData><A/></UserData>",
        "<UserData><A>%1</A></UserData>",
        "<UserData><A><B/></A><C><B/></C></UserData>",
        "<UserData><A><Data>%1</Data></A></UserData>",
        "<UserData><EventData><A>%1</A></EventData></UserData>",
    ],
)
def test_refused_events(rest: str) -> None:
    """A shape of which it is not certain what the slow reader makes of it is refused."""
    assert event(rest).role == REFUSED


@pytest.mark.parametrize(
    "system",
    [
        '<Provider Name="Linux-Sysmon"/>',
        "<TimeCreated>%1</TimeCreated>",
        '<TimeCreated SystemTime="2020"/>',
        "<EventRecordID>7</EventRecordID>",
        "<Version>%1</Version><Version>%2</Version>",
        '<A B="%1"/><A_B>%2</A_B>',
        "<Version><Part>%1</Part></Version>",
        "text",
    ],
)
def test_refused_systems(system: str) -> None:
    """So is a System that could mean something else."""
    assert understand(form(f"<Event><System>{system}</System></Event>"), NAMES).role == REFUSED


def test_broken_forms() -> None:
    """A form that is cut off, or goes on after its end, is refused, at every place."""
    whole = form("<EventData><Data Name='A'>%0</Data></EventData>")
    assert understand(whole, NAMES).role == INNER
    assert all(understand(whole[:size], NAMES).role == REFUSED for size in range(0, len(whole), 8))
    assert understand(whole + _word(0x04), NAMES).role == REFUSED
    assert understand(whole + whole, NAMES).role == REFUSED


def test_depth() -> None:
    """Elements that are nested without end are refused."""
    deep = _named(0x01, "A") + _word(0x02)
    assert understand(deep * 5000, NAMES).role == REFUSED
