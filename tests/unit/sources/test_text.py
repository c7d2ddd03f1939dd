"""Reading text: encodings, lines, losses, groups."""

import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tocsin.errors import SourceError
from tocsin.events import Event, Gate
from tocsin.sources.interface import HEAD_BYTES, Loss, Records, Stream
from tocsin.sources.text import BLOCK_BYTES, Line, Losses, Sized, encoding_of, grouped, head_lines, read_lines

TEXT = "first\nzweite Zeile mit Ü\n\nlast"


class Broken(io.BytesIO):
    """A file that breaks off with an error after its bytes."""

    def read(self, size=-1):
        """Return bytes, or raise at the end."""
        data = super().read(size)
        if not data:
            raise SourceError("F004", "broken off")
        return data


def lines(data, limit=1 << 20):
    """Return the lines and the losses of some bytes."""
    losses = Losses()
    found = list(read_lines(Stream(io.BytesIO(data), "x"), losses, limit))
    found += losses.close()
    return [x for x in found if isinstance(x, Line)], [x.error for x in found if isinstance(x, Loss)]


@pytest.mark.parametrize(
    "data",
    [
        TEXT.encode(),
        TEXT.encode("utf-8-sig"),
        TEXT.encode("utf-16"),
        TEXT.encode("utf-16-le"),
        TEXT.encode("utf-16-be"),
        b"\xfe\xff" + TEXT.encode("utf-16-be"),
        TEXT.replace("\n", "\r\n").encode(),
        TEXT.encode("latin-1"),
    ],
)
def test_every_encoding_gives_the_same_lines(data):
    """UTF-8, UTF-16 and Latin-1, with and without mark and CR, read alike."""
    found, losses = lines(data)
    assert [(line.number, line.text) for line in found] == list(enumerate(TEXT.split("\n"), 1))
    assert losses == []
    assert head_lines(data, 2) == ["first", "zweite Zeile mit Ü"]


def test_one_line_of_another_encoding_leaves_the_others():
    """A line that is no UTF-8 is read as Latin-1 alone."""
    found, _ = lines("ä\n".encode() + b"\xe4\n" + "ä".encode())
    assert [line.text for line in found] == ["ä", "ä", "ä"]


def test_a_long_line_is_a_loss_and_the_next_is_read():
    """A line over the limit is reported with its number."""
    found, losses = lines(b"a\n" + b"x" * 3_000_000 + b"\nb\n" + b"y" * 3_000_000)
    assert [(line.number, line.text) for line in found] == [(1, "a"), (3, "b")]
    assert [(e.code, e.message.partition(":")[0]) for e in losses] == [("F013", "line 2"), ("F013", "line 4")]


def test_utf16_blocks_may_end_inside_a_character():
    """Text longer than a block survives the borders of blocks."""
    text = "x" + "äöü€😀\n" * 60_000
    found, _ = lines(text.encode("utf-16"))
    assert "\n".join(line.text for line in found) + "\n" == text


def test_a_stream_that_breaks_off_keeps_what_was_read():
    """The lines before the fault are yielded, then the fault."""
    whole_blocks = 2 * BLOCK_BYTES
    found = list(read_lines(Stream(Broken(b"a\n" * (whole_blocks // 2) + b"b\n" * 9), "x"), Losses()))
    assert len(found) > whole_blocks // 2
    assert isinstance(found[-1], Loss)
    assert found[-1].error.message == "broken off"


def test_losses_are_joined_and_counted():
    """Neighbouring faults become one loss, and beyond the most only their number is told."""
    losses = Losses(most=2)
    found = [loss for number in (1, 2, 3, 9, 20, 30, 31) for loss in losses.add("F006", "bad", number, sample="abc")]
    found += losses.close()
    assert [loss.error.message for loss in found] == [
        "lines 1-3: bad: 'abc'",
        "line 9: bad: 'abc'",
        "3 more lines could not be read",
    ]


def test_groups_are_bounded_and_views_apart():
    """Events come in groups of at most 2,000, the second view as not counted."""
    event = Event(Gate("", "x", ""), {}, {})
    found = list(grouped([Sized(event, 10), Sized(event, 0, counted=False)] * 3000))
    assert all(isinstance(item, Records) and len(item.raws) <= 2000 for item in found)
    assert sum(len(item.raws) for item in found if item.counted) == 3000
    assert sum(item.size_bytes for item in found) == 30_000


def test_nul_bytes_alone_are_no_utf16():
    """A block of NULs, as a crash leaves, is no sign of UTF-16."""
    assert encoding_of(b"\0" * 400 + b"Oct  3 06:12:44 host") == ("utf-8", 0)


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=4000), st.integers(1, 50))
def test_any_bytes_are_lines_or_losses(data, limit):
    """Reading arbitrary bytes never raises, loses no line, and is the same twice."""
    found, losses = lines(data, limit)
    assert lines(data, limit)[0] == found
    assert all("\n" not in line.text for line in found)
    assert losses or len(found) >= data.decode("utf-8", "replace").count("\n") * (encoding_of(data)[0] == "utf-8")


@pytest.mark.parametrize("size", [1, 7, HEAD_BYTES, HEAD_BYTES + 1, 3 * HEAD_BYTES])
@pytest.mark.parametrize("whole", [1, HEAD_BYTES, HEAD_BYTES + 10])
def test_an_error_costs_no_byte_before_it(size: int, whole: int) -> None:
    """Whatever is asked for at once, all bytes before an error come first, and the error is raised each time after."""
    data = bytes(number % 251 for number in range(whole))
    stream, got = Stream(Broken(data), "x"), bytearray()
    while len(got) < whole:
        got += stream.read(size)
    assert got == data
    with pytest.raises(SourceError, match="broken off"):
        stream.read(size)
