"""ID tokens that do not hold, and providers that lead elsewhere: nobody is logged in by any of them."""

from __future__ import annotations

import base64
import hmac
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import RSAKey

from node_samples import START
from tocsin.runs.login_file import Group, Login
from tocsin.server.answers import Refusal
from tocsin.server.provider import Attempt, Provider

KEY, OTHER = RSAKey.generate_key(2048, {"kid": "one"}), RSAKey.generate_key(2048, {"kid": "one"})
NOW = START // 1_000_000
Claims = dict[str, Any]


@dataclass
class Hostile:
    """A provider that answers what it is told to, by path."""

    answers: dict[str, Any] = field(default_factory=dict)
    asked: list[tuple[str, bytes]] = field(default_factory=list)
    issuer: str = ""
    waits: threading.Event | None = None
    came: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))

    def login(self) -> Login:
        """Return what a node's file says of it."""
        return Login(self.issuer, "node", {"analysts": Group("hilltown")})

    def good(self, attempt: Attempt) -> Claims:
        """Return the claims of an ID token that holds."""
        times = {"iat": NOW, "exp": NOW + 300}
        mine = {"iss": self.issuer, "aud": "node", "sub": "ada", "nonce": attempt.digest("nonce")}
        return {**mine, **times, "groups": ["analysts"], "name": "Ada"}

    def metadata(self) -> Claims:
        """Return what it tells of itself."""
        places = {"authorization_endpoint": "/go", "token_endpoint": "/token", "jwks_uri": "/keys"}
        return {"issuer": self.issuer, **{name: self.issuer + path for name, path in places.items()}}


@pytest.fixture
def hostile() -> Iterator[Hostile]:
    """Give a provider that is served on this computer."""
    found = Hostile()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            """Answer as told."""
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            found.asked.append((self.path, body))
            found.came.release()
            if found.waits is not None:
                found.waits.wait(10)
            answer = found.answers.get(self.path)
            if isinstance(answer, str):
                self.send_response(302)
                self.send_header("Location", answer)
                self.end_headers()
                return
            content = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_POST = do_GET  # noqa: N815 - the name that the library calls

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    found.issuer = f"http://127.0.0.1:{server.server_port}"
    found.answers["/.well-known/openid-configuration"] = found.metadata()
    found.answers["/keys"] = {"keys": [KEY.as_dict(private=False, use="sig")]}
    yield found
    server.shutdown()
    server.server_close()
    thread.join()


def signed(claims: Claims, key: RSAKey = KEY, algorithm: str = "RS256") -> str:
    """Return an ID token."""
    return jwt.encode({"alg": algorithm, "kid": "one"}, claims, key)


def coded(data: bytes) -> str:
    """Return bytes as tokens have them."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unsigned(claims: Claims) -> str:
    """Return a token of the algorithm `none`."""
    return f"{coded(json.dumps({'alg': 'none'}).encode())}.{coded(json.dumps(claims).encode())}."


def by_public_key(claims: Claims) -> str:
    """Return a token whose signature is an HMAC with the public key as its secret."""
    head = coded(json.dumps({"alg": "HS256", "kid": "one"}).encode()) + "." + coded(json.dumps(claims).encode())
    return f"{head}.{coded(hmac.digest(KEY.as_pem(private=False), head.encode(), 'sha256'))}"


def finish(hostile: Hostile, token: Callable[[Claims], str], **changes: Any) -> tuple[Any, list[str]]:
    """Come back from a provider whose ID token has some claims changed, or left out when they are None."""
    attempt = Attempt.new()
    claims = {**hostile.good(attempt), **changes}
    hostile.answers["/token"] = {"id_token": token({name: value for name, value in claims.items() if value is not None})}
    provider = Provider(hostile.login(), "secret", "https://node.example/login/callback", lambda: START)
    return provider.finish(attempt, {"state": attempt.digest("state"), "code": "c"})


def test_a_good_token_holds(hostile: Hostile) -> None:
    """The token that all others differ from lets its person in, and the verifier goes to the token endpoint only."""
    person, values = finish(hostile, signed)
    assert (person.id, person.name, values) == (f"{hostile.issuer} ada", "Ada", ["analysts"])
    assert finish(hostile, signed, aud=["node", "other"], azp="node")[0] == person
    assert finish(hostile, signed, exp=NOW - 30, groups=None)[1] == []
    assert {path for path, body in hostile.asked if b"code_verifier" in body} == {"/token"}


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "https://evil.example"},
        {"aud": "other"},
        {"aud": ["node", "other"]},
        {"aud": ["node", "other"], "azp": "other"},
        {"azp": "other"},
        {"aud": []},
        {"exp": NOW - 3600},
        {"iat": NOW + 3600},
        {"nbf": NOW + 3600},
        {"nonce": "of another login"},
        {"sub": ""},
        {"sub": "two words"},
        {"sub": "a\nb"},
        {"sub": 7},
        {"sub": "x" * 256},
        *({name: None} for name in ("iss", "aud", "exp", "iat", "nonce", "sub")),
    ],
    ids=str,
)
def test_claims_that_do_not_hold(hostile: Hostile, changes: Claims) -> None:
    """A token for others, of others, of another time or without what it has to say lets nobody in."""
    with pytest.raises(Refusal) as raised:
        finish(hostile, signed, **changes)
    assert (raised.value.status, raised.value.code) == (502, "N030")


@pytest.mark.parametrize(
    "forge",
    [
        unsigned,
        by_public_key,
        lambda claims: signed(claims, OTHER),
        lambda claims: signed(claims)[:-8] + "AAAAAAAA",
        lambda _: "x",
    ],
    ids=["none", "public key as secret", "another key", "signature changed", "no token"],
)
def test_signatures_that_do_not_hold(hostile: Hostile, forge: Callable[[Claims], str]) -> None:
    """A token that the provider's keys did not sign lets nobody in, whichever algorithm it names."""
    with pytest.raises(Refusal) as raised:
        finish(hostile, forge)
    assert (raised.value.status, raised.value.code) == (502, "N030")


@pytest.mark.parametrize(
    ("path", "answer"),
    [
        ("/.well-known/openid-configuration", {"issuer": "https://evil.example"}),
        ("/.well-known/openid-configuration", b"x" * (2 << 20)),
        ("/.well-known/openid-configuration", b'{"issuer": ' + b"[" * 100_000),
        ("/keys", {"keys": []}),
        ("/keys", {"keys": [{"kty": "oct", "k": "AAAA"}]}),
        ("/keys", {"keys": [{"kty": "RSA"}]}),
        ("/keys", []),
    ],
    ids=["another issuer", "too long", "too deep", "no keys", "secret keys", "damaged key", "no set"],
)
def test_answers_that_cannot_be_used(hostile: Hostile, path: str, answer: Any) -> None:
    """What a provider answers otherwise is refused, not followed and not guessed at."""
    hostile.answers[path] = answer if isinstance(answer, (bytes, list)) or "keys" in answer else hostile.metadata() | answer
    with pytest.raises(Refusal) as raised:
        finish(hostile, signed)
    assert (raised.value.status, raised.value.code) == (502, "N030")


@pytest.mark.parametrize("endpoint", ["token_endpoint", "jwks_uri", "authorization_endpoint"])
def test_no_way_without_tls(hostile: Hostile, endpoint: str) -> None:
    """An endpoint without TLS is not asked, nor is a browser sent there."""
    hostile.answers["/.well-known/openid-configuration"] = hostile.metadata() | {endpoint: "http://192.0.2.1/x"}
    with pytest.raises(Refusal, match="provider"):
        finish(hostile, signed)
    assert [path for path, _ in hostile.asked] == ["/.well-known/openid-configuration"]


def test_redirections_are_not_followed(hostile: Hostile) -> None:
    """A provider cannot make the node ask other addresses."""
    hostile.answers["/keys"] = f"{hostile.issuer}/inside"
    with pytest.raises(Refusal):
        finish(hostile, signed)
    assert "/inside" not in [path for path, _ in hostile.asked]


def test_a_provider_that_hangs_holds_up_few(hostile: Hostile) -> None:
    """While four logins wait for the provider, the next is told to come again, and all may when it answers."""
    attempt, gate = Attempt.new(), threading.Event()
    provider = Provider(hostile.login(), "", "https://node.example/login/callback", lambda: START)
    hostile.waits = gate
    waiting = [threading.Thread(target=provider.start, args=(attempt,)) for _ in range(4)]
    for thread in waiting:
        thread.start()
    try:
        assert all(hostile.came.acquire(timeout=10) for _ in waiting)
        with pytest.raises(Refusal) as raised:
            provider.start(attempt)
        assert (raised.value.status, raised.value.headers) == (503, {"Retry-After": "10"})
    finally:
        gate.set()
        for thread in waiting:
            thread.join()
    assert provider.start(attempt).startswith(f"{hostile.issuer}/go?")
