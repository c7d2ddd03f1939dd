"""What is learnt from exchanges, and the file that is written of it."""

from __future__ import annotations

import random

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from tocsin.errors import SiteError
from tocsin.sites import learn
from tocsin.sites.learn import Learner, TalkKey
from tocsin.sites.parse import parse_site
from tocsin.sites.protocols import Exchange
from tocsin.sites.write import site_text

T1, T2, T3 = (f"2026-10-06T0{hour}:00:00.000000Z" for hour in (1, 2, 3))
READ = Exchange("10.20.6.20", "10.20.7.11", 502, "tcp", ("modbus",), "READ_COILS")
WRITE = READ._replace(function="WRITE_SINGLE_COIL", writes=True)
SEEN = [
    ("conn", READ._replace(function=""), T1),
    ("modbus", READ, T2),
    ("modbus_detailed", READ, T2),
    ("modbus_detailed", WRITE, T3),
    ("conn", Exchange("10.20.6.20", "198.51.100.23", 443, "tcp", ("tls",)), ""),
    ("conn", Exchange("10.20.6.20", "8.8.8.8", 53, "udp", ("dns",)), T1),
    ("conn", Exchange("10.20.6.20", "8.8.4.4", 53, "udp", ("dns",)), T3),
    ("conn", Exchange("10.20.6.20", "10.20.7.99", 445, "tcp", ("smb",), answered=False), T1),
    ("conn", Exchange("10.20.6.20", "10.20.7.255", 137, "udp", answered=False), T1),
    ("conn", Exchange("10.20.6.20", "224.0.0.251", 5353, "udp"), T1),
    ("dnp3", Exchange("fd00::1", "fd00::2", 20000, "tcp", ("dnp3",), "READ"), T1),
    ("s7comm", Exchange("10.20.6.32", "10.20.7.12", 102, "tcp", ("s7comm",), "Request Download", True), T1),
]


def learnt(seen: list[tuple[str, Exchange, str]]) -> learn.Learnt:
    """Return what is learnt of exchanges."""
    learner = Learner()
    for log, exchange, time in seen:
        learner.add(log, exchange, time)
    return learner.result()


def test_result() -> None:
    """Devices, roles, zones and conversations with counts, functions, writes and times."""
    found = learnt(SEEN)
    assert {str(address): roles for address, roles in found.devices.items()} == {
        "10.20.6.20": ("hmi",),
        "10.20.6.32": ("engineering_station",),
        "10.20.7.11": ("plc",),
        "10.20.7.12": ("plc",),
        "198.51.100.23": (),
        "fd00::1": ("historian",),
        "fd00::2": ("rtu",),
    }
    assert [str(network) for network in found.zones] == ["10.20.6.0/24", "10.20.7.0/24", "198.51.100.0/24", "fd00::/64"]
    talk = found.talks[TalkKey("10.20.6.20", "10.20.7.11", "modbus", 502)]
    assert (talk.seen.count, talk.seen.first, talk.seen.last) == (2, T1, T3)
    assert (talk.functions, talk.writes) == ({"READ_COILS": 2, "WRITE_SINGLE_COIL": 1}, True)
    outside = found.talks[TalkKey("10.20.6.20", "external", "dns", 53)]
    assert (outside.seen.count, outside.seen.first, outside.seen.last, outside.writes) == (2, T1, T3, False)
    assert TalkKey("10.20.6.20", "10.20.7.99", "smb", 445) in found.talks
    assert not any("224.0.0.251" in (key.source, key.target) for key in found.talks)


def test_order_does_not_matter() -> None:
    """The text is the same whatever the order of the events."""
    text = site_text(learnt(SEEN))
    for seed in range(5):
        mixed = SEEN.copy()
        random.Random(seed).shuffle(mixed)
        assert site_text(learnt(mixed)) == text


def test_text() -> None:
    """The proposal is a site file without problems, whose roles are only proposed."""
    text = site_text(learnt(SEEN))
    site, problems, warnings = parse_site(text.encode(), "site.yml")
    assert (problems, warnings) == ([], [])
    assert not any(asset.roles for asset in site.assets.values())
    body = yaml.safe_load(text)
    assert body["assets"]["host-10.20.7.11"]["proposed_roles"] == ["plc"]
    (talk,) = [item for item in body["conversations"] if item.get("writes") and item["protocol"] == "modbus"]
    assert talk == {
        "from": "host-10.20.6.20",
        "to": "host-10.20.7.11",
        "protocol": "modbus",
        "port": 502,
        "writes": True,
        "functions": ["READ_COILS", "WRITE_SINGLE_COIL"],
        "seen": {"count": 2, "first": T1, "last": T3},
    }
    assert "      - READ_COILS # seen 2\n" in text


def test_many_ports_are_one() -> None:
    """Two ends that talk over very many unknown ports make one conversation over any."""
    found = learnt([("conn", Exchange("10.0.0.1", "10.0.0.2", port, "tcp"), T1) for port in range(1000, 1017)])
    assert list(found.talks) == [TalkKey("10.0.0.1", "10.0.0.2", "", 0)]
    assert found.talks[TalkKey("10.0.0.1", "10.0.0.2", "", 0)].seen.count == 17
    few = learnt([("conn", Exchange("10.0.0.1", "10.0.0.2", port, "tcp"), T1) for port in range(1000, 1016)])
    assert len(few.talks) == 16


def test_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    """More conversations than can be held are an error, never silently left out."""
    monkeypatch.setattr(learn, "MOST", 3)
    with pytest.raises(SiteError, match="more than 3 conversations"):
        learnt([("conn", Exchange("10.0.0.1", "10.0.0.2", port, "tcp"), T1) for port in range(4)])


def test_nothing_learnt() -> None:
    """Of no event an empty file is made, which is right."""
    site, problems, _ = parse_site(site_text(learnt([])).encode(), "site.yml")
    assert (problems, len(site.assets)) == ([], 0)


@given(st.text(max_size=30), st.text(max_size=12))
def test_hostile_texts(function: str, protocol: str) -> None:
    """Whatever a log holds, the text is one YAML document that says just that."""
    exchange = Exchange("10.0.0.1", "10.0.0.2", 502, "tcp", (protocol or "modbus",), function)
    text = site_text(learnt([("modbus", exchange, "")]))
    (talk,) = yaml.safe_load(text)["conversations"]
    if function:
        assert talk["functions"] == [function.encode("utf-16", "surrogatepass").decode("utf-16", "replace")]
    assert talk["protocol"] == (protocol or "modbus")
