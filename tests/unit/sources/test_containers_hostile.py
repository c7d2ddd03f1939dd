"""Archives made to harm: bombs end early and in bounded memory, and no bytes whatever lead out of the error tree."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import shutil
import struct
import tarfile
import tempfile
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from functools import cache

import py7zr
import pytest
import zstandard
from archive_samples import LINES, Entry, Got, Pipe, deflate, read_all, seven_of, summary, tar_of, zip_crypto, zip_of
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tocsin.errors import LimitError, SourceError
from tocsin.sources.containers import Limits, open_streams
from tocsin.sources.interface import Loss

MIB = 1 << 20
ZEROS = bytes(64 * MIB)
TIMES = 160
"""How often the zeros are repeated: 10 GiB."""
SMALL = Limits(expanded_bytes=100 * MIB, ratio=1_000_000)


def frames(pack: Callable[[bytes], bytes]) -> bytes:
    """Return 10 GiB of zeros as many frames, made once."""
    return pack(ZEROS) * TIMES


def deflated_zeros() -> bytes:
    """Return 10 GiB of zeros as one raw deflated stream; after a full flush its parts repeat."""
    frame = zlib.compressobj(9, wbits=-15)
    part = frame.compress(ZEROS) + frame.flush(zlib.Z_FULL_FLUSH)
    return part * TIMES + b"\x03\x00"


def zip_bomb() -> bytes:
    """Return a zip archive with one member of 10 GiB, and one after it."""
    bomb = Entry("bomb", b"", 8, deflated_zeros(), size=0xFFFFFFFE, crc=0)
    return zip_of(bomb, Entry("after", b"after"))


def zstd_blocks() -> bytes:
    """Return 10 GiB of zeros as run-length blocks, 4 bytes for each 128 KiB."""
    size = 128 << 10
    block = struct.pack("<I", size << 3 | 1 << 1)[:3] + b"\0"
    last = struct.pack("<I", size << 3 | 1 << 1 | 1)[:3] + b"\0"
    return b"\x28\xb5\x2f\xfd\x00\x38" + block * (10 * 8192 - 1) + last


BOMBS: dict[str, Callable[[], bytes]] = {
    "gz": lambda: frames(gzip.compress),
    "bz2": lambda: frames(bz2.compress),
    "xz": lambda: frames(lambda data: lzma.compress(data, preset=0)),
    "zst": lambda: frames(zstandard.ZstdCompressor().compress),
    "zst blocks": zstd_blocks,
    "zip": zip_bomb,
    "zip in zip": lambda: zip_of(Entry("in.zip", zip_bomb())),
    "gz in gz": lambda: gzip.compress(frames(gzip.compress)),
    "tar.gz": lambda: gzip.compress(tar_of({"bomb.gz": frames(gzip.compress), "after": b"after"})),
    "7z": lambda: seven_of({"bomb": bytes(192 * MIB), "after": b"after"}, filters=[{"id": 0x21, "preset": 0}]),
    "7z zstd": lambda: seven_of({"bomb": bytes(192 * MIB)}, filters=[{"id": py7zr.FILTER_ZSTD}]),
    "7z deflate": lambda: seven_of({"bomb": bytes(192 * MIB)}, filters=[{"id": py7zr.FILTER_DEFLATE}]),
}


def count_all(data: bytes, limits: Limits, opener: Callable[[bytes], io.IOBase] = io.BytesIO) -> tuple[int, list[SourceError]]:
    """Read everything, keep nothing; return how many bytes came, and the errors."""
    size, errors = 0, []
    for found in open_streams(None, "bomb", limits, (), opener(data)):
        if isinstance(found, Loss):
            errors.append(found.error)
            continue
        try:
            for block in found.blocks(MIB):
                size += len(block)
        except SourceError as error:
            errors.append(error)
    return size, errors


@pytest.mark.parametrize("kind", BOMBS)
def test_a_bomb_ends_at_the_limit_in_bounded_memory(kind: str) -> None:
    """No more than the limit is expanded, both numbers are named, and memory does not grow."""
    data = BOMBS[kind]()
    tracemalloc.start()
    try:
        size, errors = count_all(data, SMALL)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert 80 * MIB < size <= SMALL.expanded_bytes
    assert isinstance(errors[0], LimitError)
    assert errors[0].code == "F007"
    assert str(SMALL.expanded_bytes) in errors[0].message
    assert len(errors) <= 3
    assert peak < 96 * MIB


def test_the_ratio_counts_once_64_mib_were_expanded() -> None:
    """A small file may be dense; a large one may not, and the message has the numbers."""
    assert count_all(gzip.compress(bytes(60 * MIB)), Limits())[1] == []
    data = frames(gzip.compress)[: 2 * MIB]
    size, errors = count_all(data, Limits(ratio=100))
    assert 190 * MIB < size <= 200 * MIB
    assert errors[0].code == "F007"
    assert f"from {2 * MIB}, more than 100 times" in errors[0].message


def test_the_ratio_of_a_pipe_counts_what_was_read() -> None:
    """The size of a pipe is not known before its end."""
    data = frames(gzip.compress)
    size, errors = count_all(data, Limits(ratio=100), lambda data: Pipe(data, 65536))
    assert 60 * MIB < size < 80 * MIB
    assert errors[0].code == "F007"


def test_what_is_left_after_a_limit_is_told() -> None:
    """The first member that was not read is named."""
    data = zip_of(Entry("bomb", b"", 8, deflated_zeros(), size=0, crc=0), Entry("after", b"x"), Entry("last", b"x"))
    got = list(open_streams(None, "outer", SMALL, (), io.BytesIO(data)))
    assert len(got) == 3
    assert [one.label for one in got if not isinstance(one, Loss)] == ["outer!/bomb", "outer!/after", "outer!/last"]
    errors = count_all(data, SMALL)[1]
    assert [error.code for error in errors] == ["F007", "F007"]
    assert "'bomb!/after' on were not read" in errors[1].message


def test_the_number_of_members_is_limited() -> None:
    """Members beyond the limit are told as one loss, and counted over all archives of the file."""
    inner = tar_of({f"m{number}": b"x" for number in range(6)})
    for data in (inner, zip_of(*(Entry(f"m{number}", b"x") for number in range(6))), gzip.compress(inner)):
        got = read_all(data, Limits(members=4))
        assert [one.error.code if one.error else "" for one in got] == ["", "", "", "", "F007"]
        assert got[4].error is not None
        assert "'outer!/m4' on were not read: 4 is the limit" in got[4].error.message
    nested = zip_of(Entry("a.tar", inner), Entry("b", b"b"))
    assert [one.error.code if one.error else "" for one in read_all(nested, Limits(members=4))] == [
        *[""] * 3,
        "F007",
        "F007",
    ]


def test_overlapping_members_count_each_time() -> None:
    """Many names for one piece of data end at the limit."""
    first = Entry("m0", bytes(8 * MIB))
    data = zip_of(first, *(Entry(f"m{number}", bytes(8 * MIB), offset=0) for number in range(1, 100)))
    assert len(data) < 9 * MIB
    size, errors = count_all(data, SMALL)
    assert size <= SMALL.expanded_bytes
    assert errors[0].code == "F007"


def test_sparse_members_count_their_holes() -> None:
    """A hole of a terabyte ends at the limit."""
    header = bytearray(512)
    header[:1] = b"s"
    header[124:136] = b"%011o\0" % 0
    header[156:157] = tarfile.GNUTYPE_SPARSE
    header[257:265] = b"ustar  \0"
    header[386:410] = b"\x80" + (1 << 40).to_bytes(11, "big") + b"%011o\0" % 0
    header[483:495] = b"\x80" + (1 << 40).to_bytes(11, "big")
    header[148:156] = b"%06o\0 " % (sum(header) + 8 * 32)
    size, errors = count_all(bytes(header) + bytes(1024), SMALL)
    assert size <= SMALL.expanded_bytes
    assert errors[0].code == "F007"


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.GNUTYPE_LONGNAME])
def test_a_tar_header_that_claims_to_be_huge_is_refused(kind: bytes) -> None:
    """Such a header would be read into memory."""
    header = bytearray(512)
    header[:1] = b"h"
    header[124:136] = b"%011o\0" % (4 << 30)
    header[156:157] = kind
    header[257:265] = b"ustar\00000"
    header[148:156] = b"%06o\0 " % (sum(header) + 8 * 32)
    size, errors = count_all(bytes(header) + bytes(100_000), Limits())
    assert (size, [error.code for error in errors]) == (0, ["F007"])


def test_a_tar_member_of_negative_size_does_not_go_in_circles() -> None:
    """A header that leads back ends the archive."""
    for size in (-512, -1024, -(1 << 60)):
        header = bytearray(tar_of({"a": b""})[:512])
        header[124:136] = (256**12 + size).to_bytes(12, "big")
        header[148:156] = b"%06o\0 " % (sum(header[:148]) + 8 * 32 + sum(header[156:]))
        errors = count_all(bytes(header) + bytes(2048), Limits())[1]
        assert [error.code for error in errors] == ["F004"]


def test_a_zip_directory_that_claims_to_be_huge_is_refused() -> None:
    """A directory is read into memory, so its size is limited by the number of members."""
    data = zip_of(*(Entry("m" * 60_000, b"") for _ in range(80)))
    errors = count_all(data, Limits(members=100))[1]
    assert [error.code for error in errors] == ["F007"]


def test_a_spool_never_fills_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """No more than half of the free space is used."""
    usage = shutil.disk_usage(tempfile.gettempdir())
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=3 * MIB))
    data = zip_of(Entry("a", bytes(2 * MIB)))
    assert count_all(data, Limits())[1] == []
    errors = count_all(data, Limits(), Pipe)[1]
    assert [error.code for error in errors] == ["F007"]
    assert f"more than the limit of {3 * MIB // 2}" in errors[0].message


def test_memory_that_a_decompressor_asks_for_is_limited() -> None:
    """A dictionary of gigabytes is refused before it is allocated."""
    data = seven_of({"a": LINES})
    start, _ = struct.unpack("<QQ", data[12:28])
    header = data[32 + start :].replace(b"!\x01\x18", b"!\x01\x28")  # 4 GiB as the dictionary of the packed header
    assert header != data[32 + start :]
    errors = count_all(_with_header(data, header), Limits())[1]
    assert [error.code for error in errors] == ["F007"]
    window = b"\x28\xb5\x2f\xfd\x00" + bytes([21 << 3]) + b"\x01\x00\x00"
    assert [error.code for error in count_all(window, Limits())[1]] == ["F007"]


# Any bytes

MAGICS = [
    b"",
    b"\x1f\x8b\x08",
    b"BZh91AY&SY",
    b"\xfd7zXZ\0",
    b"\x28\xb5\x2f\xfd",
    b"\x50\x2a\x4d\x18",
    b"PK\3\4",
    b"PK\5\6",
    b"7z\xbc\xaf\x27\x1c",
    b"\0" * 257 + b"ustar\x0000",
]


@cache
def samples() -> list[bytes]:
    """Return small archives of every kind."""
    text = LINES[:3000]
    members = {"a.json": text, "dir/b.gz": gzip.compress(text), "c.zip": zip_of(Entry("d", text, 8, deflate(text)))}
    entries = [
        *(Entry(name, data, 8, deflate(data)) for name, data in members.items()),
        Entry("e", text, 12, bz2.compress(text)),
        Entry("f", text, 93, zstandard.compress(text)),
        Entry("g", text, 8, zip_crypto(deflate(text), "secret", zlib.crc32(text)), flags=0x801),
    ]
    filters = (py7zr.FILTER_BZIP2, py7zr.FILTER_DEFLATE, py7zr.FILTER_ZSTD, py7zr.FILTER_LZMA, py7zr.FILTER_COPY)
    return [
        *(pack(text) for pack in (gzip.compress, bz2.compress, lzma.compress, zstandard.compress)),
        *(tar_of(members, form) for form in (tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT)),
        tar_of({"ä" * 200: text}, tarfile.PAX_FORMAT),
        gzip.compress(tar_of(members)),
        zip_of(*entries),
        seven_of(members),
        *(seven_of(members, filters=[{"id": one}]) for one in filters),
        seven_of({"a": text}, filters=[{"id": py7zr.FILTER_X86}, {"id": py7zr.FILTER_LZMA}]),
    ]


def survive(data: bytes) -> list[Got]:
    """Read everything; only errors of the tree may come, and something always comes."""
    got = read_all(data, Limits(expanded_bytes=4 * MIB, members=50), ["secret"], 4096)
    for one in got:
        assert one.error is None or (isinstance(one.error, SourceError) and one.error.where is not None)
    return got


@settings(deadline=None)
@given(st.sampled_from(MAGICS), st.binary(max_size=2000))
def test_any_bytes_give_streams_or_losses(magic: bytes, rest: bytes) -> None:
    """Nothing but errors of the tree, and never nothing at all."""
    got = survive(magic + rest)
    assert got or magic in (b"PK\3\4", b"PK\5\6")


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.data_too_large])
@given(st.data())
def test_damaged_archives_give_streams_or_losses(data: st.DataObject) -> None:
    """Bytes that were changed, put in, or left out anywhere."""
    sample = bytearray(data.draw(st.sampled_from(samples())))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(sample)) | st.integers(max(0, len(sample) - 300), len(sample)))
        end = at + data.draw(st.sampled_from([0, 1, 1, 1, 4, 100]))
        sample[at:end] = data.draw(st.binary(max_size=8) | st.sampled_from([b"\xff" * 4, bytes(8)]))
    survive(bytes(sample))


def test_damage_at_each_byte_of_a_7z_header_is_survived() -> None:
    """Headers whose checksum is right are damaged too."""
    data = seven_of({"a": LINES[:500], "b": b"b"})
    for sample in _headers(data):
        survive(sample)


def _headers(data: bytes) -> Iterator[bytes]:
    """Yield the archive with each byte of its header changed and the checksums made right."""
    start, size = struct.unpack("<QQ", data[12:28])
    for at in range(size):
        for value in (0, 1, 0x7F, 0xFF):
            header = bytearray(data[32 + start : 32 + start + size])
            header[at] = value
            yield _with_header(data, bytes(header))


def _with_header(data: bytes, header: bytes) -> bytes:
    start, size = struct.unpack("<QQ", data[12:28])
    numbers = struct.pack("<QQI", start, size, zlib.crc32(header))
    return data[:8] + struct.pack("<I", zlib.crc32(numbers)) + numbers + data[32 : 32 + start] + header


def test_the_samples_are_whole() -> None:
    """What is damaged above can be read when it is not."""
    for sample in samples():
        assert not [one.error for one in survive(sample) if one.error], summary(survive(sample))
