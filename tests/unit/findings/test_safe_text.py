"""Text that a terminal would obey or hide is made visible, and nothing else is changed."""

from __future__ import annotations

import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.findings.text import safe_json, safe_text

INVISIBLE = {"Cc", "Zl", "Zp", "Cs"}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain text 'with' \\slashes\\", "plain text 'with' \\slashes\\"),
        ("Ünïcödé 日本語 \U0001f600", "Ünïcödé 日本語 \U0001f600"),
        ("می\u200cخواهم", "می\u200cخواهم"),
        ("\x1b[31mred\x1b[0m", "\\x1b[31mred\\x1b[0m"),
        ("a\tb\r\nc\0\x7f", "a\\x09b\\x0d\\x0ac\\x00\\x7f"),
        ("\x9b2J", "\\x9b2J"),
        ("exe\u202egpj", "exe\\u202egpj"),
        ("\u2066\u2069\u200e\u061c", "\\u2066\\u2069\\u200e\\u061c"),
        ("a\u2028b\ufeff", "a\\u2028b\\ufeff"),
        ("\ud800", "\\ud800"),
        ("\U000e0041", "\\U000e0041"),
    ],
)
def test_known_texts(text: str, shown: str) -> None:
    """Each kind of character has its visible form."""
    assert safe_text(text) == shown


@given(st.text(st.characters()))
def test_no_control_character_is_left(text: str) -> None:
    """Whatever comes in, the result is one line of visible text that can be encoded."""
    shown = safe_text(text)
    assert not [char for char in shown if unicodedata.category(char) in INVISIBLE]
    assert not [char for char in shown if unicodedata.bidirectional(char) in {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI"}]
    assert len(shown.splitlines()) <= 1
    shown.encode()


@given(st.text(st.characters(codec="utf-8")))
def test_no_printable_character_is_changed(text: str) -> None:
    """What Python calls printable comes back as it is."""
    printable = "".join(char for char in text if char.isprintable())
    assert safe_text(printable) == printable


@given(st.recursive(st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))
def test_json_keeps_its_value(value: object) -> None:
    """The line has the same meaning, and shows nothing that `safe_text` would change."""
    line = safe_json(json.dumps(value, ensure_ascii=False).encode())
    assert json.loads(line) == value
    assert safe_text(line.decode()) == line.decode()
