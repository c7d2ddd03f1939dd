"""Requests to the server under test, and what every answer is asked."""

from __future__ import annotations

import base64
import json
import re
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urljoin

import httpx

MEDIA = "application/taxii+json;version=2.1"
TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", re.ASCII)
FIRST, LAST = "X-TAXII-Date-Added-First", "X-TAXII-Date-Added-Last"
Params = Mapping[str, Any] | Sequence[tuple[str, str]]
Json = dict[str, Any]
_MOST_WAIT_S = 30.0
_TRIES = 4
_MOST_PAGES = 200
_SHOWN = 150


class Secret(str):
    """Text that a report of a failure shall not show, although it was an argument."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'***'"


@dataclass(frozen=True)
class Login:
    """How the suite says who it is. Both may be known: then the token is used, and the password where Basic is tested."""

    token: str = field(default="", repr=False)
    scheme: str = "Bearer"
    user: str = ""
    password: str = field(default="", repr=False)

    @property
    def basic(self) -> str:
        """Return the Authorization header of HTTP Basic."""
        return Secret("Basic " + base64.b64encode(f"{self.user}:{self.password}".encode()).decode())

    @property
    def header(self) -> str:
        """Return the Authorization header of most requests, empty when the server asks for none."""
        return Secret(f"{self.scheme} {self.token}") if self.token else self.basic if self.user else ""


class Server:
    """The server under test: its client of HTTP, and the URL of the API root that has the collection."""

    def __init__(self, client: httpx.Client, discovery: str, login: Login) -> None:
        self.client = client
        self.discovery = discovery
        self.login = login
        self.root = ""

    def ask(
        self,
        method: str,
        url: str,
        params: Params | None = None,
        headers: Mapping[str, str | None] | None = None,
        content: bytes | None = None,
    ) -> httpx.Response:
        """Send a request as TAXII wants it; a header that is None is left out. A server that is busy is asked again."""
        wanted = {"Accept": MEDIA, "Authorization": self.login.header or None, **(headers or {})}
        request = self.client.build_request(method, urljoin(self.root, url), params=params, content=content)
        for name, value in wanted.items():
            if value is None:
                request.headers.pop(name, None)
            else:
                request.headers[name] = value
        for _ in range(_TRIES):
            answer = self.client.send(request)
            wait = answer.headers.get("Retry-After", "")
            if answer.status_code not in {429, 503} or not wait.isdecimal():
                break
            time.sleep(min(float(wait), _MOST_WAIT_S))
        return answer

    def get(self, url: str, params: Params | None = None, **headers: str | None) -> httpx.Response:
        """Get a URL, relative to the API root. Underscores in the names of headers are dashes."""
        return self.ask("GET", url, params, {name.replace("_", "-"): value for name, value in headers.items()})


@dataclass
class Collection:
    """A collection of the server under test. What is added is remembered, to be deleted when the suite ends."""

    server: Server
    id: str
    added: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        """Return the URL of the collection."""
        return f"{self.server.root}collections/{self.id}/"

    def at(self, *parts: str) -> str:
        """Return the URL of something in the collection."""
        return self.url + "".join(f"{part}/" for part in parts)

    def read(self, endpoint: str, params: Params | None = None) -> Json:
        """Return what an endpoint (objects, manifest, or a path below them) answers with 200."""
        return body_of(expect(self.server.get(self.at(endpoint), params), 200))

    def objects(self, params: Params | None = None) -> list[Json]:
        """Return the objects of one answer."""
        return list(self.read("objects", params).get("objects", []))

    def manifest(self, params: Params | None = None) -> list[Json]:
        """Return the manifest records of one answer."""
        return list(self.read("manifest", params).get("objects", []))

    def versions(self, stix_id: str, params: Params | None = None) -> list[str]:
        """Return the versions of an object."""
        return list(self.read(f"objects/{stix_id}/versions", params).get("versions", []))

    def ids(self, endpoint: str, params: Params | None = None) -> list[str]:
        """Return the ids of one answer of objects or manifest, in its order."""
        return [item["id"] for item in self.read(endpoint, params).get("objects", [])]

    def post(self, body: Any, **headers: str | None) -> httpx.Response:
        """Post a body: JSON, or bytes as they are."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        if isinstance(body, dict):
            self.added += [item["id"] for item in body.get("objects") or [] if isinstance(item, dict) and "id" in item]
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.server.ask("POST", self.at("objects"), None, {"Content-Type": MEDIA, **named}, content)

    def add(self, *objects: Json) -> Json:
        """Add objects and return the final status; all of them have to be accepted."""
        status = self.settled(body_of(expect(self.post({"objects": list(objects)}), 202)))
        assert status["failure_count"] == 0, f"objects were refused: {status.get('failures')}"
        return status

    def settled(self, status: Json) -> Json:
        """Return a status when it is complete."""
        end = time.monotonic() + _MOST_WAIT_S
        while status["status"] != "complete":
            assert time.monotonic() < end, f"the request is still {status['status']!r} after {_MOST_WAIT_S:.0f} s"
            time.sleep(0.2)
            status = body_of(expect(self.server.get(f"status/{status['id']}/"), 200))
        return status

    def delete(self, stix_id: str, params: Params | None = None) -> httpx.Response:
        """Delete an object that the suite added."""
        assert stix_id in self.added, "the suite deletes nothing but its own"
        return self.server.ask("DELETE", self.at("objects", stix_id), params)

    def pages(self, endpoint: str, params: Mapping[str, str]) -> Iterator[tuple[httpx.Response, Json]]:
        """Yield page after page, by `next` where the server gives it, else by the date of the last record."""
        asked = dict(params)
        for _ in range(_MOST_PAGES):
            answer = expect(self.server.get(self.at(endpoint), asked), 200)
            page = body_of(answer)
            yield answer, page
            if not page.get("more"):
                return
            asked = dict(params)
            if page.get("next"):
                asked["next"] = page["next"]
            else:
                asked["added_after"] = answer.headers[LAST]
        raise AssertionError(f"the pages do not end: {_MOST_PAGES} were read")

    def clean(self) -> None:
        """Delete what the suite added, as far as the server lets it."""
        for stix_id in dict.fromkeys(self.added):
            for params in (None, {"match[version]": "all"})[: self.added.count(stix_id)]:
                if self.server.ask("DELETE", self.at("objects", stix_id), params).status_code != 200:
                    break


def expect(answer: httpx.Response, *statuses: int) -> httpx.Response:
    """Return an answer whose status is one of those that are right."""
    right = " or ".join(map(str, statuses))
    assert answer.status_code in statuses, f"{told(answer)}, where {right} is right: {answer.text[:200]!r}"
    return answer


def told(answer: httpx.Response) -> str:
    """Return what was asked and the status of its answer, without secrets."""
    return f"{answer.request.method} {answer.request.url.raw_path.decode()[:_SHOWN]} answers {answer.status_code}"


def body_of(answer: httpx.Response) -> Json:
    """Return the JSON object of an answer."""
    try:
        found = answer.json()
    except ValueError:
        found = None
    assert isinstance(found, dict), f"{told(answer)} with what is no JSON object: {answer.text[:100]!r}"
    return found


def check_media(answer: httpx.Response) -> None:
    """Fail unless an answer says that it is of TAXII 2.1."""
    given = answer.headers.get("Content-Type", "")
    kind, _, rest = given.partition(";")
    parameters = dict(part.strip().lower().partition("=")[::2] for part in rest.split(";") if part.strip())
    right = kind.strip().lower() == "application/taxii+json" and parameters.get("version", "").strip('"') == "2.1"
    assert right, f"{told(answer)} with Content-Type {given!r}"


def check_error(answer: httpx.Response, *statuses: int) -> Json:
    """Return the error message of an answer, or nothing when it has none, which is allowed."""
    expect(answer, *statuses)
    if not answer.content or "json" not in answer.headers.get("Content-Type", ""):
        return {}
    error = body_of(answer)
    assert isinstance(error.get("title"), str), f"{told(answer)}: the error message has no title: {error}"
    return error


def moment(text: str) -> datetime:
    """Return the moment that a timestamp of STIX or TAXII says."""
    whole, _, fraction = text.removesuffix("Z").partition(".")
    assert text.endswith("Z"), f"{text!r} is no timestamp in UTC"
    found = datetime.fromisoformat(whole).replace(tzinfo=UTC)
    return found.replace(microsecond=int(fraction[:6].ljust(6, "0")) if fraction else 0)


def moments(texts: Iterable[str]) -> list[datetime]:
    """Return the moments of timestamps."""
    return [moment(text) for text in texts]


def check_timestamp(text: object) -> None:
    """Fail unless a value is a timestamp of TAXII: UTC, six digits after the point, Z."""
    assert isinstance(text, str), f"{text!r} is no timestamp"
    assert TIMESTAMP.fullmatch(text), f"{text!r} is no timestamp with microseconds and Z"


__all__ = [
    "FIRST",
    "LAST",
    "MEDIA",
    "Collection",
    "Json",
    "Login",
    "Secret",
    "Server",
    "body_of",
    "check_error",
    "check_media",
    "check_timestamp",
    "expect",
    "moment",
    "moments",
    "told",
]
