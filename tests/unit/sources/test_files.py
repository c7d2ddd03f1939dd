"""Which files a walk finds, and what it says of the others."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from tocsin.errors import UsageError
from tocsin.sources.files import FoundFile, SkippedPath, find_files


def walk(*paths: Path) -> list[tuple[str, str]]:
    """Return the labels relative to the first path's parent, with the code of those that were skipped."""
    base = str(paths[0].parent) + "/"
    return [
        (found.label.removeprefix(base), found.error.code if isinstance(found, SkippedPath) else "")
        for found in find_files(paths)
    ]


def skipped(*paths: Path) -> list[SkippedPath]:
    """Return what the walk skipped."""
    return [found for found in find_files(paths) if isinstance(found, SkippedPath)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Give a folder with files in it, created in no order."""
    root = tmp_path / "logs"
    for name in ("b/two.log", "a.log", "c.log", "b/one.log", "b/deep/x.log"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)
    return root


def test_folders_are_walked_by_name(folder: Path) -> None:
    """The order depends on names only."""
    expected = ["logs/a.log", "logs/b/deep/x.log", "logs/b/one.log", "logs/b/two.log", "logs/c.log"]
    assert walk(folder) == [(name, "") for name in expected]


def test_a_file_is_found_with_its_size(folder: Path) -> None:
    """A path given directly is found as it is."""
    path = folder / "b/one.log"
    assert list(find_files([path])) == [FoundFile(path, str(path), 9)]


def test_paths_keep_the_order_given(folder: Path) -> None:
    """Only inside a folder are names sorted."""
    assert walk(folder / "c.log", folder / "a.log") == [("c.log", ""), ("a.log", "")]


def test_labels_are_relative_when_the_path_is(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A label begins as the user wrote the path."""
    monkeypatch.chdir(folder.parent)
    assert [found.label for found in find_files([Path("logs/b/deep")])] == ["logs/b/deep/x.log"]


@pytest.mark.parametrize("name", ["missing", "a.log/below", "nul\0"])
def test_a_path_that_does_not_exist_is_named_before_anything_is_read(folder: Path, name: str) -> None:
    """A wrong argument is an error of usage, not a skip."""
    with pytest.raises(UsageError) as caught:
        find_files([folder, folder / name])
    assert caught.value.code == "U001"
    assert repr(str(folder / name)) in caught.value.message


def test_an_empty_file_is_skipped(folder: Path) -> None:
    """It is named, with its own code."""
    (folder / "a.log").write_text("")
    assert walk(folder)[0] == ("logs/a.log", "F003")


def test_a_link_into_its_own_folder_is_skipped(folder: Path) -> None:
    """A loop ends at the link, and everything is found once."""
    (folder / "b/deep/up").symlink_to(folder)
    (folder / "b/self").symlink_to(".")
    assert [entry for entry in walk(folder) if entry[1]] == [("logs/b/self", "F011"), ("logs/b/deep/up", "F011")]
    assert "back into its own folder" in skipped(folder)[0].error.message


def test_links_to_files_and_folders_are_followed_once(folder: Path, tmp_path: Path) -> None:
    """What a link leads to is read under the link's name, a second way to it is skipped with the first one's name."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "o.log").write_text("o")
    (folder / "b1").symlink_to(outside)
    (folder / "b2").symlink_to(outside)
    (folder / "z.log").symlink_to(folder / "a.log")
    found = walk(folder)
    assert ("logs/b1/o.log", "") in found
    assert ("logs/b2", "F011") in found
    assert ("logs/z.log", "F011") in found
    assert repr(str(folder / "a.log")) in skipped(folder)[-1].error.message


def test_real_files_come_before_links(folder: Path) -> None:
    """A file that a link reaches too is read under its own name, wherever the link lies and whatever it is called."""
    (folder / "a-first").symlink_to("c.log")
    (folder / "b/0-folder").symlink_to("deep")
    found = walk(folder)
    assert [name for name, code in found if not code] == [
        "logs/a.log",
        "logs/b/deep/x.log",
        "logs/b/one.log",
        "logs/b/two.log",
        "logs/c.log",
    ]
    assert [entry for entry in found if entry[1]] == [("logs/a-first", "F011"), ("logs/b/0-folder", "F011")]


def test_a_hard_link_is_read_once(folder: Path) -> None:
    """Two names of one file are one file."""
    os.link(folder / "a.log", folder / "zz.log")
    assert walk(folder)[-1] == ("logs/zz.log", "F011")


def test_overlapping_arguments_are_read_once(folder: Path) -> None:
    """A folder and a file in it do not give the file twice."""
    codes = [code for _, code in walk(folder, folder / "a.log", folder)]
    assert codes == [""] * 5 + ["F011", "F011"]


def test_links_that_cross_do_not_multiply(tmp_path: Path) -> None:
    """Folders that all link to each other are walked once each."""
    root = tmp_path / "root"
    names = [f"d{number}" for number in range(8)]
    for name in names:
        (root / name).mkdir(parents=True)
        (root / name / "f.log").write_text(name)
        for other in names:
            (root / name / f"to_{other}").symlink_to(f"../{other}")
    found = walk(root)
    assert sum(not code for _, code in found) == 8
    assert len(found) <= 8 + 8 * 8 + 8


def test_a_broken_link_is_skipped_with_the_reason(folder: Path) -> None:
    """A link that leads nowhere exists, but cannot be opened."""
    (folder / "broken").symlink_to("nowhere")
    (folder / "circle").symlink_to("circle")
    assert [entry for entry in walk(folder) if entry[1]] == [("logs/broken", "F001"), ("logs/circle", "F001")]
    assert skipped(folder / "broken")[0].error.message == "cannot be opened: No such file or directory"


def test_pipes_sockets_and_devices_are_never_opened(folder: Path) -> None:
    """Opening a pipe would wait for ever."""
    os.mkfifo(folder / "pipe")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(folder / "sock"))
        assert [entry for entry in walk(folder) if entry[1]] == [("logs/pipe", "F012"), ("logs/sock", "F012")]
    assert skipped(Path("/dev/null"))[0].error.message == "is a device, not a regular file"


def test_what_may_not_be_read_is_skipped_with_the_reason(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file or folder without permission is named with what the system says."""
    real_open, real_scandir = os.open, os.scandir

    def closed_open(path: Path, *args: int) -> int:
        if Path(path).name == "a.log":
            raise PermissionError(13, "Permission denied")
        return real_open(path, *args)

    def closed_scandir(path: Path) -> object:
        if Path(path).name == "deep":
            raise PermissionError(13, "Permission denied")
        return real_scandir(path)

    monkeypatch.setattr(os, "open", closed_open)
    monkeypatch.setattr(os, "scandir", closed_scandir)
    assert [entry for entry in walk(folder) if entry[1]] == [("logs/a.log", "F001"), ("logs/b/deep", "F001")]
    assert str(skipped(folder)[0].error) == f"{folder}/a.log: cannot be opened: Permission denied [F001]"


def test_names_that_are_not_utf8_get_a_printable_label(folder: Path) -> None:
    """A byte that is no UTF-8 is shown as an escape, and the file is found."""
    name = os.fsencode(folder) + b"/d\xff\xc3\xa9.log"
    descriptor = os.open(name, os.O_CREAT | os.O_WRONLY)
    os.write(descriptor, b"x")
    os.close(descriptor)
    last = list(find_files([folder]))[-1]
    assert last.label == f"{folder}/d\\xffé.log"
    assert isinstance(last, FoundFile)
    assert last.path.read_bytes() == b"x"


def test_folders_may_be_nested_deeper_than_the_stack(tmp_path: Path) -> None:
    """The depth of folders is bounded by the system's paths, not by recursion."""
    root = tmp_path / "root"
    root.mkdir()
    descriptor = os.open(root, os.O_RDONLY)
    for _ in range(1500):
        os.mkdir("d", dir_fd=descriptor)
        inner = os.open("d", os.O_RDONLY, dir_fd=descriptor)
        os.close(descriptor)
        descriptor = inner
    os.close(descriptor)
    assert walk(root) == []
    for depth in range(1500, 0, -1):  # pytest's own clean-up would recurse
        os.rmdir(str(root) + "/d" * depth)


def test_file_systems_without_numbers_lose_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where every file has the number 0, no file counts as another."""
    real = Path.stat

    def unnumbered(self: Path, *, follow_symlinks: bool = True) -> os.stat_result:
        found = real(self, follow_symlinks=follow_symlinks)
        return os.stat_result((found.st_mode, 0, *found[2:]))

    monkeypatch.setattr(Path, "stat", unnumbered)
    assert [code for _, code in walk(folder)] == [""] * 5
