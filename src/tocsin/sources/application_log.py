"""Logs that applications and their frameworks write: Java, Python, Ruby on Rails, Node.js, and log files of GlobalProtect.

An event is a line with the header of a framework and the lines below that go on with it, such as a stack trace. Whose it is
follows from the shape of its header, or of the stack trace. What names Spring, Velocity, Django or SQL is looked at again as
one of these, since rules ask for them as products; the second look does not count.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final

from tocsin.events import Event, Gate
from tocsin.events.time import normal_time
from tocsin.sources.interface import Loss, Records, Stream
from tocsin.sources.text import Line, Losses, Sized, grouped, head_lines, read_lines

_CHANNEL: Final = "application"
_STAMP: Final = r"(?P<time>\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?: ?(?:Z|[+-]\d\d:?\d\d))?)"
_LEVELS: Final = "TRACE|DEBUG|INFO|WARN|WARNING|ERROR|FATAL|SEVERE|CRITICAL|NOTICE"
_GLOBALPROTECT: Final = re.compile(rf"{_STAMP} (?P<logger>dt_\w{{1,40}}) (?P<level>{_LEVELS}) (?P<message>.*)", re.DOTALL)
_SPRING: Final = re.compile(
    rf"{_STAMP} +(?P<level>{_LEVELS}) \d{{1,10}} --- (?:\[[^\]]{{0,128}}\] ){{1,3}}(?P<logger>\S{{1,255}}) +: (?P<message>.*)",
    re.DOTALL,
)
_JAVA: Final = re.compile(
    rf"{_STAMP}?[ :|]*(?:\[(?P<thread>[^\]]{{1,128}})\] +)?(?P<level>{_LEVELS}) +"
    r"(?:\[(?P<thread2>[^\]]{1,128})\] +)?(?:\([^)]{1,128}\) +)?"
    r"\[?(?P<logger>(?:[a-z_]\w*\.)+[A-Z]\w*)\]?[ :-]*(?P<message>.*)",
    re.DOTALL,
)
_PYTHON: Final = re.compile(
    rf"(?:\[?{_STAMP}\]? ?(?:[-:|] |\[\d{{1,10}}\] )?)?\[?(?P<level>{_LEVELS})\]?[ :|-]+"
    r"(?:\[?(?P<logger>[a-z_][\w.]{0,255})\]?[ :|-]+)?(?P<message>.*)",
    re.DOTALL,
)
_RAILS: Final = re.compile(
    r"[DIWEFA], \[(?P<time>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{1,9}) #\d{1,10}\] +(?P<level>[A-Z]{4,7})"
    r" -- (?P<logger>[^:]{0,64}): (?P<message>.*)",
    re.DOTALL,
)
_RAILS_REQUEST: Final = re.compile(r'Started [A-Z]{3,8} "[^"]*" for \S+ at (?P<time>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d [+-]\d{4})')
_HEADERS: Final = (
    ("globalprotect", _GLOBALPROTECT),
    ("spring", _SPRING),
    ("ruby_on_rails", _RAILS),
    ("ruby_on_rails", _RAILS_REQUEST),
    ("jvm", _JAVA),
    ("python", _PYTHON),
)

_JAVA_FRAME: Final = re.compile(
    r"\s+at [\w.$/<>@-]{1,512}\((?:[\w.]{1,255}(?::\d{1,7})?|Native Method|Unknown Source)\)|Caused by: |\s+\.\.\. \d+ more"
)
_JAVA_THROWN: Final = re.compile(
    r"(?:Exception in thread \"[^\"]{0,255}\" )?(?:[a-z_]\w*\.){1,16}[A-Z]\w*(?:Exception|Error)\b"
)
_PYTHON_TRACE: Final = "Traceback (most recent call last):"
_PYTHON_CHAINED: Final = ("During handling of the above exception", "The above exception was the direct cause")
_PYTHON_RAISED: Final = re.compile(r"[A-Za-z_][\w.]{0,255}(?:: .*)?", re.DOTALL)
_PYTHON_LOGGERS: Final = ("django.", "sqlalchemy.", "celery.", "gunicorn.", "uvicorn.", "flask.", "werkzeug.", "airflow.")
_PYTHON_FRAME: Final = re.compile(r'\s+File "[^"\n]{1,1024}", line \d{1,7}')
_NODE_FRAME: Final = re.compile(
    r"\s+at (?:[^(]{1,255} \()?"
    r"(?:node:[\w/.]{1,128}|file://[^:\s]{1,512}|/?[^\s():]{1,512}\.[cm]?[jt]s|internal/[\w/.]{1,128}):\d{1,7}(?::\d{1,7})?\)?"
)
_RUBY_FRAME: Final = re.compile(r"\s*(?:from )?[^\s:]{1,512}\.rb:\d{1,7}:in ")
_FRAMES: Final = (("jvm", _JAVA_FRAME), ("python", _PYTHON_FRAME), ("nodejs", _NODE_FRAME), ("ruby_on_rails", _RUBY_FRAME))

_LOOKS: Final = (
    ("spring", re.compile(r"org\.springframework\.")),
    ("velocity", re.compile(r"org\.apache\.velocity\.|\bVelocityException\b")),
    ("django", re.compile(r"\bdjango\b")),
    ("sql", re.compile(r"sql|\bORA-\d{5}\b", re.IGNORECASE)),
)
_MOST_LINES: Final = 2000
_MOST_BYTES: Final = 1 << 20


@dataclass(slots=True)
class _Open:
    """An event whose lines are still being gathered."""

    first: Line
    product: str
    time: str
    parts: dict[str, Any] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)
    size_bytes: int = 0
    framed: bool = False
    traced: bool = False

    def add(self, line: Line) -> None:
        """Take a line that goes on with it; the first that shows whose the stack trace is tells the product."""
        self.lines.append(line.text)
        self.size_bytes += line.size_bytes
        frame = "" if self.framed else _frame(line.text)
        if frame:
            self.framed = True
            self.product = self.product if (self.product, frame) == ("spring", "jvm") else frame
        if line.text.startswith(_PYTHON_TRACE):
            self.traced = True
        elif not line.text[:1].isspace():
            self.traced = False

    @property
    def is_full(self) -> bool:
        """Tell whether it has as many lines as one event may have."""
        return len(self.lines) >= _MOST_LINES or self.size_bytes >= _MOST_BYTES

    def events(self) -> Iterator[Sized]:
        """Yield the event, and its second looks."""
        text = "\n".join(self.lines)
        fields = {name: value for name, value in self.parts.items() if value}
        if len(self.lines) > 1 or "message" not in fields:
            fields["message"] = "\n".join([fields.get("message", self.lines[0]), *self.lines[1:]])
        shown = "jvm" if self.product == "spring" else self.product
        yield Sized(self._event(_gate(shown), fields, text), self.size_bytes)
        named = [product for product, names in _LOOKS if product != shown and (product == self.product or names.search(text))]
        for product in named if shown not in ("", "globalprotect") else ():
            yield Sized(self._event(_gate(product), fields, text), 0, False)

    def _event(self, gate: Gate, fields: dict[str, Any], text: str) -> Event:
        return Event(gate, fields, fields, self.time, "", self.first.number, text)


def _gate(product: str) -> Gate:
    if product == "globalprotect":
        return Gate("paloalto", "globalprotect", "")
    return Gate(product, _CHANNEL, "")


def _frame(text: str) -> str:
    """Return the product whose stack trace has such a line, or an empty text."""
    if not text[:1].isspace() and not text.startswith("Caused by: "):
        return ""
    return next((product for product, frame in _FRAMES if frame.match(text)), "")


def _opened(line: Line) -> _Open | None:
    """Return the event that a line begins, or None when it goes on with the one before."""
    text = line.text
    if text[:1].isspace():
        return None
    for product, header in _HEADERS:
        found = header.match(text)
        if found and (product != "python" or found["time"] or found["logger"]):
            parts = found.groupdict()
            time = normal_time(parts.pop("time") or "")
            if (parts.get("logger") or "").startswith(_PYTHON_LOGGERS):
                product = "python"
            parts["thread"] = parts.pop("thread2", None) or parts.get("thread")
            return _Open(line, product, time, parts)
    if text.startswith(_PYTHON_TRACE):
        return _Open(line, "python", "")
    return _Open(line, "jvm", "") if _JAVA_THROWN.match(text) else None


class ApplicationLogSource:
    """Logs of applications by the header of their framework, or their stack traces."""

    name: ClassVar[str] = "application_log"

    def recognise(self, head: bytes) -> bool:
        """Tell by a first line with a header or stack trace, and at least half of the first lines that are one or go on."""
        lines = head_lines(head, 30)
        told = [_opened(Line(0, line, 0)) is not None for line in lines]
        going = [bool(_frame(line)) for line in lines]
        if not any(told[:3]) and not any(going[:4]):
            return False
        return 2 * (sum(told) + sum(going)) >= len(lines)

    def read(self, stream: Stream) -> Iterator[Records | Loss]:
        """Yield the events."""
        return grouped(_events(stream))


def _events(stream: Stream) -> Iterator[Sized | Loss]:
    losses = Losses()
    current: _Open | None = None
    for line in read_lines(stream, losses):
        if isinstance(line, Loss):
            yield line
            continue
        if not line.text.strip("\0 \t\r"):
            continue
        opened = None if current and _goes_on(current, line) else _opened(line)
        if current and (opened or current.is_full):
            yield from current.events()
            current = None
        current = opened or current or _Open(line, "", "")
        current.add(line)
    if current:
        yield from current.events()
    yield from losses.close()


def _goes_on(current: _Open, line: Line) -> bool:
    """Tell whether a line that names an exception belongs to the event before it, as below a header or a traceback."""
    text, last = line.text, current.lines[-1]
    if text.startswith(_PYTHON_TRACE):
        return current.product == "python" and (len(current.lines) == 1 or last.startswith(_PYTHON_CHAINED))
    if current.traced:
        return _PYTHON_RAISED.fullmatch(text) is not None
    return current.product in ("jvm", "spring") and len(current.lines) == 1 and bool(_JAVA_THROWN.match(text))


__all__ = ["ApplicationLogSource"]
