"""Pages for people: log in at a provider, see who one is and what one may ask for, log out. No scripts."""

from __future__ import annotations

import base64
import hashlib
import logging
from collections.abc import Callable
from html import escape
from typing import Final

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from tocsin.findings.text import safe_text
from tocsin.records.entry import time_text
from tocsin.runs.limits import neighbourhood
from tocsin.runs.login_file import Group, Login, read_secret
from tocsin.runs.node import Node
from tocsin.server.access import wait
from tocsin.server.answers import Refusal
from tocsin.server.asking import By, Declared, Entrance, Need
from tocsin.server.provider import Attempt, Provider
from tocsin.sharing.decisions import Caller
from tocsin.stores.sessions import Person, Session
from tocsin.stores.tokens import Role

_LOG: Final = logging.getLogger("tocsin.server")
_ATTEMPT_S: Final = 600
_MINUTE_US: Final = 60 * 1_000_000
_CALLBACK: Final = "/login/callback"
_STYLE: Final = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:44rem;margin:2rem auto;padding:0 1rem;color:#1a1a1a;background:#fff}"
    "table{border-collapse:collapse}th,td{text-align:left;padding:.3rem 1rem .3rem 0;border-bottom:1px solid #767676}"
    "button{font:inherit;padding:.3rem .8rem}form{display:inline-block;margin:1rem 1rem 0 0}"
)
_POLICY: Final = (
    f"default-src 'none'; style-src 'sha256-{base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()}'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
Shown = Callable[[Request], Response]


def people_routes(node: Node) -> list[Declared]:
    """Return the routes for people, none where no login is declared."""
    return _People(node, node.file.login).routes() if node.file.login is not None else []


class _People:
    """The pages of one node. `_session` and `_attempt` are the names of its cookies."""

    def __init__(self, node: Node, login: Login) -> None:
        self._node = node
        self._login = login
        self._tls = node.file.public_url.startswith("https:")
        self._session = "__Host-tocsin" if self._tls else "tocsin"
        self._attempt = f"{self._session}-login"
        back = node.file.public_url + _CALLBACK
        self._provider = Provider(login, read_secret(login, node.folder), back, node.clock)

    def routes(self) -> list[Declared]:
        """Return the routes."""
        return [
            Declared("/", {"GET": self._page(By.NOTHING, self._start)}),
            Declared("/login", {"GET": self._page(By.NOTHING, self._log_in)}),
            Declared(_CALLBACK, {"GET": self._page(By.NOTHING, self._come_back)}),
            Declared("/logout", {"POST": self._page(By.SESSION, self._log_out)}),
            Declared("/logout/everywhere", {"POST": self._page(By.SESSION, self._log_out_everywhere)}),
        ]

    def _page(self, by: By, show: Shown) -> Entrance:
        """Return a page's entrance: what it refuses is told on a page too."""

        def shown(request: Request) -> Response:
            try:
                if request.method not in {"GET", "HEAD"}:
                    self._check_origin(request)
                return show(request)
            except Refusal as refusal:
                notes = safe_text(" ".join(getattr(refusal, "__notes__", ())))
                _LOG.warning("%s: %s %s", request.url.path, safe_text(str(refusal)), notes)
                return _refused(refusal)

        async def endpoint(request: Request) -> Response:
            return await run_in_threadpool(shown, request)

        return Entrance(Need(by, None), endpoint)

    def _start(self, request: Request) -> Response:
        found = self._session_of(request)
        if found is None:
            return _html(self._node.file.title, '<p>You are not logged in.</p><p><a href="/login">Log in</a></p>')
        wait(self._node.rates.ask(found.access.token), "N021", "you ask too often")
        return _html(self._node.file.title, _described(self._node, found))

    def _log_in(self, request: Request) -> Response:
        self._check_rate(request)
        attempt = Attempt.new()
        answer = RedirectResponse(self._provider.start(attempt), 303)
        self._set(answer, self._attempt, attempt.seed, _ATTEMPT_S)
        return answer

    def _come_back(self, request: Request) -> Response:
        address = self._check_rate(request)
        seed = request.cookies.get(self._attempt)
        try:
            person, values = self._provider.finish(Attempt(seed) if seed else None, request.query_params)
            caller, roles = self._rights(person, values)
        except Refusal:
            self._node.rates.fail(address)
            raise
        old = self._session_of(request)
        if old is not None:
            self._node.sessions.end(old.access.token)
        expires = self._node.clock() + self._login.hours * 60 * _MINUTE_US
        answer = RedirectResponse("/", 303)
        self._set(answer, self._session, self._node.sessions.begin(person, caller, roles, expires), self._login.hours * 3600)
        self._set(answer, self._attempt, "", 0)
        return answer

    def _log_out(self, request: Request) -> Response:
        self._node.sessions.end(self._needed(request).access.token)
        return self._gone()

    def _log_out_everywhere(self, request: Request) -> Response:
        self._node.sessions.end_all(self._needed(request).access.holder)
        return self._gone()

    def _gone(self) -> Response:
        answer = RedirectResponse("/", 303)
        self._set(answer, self._session, "", 0)
        return answer

    def _rights(self, person: Person, values: list[str]) -> tuple[Caller, frozenset[Role]]:
        """Return for whom a person calls and with which roles, by what the provider says. Raises: Refusal (403)."""
        groups: list[Group] = [self._login.people[value] for value in dict.fromkeys(values) if value in self._login.people]
        organisations = {group.organisation for group in groups} & set(self._node.rules.book.organisations)
        if len(organisations) != 1 or not all(group.organisation in organisations for group in groups):
            why = (
                "you are of several organisations, or of none of this community" if groups else "you are known, but nobody here"
            )
            raise Refusal(403, "N031", why, f"ask the operator of this node; your id is {person.id}")
        purposes = {purpose for group in groups for purpose in group.purposes}
        roles = frozenset(role for group in groups for role in group.roles)
        return Caller(organisations.pop(), tuple(sorted(purposes))), roles

    def _session_of(self, request: Request) -> Session | None:
        return self._node.sessions.accept(request.cookies.get(self._session, ""), self._login.idle_minutes * _MINUTE_US)

    def _needed(self, request: Request) -> Session:
        found = self._session_of(request)
        if found is None:
            raise Refusal(401, "N001", "you are not logged in", "log in")
        return found

    def _check_rate(self, request: Request) -> str:
        """Return the address of a request, unless too many logins failed from there. Raises: Refusal (429)."""
        address = request.client.host if request.client else ""
        wait(self._node.rates.barred(address), "N022", "authentication failed too often from this address")
        wait(self._node.rates.ask(f"login {neighbourhood(address)}"), "N021", "this address asks too often")
        return address

    def _check_origin(self, request: Request) -> None:
        """Refuse what another site's page made a browser send. SameSite keeps the cookie from it already."""
        if request.headers.get("origin") != self._node.file.public_url:
            raise Refusal(403, "N032", "this was not sent from a page of this node", "use its own pages")

    def _set(self, answer: Response, name: str, value: str, seconds: int) -> None:
        answer.set_cookie(name, value, max_age=seconds, path="/", secure=self._tls, httponly=True, samesite="lax")


def _described(node: Node, found: Session) -> str:
    """Return who somebody is and may ask for, as markup."""
    access = found.access
    facts = {
        "Name": found.name,
        "Id": access.holder,
        "Organisation": access.caller.organisation,
        "Roles": ", ".join(sorted(access.roles)) or "none",
        "Purposes": ", ".join(access.caller.purposes) or "none",
        "Logged in": time_text(found.began),
        "Until at most": time_text(access.expires),
        "Session": access.token,
    }
    rows = "".join(f"<tr><th scope=row>{name}<td>{_shown(text)}" for name, text in facts.items())
    items = "".join(
        f"<tr><td>{_shown(item.collection.title)}<td>{'yes' if item.can_read else 'no'}<td>{'yes' if item.can_write else 'no'}"
        for item in node.collections(access.caller)
    )
    head = "<tr><th scope=col>Collection<th scope=col>Read<th scope=col>Write"
    forms = "".join(
        f'<form method=post action="{where}"><button>{text}</button></form>'
        for where, text in (("/logout", "Log out"), ("/logout/everywhere", "Log out everywhere"))
    )
    return f"<table>{rows}</table><h2>What the rulebook lets you ask for</h2><table>{head}{items}</table>{forms}"


def _shown(text: str) -> str:
    return escape(safe_text(text))


def _html(title: str, body: str, status: int = 200) -> Response:
    """Return a page; `body` is markup, `title` a text."""
    shown = _shown(title)
    page = (
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>"
        f"<title>{shown}</title><style>{_STYLE}</style><main><h1>{shown}</h1>{body}</main></html>"
    )
    return Response(page, status, {"Content-Type": "text/html; charset=utf-8", "Content-Security-Policy": _POLICY})


def _refused(refusal: Refusal) -> Response:
    text = f"<p>{_shown(refusal.description)} [{refusal.code}]</p><p><a href='/'>Start</a></p>"
    answer = _html(refusal.title, text, refusal.status)
    answer.headers.update(refusal.headers)
    return answer


__all__ = ["people_routes"]
