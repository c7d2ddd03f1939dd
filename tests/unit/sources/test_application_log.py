"""Logs of applications: headers, stack traces, and what they are looked at again as."""

import pytest
from text_reading import MEGABYTE, read, seconds

from tocsin.sources.application_log import ApplicationLogSource

SOURCE = ApplicationLogSource()
JAVA = "2026-10-06 06:12:01,123 ERROR [http-1] com.example.A - failed\n"
JAVA += "java.io.IOException: x\n\tat a.b.C.d(C.java:1)\nCaused by: a.B: y\n"
SPRING = "2026-10-06 06:12:01.123  INFO 12 --- [main] c.example.A : started\n"
PYTHON = "2026-10-06 06:12:01,123 ERROR app.views failed\n"
PYTHON += 'Traceback (most recent call last):\n  File "a.py", line 1, in f\n    x\nValueError: y\n'
RAILS = "E, [2026-10-06T06:12:01.123456 #12] ERROR -- : [id] ActionController::BadRequest (x):\n"
NODE = "Error: x\n    at f (/app/a.js:1:2)\n    at node:internal/main:1:2\n"


@pytest.mark.parametrize(
    ("text", "products"),
    [
        (JAVA, ["jvm"]),
        (JAVA.replace("a.b.C.d", "org.springframework.C.d"), ["jvm", "spring"]),
        (JAVA.replace("a.B: y", "org.apache.velocity.B: y"), ["jvm", "velocity"]),
        (JAVA.replace("java.io.IOException", "java.sql.SQLException"), ["jvm", "sql"]),
        (SPRING, ["jvm", "spring"]),
        (PYTHON, ["python"]),
        (PYTHON.replace("app.views", "django.request"), ["python", "django"]),
        ("ERROR:django.security.DisallowedHost:x\n", ["python", "django"]),
        (RAILS, ["ruby_on_rails"]),
        (NODE, ["nodejs"]),
        ("2026-10-06 06:12:01,123 dt_send INFO x\n", ["paloalto"]),
        ('Exception in thread "main" java.lang.Error: x\n\tat a.B.c(B.java:1)\n', ["jvm"]),
    ],
)
def test_whose_a_log_is(text, products):
    """One event of all its lines, and a second look for each product that it names."""
    assert SOURCE.recognise(text.encode())
    events, errors = read(SOURCE, text)
    assert errors == []
    assert [event.gate.product for event in events] == products
    assert {event.text for event in events} == {text.rstrip("\n")}


def test_parts_of_an_event():
    """Header and lines below are parts of one event; the next header begins the next."""
    events, _ = read(SOURCE, JAVA + JAVA)
    assert [event.record for event in events] == [1, 5]
    assert events[0].time == "2026-10-06T06:12:01.123000Z"
    assert (events[0].fields["level"], events[0].fields["thread"], events[0].fields["logger"]) == (
        "ERROR",
        "http-1",
        "com.example.A",
    )
    assert events[0].fields["message"].startswith("failed\njava.io.IOException: x\n\tat")


def test_two_tracebacks_in_a_row():
    """Tracebacks without a header are events of their own, chained ones are one."""
    trace = PYTHON.partition("\n")[2]
    assert len(read(SOURCE, trace + trace)[0]) == 2
    chained = f"{trace}\nDuring handling of the above exception, another exception occurred:\n\n{trace}"
    assert len(read(SOURCE, chained)[0]) == 1


def test_an_event_has_a_most_of_lines():
    """Lines without end are cut into events, none is lost."""
    events, errors = read(SOURCE, JAVA + "\tat a.b.C.d(C.java:1)\n" * 5000)
    assert errors == []
    assert len(events) == 3
    assert sum(len(event.text.splitlines()) for event in events) == 5004


@pytest.mark.parametrize(
    "text", ["a\nb\nc\n", "key: value\nother: 1\n", "ERROR\nWARN\n", "2026-10-06 06:12:01 host1 something\n"]
)
def test_other_texts_are_not_taken(text):
    """Plain texts and headers of nobody belong to other sources."""
    assert not SOURCE.recognise(text.encode())


@pytest.mark.parametrize("start", ["", "    at ", "2026-10-06 06:12:01,123 ERROR [a] ", "E, [", '  File "', "java."])
@pytest.mark.parametrize("part", ["a", "a.", " ", ".A", "a/", ":1", "at a ", "[a] "])
def test_long_lines_take_linear_time(start, part):
    """A line of a megabyte made to harm takes less than two seconds."""
    assert seconds(SOURCE, (start + part * MEGABYTE)[:MEGABYTE]) < 2
