"""Output of clamscan and the log of clamd."""

from text_reading import read

from tocsin.sources.clamav import ClamavSource

SOURCE = ClamavSource()


def test_finds_are_looked_at_twice():
    """A find is a line of the product's log and a find of a scanner; other lines are lines alone."""
    text = "/a: OK\n/b c: Win.Trojan-1 FOUND\n----------- SCAN SUMMARY -----------\n"
    assert SOURCE.recognise(text.encode())
    events, errors = read(SOURCE, text)
    assert errors == []
    assert [(event.record, event.gate.product) for event in events] == [(1, "linux"), (2, "linux"), (2, "clamav"), (3, "linux")]
    assert events[2].fields == {"file": "/b c", "signature": "Win.Trojan-1"}


def test_lines_of_clamd_have_times():
    """The stamp of clamd's own log is read."""
    events, _ = read(SOURCE, "Tue Oct  6 06:12:01 2026 -> /b: Win.Trojan-1.UNOFFICIAL FOUND\n")
    assert {event.time for event in events} == {"2026-10-06T06:12:01.000000Z"}
    assert events[1].fields == {"file": "/b", "signature": "Win.Trojan-1"}


def test_recognition():
    """Paths alone are no output of a scanner."""
    assert not SOURCE.recognise(b"/a: something\n/b\n")
