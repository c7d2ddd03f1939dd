"""Options, the server under test, what the suite adds to it, and the report."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
import report as reporting
from exchange import Collection, Login, Server, body_of, expect
from requirements import MUST, SECTIONS, SHOULD
from samples import Library, fill

_OPTIONS = (
    ("--taxii-url", "URL of the discovery endpoint, such as https://taxii.example/taxii2/"),
    ("--taxii-token", "token for the Authorization header [default: TAXII_TOKEN of the environment]"),
    ("--taxii-scheme", "scheme of the token [default: Bearer]"),
    ("--taxii-user", "user name for HTTP Basic"),
    ("--taxii-password", "password for HTTP Basic [default: TAXII_PASSWORD of the environment]"),
    ("--taxii-ca", "file of the certificate authority that the server's certificate is from"),
    ("--api-root", "URL of the API root [default: the first one advertised that has the collection]"),
    ("--collection", "id of a collection that may be read and written"),
    ("--read-only-collection", "id of a collection that may be read and not written"),
    ("--write-only-collection", "id of a collection that may be written and not read"),
    ("--hidden-collection", "id of a collection that exists and that the caller may neither read nor write"),
    ("--taxii-largest", "most bytes to upload when the limit of a body is tested [default: 16777216]"),
    ("--taxii-report", "file to write the report to, as JSON; a table in Markdown goes beside it"),
)
_SECRETS = ("--taxii-token", "--taxii-password")
_RESULTS = pytest.StashKey[list[reporting.Row]]()


class Hooks:
    """What a plugin may give instead of a network: see the README, "Without a socket"."""

    @pytest.hookspec(firstresult=True)
    def pytest_taxii_transport(self, config: pytest.Config) -> httpx.BaseTransport | None:
        """Return a transport of httpx that leads to the server under test."""


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    """Declare the hook of this suite."""
    pluginmanager.add_hookspecs(Hooks)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the options of this suite."""
    group = parser.getgroup("taxii", "server under test")
    for name, text in _OPTIONS:
        default = os.environ.get(name.lstrip("-").replace("-", "_").upper(), "") if name in _SECRETS else ""
        group.addoption(name, default=default, help=text)
    group.addoption("--gentle", action="store_true", help="leave out cases that post what no server should keep")


def pytest_configure(config: pytest.Config) -> None:
    """Declare the marker that every case has."""
    config.addinivalue_line("markers", "requirement(section, level, interop): what a case tests")
    config.addinivalue_line("markers", "may_damage: a case that posts what no server should keep")
    config.stash[_RESULTS] = []


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Refuse a case that does not say what it tests; let those run last that may do harm to a server."""
    for item in items:
        mark = item.get_closest_marker("requirement")
        if mark is None or mark.args[0] not in SECTIONS or mark.args[1] not in {MUST, SHOULD} or not _docstring(item):
            raise pytest.UsageError(f"{item.nodeid} has no requirement or no docstring")
        if config.getoption("--gentle") and item.get_closest_marker("may_damage"):
            item.add_marker(pytest.mark.skip(reason="it may do harm to a server, and --gentle is given"))
    items.sort(key=lambda item: item.get_closest_marker("may_damage") is not None)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Any:
    """Tell a SHOULD that is not met as such, and keep the result of every case for the report."""
    made: pytest.TestReport = yield
    section, level, interop = item.get_closest_marker("requirement").args  # type: ignore[union-attr]
    result, why = reporting.outcome(made, level)
    if result == reporting.UNMET:
        made.outcome = "skipped"
        made.wasxfail = f"SHOULD of section {section} is not met: {why}"
    if made.when == "call" or made.outcome != "passed":
        row = reporting.Row(section, interop, level, item.name, _docstring(item), result, why)
        item.config.stash[_RESULTS].append(row)
    return made


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Say how many requirements were met, and write the report."""
    rows = config.stash[_RESULTS]
    terminalreporter.write_line(reporting.summary(rows))
    if config.getoption("--taxii-report"):
        written = reporting.write(Path(config.getoption("--taxii-report")), config.getoption("--taxii-url"), rows)
        terminalreporter.write_line(f"report: {', '.join(map(str, written))}")


def _docstring(item: pytest.Item) -> str:
    return " ".join((getattr(getattr(item, "function", None), "__doc__", "") or "").split())


@pytest.fixture(scope="session")
def given(pytestconfig: pytest.Config) -> SimpleNamespace:
    """Return the options but for the secrets, which no report of a failure shall show; with underscores for dashes."""
    names = [name for name, _ in _OPTIONS if name not in _SECRETS]
    return SimpleNamespace(**{name.lstrip("-").replace("-", "_"): pytestconfig.getoption(name) for name in names})


@pytest.fixture(scope="session")
def server(pytestconfig: pytest.Config, given: SimpleNamespace) -> Iterator[Server]:
    """Return the server under test, with the API root that has the collection."""
    if not given.taxii_url:
        pytest.skip("--taxii-url is not given")
    transport = pytestconfig.hook.pytest_taxii_transport(config=pytestconfig)
    token, password = (pytestconfig.getoption(name) for name in _SECRETS)
    login = Login(token, given.taxii_scheme or "Bearer", given.taxii_user, password)
    with httpx.Client(transport=transport, verify=_verify(given.taxii_ca), timeout=60) as client:
        made = Server(client, given.taxii_url, login)
        made.root = given.api_root or _find_root(made, given.collection)
        yield made


def _verify(authority: str) -> Any:
    if not authority:
        return True
    context = httpx.create_ssl_context()
    context.load_verify_locations(authority)
    return context


def _find_root(server: Server, collection: str) -> str:
    """Return the URL of the first API root that has the collection; without a collection, of the first that answers."""
    found = body_of(expect(server.get(server.discovery), 200))
    base = httpx.URL(server.discovery)
    for root in dict.fromkeys([found["default"]] * ("default" in found) + found.get("api_roots", [])):
        url = str(base.join(root))
        if server.get(url + (f"collections/{collection}/" if collection else "")).status_code == 200:
            return url
    pytest.fail(f"no API root of {found.get('api_roots')} has the collection {collection!r}", pytrace=False)


@pytest.fixture(scope="session")
def shared(server: Server, given: SimpleNamespace) -> Iterator[Collection]:
    """Return the collection that may be read and written; what the suite added is deleted in the end."""
    made = _named(server, given, "collection")
    yield made
    made.clean()


@pytest.fixture(scope="session")
def read_only(server: Server, given: SimpleNamespace) -> Collection:
    """Return the collection that may only be read."""
    return _named(server, given, "read_only_collection")


@pytest.fixture(scope="session")
def write_only(server: Server, given: SimpleNamespace) -> Collection:
    """Return the collection that may only be written."""
    return _named(server, given, "write_only_collection")


@pytest.fixture(scope="session")
def hidden(server: Server, given: SimpleNamespace) -> Collection:
    """Return the collection that the caller may not know of."""
    return _named(server, given, "hidden_collection")


def _named(server: Server, given: SimpleNamespace, option: str) -> Collection:
    name = getattr(given, option)
    if not name:
        pytest.skip(f"--{option.replace('_', '-')} is not given")
    return Collection(server, name)


@pytest.fixture(scope="session")
def library(shared: Collection) -> Library:
    """Return what most cases look at; it is added once."""
    return fill(shared)


@pytest.fixture
def login(server: Server) -> Login:
    """Return how the suite says who it is; without any, cases about access cannot run."""
    if not server.login.header:
        pytest.skip("neither --taxii-token nor --taxii-user is given")
    return server.login
