"""A provider of OpenID Connect, as its client: authorisation code with PKCE, state and nonce; the ID token is verified.

Source: OpenID Connect Core 1.0, section 3.1; RFC 7636; RFC 9207; RFC 9700. What a browser keeps between the two ends of a login
is one random seed in its cookie. State, nonce and verifier are digests of it, so that the node keeps nothing, and who starts
logins fills nothing; none of them leads back to the seed or to another.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from threading import BoundedSemaphore
from typing import Any, Final, TypeVar
from urllib.error import HTTPError
from urllib.parse import quote, urlencode
from urllib.request import HTTPRedirectHandler, Request, build_opener

import msgspec
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from tocsin.runs.login_file import Login, is_protected
from tocsin.server.answers import Refusal
from tocsin.stores.sessions import Person

_ALGORITHMS: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "Ed25519", "EdDSA")
_KINDS: Final = {"RSA", "EC", "OKP"}
_SEED_BYTES: Final = 32
_TIMEOUT_S: Final = 10
_LONGEST: Final = 1 << 20
_AT_ONCE: Final = 4
_LEEWAY_S: Final = 60
_KEPT_US: Final = 600 * 1_000_000


class Metadata(msgspec.Struct):
    """What is asked of what a provider tells of itself."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    token_endpoint_auth_methods_supported: tuple[str, ...] = ("client_secret_basic",)
    authorization_response_iss_parameter_supported: bool = False


class _Tokens(msgspec.Struct):
    id_token: str


@dataclass(frozen=True, slots=True)
class Attempt:
    """One login of one browser, by its seed."""

    seed: str

    @staticmethod
    def new() -> Attempt:
        """Return a new attempt."""
        return Attempt(secrets.token_urlsafe(_SEED_BYTES))

    def digest(self, what: str) -> str:
        """Return what an attempt has for a use: `state`, `nonce` or `verifier`."""
        return _text(hashlib.sha256(f"{what} {self.seed}".encode()).digest())

    @property
    def challenge(self) -> str:
        """Return what the provider gets to know of the verifier first (RFC 7636, S256)."""
        return _text(hashlib.sha256(self.digest("verifier").encode()).digest())


class Provider:
    """The provider of a node. `back` is where it sends browsers back to, `clock` gives microseconds since 1970 UTC."""

    def __init__(self, login: Login, secret: str, back: str, clock: Callable[[], int]) -> None:
        self._login = login
        self._secret = secret
        self._back = back
        self._clock = clock
        self._kept: tuple[int, Metadata] | None = None
        self._turns = BoundedSemaphore(_AT_ONCE)

    def start(self, attempt: Attempt) -> str:
        """Return where a browser goes to log in. Raises: Refusal (502)."""
        parameters = {
            "response_type": "code",
            "client_id": self._login.client_id,
            "redirect_uri": self._back,
            "scope": " ".join(self._login.scopes),
            "state": attempt.digest("state"),
            "nonce": attempt.digest("nonce"),
            "code_challenge": attempt.challenge,
            "code_challenge_method": "S256",
        }
        with self._turn():
            where = self._metadata().authorization_endpoint
        return f"{where}{'&' if '?' in where else '?'}{urlencode(parameters)}"

    def finish(self, attempt: Attempt | None, given: Mapping[str, str]) -> tuple[Person, list[str]]:
        """Return who came back from the provider, and the values of the claim that lets people in.

        Raises: Refusal 403 when this browser did not begin it or the provider did not let it; 502 for what cannot be verified.
        """
        if attempt is None or not secrets.compare_digest(attempt.digest("state").encode(), given.get("state", "").encode()):
            raise Refusal(403, "N029", "this login was not begun by this browser, or too long ago", "log in again")
        with self._turn():
            claims = self._claims(attempt, given)
        subject = claims.get("sub")
        if not isinstance(subject, str) or not 0 < len(subject) <= 255 or not subject.isprintable() or " " in subject:
            raise _unusable("its ID token has no subject that can be used")
        name = claims.get("name") or claims.get("preferred_username") or subject
        found = claims.get(self._login.claim, [])
        values = found if isinstance(found, list) else [found]
        return Person(self._login.issuer, subject, str(name)[:200]), [value for value in values if isinstance(value, str)]

    def _claims(self, attempt: Attempt, given: Mapping[str, str]) -> dict[str, Any]:
        """Return what the provider says of who came back. Raises: Refusal."""
        metadata = self._metadata()
        issuer = given.get("iss")
        if issuer != self._login.issuer and (issuer is not None or metadata.authorization_response_iss_parameter_supported):
            raise Refusal(403, "N029", "the answer is of another provider", "log in again")
        if "error" in given or not given.get("code"):
            said = given.get("error", "it gave no code")[:100]
            raise Refusal(403, "N029", f"the provider did not let you in: {said}", "log in again")
        return self._verified(self._exchange(metadata, given["code"], attempt), metadata, attempt)

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """Let few ask at once, so that a provider that hangs takes few of the node's threads. Raises: Refusal (503)."""
        if not self._turns.acquire(blocking=False):
            raise Refusal(503, "N030", "too many people are logging in", "try again soon", {"Retry-After": str(_TIMEOUT_S)})
        try:
            yield
        finally:
            self._turns.release()

    def _metadata(self) -> Metadata:
        """Return what the provider tells of itself, asked anew after some minutes."""
        now = self._clock()
        if self._kept is not None and 0 <= now - self._kept[0] < _KEPT_US:
            return self._kept[1]
        found = _fetch(f"{self._login.issuer.rstrip('/')}/.well-known/openid-configuration", Metadata)
        if found.issuer != self._login.issuer:
            raise _unusable(f"it calls itself {found.issuer[:200]!r}")
        if not all(map(is_protected, (found.authorization_endpoint, found.token_endpoint, found.jwks_uri))):
            raise _unusable("it names an address without TLS")
        self._kept = now, found
        return found

    def _exchange(self, metadata: Metadata, code: str, attempt: Attempt) -> str:
        """Return the ID token that the provider gives for a code."""
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self._back,
            "code_verifier": attempt.digest("verifier"),
        }
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        if self._secret and "client_secret_basic" in metadata.token_endpoint_auth_methods_supported:
            pair = f"{quote(self._login.client_id, safe='')}:{quote(self._secret, safe='')}"
            headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
        else:
            form["client_id"] = self._login.client_id
            form |= {"client_secret": self._secret} if self._secret else {}
        return _fetch(metadata.token_endpoint, _Tokens, urlencode(form).encode(), headers).id_token

    def _verified(self, text: str, metadata: Metadata, attempt: Attempt) -> dict[str, Any]:
        """Return the claims of an ID token. Which algorithms are good is decided here, not by the token."""
        keys = _fetch(metadata.jwks_uri, dict[str, list[dict[str, Any]]]).get("keys", [])
        usable = [key for key in keys if key.get("kty") in _KINDS and key.get("use", "sig") == "sig"]
        rules = jwt.JWTClaimsRegistry(
            now=self._clock() // 1_000_000,
            leeway=_LEEWAY_S,
            iss={"essential": True, "value": self._login.issuer},
            aud={"essential": True, "value": self._login.client_id},
            exp={"essential": True},
            iat={"essential": True},
            sub={"essential": True},
            nonce={"essential": True, "value": attempt.digest("nonce")},
        )
        try:
            claims = jwt.decode(text, KeySet.import_key_set({"keys": usable}), algorithms=_ALGORITHMS).claims
            rules.validate(claims)
        except (JoseError, ValueError, TypeError, KeyError) as error:
            raise _unusable(f"its ID token does not hold: {type(error).__name__} {error}") from error
        several = isinstance(claims["aud"], list) and len(claims["aud"]) > 1
        if claims.get("azp", None if several else self._login.client_id) != self._login.client_id:
            raise _unusable("its ID token was given to another client")
        return claims


class _Stay(HTTPRedirectHandler):
    """Goes nowhere else than it was told."""

    def redirect_request(self, *_: Any) -> None:
        """Refuse to follow."""


_OPENER: Final = build_opener(_Stay)
T = TypeVar("T")


def _fetch(url: str, kind: type[T], data: bytes | None = None, headers: Mapping[str, str] | None = None) -> T:
    """Return what a provider answers, in bounded time and size. Raises: Refusal (502)."""
    request = Request(url, data, {"Accept": "application/json", **(headers or {})})  # noqa: S310 - `is_protected` held it
    try:
        with _OPENER.open(request, timeout=_TIMEOUT_S) as answer:
            body = answer.read(_LONGEST + 1)
    except HTTPError as error:
        detail = error.read(300).decode(errors="replace")
        raise _unusable(f"{url} answers {error.code}: {detail}") from error
    except OSError as error:
        raise _unusable(f"{url} cannot be asked: {error}") from error
    try:
        return msgspec.json.decode(body[:_LONGEST], type=kind)
    except msgspec.DecodeError as error:
        raise _unusable(f"{url} answers something else: {error}") from error


def _unusable(why: str) -> Refusal:
    """Return the refusal for a provider that cannot be used. Its reason is for the log and goes to nobody else."""
    refusal = Refusal(502, "N030", "the provider of the login cannot be used", "the log of the node tells more")
    refusal.add_note(why)
    return refusal


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


__all__ = ["Attempt", "Provider"]
