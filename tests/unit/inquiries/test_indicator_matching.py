"""Whole hashes, whole addresses, domains on label borders, whole URLs and file names; and the needles of each."""

from __future__ import annotations

from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.indicators import Indicator
from tocsin.inquiries.matching import fold_test
from tocsin.inquiries.needles import of_indicator, of_network

MD5 = "d41d8cd98f00b204e9800998ecf8427e"
CASES = [
    ("hash", MD5, f"SHA1=AB,MD5={MD5},IMPHASH=00", True),
    ("hash", MD5, f"a{MD5}", False),
    ("hash", MD5, f"{MD5}0", False),
    ("address", "10.0.0.1", "10.0.0.1", True),
    ("address", "10.0.0.1", "110.0.0.12", False),
    ("address", "10.0.0.1", "10.0.0.12", False),
    ("address", "10.0.0.1", "1.10.0.0.1", False),
    ("address", "10.0.0.1", "10.0.0.1.5", False),
    ("address", "10.0.0.1", "from 10.0.0.1:445 to", True),
    ("address", "10.0.0.1", "::ffff:10.0.0.1", True),
    ("address", "10.0.0.1", r"\\10.0.0.1\c$", True),
    ("address", "10.0.0.1", "it was 10.0.0.1.", True),
    ("address", "10.0.0.1", "1.0.0.10.in-addr.arpa", False),
    ("address", "2001:db8::1", "2001:0db8:0000::0001", True),
    ("address", "2001:db8::1", "[2001:db8::1]:443", True),
    ("address", "2001:db8::1", "2001:db8::12", False),
    ("network", "10.1.0.0/16", "to 10.1.255.3 port 80", True),
    ("network", "10.1.0.0/16", "10.2.0.1", False),
    ("network", "2001:db8::/32", "2001:db8:5::9", True),
    ("domain", "evil.com", "www.evil.com", True),
    ("domain", "evil.com", "https://evil.com/x", True),
    ("domain", "evil.com", "evil.com.", True),
    ("domain", "evil.com", "notevil.com", False),
    ("domain", "evil.com", "not-evil.com", False),
    ("domain", "evil.com", "evil.com.au", False),
    ("domain", "evil.com", "evil.community", False),
    ("url", "http://evil.com/a", "get http://evil.com/a http/1.1", True),
    ("url", "http://evil.com/a", "http://evil.com/a/", True),
    ("url", "http://evil.com/a", "http://evil.com/ab", False),
    ("url", "http://evil.com/a", "http://evil.com/a?b", False),
    ("url", "http://evil.com/a", "https://evil.com/a", False),
    ("url", "http://evil.com/a", "http://notevil.com/a", False),
    ("url", "evil.com/a/b", "https://evil.com/a/b", True),
    ("url", "http://evil.com", "evil.com", False),
    ("file name", "evil.exe", r"c:\x\evil.exe -a", True),
    ("file name", "evil.exe", r"c:\x\notevil.exe", False),
    ("file name", "evil.exe", r"c:\x\evil.exe.bak", False),
    ("file name", "evil.exe", '"evil.exe"', True),
    ("file name", "my evil (1).exe", r"c:\my evil (1).exe", True),
    ("file name", r"x\evil.dll", r"c:\users\a\x\evil.dll", True),
    ("file name", r"x\evil.dll", r"c:\users\ax\evil.dll", False),
]


@pytest.mark.parametrize(("kind", "value", "text", "holds"), CASES)
def test_borders(kind: str, value: str, text: str, holds: bool) -> None:
    """A value is found where it stands whole, and nowhere else; where it is found its needle is too."""
    assert fold_test(kind, value)(text.casefold()) is holds
    found = of_indicator(Indicator(kind, value))
    assert found
    assert not holds or any(needle in text.casefold() for needle in found)


@given(st.ip_addresses(v=4), st.integers(1, 32), st.integers(0, 2**32 - 1))
def test_needles_of_networks(address: object, prefix: int, inside: int) -> None:
    """Every address of a network begins with one of its needles."""
    network = ip_network(f"{address}/{prefix}", strict=False)
    member = str(network[inside % network.num_addresses])
    assert any(member.startswith(needle) for needle in of_network(str(network)))


@given(st.ip_addresses(v=6), st.booleans())
def test_needles_of_long_addresses(address: object, exploded: bool) -> None:
    """The needle of an IPv6 address stands in it however it is written."""
    needles = of_indicator(Indicator("address", str(address)))
    text = address.exploded if exploded else address.compressed  # type: ignore[attr-defined]
    assert all(needle in text for needle in needles)
    assert fold_test("address", str(address))(text)
