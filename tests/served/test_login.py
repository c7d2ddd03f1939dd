"""People who log in to a served node at a real provider, with what browsers keep and send."""

from __future__ import annotations

import re
import ssl
import time
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from urllib.parse import urljoin

import httpx
import pytest

from certificates import make
from identity_provider import PASSWORD, SECRET, Provider, free_port, post_form, provider
from node_samples import TAXII, configure, opened
from node_server import served
from tocsin.runs.adoption import adopt
from tocsin.runs.new_node import init_node
from tocsin.runs.node import open_node
from tocsin.runs.record import DATABASE

COOKIE = "__Host-tocsin"
EVE = "<script>alert(1)</script> Eve"
LOGIN = """{{issuer: "{issuer}", client_id: tocsin, secret_file: login.secret, scopes: [openid, profile, groups],
  people: {{approvers: {{organisation: water-cert, roles: [read, operate], purposes: [detect]}},
            analysts: {{organisation: water-cert, roles: [read], purposes: [block]}},
            guests: {{organisation: hilltown}}}}}}"""
GROUPS = {
    "approvers": {"ada": "Ada Lovelace", "grace": "Grace Hopper"},
    "analysts": {"alan": "Alan Turing"},
    "guests": {"eve": EVE},
    "others": {"mallory": "Mallory"},
}


class Place:
    """A provider and a node that knows it, both served."""

    def __init__(self, folder: Path, url: str, issuer: Provider) -> None:
        self.node = folder
        self.url = url
        self.provider = issuer
        self._last: dict[str, float] = {}
        self.trust = ssl.create_default_context(cafile=folder.parent / "authority.pem")

    def browser(self) -> httpx.Client:
        """Return a browser that knows nobody yet."""
        return httpx.Client(verify=self.trust, follow_redirects=True)

    def way_back(self, browser: httpx.Client, name: str, consent: str = "accept") -> str:
        """Log in as somebody, and return where the provider sends the browser, without going there.

        Canaille asks for consent once, and cannot make two tokens of one person in one second.
        """
        time.sleep(max(0.0, self._last.get(name, 0) + 1.1 - time.monotonic()))
        browser.follow_redirects = False
        page = self._walk(browser, browser.get(f"{self.url}/login"))
        page = self._walk(browser, post_form(browser, page, "login", login=name))
        page = self._walk(browser, post_form(browser, page, "password", password=PASSWORD))
        if not page.is_redirect:
            page = self._walk(browser, post_form(browser, page, "answer", answer=consent))
        browser.follow_redirects = True
        self._last[name] = time.monotonic()
        return str(page.headers["location"])

    def logged_in(self, browser: httpx.Client, name: str) -> httpx.Response:
        """Log in as somebody, and return the page that it ends at."""
        return browser.get(self.way_back(browser, name))

    def _walk(self, browser: httpx.Client, page: httpx.Response) -> httpx.Response:
        """Return the page that redirections lead to, or the last of them before the node."""
        while page.is_redirect and not page.headers["location"].startswith(f"{self.url}/login/callback?"):
            page = browser.get(urljoin(str(page.url), page.headers["location"]))
        return page

    def leave(self, browser: httpx.Client, path: str = "/logout", origin: str | None = None) -> httpx.Response:
        """Press a button of the page, or one of another site's."""
        return browser.post(f"{self.url}{path}", headers={"Origin": origin or self.url})


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """Give a provider with people and a node that lets some of them in."""
    folder = tmp_path_factory.mktemp("login")
    port = free_port()
    url = f"https://127.0.0.1:{port}"
    authority = make(folder, "authority")
    certificate, key = make(folder, "server", authority).files
    (folder / "provider").mkdir()
    with provider(folder / "provider", f"{url}/login/callback", GROUPS) as issuer:
        node = folder / "node"
        init_node(node, "water-cert", "Water CERT", "Water CERT")
        configure(node, public_url=url, login=LOGIN.format(issuer=issuer.issuer))
        (node / "login.secret").write_text(SECRET + "\n")
        adopted(node)
        with served(node, "--tls-certificate", certificate, "--tls-key", key, port=port):
            yield Place(node, url, issuer)


def adopted(folder: Path) -> None:
    """Take the rulebook of a node's folder in force."""
    node = open_node(folder)
    try:
        assert adopt(node).in_force
    finally:
        node.close()


def facts(page: httpx.Response) -> dict[str, str]:
    """Return what a page tells of somebody."""
    return {name: unescape(text) for name, text in re.findall(r"<th scope=row>([^<]*)<td>([^<]*)", page.text)}


def test_somebody_logs_in_and_out(place: Place) -> None:
    """Who logs in at the provider is told who it is and what it may ask for; after the logout its cookie opens nothing."""
    with place.browser() as browser:
        assert "not logged in" in browser.get(place.url).text
        page = place.logged_in(browser, "ada")
        assert (page.status_code, str(page.url)) == (200, f"{place.url}/")
        told = facts(page)
        assert (told["Name"], told["Organisation"], told["Roles"]) == ("Ada Lovelace", "water-cert", "operate, read")
        assert told["Id"] == f"{place.provider.issuer} ada"
        assert "<td>Indicators<td>yes<td>yes" in page.text
        kept = browser.cookies[COOKIE]
        assert place.leave(browser).status_code == 200
        assert COOKIE not in browser.cookies
        again = httpx.get(place.url, verify=place.trust, headers={"Cookie": f"{COOKIE}={kept}"})
        assert "not logged in" in again.text


def test_the_cookie_and_what_is_kept_of_it(place: Place) -> None:
    """The cookie is for this host, TLS and the server only; the node keeps its digest; the page runs nothing."""
    with place.browser() as browser:
        back = place.way_back(browser, "ada")
        browser.follow_redirects = False
        answer = browser.get(back)
        cookie = next(item for item in answer.headers.get_list("set-cookie") if item.startswith(f"{COOKIE}="))
        assert {part.strip().lower() for part in cookie.split(";")[1:]} >= {"httponly", "secure", "samesite=lax", "path=/"}
        assert "domain" not in cookie.lower()
        secret = browser.cookies[COOKIE].encode()
        page = browser.get(place.url)
    assert not [path for path in place.node.glob(f"{DATABASE}*") if secret in path.read_bytes()]
    policy = page.headers.get_list("content-security-policy")
    assert len(policy) == 1
    assert "default-src 'none'" in policy[0]
    assert "unsafe" not in policy[0]
    assert "<script" not in page.text


def test_what_a_name_says_is_text(place: Place) -> None:
    """Markup in a name is shown, not run. Canaille has escaped it once itself, and it is shown as it came."""
    with place.browser() as browser:
        page = place.logged_in(browser, "eve")
    assert unescape(facts(page)["Name"]) == EVE
    assert "<script" not in page.text
    assert (facts(page)["Organisation"], facts(page)["Roles"], facts(page)["Purposes"]) == ("hilltown", "read", "none")


def test_who_is_known_but_nobody_here(place: Place) -> None:
    """Somebody whom the provider knows and no group lets in gets no session."""
    with place.browser() as browser:
        page = place.logged_in(browser, "mallory")
        assert (page.status_code, "N031" in page.text, COOKIE in browser.cookies) == (403, True, False)


def test_who_does_not_consent(place: Place) -> None:
    """Who tells the provider not to tell is not logged in."""
    with place.browser() as browser:
        page = browser.get(place.way_back(browser, "grace", "deny"))
        assert (page.status_code, "N029" in page.text, COOKIE in browser.cookies) == (403, True, False)


def test_nobody_is_logged_in_as_somebody_else(place: Place) -> None:
    """A way back that was made for one browser logs no other in, with or without a login of its own; nor does it work twice."""
    with place.browser() as mine, place.browser() as another:
        back = place.way_back(mine, "grace")
        for start in (False, True):
            if start:
                another.get(f"{place.url}/login")
            page = another.get(back)
            assert (page.status_code, "N029" in page.text, COOKIE in another.cookies) == (403, True, False)
        seed = mine.cookies[f"{COOKIE}-login"]
        assert mine.get(back).status_code == 200
        assert f"{COOKIE}-login" not in mine.cookies
        again = httpx.get(back, verify=place.trust, headers={"Cookie": f"{COOKIE}-login={seed}"})
        assert again.status_code == 502
        assert COOKIE not in again.cookies


def test_another_provider_cannot_answer(place: Place) -> None:
    """An answer that names another issuer, or none, is refused before the code goes anywhere."""
    with place.browser() as browser:
        back = httpx.URL(place.way_back(browser, "alan"))
        for changed in (back.copy_set_param("iss", "https://evil.example"), back.copy_remove_param("iss")):
            assert browser.get(changed).status_code == 403
        assert facts(browser.get(back))["Purposes"] == "block"


def test_a_session_opens_no_interface_for_programs(place: Place) -> None:
    """Cookies are sent by browsers unasked, so the routes of programs do not take them."""
    with place.browser() as browser:
        place.logged_in(browser, "ada")
        for path in ("/taxii2/", "/record/checkpoint"):
            assert browser.get(f"{place.url}{path}", headers={"Accept": TAXII}).status_code == 401


def test_another_site_logs_nobody_out(place: Place) -> None:
    """A button on another site's page does nothing, whatever the browser sends with it."""
    with place.browser() as browser:
        place.logged_in(browser, "ada")
        refused = place.leave(browser, origin="https://evil.example")
        assert (refused.status_code, "N032" in refused.text) == (403, True)
        assert httpx.post(f"{place.url}/logout", verify=place.trust).status_code == 403
        assert facts(browser.get(place.url))["Name"] == "Ada Lovelace"
        assert httpx.post(f"{place.url}/logout", verify=place.trust, headers={"Origin": place.url}).status_code == 401


def test_sessions_end_everywhere(place: Place) -> None:
    """One button ends all sessions of a person and nobody else's; the operator can end any by its id."""
    with place.browser() as first, place.browser() as second, place.browser() as other:
        names = [facts(place.logged_in(browser, name))["Session"] for browser, name in ((first, "ada"), (second, "ada"))]
        hers = facts(place.logged_in(other, "grace"))["Session"]
        assert len({*names, hers}) == 3
        place.leave(first, "/logout/everywhere")
        assert "not logged in" in second.get(place.url).text
        assert facts(other.get(place.url))["Session"] == hers
        node = open_node(place.node)
        assert node.sessions.end(hers)
        node.close()
        assert "not logged in" in other.get(place.url).text


def test_no_pages_without_a_login(tmp_path: Path) -> None:
    """Where no provider is declared there is nothing for people."""
    with opened(tmp_path / "node") as world:
        assert [world.client("hilltown").get(path).status_code for path in ("/", "/login", "/logout")] == [404] * 3
