"""tshark is a hostile child: its output, its limits, its end, and what it is told of us, with scripts that stand in for it."""

from __future__ import annotations

import io
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from capture_packets import pcap, read_capture
from tocsin.sources.capture import CaptureSource
from tocsin.sources.capture_tshark import LIMITS, Limits
from tocsin.sources.interface import Loss, Stream

EMPTY = pcap([])
LINE = '{"layers":{"frame_number":["1"],"frame_time_epoch":["1.5"],"frame_protocols":["eth"]}}'
FEW_S = 20.0

Fake = Callable[[str, str], None]


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Iterator[Fake]:
    """Give a function that puts a shell script in the place of tshark: one part for lines, one for trees."""
    folder = Path(tempfile.mkdtemp(prefix="tshark-"))
    folder.chmod(0o755)  # the child may be another user

    def make(lines: str, trees: str = "cat > /dev/null") -> None:
        script = folder / "tshark"
        body = f'case "$*" in\n"-G protocols") printf "A\\ta\\ta\\n";;\n*ek*) {lines};;\n*) {trees};;\nesac\n'
        script.write_text(f"#!/bin/sh\n{body}", "utf-8")
        script.chmod(script.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)

    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    yield make
    shutil.rmtree(folder)


def lost(limits: Limits = LIMITS) -> list[tuple[str, str]]:
    """Return code and message of what an empty capture loses."""
    return [(loss.error.code, loss.error.message) for loss in read_capture(EMPTY, limits)[1]]


def running(text: str) -> list[str]:
    """Return the command lines of living processes that hold a text."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = entry.read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
        except OSError:
            continue
        if text in command:
            found.append(command)
    return found


def becomes(wanted: bool, text: str) -> bool:
    """Tell whether a process with a text in its command line comes to live, or to be gone, within a short while."""
    end = time.monotonic() + FEW_S
    while bool(running(text)) != wanted and time.monotonic() < end:
        time.sleep(0.02)
    return bool(running(text)) == wanted


HOSTILE = [
    "not json at all",
    "{",
    "[1,2,3]",
    '{"layers":[]}',
    '{"layers":{"frame_number":"1"}}',
    '{"layers":{"frame_number":["x"]}}',
    '{"layers":{"frame_number":[1e400]}}',
    '{"layers":{"frame_number":["1"],"ip_src":[{}],"ip_dst":[[]],"tcp_srcport":[{}],"tcp_dstport":[null]}}',
    "[" * 5000,
    '{"layers":{"a":' + "[" * 5000,
]


@pytest.mark.parametrize("line", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_lines(fake: Fake, line: str) -> None:
    """A line that is not of the form expected is a loss, or no event; never an error, and the next line is read."""
    fake(f"cat > /dev/null; printf '%s\\n' '{line}' '{LINE}'")
    events, losses = read_capture(EMPTY)
    assert not events
    assert {loss.error.code for loss in losses} <= {"F006"}
    assert losses or "ip_src" in line


@pytest.mark.parametrize(
    "tree",
    [
        '{"_source": 1}',
        '{"_source": {"layers": {"frame": {"frame.number": "x"}, "modbus": 3}}}',
        "{" * 3000,
    ],
    ids=["no-layers", "no-number", "deep"],
)
def test_hostile_trees(fake: Fake, tree: str) -> None:
    """A tree that is none of a packet is a loss with its code."""
    fake("cat > /dev/null", f"cat > /dev/null; printf '[\\n  %s\\n  }},\\n' '{tree}'")
    assert [code for code, _ in lost()] == ["F006"]


def test_odd_values_in_a_tree_make_no_error(fake: Fake) -> None:
    """Values of another kind than expected are left out of the event, whatever the protocol."""
    odd = '[[], {}, null, true, 1e99, "0x", "99999999999999999999999", {"modbus.func_code": "6"}]'
    names = (
        "modbus",
        "mbtcp",
        "dnp3",
        "iec60870_104",
        "iec60870_asdu",
        "cotp",
        "s7comm",
        "data",
        "enip",
        "cip",
        "bvlc",
        "opcua",
    )
    layers = ", ".join(f'"{name}": {odd}' for name in names)
    number = '"frame": {"frame.number": "1", "frame.time_epoch": "12.25"}'
    fake(
        "cat > /dev/null",
        f"""cat > /dev/null; printf '[\\n  {{\\n"_source": {{"layers": {{{number}, {layers}}}}}\\n  }}\\n]\\n'""",
    )
    events, losses = read_capture(EMPTY)
    assert not losses
    assert {event.time for event in events} == {"1970-01-01T00:00:12.250000Z"}
    assert "modbus" in {event.gate.channel for event in events}


def test_an_item_that_is_too_long_is_a_loss(fake: Fake) -> None:
    """A line over the limit is told once and skipped, the next is read; no more of it is held."""
    fake(f"cat > /dev/null; head -c 300000 /dev/zero | tr '\\0' x; printf '\\n%s\\n' '{LINE}'")
    found = lost(Limits(item_bytes=10_000))
    assert found == [("F013", "after packet 0: a packet is too long to be told")]


def test_output_without_end_is_stopped(fake: Fake) -> None:
    """A child that writes without end is killed at the limit, with a loss that names it."""
    fake("while :; do printf '%s\\n' '{}'; done".replace("{}", LINE))
    found = lost(Limits(output_bytes=200_000))
    assert found == [("F015", "after packet 1: tshark was stopped: it wrote more than 200000 bytes")]
    assert becomes(False, f"{os.environ['PATH'].partition(':')[0]}/tshark")


def test_a_child_that_stalls_is_stopped(fake: Fake) -> None:
    """A child that neither reads nor writes is killed after a while, with all that it started."""
    fake("sleep 98761", "sleep 98761")
    before = time.monotonic()
    assert lost(Limits(idle_s=0.2)) == [("F015", "after packet 0: tshark was stopped: no progress for 0.2 s")]
    assert time.monotonic() - before < FEW_S
    assert becomes(False, "sleep 98761")


def test_a_child_that_takes_too_long_is_stopped(fake: Fake) -> None:
    """A child that goes on for ever without a line for us is killed when the time is up."""
    fake("while :; do printf x; sleep 0.01; done")
    assert lost(Limits(wait_s=0.3)) == [("F015", "after packet 0: tshark was stopped: it took more than 0.3 s")]


def test_nobody_reads_on(fake: Fake) -> None:
    """When the reader of the events stops, the children are gone."""
    fake("while :; do printf '%s\\n' '{not json'; done; sleep 98762", "sleep 98762")
    items = CaptureSource().read(Stream(io.BytesIO(EMPTY), "x"))
    assert isinstance(next(items), Loss)
    try:
        assert becomes(True, "sleep 98762")
    finally:
        items.close()  # type: ignore[attr-defined]
    assert becomes(False, "sleep 98762")


def test_a_crash_is_told(fake: Fake) -> None:
    """A child that is ended by a signal, or fails, is a loss with what it said, its control characters made visible."""
    fake("kill -SEGV $$")
    assert [code for code, _ in lost()] == ["F015"]
    assert "signal SIGSEGV" in lost()[0][1]
    fake("printf 'no \\033[31mmemory' >&2; exit 3")
    assert lost() == [("F015", "after packet 0: tshark ended with 3: 'no \\x1b[31mmemory'")]


def test_a_tree_view_that_fails_alone_is_told(fake: Fake) -> None:
    """When only the industrial messages are lost, the loss says so."""
    fake("cat > /dev/null", "exit 1")
    assert lost() == [("F015", "industrial messages after packet 0: tshark ended with 1")]


def test_what_the_child_may(fake: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    """A child is not root, knows nothing of our environment, can write no file and has the limits that were asked for."""
    monkeypatch.setenv("SECRET_OF_OURS", "hidden")
    fake('echo "$(id -u) $(ulimit -v) $(ulimit -t) $(ulimit -f) $(ulimit -c) ${SECRET_OF_OURS:-none} $HOME" >&2; exit 1')
    ((_, message),) = lost(Limits(memory_bytes=1 << 30, cpu_s=77))
    uid, memory, cpu, size, core, secret, home = message.partition("'")[2].rstrip("'").split(" ")
    assert uid != "0"
    assert (memory, cpu, size, core, secret) == (str(1 << 20), "77", "0", "0", "none")
    assert home != os.environ.get("HOME")
    assert not Path(home).exists()


def test_a_tool_that_cannot_run_is_missing(fake: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    """A tshark that fails to list its protocols is as good as none."""
    fake("exit 0")
    folder = Path(os.environ["PATH"].partition(":")[0])
    (folder / "tshark").write_text("#!/bin/sh\nexit 9\n")
    ((code, message),) = lost()
    assert code == "F014"
    assert "cannot be used" in message
