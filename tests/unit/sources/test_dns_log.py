"""Query logs of DNS servers in files of their own."""

import pytest
from text_reading import one, read, seen

from tocsin.events import Gate
from tocsin.sources.dns_log import DnsLogSource

SOURCE = DnsLogSource()
PACKET = "PACKET  00000000028E5B70 UDP Rcv 10.0.0.1        0c1e   Q [0001   D   NOERROR] TXT    (3)www(7)example(3)com(0)"


@pytest.mark.parametrize(
    ("line", "product"),
    [
        (
            "06-Oct-2026 06:12:01.123 queries: info: client @0x7f 10.0.0.1#53 (a.b): query: www.example.com IN TXT +E(0)K (x)",
            "bind",
        ),
        ("2026-10-06T06:12:01.123Z client 10.0.0.1#53: query: www.example.com IN TXT + (x)", "bind"),
        ("[1791267121] unbound[1:0] info: 10.0.0.1 www.example.com. TXT IN", "unbound"),
        (f"2026-10-06 06:12:01 0E48 {PACKET}", "windows_dns"),
    ],
)
def test_queries(line, product):
    """Each server's form gives name, type and client under one name, and the time."""
    assert SOURCE.recognise(line.encode())
    event = one(SOURCE, line)
    assert (event.gate, event.time[:19]) == (Gate(product, "query", ""), "2026-10-06T06:12:01")
    fields = seen(event)
    assert (fields["query"], fields["record_type"], fields["src_ip"]) == ("www.example.com", "TXT", "10.0.0.1")


@pytest.mark.parametrize(
    ("dates", "expected"),
    [
        (("10/6/2026 6:12:01 PM",), ("2026-10-06T18",)),
        (("10/6/2026 12:12:01 AM",), ("2026-10-06T00",)),
        (("6/10/2026 18:12:01",), ("2026-10-06T18",)),
        (("06.10.2026 18:12:01",), ("2026-10-06T18",)),
        (("10/6/2026 18:12:01", "10/13/2026 18:12:01"), ("2026-10-06T18", "2026-10-13T18")),
        (("6/10/2026 6:12:01 PM", "13/10/2026 6:12:01 PM"), ("2026-10-06T18", "2026-10-13T18")),
    ],
)
def test_dates_of_windows(dates, expected):
    """Day and month are told apart by a line in which one is above twelve, else by AM and PM."""
    events, errors = read(SOURCE, "".join(f"{date} 0E48 {PACKET}\n" for date in dates))
    assert errors == []
    assert tuple(event.time[:13] for event in events) == expected


def test_other_lines_are_unknown_events():
    """The prelude of Windows and other messages are kept as events that no rule sees."""
    events, errors = read(
        SOURCE, f"DNS Server log file creation at 10/6/2026\nMessage logging key\n10/6/2026 6:12:01 AM 0E48 {PACKET}\n"
    )
    assert errors == []
    assert [event.gate.product for event in events] == ["", "", "windows_dns"]
