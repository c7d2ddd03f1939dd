"""What a template of BinXML means: which substitution, or which constant, is the value of which field.

The form that `kernels.evtx` gives a definition is read once. Only shapes are accepted of which it is certain what the library
and the slow reader make of them; a record of any other template is slow.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from tocsin.kernels import evtx_work as kernels

MISSING: Final = 1 << 20
"""The number of a substitution that no record has."""
MAX_USES: Final = 2048
"""The most fields of a template."""
_MAX_DEPTH: Final = 16
_ENTITIES: Final = {"quot": '"', "apos": "'", "amp": "&", "lt": "<", "gt": ">"}
_ELEMENT_NAME: Final = re.compile(r"[^\W\d][\w.\-]*")
_ATTRIBUTE_NAME: Final = re.compile(r"[^\W\d][\w.:\-]*")
_SECTIONS: Final = ("EventData", "UserData", "ProcessingErrorData")
_GATING: Final = ("Channel", "EventID")
_SKIPPED: Final = ("#attributes", "@xmlns", "xmlns")
_LINUX: Final = "Linux-Sysmon"


class Refused(Exception):  # noqa: N818 - no error: the slow reader does it
    """The template has a shape that only the slow reader knows."""


@dataclass(frozen=True, slots=True)
class Slot:
    """A substitution."""

    number: int


Part = str | Slot


@dataclass(slots=True)
class Element:
    """An element: the parts of each attribute's value, and its content."""

    name: str
    attributes: dict[str, list[Part]] = field(default_factory=dict)
    children: list[Element | Part] = field(default_factory=list)

    @property
    def elements(self) -> list[Element]:
        """Return the child elements. Raises: Refused when there is anything else."""
        found = [child for child in self.children if isinstance(child, Element)]
        if len(found) != len(self.children):
            raise Refused
        return found

    @property
    def leaf(self) -> Part:
        """Return the content of an element without child elements; an empty one has an empty text."""
        parts = [child for child in self.children if not isinstance(child, Element)]
        if len(parts) != len(self.children):
            raise Refused
        return _value(parts)


@dataclass(slots=True)
class Template:
    """What the kernel needs of a template, and every constant text that may be a value of an event."""

    role: int = kernels.REFUSED
    layout: int = 0
    nested_slot: int = -1
    nested_role: int = kernels.INNER
    array_slot: int = -1
    uses: list[tuple[int, int, int, int]] = field(default_factory=list)
    constants: list[tuple[int, str]] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Names:
    """Numbers of fields: as data has them, as System has them, and of data fields whose names lost their spaces."""

    data: Callable[[str], int]
    system: Callable[[str], int]
    spaceless: Callable[[str], int]


def understand(form: bytes, names: Names) -> Template:
    """Return what a template means; its role is REFUSED when only the slow reader knows."""
    reader = _Meaning(names)
    try:
        reader.root(_Parser(form).element())
    except Refused:
        return Template()
    return reader.template


class _Parser:
    """Reads a template's form into a tree."""

    def __init__(self, form: bytes) -> None:
        self._form = form
        self._at = 0
        self._argument = 0

    def element(self) -> Element:
        """Read the one root element."""
        if self._token() not in (0x01, 0x41):
            raise Refused
        found = self._element(0)
        if self._at != len(self._form):
            raise Refused
        return found

    def _element(self, depth: int) -> Element:
        """Read an element whose first token is behind."""
        element = Element(self._name())
        token = self._token()
        while token in (0x06, 0x46):
            name = self._name()
            parts: list[Part] = []
            token = self._parts(parts)
            if name in element.attributes or not _ATTRIBUTE_NAME.fullmatch(name):
                raise Refused
            element.attributes[name] = parts
        if depth > _MAX_DEPTH or token not in (0x02, 0x03) or not _ELEMENT_NAME.fullmatch(element.name):
            raise Refused
        while token != 0x03:
            content: list[Part] = []
            token = self._parts(content)
            element.children += content
            if token == 0x04:
                break
            if token not in (0x01, 0x41):
                raise Refused
            element.children.append(self._element(depth + 1))
        return element

    def _parts(self, into: list[Part]) -> int:
        """Read texts and substitutions; return the token that is neither."""
        while True:
            token = self._token()
            if token in (0x05, 0x45):
                into.append(self._text().partition("\0")[0])
            elif token in (0x0D, 0x0E):
                into.append(Slot(self._argument))
            elif token in (0x09, 0x49):
                entity = _ENTITIES.get(self._text())
                if entity is None:
                    raise Refused
                into.append(entity)
            else:
                return token

    def _token(self) -> int:
        """Return the next token; what it carries is the argument."""
        word = int.from_bytes(self._take(8), "little")
        self._argument = word >> 8
        return word & 0xFF

    def _name(self) -> str:
        """Return the name that follows its token; the library breaks it off at a NUL, which no real one has."""
        name = self._text()
        if "\0" in name:
            raise Refused
        return name

    def _text(self) -> str:
        size = 2 * self._argument
        try:
            return self._take((size + 7) & -8)[:size].decode("utf-16-le")
        except UnicodeDecodeError:
            raise Refused from None

    def _take(self, size: int) -> bytes:
        found = self._form[self._at : self._at + size]
        if len(found) != size:
            raise Refused
        self._at += size
        return found


def _value(parts: list[Part]) -> Part:
    """Return a value that is one substitution, or constant."""
    if len(parts) == 1 and isinstance(parts[0], Slot):
        return parts[0]
    texts = [part for part in parts if isinstance(part, str)]
    if len(texts) != len(parts):
        raise Refused
    return "".join(texts)


class _Meaning:
    """Collects the uses and constants of a template, as the slow reader would find them in the library's JSON."""

    def __init__(self, names: Names) -> None:
        self.template = Template()
        self._names = names
        self._seen: set[tuple[bool, str]] = set()
        self._spaceless: set[str] = set()
        self._slots: list[int] = []
        self._events = False

    def root(self, element: Element) -> None:
        """Understand the root: a whole event, or the section of data that is nested in one."""
        if element.name == "Event":
            self._event(element)
            self.template.role = kernels.OUTER
        elif element.name in _SECTIONS:
            self._section(element)
            self.template.role = kernels.INNER
        else:
            self._user_element(element)
            self.template.role = kernels.INNER_USER
        if self._slots.count(self.template.array_slot) != 1:
            self.template.array_slot = -1
        nested = self.template.nested_slot
        if nested in self._slots or len(self.template.uses) + len(self.template.constants) > MAX_USES:
            raise Refused

    def _event(self, event: Element) -> None:
        self._events = True
        children = event.children[:]
        _constant(event)
        last = children[-1] if children else None
        if isinstance(last, Slot):
            self.template.nested_slot = last.number
            children.pop()
        elements = [child for child in children if isinstance(child, Element)]
        sections = [child for child in elements if child.name != "System"]
        if len(elements) != len(children) or len(elements) - len(sections) != 1:
            raise Refused
        if len(sections) + (self.template.nested_slot >= 0) > 1:
            raise Refused
        for child in elements:
            if child.name == "System":
                self._system(child)
            else:
                self._section(child)

    def _system(self, system: Element) -> None:
        """Take System's elements and attributes; what is empty is absent."""
        if system.attributes:
            raise Refused
        for child in system.elements:
            self._add_system(child.name, child.leaf)
            for name, parts in child.attributes.items():
                self._add_system(f"{child.name}_{name}", _value(parts))

    def _add_system(self, name: str, value: Part) -> None:
        if (True, name) in self._seen or name.endswith("_attributes"):
            raise Refused
        self._seen.add((True, name))
        demand = _DEMANDS.get(name, 0)
        if isinstance(value, Slot):
            self._use(value.number, self._names.system(name), -1, kernels.ABSENT | demand)
        elif value and (demand not in (0, kernels.MUST_NOT_BE_LINUX) or value == _LINUX or name == "TimeCreated"):
            raise Refused
        elif value:
            self._constant(value, self._names.system(name))
        if isinstance(value, Slot) and name == "TimeCreated":
            raise Refused

    def _section(self, section: Element) -> None:
        if section.name not in _SECTIONS:
            raise Refused
        _constant(section)
        if section.name == "EventData":
            self._event_data(section)
        elif section.name == "ProcessingErrorData":
            self._members(section.elements)
        elif section.attributes or len(section.children) > 1:
            raise Refused
        else:
            for child in section.children:
                if isinstance(child, Element):
                    self._user_element(child)
                elif isinstance(child, Slot) and self._events:
                    self.template.nested_slot = child.number
                    self.template.nested_role = kernels.INNER_USER
                else:
                    raise Refused

    def _user_element(self, element: Element) -> None:
        """Take the one element in UserData, whose elements are fields."""
        _constant(element)
        if not element.children or element.name in (*_SECTIONS, "Data"):
            raise Refused
        self._members(element.elements)

    def _event_data(self, section: Element) -> None:
        data = [child for child in section.elements if child.name == "Data"]
        if any("Name" in child.attributes for child in data):
            for child in data:
                name = _value(child.attributes.get("Name", []))
                if not isinstance(name, str) or not name or len(child.attributes) != 1:
                    raise Refused
                self._add_data(name, child.leaf, kernels.EMPTY)
        elif data:
            if len(data) > 1 or data[0].attributes:
                raise Refused
            value = data[0].leaf
            self._add_data("Data", value, kernels.EMPTY)
            if isinstance(value, Slot):
                self.template.array_slot = value.number
        self._members([child for child in section.elements if child.name != "Data"])

    def _members(self, elements: list[Element]) -> None:
        """Take elements whose names are those of fields; attributes do not count, and an empty one is null."""
        for child in elements:
            for parts in child.attributes.values():
                value = _value(parts)
                if isinstance(value, Slot):
                    self._slots.append(value.number)
            if child.name == "Data":
                raise Refused
            self._add_data(child.name, child.leaf, kernels.NULL)

    def _add_data(self, name: str, value: Part, when_empty: int) -> None:
        if (False, name) in self._seen or name in _GATING or name in _SKIPPED or name.endswith("_attributes"):
            raise Refused
        self._seen.add((False, name))
        alias = self._alias(name)
        if isinstance(value, Slot):
            self._use(value.number, self._names.data(name), alias, when_empty)
        elif value:
            self._constant(value, self._names.data(name), alias)
        else:
            self._use(MISSING, self._names.data(name), alias, when_empty)

    def _alias(self, name: str) -> int:
        """Return the number of a name without its spaces; the first of several such names counts."""
        if " " not in name:
            return -1
        self.template.layout = 1
        spaceless = name.replace(" ", "")
        if spaceless in self._spaceless:
            return -1
        self._spaceless.add(spaceless)
        return self._names.spaceless(spaceless)

    def _use(self, slot: int, name: int, alias: int, mode: int) -> None:
        self._slots.append(slot)
        if name >= 0 or alias >= 0 or mode > kernels.NULL:
            self.template.uses.append((slot, name, alias, mode))

    def _constant(self, text: str, *names: int) -> None:
        self.template.texts.append(text)
        self.template.constants += [(name, text) for name in names if name >= 0]


_DEMANDS: Final = {
    "TimeCreated_SystemTime": kernels.MUST_BE_TIME,
    "EventRecordID": kernels.IS_RECORD_ID,
    "Provider_Name": kernels.MUST_NOT_BE_LINUX,
}


def _constant(element: Element) -> None:
    """Demand that an element's attributes are constant: then they are no fields and change nothing."""
    for parts in element.attributes.values():
        if isinstance(_value(parts), Slot):
            raise Refused


__all__ = ["MISSING", "Names", "Template", "understand"]
