"""macOS as JSON: Endpoint Security events as `eslogger` writes them, and the unified log of `log show --style ndjson`.

A process that was executed is `process_creation`, with the file that ran and its arguments joined by spaces; the image of
the process before is its parent, which holds for what a shell or a service starts. A file that was created, renamed or
closed after a change is `file_event`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from tocsin.events import Event, Gate
from tocsin.events.time import normal_time
from tocsin.events.values import find, scalar_text

Object = Mapping[str, Any]

MACOS_KEYS: Final = frozenset({"mach_time", "processImagePath"})
"""An object without any of these is none of macOS."""


def macos_shape(inner: Object, found: Object, number: int) -> Event | None:
    """Return the event of macOS that an object tells, or None."""
    if "mach_time" in inner and isinstance(inner.get("event"), dict) and isinstance(inner.get("process"), dict):
        return _security_event(inner, found, number)
    if "processImagePath" in inner and "eventMessage" in inner:
        time = normal_time(inner.get("timestamp"))
        return Event(Gate("macos", "unified_log", ""), inner, found, time, "", number)
    return None


def _security_event(inner: Object, found: Object, number: int) -> Event:
    channel, made = _made(inner)
    return Event(Gate("macos", channel, ""), {**inner, **made}, found, normal_time(inner.get("time")), "", number)


def _made(inner: Object) -> tuple[str, dict[str, Any]]:
    """Return the channel of an event, and its fields under the names of rules."""
    acting = _path(inner, "process.executable.path")
    event = inner["event"]
    if isinstance(event.get("exec"), dict):
        arguments = event["exec"].get("args")
        words = [scalar_text(word) or "" for word in arguments] if isinstance(arguments, list) else []
        fields = {
            "Image": _path(event, "exec.target.executable.path"),
            "CommandLine": " ".join(words) or None,
            "CurrentDirectory": _path(event, "exec.cwd.path"),
            "ProcessId": find(event, "exec.target.audit_token.pid")[1],
            "ParentProcessId": find(event, "exec.target.ppid")[1],
            "ParentImage": acting,
        }
        return "process_creation", _present(fields)
    target = _changed_file(event)
    if target:
        return "file_event", _present({"TargetFilename": target, "Image": acting})
    return next((str(name) for name in event), "other"), _present({"Image": acting})


def _present(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def _path(node: Object, path: str) -> str | None:
    value = find(node, path)[1]
    return value if isinstance(value, str) and value else None


def _changed_file(event: Object) -> str | None:
    """Return the file that an event created, moved into place, or changed."""
    for kind in ("create", "rename"):
        if kind in event:
            folder = _path(event, f"{kind}.destination.new_path.dir.path")
            name = _path(event, f"{kind}.destination.new_path.filename")
            made = f"{folder.rstrip('/')}/{name}" if folder and name else None
            return made or _path(event, f"{kind}.destination.existing_file.path")
    if find(event, "close.modified")[1] is True:
        return _path(event, "close.target.path")
    return None


__all__ = ["MACOS_KEYS", "macos_shape"]
