"""Squid's own format of access.log."""

import pytest
from text_reading import MEGABYTE, one, read, seconds, seen

from tocsin.events import Gate
from tocsin.sources.squid import SquidSource

SOURCE = SquidSource()
LINE = (
    "1791267121.123    345 10.2.0.15 TCP_MISS/200 4512 GET http://h.example/a/b.EXE?x=1 anna HIER_DIRECT/192.0.2.34 text/html"
)


def test_a_line_has_its_parts():
    """Rules of proxies see URL, host, extension, client and peer."""
    event = one(SOURCE, LINE)
    assert (event.gate, event.time) == (Gate("squid", "access", ""), "2026-10-06T06:12:01.123000Z")
    fields = seen(event)
    assert fields["c-uri"] == ["http://h.example/a/b.EXE?x=1", "/a/b.EXE?x=1"]
    assert (fields["cs-host"], fields["r-dns"], fields["c-uri-extension"]) == ("h.example", "h.example", "exe")
    assert (fields["src_ip"], fields["dst_ip"], fields["sc-status"], fields["cs-username"]) == (
        "10.2.0.15",
        "192.0.2.34",
        "200",
        "anna",
    )


def test_a_tunnel_has_the_host_alone():
    """CONNECT names host and port; what is a hyphen is absent."""
    event = one(SOURCE, "1791267121.123 1 10.2.0.15 TCP_TUNNEL/200 9 CONNECT h.example:443 - HIER_NONE/- -")
    fields = seen(event)
    assert (fields["cs-host"], fields["cs-method"]) == ("h.example", "CONNECT")
    assert not {"dst_ip", "cs-username", "content_type"} & fields.keys()


def test_headers_tell_the_agent():
    """With `log_mime_hdrs` the user agent is in the line."""
    event = one(SOURCE, LINE + r" [Host: h\r\nUser-Agent: curl/8.5 (x)\r\nA: b\r\n] [HTTP/1.1 200]")
    assert seen(event)["c-useragent"] == "curl/8.5 (x)"


def test_other_lines_are_losses():
    """A line that is none is named."""
    events, errors = read(SOURCE, f"{LINE}\nx\n")
    assert (len(events), [error.code for error in errors]) == (1, ["F006"])


@pytest.mark.parametrize("part", ["a", " ", "a ", "TCP_MISS/200 ", " HIER_DIRECT/"])
def test_long_lines_take_linear_time(part):
    """A line of a megabyte made to harm takes less than two seconds."""
    assert seconds(SOURCE, (LINE[:60] + part * MEGABYTE)[:MEGABYTE]) < 2
