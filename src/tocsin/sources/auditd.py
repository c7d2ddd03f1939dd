"""The log of the Linux audit daemon: every record as it is, and the program starts joined from their records.

Read is the raw form (`type=... msg=audit(EPOCH:SERIAL): k=v ...`), the enriched one, and what `ausearch -i` makes of
it; the last has times of an unknown zone, so its events have none. Only the enriched form has a field `SYSCALL` with
the name of the call; the others get it from `arch` and `syscall`. Source: Sigma semantics 20; the audit event parser's
table of encoded fields.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, ClassVar, Final

from tocsin.events import Event, Gate
from tocsin.events.time import normal_time
from tocsin.sources.auditd_syscalls import SYSCALLS
from tocsin.sources.interface import RECORD_BYTES, Loss, Records, Stream
from tocsin.sources.text import Line, Losses, Sized, decode, grouped, head_lines, read_lines

_HEADER: Final = re.compile(
    r"(?:node=(?P<node>\S+)\s+)?type=(?P<type>\S+)\s+msg=audit\((?P<stamp>[^)]*):(?P<serial>\d+)\)\s?:\s*", re.ASCII
)
_EPOCH: Final = re.compile(r"\d+\.\d+", re.ASCII)
_NESTED: Final = " msg='"
_PAIR: Final = r"""(?:^|(?<=\s))({key})=("[^"]*"?|'[^']*'?|{bare})"""
_KEY: Final = r"[A-Za-z_][\w\-]*(?:\[\d+\])?"
_ARGUMENT_KEY: Final = r"(?:argc|a\d+(?:_len|\[\d+\])?)"
_RAW: Final = re.compile(_PAIR.format(key=_KEY, bare=r"\S*"), re.ASCII)
_LOOSE, _LOOSE_ARGUMENTS = (
    re.compile(_PAIR.format(key=key, bare=rf"\S*(?:\s++(?!{key}=)\S+)*"), re.ASCII) for key in (_KEY, _ARGUMENT_KEY)
)
_ARGUMENT: Final = re.compile(r"a(\d{1,7})(?:\[\d+\])?", re.ASCII)
_HEX: Final = re.compile(r"(?:[0-9A-F]{2})+", re.ASCII)  # upper case, as the kernel and the audit library write it

_ENCODED: Final = frozenset(
    "acct cmd comm cwd data device dir exe file grp key name new-chardev new-disk new-fs new-rng ocomm old-chardev"  # noqa: SIM905
    " old-disk old-fs old-rng path proctitle root_dir sw vm watch".split()
)
"""Fields whose value is written in hex when it has a blank, a quote or a character beyond ASCII."""
_EXECVE_NUMBERS: Final = {
    "c000003e": ("59", "322"),
    "40000003": ("11", "358"),
    "c00000b7": ("221", "281"),
    "40000028": ("11", "387"),
    "c0000015": ("11", "362"),
    "80000016": ("11", "354"),
    "c00000f3": ("221", "281"),
}
"""Architecture -> the numbers of execve and execveat."""
_GROUPED: Final = frozenset({"SYSCALL", "EXECVE", "CWD", "PATH", "PROCTITLE"})
_CLOSING: Final = frozenset({"EOE", "PROCTITLE"})
_OPEN_GROUPS: Final = 256
_PROCESS: Final = Gate("linux", "auditd", "process")
_PROCESS_FIELDS: Final = {
    "ProcessId": "pid",
    "ParentProcessId": "ppid",
    "LogonId": "ses",
    "exe": "exe",
    "comm": "comm",
    "key": "key",
    "auid": "auid",
    "tty": "tty",
}
"""Field of the joined event -> field of its SYSCALL record."""


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """One record. `arguments` are those of an EXECVE as written, by number, in the pieces that long ones come in."""

    kind: str
    key: tuple[str, str, str]
    fields: Mapping[str, Any]
    time: str
    node: str
    line: Line
    arguments: Mapping[int, list[str]] = field(default_factory=dict)

    def event(self) -> Event:
        """Return the record as an event of its own; a system call has its name, as in enriched records."""
        gate = Gate("linux", "auditd", self.kind)
        name = _call_name(self.fields)
        fields = {**self.fields, "SYSCALL": name} if name else self.fields
        return Event(gate, fields, self.fields, self.time, self.node, self.line.number, self.line.text)


def _call_name(fields: Mapping[str, Any]) -> str:
    """Return the name of a system call that the record tells by number, or under its own name; empty when it is known."""
    number = str(fields.get("syscall", ""))
    if not number or "SYSCALL" in fields:
        return ""
    return SYSCALLS.get(str(fields.get("arch")), {}).get(number, "") if number.isdecimal() else number


def parse_record(line: Line) -> AuditRecord | None:
    """Return the audit record of a line, or None when it is none."""
    head = _HEADER.match(line.text)
    if not head:
        return None
    node, name, stamp, serial = head["node"] or "", head["type"], head["stamp"], head["serial"]
    kind, raw = name.upper(), bool(_EPOCH.fullmatch(stamp))
    fields: dict[str, Any] = {"node": node, "type": name} if node else {"type": name}
    pairs, nested = _pairs(kind, line.text[head.end() :], raw)
    arguments: dict[int, list[str]] = {}
    for key, token in pairs:
        found = _ARGUMENT.fullmatch(key) if kind == "EXECVE" else None
        if found:
            arguments.setdefault(int(found[1]), []).append(token)
        elif key not in fields:
            fields[key] = _value(key, token, raw)
    fields |= {f"a{number}": _argument(pieces) for number, pieces in sorted(arguments.items())}
    if nested:
        fields.setdefault("msg", nested)
    time = _time(stamp) if raw else ""
    return AuditRecord(kind, (node, stamp, serial), fields, time, node, line, arguments)


def _pairs(kind: str, body: str, raw: bool) -> tuple[list[tuple[str, str]], str]:
    """Return the keys and values as written: the record's own, those inside `msg='...'`, those of the enrichment."""
    own, _, enriched = body.partition("\x1d")
    if kind == "PROCTITLE" and not raw:
        return [("proctitle", own.partition("proctitle=")[2].strip())], ""
    pattern = _RAW if raw else _LOOSE_ARGUMENTS if kind == "EXECVE" else _LOOSE
    own, _, inner = f" {own}".partition(_NESTED)
    inner = inner.rstrip().removesuffix("'")
    return [pair for part in (own, inner, enriched) for pair in pattern.findall(part)], inner


def _value(key: str, token: str, raw: bool) -> Any:
    if token[:1] in ('"', "'"):
        return token[1:-1] if len(token) > 1 and token[-1] == token[0] else token[1:]
    if not raw or key not in _ENCODED or not _HEX.fullmatch(token):
        return token
    text = decode(bytes.fromhex(token))
    if key == "proctitle":
        return text.rstrip("\0").replace("\0", " ")
    return text.split("\x01") if key == "key" and "\x01" in text else text


def _argument(pieces: list[str]) -> str:
    if all(_HEX.fullmatch(piece) for piece in pieces):
        return decode(bytes.fromhex("".join(pieces)))
    return "".join(str(_value("", piece, True)) for piece in pieces)


@lru_cache(maxsize=256)
def _time(stamp: str) -> str:
    return normal_time(stamp)


@dataclass(slots=True)
class _Group:
    records: list[AuditRecord] = field(default_factory=list)
    size_bytes: int = 0

    def first(self, kind: str) -> AuditRecord | None:
        return next((record for record in self.records if record.kind == kind), None)

    def process(self) -> Event | None:
        """Return the start of a program that the records tell of; a start that failed is none."""
        call, started = self.first("SYSCALL"), self.first("EXECVE")
        failed = call is not None and call.fields.get("success") == "no"
        if failed or not (started or (call and _is_execve(call.fields))):
            return None
        lead = call or self.records[0]
        original = {"records": [record.fields for record in self.records]}
        fields = self._process_fields(call.fields if call else {})
        return Event(_PROCESS, fields, original, lead.time, lead.node, lead.line.number)

    def _process_fields(self, call: Mapping[str, Any]) -> dict[str, Any]:
        found = {
            "Image": call.get("exe") or self._text("PATH", "name"),
            "CommandLine": self._command_line() or self._text("PROCTITLE", "proctitle"),
            "CurrentDirectory": self._text("CWD", "cwd"),
            "User": call.get("UID") or call.get("uid"),
            **{name: call.get(key) for name, key in _PROCESS_FIELDS.items()},
        }
        return {name: value for name, value in found.items() if value is not None}

    def _text(self, kind: str, key: str) -> str | None:
        record = self.first(kind)
        return record.fields.get(key) if record else None

    def _command_line(self) -> str:
        arguments: dict[int, list[str]] = {}
        for record in self.records:
            for number, pieces in record.arguments.items():
                arguments.setdefault(number, []).extend(pieces)
        return " ".join(_argument(pieces) for _, pieces in sorted(arguments.items()))


def _is_execve(call: Mapping[str, Any]) -> bool:
    number = call.get("syscall")
    if call.get("SYSCALL", number) in ("execve", "execveat"):
        return True
    return number in _EXECVE_NUMBERS.get(str(call.get("arch")), ())


class Joiner:
    """Joins records of one serial number and time that lie near each other, in bounded memory."""

    def __init__(self) -> None:
        self._open: dict[tuple[str, str, str], _Group] = {}
        self._held = 0

    def add(self, record: AuditRecord) -> Iterator[Event]:
        """Add a record; yield the starts of programs that are complete now."""
        group = self._open.get(record.key)
        if group is None:
            if record.kind not in _GROUPED:
                return
            group = self._open[record.key] = _Group()
        group.records.append(record)
        group.size_bytes += record.line.size_bytes
        self._held += record.line.size_bytes
        if record.kind in _CLOSING:
            yield from self._close(record.key)
        while len(self._open) > _OPEN_GROUPS or self._held > RECORD_BYTES:
            yield from self._close(next(iter(self._open)))

    def close(self) -> Iterator[Event]:
        """Yield what is open at the end."""
        for key in list(self._open):
            yield from self._close(key)

    def _close(self, key: tuple[str, str, str]) -> Iterator[Event]:
        group = self._open.pop(key)
        self._held -= group.size_bytes
        event = group.process()
        if event:
            yield event


class AuditdSource:
    """Logs of auditd; `time` is that of the record, `host` its node, `record` the line (the SYSCALL's when joined)."""

    name: ClassVar[str] = "auditd"

    def recognise(self, head: bytes) -> bool:
        """Tell by a record among the first lines."""
        return any(_HEADER.match(line) for line in head_lines(head, 5))

    def read(self, stream: Stream) -> Iterator[Records | Loss]:
        """Yield each record, and beside them, not counted, the starts of programs."""
        return grouped(_events(stream))


def _events(stream: Stream) -> Iterator[Sized | Loss]:
    losses, joiner = Losses(), Joiner()
    for line in read_lines(stream, losses):
        if isinstance(line, Loss):
            yield line
            continue
        record = parse_record(line)
        if record:
            yield Sized(record.event(), line.size_bytes)
            yield from (Sized(event, 0, counted=False) for event in joiner.add(record))
        elif not _is_separator(line.text):
            yield from losses.add("F006", "no audit record", line.number, sample=line.text)
    yield from (Sized(event, 0, counted=False) for event in joiner.close())
    yield from losses.close()


def _is_separator(text: str) -> bool:
    """Tell whether a line is what ausearch writes between records."""
    return text in ("", "----") or text.isspace() or text.startswith("time->")


__all__ = ["AuditRecord", "AuditdSource", "Joiner", "parse_record"]
