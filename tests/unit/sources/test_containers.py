"""Every kind of container: what is in it comes out, in order, and what does not is a loss with its reason."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import struct
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import py7zr
import pytest
import zstandard
from archive_samples import LINES, Entry, Pipe, deflate, read_all, seven_of, summary, tar_of, zip_crypto, zip_of

from tocsin.sources.containers import Limits, open_streams
from tocsin.sources.interface import HEAD_BYTES, Loss

SIZE = len(LINES)
STREAMS: dict[str, Callable[[bytes], bytes]] = {
    "gz": gzip.compress,
    "bz2": lambda data: bz2.compress(data, 1),
    "xz": lambda data: lzma.compress(data, preset=1),
    "zst": zstandard.ZstdCompressor(write_checksum=True).compress,
}
MEMBERS = {"a.json": LINES, "dir/b.json": b"[1]\n", "empty": b"", "dir/c.json": LINES[:70_000]}
LZMA1 = [{"id": lzma.FILTER_LZMA1, "preset": 1}]


def real_zip(method: int) -> bytes:
    """Return an archive as the standard library writes it, with a directory."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        archive.mkdir("dir")
        for name, data in MEMBERS.items():
            archive.writestr(name, data)
    return out.getvalue()


def zip64() -> bytes:
    """Return an archive with the long form of sizes."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in MEMBERS.items():
            with archive.open(name, "w", force_zip64=True) as member:
                member.write(data)
    return out.getvalue()


def seven(**options: object) -> Callable[[], bytes]:
    """Return a maker of 7z archives."""
    return lambda: seven_of(MEMBERS, **options)


ARCHIVES: dict[str, Callable[[], bytes]] = {
    "tar ustar": lambda: tar_of(MEMBERS, tarfile.USTAR_FORMAT),
    "tar gnu": lambda: tar_of(MEMBERS, tarfile.GNU_FORMAT),
    "tar pax": lambda: tar_of(MEMBERS, tarfile.PAX_FORMAT),
    **{f"tar.{name}": lambda pack=pack: pack(tar_of(MEMBERS)) for name, pack in STREAMS.items()},
    "zip stored": lambda: real_zip(zipfile.ZIP_STORED),
    "zip deflated": lambda: real_zip(zipfile.ZIP_DEFLATED),
    "zip bzip2": lambda: real_zip(zipfile.ZIP_BZIP2),
    "zip lzma": lambda: real_zip(zipfile.ZIP_LZMA),
    "zip zstd": lambda: zip_of(*(Entry(name, data, 93, STREAMS["zst"](data)) for name, data in MEMBERS.items())),
    "zip64": zip64,
    "zip behind other bytes": lambda: b"PK\3\4" + b"x" * 1000 + real_zip(zipfile.ZIP_DEFLATED),
    "7z": seven(),
    "7z lzma1": seven(filters=LZMA1),
    "7z copy": seven(filters=[{"id": py7zr.FILTER_COPY}]),
    "7z bzip2": seven(filters=[{"id": py7zr.FILTER_BZIP2}]),
    "7z deflate": seven(filters=[{"id": py7zr.FILTER_DEFLATE}]),
    "7z zstd": seven(filters=[{"id": py7zr.FILTER_ZSTD}]),
    "7z brotli": seven(filters=[{"id": py7zr.FILTER_BROTLI, "level": 5}]),
    "7z x86": seven(filters=[{"id": py7zr.FILTER_X86}, {"id": py7zr.FILTER_LZMA2, "preset": 1}]),
}


@pytest.fixture(params=ARCHIVES, scope="module")
def archive(request: pytest.FixtureRequest) -> bytes:
    """Give an archive of each kind with `MEMBERS` in it."""
    return ARCHIVES[request.param]()


def test_a_plain_file_is_one_stream(tmp_path: Path) -> None:
    """A file that is no container comes as it is, under its own label."""
    path = tmp_path / "plain.json"
    path.write_bytes(LINES)
    (got,) = read_all(path)
    assert (got.label, got.data, got.error) == ("outer", LINES, None)


@pytest.mark.parametrize("data", [b"", b"x", b"\0" * 20_000, b"PK", b"BZh9 is no archive", b"ustar\n" * 100])
def test_what_only_looks_like_a_container_is_plain(data: bytes) -> None:
    """Content decides, and a few bytes are not enough."""
    assert [(got.label, got.data, got.error) for got in read_all(data)] == [("outer", data, None)]


def test_a_file_that_cannot_be_opened_is_a_loss(tmp_path: Path) -> None:
    """The reason is the system's."""
    (found,) = open_streams(tmp_path / "gone", "gone", Limits())
    assert isinstance(found, Loss)
    assert str(found.error) == "gone: cannot be opened: No such file or directory [F001]"


def test_a_path_or_a_file_is_needed() -> None:
    """Neither is a mistake of the caller."""
    with pytest.raises(ValueError, match="neither"):
        next(open_streams(None, "nothing", Limits()))


@pytest.mark.parametrize("kind", STREAMS)
def test_a_compressed_file_keeps_its_label(kind: str) -> None:
    """A compressed stream has no members, so no name is added."""
    assert [(got.label, got.data, got.error) for got in read_all(STREAMS[kind](LINES))] == [("outer", LINES, None)]


@pytest.mark.parametrize("kind", STREAMS)
def test_all_frames_of_a_compressed_file_are_read(kind: str) -> None:
    """Frames that were appended, also empty ones and behind padding, belong to the file."""
    pack = STREAMS[kind]
    data = pack(LINES) + pack(b"") + b"\0" * 512 + pack(b"end\n") + b"\r\n"
    assert [(got.data, got.error) for got in read_all(data)] == [(LINES + b"end\n", None)]


def test_skippable_frames_of_zstd_are_skipped() -> None:
    """They can stand first, as parallel compressors write them."""
    note = struct.pack("<II", 0x184D2A50, 3) + b"abc"
    data = note + STREAMS["zst"](LINES) + note
    assert [(got.data, got.error) for got in read_all(data)] == [(LINES, None)]


@pytest.mark.parametrize("kind", STREAMS)
def test_other_bytes_behind_a_compressed_file_are_told(kind: str) -> None:
    """All that was compressed is read, then the rest is named."""
    (got,) = read_all(STREAMS[kind](LINES) + b"something else")
    assert got.data == LINES
    assert got.error is not None
    assert got.error.code == "F004"
    assert "followed by other bytes" in got.error.message


def test_members_come_in_order_with_their_labels(archive: bytes) -> None:
    """Each regular member is a stream, folders are not."""
    expected = [(f"outer!/{name}", data, None) for name, data in MEMBERS.items()]
    assert [(got.label, got.data, got.error) for got in read_all(archive)] == expected


def test_members_come_out_of_a_pipe(archive: bytes) -> None:
    """What cannot seek is read all the same, with short reads."""
    got = [(found.label, b"".join(found.blocks(7777))) for found in _streams(archive, Pipe)]
    assert got == [(f"outer!/{name}", data) for name, data in MEMBERS.items()]


def test_members_may_be_left_unread(archive: bytes) -> None:
    """A consumer that leaves a stream gets the next one whole."""
    heads = []
    for found in _streams(archive, io.BytesIO):
        assert found.head == MEMBERS[found.label.removeprefix("outer!/")][:HEAD_BYTES]
        heads.append(found.label)
        if found.label.endswith("c.json"):
            assert b"".join(found.blocks(1 << 20)) == MEMBERS["dir/c.json"]
    assert heads == [f"outer!/{name}" for name in MEMBERS]


def _streams(data: bytes, opener: Callable[[bytes], io.IOBase]) -> list:
    for found in open_streams(None, "outer", Limits(), (), opener(data)):
        assert not isinstance(found, Loss), found.error
        yield found


def test_archives_read_from_disk_leave_nothing_behind(archive: bytes, tmp_path: Path, monkeypatch) -> None:
    """No file is written for an archive that has a path."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "none"))
    path = tmp_path / "archive"
    path.write_bytes(archive)
    assert [len(got.data) for got in read_all(path)] == [len(data) for data in MEMBERS.values()]
    assert list(tmp_path.iterdir()) == [path]


def test_old_tar_archives_are_known_by_their_checksum() -> None:
    """Archives older than ustar have no mark."""
    data = bytearray(tar_of({"a": LINES}, tarfile.USTAR_FORMAT))
    data[257:512] = bytes(255)
    data[148:156] = b"%06o\0 " % (sum(data[:148]) + 8 * 32 + sum(data[156:512]))
    assert summary(read_all(bytes(data))) == [("outer!/a", SIZE, "")]


def test_members_with_the_same_name_are_all_read() -> None:
    """A name is only a label."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("a", b"1")
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("a", b"22")
    assert summary(read_all(out.getvalue())) == [("outer!/a", 1, ""), ("outer!/a", 2, "")]


@pytest.mark.parametrize("make", [tar_of, seven_of, lambda members: zip_of(*(Entry(*member) for member in members.items()))])
def test_no_name_is_used_as_a_path(make: Callable[[dict[str, bytes]], bytes], tmp_path: Path, monkeypatch) -> None:
    """Names that lead elsewhere are shown, with control characters made visible, and nothing is written."""
    monkeypatch.chdir(tmp_path)
    names = ["../../etc/passwd", "a\x1b[2J\nb", "C:/Windows/x", "\u202eevil", "x" * 300]
    got = read_all(make(dict.fromkeys(names, b"x")))
    shown = ["../../etc/passwd", "a\\x1b[2J\\x0ab", "C:/Windows/x", "\\u202eevil", "x" * 300]
    assert [(one.label, one.data) for one in got] == [(f"outer!/{name}", b"x") for name in shown]
    assert list(tmp_path.iterdir()) == []


def test_absolute_and_broken_names_are_shown() -> None:
    """Tar allows any bytes in a name."""
    data = tar_of({"/etc/shadow": b"x"}) + b""
    assert read_all(data)[0].label == "outer!//etc/shadow"
    data = bytearray(tar_of({"name": b"x"}, tarfile.USTAR_FORMAT))
    data[1] = 0xFF
    data[148:156] = b"%06o\0 " % (sum(data[:148]) + 8 * 32 + sum(data[156:512]))
    assert read_all(bytes(data))[0].label == "outer!/n\\udcffme"


def test_containers_in_containers_are_opened_one_level_deep() -> None:
    """A compressed file or an archive inside an archive is opened; a compressed tar archive is one level."""
    inner = {
        "a.gz": gzip.compress(LINES),
        "b.zip": real_zip(zipfile.ZIP_DEFLATED),
        "c.tar.xz": lzma.compress(tar_of({"x": b"x"})),
        "d.7z": seven_of({"y": b"yy"}),
    }
    members = [(f"outer!/b.zip!/{name}", len(data), "") for name, data in MEMBERS.items()]
    expected = [("outer!/a.gz", SIZE, ""), *members, ("outer!/c.tar.xz!/x", 1, ""), ("outer!/d.7z!/y", 2, "")]
    for outer in (tar_of(inner), gzip.compress(tar_of(inner)), seven_of(inner)):
        assert summary(read_all(outer)) == expected
    entries = [Entry(name, data, 8, deflate(data)) for name, data in inner.items()]
    assert summary(read_all(zip_of(*entries))) == expected


def test_what_is_nested_deeper_is_told() -> None:
    """The container is named, its neighbours are read, and the limit can be raised."""
    deep = zip_of(Entry("in.zip", zip_of(Entry("a.gz", gzip.compress(LINES)), Entry("b", b"b"))), Entry("c", b"c"))
    assert summary(read_all(deep)) == [
        ("outer!/in.zip!/a.gz", 0, "F009"),
        ("outer!/in.zip!/b", 1, ""),
        ("outer!/c", 1, ""),
    ]
    assert summary(read_all(deep, Limits(nesting=3)))[0] == ("outer!/in.zip!/a.gz", SIZE, "")
    assert summary(read_all(deep, Limits(nesting=0))) == [("outer", 0, "F009")]


def test_a_file_compressed_twice_is_read() -> None:
    """Two levels are two levels, whatever they are."""
    assert read_all(gzip.compress(bz2.compress(LINES)))[0].data == LINES


def test_links_and_devices_in_tar_are_told_and_counted() -> None:
    """The first twenty are named; files around them are read."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for number in range(25):
            info = tarfile.TarInfo(f"link{number}")
            info.type, info.linkname = (tarfile.SYMTYPE, "/etc/passwd") if number else (tarfile.FIFOTYPE, "")
            archive.addfile(info)
        folder = tarfile.TarInfo("folder")
        folder.type = tarfile.DIRTYPE
        archive.addfile(folder)
        info = tarfile.TarInfo("file")
        info.size = 3
        archive.addfile(info, io.BytesIO(b"abc"))
    got = read_all(out.getvalue())
    assert [one.error.code for one in got if one.error] == ["F012"] * 21
    assert got[0].error is not None
    assert str(got[0].error) == "outer!/link0: member is a named pipe, not a regular file [F012]"
    assert got[20].data == b"abc"
    assert got[21].error is not None
    assert "5 more members" in got[21].error.message


def test_sparse_tar_members_have_their_holes() -> None:
    """Holes are zeros, at the right places."""
    header = bytearray(512)
    header[:6] = b"sparse"
    header[100:108] = b"0000644\0"
    header[124:136] = b"%011o\0" % 1024
    header[156:157] = tarfile.GNUTYPE_SPARSE
    header[257:265] = b"ustar  \0"
    for at, (start, size) in enumerate(((512, 512), (100_000, 512), (200_000, 0))):
        header[386 + at * 24 : 410 + at * 24] = b"%011o\0%011o\0" % (start, size)
    header[483:495] = b"%011o\0" % 200_000
    header[148:156] = b"%06o\0 " % (sum(header) + 8 * 32)
    data = bytes(header) + b"a" * 512 + b"b" * 512 + bytes(1024)
    (got,) = read_all(data)
    assert got.error is None
    assert got.data == bytes(512) + b"a" * 512 + bytes(98_976) + b"b" * 512 + bytes(99_488)
    (got,) = read_all(data[:800])
    assert got.data == bytes(512) + b"a" * 288
    assert got.error is not None
    assert got.error.code == "F005"


# What is damaged


@pytest.mark.parametrize("kind", STREAMS)
def test_a_file_cut_anywhere_gives_all_that_is_before_the_cut(kind: str) -> None:
    """More of the file never gives less, and the end is told at every cut."""
    data = STREAMS[kind](LINES)
    sizes = []
    for cut in [*range(12, 60), *range(60, len(data), len(data) // 40), len(data) - 9, len(data) - 1]:
        (got,) = read_all(data[:cut])
        assert got.error is not None
        assert got.error.code == "F005"
        assert "ends in the middle of a record" in got.error.message
        assert LINES.startswith(got.data)
        sizes.append(len(got.data))
    assert sizes == sorted(sizes)
    assert sizes[len(sizes) // 2 + 24] > SIZE // 4
    if kind != "bz2":
        assert sizes[-1] == SIZE


@pytest.mark.parametrize("kind", ["gz", "xz", "zst"])
def test_a_wrong_checksum_costs_no_data(kind: str) -> None:
    """All bytes come, and then the error."""
    at = {"gz": -8, "xz": -30, "zst": -1}[kind]
    for text in (LINES, b"short\n"):
        data = bytearray(STREAMS[kind](text))
        data[at] ^= 0xFF
        (got,) = read_all(bytes(data))
        assert got.data == text
        assert got.error is not None
        assert got.error.code == "F004"


@pytest.mark.parametrize("kind", ["gz", "bz2", "xz"])
def test_damage_in_the_middle_comes_after_the_data_before_it(kind: str) -> None:
    """What is before the damage is delivered in full."""
    data = bytearray(STREAMS[kind](LINES))
    at = len(data) // 2
    data[at : at + 20] = b"\xff" * 20
    (got,) = read_all(bytes(data))
    assert got.error is not None
    assert got.error.code == "F004"
    (cut,) = read_all(bytes(data[:at]))
    assert len(cut.data) > SIZE // 4
    assert got.data[: len(cut.data) - 1024] == cut.data[: len(cut.data) - 1024]


def test_a_damaged_stream_gives_its_data_for_any_size_of_read() -> None:
    """The same bytes come before the error, however they are asked for, and the error comes again when asked again."""
    data = gzip.compress(LINES[:200_000])[:-4000]
    sizes = {len(read_all(data, step=step)[0].data) for step in (1, 1000, HEAD_BYTES, 1 << 24)}
    assert len(sizes) == 1
    (stream,) = open_streams(None, "x", Limits(), (), io.BytesIO(data))
    assert not isinstance(stream, Loss)
    rest = stream.read(1 << 24)
    assert len(rest) in sizes
    for _ in range(2):
        with pytest.raises(OSError, match="F005"):
            stream.read(1)


def test_a_short_file_that_is_damaged_gives_its_head_first() -> None:
    """Damage in the first block does not lose what is before it."""
    (got,) = read_all(gzip.compress(b"line\n" * 100)[:-4])
    assert got.data == b"line\n" * 100
    assert got.error is not None


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_a_tar_archive_cut_anywhere_gives_the_members_before(pack: Callable[[bytes], bytes]) -> None:
    """Whole members come whole, the one that is cut comes in part, and the cut is told once."""
    data = pack(tar_of({"a": LINES, "b": LINES[:5000], "c": LINES[:100]}))
    for cut in range(2000, len(data) - 11_000, len(data) // 30):
        got = read_all(data[:cut])
        errors = [one.error.code for one in got if one.error]
        assert errors == ["F005"]
        for one, whole in zip(got, (LINES, LINES[:5000], LINES[:100]), strict=False):
            assert whole.startswith(one.data)
        assert all(one.data in (LINES, LINES[:5000]) for one in got[:-2])


def test_a_tar_archive_without_end_mark_is_told() -> None:
    """An archive cut between two members looks whole but is not."""
    data = tar_of({"a": b"x" * 512, "b": b"y"})
    got = read_all(data[:1024])
    assert summary(got) == [("outer!/a", 512, ""), ("outer", 0, "F005")]
    assert got[1].error is not None
    assert "no end mark" in got[1].error.message


def test_a_damaged_tar_header_is_told_with_its_place() -> None:
    """Members before it are read; nothing after it is trusted."""
    data = bytearray(tar_of({"a": b"x" * 512, "b": b"y", "c": b"z"}))
    data[1024 + 150] ^= 0xFF
    got = read_all(bytes(data))
    assert summary(got) == [("outer!/a", 512, ""), ("outer", 0, "F004")]
    assert got[1].error is not None
    assert "byte 1536" in got[1].error.message


def test_bytes_behind_a_tar_archive_are_told() -> None:
    """A second archive behind the first is not read, but not passed over in silence either."""
    data = tar_of({"a": b"x"})
    assert summary(read_all(data + data)) == [("outer!/a", 1, ""), ("outer", 0, "F004")]


def test_a_tar_archive_in_a_damaged_file_tells_the_damage_once() -> None:
    """The checksum of the compression around it is checked too."""
    data = bytearray(gzip.compress(tar_of({"a": LINES})))
    data[-8] ^= 0xFF
    assert summary(read_all(bytes(data))) == [("outer!/a", SIZE, ""), ("outer", 0, "F004")]


def test_a_zip_archive_that_is_cut_is_a_loss() -> None:
    """Its directory stands at the end."""
    data = real_zip(zipfile.ZIP_DEFLATED)
    for cut in range(30, len(data), len(data) // 20):
        assert summary(read_all(data[:cut])) == [("outer", 0, "F004")]


def test_a_damaged_member_of_a_zip_archive_costs_only_itself() -> None:
    """The bytes before the damage come, then the error, then the next member."""
    packed = deflate(LINES)
    broken = packed[:50_000] + b"\xff" * 30 + packed[50_030:]
    got = read_all(zip_of(Entry("a", LINES, 8, broken), Entry("b", LINES, 8, packed[:-10]), Entry("c", b"c")))
    assert [one.error.code if one.error else "" for one in got] == ["F004", "F005", ""]
    assert len(got[0].data) > 100_000
    assert got[0].data[:100_000] == LINES[:100_000]
    assert len(got[1].data) > SIZE - 100
    assert got[2].data == b"c"


@pytest.mark.parametrize("size", [10, SIZE + 10])
@pytest.mark.parametrize("method", [0, 8])
def test_a_zip_member_that_lies_about_its_size_is_read_whole(size: int, method: int) -> None:
    """The size in the directory hides nothing, even when the checksum fits the lie."""
    packed = deflate(LINES) if method else LINES
    (got,) = read_all(zip_of(Entry("a", LINES, method, packed, size=size, crc=zlib.crc32(LINES[:size]))))
    assert got.data == LINES
    assert got.error is not None
    assert str(got.error) == f"outer!/a: member has {SIZE} bytes, but the directory says {size} [F004]"


def test_a_zip_member_with_a_wrong_checksum_is_read_whole() -> None:
    """All bytes come before the error."""
    (got,) = read_all(zip_of(Entry("a", LINES, 8, deflate(LINES), crc=1)))
    assert got.data == LINES
    assert got.error is not None
    assert "00000001" in got.error.message


def test_a_folder_of_a_zip_archive_that_has_content_is_read() -> None:
    """A name that ends in a slash does not hide data."""
    assert summary(read_all(zip_of(Entry("folder/", b""), Entry("trick/", b"data")))) == [("outer!/trick/", 4, "")]


def test_a_zip_member_at_a_wrong_place_is_a_loss() -> None:
    """The others are read."""
    data = zip_of(Entry("a", b"a"), Entry("b", b"b", offset=5), Entry("c", b"c", offset=10**6))
    assert summary(read_all(data)) == [("outer!/a", 1, ""), ("outer!/b", 0, "F004"), ("outer!/c", 0, "F004")]


def test_a_method_that_is_not_known_is_a_loss_with_a_hint() -> None:
    """The method is named, and what to do."""
    (got,) = read_all(zip_of(Entry("a", b"abc", 9)))
    assert got.error is not None
    assert got.error.code == "F002"
    assert "deflate64" in got.error.message
    assert got.error.hint


def test_a_7z_archive_whose_decoder_is_unsafe_is_a_loss_with_a_hint() -> None:
    """The decoder of PPMd crashes on damaged data, so it is never given any."""
    data = seven_of({"a": LINES, "b": b"b"}, filters=[{"id": py7zr.FILTER_PPMD, "order": 6, "mem": "1m"}])
    got = read_all(data)
    assert summary(got) == [("outer!/a", 0, "F002"), ("outer!/b", 0, "F002")]
    assert got[0].error is not None
    assert "PPMd" in got[0].error.message
    assert got[0].error.hint


def test_damage_in_a_7z_archive_costs_what_follows_in_its_block() -> None:
    """What is before the damage comes; the members after it in the same block are named."""
    data = bytearray(seven_of({"a": LINES, "b": LINES[:1000], "c": b"c"}))
    at = len(data) // 2
    data[at : at + 8] = b"\xff" * 8
    got = read_all(bytes(data))
    assert [(one.label, one.error.code if one.error else "") for one in got] == [
        ("outer!/a", "F004"),
        ("outer!/b", "F004"),
        ("outer!/c", "F004"),
    ]
    assert len(got[0].data) > SIZE // 4
    assert got[0].data[: SIZE // 4] == LINES[: SIZE // 4]


@pytest.mark.parametrize("cut", [7, 20, 31, 40, 1000, -1])
def test_a_7z_archive_that_is_cut_is_a_loss(cut: int) -> None:
    """Its header stands at the end."""
    got = read_all(seven_of(MEMBERS)[:cut])
    assert [(one.label, one.data) for one in got] == [("outer", b"")]
    assert got[0].error is not None
    assert got[0].error.code in ("F004", "F005")


# What is encrypted


def encrypted(name: str, data: bytes, password: str = "secret") -> Entry:
    """Return an encrypted member."""
    packed = zip_crypto(deflate(data), password, zlib.crc32(data))
    return Entry(name, data, 8, packed, flags=0x801)


def test_an_encrypted_zip_member_needs_a_password() -> None:
    """Without one it is named with a hint, and the others are read."""
    data = zip_of(encrypted("a", LINES[:9000]), Entry("b", b"b"))
    got = read_all(data)
    assert summary(got) == [("outer!/a", 0, "F008"), ("outer!/b", 1, "")]
    assert got[0].error is not None
    assert got[0].error.hint == "give its password"


def test_each_password_is_tried() -> None:
    """The one that fits is used for each member, whatever the order."""
    data = zip_of(encrypted("a", LINES[:9000]), encrypted("b", LINES[:300], "other"))
    expected = [("outer!/a", 9000, ""), ("outer!/b", 300, "")]
    assert summary(read_all(data, passwords=["no", "secret", "other"])) == expected
    assert summary(read_all(data, passwords=["other", "secret"])) == expected
    got = read_all(data, passwords=["secret", "no"])
    assert summary(got)[1][2] in ("F008", "F004")


def test_a_wrong_password_that_passes_the_check_of_one_byte_is_not_taken() -> None:
    """One wrong password in 256 passes the format's own check."""
    data = zip_of(encrypted("a", LINES[:9000]))
    wrong = [f"wrong{number}" for number in range(600)]
    assert summary(read_all(data, passwords=[*wrong, "secret"])) == [("outer!/a", 9000, "")]


def test_winzip_aes_is_told() -> None:
    """It cannot be read, and what to do is said."""
    (got,) = read_all(zip_of(Entry("a", LINES, 99, flags=0x801)), passwords=["secret"])
    assert got.error is not None
    assert got.error.code == "F008"
    assert "WinZip AES" in got.error.message
    assert "7-Zip" in got.error.hint


@pytest.mark.parametrize("header", [False, True])
def test_encrypted_7z_archives_are_read_with_their_password(header: bool) -> None:
    """Also when the names are encrypted."""
    members = {"a": LINES, "b": b"b"}
    data = seven_of(members, password="sécret", header_encryption=header)
    assert summary(read_all(data, passwords=["no", "sécret"])) == [("outer!/a", SIZE, ""), ("outer!/b", 1, "")]
    for passwords in ([], ["no"]):
        got = read_all(data, passwords=passwords)
        assert summary(got) == ([("outer", 0, "F008")] if header else [("outer!/a", 0, "F008"), ("outer!/b", 0, "F008")])


CHANGED = 1_696_313_564  # 2023-10-03T06:12:44Z


def _modified(path: Path) -> list[float]:
    found = open_streams(path, "outer", Limits())
    return [stream.modified for stream in found if not isinstance(stream, Loss)]


def test_the_time_of_change_is_known(tmp_path: Path) -> None:
    """A file and what is compressed in it have the file's time; a member of an archive has its own."""
    plain, packed, tar, zipped, seven_z = (tmp_path / name for name in ("a", "a.gz", "a.tar", "a.zip", "a.7z"))
    plain.write_bytes(LINES[:100])
    packed.write_bytes(gzip.compress(LINES[:100]))
    for path in (plain, packed):
        os.utime(path, (CHANGED, CHANGED))
        assert _modified(path) == [CHANGED]
    with tarfile.open(tar, "w") as archive:
        archive.add(plain, "a")
    with zipfile.ZipFile(zipped, "w") as archive:
        archive.writestr(zipfile.ZipInfo("a", (2023, 10, 3, 6, 12, 44)), b"x")
        archive.writestr(zipfile.ZipInfo("b"), b"no date")
    with py7zr.SevenZipFile(seven_z, "w") as archive:
        archive.write(plain, "a")
    assert _modified(tar) == [CHANGED]
    assert _modified(zipped) == [CHANGED, 0]
    assert _modified(seven_z) == [CHANGED]


def test_standard_input_has_no_time_of_change() -> None:
    """What comes through a pipe was changed nobody knows when."""
    (stream,) = open_streams(None, "-", Limits(), file=Pipe(LINES[:100]))
    assert not isinstance(stream, Loss)
    assert stream.modified == 0
