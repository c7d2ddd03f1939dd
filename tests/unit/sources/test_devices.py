"""Network devices and daemons within syslog: whose a line is, and what it states beside being one of syslog."""

import io

import pytest
from text_reading import MEGABYTE, read, seconds

from tocsin.events import Gate
from tocsin.rules.logsource import admits, views
from tocsin.rules.rule import Logsource
from tocsin.sources import recognise
from tocsin.sources.interface import Stream
from tocsin.sources.syslog import SyslogSource

SOURCE = SyslogSource(2026)
HEADER = "Oct  6 06:12:01 host1 "


def first(text):
    """Return the event of a line that counts."""
    events, errors = read(SOURCE, text)
    assert errors == []
    return events[0]


@pytest.mark.parametrize(
    ("line", "gate"),
    [
        ("*Oct  6 06:12:01.123: %SYS-5-CONFIG_I: Configured from console", ("cisco", "syslog")),
        ("000123: *Oct  6 06:12:01.123 UTC: %SYS-5-CONFIG_I: Configured", ("cisco", "syslog")),
        ("<189>29: router1: *Oct  6 06:12:01.123: %SYS-5-CONFIG_I: Configured", ("cisco", "syslog")),
        (HEADER + "99: *Oct  6 06:12:01.123: %PARSER-5-CFGLOG_LOGGEDCMD: User:a  logged command:no logging", ("cisco", "aaa")),
        (HEADER + "%AAA-6-AAA_ACCOUNTING_MESSAGE: update:1.1.1.1@pts/0:a:show version", ("cisco", "aaa")),
        (HEADER + "%BGP-5-ADJCHANGE: neighbor 192.0.2.1 Down", ("cisco", "bgp")),
        (HEADER + "%TCP-6-BADAUTH: No MD5 digest from 192.0.2.1(179) to 192.0.2.2:179", ("cisco", "bgp")),
        (HEADER + "%LDP-5-NBRCHG: LDP Neighbor 192.0.2.1:0 is DOWN", ("cisco", "ldp")),
        (HEADER + "RP/0/RSP0/CPU0:Oct  6 06:12:01.123 : tcp[399]: %IP-TCP-3-BADAUTH : from 192.0.2.1:179", ("cisco", "bgp")),
        ("Oct  6 2026 06:12:01: %ASA-5-111008: User 'a' executed the 'clear logging' command.", ("cisco", "aaa")),
        ("Oct  6 06:12:01\t10.0.0.1\ta\ttty1\t10.1.1.2\tstop\ttask_id=1\tcmd=show version <cr>", ("cisco", "aaa")),
        (HEADER + "tac_plus[7]: 10.0.0.1 a tty1 10.1.1.2 stop cmd=show version <cr>", ("cisco", "aaa")),
        (HEADER + "tac_plus[7]: session started", ("linux", "syslog")),
        (HEADER + "CISE_TACACS_Accounting 0001 1 0 2026-10-06 CmdSet=[ CmdAV=show version ]", ("cisco", "aaa")),
        (
            HEADER + ": 2026 Oct  6 06:12:01 UTC: %ACCOUNTING-6-ACCOUNTING: update:1.1.1.1@pts/0:a:show version",
            ("cisco", "aaa"),
        ),
        ("<189>: 2026 Oct  6 06:12:01 UTC: %ACCOUNTING-6-ACCOUNTING: update:1.1.1.1@pts/0:a:show ver", ("cisco", "aaa")),
        ("2026 Oct  6 06:12:01.123 nx1 %$ VDC-1 %$ %ACCOUNTING-6-ACCOUNTING: update:a:show ver", ("cisco", "aaa")),
        ("2026 Oct  6 06:12:01 nx1 %ETHPORT-5-IF_DOWN_ADMIN_DOWN: Interface is down", ("cisco", "syslog")),
        (HEADER + "CSCOacs_TACACS_Accounting 1 1 0 2026-10-06 CmdSet=[ CmdAV=show CmdArgAV=<cr> ]", ("cisco", "aaa")),
        ("Tue Oct  6 06:12:01 2026\t10.0.0.1\ta\ttty1\t10.1.1.2\tstop\ttask_id=1\tcmd=show version <cr>", ("cisco", "aaa")),
        ("Oct  6 2026 06:12:01 NE40 %%01BGP/4/BGP_AUTH_FAILED(l)[1]: peer 192.0.2.1:179", ("huawei", "bgp")),
        ("2026-10-06 06:12:01 NE40 %%01SHELL/5/CMDRECORD(l): x", ("huawei", "syslog")),
        (HEADER + "rpd[7]: bgp_read_v4_message: NOTIFICATION received", ("juniper", "bgp")),
        (HEADER + "mgd[7]: UI_COMMIT: User 'a'", ("juniper", "syslog")),
        (HEADER + "/kernel: tcp_auth_ok: Packet from 192.0.2.1:179 missing MD5 digest", ("juniper", "bgp")),
        (HEADER + "kernel: usb 1-1: new device", ("linux", "syslog")),
        (HEADER + "sshd[7]: Failed password for invalid user %SYS-5-CONFIG_I: from 192.0.2.1", ("linux", "syslog")),
        (HEADER + "myapp: CPU 97% busy: see %APP-", ("linux", "syslog")),
    ],
)
def test_whose_a_line_is(line, gate):
    """The gate is of the device's product and service; what a stranger makes a program of Linux write changes nothing."""
    event = first(line)
    assert event.gate[:2] == gate
    assert event.text == line
    assert event.time == "" or event.time.startswith("2026-10-06T06:12:01")


def test_lines_of_devices_are_recognised():
    """A file of a device's own buffer is one of syslog."""
    assert SOURCE.recognise(b"*Oct  6 06:12:01.123: %SYS-5-CONFIG_I: a\n.Oct  6 06:12:02.123: %LINK-3-UPDOWN: b\n")
    assert SOURCE.recognise(b"2026 Oct  6 06:12:01 nx1 %SYSMGR-3-BASIC_TRACE: a\n<189>: 2026 Oct  6 06:12:01 UTC: %A-6-B: b\n")
    assert (
        recognise(b"Tue Oct  6 06:12:01 2026\t10.0.0.1\ta\ttty1\t10.1.1.2\tstop\ttask_id=1\tcmd=show <cr>\n" * 3).name
        == "syslog"
    )
    assert not SOURCE.recognise(b"%SYS is no mark\nnor is this\n")


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (
            "%ASA-6-302013: Built outbound TCP connection 12 for outside:192.0.2.9/80 (x) to inside:10.0.0.9/5123 (x)",
            ("10.0.0.9", "5123", "192.0.2.9", "80", "false"),
        ),
        (
            "%ASA-6-302013: Built inbound TCP connection 12 for outside:192.0.2.9/5123 (x) to inside:10.0.0.9/23 (x)",
            ("192.0.2.9", "5123", "10.0.0.9", "23", "false"),
        ),
        (
            "%ASA-4-106023: Deny tcp src outside:192.0.2.9/5123 dst inside:10.0.0.9/23 by",
            ("192.0.2.9", "5123", "10.0.0.9", "23", "true"),
        ),
        (
            "%ASA-6-106100: access-list a permitted tcp out/192.0.2.9(5123) -> in/10.0.0.9(23)",
            ("192.0.2.9", "5123", "10.0.0.9", "23", "false"),
        ),
        (
            "%SEC-6-IPACCESSLOGP: list 1 denied tcp 192.0.2.9(5123) -> 10.0.0.9(23), 1 packet",
            ("192.0.2.9", "5123", "10.0.0.9", "23", "true"),
        ),
    ],
)
def test_ends_of_connections(message, expected):
    """Access lists and firewalls tell who asked for what; rules of firewalls and of Cisco's syslog see such a line."""
    event = first(HEADER + message)
    assert tuple(event.fields[name] for name in ("src_ip", "src_port", "dst_ip", "dst_port", "blocked")) == expected
    (view,) = views(event.gate)
    assert all(admits(view, asked) for asked in (Logsource("", "firewall", ""), Logsource("cisco", "", "syslog")))


def test_junos_flows():
    """A session of an SRX has the addresses of its structured data."""
    data = 'source-address="10.0.0.1" source-port="1" destination-address="192.0.2.2" destination-port="23"'
    event = first(f"<14>1 2026-10-06T06:12:01Z srx RT_FLOW - RT_FLOW_SESSION_DENY [junos@2636.1.1.1.2.129 {data}] denied")
    assert event.gate == Gate("juniper", "firewall", "")
    assert (event.fields["dst_ip"], event.fields["dst_port"], event.fields["blocked"]) == ("192.0.2.2", "23", "true")


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("RT_FLOW: RT_FLOW_SESSION_CREATE: session created {} 0x0 junos-telnet {} 0x0 N/A 6 p untrust trust 1", "accept"),
        ("RT_FLOW: RT_FLOW_SESSION_CLOSE: session closed TCP FIN: {} 0x0 junos-telnet {} 0x0 N/A 6 p untrust", "accept"),
        ("RT_FLOW: RT_FLOW_SESSION_CLOSE: session closed unset: {} 0x0 None {}", "accept"),
        ("RT_FLOW: RT_FLOW_SESSION_DENY: session denied {} 0x0 junos-telnet 6(0) p untrust trust", "deny"),
        ("RT_FLOW[12]: RT_FLOW_SESSION_DENY_LS: session denied {} junos-telnet 6(0) p untrust trust", "deny"),
        ("RT_FLOW_SESSION_DENY: session denied {} junos-telnet 6(0) p untrust trust", "deny"),
    ],
)
@pytest.mark.parametrize(("source", "target"), [("192.0.2.1", "10.0.0.9"), ("2001:db8::1", "fd00::9")])
def test_junos_flows_as_sentences(message, expected, source, target):
    """A session of an SRX without structured data has the same fields, and rules of firewalls see it."""
    event = first(HEADER + message.replace("{}", f"{source}/40000->{target}/23"))
    assert event.gate == Gate("juniper", "firewall", "")
    ends = tuple(event.fields[name] for name in ("src_ip", "src_port", "dst_ip", "dst_port", "action", "blocked"))
    assert ends == (source, "40000", target, "23", expected, "true" if expected == "deny" else "false")
    (view,) = views(event.gate)
    assert admits(view, Logsource("", "firewall", ""))


def test_junos_flows_that_name_no_ends():
    """A sentence whose ends are elsewhere, such as within a text, makes no session."""
    for message in ("session created for 192.0.2.1/1->10.0.0.9/23", "APPTRACK: session created 192.0.2.1/123456->10.0.0.9/23"):
        assert first(f"{HEADER}RT_FLOW: RT_FLOW_SESSION_CREATE: {message}").gate == Gate("juniper", "syslog", "")


def test_panos():
    """Traffic and URL logs of PAN-OS are told by their places."""
    cells = ["1", "2026/10/06 06:12:01", "01", "TRAFFIC", "end", *[""] * 2, "10.0.0.1", "192.0.2.2", *[""] * 15, "5123", "23"]
    event = first(HEADER + ",".join([*cells, "", "", "", "tcp", "allow", '"h.example/x"']))
    assert event.gate == Gate("paloalto", "traffic", "")
    assert (event.fields["dst_ip"], event.fields["dst_port"], event.fields["blocked"]) == ("192.0.2.2", "23", "false")
    cells[3:5] = ["THREAT", "url"]
    event = first(HEADER + ",".join([*cells, "", "", "", "tcp", "alert", '"h.example/x,y"']))
    assert (event.gate[:2], event.fields["url"]) == (("paloalto", "url"), "h.example/x,y")


@pytest.mark.parametrize(
    ("message", "gate", "expected"),
    [
        (
            "clamd[1]: /a b: c.php: Php.Trojan-1(44d88612fea8a8f36de82e1278abb02f:68) FOUND",
            "clamav",
            {"file": "/a b: c.php", "signature": "Php.Trojan-1"},
        ),
        (
            "named[1]: client @0x7f 10.0.0.1#53 (a.example): query: a.example IN TXT +E(0)K",
            "bind",
            {"query": "a.example", "record_type": "TXT"},
        ),
        (
            "named[1]: queries: info: client 10.0.0.1#53: view v: query: a.example IN A +",
            "bind",
            {"query": "a.example", "client": "10.0.0.1"},
        ),
        ("dnsmasq[1]: query[AAAA] a.example from 10.0.0.1", "dnsmasq", {"query": "a.example", "record_type": "AAAA"}),
        ("dnsmasq[1]: 12 10.0.0.1/5353 reply a.example is 192.0.2.1", "dnsmasq", {"query": "a.example", "answer": "192.0.2.1"}),
        ("unbound: [1:0] info: 10.0.0.1 a.example. A IN", "unbound", {"query": "a.example", "record_type": "A"}),
        (
            "kernel: [UFW BLOCK] IN=e OUT= SRC=10.0.0.1 DST=192.0.2.1 SPT=1 DPT=23",
            "iptables",
            {"dst_port": "23", "blocked": "true"},
        ),
        (
            "kernel: FW-ACCEPT IN=e OUT= SRC=10.0.0.1 DST=192.0.2.1 SPT=1 DPT=23",
            "iptables",
            {"action": "accept", "blocked": "false"},
        ),
        (
            "filterlog[1]: 5,,,1,em0,match,pass,in,4,0x0,,64,0,0,DF,6,tcp,60,10.0.0.1,192.0.2.1,5,23,0",
            "pf",
            {"dst_port": "23", "blocked": "false"},
        ),
        (
            "filterlog[1]: 5,,,1,em0,match,block,in,6,0x0,0,64,tcp,6,60,2001:db8::1,2001:db8::2,5,23,0",
            "pf",
            {"dst_ip": "2001:db8::2", "dst_port": "23"},
        ),
        (
            "filterlog[1]: 5,,,1,em0,match,block,in,4,0x0,,64,0,0,DF,1,icmp,60,10.0.0.1,192.0.2.1,request,1,2",
            "pf",
            {"dst_ip": "192.0.2.1", "dst_port": None},
        ),
        (
            'nginx: 192.0.2.1 - - [06/Oct/2026:06:12:01 +0000] "GET /x HTTP/1.1" 200 1 "-" "-"',
            "apache",
            {"url": "/x", "status": "200"},
        ),
        (
            "squid[1]: 1791267121.123 1 10.0.0.1 TCP_MISS/200 1 GET http://h/x - HIER_DIRECT/192.0.2.1 -",
            "squid",
            {"url": "http://h/x"},
        ),
    ],
)
def test_what_a_daemon_states(message, gate, expected):
    """The line stays one of syslog, and what it states is a second look with the line's time and host."""
    events, errors = read(SOURCE, HEADER + message)
    assert errors == []
    line, stated = events
    assert line.gate[:2] == ("linux", "syslog")
    assert stated.gate.product == gate
    assert {name: stated.fields.get(name) for name in expected} == expected
    assert (stated.time, stated.host, stated.record, stated.text) == (line.time, line.host, line.record, line.text)


def test_a_second_look_does_not_count():
    """One line is one event, whatever it states."""
    items = list(SOURCE.read(_stream(HEADER + "dnsmasq[1]: query[A] a.example from 10.0.0.1\n")))
    assert [(item.gate.product, item.counted) for item in items] == [("linux", True), ("dnsmasq", False)]


def _stream(text):
    return Stream(io.BytesIO(text.encode()), "x")


@pytest.mark.parametrize(
    "message",
    ["dnsmasq[1]: started", "named[1]: zone loaded", "clamd[1]: a FOUND", "kernel: SRC=1", "filterlog[1]: a,b", "nginx: x"],
)
def test_other_lines_of_daemons_state_nothing(message):
    """A line of another kind is just one of syslog."""
    events, errors = read(SOURCE, HEADER + message)
    assert ([event.gate[:2] for event in events], errors) == ([("linux", "syslog")], [])


@pytest.mark.parametrize(
    "start",
    [
        "%ASA-4-1: Deny ",
        "kernel: SRC=",
        "clamd[1]: /",
        "named[1]: query: client ",
        "dnsmasq[1]: reply ",
        "filterlog: ",
        "nginx: ",
        "1,2026/10/06 06:12:10,",
    ],
)
@pytest.mark.parametrize("part", ["a", " ", "\\", '"', ": ", "1.1.1.1/1 to ", "Deny 1.1.1.1/1 ", ",", " FOUND", "a=b "])
def test_long_lines_take_linear_time(start, part):
    """A line of a megabyte made to harm takes less than two seconds."""
    assert seconds(SOURCE, (HEADER + start + part * MEGABYTE)[:MEGABYTE]) < 2
