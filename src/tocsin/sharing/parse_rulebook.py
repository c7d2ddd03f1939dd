"""Read a rulebook: every problem is told with its place, and names that are almost right are answered with the right one.

Nothing is guessed. A key that is there must say something: an empty list, from which the last entry was taken, would select
all instead of nothing.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any, Final

import yaml

from tocsin.errors import RulebookError, RuleError
from tocsin.rules.documents import load_documents
from tocsin.rules.yaml_maps import Codes, MapReader, Trail, first_of, near, placed, shown
from tocsin.sharing.markings import PAP_IDS, TLP_IDS, Declared, Pap, Tlp, read_name
from tocsin.sharing.parse_tables import read_tables
from tocsin.sharing.rulebook import (
    COMMUNITY,
    EVERYONE,
    Action,
    Group,
    Kind,
    Membership,
    Organisation,
    Purpose,
    Relation,
    Rule,
    Rulebook,
    Selection,
)
from tocsin.sharing.table_policies import Policies

MOST_BYTES: Final = 1 << 20
_DEEPEST: Final = 20
_CODES: Final = Codes("B002", "B003", "B004", "B005", "B006")
KEYS: Final[Mapping[str, tuple[str, ...]]] = {
    "": ("community", "operator", "organisations", "groups", "markings", "purposes", "rules"),
    "organisations": ("name", "identity", "relations"),
    "relations": ("member_of", "client_of", "processor_of", "expires"),
    "groups": ("members", "hidden"),
    "members": ("organisation", "expires"),
    "markings": ("name", "means", "only"),
    "purposes": ("pap", "text"),
    "rules": (
        "id",
        "to",
        "may",
        "collections",
        "owners",
        "types",
        "up_to",
        "purposes",
        "clients",
        "processors",
        "permission",
        "tables",
        "k",
        "pseudonyms",
        "expires",
        "reason",
    ),
}
"""The keys of the file (empty), and those of the entries of each part."""
_KINDS: Final = {"member_of": Kind.MEMBER, "client_of": Kind.CLIENT, "processor_of": Kind.PROCESSOR}
_RELATION: Final = "write each as - {member_of: community} or - {client_of: ORGANISATION, expires: 2030-12-31}"
_FORMS: Final[dict[str | int, str]] = {
    "": "a rulebook has keys such as 'community: Water CERT', 'organisations:', 'rules:'",
    "organisations": "write each as ID: {name: Riverdale Water, relations: [{member_of: community}]}, without a dash before it",
    "relations": _RELATION,
    "groups": "write each as ID: {members: [ORGANISATION, ORGANISATION]}, without a dash before it",
    "markings": "write each as marking-definition--...: {means: TLP:AMBER, only: [GROUP]}, and 'unmarked: TLP:AMBER'",
    "purposes": "write each as ID: {pap: PAP:GREEN, text: what is done}, without a dash before it",
    "rules": "write each as - {id: NAME, to: [community], collections: [NAME]}",
}
"""Key of the file -> how its entries are written."""
_START: Final = "begin with the name of the community, such as 'community: Water CERT'"
_ID: Final = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])?")
_ID_HINT: Final = "lower case letters, digits, '-', '_' and '.', such as riverdale-water"
_UUID: Final = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_IDENTITY: Final = re.compile(f"identity--{_UUID}")
_DEFINITION: Final = re.compile(f"marking-definition--{_UUID}")
_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_STATEMENT: Final = "statement"
_TLP_HINT: Final = "TLP:CLEAR, TLP:GREEN, TLP:AMBER, TLP:AMBER+STRICT or TLP:RED"
_PAP_HINT: Final = "PAP:CLEAR, PAP:GREEN, PAP:AMBER or PAP:RED"
_STIX_TYPE: Final = re.compile(r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*")


def load_rulebook(path: Path, collections: Collection[str] | None = None) -> Rulebook:
    """Return the rulebook of a file; with `collections`, rules may name only these.

    Raises: RulebookError for its first problem, naming how many more there are; OSError when it cannot be read.
    """
    with path.open("rb") as file:
        book, problems = parse_rulebook(file.read(MOST_BYTES + 1), str(path), collections)
    if problems:
        raise first_of(problems, f"tocsin share check {path}")
    return book


def parse_rulebook(text: bytes, path: str, collections: Collection[str] | None = None) -> tuple[Rulebook, list[RulebookError]]:
    """Return the rulebook that a text describes and its problems, each with its place. With problems, it has no rules."""
    try:
        _check_plain(text)
        documents = load_documents(text, path, base_60=False)
    except RuleError as error:
        return Rulebook("", ""), [RulebookError("B001", error.message, where=error.where, hint=error.hint)]
    except RulebookError as error:
        return Rulebook("", ""), placed([error], b"", path)
    reader = _Reader(collections)
    if len(documents) == 1:
        book = reader.rulebook(documents[0])
    else:
        book = Rulebook("", "")
        hint = "put everything into one, without lines of '---'" if documents else _START
        reader.wrong("B004", f"a rulebook has one document, this one has {len(documents) or 'none'}", (), hint)
    problems = placed(reader.problems, text, path)
    return replace(book, rules=()) if problems else book, problems


def _check_plain(text: bytes) -> None:
    """Refuse what is too large or too deep, and anchors: what a reader sees is all that counts.

    Raises: RulebookError B001. Text that is no YAML is left to be told by the loader.
    """
    if len(text) > MOST_BYTES:
        raise RulebookError("B001", f"a rulebook has at most {MOST_BYTES >> 20} MiB", hint="leave out what is no rule")
    depth = 0
    try:
        for event in yaml.parse(text, yaml.CSafeLoader):
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            anchor = getattr(event, "anchor", None)
            line = event.start_mark.line + 1 if event.start_mark else 0
            if anchor:
                hint = "write it out in each place"
                raise RulebookError("B001", f"an anchor or alias ({anchor!r}) in line {line}", hint=hint)
            if depth > _DEEPEST:
                raise RulebookError("B001", f"nested deeper than {_DEEPEST} in line {line}", hint="a rulebook is flat")
    except (yaml.YAMLError, UnicodeDecodeError, ValueError) as error:
        if isinstance(error, RulebookError):
            raise


class _Reader(MapReader[RulebookError]):
    """Reads the parts of a rulebook."""

    def __init__(self, collections: Collection[str] | None) -> None:
        super().__init__(RulebookError, _CODES, _FORMS)
        self._collections = collections
        self._organisations: list[str] = []
        self._groups: list[str] = []
        self._purposes: list[str] = []

    def rulebook(self, body: Any) -> Rulebook:
        """Return the rulebook of a document."""
        found = self.read_map(body, (), KEYS[""])
        self._say_something(found, ())
        self._organisations = self._ids(found, "organisations")
        self._groups = self._ids(found, "groups")
        self._purposes = self._ids(found, "purposes")
        for name in self._groups:
            if name in self._organisations:
                self.wrong("B006", f"{name!r} is an organisation and a group", ("groups", f"key:{name}"), "rename one of them")
        operator = self._word(found, (), "operator", "the id of the organisation that runs the node")
        if operator and operator not in self._organisations:
            self.unknown("organisation", operator, self._organisations, ("operator",))
        default, declared = self._markings(found)
        return Rulebook(
            self._word(found, (), "community", _START),
            operator,
            organisations={name: self._organisation(name, entry) for name, entry in self._entries(found, "organisations")},
            groups={name: self._group(name, entry) for name, entry in self._entries(found, "groups")},
            markings=declared,
            purposes={name: self._purpose(name, entry) for name, entry in self._entries(found, "purposes")},
            rules=tuple(self._rules(found)),
            default=default,
        )

    def _say_something(self, found: dict[str, Any], trail: Trail) -> None:
        """Note keys that are there and say nothing."""
        for key, value in found.items():
            if value is None or value in ("", [], {}):
                hint = "leave the key out, or say what is meant"
                self.wrong("B003", f"the key {key!r} is empty", (*trail, f"key:{key}"), hint)

    def _entries(self, found: dict[str, Any], part: str) -> Iterator[tuple[str, Any]]:
        value = found.get(part)
        yield from ((str(name), entry) for name, entry in value.items()) if isinstance(value, dict) else ()

    def _ids(self, found: dict[str, Any], part: str) -> list[str]:
        """Return the ids of a part, and note those that are none."""
        if found.get(part) is None:
            if part == "organisations" and found:
                self.wrong("B003", "the key 'organisations' is missing or empty", (), _FORMS[part])
            return []
        names = list(found[part]) if self.read_map(found[part], (part,), ()) else []
        for name in names:
            if not isinstance(name, str) or not _ID.fullmatch(name):
                self.wrong(
                    "B004", f"{name!r} is no id", (part, f"key:{name}"), f"{_ID_HINT}; put yes, no and numbers into quotes"
                )
            elif name in (COMMUNITY, EVERYONE):
                self.wrong("B004", f"{name!r} has a meaning of its own", (part, f"key:{name}"), "take another id")
        return [str(name) for name in names]

    def _entry(self, entry: Any, trail: Trail, part: str) -> dict[str, Any]:
        found = self.read_map(entry, trail, KEYS[part])
        self._say_something(found, trail)
        return found

    def _word(self, found: dict[str, Any], trail: Trail, key: str, required: str = "") -> str:
        """Return the text of a key; a number, a date or a truth value is none."""
        value = found.get(key)
        if isinstance(value, str):
            return value
        if value is not None:
            self.wrong("B004", f"{key!r} is a text, not {shown(value)}", (*trail, key), "put it into quotes")
        elif required and key not in found and found:
            self.wrong("B003", f"the key {key!r} is missing", trail, required)
        return ""

    def _words(self, found: dict[str, Any], trail: Trail, key: str) -> Iterator[tuple[Trail, str]]:
        """Yield the texts of a list, or one text, each once."""
        value = found.get(key)
        seen: set[str] = set()
        for at, item in enumerate(value if isinstance(value, list) else [value] if value is not None else []):
            where: Trail = (*trail, key, at) if isinstance(value, list) else (*trail, key)
            if not isinstance(item, str) or not item:
                self.wrong("B004", f"{key!r} has texts, not {shown(item)}", where, "put it into quotes")
            elif item in seen:
                self.wrong("B006", f"{item!r} is given twice", where, "leave it in one place")
            else:
                seen.add(item)
                yield where, item

    def _known(self, found: dict[str, Any], trail: Trail, key: str, known: Collection[str], what: str) -> tuple[str, ...]:
        """Return names of a list that stand for something in the file."""
        names = list(self._words(found, trail, key))
        for at, name in names:
            if name not in known:
                self.unknown(what, name, known, at)
        return tuple(name for _, name in names if name in known)

    def _flag(self, found: dict[str, Any], trail: Trail, key: str) -> bool:
        value = found.get(key, False)
        if not isinstance(value, bool):
            self.wrong("B004", f"{key!r} is true or false, not {shown(value)}", (*trail, key))
        return value is True

    def _day(self, found: dict[str, Any], trail: Trail) -> date | None:
        """Return the day from which something no longer holds. One that cannot be read is a problem, never no end."""
        value = found.get("expires")
        if value is None:
            return None
        try:
            return date.fromisoformat(value if isinstance(value, str) and _DAY.fullmatch(value) else "")
        except ValueError:
            hint = "year, month and day, such as 2030-12-31: from that day on it no longer holds"
            self.wrong("B004", f"{shown(value)} is no day", (*trail, "expires"), hint)
            return date.min

    def _tlp(self, found: dict[str, Any], trail: Trail, key: str) -> Tlp | None:
        text = self._word(found, trail, key)
        level = read_name(text)
        if text and not isinstance(level, Tlp):
            self.wrong("B004", f"{text!r} is no level of TLP", (*trail, key), _TLP_HINT)
        return level if isinstance(level, Tlp) else None

    def _organisation(self, name: str, entry: Any) -> Organisation:
        trail: Trail = ("organisations", name)
        found = self._entry(entry, trail, "organisations")
        title = self._word(found, trail, "name", "the name that people read")
        identity = self._word(found, trail, "identity")
        if identity and not _IDENTITY.fullmatch(identity):
            self.wrong("B004", f"{identity!r} is no id of a STIX identity", (*trail, "identity"), "identity--, then a UUID")
        relations = tuple(
            relation
            for at, item in enumerate(self.read_list(found, trail, "relations"))
            if (relation := self._relation(item, (*trail, "relations", at), name))
        )
        return Organisation(name, title or name, identity, relations)

    def _relation(self, entry: Any, trail: Trail, owner: str) -> Relation | None:
        found = self._entry(entry, trail, "relations")
        kinds = [key for key in _KINDS if key in found]
        if len(kinds) != 1:
            if found:
                self.wrong("B004", f"a relation has one of {', '.join(_KINDS)}", trail, _RELATION)
            return None
        other = self._word(found, trail, kinds[0])
        expires = self._day(found, trail)
        known = [COMMUNITY] if kinds[0] == "member_of" else self._organisations
        if not other:
            return None
        if other not in known:
            self.unknown("organisation" if known is self._organisations else "community", other, known, (*trail, kinds[0]))
            return None
        if other == owner:
            self.wrong("B004", f"{owner!r} cannot be {kinds[0].replace('_', ' ')} itself", (*trail, kinds[0]), _RELATION)
        return Relation(_KINDS[kinds[0]], other, expires)

    def _group(self, name: str, entry: Any) -> Group:
        trail: Trail = ("groups", name)
        found = self._entry(entry, trail, "groups")
        if found and "members" not in found:
            self.wrong("B003", "the key 'members' is missing", trail, "a list of organisations")
        taken: dict[str, Membership] = {}
        for at, item in enumerate(self.read_list(found, trail, "members")):
            member = self._membership(item, (*trail, "members", at))
            if member and member.organisation in taken:
                self.wrong("B006", f"{member.organisation!r} is given twice", (*trail, "members", at), "leave it in one place")
            elif member:
                taken[member.organisation] = member
        return Group(name, tuple(taken.values()), self._flag(found, trail, "hidden"))

    def _membership(self, item: Any, trail: Trail) -> Membership | None:
        found = self._entry(item, trail, "members") if isinstance(item, dict) else {"organisation": item}
        name = self._word(found, trail, "organisation", "the id of an organisation") if isinstance(item, (dict, str)) else ""
        if not isinstance(item, (dict, str)):
            self.wrong("B004", f"'members' has texts, not {shown(item)}", trail, _FORMS["groups"])
        elif name and name not in self._organisations:
            self.unknown("organisation", name, self._organisations, (*trail, "organisation"))
        return Membership(name, self._day(found, trail)) if name in self._organisations else None

    def _markings(self, found: dict[str, Any]) -> tuple[Tlp, dict[str, Declared]]:
        """Return the level of what is unmarked, and the declared markings."""
        default = Tlp.AMBER_STRICT
        declared: dict[str, Declared] = {}
        if found.get("markings") is None:
            return default, declared
        body = self.read_map(found["markings"], ("markings",), ())
        if "unmarked" in body:
            default = self._tlp(body, ("markings",), "unmarked") or Tlp.CLEAR
            if default is Tlp.CLEAR:
                hint = "TLP:GREEN at the widest; what is for all says so by a marking"
                self.wrong("B004", "what is unmarked cannot be TLP:CLEAR", ("markings", "unmarked"), hint)
                default = Tlp.AMBER_STRICT
        for name, entry in body.items():
            if name != "unmarked" and self._is_definition(name):
                declared[name] = self._declared(name, entry)
        return default, declared

    def _is_definition(self, name: str) -> bool:
        trail: Trail = ("markings", f"key:{name}")
        if not _DEFINITION.fullmatch(name):
            hint = (
                near(name, ["unmarked"]) or "'unmarked', or the id of a marking definition: marking-definition--, then a UUID"
            )
            self.wrong("B004", f"{name!r} is no id of a marking definition", trail, hint)
            return False
        level = TLP_IDS.get(name, PAP_IDS.get(name))
        if level is not None:
            self.wrong("B004", f"{name} is {level.label}, which means the same everywhere", trail, "leave it out")
        return level is None

    def _declared(self, name: str, entry: Any) -> Declared:
        trail: Trail = ("markings", name)
        found = self._entry(entry, trail, "markings")
        means = self._word(found, trail, "means", f"{_TLP_HINT}; 'statement' for one that says nothing about it")
        level = None if means == _STATEMENT else self._tlp(found, trail, "means")
        if level is None and means != _STATEMENT:
            level = Tlp.RED
        return Declared(name, level, self._known(found, trail, "only", self._groups, "group"), self._word(found, trail, "name"))

    def _purpose(self, name: str, entry: Any) -> Purpose:
        trail: Trail = ("purposes", name)
        found = self._entry(entry, trail, "purposes")
        text = self._word(found, trail, "pap", f"the narrowest level at which this use is permitted: {_PAP_HINT}")
        level = read_name(text)
        if text and not isinstance(level, Pap):
            self.wrong("B004", f"{text!r} is no level of PAP", (*trail, "pap"), _PAP_HINT)
        return Purpose(name, level if isinstance(level, Pap) else Pap.CLEAR, self._word(found, trail, "text"))

    def _rules(self, found: dict[str, Any]) -> Iterator[Rule]:
        taken: set[str] = set()
        for at, entry in enumerate(self.read_list(found, (), "rules")):
            trail: Trail = ("rules", at)
            rule = self._rule(self._entry(entry, trail, "rules"), trail)
            if rule.id and rule.id in taken:
                self.wrong("B006", f"the rule id {rule.id!r} is given twice", (*trail, "id"), "rename one of them")
            taken.add(rule.id)
            yield rule

    def _rule(self, found: dict[str, Any], trail: Trail) -> Rule:
        name = self._word(found, trail, "id", "a name by which decisions refer to the rule")
        if name and not _ID.fullmatch(name):
            self.wrong("B004", f"{name!r} is no id", (*trail, "id"), _ID_HINT)
        if found and "to" not in found:
            self.wrong("B003", "the key 'to' is missing", trail, "organisations, groups, 'community' or 'everyone'")
        recipients = [*self._organisations, *self._groups, COMMUNITY, EVERYONE]
        may = self._word(found, trail, "may") or Action.READ.value
        if not self.one_of(may, [item.value for item in Action], (*trail, "may"), "action"):
            may = Action.READ.value
        return Rule(
            name,
            self._known(found, trail, "to", recipients, "organisation or group"),
            self._selection(found, trail),
            Action(may),
            up_to=self._tlp(found, trail, "up_to"),
            purposes=self._known(found, trail, "purposes", self._purposes, "purpose"),
            clients=self._flag(found, trail, "clients"),
            processors=self._flag(found, trail, "processors"),
            permission=self._word(found, trail, "permission"),
            expires=self._day(found, trail),
            k=self._k(found, trail),
            pseudonyms=self._flag(found, trail, "pseudonyms"),
            reason=self._word(found, trail, "reason"),
            tables=self._tables(found, trail),
        )

    def _selection(self, found: dict[str, Any], trail: Trail) -> Selection:
        collections = tuple(name for _, name in self._words(found, trail, "collections"))
        if self._collections is not None:
            collections = self._known(found, trail, "collections", self._collections, "collection")
        types = list(self._words(found, trail, "types"))
        for at, name in types:
            if not _STIX_TYPE.fullmatch(name):
                self.wrong("B004", f"{name!r} is no type of STIX", at, "such as indicator or attack-pattern, or 'table'")
        owners = self._known(found, trail, "owners", self._organisations, "organisation")
        return Selection(collections, owners, tuple(name for _, name in types))

    def _k(self, found: dict[str, Any], trail: Trail) -> int:
        value = found.get("k", 1)
        if type(value) is int and 0 < value <= 1000:
            return value
        self.wrong("B004", f"{shown(value)} is no number of organisations", (*trail, "k"), "a number from 1 to 1000")
        return 1000

    def _tables(self, found: dict[str, Any], trail: Trail) -> Policies | None:
        value = found.get("tables")
        return None if value is None else read_tables(self, value, (*trail, "tables"))


__all__ = ["KEYS", "MOST_BYTES", "load_rulebook", "parse_rulebook"]
