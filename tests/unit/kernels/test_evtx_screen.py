"""The search for keywords in the raw bytes of event logs never misses a row."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from random import Random

import numpy as np
import pytest

from evtx_compare import open_stream
from evtx_damage import CHUNK, HEADER
from shared_data import shared
from tocsin.kernels.block import Block
from tocsin.sources.evtx_blocks import EvtxBlocks
from tocsin.sources.evtx_screen import Utf16Screen
from tocsin.sources.interface import Stream
from tocsin.sources.json_blocks import JsonBlocks
from tocsin.sources.screen import FOLDING_TO_ASCII, MOST_SCREENS

SYSMON = ("evtx-attack-samples", "AutomatedTestingTools", "PanacheSysmon_vs_AtomicRedTeam01.evtx")


@pytest.fixture(scope="module")
def paths() -> list[Path]:
    """Return some real logs."""
    return sorted(shared("evtx-attack-samples").rglob("*.evtx"))[::9]


def rows_of(source: Path | bytes) -> tuple[EvtxBlocks, list[list[str]]]:
    """Return a block with the rows of a log, and the folded values of each."""
    blocks = EvtxBlocks(["Image"], Block())
    for _ in blocks.read(open_stream(source)):
        if blocks.block.is_full:
            break
    events = blocks.events(range(blocks.block.rows))
    return blocks, [[value.casefold() for value in event.values()] for event in events]


def holders(values: list[list[str]], needle: str) -> set[int]:
    """Return the rows of which a value holds a needle."""
    return {row for row, texts in enumerate(values) if any(needle in text for text in texts)}


def test_never_misses(paths: list[Path]) -> None:
    """Whatever stands in a value of an event, in a constant of its template, or is formatted from bytes, is found."""
    random = Random(3)
    asked = 0
    for path in paths:
        blocks, values = rows_of(path)
        for texts in random.sample(values, min(4, len(values))):
            for text in random.sample(texts, min(12, len(texts))):
                at = random.randrange(max(1, len(text)))
                needle = text[at : at + random.randrange(1, 12)]
                if not needle:
                    continue
                asked += 1
                suspects = blocks.suspects((needle, "never there"))
                assert holders(values, needle) <= set(np.flatnonzero(suspects).tolist()), needle
    assert asked > 500


def test_constants(paths: list[Path]) -> None:
    """A provider's name stands in the template only; its rows are suspects, and rows of others are not."""
    for path in paths:
        blocks, values = rows_of(path)
        found = set(np.flatnonzero(blocks.suspects(("microsoft-windows-sysmon",))).tolist())
        assert found >= holders(values, "microsoft-windows-sysmon")


def test_few_searches_are_kept() -> None:
    """Of ever new sets of keywords, as ever new sets of gates ask for, few are kept compiled, by either fast reader."""
    logs, values = rows_of(shared(*SYSMON))
    lines = JsonBlocks(["Image"], Block())
    data = b'{"Channel":"Security","EventID":1,"Image":"whoami.exe"}\n' * 3
    assert list(lines.read(Stream(io.BytesIO(data), "x.json"))) == [(0, 3)]
    for number in range(3 * MOST_SCREENS):
        needles = ("whoami.exe", f"never there {number}")
        assert holders(values, needles[0]) <= set(np.flatnonzero(logs.suspects(needles)).tolist())
        assert lines.suspects(needles).all()
    assert len(logs._screens) <= MOST_SCREENS
    assert len(lines._databases) <= MOST_SCREENS


def test_few_rows() -> None:
    """A word that few rows hold makes few rows suspects."""
    blocks, values = rows_of(shared(*SYSMON))
    word = "whoami.exe"
    found, needed = set(np.flatnonzero(blocks.suspects((word,))).tolist()), holders(values, word)
    assert needed <= found
    assert 0 < len(found) <= len(needed) + len(values) // 20
    assert len(np.flatnonzero(blocks.suspects(("never there",)))) <= len(values) // 20
    assert blocks.suspects(()).all()


def _changed(random: Random, units: Sequence[str]) -> bytes:
    """Return a log in whose texts some characters are replaced."""
    data = bytearray(shared(*SYSMON).read_bytes()[: HEADER + CHUNK])
    for at in range(HEADER + CHUNK // 2, len(data) - 8):  # most templates and names lie in the first half
        if data[at : at + 8 : 2].isalpha() and not any(data[at + 1 : at + 9 : 2]) and random.random() < 0.05:
            data[at : at + 2] = random.choice(units).encode("utf-16-le", "surrogatepass")
    return bytes(data)


def test_folding() -> None:
    """A character beyond ASCII that folds to ASCII is found, wherever it stands in a text."""
    random = Random(4)
    blocks, values = rows_of(_changed(random, FOLDING_TO_ASCII))
    asked = 0
    for text in {text for row in values for text in row if not text.isascii() or "ss" in text}:
        for _ in range(3):
            start = random.randrange(len(text))
            needle = text[start : start + random.randrange(1, 6)]
            asked += needle.isascii()
            assert holders(values, needle) <= set(np.flatnonzero(blocks.suspects((needle,))).tolist()), needle
    assert asked > 100


@pytest.mark.parametrize("more", ["", FOLDING_TO_ASCII])
def test_lone_surrogates(more: str) -> None:
    """Halves of surrogate pairs are dropped from a text, and what then is a word is found."""
    random = Random(5)
    changed = _changed(random, ("\ud800", "\udbff", "\udc00", "\udfff", *more))
    blocks, values = rows_of(changed)
    hidden = 0
    texts = sorted({text for row in values for text in row if text.isalpha() or "\\" in text})
    for text in texts:
        for start in range(0, len(text), 19):
            needle = text[start : start + random.randrange(4, 12)]
            found = holders(values, needle)
            hidden += needle.encode("utf-16-le") not in changed.lower()
            assert found <= set(np.flatnonzero(blocks.suspects((needle,))).tolist()), needle
    assert hidden > 20


def test_very_many_hits(monkeypatch: pytest.MonkeyPatch) -> None:
    """A log full of characters that fold to ASCII, or of a word, costs no more than so many hits in each record."""
    data = bytearray(shared(*SYSMON).read_bytes()[: HEADER + CHUNK])
    blocks, _ = rows_of(bytes(data))
    row_at = blocks.block.row_at[: blocks.block.rows]
    asked: list[int] = []
    monkeypatch.setattr(Utf16Screen, "_holds", lambda *args: asked.append(args[-1]) or False)
    for text in ("\u017f", "needle", "n\ud800"):
        filling = (text * 65536).encode("utf-16-le", "surrogatepass")
        at, end = int(row_at[0]), blocks.block.used
        blocks.block.data[at:end] = np.frombuffer(filling[: end - at], np.uint8)
        asked.clear()
        assert blocks.suspects(("needle",))[1:-1].all()
        assert len(asked) <= 10 * len(row_at)


@pytest.mark.parametrize("needle", ["4688", "0xdead", "s-1-5-18", "2019-07-28t", "abcdef", "true", "-1", "z", "ß", "a\tb"])
def test_everywhere(needle: str) -> None:
    """What may stand in a formatted number or time, or is no plain ASCII, may be in any row."""
    assert Utf16Screen((needle,)).everywhere


@pytest.mark.parametrize("needle", ["mimikatz", "0xmi", "sekurlsa", "lsass.exe", " 4688"])
def test_somewhere(needle: str) -> None:
    """A plain word is searched."""
    assert not Utf16Screen((needle,)).everywhere
