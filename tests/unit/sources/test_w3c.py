"""W3C extended logs of web servers, proxies and the firewall of Windows."""

import pytest
from text_reading import one, read, seen

from tocsin.events import Gate
from tocsin.sources.w3c import W3cSource

SOURCE = W3cSource()
IIS = "#Software: Microsoft Internet Information Services 10.0\n#Version: 1.0\n"
FIELDS = "#Fields: date time s-computername cs-method cs-uri-stem cs-uri-query c-ip cs(User-Agent) sc-status\n"
SGOS = "#Software: SGOS 6.7\n#Fields: date time c-ip cs-host cs-method cs-uri-scheme cs-uri-port"
SGOS += " cs-uri-path cs-uri-query cs(User-Agent)\n"


def test_iis_lines_have_the_fields_of_the_header():
    """Fields are named by the header, a hyphen is absent, the URL is put together, plus signs are read both ways."""
    event = one(SOURCE, IIS + FIELDS + "2026-10-06 06:12:01 web1 GET /a.aspx b=c 198.51.100.7 Mozilla/5.0+(X11) 200\n")
    assert (event.gate, event.time, event.host, event.record) == (
        Gate("iis", "access", ""),
        "2026-10-06T06:12:01.000000Z",
        "web1",
        4,
    )
    assert "cs-uri" not in event.original
    fields = seen(event)
    assert fields["cs-uri-query"] == ["/a.aspx?b=c", "b=c"]
    assert (fields["cs-uri-stem"], fields["sc-status"]) == ("/a.aspx", "200")
    assert fields["cs-user-agent"] == ["Mozilla/5.0+(X11)", "Mozilla/5.0 (X11)"]
    event = one(SOURCE, IIS + FIELDS + "2026-10-06 06:12:01 web1 GET /a.aspx - 198.51.100.7 - 200\n")
    assert seen(event)["cs-uri-query"] == ["/a.aspx", None]
    assert not {"cs-user-agent", "cs(User-Agent)"} & seen(event).keys()


def test_the_header_recurs():
    """Each line has the fields of the header before it; the date may come from its own directive."""
    text = (
        IIS
        + FIELDS
        + "2026-10-06 06:12:01 w GET / - 1.1.1.1 - 200\n#Date: 2026-10-07 00:00:00\n#Fields: time sc-status\n00:00:05 404\n"
    )
    events, errors = read(SOURCE, text)
    assert errors == []
    assert [(event.fields["sc-status"], event.time) for event in events] == [
        ("200", "2026-10-06T06:12:01.000000Z"),
        ("404", "2026-10-07T00:00:05.000000Z"),
    ]


def test_lines_of_another_length_are_losses():
    """A line that has not the fields of its header, or has none, is named; nothing is dropped."""
    events, errors = read(SOURCE, f"x y\n{IIS}{FIELDS}2026-10-06 06:12:01 w GET\n2026-10-06 06:12:01 w GET / - 1.1.1.1 - 200\n")
    assert [event.record for event in events] == [6]
    assert [str(error) for error in errors] == [
        "line 1: not the 0 fields: 'x y' [F006]",
        "line 5: not the 9 fields: '2026-10-06 06:12:01 w GET' [F006]",
    ]


def test_a_proxy_has_whole_urls():
    """Quoted values keep their spaces, and scheme, host, port and path make the URL."""
    event = one(SOURCE, SGOS + '2026-10-06 06:12:01 10.0.0.1 h.example GET http 8080 /a.exe ?b=c "An Agent 1.0"\n')
    assert event.gate == Gate("bluecoat", "access", "")
    fields = seen(event)
    assert fields["c-uri"] == ["http://h.example:8080/a.exe?b=c", "/a.exe?b=c"]
    assert (fields["cs-host"], fields["c-uri-extension"], fields["c-useragent"]) == ("h.example", "exe", "An Agent 1.0")


@pytest.mark.parametrize(
    ("header", "line", "gate"),
    [
        (
            "#Fields: date time c-ip cs-method cs-uri-stem sc-status x-session x-fullpath",
            "2026-10-06 06:12:01 1.1.1.1 USER x 331 s /",
            ("iis", "ftp"),
        ),
        ("#Fields: s-sitename cs-method cs-uri-query", "SMTPSVC1 EHLO +x", ("iis", "ftp")),
        ("#Fields: s-sitename cs-method cs-uri-query", "W3SVC1 GET x", ("iis", "access")),
        (
            "#Fields: date\ttime\tx-edge-location\tcs(Host)\tcs-uri-stem",
            "2026-10-06\t06:12:01\tFRA2\th\t/",
            ("cloudfront", "access"),
        ),
        (
            "#Software: Microsoft Windows Firewall\n#Fields: date time action dst-ip dst-port",
            "2026-10-06 06:12:01 ALLOW 1.1.1.1 23",
            ("pfirewall", "firewall"),
        ),
        ("#Software: Microsoft Exchange Server\n#Fields: date-time,client-ip", "2026-10-06T06:12:01Z,1.1.1.1", ("w3c", "log")),
        ("#Fields: a b", "1 2", ("w3c", "log")),
    ],
)
def test_whose_a_log_is(header, line, gate):
    """Software, fields and site tell the gate; nothing that is no web server is taken for one."""
    event = one(SOURCE, f"#Version: 1.0\n{header}\n{line}\n")
    assert event.gate[:2] == gate


def test_the_firewall_of_windows_says_what_it_blocked():
    """Its action becomes what rules of firewalls ask for."""
    header = "#Software: Microsoft Windows Firewall\n#Fields: date time action dst-ip dst-port\n"
    events, _ = read(SOURCE, f"{header}2026-10-06 06:12:01 ALLOW 1.1.1.1 23\n2026-10-06 06:12:01 DROP 1.1.1.1 23\n")
    assert [seen(event)["blocked"] for event in events] == ["false", "true"]


def test_recognised_by_the_directive_of_fields():
    """Comments alone are no such log."""
    assert SOURCE.recognise((IIS + FIELDS).encode())
    assert not SOURCE.recognise(b"#Version: 1.0\n#Fields:\n")
    assert not SOURCE.recognise(b"# a comment\nkey=value\n")
