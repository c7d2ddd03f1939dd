"""The JSON kernel understands a line exactly as a parser does, or leaves it to the slow reader."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from tocsin.kernels.block import PAD_BYTES, SLOW, SUSPECT, Block
from tocsin.kernels.json import (
    FIELDS,
    MAX_ROW_TOKENS,
    NO_AT,
    NOT_NULL,
    OBJECT_ONLY,
    REFUSE,
    STRICT,
    TELLS_CHANNEL,
    TELLS_EVENT_ID,
    TEXT_ONLY,
    PathTable,
    read_lines,
)
from tocsin.kernels.json_scan import ESCAPED, FALSE, INTEGER, MAX_DEPTH, NULL, OTHER, TEXT, TRUE

NAMES = ("a", "b", "in.a", "in.in.a", "both", "both.a", "a-key-of-more-than-sixteen-bytes", "", "gate")
GATE = b'"gate":0'
"""What tells the gate of a line, without which every line is slow."""
Cells = dict[str, tuple[int, bytes]]


def _paths(layout: int = 0) -> PathTable:
    table = PathTable()
    inner = table.container(FIELDS, layout)
    innermost = table.container(NO_AT, layout)
    both = table.container(NO_AT | STRICT, layout)
    table.add(0, "a", 0)
    table.add(0, "b", 1)
    table.add(0, "in", inner=inner, flags=OBJECT_ONLY)
    table.add(inner, "a", 2)
    table.add(inner, "in", inner=innermost, flags=OBJECT_ONLY | NOT_NULL)
    table.add(innermost, "a", 3)
    table.add(0, "both", 4, both)
    table.add(both, "a", 5)
    table.add(0, NAMES[6], 6)
    table.add(0, "", 7)
    table.add(0, "refused", flags=REFUSE)
    table.add(0, "not null", flags=NOT_NULL)
    table.add(0, "text only", flags=TEXT_ONLY)
    beside = table.container(NO_AT, layout)
    table.add(0, "one", inner=beside)
    table.add(0, "other", inner=table.container(NO_AT, layout, beside))
    for container in (0, inner, innermost, both):
        table.add(container, "gate", 8, flags=TELLS_CHANNEL | TELLS_EVENT_ID)
    return table


PATHS = _paths().compile()
LAYERED = _paths(2).compile()


def fill(block: Block, data: bytes) -> None:
    """Put bytes into a block that held something else before."""
    block.clear()
    block.data[:] = ord('"')
    block.data[: len(data)] = memoryview(data)
    block.data[len(data) : len(data) + PAD_BYTES] = 0


def gated(data: bytes) -> bytes:
    """Return lines that tell their gate."""
    return b"\n".join(re.sub(rb"^(\s*\{)(\s*\}?)", _gate, line) for line in data.split(b"\n"))


def _gate(begin: re.Match[bytes]) -> bytes:
    return begin[1] + GATE + (b"" if begin[2].endswith(b"}") else b",") + begin[2]


def read(data: bytes, paths: tuple[Any, ...] = PATHS) -> Block:
    """Return a block with the lines of some bytes, to each of which its gate is added."""
    data = gated(data)
    block = Block(len(data) + 8, 1 + data.count(b"\n"), MAX_ROW_TOKENS + data.count(b":"))
    fill(block, data)
    assert read_lines(block, 0, len(data), 0, paths)[0] == len(data)
    return block


def rows(block: Block) -> Iterator[tuple[int, bytes, Cells | None]]:
    """Yield number, bytes, and cells (None: slow) of each row."""
    begin = 0
    for row in range(block.rows):
        end = int(block.row_end[row])
        cells: Cells = {}
        for token in range(begin, end):
            at, size = int(block.token_at[token]), int(block.token_size[token])
            cells[NAMES[block.token_name[token]]] = (int(block.token_kind[token]), block.data[at : at + size].tobytes())
        slow = bool(block.row_flags[row] & SLOW)
        assert not (slow and cells)
        raw = block.raw(row)
        assert slow or cells.pop("gate") == (INTEGER, b"0")
        yield int(block.row_number[row]), re.sub(GATE + b",?", b"", raw, count=1), None if slow else cells
        begin = end


def cells_of(line: bytes) -> Cells | None:
    """Return the cells of one line, whose row is just its bytes, with and without a line break behind it."""
    ((number, raw, cells),) = rows(read(line))
    assert (number, raw.strip()) == (1, line.strip())
    ((_, _, again),) = rows(read(line + b"\n"))
    assert cells == again
    return cells


def value_of(value: bytes) -> tuple[int, bytes] | None:
    """Return the cell of a value alone, which is the same first, last, and under a key that nobody wants."""
    lines = (b'{"a":%b}', b'{"a": %b }', b'{"x":0,"a":\t%b\t,"b":1}', b'{"x":%b,"a":%b}')
    found = [cells_of(line.replace(b"%b", value)) for line in lines]
    assert len({None if cells is None else cells.get("a") for cells in found}) == 1, found
    return None if found[0] is None else found[0]["a"]


def meaning(kind: int, raw: bytes) -> object:
    """Return the value of a cell."""
    if kind in (TEXT, ESCAPED):
        return json.loads(b'"' + raw + b'"')
    return json.loads(raw)


KINDS = {
    b'""': (TEXT, b""),
    b'"x"': (TEXT, b"x"),
    b'"a/\'<b>\x7f"': (TEXT, b"a/'<b>\x7f"),
    '"Straße 😀 \u2028"'.encode(): (TEXT, "Straße 😀 \u2028".encode()),
    b"0": (INTEGER, b"0"),
    b"-1": (INTEGER, b"-1"),
    b"1" * 18: (INTEGER, b"1" * 18),
    b"-" + b"9" * 18: (INTEGER, b"-" + b"9" * 18),
    b"1" * 19: (OTHER, b"1" * 19),
    b"1" * 90: (OTHER, b"1" * 90),
    b"1e99": (OTHER, b"1e99"),
    b"-0": (OTHER, b"-0"),
    b"-0.0": (OTHER, b"-0.0"),
    b"0.5": (OTHER, b"0.5"),
    b"1e5": (OTHER, b"1e5"),
    b"1E+05": (OTHER, b"1E+05"),
    b"-1.25e-7": (OTHER, b"-1.25e-7"),
    b"0e0": (OTHER, b"0e0"),
    b"true": (TRUE, b"true"),
    b"false": (FALSE, b"false"),
    b"null": (NULL, b"null"),
    b"[]": (OTHER, b"[]"),
    b"[ ]": (OTHER, b"[ ]"),
    b"{}": (OTHER, b"{}"),
    b'[1,"a",null,[true,{"b":[]}],{}]': (OTHER, b'[1,"a",null,[true,{"b":[]}],{}]'),
    b'{"a": {"b" :[1 , 2]} , "c":-0.5e3}': (OTHER, b'{"a": {"b" :[1 , 2]} , "c":-0.5e3}'),
}


@pytest.mark.parametrize("value", KINDS)
def test_kinds(value: bytes) -> None:
    """Each kind of value has its kind and its bytes."""
    assert value_of(value) == KINDS[value]


@pytest.mark.parametrize(
    "value",
    [
        *(b"00", b"01", b"-", b"-01", b"+1", b".5", b"1.", b"1.e5", b"1e", b"1e+", b"1e-", b"0x10", b"1_000", b"--1", b"1-2"),
        *(b"tru", b"truee", b"True", b"TRUE", b"fals", b"falsey", b"nul", b"nulll", b"nil", b"NaN", b"Infinity", b"-Infinity"),
        *(b"1" * 400, b"1e400", b"1e-400", b"0.5E+400"),
        *(b"1a", b"1 2", b'1"', b'"a"b', b'"a" "b"', b"'a'", b"a", b"", b":", b",", b"\xa0", b"\x0b1", b"1\x0c", b"\x001"),
        *(b"[", b"]", b"{", b"[1", b"[1,]", b"[,1]", b"[1 2]", b"[1,,2]", b"[}", b"{]", b"[1}", b"[:]", b"[tru]", b"[01]"),
        *(b'{"a"}', b'{"a":}', b'{"a":1,}', b"{a:1}", b"{1:2}", b'{"a" 1}', b'{,"a":1}', b'{"a":1 "b":2}', b'{"a":1]'),
        *(b'["a]', b'[""a""]', b'["\\x"]', b'["a\x1fb"]', b'["\xff"]', b'{"a\\q":1}', b"[1]]", b"[[1]", b"[1\x0b]", b"[\x00]"),
    ],
)
def test_what_is_no_value(value: bytes) -> None:
    """What is no JSON value, or a number that may be out of range, makes its line slow."""
    assert cells_of(b'{"a":' + value + b"}") is None
    assert cells_of(b'{"x":' + value + b',"b":1}') is None


@pytest.mark.parametrize("form", [b"[%b]", b'{"k":%b}', b'[1, %b ,"x"]'])
def test_nesting(form: bytes) -> None:
    """A value may be nested up to a depth; beyond it the line is slow."""

    def nested(depth: int) -> bytes:
        text = b"{}"
        for _ in range(depth - 1):
            text = form.replace(b"%b", text)
        return text

    for depth in (1, 2, 30, 31, 32, 33, MAX_DEPTH - 1, MAX_DEPTH):
        assert value_of(nested(depth)) == (OTHER, nested(depth))
    for depth in (MAX_DEPTH + 1, MAX_DEPTH + 2, 64, 65, 128, 5000):
        assert cells_of(b'{"a":' + nested(depth) + b"}") is None
    assert cells_of(b'{"a":' + b"[" * 100_000 + b"}") is None


ESCAPES = {
    rb"\"": '"',
    rb"\\": "\\",
    rb"\/": "/",
    rb"\b": "\b",
    rb"\f": "\f",
    rb"\n": "\n",
    rb"\r": "\r",
    rb"\t": "\t",
    rb"\u0041": "A",
    rb"\u00e9": "é",
    rb"\u00E9": "é",
    rb"\uFFFF": "\uffff",
    rb"\ud7ff": "\ud7ff",
    rb"\ue000": "\ue000",
    rb"\u0001": "\x01",
    rb"\\u0041": "\\u0041",
    rb"\\\u0041": "\\A",
    rb"\u005cu0041": "\\u0041",
}
NO_ESCAPES = (
    *(rb"\u0000", rb"\ud800", rb"\udfff", rb"\ud83d\ude00", rb"\uDBFF\uDFFF", rb"\udc00\ud800"),
    *(rb"\u", rb"\u1", rb"\u004", rb"\u004g", rb"\u00:1", rb"\u +11", rb"\U0041", rb"\x41", rb"\'", rb"\a", rb"\v", rb"\0"),
    *(b"\\\n", b"\\\x00", b"\\ ", "\\é".encode(), b"\\\xff", b"\\\\\\q", b"\\u00\\u0041"),
)
BOUNDARIES = (*range(8), *range(54, 72), *range(118, 136))


@pytest.mark.parametrize("escape", ESCAPES)
def test_escapes(escape: bytes) -> None:
    """Each escape is known wherever it stands, also across the borders of vectors."""
    for before in BOUNDARIES:
        raw = b"x" * before + escape
        for more in (b"", b"y", b"\\\\", b"y" * 64):
            cells = cells_of(b'{"a":"' + raw + more + b'","b":1}')
            assert cells == {"a": (ESCAPED, raw + more), "b": (INTEGER, b"1")}
            assert meaning(*cells["a"]) == "x" * before + ESCAPES[escape] + more.decode().replace("\\\\", "\\")


@pytest.mark.parametrize("escape", NO_ESCAPES)
def test_other_escapes(escape: bytes) -> None:
    """What is no escape, and what only the slow reader decodes, makes the line slow."""
    for before in BOUNDARIES:
        for form in (b'{"a":"%b"}', b'{"x":"%b"}', b'{"x":["%b"]}', b'{"x":{"%b":1}}'):
            raw = b"x" * before + escape
            assert all(cells is None for _, _, cells in rows(read(form.replace(b"%b", raw)))), raw


@pytest.mark.parametrize("tail", [b"", b"n", b"y", b"u0041"])
def test_runs_of_backslashes(tail: bytes) -> None:
    """A run of backslashes of any length anywhere escapes what follows it when its length is odd."""
    lines, wanted = [], []
    for before in BOUNDARIES:
        for length in (*range(9), *range(58, 70), *range(125, 131), 191, 192, 193):
            raw = b"x" * before + b"\\" * length + tail
            line = b'{"a":"' + raw + b'","b":1}'
            lines.append(line)
            try:
                wanted.append(msgspec.json.decode(line)["a"])
            except msgspec.DecodeError:
                wanted.append(None)
    for line, want, (_, raw, cells) in zip(lines, wanted, rows(read(b"\n".join(lines))), strict=True):
        assert raw == line
        assert (None if cells is None else meaning(*cells["a"])) == want, line


def test_control_characters() -> None:
    """A control character in a text makes the line slow wherever it stands; the one after the quote does not."""
    for code in range(32):
        for before in BOUNDARIES:
            inside = b'{"a":"' + b"x" * before + bytes([code]) + b'"}'
            assert all(cells is None for _, _, cells in rows(read(inside))), inside
            key = b'{"' + b"x" * before + bytes([code]) + b'":1}'
            assert all(cells is None for _, _, cells in rows(read(key))), key
    assert cells_of(b'{"a":"x"\t\r ,\t"b"\r:\t1}\t\r') == {"a": (TEXT, b"x"), "b": (INTEGER, b"1")}


def _utf8() -> Iterator[bytes]:
    edges = (0x80, 0x7FF, 0x800, 0xFFF, 0x1000, 0xCFFF, 0xD000, 0xD7FF, 0xE000, 0xFFFF, 0x10000, 0x3FFFF, 0x40000, 0x10FFFF)
    good = [chr(code).encode() for code in edges]
    yield from good
    for text in good:
        yield text[:-1]
        yield text[1:]
        yield text + b"\x80"
        yield text[:-1] + b"x"
        for at in range(len(text)):
            for byte in (0x00, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xC1, 0xC2, 0xE0, 0xED, 0xF0, 0xF4, 0xF5, 0xFF):
                yield text[:at] + bytes([byte]) + text[at + 1 :]


def test_utf8() -> None:
    """Valid UTF-8 passes, all else makes the line slow: every lead byte, every limit, at the borders of vectors."""
    texts = sorted({*_utf8(), *(bytes([lead, 0x80]) for lead in range(0x80, 0x100))})
    for before in (0, 1, 7, 60, 61, 62, 63, 64, 65, 125):
        for text in texts:
            raw = b"x" * before + text
            try:
                raw.decode()
                good = min(raw) >= 32
            except UnicodeDecodeError:
                good = False
            wanted = {"a": (TEXT, raw)} if good else None
            assert cells_of(b'{"a":"' + raw + b'"}') == wanted, raw
            assert cells_of(b'{"x":["' + raw + b'"]}') == ({} if good else None), raw
            assert cells_of(b'{"' + raw + b'":1}') == ({} if good else None), raw


def test_texts_of_every_length() -> None:
    """Texts and keys of every length end where they end."""
    for size in range(200):
        text = b"\xc3\xa9" * (size // 2) + b"z" * (size % 2)
        for raw in (b"z" * size, text):
            assert cells_of(b'{"a":"' + raw + b'","' + b"k" * (size + 2) + b'":"' + raw + b'","b":true}') == {
                "a": (TEXT, raw),
                "b": (TRUE, b"true"),
            }


def test_keys() -> None:
    """A key is wanted only as a whole, in its own container, whatever its length."""
    long = NAMES[6].encode()
    assert cells_of(b'{"' + long + b'":1,"":2}') == {NAMES[6]: (INTEGER, b"1"), "": (INTEGER, b"2")}
    for other in (long[:-1], long + b"!", long[:-1] + b"z", b"aa", b"A", b"\xc3\xa9", b"in.a", b"x" * 3000):
        assert cells_of(b'{"' + other + b'":1}') == {}
    assert cells_of(b'{"in":{"a":1,"b":2,"in":{"a":3,"b":4}},"a":5}') == {
        "in.a": (INTEGER, b"1"),
        "in.in.a": (INTEGER, b"3"),
        "a": (INTEGER, b"5"),
    }
    assert cells_of(b'{"x":{"a":1,"in":{"a":2}}}') == {}
    for escaped in (b'{"\\u0061":1}', b'{"x\\n":1}', b'{"in":{"\\\\":1}}', b'{"a":1,"\\/":2}'):
        assert cells_of(escaped) is None


@pytest.mark.parametrize(
    "line",
    [
        b'{"in":1}',
        b'{"in":"x"}',
        b'{"in":[]}',
        b'{"in":true}',
        b'{"in":{"in":null}}',
        b'{"in":{"in":{"@a":1}}}',
        b'{"both":{"a":1,"x":2}}',
        b'{"both":{"@a":1}}',
        b'{"refused":null}',
        b'{"refused":{}}',
        b'{"a":1,"refused":1}',
        b'{"not null":null}',
        b'{"in":{},"in":{}}',
        b'{"in":{"a":1},"in":{"a":2}}',
        b'{"in":{"in":{},"in":{}}}',
        b'{"both":{},"both":{}}',
        b'{"both":{"a":1},"both":2}',
        b'{"both":2,"both":{"a":1}}',
        b'{"both":{"a":1},"both":null}',
        b'{"both":null,"both":{"a":1}}',
        b'{"in":{"a":1},"in":null}',
    ],
)
def test_what_containers_refuse(line: bytes) -> None:
    """A line is slow when a container holds what only the slow reader understands, or stands there twice."""
    assert cells_of(line) is None


@pytest.mark.parametrize(
    ("line", "layout"),
    [
        (b'{"gate":1}', 0),
        (b'{"gate":1,"my key":1}', 1),
        (b'{"my key":1,"x":{"my key":1},"gate":1}', 1),
        (b'{"gate":1,"x":{"my key":1}}', 0),
        (b'{"gate":1,"x":"my text"}', 0),
        (b'{"gate":1,"in":null}', 0),
        (b'{"gate":1,"both":1}', 0),
        (b'{"in":{"gate":1}}', 2),
        (b'{"in":{"gate":1},"gate":null}', 2),
        (b'{"in":{"gate":1,"my key":1}}', 3),
        (b'{"in":{"gate":1,"in":{"my key":1}}}', 2),
        (b'{"both":{"gate":1}}', 2),
        (b"{}", None),
        (b'{"gate":null}', None),
        (b'{"x":{"gate":1}}', None),
        (b'{"gate":1,"in":{}}', None),
        (b'{"in":{},"gate":1}', None),
        (b'{"in":{"gate":null}}', None),
    ],
)
def test_layouts(line: bytes, layout: int | None) -> None:
    """The layout of a row tells its containers, and spaces in keys; one that does not tell its gate there is slow."""
    block = Block(len(line), 1, MAX_ROW_TOKENS)
    fill(block, line)
    read_lines(block, 0, len(line), 0, LAYERED)
    assert (None if block.row_flags[0] & SLOW else block.row_layout[0]) == layout


def test_duplicate_keys() -> None:
    """The last of several values of a key counts, whatever their kinds."""
    values = [*KINDS]
    for first, last in zip(values, values[1:] + values[:1], strict=True):
        assert cells_of(b'{"a":%b,"b":1,"a":%b}' % (first, last)) == {"a": KINDS[last], "b": (INTEGER, b"1")}


@pytest.mark.parametrize(
    "value", [*KINDS, b'{"#text":"x"}', b'{"#text":["x",{"a":1}]}', b'{"#text":{"a":1}}', b'{"#text":-1.5}']
)
def test_texts_only(value: bytes) -> None:
    """Where a text is expected an array makes the line slow, and so does an object that holds more than a text."""
    fine = value[:1] not in b"[{" or value.startswith(b'{"#text":')
    for line in (b'{"a":1,"text only":%b}', b'{"text only":%b,"a":1}', b'{"text only": %b ,"text only":1,"a":1}'):
        assert cells_of(line % value) == ({"a": (INTEGER, b"1")} if fine else None)


@pytest.mark.parametrize(
    "value",
    [
        *(b'{"#text":"x","@a":1}', b'{"@a":1,"#text":"x"}', b'{"#text":"x","#text":"y"}', b'{"#texts":"x"}', b'{"#text" :"x"}'),
        *(b'{ "#text":"x"}', b'{"#text":"x" }', b'[{"#text":"x"}]', b'{"#tex":"x"}', b'{"":1}'),
    ],
)
def test_no_texts_only(value: bytes) -> None:
    """What is written in any other way is slow too."""
    assert cells_of(b'{"text only":%b,"a":1}' % value) is None
    assert cells_of(b'{"x":%b,"a":1}' % value) == {"a": (INTEGER, b"1")}


def test_containers_beside_each_other() -> None:
    """A line with two containers of which the later one counts is slow, whatever they hold."""
    assert cells_of(b'{"one":{"b":1},"a":1}') == cells_of(b'{"other":{"b":1},"a":1}') == {"a": (INTEGER, b"1")}
    for one, other in ((b"{}", b"{}"), (b'{"b":1}', b"null"), (b"1", b'{"b":1}')):
        assert cells_of(b'{"one":%b,"a":1,"other":%b}' % (one, other)) is None
        assert cells_of(b'{"other":%b,"one":%b,"in":{},"gate":1}' % (one, other)) is None


@pytest.mark.parametrize(
    "line",
    [
        *(b"x", b"[]", b"[{}]", b"1", b"null", b'"a"', b"}", b"{", b'{"', b'{"a', b'{"a"', b'{"a":', b'{"a":1', b'{"a":1,'),
        *(b'{"a":1,}', b"{,}", b'{"a":1 "b":2}', b'{"a":1}}', b'{"a":1}{"a":2}', b'{"a":1} {"a":2}', b'{"a":1},', b'{"a":1}x'),
        *(
            b'{"a":"',
            b'{"a":"x',
            b'{"a":"x\\',
            b'{"a":"x\\"',
            b'{"a":"\\u',
            b'{"a":"\\u00',
            b'{"a":[',
            b'{"a":[1',
            b'{"a":{"b"',
        ),
        *(
            b"{\x00}",
            b'{"a":1}\x00',
            b"\x00",
            b'\xef\xbb\xbf{"a":1}',
            b'\x0b{"a":1}',
            b'{"a":1}\x0c',
            b'{"a"\x0b:1}',
            b"{}\xff",
        ),
    ],
)
def test_what_is_no_object(line: bytes) -> None:
    """A line that is not just one whole object is slow, and costs no other line."""
    assert [cells for _, _, cells in rows(read(line))] == [None]
    around = b'{"a":1}\n' + line + b'\n{"a":2}\n'
    found = list(rows(read(around)))
    assert [raw for _, raw, _ in found] == [b'{"a":1}', line, b'{"a":2}']
    assert [cells for _, _, cells in found] == [{"a": (INTEGER, b"1")}, None, {"a": (INTEGER, b"2")}]


def test_lines() -> None:
    """Blank lines are no rows but count, CRLF is a line break, and the last line needs none."""
    data = b'\n\r\n{"a":1}\r\n \t \n{"a":2}\n\n\n  {"a":3}  \nx\n{}'
    found = list(rows(read(data)))
    assert [number for number, _, _ in found] == [3, 5, 8, 9, 10]
    assert [raw.strip() for _, raw, _ in found] == [b'{"a":1}', b'{"a":2}', b'{"a":3}', b"x", b"{}"]
    assert [cells and cells["a"][1] for _, _, cells in found] == [b"1", b"2", b"3", None, {}]


@pytest.mark.parametrize("data", [b"", b"\n", b"\r\n\r\n", b" ", b" \t\r\n \n", b"\n" * 200])
def test_no_lines(data: bytes) -> None:
    """Nothing but blank lines gives no row."""
    block = Block(len(data) + 8, 4, MAX_ROW_TOKENS)
    fill(block, data)
    assert read_lines(block, 0, len(data), 7, PATHS) == (len(data), 7 + data.count(b"\n") + (data[-1:] == b" "))
    assert block.rows == 0


def test_most_tokens() -> None:
    """A line of more tokens than a row may have is slow, and the next line is not."""
    for count, slow in ((MAX_ROW_TOKENS - 2, False), (MAX_ROW_TOKENS - 1, False), (MAX_ROW_TOKENS, True), (5000, True)):
        line = b"{" + b",".join(b'"a":%d' % number for number in range(count)) + b"}"
        first, second = (cells for _, _, cells in rows(read(line + b'\n{"b":1}')))
        assert (first is None) == slow
        assert slow or first == {"a": (INTEGER, b"%d" % (count - 1))}
        assert second == {"b": (INTEGER, b"1")}


LINES = gated(
    b"\n".join(
        [b'{"a":%d,"b":"%b","in":{"a":[%d]}}' % (number, b"y" * (number * 7 % 130), number) for number in range(40)]
        + [b"", b"broken", b'{"a":"\\ud800"}', b'{"a":{"b":1},"a":"last"}', b"{}", b'{"b":"' + b"z" * 3000 + b'"}']
    )
)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 41])
def test_tables_that_run_out(size: int) -> None:
    """With tables for a few rows or tokens only, reading goes on where it stopped and gives the same rows."""
    block = Block(len(LINES) + 8, 100, 1 << 16)
    fill(block, LINES)
    read_lines(block, 0, len(LINES), 0, PATHS)
    whole = list(rows(block))
    for count, tokens in ((size, 1 << 16), (100, MAX_ROW_TOKENS + size)):
        block = Block(len(LINES) + 8, count, tokens)
        fill(block, LINES)
        found, place, line = [], 0, 0
        while place < len(LINES):
            block.rows = block.tokens = 0
            before = place
            place, line = read_lines(block, place, len(LINES), line, PATHS)
            assert place > before
            found += list(rows(block))
        assert found == whole
        assert line == LINES.count(b"\n") + 1


def test_reading_in_pieces() -> None:
    """Lines that are read in pieces, one after another into one block, are the same rows."""
    block = Block(len(LINES) + 8, 100, 1 << 16)
    fill(block, LINES)
    read_lines(block, 0, len(LINES), 0, PATHS)
    whole = list(rows(block))
    block = Block(len(LINES) + 8, 100, 1 << 16)
    fill(block, LINES)
    place = line = 0
    for end in (*(at + 1 for at, byte in enumerate(LINES) if byte == 10), len(LINES)):
        held = block.data[end : end + PAD_BYTES].copy()
        block.data[end : end + PAD_BYTES] = 0
        place, line = read_lines(block, place, end, line, PATHS)
        assert place == end
        block.data[end : end + PAD_BYTES] = held
    assert list(rows(block)) == whole


def test_every_cut() -> None:
    """A line that is cut off anywhere is slow, or blank, and nothing after the end is read."""
    line = '{"gate":0,"a": "x\\u0041\\\\é😀", "b":[1,{"c":"\\n"}], "in":{"a":-1.5e3,"in":{"a":null}}, "both":true}'.encode()
    for cut in range(1, len(line)):
        for rest in (b"", b'{"gate":0,"a":1}\n'):
            block = Block(len(rest) + len(line) + PAD_BYTES, 4, 2 * MAX_ROW_TOKENS)
            data = rest + line[:cut]
            fill(block, data)
            block.data[len(data) + PAD_BYTES :] = ord("}")
            assert read_lines(block, 0, len(data), 0, PATHS)[0] == len(data)
            assert [cells for _, _, cells in rows(block)][-1] is None
            assert block.raw(block.rows - 1) == line[:cut]


@pytest.mark.parametrize(
    ("line", "suspect"),
    [
        (b'{"a":"plain"}', False),
        (rb'{"a":"\u0041"}', True),
        (rb'{"x":"\u0041"}', True),
        (rb'{"x":["\u0041"]}', True),
        (rb'{"x":{"\u0041":1}}', True),
        (rb'{"a":"\u212a"}', True),
        (rb'{"a":"\u00df"}', True),
        (rb'{"a":"\u017f"}', True),
        (rb'{"a":"\ufb00"}', True),
        (rb'{"a":"\u003c\u003e\u0026\u0027\u0022\u002f\u005c"}', False),
        (rb'{"a":"\u00e9\u0009\n\t\\"}', False),
    ],
)
def test_suspects(line: bytes, suspect: bool) -> None:
    """A row that writes a character as an escape, of which a keyword may be made, is marked."""
    assert bool(read(line).row_flags[0] & SUSPECT) == suspect


def test_every_escape_of_a_character() -> None:
    """Every character of the basic plane that is escaped is decoded by the row's reader, or the row is slow."""
    lines = [b'{"gate":0,"a":"\\u%04x"}' % code for code in range(1 << 16)]
    block = Block(1 << 22, 1 << 16, 1 << 18)
    fill(block, b"\n".join(lines))
    read_lines(block, 0, len(b"\n".join(lines)), 0, PATHS)
    for code, (_, _, cells) in enumerate(rows(block)):
        if code == 0 or 0xD800 <= code <= 0xDFFF:
            assert cells is None
        else:
            assert cells is not None
            assert meaning(*cells["a"]) == chr(code)
            keeps = any(char.isascii() and (char.isalnum() or char in " #*+-.:=?@[]_()") for char in chr(code).casefold())
            assert not keeps or block.row_flags[code] & SUSPECT, code
