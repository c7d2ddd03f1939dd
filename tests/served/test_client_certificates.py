"""Peers that are known by their certificates, on a node that is served with TLS."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives.hashes import SHA256

from certificates import Held, make
from node_samples import PURPOSES, START, TAXII, indicator, objects_url, opened
from node_server import served
from tocsin.cli.node import node as commands
from tocsin.errors import NodeError
from tocsin.runs.certificates import bind_certificate
from tocsin.runs.node import Node, open_node
from tocsin.server.serve import Listening, check_protected
from tocsin.sharing.decisions import Caller
from tocsin.sharing.markings import Tlp
from tocsin.stores.tokens import Role


class Place:
    """A folder with an authority, its certificates, and a node that is served."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.node = folder / "node"
        self.authority = make(folder, "authority")
        self.server = make(folder, "server", self.authority)
        self.bound = make(folder, "riverdale", self.authority)
        self.unbound = make(folder, "riverdale-water", self.authority)
        self.stranger = make(folder, "stranger", make(folder, "other"))
        self.expired = make(folder, "expired", self.authority, days=-1)
        self.url = ""

    def get(self, held: Held | None, path: str = "/taxii2/", **headers: str) -> httpx.Response:
        """Ask with a certificate, or none."""
        context = ssl.create_default_context(cafile=self.authority.certificate_file)
        if held is not None:
            context.load_cert_chain(*held.files)
        return httpx.get(self.url + path, verify=context, headers={"Accept": TAXII, **headers})

    def opened(self) -> Node:
        """Return the node, to be changed while it is served."""
        return open_node(self.node)

    @property
    def options(self) -> tuple[str, ...]:
        """Return the options that it is served with."""
        certificate, key = self.server.files
        ca = str(self.authority.certificate_file)
        return "--tls-certificate", certificate, "--tls-key", key, "--client-ca", ca


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """Give a served node that knows one certificate."""
    found = Place(tmp_path_factory.mktemp("tls"))
    with opened(found.node) as world:
        world.post("water-cert", "indicators", indicator(1, Tlp.AMBER), indicator(2, Tlp.RED))
    kept = found.opened()
    caller = Caller("riverdale-water", PURPOSES)
    bind_certificate(kept, found.bound.certificate_file, caller, [Role.READ], "collector")
    kept.close()
    with served(found.node, *found.options) as url:
        found.url = url
        yield found


def test_a_bound_certificate_is_a_caller(place: Place) -> None:
    """Who has the key of a bound certificate gets what the rulebook gives its organisation, within the roles."""
    answer = place.get(place.bound, objects_url("indicators"))
    assert [item["id"] for item in answer.json()["objects"]] == [indicator(1)["id"]]
    context = ssl.create_default_context(cafile=place.authority.certificate_file)
    context.load_cert_chain(*place.bound.files)
    posted = httpx.post(place.url + objects_url("indicators"), verify=context, headers={"Content-Type": TAXII}, content=b"{}")
    assert (posted.status_code, posted.json()["error_code"]) == (403, "N002")


def test_a_certificate_opens_nothing_by_itself(place: Place) -> None:
    """One of the same authority with the name of an organisation is nobody's, as is a connection without any."""
    for held in (place.unbound, None):
        answer = place.get(held)
        assert (answer.status_code, answer.json()["error_code"]) == (401, "N001")


@pytest.mark.parametrize("name", ["stranger", "expired"])
def test_a_bad_certificate_ends_the_handshake(place: Place, name: str) -> None:
    """A certificate of another authority, or one that has expired, makes no connection."""
    with pytest.raises((httpx.ReadError, httpx.ConnectError, httpx.RemoteProtocolError)):
        place.get(getattr(place, name))


def test_a_header_is_no_certificate(place: Place) -> None:
    """What proxies write of certificates into headers counts for nothing."""
    fingerprint = place.bound.certificate.fingerprint(SHA256()).hex()
    headers = {
        "X-SSL-Client-Verify": "SUCCESS",
        "X-SSL-Client-Fingerprint": fingerprint,
        "X-Forwarded-Client-Cert": fingerprint,
    }
    assert place.get(None, **headers).status_code == 401


def test_a_token_decides_over_the_certificate(place: Place) -> None:
    """A wrong token is not made good by a certificate."""
    assert place.get(place.bound, Authorization="Bearer tocsin_x").status_code == 401


def test_a_revoked_certificate_is_refused_at_once(place: Place) -> None:
    """On a connection that is open, the request after the revocation is refused."""
    node = place.opened()
    name = bind_certificate(node, place.unbound.certificate_file, Caller("hilltown"), [Role.READ], "")
    context = ssl.create_default_context(cafile=place.authority.certificate_file)
    context.load_cert_chain(*place.unbound.files)
    with httpx.Client(verify=context) as client:
        assert client.get(place.url + "/taxii2/").status_code == 200
        assert node.certificates.revoke(name)
        assert client.get(place.url + "/taxii2/").status_code == 401
    assert not node.certificates.revoke(name)
    node.close()


def test_none_without_a_certificate(place: Place) -> None:
    """Where a certificate is needed, a connection without one is not made."""
    with served(place.node, *place.options, "--need-client-certificate") as url:
        before, place.url = place.url, url
        try:
            assert place.get(place.bound).status_code == 200
            with pytest.raises((httpx.ReadError, httpx.ConnectError, httpx.RemoteProtocolError)):
                place.get(None)
        finally:
            place.url = before


def test_what_cannot_be_bound(place: Place) -> None:
    """A file without a certificate, an expired one, and an organisation that is not there are refused."""
    with opened(place.folder / "another") as world:
        caller = Caller("hilltown")
        for path, at in ((place.bound.key_file, START), (place.bound.certificate_file, 4 * START)):
            world.clock.now = at
            with pytest.raises(NodeError, match="certificate") as raised:
                bind_certificate(world.node, path, caller, [Role.READ], "")
            assert raised.value.code == "N028"
        with pytest.raises(NodeError, match="nobody"):
            bind_certificate(world.node, place.bound.certificate_file, Caller("nobody"), [Role.READ], "")


def test_not_behind_a_proxy(place: Place) -> None:
    """Certificates of clients cannot be seen through a proxy, or without TLS, so that the node is not served so."""
    server, ca = place.server, place.authority.certificate_file
    for listening in (
        Listening(None, server.certificate_file, server.key_file, "127.0.0.1", ca),
        Listening(None, None, None, None, ca),
        Listening(None, server.certificate_file, server.key_file, None, None, need_certificate=True),
    ):
        with pytest.raises(NodeError) as raised:
            check_protected("127.0.0.1", listening)
        assert raised.value.code == "N008"


def test_the_commands_of_an_operator(place: Place) -> None:
    """A certificate is bound and revoked by the commands of docs/access.md, and what revokes it is shown."""
    folder, file = str(place.folder / "by-command"), str(place.bound.certificate_file)
    with opened(place.folder / "by-command"):
        pass
    run = CliRunner().invoke
    done = run(
        commands, ["certificate", folder, "hilltown", file, "--role", "write", "--purpose", "detect", "--holder", "collector"]
    )
    assert done.exit_code == 0, done.output
    name = done.output.split()[2].rstrip(";")
    kept = open_node(Path(folder))
    found = kept.certificates.accept(place.bound.certificate.fingerprint(SHA256()))
    assert found is not None
    assert (found.token, found.holder, found.caller, found.roles) == (
        name,
        "collector",
        Caller("hilltown", ("detect",)),
        frozenset({Role.WRITE}),
    )
    assert run(commands, ["revoke", folder, name]).exit_code == 0
    assert kept.certificates.accept(place.bound.certificate.fingerprint(SHA256())) is None
    kept.close()
