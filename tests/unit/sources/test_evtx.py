"""EVTX files that are not whole."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import pytest

from scan_samples import scan
from shared_data import shared

HEADER, CHUNK = 4096, 65536


def _sample() -> bytes:
    """Return a real log of 16 chunks."""
    return shared("evtx-attack-samples", "Command and Control", "bits_openvpn.evtx").read_bytes()


@pytest.mark.parametrize("reader", ["slow", "fast"])
@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("left", [0, 14])
def test_cut_between_chunks(tmp_path: Path, reader: str, packed: bool, left: int) -> None:
    """A log that ends, or is empty, after a whole chunk is not whole when its header tells of more; the others are read."""
    whole = _sample()
    assert struct.unpack_from("<H", whole, 42)[0] == 16
    data = whole[: HEADER + 2 * CHUNK] + bytes(left * CHUNK)
    path = tmp_path / ("cut.evtx.gz" if packed else "cut.evtx")
    path.write_bytes(gzip.compress(data) if packed else data)
    (file,) = scan(path, reader=reader)[0].coverage.files
    assert (file.status, file.events > 0) == ("partial", True)
    assert file.reason == "the file is cut off or empty in parts: 14 of its 16 chunks are missing [F005]"


@pytest.mark.parametrize("reader", ["slow", "fast"])
def test_header_older_than_chunks(tmp_path: Path, reader: str) -> None:
    """The header of a log in use may tell of fewer chunks than there are: all are read, and nothing is lost."""
    data = bytearray(_sample()[: HEADER + 3 * CHUNK])
    struct.pack_into("<H", data, 42, 1)
    (tmp_path / "live.evtx").write_bytes(data)
    struct.pack_into("<H", data, 42, 3)
    (tmp_path / "whole.evtx").write_bytes(data)
    live, whole = scan(tmp_path, reader=reader)[0].coverage.files
    assert (live.status, live.reason) == (whole.status, whole.reason) == ("read", "")
    assert live.events == whole.events > 0
