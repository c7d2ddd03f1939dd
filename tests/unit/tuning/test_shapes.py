"""What texts have in common: what changes becomes a wildcard, everything else is kept and escaped."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.findings.text import safe_text
from tocsin.plans.expr import Glob
from tocsin.plans.match import text_test
from tocsin.rules.pattern import parse_pattern, write_pattern
from tocsin.tuning.shapes import LONGEST, common, exact, network_of, shape_of


@pytest.mark.parametrize(
    ("text", "written"),
    [
        (r"C:\Windows\System32\cmd.exe", r"C:\Windows\System32\cmd.exe"),
        (r"C:\ProgramData\Defender\Platform\4.18.2301.6-0\MsMpEng.exe", r"C:\ProgramData\Defender\Platform\\*\MsMpEng.exe"),
        ("agent --job 0a1b2c3d-0000-1111-2222-333344445555", "agent --job " + "-".join("?" * n for n in (8, 4, 4, 4, 12))),
        ("backup --pid 123456 --to 10.20.5.10", "backup --pid * --to 10.20.5.10"),
        (r"C:\Windows\Temp\__PSScriptPolicyTest_0w3kqj1x.abc.ps1", r"C:\Windows\Temp\__PSScriptPolicyTest_????????.???.ps1"),
        (r"HKU\S-1-5-21-3461203602-4096304019-1000\Run\X", r"HKU\S-1-5-21-3461203602-4096304019-1000\Run\X"),
        ("sync 2026-10-06T06:13:04Z done", "sync * done"),
        (r"rm *.log? \* C:\x\?", r"rm \*.log\? \\\* C:\x\\\?"),
        ("DWORD (0x00000001)", "DWORD (0x00000001)"),
        ("a\x1b[2Jb\u202ec\nd", "a?[2Jb?c?d"),
    ],
)
def test_what_changes_becomes_a_wildcard(text: str, written: str) -> None:
    """Numbers of processes, GUIDs, times and versions give way; addresses, SIDs and wildcards in the text stay literal."""
    assert write_pattern(shape_of(text)) == written


@given(st.lists(st.text(max_size=60), min_size=1, max_size=12))
def test_a_pattern_holds_for_all_its_texts(texts: list[str]) -> None:
    """Whatever the texts are, one of the patterns that are given matches each, after being written and read again."""
    for found in (common(texts), exact(texts)):
        again = [parse_pattern(write_pattern(pattern)) for pattern in found]
        tests = [text_test(Glob(pattern))[0] for pattern in again]
        assert not found or all(any(test(text.casefold()) for test in tests) for text in texts)
        assert all(safe_text(write_pattern(pattern)) == write_pattern(pattern) for pattern in found)


def test_names_that_somebody_chose_stay_side_by_side() -> None:
    """A few different texts are listed, so that what was not seen is not removed with them."""
    texts = ["wevtutil cl Application", "wevtutil cl System", "wevtutil cl Setup"]
    assert {write_pattern(pattern) for pattern in common(texts)} == set(texts)


def test_names_that_are_made_anew_are_joined() -> None:
    """Texts that differ in a part with digits each time share a pattern, from three examples on."""
    texts = [rf"C:\Program Files\Backup\run-{name}.exe" for name in ("a81", "b2c", "9dd")]
    assert [write_pattern(pattern) for pattern in common(texts)] == [r"C:\Program Files\Backup\run-*.exe"]
    assert len(common(texts[:2])) == 2


def test_what_has_nothing_in_common_gives_nothing() -> None:
    """Many unlike texts, and a text of which nothing would be left, carry no filter."""
    assert common([f"{letter * 3} thing {letter}" for letter in "abcdefghijkl"]) == ()
    assert common(["123456"]) == ()


def test_a_long_text_is_compared_at_both_ends() -> None:
    """A text beyond the limit keeps beginning and end, so that another with the same beginning is not removed."""
    (found,) = common(["begin " + "x" * LONGEST + " end"])
    test = text_test(Glob(found))[0]
    assert test("begin " + "x" * LONGEST + " end")
    assert not test("begin " + "x" * LONGEST + " evil")


@pytest.mark.parametrize(
    ("texts", "network"),
    [
        (["10.1.2.3", "10.1.2.200"], "10.1.2.0/24"),
        (["10.1.2.3", "10.1.3.3"], ""),
        (["2001:db8::1", "2001:db8::ffff"], "2001:db8::/112"),
        (["10.1.2.3", "::1"], ""),
        (["10.1.2.3", "host"], ""),
    ],
)
def test_networks(texts: list[str], network: str) -> None:
    """Addresses of one small network are one network; wide ones, mixed ones and what is no address are none."""
    assert network_of(texts) == network
