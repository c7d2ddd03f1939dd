"""Whatever tshark may tell of a packet: no tree and no line makes an error, and every event can be compared and written."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from tocsin.events.values import encode
from tocsin.sources import capture
from tocsin.sources.capture import _Reader as Reader
from tocsin.sources.interface import Loss

CODE = sorted(Path(capture.__file__).parent.glob("capture*.py"))
NAMES = sorted({name for path in CODE for name in re.findall(r'"([A-Za-z_0-9]+(?:[. ][A-Za-z_0-9.]+)*)"', path.read_text())})
LAYERS = ("modbus", "mbtcp", "dnp3", "iec60870_104", "iec60870_asdu", "cotp", "s7comm", "data", "enip", "cip", "cipcm", "bvlc")
TEXTS = st.one_of(
    st.sampled_from(
        ("", "0", "1", "-1", "0x", "0x05", "7", "8", "129", "²", "1_0", "00:01", "72:03:ff", "nan", "1e999", "9" * 30)
    ),
    st.integers(0, 260).map(str),
    st.integers(0, 0x7FFF).map(hex),
    st.text(max_size=6),
)
LEAVES = st.one_of(TEXTS, st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False))
KEYS = st.one_of(st.sampled_from(NAMES), st.text(max_size=4))
TREES = st.recursive(
    LEAVES, lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(KEYS, inner, max_size=5)), max_leaves=25
)
OUTER = st.dictionaries(st.sampled_from((*LAYERS, "bacapp", "opcua", "ip", "tcp", "udp")), TREES, max_size=8)
LINES = st.dictionaries(
    st.sampled_from([name.replace(".", "_") for name in NAMES if "." in name]), st.lists(TREES, max_size=3), max_size=12
)
ENDS = {"ip_src": ["10.0.0.1"], "ip_dst": ["10.0.0.2"], "tcp_srcport": ["80"], "tcp_dstport": ["50000"]}


def _check(reader: Reader, view: int, data: bytes) -> None:
    for item in [*reader.take(view, data), *reader.close()]:
        if isinstance(item, Loss):
            assert item.error.code == "F006"
            continue
        for event in item.raws:
            assert event.record == 3
            assert msgspec.json.encode(dict(event.original))
            assert all(isinstance(encode(value), str) for value in event.fields.values())


@given(OUTER)
def test_any_tree(layers: dict[str, object]) -> None:
    """A tree of any form is events, or a loss."""
    tree = {"_source": {"layers": {"frame": {"frame.number": "3", "frame.time_epoch": "5.5"}, **layers}}}
    _check(Reader(), 1, msgspec.json.encode(tree))


@given(LINES)
def test_any_line(fields: dict[str, list[object]]) -> None:
    """A line of any form is events, or a loss."""
    _check(Reader(), 0, msgspec.json.encode({"layers": {**fields, **ENDS, "frame_number": ["3"]}}) + b"\n")
