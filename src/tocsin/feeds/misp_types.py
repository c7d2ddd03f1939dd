"""Types of attributes of MISP, and what they are in STIX: paths of patterns, and observables.

Source: MISP core format, "Attribute"; STIX 2.1, sections 6 and 9. What has no counterpart stays what it is, as a custom
object `x-misp-attribute`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from tocsin.feeds.forms import Json
from tocsin.feeds.made import Told, observable
from tocsin.indicators.interface import DOMAIN, URL
from tocsin.indicators.observable_ids import registry_key
from tocsin.indicators.values import normal

_HASHES: Final[Mapping[str, str]] = {
    "md5": "MD5",
    "sha1": "SHA-1",
    "sha256": "SHA-256",
    "sha512": "SHA-512",
    "sha3-256": "SHA3-256",
    "sha3-512": "SHA3-512",
    "ssdeep": "SSDEEP",
    "tlsh": "TLSH",
}
_IP: Final = "ip"
"""Stands for ipv4-addr or ipv6-addr, as the value is."""
_SINGLE: Final[Mapping[str, str]] = {
    "domain": "domain-name:value",
    "hostname": "domain-name:value",
    "ip-src": f"{_IP}:value",
    "ip-dst": f"{_IP}:value",
    "url": "url:value",
    "uri": "url:value",
    "filename": "file:name",
    "email": "email-addr:value",
    "email-src": "email-addr:value",
    "email-dst": "email-addr:value",
    "email-subject": "email-message:subject",
    "mutex": "mutex:name",
    "regkey": "windows-registry-key:key",
    "mac-address": "mac-addr:value",
    "AS": "autonomous-system:number",
    "user-agent": "network-traffic:extensions.'http-request-ext'.request_header.'User-Agent'",
    "imphash": "file:extensions.'windows-pebinary-ext'.imphash",
    **{name: f"file:hashes.'{told}'" for name, told in _HASHES.items()},
}
PATHS: Final[Mapping[str, tuple[str, ...]]] = {
    **{name: (path,) for name, path in _SINGLE.items()},
    **{f"filename|{name}": ("file:name", f"file:hashes.'{told}'") for name, told in _HASHES.items()},
    "ip-src|port": ("network-traffic:src_ref.value", "network-traffic:src_port"),
    **dict.fromkeys(("ip-dst|port", "hostname|port"), ("network-traffic:dst_ref.value", "network-traffic:dst_port")),
    "domain|ip": ("domain-name:value", "domain-name:resolves_to_refs[*].value"),
    "regkey|value": ("windows-registry-key:key", "windows-registry-key:values[*].data"),
}
"""Type -> the paths that a pattern asks for, one for each part of the value."""
LANGUAGES: Final[Mapping[str, str]] = {name: name for name in ("yara", "sigma", "snort", "suricata")}
"""Type -> the language of the pattern that the value is."""
_NUMBERS: Final = frozenset({"network-traffic:src_port", "network-traffic:dst_port", "autonomous-system:number"})
_HIGHEST: Final = {"network-traffic:src_port": 0xFFFF, "network-traffic:dst_port": 0xFFFF}


def split(kind: str, value: str) -> tuple[str, ...]:
    """Return the parts of the value of a type that `PATHS` has. Raises: ValueError when there are too few."""
    count = len(PATHS[kind])
    parts = value.rsplit("|", count - 1) if count > 1 else [value]
    if len(parts) < count or not all(part.strip() for part in parts):
        raise ValueError(f"an attribute of type {kind} has {count} part{'s' if count > 1 else ''}")
    first, *rest = (part.strip() for part in parts)
    return (registry_key(first) if kind.startswith("regkey") else first, *rest)


def pattern(kind: str, parts: Sequence[str]) -> str:
    """Return the STIX pattern of an attribute. Raises: ValueError for a number that is none."""
    asked = [_comparison(_settled(path, part), part) for path, part in zip(PATHS[kind], parts, strict=True)]
    return f"[{' AND '.join(asked)}]"


def _comparison(path: str, part: str) -> str:
    if path in _NUMBERS:
        return f"{path} = {_number(path, part)}"
    escaped = part.replace("\\", "\\\\").replace("'", "\\'")
    return f"{path} = '{escaped}'"


def _number(path: str, part: str) -> int:
    digits = part.upper().removeprefix("AS")
    number = int(digits) if digits.isascii() and digits.isdecimal() and len(digits) <= 10 else -1
    if not 0 <= number <= _HIGHEST.get(path, 0xFFFFFFFF):
        raise ValueError(f"{part[:50]!r} is no number that fits")
    return number


def _settled(path: str, part: str) -> str:
    return path.replace(f"{_IP}:", _address(part) + ":") if path.startswith(f"{_IP}:") else path


def _address(part: str) -> str:
    return "ipv6-addr" if ":" in part else "ipv4-addr"


def observables(kind: str, parts: Sequence[str], told: Told) -> list[Json]:
    """Return the observables of an attribute, none for a type that has none. Raises: ValueError as `pattern`."""
    if kind.endswith("|port"):
        return _traffic(kind, parts, told)
    if kind == "domain|ip":
        address = _valued(_address(parts[1]), parts[1], told)
        content: Json = {"value": parts[0], "resolves_to_refs": [address["id"]]}
        return [address, observable("domain-name", content, ("value",), told)]
    if kind == "regkey|value":
        content = {"key": parts[0], "values": [{"data": parts[1]}]}
        return [observable("windows-registry-key", content, ("key", "values"), told)]
    if kind == "AS":
        return [observable("autonomous-system", {"number": _number("", parts[0])}, ("number",), told)]
    return _plain(kind, parts, told)


def _plain(kind: str, parts: Sequence[str], told: Told) -> list[Json]:
    if kind in {"url", "uri"}:
        return _url(parts[0], told)
    first, _, name = _settled(PATHS[kind][0], parts[0]).partition(":")
    if first == "file" and "imphash" not in name:
        algorithm = _HASHES.get(kind.rpartition("|")[2])
        content: Json = {**({"hashes": {algorithm: parts[-1]}} if algorithm else {})}
        content |= {"name": parts[0]} if kind.startswith("filename") else {}
        return [observable("file", content, ("hashes", "name"), told)]
    if name in {"value", "key", "name"}:
        return [observable(first, {name: parts[0]}, (name,), told)]
    return []


def _url(value: str, told: Told) -> list[Json]:
    """Return the observable of a URL, which in STIX has a scheme; a name or address without one is that."""
    if "://" in value:
        return [] if any(character.isspace() for character in value) else [_valued("url", value, told)]
    kind, plain = normal(URL, value)
    if kind == URL:
        return []
    return [_valued("domain-name" if kind == DOMAIN else _address(plain), plain, told)]


def _traffic(kind: str, parts: Sequence[str], told: Told) -> list[Json]:
    side = "src" if "src" in kind else "dst"
    end = _valued("domain-name" if kind.startswith("hostname") else _address(parts[0]), parts[0], told)
    port = _number(f"network-traffic:{side}_port", parts[1])
    content: Json = {"protocols": ["ip"], f"{side}_ref": end["id"], f"{side}_port": port}
    return [end, observable("network-traffic", content, (f"{side}_ref", f"{side}_port", "protocols"), told)]


def _valued(kind: str, value: str, told: Told) -> Json:
    return observable(kind, {"value": value}, ("value",), told)


__all__ = ["LANGUAGES", "PATHS", "observables", "pattern", "split"]
