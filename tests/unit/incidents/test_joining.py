"""Findings are joined by what they share, each in one incident, with reasons that are true, in any order."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from tocsin.findings import Finding, FoundAsset, FoundLogsource, FoundRule, FoundSource
from tocsin.incidents import Incident, join
from tocsin.incidents.links import MOST_HOSTS

BEGIN = datetime(2026, 10, 6, 6, tzinfo=UTC)
GUID = "{{8f6c0d2a-1111-2222-3333-0000000000{:02d}}}"


def finding(minutes: float | None, host: str = "A", level: str = "medium", title: str = "x", **event: Any) -> Finding:
    """Return a finding of a Sysmon process creation so many minutes after the beginning, or without a time."""
    time = "" if minutes is None else (BEGIN + timedelta(minutes=minutes)).isoformat().replace("+00:00", "Z")
    rule = FoundRule(title, title, level, "test", ("attack.execution", "attack.t1059"), "", (), f"{title}.yml")
    logsource = FoundLogsource("windows", "process_creation", "")
    return Finding(rule, time, host, logsource, "Sysmon:1", False, FoundSource("a.evtx", "evtx", 1), event, {})


def numbers(found: tuple[Incident, ...]) -> list[list[int]]:
    """Return the numbers of the findings of each incident."""
    return sorted(sorted(member.number for member in incident.members) for incident in found)


@pytest.mark.parametrize(
    ("first", "second", "reason"),
    [
        ({"ProcessGuid": GUID.format(1)}, {"ParentProcessGuid": GUID.format(1), "ProcessGuid": GUID.format(2)}, "process tree"),
        ({"User": r"CORP\eve"}, {"SubjectUserName": "EVE"}, "user"),
        ({"SourceIp": "10.1.2.3"}, {"IpAddress": "::ffff:10.1.2.3"}, "address"),
    ],
)
def test_hosts_are_joined(first: dict[str, str], second: dict[str, str], reason: str) -> None:
    """A process, a user or an address joins findings of two hosts, and is named as the reason."""
    (incident,) = join([finding(0, "A", **first), finding(5, "B", **second)]).incidents
    assert incident.hosts == ("A", "B")
    assert incident.members[0].reasons == ()
    assert incident.members[1].reasons[0].startswith(f"same {reason} as finding 1 (")


@pytest.mark.parametrize(
    "event",
    [{"User": r"NT AUTHORITY\SYSTEM"}, {"SubjectUserName": "DC01$"}, {"SourceIp": "127.0.0.1"}, {"LogonId": "0x3e7"}, {}],
)
def test_what_everybody_shares_joins_nobody(event: dict[str, str]) -> None:
    """Accounts of the system, machines, loopback and the system's session tell no two hosts together."""
    assert len(join([finding(0, "A", **event), finding(1, "B", **event)]).incidents) == 2


def test_a_user_of_many_hosts_joins_none() -> None:
    """A user beyond the limit of hosts is too common to join them; each host stays an incident of its own."""
    few = [finding(at, f"H{at}", User="svc") for at in range(MOST_HOSTS)]
    assert len(join(few).incidents) == 1
    assert len(join([*few, finding(1, "H99", User="svc")]).incidents) == MOST_HOSTS + 1


def test_windows() -> None:
    """The same host joins within an hour, the same session within a day, and neither beyond."""
    assert len(join([finding(0), finding(60)]).incidents) == 1
    assert len(join([finding(0), finding(61)]).incidents) == 2
    assert len(join([finding(0, LogonId="0x5f2"), finding(1440, LogonId="0x5f2")]).incidents) == 1
    assert len(join([finding(0, LogonId="0x5f2"), finding(1441, LogonId="0x5f2")]).incidents) == 2


def test_quiet_findings_are_no_bridge() -> None:
    """Findings of low level go to the nearest other one, and never make two incidents one."""
    found = join([finding(0, title="a"), finding(50, level="low", title="q"), finding(101, title="b")]).incidents
    assert numbers(found) == [[1, 2], [3]] or numbers(found) == [[1], [2, 3]]
    assert numbers(join([finding(at * 30, level="low") for at in range(4)]).incidents) == [[1, 2, 3, 4]]


def test_findings_without_a_time_are_kept() -> None:
    """A finding without a time is in an incident, and of the same host with others like it."""
    found = join([finding(None), finding(None), finding(0)]).incidents
    assert numbers(found) == [[1, 2], [3]]


def test_every_incident_has_an_id_of_its_own() -> None:
    """Incidents whose findings look the same are told apart, the same on every run."""
    found = [join([finding(0, ""), finding(0, ""), finding(0, "")]).incidents for _ in range(2)]
    assert found[0] == found[1]
    assert len({incident.id for incident in found[0]}) == len(found[0]) == 3


def test_assets_join_hosts_and_addresses() -> None:
    """An asset of the site file stands for its host and for its address in a network log."""
    asset = {"x": FoundAsset("WELL-3", ("plc",), "wells")}
    plain = finding(0, "A")
    seen = Finding(**{name: getattr(plain, name) for name in plain.__struct_fields__ if name != "assets"}, assets=asset)
    other = finding(3, "")
    wired = Finding(**{name: getattr(other, name) for name in other.__struct_fields__ if name != "assets"}, assets=asset)
    (incident,) = join([seen, wired]).incidents
    assert incident.assets == ("WELL-3 (plc, zone wells)",)
    assert incident.members[1].reasons == ("same asset as finding 1 (WELL-3)",)


def test_process_tree() -> None:
    """Processes stand below the process that started them, which may be known from its child alone."""
    events = [
        {"ProcessGuid": GUID.format(2), "ParentProcessGuid": GUID.format(1), "Image": r"C:\b.exe", "ParentImage": r"C:\a.exe"},
        {"ProcessGuid": GUID.format(3), "ParentProcessGuid": GUID.format(2), "Image": r"C:\c.exe", "ParentImage": r"C:\b.exe"},
    ]
    (incident,) = join([finding(at, **event) for at, event in enumerate(events)]).incidents
    assert [(item.depth, item.image[3:4], item.findings) for item in incident.processes] == [
        (0, "a", ()),
        (1, "b", (1,)),
        (2, "c", (2,)),
    ]


def test_numbers_that_were_used_again_make_no_circle() -> None:
    """Two processes that name each other as parent are both shown, once."""
    events = [{"NewProcessId": "0x10", "ProcessId": "0x20"}, {"NewProcessId": "0x20", "ProcessId": "0x10"}]
    (incident,) = join([finding(at, **event) for at, event in enumerate(events)]).incidents
    assert sorted(item.findings for item in incident.processes) == [(1,), (2,)]


def test_graver_is_higher() -> None:
    """More and graver rules, more tactics and more hosts never lower the score, which stays within 0 and 100."""
    one = join([finding(0, level="high")]).incidents[0].score
    two = join([finding(0, level="high"), finding(1, level="high", title="y")]).incidents[0].score
    many = join([finding(at, level="critical", title=str(at)) for at in range(50)]).incidents[0].score
    assert 0 < join([finding(0, level="low")]).incidents[0].score < one < two < many <= 100


def test_findings_beyond_the_limit_are_told() -> None:
    """What is not joined is counted."""
    joined = join([finding(at) for at in range(5)], most=3)
    assert (joined.left_out, joined.incidents[0].findings) == (2, 3)


_EVENTS = st.fixed_dictionaries(
    {},
    optional={
        "User": st.sampled_from(["a", "b", "SYSTEM"]),
        "LogonId": st.sampled_from(["0x1", "0x2", "0x3e7"]),
        "ProcessGuid": st.sampled_from([GUID.format(at) for at in range(4)]),
        "ParentProcessGuid": st.sampled_from([GUID.format(at) for at in range(4)]),
        "SourceIp": st.sampled_from(["10.0.0.1", "10.0.0.2", "::1", "nonsense"]),
        "nested": st.recursive(st.none() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)),
    },
)
_FINDINGS = st.lists(
    st.builds(
        lambda minutes, host, level, event: finding(minutes, host, level, **event),
        st.none() | st.integers(0, 300),
        st.sampled_from(["", "A", "B", "c.example"]),
        st.sampled_from(["informational", "low", "medium", "high", "critical"]),
        _EVENTS,
    ),
    max_size=25,
)


@given(_FINDINGS)
@settings(max_examples=300)
def test_any_findings(findings: list[Finding]) -> None:
    """Each finding is in one incident, and the reasons name others of the same one, which lead to the first."""
    found = join(findings).incidents
    assert sorted(number for group in numbers(found) for number in group) == list(range(1, len(findings) + 1))
    for incident in found:
        inside = {member.number for member in incident.members}
        for place, member in enumerate(incident.members):
            assert bool(member.reasons) is (place > 0)
            assert all(named(reason) in inside for reason in member.reasons)
        ways = {member.number: named(member.reasons[0]) for member in incident.members[1:]}
        for number in ways:
            for _ in ways:
                number = ways.get(number, number)
            assert number == incident.members[0].number


def named(reason: str) -> int:
    """Return the number of the finding that a reason names."""
    return int(reason.split(" as finding ")[1].split(" ")[0])


def test_a_host_is_named_as_the_other_finding_names_it() -> None:
    """Short and long names are one host, and a reason has that of the finding to which it points."""
    findings = [finding(at, host) for at, host in enumerate(["DC01", "dc01.corp.example", "DC01"])]
    (incident,) = join(findings).incidents
    assert [member.reasons for member in incident.members] == [
        (), ("same host as finding 1 (DC01)",), ("same host as finding 2 (dc01.corp.example)",),
    ]  # fmt: skip


def test_one_name_in_two_domains_is_two_hosts() -> None:
    """Hosts with one first label are one while only one domain is seen; with a second, sessions and processes are apart too."""
    names = ("DC01.alpha.example", "dc01", "dc01.ALPHA.example.")
    assert len(join([finding(at, host=name) for at, name in enumerate(names)]).incidents) == 1
    found = join([finding(at, host=name) for at, name in enumerate((*names, "dc01.beta.example"))])
    assert numbers(found.incidents) == [[1, 3], [2], [4]]
    for shared in ({"LogonId": "0x99"}, {"ProcessId": "0x77"}):
        hosts = ("dc01.alpha.example", "dc01.alpha.example", "dc01.beta.example")
        found = join([finding(600 * at, host=name, **shared) for at, name in enumerate(hosts)])
        assert numbers(found.incidents) == [[1, 2], [3]]
    addresses = join([finding(at, host=host) for at, host in enumerate(("10.0.0.1", "10.0.0.2"))])
    assert len(addresses.incidents) == 2


def test_the_tree_shows_what_auditd_says_was_started() -> None:
    """The arguments of EXECVE are the command line, in their order; the title, which may be cut, stands in for them."""
    arguments = {f"a{number}": text for number, text in enumerate(("tar", "czf", *"bcdefghijk"))}
    records = [
        {"type": "SYSCALL", "pid": "70", "ppid": "60", "exe": "/usr/bin/tar", "a0": "6932340"},
        {"type": "EXECVE", "argc": "12", **dict(sorted(arguments.items()))},
        {"type": "PROCTITLE", "proctitle": "tar czf b"},
    ]
    for told, line in ((records, " ".join(arguments.values())), ([records[0], records[2]], "tar czf b")):
        item = finding(0, records=told)
        audited = replace(item, source=replace(item.source, format="auditd"))
        assert [process.command_line for process in join([audited]).incidents[0].processes] == [line]


def created(minutes: float, number: str, image: str, parent: str, parent_image: str = "") -> Finding:
    """Return a finding on the creation of a process that is known by its number."""
    return finding(minutes, "A", NewProcessId=number, NewProcessName=image, ProcessId=parent, ParentProcessName=parent_image)


def test_a_number_that_is_used_again_is_another_process() -> None:
    """A process is the child of the one that had the number then; what several findings tell of one creation is one."""
    first, again = created(0, "0x10", "one.exe", "0x20", "a.exe"), created(300, "0x10", "two.exe", "0x30", "b.exe")
    found = join([first, first, created(1, "0x11", "child.exe", "0x10"), again, created(301, "0x12", "late.exe", "0x10")])
    assert len(found.incidents) == 2
    trees = [[(item.depth, item.image, item.findings) for item in one.processes] for one in found.incidents]
    assert sorted(trees) == [
        [(0, "a.exe", ()), (1, "one.exe", (1, 2)), (2, "child.exe", (3,))],
        [(0, "b.exe", ()), (1, "two.exe", (4,)), (2, "late.exe", (5,))],
    ]


@given(_FINDINGS, st.randoms(use_true_random=False))
def test_any_order(findings: list[Finding], order: random.Random) -> None:
    """Findings that may join others are joined the same, in whatever order they come."""
    loud = [item for item in findings if item.rule.level not in ("informational", "low")]
    shuffled = list(enumerate(loud, 1))
    order.shuffle(shuffled)
    again = join(item for _, item in shuffled).incidents
    assert numbers(join(loud).incidents) == sorted(
        sorted(shuffled[member.number - 1][0] for member in incident.members) for incident in again
    )
