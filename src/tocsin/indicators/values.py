"""Values of indicators: defanged ones made whole, kinds guessed, one normal form for each kind."""

from __future__ import annotations

import re
from collections.abc import Callable
from ipaddress import ip_address, ip_network
from typing import Final

from tocsin.indicators.interface import ADDRESS, DOMAIN, FILE_NAME, HASH, NETWORK, URL

_DOTS: Final = re.compile(r"\s?[\[({]\s?(?:\.|dot)\s?[\])}]\s?", re.IGNORECASE)
_COLONS: Final = re.compile(r"\[(:|://|/)\]|\((:|://)\)")
_SCHEME: Final = re.compile(r"h(?:xx|\*\*|__|tx|xt)p(s?)(?=:)", re.IGNORECASE)
_HEX: Final = re.compile(r"[0-9a-f]+")
_HASH_SIZES: Final = frozenset({32, 40, 64, 128})
"""MD5 (and imphash), SHA-1, SHA-256, SHA-512, in hexadecimal digits."""
_LABEL: Final = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_DOMAIN: Final = re.compile(rf"(?:{_LABEL}\.)+(?!\d+\Z){_LABEL}")
_URL: Final = re.compile(
    r"(?:([a-z][a-z0-9+.-]*)://)?(?:[^\s/?#@]*@)?(\[[0-9a-f:.]+\]|[^\s/?#:@\[\]]+)(:\d{1,5})?([/?#][^\s]*)?"
)
_VARIABLE: Final = re.compile(r"\A(?:%[^%\\/]+%|\$env:\w+|~)[\\/]+", re.IGNORECASE)
_ENDINGS: Final = (
    "7z apk asp aspx bat bin cab chm cmd conf cpl csv dat dll dmg doc docm docx drv elf exe gz hta img inf ini iso jar jpg "
    "js jse json jsp jspx ko lnk log msi msp ocx pdf php pif pkg png ppt pptx ps1 psd1 psm1 rar reg rtf scr so sys tar tgz "
    "tmp txt vbe vbs wsf xls xlsm xlsx xml"
)
_EXTENSIONS: Final = frozenset(_ENDINGS.split())
"""Endings of file names that are, or are rarely, those of domains."""
_NO_PATH: Final = re.compile(r"[\s:;,=<>|\"]")
"""What a path that begins with no slash does not have: a line of a text or of a configuration has it."""
_SHORTEST_NAME: Final = 3
_LONGEST: Final = 4096


def refang(text: str) -> str:
    """Return a value as it was before it was made harmless for mails: `hxxp://a[.]b` is `http://a.b`."""
    text = _DOTS.sub(".", text.strip().strip("\"'"))
    text = _COLONS.sub(lambda found: found[1] or found[2], text)
    return _SCHEME.sub(lambda found: f"http{found[1]}", text).strip()


def normal(kind: str, text: str) -> tuple[str, str]:
    """Return the kind and normal form of a value that is said to be of a kind; a single address is no network.

    Raises: ValueError that says what is wrong with the value.
    """
    text = refang(text)
    if not text or len(text) > _LONGEST:
        raise ValueError("the value is empty" if not text else f"the value is longer than {_LONGEST} characters")
    return _NORMAL[kind](text)


def guess(text: str) -> tuple[str, str]:
    """Return the kind and normal form of a value of which nothing else is known. Raises: ValueError."""
    text = refang(text)
    for kind in _guesses(text):
        try:
            return normal(kind, text)
        except ValueError:
            continue
    raise ValueError("it is no hash, address, network, domain, URL or file name")


def _guesses(text: str) -> tuple[str, ...]:
    if "://" in text:
        return (URL,)
    if "\\" in text or text.startswith(("/", "%", "~")):
        return (FILE_NAME,)
    first = (HASH, ADDRESS, NETWORK)
    if "/" in text:
        name = () if _NO_PATH.search(text) else (FILE_NAME,)
        return (*first, URL, *name) if _DOMAIN.match(text.casefold()) or text[0].isdigit() else (*first, *name)
    ending = text.rpartition(".")[2].casefold()
    if ending in _EXTENSIONS:
        return (*first, FILE_NAME)
    return (*first, DOMAIN)


def _hash(text: str) -> tuple[str, str]:
    text = text.casefold()
    if len(text) not in _HASH_SIZES or not _HEX.fullmatch(text):
        raise ValueError("it is no MD5, SHA-1, SHA-256 or SHA-512 in hexadecimal digits")
    return HASH, text


def _address(text: str) -> tuple[str, str]:
    if "/" in text:
        return _network(text)
    try:
        address = ip_address(text.strip("[]").partition("%")[0])
    except ValueError:
        raise ValueError("it is no IPv4 or IPv6 address") from None
    if int(address) in (0, 1):
        raise ValueError("it is the unspecified or the loopback address")
    return ADDRESS, str(address)


def _network(text: str) -> tuple[str, str]:
    try:
        network = ip_network(text, strict=False)
    except ValueError:
        raise ValueError("it is no network such as 192.0.2.0/24") from None
    if network.prefixlen == network.max_prefixlen:
        return ADDRESS, str(network.network_address)
    if not network.prefixlen:
        raise ValueError("it is every address")
    return NETWORK, str(network)


def _domain(text: str) -> tuple[str, str]:
    text = text.casefold().removeprefix("*").strip(".")
    if not text.isascii():
        try:
            text = text.encode("idna").decode()
        except UnicodeError:
            raise ValueError("it is no domain name") from None
    if len(text) > 253 or not _DOMAIN.fullmatch(text):
        raise ValueError("it is no domain name of two labels or more")
    return DOMAIN, text


def _url(text: str) -> tuple[str, str]:
    text = text.casefold()
    found = _URL.fullmatch(text)
    if not found:
        raise ValueError("it is no URL")
    scheme, host, rest = found[1] or "", found[2], found[4] or ""
    is_name = _DOMAIN.fullmatch(host.strip(".")) or not host.isascii()
    if not is_name:
        try:
            ip_address(host.strip("[]"))
        except ValueError:
            if not scheme:
                raise ValueError("it is no URL: it has no host") from None
    if not scheme and not rest.strip("/"):
        return _domain(host) if is_name else _address(host)
    return URL, text.rstrip("/")


def _file_name(text: str) -> tuple[str, str]:
    """Return a name, or a path from the first folder on that does not depend on the machine."""
    text = _VARIABLE.sub("", text.casefold()).strip()
    if len(text) < _SHORTEST_NAME or "\n" in text or not any(char.isalnum() for char in text):
        raise ValueError(f"it is no file name of at least {_SHORTEST_NAME} characters")
    return FILE_NAME, text


_NORMAL: Final[dict[str, Callable[[str], tuple[str, str]]]] = {
    HASH: _hash,
    ADDRESS: _address,
    NETWORK: _network,
    DOMAIN: _domain,
    URL: _url,
    FILE_NAME: _file_name,
}


__all__ = ["guess", "normal", "refang"]
