"""Access logs: both formats, what stands around them, and lines that are broken or made to harm."""

import pytest
from text_reading import MEGABYTE, one, read, seconds, seen

from tocsin.events import KEYWORDS, TIME, Demand, Gate
from tocsin.events.values import decode
from tocsin.sources.access_log import ACCESS, AccessLogSource, log_time, parse_line, unescaped
from tocsin.sources.interface import EVENTS

SOURCE = AccessLogSource()
WHO = "198.51.100.7 - - [06/Oct/2026:06:12:01 +0200] "
COMBINED = WHO + '"GET /a/b.php?x=1&y=%2e HTTP/1.1" 200 512 "https://www.example/" "Mozilla/5.0 (X11)"'


def test_a_combined_line_has_its_parts():
    """Each part has a name, the time is in UTC, and rules see the names of W3C."""
    event = one(SOURCE, COMBINED)
    assert event.gate == Gate("apache", "access", "")
    assert (event.time, event.host, event.text) == ("2026-10-06T04:12:01.000000Z", "", COMBINED)
    fields = seen(event)
    assert (fields["cs-method"], fields["cs-uri"], fields["sc-status"]) == ("GET", "/a/b.php?x=1&y=%2e", "200")
    assert fields["cs-uri-stem"] == "/a/b.php"
    assert fields["cs-uri-query"] == ["/a/b.php?x=1&y=%2e", "x=1&y=%2e"]
    assert (fields["cs-referer"], fields["cs-user-agent"]) == ("https://www.example/", "Mozilla/5.0 (X11)")
    assert (fields["c-ip"], fields["cs-version"], fields["sc-bytes"]) == ("198.51.100.7", "HTTP/1.1", "512")
    assert "cs-username" not in fields


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (WHO + '"GET /x HTTP/1.0" 304 -', {"method": "GET", "url": "/x", "bytes": None, "referer": None}),
        ("2001:db8::9 - - [06/Oct/2026:06:12:01 +0000] " + '"GET / HTTP/2.0" 200 1', {"client": "2001:db8::9"}),
        ("h.example - anna miller [06/Oct/2026:06:12:01 +0000] " + '"GET / HTTP/1.1" 200 1', {"user": "anna miller"}),
        ("www.example:443 " + COMBINED, {"host": "www.example", "port": "443", "client": "198.51.100.7"}),
        ("www.example " + COMBINED, {"host": "www.example", "port": None, "client": "198.51.100.7"}),
        (COMBINED + ' "192.0.2.1" 0.004 -', {"extra": '"192.0.2.1" 0.004 -', "user_agent": "Mozilla/5.0 (X11)"}),
        (WHO + '"GET /a b c HTTP/1.1" 400 1 "-" "-"', {"method": "GET", "url": "/a b c", "user_agent": None}),
        (WHO + r'"\x16\x03\x01" 400 226 "-" "-"', {"method": None, "url": None, "request": "\x16\x03\x01"}),
        (WHO + '"-" 408 0 "-" "-"', {"method": None, "url": None, "request": None}),
        (WHO + '"" 400 0 "-" "-"', {"method": None, "request": ""}),
        (WHO + '"GET /x" 200 1', {"method": "GET", "url": "/x", "protocol": None}),
        (WHO + '"GET /?q="><b> HTTP/1.1" 200 1 "-" "a "quoted" agent"', {"url": '/?q="><b>', "user_agent": 'a "quoted" agent'}),
        (WHO + r'"GET /a\"b HTTP/1.1" 200 1 "-" "\xc3\xa9 \\ \x22"', {"url": '/a"b', "user_agent": 'é \\ "'}),
        ("1.1.1.1 - - [2026-10-06T06:12:01+00:00] " + '"GET / HTTP/1.1" 200 1', {"url": "/"}),
    ],
)
def test_forms_of_lines(line, expected):
    """Fields are found in every form; what a line does not state is absent."""
    event = one(SOURCE, line)
    assert {name: event.fields.get(name) for name in expected} == expected
    assert event.time


def test_a_proxy_is_told_by_its_result():
    """A line that ends as Squid ends its lines is of a proxy, and its URL is read both ways."""
    event = one(SOURCE, WHO + '"GET http://h.example:8080/a.exe?b HTTP/1.1" 200 1 "-" "x" TCP_MISS:HIER_DIRECT')
    assert event.gate == Gate("squid", "access", "")
    fields = seen(event)
    assert fields["c-uri"] == ["http://h.example:8080/a.exe?b", "/a.exe?b"]
    assert (fields["cs-host"], fields["c-uri-extension"], fields["c-uri-query"]) == ("h.example", "exe", "b")


def test_other_lines_are_losses():
    """A line that is none is named with its number and start, and the others are read."""
    events, errors = read(SOURCE, f"{COMBINED}\nGET / HTTP/1.1\n\n{COMBINED}\n")
    assert [event.record for event in events] == [1, 4]
    assert [str(error) for error in errors] == ["line 2: no line of an access log: 'GET / HTTP/1.1' [F006]"]


def test_recognised_by_half_of_the_lines():
    """Half of the first lines are enough, less are not."""
    assert SOURCE.recognise(f"{COMBINED}\nsomething\n".encode())
    assert not SOURCE.recognise(f"{COMBINED}\na\nb\n".encode())
    assert not SOURCE.recognise(b"")


def test_columns_say_what_events_say():
    """Columns of single fields are those that whole events would make, keywords only where a text of theirs occurs."""
    lines = [
        COMBINED,
        WHO + r'"GET /\x24{jndi HTTP/1.1" 200 1 "-" "\"x"',
        WHO + '"-" 408 0 "-" "-"',
        WHO + '"GET /.git/ HTTP/1.1" 1 1',
    ]
    raws = [cells for cells in map(parse_line, lines) if cells]
    assert len(raws) == 3
    names = (*("client", "method", "url", "request", "status", "user_agent", "user", "absent", "cs-uri"), KEYWORDS, TIME)
    gate = Gate("apache", "access", "")
    events = [ACCESS.event(gate, raw, 1) for raw in raws]
    own = ACCESS.columns(gate, raws, Demand(names))
    whole = EVENTS.columns(gate, events, Demand(names))
    for name in own:
        assert own[name].to_pylist() == whole[name].to_pylist(), name
    screened = ACCESS.columns(gate, raws, Demand((KEYWORDS,), texts=("${jndi",)))[KEYWORDS].to_pylist()
    assert [cell is not None for cell in screened] == [False, True, False]
    assert "/${jndi" in decode(screened[1])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("06/Oct/2026:06:12:01 -0330", "2026-10-06T09:42:01.000000Z"),
        ("06/Oct/2026:06:12:01.250", "2026-10-06T06:12:01.250000Z"),
        ("06/Okt/2026:06:12:01 +0000", ""),
        ("31/Feb/2026:06:12:01 +0000", ""),
        ("x", ""),
    ],
)
def test_times(text, expected):
    """A time has its zone, and one that is none is empty."""
    assert log_time(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"), [(r"\x", r"\x"), (r"\q\\", "\\q\\"), (r"\t\"", '\t"'), (r"\xff", "ÿ"), ("\\", "\\")]
)
def test_escapes(text, expected):
    """What the server escaped is given back; what is no escape stays."""
    assert unescaped(text) == expected


@pytest.mark.parametrize("start", ["", WHO + '"GET /', WHO + '"GET / HTTP/1.1" 200 1 "', "1.1.1.1 - "])
@pytest.mark.parametrize("part", ["a", '"', "\\", "\\x", '" "', '" 200 ', "a ", "GET ", "["])
def test_long_lines_take_linear_time(start, part):
    """A line of a megabyte made to harm takes less than two seconds."""
    assert seconds(SOURCE, (start + part * MEGABYTE)[:MEGABYTE]) < 2
