"""Events as rows: every value in its order, in bounded form."""

from __future__ import annotations

import pytest

from tocsin.reports.event_rows import LONGEST_VALUE, MOST_ROWS, ends_of, event_rows, preview, users_of


def test_rows_keep_order_and_values() -> None:
    """Names of nested maps are joined, numbers keep their digits, lists of values are one row."""
    event = {
        "b": 1,
        "a": {"x": True, "y": None, "empty": {}},
        "list": [1, "two"],
        "maps": [{"k": "v"}, 3],
        "big": -9214364837600034816,
    }
    assert event_rows(event).rows == (
        ("b", "1"),
        ("a.x", "true"),
        ("a.y", "null"),
        ("a.empty", "{}"),
        ("list", '[1,"two"]'),
        ("maps.0.k", "v"),
        ("maps.1", "3"),
        ("big", "-9214364837600034816"),
    )
    assert event_rows("a line").rows == (("event", "a line"),)


def test_bounds() -> None:
    """More values than fit are counted, a huge one is cut and says its length, deep nesting has names of bounded length."""
    many = event_rows({str(at): at for at in range(MOST_ROWS + 7)})
    assert (len(many.rows), many.left_out) == (MOST_ROWS, 7)
    (_, value), *_ = event_rows({"a": "x" * (LONGEST_VALUE + 5)}).rows
    assert value.endswith(f"… ({LONGEST_VALUE + 5:,} characters in all)")
    deep: object = "end"
    for _ in range(5000):
        deep = {"a long name of a level": deep}
    ((name, value),) = event_rows(deep).rows
    assert value == "end"
    assert len(name) < 300


def test_users() -> None:
    """Accounts stand without their domain and once; nobody, numbers and computers are none."""
    rows = event_rows(
        {
            "User": "RIVERDALE\\m.keller",
            "EventData": {"SubjectUserName": "M.Keller", "TargetUserName": "PC-1$"},
            "acct": "root",
            "AUID": "unset",
            "UID": "1000",
            "Image": "User",
        }
    ).rows
    assert users_of(rows) == ("m.keller", "root")


@pytest.mark.parametrize(
    ("event", "ends"),
    [
        ({"id.orig_h": "10.0.0.1", "id.resp_h": "10.0.0.2"}, ("10.0.0.1", "10.0.0.2")),
        ({"Event": {"EventData": {"SourceIp": "10.0.0.1", "DestinationIp": "10.0.0.2"}}}, ("10.0.0.1", "10.0.0.2")),
        ({"IpAddress": "10.0.0.9"}, ("10.0.0.9", "PC-1")),
        ({"IpAddress": "-"}, None),
        ({"IpAddress": "::1"}, None),
        ({"Image": "a.exe"}, None),
    ],
)
def test_ends(event: dict[str, object], ends: tuple[str, str] | None) -> None:
    """Who talks to whom is told by network logs and by logons from elsewhere, by nothing else."""
    assert ends_of(event_rows(event).rows, "PC-1") == ends


def test_preview() -> None:
    """The most telling field comes first, else the longest value; a long one is cut."""
    assert preview({"a": {"Image": ["C:\\a.exe"], "CommandLine": ["a.exe  /x\n/y"]}}) == "CommandLine: a.exe /x /y"
    assert preview({"a": {"EventID": ["4624444444"], "Status": ["0x0"]}}) == "Status: 0x0"
    assert preview({"keywords": {"*": ["a line"]}}) == "a line"
    assert preview({}) == ""
    assert preview({"a": {"CommandLine": ["x" * 500]}}).endswith("x…")
