"""tshark as an unprivileged child: it sees the capture on its standard input only, and its output is not trusted.

Each view is a child of its own, with only the protocols that it needs; all of them read the same bytes at once. A child has
an empty home folder, little environment, resolves no names, has limits on memory, processor time, files and output, and is
killed with its group when it stalls or when nobody reads on.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import re
import selectors
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, NamedTuple

from tocsin.errors import SourceError
from tocsin.sources.interface import Stream

PROGRAM: Final = "tshark"
INSTALL: Final = "sudo apt-get install tshark"
HINT: Final = f"install it: {INSTALL}"
_BLOCK_BYTES: Final = 256 << 10
_STDERR_BYTES: Final = 4096
_QUOTED: Final = 200
_POLL_S: Final = 0.5
_EXIT_S: Final = 20
_LIST_S: Final = 60
_NOBODY: Final = 65534
_NOISE: Final = re.compile(r"Running as user .*|\*\* \(tshark.*|^\s*$")
_CUT: Final = "cut short"
_ABOUT_FILE: Final = re.compile(r"The (?:file|standard input)\b")
_UNREAD: Final = "disabled protocols file"
_LIMITED: Final = 'ulimit -c 0; ulimit -f 0; ulimit -v "$1"; ulimit -t "$2"; shift 2; exec "$@"'
"""Sets limits in the child itself. To lower one always works; to raise it fails where a lower one is in force already."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one child may use.

    `idle_s` is without any progress, `wait_s` all the time that is spent waiting for the children, without that of
    whoever reads the events; `item_bytes` the longest line or tree; `output_bytes` all output of one child.
    """

    memory_bytes: int = 4 << 30
    cpu_s: int = 4 * 3600
    idle_s: float = 120.0
    wait_s: float = 4 * 3600.0
    item_bytes: int = 64 << 20
    output_bytes: int = 256 << 30


LIMITS: Final = Limits()


@dataclass(frozen=True, slots=True)
class View:
    """What one child is asked for: its arguments, the protocols that it may dissect, and what ends an item of its output."""

    name: str
    arguments: tuple[str, ...]
    protocols: frozenset[str]
    end: re.Pattern[bytes]


class Item(NamedTuple):
    """A piece of output of a view, by its place in the order given; `data` is None for one that was too long."""

    view: int
    data: bytes | None


class Fault(NamedTuple):
    """Why a view ended before its time: a code and a reason."""

    view: int
    code: str
    reason: str


def find_tshark() -> str:
    """Return the path of tshark. Raises: SourceError F014 when it is not installed."""
    found = shutil.which(PROGRAM)
    if found is None:
        raise SourceError("F014", f"{PROGRAM}, which reads captures, is not installed; {INSTALL} does it", hint=HINT)
    return str(Path(found).absolute())


def read_views(stream: Stream, views: Sequence[View], limits: Limits = LIMITS) -> Iterator[Item | Fault]:
    """Yield the output of a child for each view as it comes, and what went wrong.

    Raises: SourceError F014 when tshark is missing or cannot be started; the error of the stream, after all that could be
    made of the bytes before it.
    """
    program = find_tshark()
    known = _known_protocols(program)
    with tempfile.TemporaryDirectory(prefix="tocsin-") as folder, contextlib.ExitStack() as stack:
        Path(folder).chmod(0o755)  # the child may be another user
        children = []
        for number, view in enumerate(views):
            home = Path(folder, str(number))
            home.mkdir(mode=0o755)
            unwanted = (f"{name}\n" for name in known if name not in view.protocols)
            (home / "disabled_protos").write_text("".join(unwanted), "utf-8")
            children.append(stack.enter_context(_Child(number, view, program, home, limits)))
        yield from _pump(stream, children, limits)


@lru_cache(maxsize=8)
def _known_protocols(program: str) -> tuple[str, ...]:
    """Return the names of all protocols that this tshark can dissect. Raises: SourceError F014."""
    with tempfile.TemporaryDirectory(prefix="tocsin-") as folder:
        Path(folder).chmod(0o755)
        try:
            found = subprocess.run(  # noqa: S603 - no shell, fixed arguments
                [program, "-G", "protocols"],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=_LIST_S,
                check=True,
                **_start(folder),
            )
        except (OSError, subprocess.SubprocessError) as error:
            raise SourceError("F014", f"{PROGRAM} cannot be used: {error}", hint=HINT) from error
    rows = (line.split("\t") for line in found.stdout.decode("utf-8", "replace").splitlines())
    return tuple(row[2] for row in rows if len(row) > 2)


def _start(home: str) -> dict[str, Any]:
    """Return how a child is started: alone in its group, with little environment, and never as root."""
    env = dict.fromkeys(("HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME", "WIRESHARK_CONFIG_DIR"), home)
    env |= {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C.UTF-8", "TZ": "UTC"}
    how: dict[str, Any] = {"cwd": "/", "env": env, "start_new_session": True}
    if os.geteuid() == 0:
        user, group = _nobody()
        how |= {"user": user, "group": group, "extra_groups": []}
    return how


def _nobody() -> tuple[int, int]:
    try:
        entry = pwd.getpwnam("nobody")
    except KeyError:
        return _NOBODY, _NOBODY
    return entry.pw_uid, entry.pw_gid


class _Child:
    """One tshark: what is still to be written to it, what came from it, and how it ended."""

    def __init__(self, number: int, view: View, program: str, home: Path, limits: Limits) -> None:
        self.number, self.view, self._limits = number, view, limits
        self.pending = memoryview(b"")
        self.fed = False
        self._errors = b""
        self._buffer = bytearray()
        self._scanned = self._total = 0
        self._skipping = False
        self._limit = ""
        try:
            self._process = subprocess.Popen(  # noqa: S603 - no shell, fixed arguments
                [
                    *("/bin/sh", "-c", _LIMITED, "sh", str(limits.memory_bytes >> 10), str(limits.cpu_s)),
                    *(program, "-n", "-r", "-", *view.arguments),
                ],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                bufsize=0,
                **_start(str(home)),
            )
        except OSError as error:
            raise SourceError("F014", f"{PROGRAM} cannot be started: {error}", hint=HINT) from error

    def __enter__(self) -> _Child:
        for pipe in self.pipes:
            os.set_blocking(pipe.fileno(), False)
        return self

    def __exit__(self, *_: object) -> None:
        self.stop("")
        for pipe in self.pipes:
            with contextlib.suppress(OSError):
                pipe.close()
        self._process.wait()

    @property
    def pipes(self) -> tuple[Any, Any, Any]:
        """Return the pipes to and from the child."""
        return self._process.stdin, self._process.stdout, self._process.stderr

    def stop(self, why: str) -> None:
        """Kill the child with all that it may have started, for a limit that it ran into."""
        if self._process.poll() is None:
            self._limit = self._limit or why
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)

    def write(self) -> bool:
        """Write what the pipe takes; return False when the child reads no more."""
        try:
            self.pending = self.pending[os.write(self.pipes[0].fileno(), self.pending) :]
        except BlockingIOError:
            return True
        except OSError:
            self.pending = memoryview(b"")
            return False
        return True

    def note(self, data: bytes) -> None:
        """Keep the first of what the child writes to its standard error."""
        self._errors += data[: _STDERR_BYTES - len(self._errors)]

    def take(self, data: bytes) -> Iterator[Item]:
        """Yield the items that new output completes."""
        self._total += len(data)
        if self._total > self._limits.output_bytes:
            self.stop(f"it wrote more than {self._limits.output_bytes} bytes")
            return
        self._buffer += data
        start = 0
        for end in self.view.end.finditer(self._buffer, self._scanned):
            if not self._skipping:
                yield Item(self.number, bytes(self._buffer[start : end.end()]))
            self._skipping = False
            start = end.end()
        del self._buffer[:start]
        if len(self._buffer) > self._limits.item_bytes:
            if not self._skipping:
                yield Item(self.number, None)
            self._skipping = True
            del self._buffer[:-16]
        self._scanned = max(0, len(self._buffer) - 16)

    def ended(self) -> Fault | None:
        """Wait for the end of a child whose output has ended; return what was wrong."""
        try:
            status = self._process.wait(_EXIT_S)
        except subprocess.TimeoutExpired:
            self.stop("it did not come to its end")
            status = self._process.wait()
        lines = self._errors.decode("utf-8", "replace").splitlines()
        said = " ".join(line for line in lines if not _NOISE.fullmatch(line))
        quoted = f": {said[:_QUOTED]!r}" if said else ""
        if self._limit:
            return Fault(self.number, "F015", f"{PROGRAM} was stopped: {self._limit}")
        if _CUT in said:
            return Fault(self.number, "F005", "the capture ends in the middle of a packet")
        if _ABOUT_FILE.search(said):
            return Fault(self.number, "F004", f"{PROGRAM} cannot read on{quoted}")
        if status < 0:
            return Fault(self.number, "F015", f"{PROGRAM} was ended by signal {_signal(-status)}{quoted}")
        if status or _UNREAD in said:
            return Fault(self.number, "F015", f"{PROGRAM} ended with {status}{quoted}")
        return None


def _signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return str(number)


def _pump(stream: Stream, children: list[_Child], limits: Limits) -> Iterator[Item | Fault]:
    """Write the stream to all children at once, and yield what they write, until all have ended."""
    clock = _Clock(limits)
    feed = _Feed(stream, children)
    with selectors.DefaultSelector() as selector:
        for child in children:
            _, out, err = child.pipes
            selector.register(out, selectors.EVENT_READ, (child, 1))
            selector.register(err, selectors.EVENT_READ, (child, 2))
        while selector.get_map() and not clock.why:
            feed.offer(selector)
            for key, _ in clock.select(selector):
                child, channel = key.data
                yield from _serve(selector, key.fileobj, child, channel)
    for child in children:
        if clock.why:
            child.stop(clock.why)
        fault = child.ended()
        if fault:
            yield fault
    if feed.failure:
        raise feed.failure


class _Feed:
    """Gives the stream to the children, block by block; `failure` is the error with which it broke off."""

    def __init__(self, stream: Stream, children: list[_Child]) -> None:
        self._stream, self._children = stream, children
        self._is_over = False
        self.failure: SourceError | None = None

    def offer(self, selector: selectors.BaseSelector) -> None:
        """Give the next block to each child that still reads, once all have taken the last one; close the pipes at the end."""
        if self._is_over or any(child.pending for child in self._children):
            return
        try:
            block = self._stream.read(_BLOCK_BYTES)
        except SourceError as error:
            self.failure, block = error, b""
        self._is_over = not block
        for child in self._children:
            pipe = child.pipes[0]
            if pipe.closed:
                continue
            if self._is_over:
                pipe.close()
                continue
            child.pending = memoryview(block)
            selector.register(pipe, selectors.EVENT_WRITE, (child, 0))


def _serve(selector: selectors.BaseSelector, pipe: Any, child: _Child, channel: int) -> Iterator[Item]:
    if channel == 0:
        reads_on = child.write()
        if not child.pending:
            selector.unregister(pipe)
        if not reads_on:
            pipe.close()
        return
    try:
        data = os.read(pipe.fileno(), _BLOCK_BYTES)
    except BlockingIOError:
        return
    if not data:
        selector.unregister(pipe)
    elif channel == 1:
        yield from child.take(data)
    else:
        child.note(data)


class _Clock:
    """Measures the time that is spent waiting; `why` tells the limit that was reached."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._waited = self._idle = 0.0
        self.why = ""

    def select(self, selector: selectors.BaseSelector) -> list[tuple[selectors.SelectorKey, int]]:
        """Wait until some pipe is ready, a short while at most."""
        before = time.monotonic()
        ready = selector.select(_POLL_S)
        spent = time.monotonic() - before
        self._waited += spent
        self._idle = 0.0 if ready else self._idle + spent
        if self._idle > self._limits.idle_s:
            self.why = f"no progress for {self._limits.idle_s:g} s"
        elif self._waited > self._limits.wait_s:
            self.why = f"it took more than {self._limits.wait_s:g} s"
        return ready


__all__ = ["LIMITS", "PROGRAM", "Fault", "Item", "Limits", "View", "find_tshark", "read_views"]
