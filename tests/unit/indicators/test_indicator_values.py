"""Values of indicators: refanged, guessed, in one normal form."""

from __future__ import annotations

import pytest

from tocsin.indicators.values import guess, normal, refang


@pytest.mark.parametrize(
    ("defanged", "whole"),
    [
        ("hxxp://evil[.]example[.]com/a", "http://evil.example.com/a"),
        ("hXXps://a(.)b.com", "https://a.b.com"),
        ("192[.]0[.]2[.]1", "192.0.2.1"),
        ("evil[dot]com", "evil.com"),
        ("hxxp[:]//evil.com", "http://evil.com"),
        ('"evil.com"', "evil.com"),
    ],
)
def test_refang(defanged: str, whole: str) -> None:
    """A value that was made harmless is made whole."""
    assert refang(defanged) == whole


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("D41D8CD98F00B204E9800998ECF8427E", ("hash", "d41d8cd98f00b204e9800998ecf8427e")),
        ("10[.]1.2.3", ("address", "10.1.2.3")),
        ("2001:DB8:0:0::1", ("address", "2001:db8::1")),
        ("10.1.2.0/24", ("network", "10.1.2.0/24")),
        ("10.1.2.3/32", ("address", "10.1.2.3")),
        ("Evil.Example.COM.", ("domain", "evil.example.com")),
        ("*.evil.com", ("domain", "evil.com")),
        ("münchen.de", ("domain", "xn--mnchen-3ya.de")),
        ("hxxps://Evil.com/Path/", ("url", "https://evil.com/path")),
        ("evil.com/a.php?b=c", ("url", "evil.com/a.php?b=c")),
        ("Evil.EXE", ("file name", "evil.exe")),
        (r"%APPDATA%\x\evil.dll", ("file name", r"x\evil.dll")),
    ],
)
def test_guess(text: str, found: tuple[str, str]) -> None:
    """The kind of a value is told from its form."""
    assert guess(text) == found


@pytest.mark.parametrize("text", ["", "abc", "12345", "1.2.3.4.5", "d41d8cd98f00b204", "two words"])
def test_not_guessed(text: str) -> None:
    """What is of no kind is told, not guessed at."""
    with pytest.raises(ValueError, match=r"it is|the value is"):
        guess(text)


def test_wrong_for_its_kind() -> None:
    """A value that is not of the kind that its source states is told."""
    with pytest.raises(ValueError, match="no IPv4"):
        normal("address", "10.0.0.300")
    with pytest.raises(ValueError, match="every address"):
        normal("network", "0.0.0.0/0")
