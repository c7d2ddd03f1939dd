"""Access logs of web servers as JSON: the variables of nginx, the usual names of Apache's, Caddy's and Traefik's own.

The names are those that the administrator chose; an object is taken for a request when it tells who asked, what for, and how
that ended. Requests to GitLab's own application, Cisco Duo and the log of GlobalProtect are told by their own keys.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from tocsin.events import Event, Gate
from tocsin.events.time import normal_time
from tocsin.events.values import scalar_text
from tocsin.sources.access_log import log_time

Object = Mapping[str, Any]

_CLIENTS: Final = (
    "remote_addr",
    "remote_ip",
    "remoteIP",
    "client_ip",
    "clientip",
    "ClientHost",
    "ClientAddr",
    "http_x_real_ip",
)
_STATUSES: Final = ("status", "response", "status_code", "DownstreamStatus")
_TARGETS: Final = ("request_uri", "request_target", "RequestPath", "url", "uri", "path")
_QUERIES: Final = ("args", "query_string", "query")
_METHODS: Final = ("request_method", "method", "verb", "RequestMethod")
_LINES: Final = ("request", "request_line")
_GITLAB: Final = {"controller": ("production_json", ("action",)), "route": ("api_json", ("correlation_id",))}
"""Key of a request to GitLab -> the log that has it, and what else is there."""
_TIMES: Final = ("time_iso8601", "@timestamp", "time_local", "timestamp", "time", "msec", "ts", "StartUTC", "StartLocal")
_CADDY_HEADERS: Final = {"User-Agent": "http_user_agent", "Referer": "http_referer", "Cookie": "http_cookie"}

WEB_KEYS: Final = frozenset((*_CLIENTS, "request"))
"""Keys of which a request has at least one."""
GITLAB_KEYS: Final = frozenset({"controller", "route"})
DUO_KEYS: Final = frozenset({"txid"})
GLOBALPROTECT_KEYS: Final = frozenset({"task"})


def web_shape(inner: Object, found: Object, number: int) -> Event | None:
    """Return the request that an object tells, or None."""
    fields = _caddy(inner) or _flat(inner)
    if fields is None:
        return None
    time = next((time for name in _TIMES if (time := _time(inner.get(name)))), "")
    return Event(Gate("nginx", "access", ""), fields, found, time, scalar_text(inner.get("hostname")) or "", number)


def _flat(inner: Object) -> dict[str, Any] | None:
    client = next((name for name in _CLIENTS if isinstance(inner.get(name), str)), "")
    status = next((name for name in _STATUSES if (scalar_text(inner.get(name)) or "").isdecimal()), "")
    if not client or not status:
        return None
    asked = _asked(inner)
    if not asked:
        return None
    fields = {name: value for name, value in inner.items() if value not in ("-", "")}
    return fields | asked


def _asked(inner: Object) -> dict[str, str]:
    """Return the method and target of a request; empty when the object states none.

    The request line goes first: it is as the client sent it, where other variables may be decoded.
    """
    line = _text(inner, _LINES)
    method, _, rest = line.partition(" ")
    target, _, version = rest.rpartition(" ")
    if target:
        return {"request_method": method, "request_target": target, "server_protocol": version}
    named = _text(inner, (*_TARGETS, "request"))
    if not named:
        return {}
    query = "" if "?" in named else _text(inner, _QUERIES).removeprefix("?")
    parts = {"request_target": f"{named}?{query}" if query else named}
    method = _text(inner, _METHODS)
    return parts | ({"request_method": method} if method else {})


def _text(inner: Object, names: tuple[str, ...]) -> str:
    """Return the first text that stands for something."""
    return next((text for name in names if isinstance(text := inner.get(name), str) and text not in ("", "-")), "")


def _caddy(inner: Object) -> dict[str, Any] | None:
    """Return the fields of Caddy's log, whose request is an object."""
    request = inner.get("request")
    if not isinstance(request, dict) or "status" not in inner or not isinstance(request.get("uri"), str):
        return None
    fields = {
        **inner,
        "request_target": request["uri"],
        "request_method": request.get("method"),
        "http_host": request.get("host"),
    }
    fields["remote_addr"] = request.get("client_ip") or request.get("remote_ip") or request.get("remote_addr")
    headers = request.get("headers")
    sent = headers if isinstance(headers, dict) else {}
    for name, own in _CADDY_HEADERS.items():
        value = sent.get(name)
        if isinstance(value, list) and value:
            fields[own] = value[0] if len(value) == 1 else value
    return {name: value for name, value in fields.items() if value is not None}


def _time(value: Any) -> str:
    text = scalar_text(value) or ""
    return log_time(text.strip("[]")) if text else ""


def gitlab_shape(inner: Object, found: Object, number: int) -> Event | None:
    """Return a request of GitLab's production_json.log or api_json.log, or None.

    Other applications of Rails have a controller and an action too; GitLab adds the id of the request, or parameters as a list.
    """
    own = "correlation_id" in inner or isinstance(inner.get("params"), list)
    if not own or not all(isinstance(inner.get(name), str) for name in ("method", "path")) or "status" not in inner:
        return None
    for key, (channel, others) in _GITLAB.items():
        if isinstance(inner.get(key), str) and all(isinstance(inner.get(name), str) for name in others):
            return Event(Gate("gitlab", channel, ""), inner, found, _time(inner.get("time")), "", number)
    return None


def duo_shape(inner: Object, found: Object, number: int) -> Event | None:
    """Return an event of Cisco Duo's authentication log, or None."""
    if "event_type" not in inner or "factor" not in inner or "reason" not in inner:
        return None
    time = normal_time(inner.get("isotimestamp")) or normal_time(inner.get("timestamp"))
    return Event(Gate("cisco", "duo", ""), inner, found, time, "", number)


def globalprotect_shape(inner: Object, found: Object, number: int) -> Event | None:
    """Return an event of the GlobalProtect service's own log (gpsvc.log), or None."""
    if set(inner) < {"level", "task", "time", "message"} or not isinstance(inner.get("message"), str) or "level" not in inner:
        return None
    return Event(
        Gate("paloalto", "globalprotect", ""), inner, found, normal_time(inner.get("time")), "", number, inner["message"]
    )


__all__ = [
    "DUO_KEYS",
    "GITLAB_KEYS",
    "GLOBALPROTECT_KEYS",
    "WEB_KEYS",
    "duo_shape",
    "gitlab_shape",
    "globalprotect_shape",
    "web_shape",
]
