"""Events in the Common Event Format and in LEEF 1 and 2, alone in a line or as the message of a syslog line.

What an event is follows from what it states: `Gate.channel` is `antivirus`, `webserver`, `proxy`, `dns`, `firewall` or
`event`. A custom field that has a label (`cs1Label=VirusName cs1=Eicar`) is also known by the label.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar, Final

from tocsin.events import Event, Gate
from tocsin.events.time import normal_time
from tocsin.sources.actions import blocked
from tocsin.sources.interface import Loss, Records, Stream
from tocsin.sources.text import Line, Losses, Sized, grouped, head_lines, read_lines

_HEADER_CHARS: Final = 1024
_START: Final = re.compile(r"(?:^|(?<=[\s:]))(?:CEF: ?(?P<cef>[01])\||LEEF: ?(?P<leef>[12])\.0\|)")
_PIPE: Final = re.compile(r"([^|\\]*+(?:\\.[^|\\]*+)*+)\|", re.DOTALL)
_CEF_HEADER: Final = ("deviceVendor", "deviceProduct", "deviceVersion", "deviceEventClassId", "name", "severity")
_LEEF_HEADER: Final = ("deviceVendor", "deviceProduct", "deviceVersion", "eventId")
_KEY: Final = re.compile(r"(?<=[\s|])([A-Za-z0-9_.\-\[\]]{1,128})=")
_LABELLED: Final = re.compile(r"(?:cs|cn|cfp|c6a|flexString|flexNumber|flexDate|deviceCustomDate)\d{1,2}")
_ESCAPE: Final = re.compile(r"\\([\\=|nr])")
_ESCAPED: Final = {"n": "\n", "r": "\r"}
_TAB: Final = "\t"
_HEX_DELIMITER: Final = re.compile(r"(?:0?[xX])([0-9A-Fa-f]{2})")
_CLOCK: Final = re.compile(
    r"([A-Z][a-z]{2}) (\d{1,2}) (\d{4}) (\d\d:\d\d:\d\d(?:\.\d{1,9})?)(?: (?:UTC|GMT|Z|([+-]\d\d:?\d\d)))?", re.ASCII
)
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_TIMES: Final = ("rt", "start", "end", "deviceReceiptTime", "art", "devTime", "time")
_HOSTS: Final = ("dvchost", "deviceHostName", "dvc", "identHostName")

_VIRUS: Final = frozenset(
    (
        *("virusName", "VirusName", "Virus Name", "Virus name", "virus", "malwareName", "MalwareName", "Malware Name"),
        *("threatName", "ThreatName", "Threat Name", "Signature", "signatureName"),
    )
)
_FILE: Final = frozenset({"filePath", "fname", "fileName", "File Path", "oldFilePath"})
_SCANNER: Final = re.compile(r"virus|malware|endpoint prot|officescan|apex one|deep security|sophos|clamav|defender", re.I)
_WAF: Final = re.compile(r"\bASM\b|securesphere|incapsula|modsecurity|app ?fw|\bwaf\b|web application|big-ip|barracuda", re.I)
_DNS: Final = re.compile(r"\bdns\b", re.I)


def find_event(text: str) -> int:
    """Return where an event begins in a line, behind any header of syslog; -1 when there is none."""
    found = _START.search(text, 0, _HEADER_CHARS)
    return found.start() if found else -1


def parse_event(text: str) -> tuple[Gate, dict[str, Any]] | None:
    """Return the gate and fields of an event that begins here, or None when its header is cut off."""
    found = _START.match(text)
    if not found:
        return None
    if found["cef"]:
        fields = _cef(text, found.end())
        product = "cef"
    else:
        fields = _leef(text, found.end(), found["leef"] == "2")
        product = "leef"
    if fields is None:
        return None
    answer = blocked(fields.get("act") or fields.get("action"))
    if answer:
        fields.setdefault("blocked", answer)
    return Gate(product, _channel(fields), ""), fields


def _header(text: str, at: int, names: Sequence[str]) -> tuple[dict[str, Any], int] | None:
    fields = {}
    for name in names:
        found = _PIPE.match(text, at)
        if not found:
            return None
        fields[name] = _unescaped(found[1])
        at = found.end()
    return fields, at


def _cef(text: str, at: int) -> dict[str, Any] | None:
    header = _header(text, at, _CEF_HEADER)
    if header is None:
        return None
    fields, at = header
    keys = list(_KEY.finditer(text, at))
    ends = [key.start() for key in keys[1:]] + [len(text)]
    for key, end in zip(keys, ends, strict=False):
        fields[key[1]] = _unescaped(text[key.end() : end].strip())
    for name in [name for name in fields if name.endswith("Label") and _LABELLED.fullmatch(name[:-5])]:
        label, value = fields[name], fields.get(name[:-5])
        if label and value is not None:
            fields.setdefault(label, value)
    return fields


def _leef(text: str, at: int, second: bool) -> dict[str, Any] | None:
    header = _header(text, at, _LEEF_HEADER)
    if header is None:
        return None
    fields, at = header
    delimiter = _TAB
    told = _PIPE.match(text, at, at + 8) if second else None
    if told:
        at = told.end()
        hexed = _HEX_DELIMITER.fullmatch(told[1])
        delimiter = chr(int(hexed[1], 16)) if hexed else told[1] or _TAB
    for part in text[at:].split(delimiter):
        name, equals, value = part.partition("=")
        if equals and name.strip():
            fields[name.strip()] = value.strip()
    return fields


def _unescaped(text: str) -> str:
    return _ESCAPE.sub(lambda match: _ESCAPED.get(match[1], match[1]), text) if "\\" in text else text


def _channel(fields: Mapping[str, Any]) -> str:
    """Tell what an event is from the fields that it has, and from its product where that is needed."""
    product = f"{fields['deviceVendor']} {fields['deviceProduct']}"
    if not _VIRUS.isdisjoint(fields) or (not _FILE.isdisjoint(fields) and _SCANNER.search(product)):
        return "antivirus"
    if fields.get("request") or fields.get("url") or fields.get("cs-uri"):
        return "webserver" if _WAF.search(product) else "proxy"
    if fields.get("destinationDnsDomain") and _DNS.search(f"{product} {fields.get('name', '')} {fields.get('app', '')}"):
        return "dns"
    return "firewall" if fields.get("dst") and (fields.get("src") or fields.get("dpt")) else "event"


def event_time(fields: Mapping[str, Any]) -> str:
    """Return the time that an event states, empty when it states none that can be read."""
    for name in _TIMES:
        text = fields.get(name, "")
        found = _CLOCK.fullmatch(text)
        if found and found[1] in _MONTHS:
            month = _MONTHS.index(found[1]) + 1
            return normal_time(f"{found[3]}-{month:02d}-{int(found[2]):02d}T{found[4]}{found[5] or ''}")
        if text and (time := normal_time(text)):
            return time
    return ""


def line_event(line: Line, at: int, time: str = "", host: str = "") -> Event | None:
    """Return the event that begins in a line; time and host are those of the syslog header, for what it does not state."""
    found = parse_event(line.text[at:] if at else line.text)
    if found is None:
        return None
    gate, fields = found
    named = next((fields[name] for name in _HOSTS if fields.get(name)), "")
    return Event(gate, fields, fields, event_time(fields) or time, host or named, line.number, line.text)


class CefSource:
    """Lines of CEF or LEEF without a header of syslog before them."""

    name: ClassVar[str] = "cef"

    def recognise(self, head: bytes) -> bool:
        """Tell by at least half of the first lines."""
        lines = [line.lstrip("\0") for line in head_lines(head, 20)]
        return bool(lines) and 2 * sum(_START.match(line) is not None for line in lines) >= len(lines)

    def read(self, stream: Stream) -> Iterator[Records | Loss]:
        """Yield the events."""
        return grouped(_events(stream))


def _events(stream: Stream) -> Iterator[Sized | Loss]:
    losses = Losses()
    for line in read_lines(stream, losses):
        if isinstance(line, Loss):
            yield line
            continue
        at = find_event(line.text)
        event = line_event(line, at) if at >= 0 else None
        if event:
            yield Sized(event, line.size_bytes)
        elif line.text.strip("\0 \t\r"):
            yield from losses.add("F006", "no event of CEF or LEEF", line.number, 0, line.text)
    yield from losses.close()


__all__ = ["CefSource", "event_time", "find_event", "line_event", "parse_event"]
