"""Error logs of Apache httpd and nginx."""

from text_reading import one, read

from tocsin.events import Gate
from tocsin.sources.error_log import ErrorLogSource

SOURCE = ErrorLogSource()
APACHE = "[Tue Oct 06 06:12:01.5 2026] [core:error] [pid 35:tid 43] (13)Permission denied: [client 2001:db8::1:5022] AH00124: x"
NGINX = (
    '2026/10/06 06:12:03 [error] 8#9: *5 open() failed, client: 203.0.113.9, server: _, request: "GET /x HTTP/1.1", host: "h"'
)


def test_apache():
    """Level, module, process and client are told apart from the message."""
    event = one(SOURCE, APACHE)
    assert (event.gate, event.time) == (Gate("apache", "error", ""), "2026-10-06T06:12:01.500000Z")
    assert event.fields == {
        "module": "core",
        "level": "error",
        "pid": "35",
        "tid": "43",
        "client": "2001:db8::1",
        "client_port": "5022",
        "message": "(13)Permission denied: AH00124: x",
    }


def test_nginx():
    """What nginx adds to its message are fields."""
    event = one(SOURCE, NGINX)
    assert (event.gate, event.time) == (Gate("nginx", "error", ""), "2026-10-06T06:12:03.000000Z")
    assert (event.fields["client"], event.fields["request"], event.fields["host"]) == ("203.0.113.9", "GET /x HTTP/1.1", "h")


def test_a_line_without_a_header_goes_on():
    """It is an event of its own, with gate and time of the one before."""
    events, errors = read(SOURCE, f"{APACHE}\nhttpd: Assertion failed\n")
    assert errors == []
    assert (events[1].gate, events[1].time, events[1].fields) == (
        events[0].gate,
        events[0].time,
        {"message": "httpd: Assertion failed"},
    )


def test_recognition():
    """Both are recognised, other bracketed lines are not."""
    assert SOURCE.recognise(APACHE.encode())
    assert SOURCE.recognise(NGINX.encode())
    assert not SOURCE.recognise(b"[info] something\n[Tue Oct 06 06:12:01 2026] x\n")
