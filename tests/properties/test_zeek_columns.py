"""The fast columns of Zeek's rows are those of its events, whatever the rows; no bytes make the reader raise or lose a line."""

from __future__ import annotations

import io

from hypothesis import example, given, settings
from hypothesis import strategies as st

from tocsin.events import KEYWORDS, TIME, Demand
from tocsin.events.values import decode
from tocsin.sources import text
from tocsin.sources.interface import EVENTS, Loss, Records, Stream
from tocsin.sources.zeek import ZeekSource
from tocsin.sources.zeek_layout import Layout, ZeekDecoder

_TYPES = st.sampled_from(
    ("time", "string", "count", "port", "int", "double", "interval", "bool", "enum", "set[string]", "vector[count]", "odd")
)
_TEXTS = st.one_of(
    st.sampled_from(
        (
            *("-", "(empty)", "", "T", "F", "0", "007", "-5", "1.50", "0.000001", "1e5", "1e999", "1791266400.25", "53/tcp"),
            *(
                "a,b",
                "-,-",
                "(empty),x",
                "\\x2c",
                "a\\x2cb,c",
                "\\\\a\\\\b",
                "\\a\\b",
                "\\xff\\xfe",
                "\\x00n",
                "\x00n",
                "\x00l[1]",
            ),
            *(
                '"',
                'a"b',
                "'",
                "\u00e9",
                "\ufeffx",
                "K\u212a",
                "True",
                "NA",
                "null",
                "NULL",
                "nan",
                "x y",
                "\x85",
                "\u2028",
                "\x0b",
            ),
        )
    ),
    st.text(st.characters(codec="utf-8", exclude_characters="\n\r\t"), max_size=5),
)
_SCREENS = st.sampled_from(((), ("a",), ("true",), ("1e",), ("zz", "b"), (",",), ("e-0",)))


@st.composite
def _tables(draw: st.DrawFn) -> tuple[Layout, list[bytes]]:
    width = draw(st.integers(1, 5))
    names = draw(st.lists(st.sampled_from(("ts", "id.orig_h", "b", "c.d", "e", "f g")), min_size=width, max_size=width))
    kinds = draw(st.lists(_TYPES, min_size=width, max_size=width))
    separator = draw(st.sampled_from(("\t", "\t", "\t", ",", "||")))
    row = st.lists(_TEXTS.filter(lambda text: separator not in text), min_size=width, max_size=width)
    rows = draw(st.lists(row, min_size=1, max_size=6)) * 8
    encoding = draw(st.sampled_from(("utf-8", "utf-8", "latin-1")))
    return Layout(tuple(names), tuple(kinds), "x", separator), [
        separator.join(texts).encode(encoding, "replace") for texts in rows
    ]


@settings(max_examples=400)
@given(_tables(), _SCREENS)
def test_columns_are_those_of_events(table: tuple[Layout, list[bytes]], screen: tuple[str, ...]) -> None:
    """Each cell is that of the event, and only keywords that the screen rules out may be left away."""
    layout, rows = table
    decoder = ZeekDecoder(layout)
    demand = Demand((*dict.fromkeys(layout.fields), "absent", "c", "b.x", TIME, KEYWORDS), screen)
    events = [decoder.event(layout.gate, row, 1) for row in rows]
    slow = EVENTS.columns(layout.gate, events, demand)
    fast = decoder.columns(layout.gate, rows, demand)
    for name in demand.fields:
        wanted = slow[name].to_pylist()
        found = fast[name].to_pylist() if name in fast else [None] * len(rows)
        if name == KEYWORDS:
            found = [cell if kept else None for cell, kept in zip(found, wanted, strict=True)]
        assert [cell and decode(cell) for cell in found] == [cell and decode(cell) for cell in wanted], name


@given(_tables(), st.integers(1, 50))
def test_blocks_change_nothing(table: tuple[Layout, list[bytes]], size: int) -> None:
    """However the bytes come in, each row is an event with its line, or a loss."""
    layout, rows = table
    head = f"#separator {layout.separator}\n" if layout.separator != "\t" else "#separator \\x09\n"
    lines = (layout.separator.join(("#fields", *layout.fields)), layout.separator.join(("#types", *layout.types)))
    data = (head + "\n".join(lines) + "\n").encode() + b"\n".join(rows) + b"\n"
    whole = _read(data)
    before, text.BLOCK_BYTES = text.BLOCK_BYTES, size
    try:
        assert _read(data) == whole
    finally:
        text.BLOCK_BYTES = before
    if layout.separator != "||":
        wanted = {at for at, row in enumerate(rows, 4) if row and not row.startswith(b"#") and len(layout.fields) > 1}
        assert wanted <= {number for number, _ in whole[0]}


def _read(data: bytes) -> tuple[list[tuple[int, str]], list[str]]:
    items = list(ZeekSource().read(Stream(io.BytesIO(data), "x")))
    events = [
        (number, repr(item.decoder.event(item.gate, raw, number)))
        for item in items
        if isinstance(item, Records)
        for raw, number in zip(item.raws, item.numbers, strict=True)
    ]
    return sorted(events), sorted(str(item.error) for item in items if isinstance(item, Loss))


@settings(max_examples=300)
@given(st.binary(max_size=200))
@example(b"#separator \\x0a\n#fields\na\n")
@example(b"#separator \\x5c\n#fields\\a\\b\n1\\2\n")
@example(b"#fields\t\t\n\t\t\n")
@example(b"#set_separator\t\n#fields\ta\tb\n#types\tset[x]\tset[]\n1\t2\n")
@example(b"#types\tset[set[count]]\n#fields\ta\tb\n\xff\xfe\t\x00\n")
def test_any_bytes(data: bytes) -> None:
    """Any bytes, alone or after a header, come to an end, and what is read has columns and events."""
    head = b"#separator \\x09\n#path\tconn\n#fields\tts\tuid\tx\n#types\ttime\tstring\tset[count]\n1\ta\t1,2\n"
    bare = b"1791266400.12\tCdRt5k2WvH1aQxZb9\t192.0.2.10\t49712\t192.0.2.40\t502\tREAD_COILS\t-\n"
    for whole in (data, head + data, head + data * 40, bare + data, bare * 30 + data + head):
        for item in ZeekSource().read(Stream(io.BytesIO(whole), "modbus.log")):
            if isinstance(item, Records):
                item.decoder.columns(item.gate, item.raws, Demand(("ts", "x", KEYWORDS, TIME)))
                for raw, number in zip(item.raws, item.numbers, strict=True):
                    assert item.decoder.event(item.gate, raw, number).record == number
