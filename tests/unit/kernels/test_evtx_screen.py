"""The search for keywords in the raw bytes of event logs never misses a row."""

from __future__ import annotations

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
from tocsin.sources.screen import FOLDING_TO_ASCII

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


def test_few_rows() -> None:
    """A word that few rows hold makes few rows suspects."""
    blocks, values = rows_of(shared(*SYSMON))
    word = "whoami.exe"
    found, needed = set(np.flatnonzero(blocks.suspects((word,))).tolist()), holders(values, word)
    assert needed <= found
    assert 0 < len(found) <= len(needed) + len(values) // 20
    assert len(np.flatnonzero(blocks.suspects(("never there",)))) <= len(values) // 20
    assert blocks.suspects(()).all()


def test_folding() -> None:
    """A character beyond ASCII that folds to ASCII is found, wherever it stands in a text."""
    random = Random(4)
    data = bytearray(shared(*SYSMON).read_bytes()[: HEADER + CHUNK])
    for at in range(HEADER + CHUNK // 2, len(data) - 8):  # most templates and names lie in the first half
        if data[at : at + 8 : 2].isalpha() and not any(data[at + 1 : at + 9 : 2]) and random.random() < 0.05:
            data[at : at + 2] = random.choice(FOLDING_TO_ASCII).encode("utf-16-le")
    blocks, values = rows_of(bytes(data))
    asked = 0
    for text in {text for row in values for text in row if not text.isascii() or "ss" in text}:
        for _ in range(3):
            start = random.randrange(len(text))
            needle = text[start : start + random.randrange(1, 6)]
            asked += needle.isascii()
            assert holders(values, needle) <= set(np.flatnonzero(blocks.suspects((needle,))).tolist()), needle
    assert asked > 100


@pytest.mark.parametrize("needle", ["4688", "0xdead", "s-1-5-18", "2019-07-28t", "abcdef", "true", "-1", "z", "ß", "a\tb"])
def test_everywhere(needle: str) -> None:
    """What may stand in a formatted number or time, or is no plain ASCII, may be in any row."""
    assert Utf16Screen((needle,)).everywhere


@pytest.mark.parametrize("needle", ["mimikatz", "0xmi", "sekurlsa", "lsass.exe", " 4688"])
def test_somewhere(needle: str) -> None:
    """A plain word is searched."""
    assert not Utf16Screen((needle,)).everywhere
