"""Lines of key=value pairs, values in quotes where they have spaces: FortiGate, Sophos, SonicWall, logfmt.

Zscaler's feed begins with the time, and has tabs between pairs and no quotes. A FortiGate is known by `logid`, `type` and
`devid` or `devname`. What else is told from the keys: addresses and a port make a firewall. `Gate.channel` is FortiGate's
type, for its UTM logs the subtype; else `access` for Zscaler, `firewall` or `log`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Final

from tocsin.events import Event, Gate
from tocsin.events.time import normal_time
from tocsin.sources.actions import blocked
from tocsin.sources.interface import Loss, Records, Stream
from tocsin.sources.text import Line, Losses, Sized, grouped, head_lines, read_lines

_PAIR: Final = re.compile(r'[\s,]*([A-Za-z_@][\w.\-@/]{0,127})=(?:"([^"\\]*+(?:\\.[^"\\]*+)*+)"|([^\s"][^\s,]*+|(?=[\s,]|$)))')
_TABBED: Final = re.compile(r"(?P<time>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)\t(?P<rest>[A-Za-z_]\w{0,63}=.*)", re.DOTALL)
_ZSCALER: Final = frozenset({"url", "requestmethod", "urlcategory"})
_PRI: Final = re.compile(r"<\d{1,3}>")
_HEADER: Final = re.compile(
    r"(?:<\d{1,3}>)?(?:\d )?"
    r"(?:(?P<iso>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\S{0,16})|[A-Z][a-z]{2} {1,2}\d{1,2} (?:\d{4} )?\d\d:\d\d:\d\d(?:\.\d{1,9})?) "
    r"(?:(?P<host>[^\s=:]{1,255}) +)?(?:[^\s=:]{1,128}: +|(?:[^\s=]{1,128} ){3}- +)?(?=[A-Za-z_]\w{0,63}=)",
    re.ASCII,
)
"""The header of syslog, which a file has from where another way of shipping began; without a year it tells no time."""
_ESCAPE: Final = re.compile(r'\\(["\\])')
_FEW_PAIRS: Final = 3
_FORTI: Final = frozenset({"logid", "log_id"})
_TOLD: Final = frozenset({"devid", "devname", "device_id"})
_ADDRESSES: Final = ("dstip", "dst_ip", "dst")
_PORTS: Final = ("dstport", "dst_port", "dpt", "dport")
_ACTIONS: Final = ("action", "log_subtype", "fw_action", "disposition", "status")
_TIMES: Final = ("timestamp", "time", "ts", "@timestamp", "datetime", "t")
_HOSTS: Final = ("devname", "device_name", "host", "hostname", "fw")
_SHORT_EPOCH: Final = 13
"""Digits of an epoch in milliseconds; FortiGate writes nanoseconds."""
_SONICWALL: Final = re.compile(r"([0-9A-Fa-f.:]{2,45}?):(\d{1,5})(?::\S*)?")


def pairs(text: str) -> tuple[dict[str, Any], int]:
    """Return the pairs with which a text begins, and where they end. Cost: linear."""
    found: dict[str, Any] = {}
    at = 0
    while match := _PAIR.match(text, at):
        name, quoted, plain = match.groups()
        found[name] = plain if quoted is None else _ESCAPE.sub(r"\1", quoted) if "\\" in quoted else quoted
        at = match.end()
    return found, at


def _tabbed(text: str) -> dict[str, Any]:
    """Return the pairs of a line with tabs between them, and its time; empty when it is none."""
    found = _TABBED.fullmatch(text)
    if not found:
        return {}
    parts = (part.partition("=") for part in found["rest"].split("\t"))
    return {"time": found["time"]} | {name: value.strip() for name, equals, value in parts if equals}


def is_pairs(text: str) -> bool:
    """Tell whether a text is made of pairs alone, and of enough of them."""
    if len(_tabbed(text)) > _FEW_PAIRS:
        return True
    found, end = pairs(text)
    return len(found) >= _FEW_PAIRS and not text[end:].strip(" \t,")


def _gate(fields: Mapping[str, Any]) -> Gate:
    if not _FORTI.isdisjoint(fields) and not _TOLD.isdisjoint(fields) and "type" in fields:
        kind = fields["type"]
        return Gate("fortigate", fields.get("subtype", kind) if kind == "utm" else kind, "")
    if fields.keys() >= _ZSCALER:
        return Gate("zscaler", "access", "")
    addressed = any(fields.get(name) for name in _ADDRESSES)
    portful = any(fields.get(name) for name in _PORTS)
    return Gate("keyvalue", "firewall" if addressed and portful else "log", "")


def _time(fields: Mapping[str, Any]) -> str:
    epoch = fields.get("eventtime", "")
    if epoch.isdecimal():
        return normal_time(f"{epoch[:10]}.{epoch[10:]}" if len(epoch) > _SHORT_EPOCH else epoch)
    if fields.get("date") and fields.get("time"):
        zone = fields.get("tz", "")
        return normal_time(f"{fields['date']}T{fields['time']}{zone}") or normal_time(f"{fields['date']}T{fields['time']}")
    return next((time for name in _TIMES if (time := normal_time(fields.get(name)))), "")


def _with_ends(fields: dict[str, Any]) -> None:
    """Take `src=10.0.0.1:1234:X0` of SonicWall apart."""
    for name, port in (("src", "src_port"), ("dst", "dst_port")):
        found = _SONICWALL.fullmatch(fields.get(name, ""))
        if found and found[1].count(":") != 1:
            fields |= {f"{name}_ip": found[1], port: found[2]}


def _with_url(fields: dict[str, Any]) -> None:
    """Make a whole URL of one that is only a path, as older versions of FortiOS write it, or that has no scheme."""
    url, host = fields.get("url", ""), fields.get("hostname", "")
    scheme = "https" if "HTTPS" in (fields.get("service", "").upper(), fields.get("protocol", "").upper()) else "http"
    if url.startswith("/") and host:
        fields["full_url"] = f"{scheme}://{host}{url}"
    elif url:
        fields["full_url"] = url if "://" in url or not fields.keys() >= _ZSCALER else f"{scheme}://{url}"


def line_event(line: Line, text: str, time: str = "", host: str = "") -> Event | None:
    """Return the event of a line whose pairs are `text`; time and host of the syslog header fill what they do not state."""
    original = _tabbed(text) or pairs(text)[0]
    if len(original) < _FEW_PAIRS:
        return None
    fields = dict(original)
    _with_ends(fields)
    _with_url(fields)
    decision = next((answer for name in _ACTIONS if (answer := blocked(fields.get(name)))), None)
    if decision:
        fields.setdefault("blocked", decision)
    named = next((fields[name] for name in _HOSTS if fields.get(name)), "")
    return Event(_gate(fields), fields, original, _time(fields) or time, host or named, line.number, line.text)


def forti_look(event: Event) -> Event | None:
    """Return the event as one of the SSL VPN daemon when it names that as the program; FortiOS logs its crashes so."""
    if event.gate != Gate("fortigate", "event", "") or "sslvpnd" not in event.text:
        return None
    return Event(Gate("fortios", "sslvpnd", ""), event.fields, event.original, event.time, event.host, event.record, event.text)


class KeyValueSource:
    """Lines that are pairs from the first character, or after the priority of syslog; some may have a whole header of it."""

    name: ClassVar[str] = "keyvalue"

    def recognise(self, head: bytes) -> bool:
        """Tell by at least half of the first lines."""
        lines = head_lines(head, 20)
        return bool(lines) and 2 * sum(is_pairs(_unmarked(line)) for line in lines) > len(lines)

    def read(self, stream: Stream) -> Iterator[Records | Loss]:
        """Yield the events."""
        return grouped(_events(stream))


def _unmarked(text: str) -> str:
    found = _PRI.match(text)
    return text[found.end() :] if found else text


def _headed(line: Line) -> Event | None:
    """Return the event of a line whose pairs stand after a header of syslog, or None."""
    found = _HEADER.match(line.text)
    if not found:
        return None
    host = found["host"] or ""
    return line_event(line, line.text[found.end() :], normal_time(found["iso"]), "" if host == "-" else host)


def _events(stream: Stream) -> Iterator[Sized | Loss]:
    losses = Losses()
    for line in read_lines(stream, losses):
        if isinstance(line, Loss):
            yield line
            continue
        event = line_event(line, _unmarked(line.text)) or _headed(line)
        if event:
            yield Sized(event, line.size_bytes)
            look = forti_look(event)
            if look:
                yield Sized(look, 0, False)
        elif line.text.strip("\0 \t\r"):
            yield from losses.add("F006", "no pairs of keys and values", line.number, 0, line.text)
    yield from losses.close()


__all__ = ["KeyValueSource", "forti_look", "is_pairs", "line_event", "pairs"]
