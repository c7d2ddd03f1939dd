"""The search for the narrowest filter, on events of which only the fields matter."""

from __future__ import annotations

import pytest

from tocsin.tuning import Inseparable, Sample, cautions, propose
from tocsin.tuning.fields import Kind, changes, kind_of

TESTED = frozenset({"Image", "CommandLine"})
AGENT = {"Image": r"C:\Program Files\Agent\agent.exe", "CommandLine": "agent.exe --collect", "User": "SYSTEM", "Computer": "A"}


def sample(**fields: str) -> Sample:
    """Return an event of the agent with some fields changed; a field of the text `-` is left out."""
    return {name: (text,) for name, text in (AGENT | fields).items() if text != "-"}


def written(*false: Sample, kept: tuple[Sample, ...] = (), unmarked: tuple[Sample, ...] = ()) -> list[dict[str, object]]:
    """Return the selections as a filter writes them."""
    found = propose(false, kept, [(item, 1) for item in unmarked], TESTED)
    return [{feature.key: feature.values for feature in selection} for selection in found.selections]


def test_a_network_log_is_tuned_by_who_talks_to_whom() -> None:
    """Both ends of a connection belong to the filter, and not a port of the client."""
    ends = {
        "id.orig_h": "10.0.0.1",
        "id.resp_h": "10.0.0.2",
        "destination_h": "10.0.0.2",
        "id.orig_p": "50123",
        "func": "WRITE",
    }
    [found] = written({name: (text,) for name, text in ends.items()})
    assert found == {"func": ("WRITE",), "id.orig_h": ("10.0.0.1",), "id.resp_h": ("10.0.0.2",)}


def test_hosts_and_accounts_stay_out_where_they_are_not_needed() -> None:
    """The same program on two hosts is removed by what it is, and so on a third."""
    found = written(sample(), sample(Computer="B", User="x"))
    assert found == [{"Image": (AGENT["Image"],), "CommandLine": (AGENT["CommandLine"],)}]


def test_one_host_and_one_account_are_part_of_the_filter() -> None:
    """What all false positives have in common of host and account is taken: the same elsewhere may be an attack."""
    both = {"Image": (AGENT["Image"],), "CommandLine": (AGENT["CommandLine"],), "Computer": ("A",), "User": ("SYSTEM",)}
    assert written(sample()) == [both]
    assert written(sample(), sample(Computer="B")) == [{key: both[key] for key in ("Image", "CommandLine", "User")}]
    named = sample(SubjectDomainName="X", SubjectUserName="ann", SubjectUserSid="S-1-5-18", User="-")
    assert written(named)[0].keys() == {"Image", "CommandLine", "Computer", "SubjectUserName"}


def test_an_unmarked_finding_is_spared_by_one_more_field() -> None:
    """Where unmarked findings would go, the field that tells them apart is taken, even several hosts."""
    found = written(sample(), sample(Computer="D", User="x"), unmarked=(sample(Computer="B"), sample(Computer="C")))
    assert found == [{"Image": (AGENT["Image"],), "CommandLine": (AGENT["CommandLine"],), "Computer": ("A", "D")}]


def test_false_positives_of_two_kinds_are_divided() -> None:
    """When what both kinds share is true elsewhere, each gets a selection of its own."""
    one = sample(Image=r"C:\A\a.exe", CommandLine="a run")
    two = sample(Image=r"C:\B\b.exe", CommandLine="b run")
    true = sample(Image=r"C:\A\a.exe", CommandLine="b run")
    found = written(one, two, kept=(true,))
    assert [selection["Image"] for selection in found] == [(r"C:\A\a.exe",), (r"C:\B\b.exe",)]


def test_equal_events_cannot_be_told_apart() -> None:
    """A false positive that is the same event as a true one is refused, and both are named."""
    with pytest.raises(Inseparable) as caught:
        propose([sample(), sample(Image="other.exe")], [sample(CommandLine="x"), sample()], [], TESTED)
    assert (caught.value.false, caught.value.kept) == (0, 1)


def test_what_changes_carries_nothing() -> None:
    """Only process numbers, times and GUIDs differ: they are no ground for a filter."""
    more = {"ProcessId": "12", "UtcTime": "2026-10-06 06:13:04", "ProcessGuid": "{0a1b2c3d-0000-1111-2222-333344445555}"}
    with pytest.raises(Inseparable):
        propose([sample(**more)], [sample(ProcessId="13", UtcTime="2026-10-07 06:13:04")], [], TESTED)


def test_whole_values_are_the_last_resort() -> None:
    """A GUID in a path is taken as it is when nothing else separates, and the filter says so."""
    paths = [rf"C:\Custom\{{{digit * 8}-0000-1111-2222-333344445555}}.sdb" for digit in "ab"]
    found = propose([sample(TargetFilename=paths[0])], [sample(TargetFilename=paths[1])], [], TESTED)
    assert {feature.key: feature.values for feature in found.selections[0]}["TargetFilename"] == (paths[0],)
    assert any("all of TargetFilename" in caution for caution in cautions(found))


def test_hashes_are_taken_only_when_nothing_else_separates() -> None:
    """A hash tells apart what is otherwise equal, and stays out of every other filter."""
    false, true = sample(Hashes="MD5=" + "a" * 32), sample(Hashes="MD5=" + "b" * 32)
    assert "Hashes" in written(false, kept=(true,))[0]
    assert "Hashes" not in written(false)[0]


def test_the_order_of_findings_changes_nothing() -> None:
    """False positives in any order give the same selections."""
    rows = [sample(CommandLine=f"run {name}", ParentImage=f"C:\\{name}.exe") for name in "abcdefghij"]
    assert written(*rows) == written(*reversed(rows))


@pytest.mark.parametrize(
    ("fields", "caution"),
    [
        ({"Image": "-", "CommandLine": "-"}, "alone"),
        ({"Image": r"C:\Users\bob\tool.exe"}, "where users can write"),
        ({"Image": r"C:\Windows\System32\rundll32.exe", "CommandLine": "-"}, "runs whatever it is given"),
    ],
)
def test_weak_filters_say_so(fields: dict[str, str], caution: str) -> None:
    """A filter on host and account alone, on a writable place, or on an interpreter without what it runs, has a note."""
    assert any(caution in note for note in cautions(propose([sample(**fields)], [], [], TESTED)))


def test_a_strong_filter_has_no_note() -> None:
    """What is said of weak filters is not said of others."""
    assert cautions(propose([sample()], [], [], TESTED)) == []


@pytest.mark.parametrize(
    ("field", "kind"),
    [
        ("Image", Kind.PROGRAM),
        ("ParentProcessId", Kind.NEVER),
        ("ProcessGuid", Kind.NEVER),
        ("SubjectLogonId", Kind.NEVER),
        ("UtcTime", Kind.NEVER),
        ("ts", Kind.NEVER),
        ("req_seq_number", Kind.NEVER),
        ("pdu_reference", Kind.NEVER),
        ("uid", Kind.NEVER),
        ("SourcePort", Kind.NEVER),
        ("id.orig_p", Kind.NEVER),
        ("EventRecordID", Kind.NEVER),
        ("CallTrace", Kind.NEVER),
        ("Message", Kind.NEVER),
        ("DestinationPort", Kind.PLAIN),
        ("id.resp_p", Kind.PLAIN),
        ("id.orig_h", Kind.ADDRESS),
        ("DestinationIp", Kind.ADDRESS),
        ("SubcategoryGuid", Kind.PLAIN),
        ("TargetUserName", Kind.ACCOUNT),
        ("MemberSid", Kind.ACCOUNT),
        ("Computer", Kind.HOST),
        ("Hashes", Kind.HASH),
        ("EventID", Kind.PRODUCT),
        ("a|re", Kind.NEVER),
        ("a\nb", Kind.NEVER),
        ("", Kind.NEVER),
    ],
)
def test_kinds_of_fields(field: str, kind: Kind) -> None:
    """Fields that change never carry a filter; names that would be modifiers or break YAML do not either."""
    assert kind_of(field, frozenset()) is kind


def test_values_that_change() -> None:
    """GUIDs, times, long numbers and ports of clients change; codes and small numbers do not."""
    assert changes("Some", "{0a1b2c3d-0000-1111-2222-333344445555}")
    assert changes("Some", "1791259200.164000")
    assert changes("DestinationPort", "49152")
    assert not changes("DestinationPort", "443")
    assert not changes("GrantedAccess", "0x1fffff0")
