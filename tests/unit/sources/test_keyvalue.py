"""Lines of key=value pairs: FortiGate and others."""

import pytest
from text_reading import MEGABYTE, one, read, seconds, seen

from tocsin.events import Gate
from tocsin.sources import recognise
from tocsin.sources.keyvalue import KeyValueSource, pairs
from tocsin.sources.syslog import SyslogSource

SOURCE = KeyValueSource()
FORTI = 'date=2026-10-06 time=08:12:01 devname="F G" devid="FG1" tz="+0200" logid="01" '


def test_pairs():
    """Quotes keep spaces and escapes, a value may be empty, and the place of the first other text is told."""
    assert pairs(r'a=1 b="x \"y\" \\" c= d="" e=f,g=h rest') == (
        {"a": "1", "b": r'x "y" \\'.replace("\\\\", "\\"), "c": "", "d": "", "e": "f", "g": "h"},
        34,
    )


def test_fortigate_event():
    """Type tells the channel, date, time and zone the time; rules see the fields as they are."""
    event = one(SOURCE, FORTI + 'type="event" subtype="system" action="Add" cfgpath="system.admin"')
    assert (event.gate, event.time, event.host) == (Gate("fortigate", "event", ""), "2026-10-06T06:12:01.000000Z", "F G")
    assert (seen(event)["action"], seen(event)["cfgpath"]) == ("Add", "system.admin")


@pytest.mark.parametrize(
    ("header", "host"),
    [
        ("Oct  6 06:12:01 fw1 ", "fw1"),
        ("<189>Oct  6 06:12:01 192.0.2.1 ", "192.0.2.1"),
        ("<189>Oct  6 2026 06:12:01 fw1 fortigate: ", "fw1"),
        ("Oct  6 06:12:01 ", "F G"),
        ("2026-10-06T06:12:01.123+02:00 fw1 ", "fw1"),
        ("<189>1 2026-10-06T06:12:01Z fw1 - - - - ", "fw1"),
    ],
)
def test_headers_further_down(header, host):
    """A file of pairs in which headers of syslog begin later is read whole."""
    pairs_of = FORTI + 'type="traffic" subtype="forward" dstip=10.0.0.1 dstport=23 action="deny"'
    data = f"{pairs_of}\n{pairs_of}\n{pairs_of}\n{header}{pairs_of}\n"
    assert recognise(data.encode()).name == "keyvalue"
    events, errors = read(SOURCE, data)
    assert errors == []
    assert [(event.gate, event.time, event.fields["dstport"]) for event in events] == [
        (Gate("fortigate", "traffic", ""), "2026-10-06T06:12:01.000000Z", "23")
    ] * 4
    assert (events[3].host, events[3].record) == (host, 4)


def test_a_header_fills_the_time():
    """Pairs that state no time have that of a header with a year; one without a year tells none."""
    bare = "action=accept src_ip=192.0.2.1 dst_ip=10.0.0.1 dst_port=23"
    events, errors = read(SOURCE, f"{bare}\n2026-10-06T06:12:01Z fw1 {bare}\nOct  6 06:12:01 fw1 {bare}\n")
    assert errors == []
    assert [(event.time, event.host) for event in events] == [("", ""), ("2026-10-06T06:12:01.000000Z", "fw1"), ("", "fw1")]


def test_a_header_without_pairs_is_a_loss():
    """A line of syslog without pairs stays a loss."""
    assert [error.code for error in read(SOURCE, f"{FORTI}\nOct  6 06:12:01 fw1 sshd[1]: hello\n")[1]] == ["F006"]


def test_fortigate_nanoseconds():
    """`eventtime` goes before date and time."""
    event = one(SOURCE, FORTI + 'eventtime=1791267121123456789 type="traffic" dstip=10.0.0.1 dstport=23 action="accept"')
    assert event.time == "2026-10-06T06:12:01.123456Z"
    fields = seen(event)
    assert (fields["dst_ip"], fields["dst_port"], fields["blocked"]) == ("10.0.0.1", "23", "false")


@pytest.mark.parametrize(
    ("pairs_of", "gate"),
    [
        ('type="utm" subtype="virus" virus="x"', ("fortigate", "virus")),
        ('type="utm" subtype="webfilter" url="/x" hostname="h"', ("fortigate", "webfilter")),
        ('type="dns" subtype="dns-query" qname="h"', ("fortigate", "dns")),
    ],
)
def test_fortigate_utm(pairs_of, gate):
    """UTM logs have their subtype as channel."""
    assert one(SOURCE, FORTI + pairs_of).gate[:2] == gate


def test_a_path_gets_its_host():
    """A URL that is only a path is put behind its host."""
    event = one(SOURCE, FORTI + 'type="utm" subtype="webfilter" url="/x.exe" hostname="h.example" service="HTTPS"')
    assert seen(event)["c-uri"] == ["https://h.example/x.exe", "/x.exe"]


def test_the_vpn_daemon_is_looked_at_again():
    """A crash of sslvpnd is one of FortiOS too, and does not count as one more."""
    events, errors = read(SOURCE, FORTI + 'type="event" subtype="system" msg="application: sslvpnd, Signal 11"')
    assert errors == []
    assert [event.gate[:2] for event in events] == [("fortigate", "event"), ("fortios", "sslvpnd")]


@pytest.mark.parametrize(
    "text",
    [
        'device="SFW" log_type="Firewall" log_subtype="Allowed" src_ip=10.0.0.1 dst_ip=10.0.0.2 dst_port=23',
        'id=firewall sn=1 time="2026-10-06 06:12:01" action="forward" src=10.0.0.1:4021:X0 dst=10.0.0.2:23:X1 proto=tcp/telnet',
    ],
)
def test_other_firewalls(text):
    """Addresses and a port make a firewall, also where they are written together."""
    fields = seen(one(SOURCE, text))
    assert (fields["dst_ip"], fields["dst_port"], fields["blocked"]) == ("10.0.0.2", "23", "false")


def test_logfmt_is_read_and_unknown():
    """Pairs of an application are events that no rule sees."""
    event = one(SOURCE, 'ts=2026-10-06T06:12:01Z level=info msg="a b"')
    assert (event.gate, event.time) == (Gate("keyvalue", "log", ""), "2026-10-06T06:12:01.000000Z")


@pytest.mark.parametrize("header", ["<189>", "Oct  6 2026 06:12:01 fw1 ", "Oct  6 2026 06:12:01 "])
def test_behind_syslog(header):
    """The header of syslog, with or without a host, does not hide the pairs."""
    source = SOURCE if header == "<189>" else SyslogSource()
    assert source.recognise((header + FORTI + "type=event\n").encode())
    event = one(source, header + FORTI + "type=event")
    assert (event.gate, event.time) == (Gate("fortigate", "event", ""), "2026-10-06T06:12:01.000000Z")


@pytest.mark.parametrize("part", ["a", "=", "a=", 'a="', 'a="b" ', "\\", "a=b,"])
def test_long_lines_take_linear_time(part):
    """A line of a megabyte made to harm takes less than two seconds, most of it for the pairs that it has."""
    assert seconds(SOURCE, (FORTI + part * MEGABYTE)[:MEGABYTE]) < 2


def test_zscaler():
    """The feed has tabs between pairs; its URL without a scheme gets one."""
    text = "2026-10-06 06:12:01\treason=Allowed\tprotocol=HTTPS\turlcategory=News\tserverip=192.0.2.1\trequestmethod=GET"
    text += "\tuseragent=An Agent (x; y)\tClientIP=10.0.0.1\tstatus=200\turl=h.example/a.exe?b=c\thostname=h.example"
    assert SOURCE.recognise(text.encode())
    event = one(SOURCE, text)
    assert (event.gate, event.time) == (Gate("zscaler", "access", ""), "2026-10-06T06:12:01.000000Z")
    fields = seen(event)
    assert fields["c-uri"] == ["https://h.example/a.exe?b=c", "/a.exe?b=c"]
    assert (fields["c-useragent"], fields["cs-host"], fields["c-uri-extension"], fields["sc-status"]) == (
        "An Agent (x; y)",
        "h.example",
        "exe",
        "200",
    )
