"""How people log in to a node: the provider of OpenID Connect that knows them, and what it says of whom. In `node.yml`."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Annotated, Final
from urllib.parse import urlsplit

import msgspec

from tocsin.errors import NodeError
from tocsin.stores.tokens import Role

_LONGEST_SECRET: Final = 4_096


class Group(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """What people of whom the provider says something may do: for an organisation, with roles, for purposes."""

    organisation: str
    roles: tuple[Role, ...] = (Role.READ,)
    purposes: tuple[str, ...] = ()


class Login(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """The provider, and the values of one claim that let somebody in. `secret_file` is of the node's folder."""

    issuer: str
    client_id: str
    people: dict[str, Group]
    claim: str = "groups"
    secret_file: str = ""
    scopes: tuple[str, ...] = ("openid", "profile")
    hours: Annotated[int, msgspec.Meta(ge=1, le=24)] = 8
    idle_minutes: Annotated[int, msgspec.Meta(ge=1, le=480)] = 30


def check_login(login: Login, public_url: str, path: Path) -> None:
    """Raise NodeError N006 when a login could be read or led astray on its way."""
    for name, url in (("login.issuer", login.issuer), ("public_url", public_url)):
        if not is_protected(url):
            hint = "only a provider or a node on this computer, for trying it out, may do without TLS"
            raise NodeError("N006", f"{path}: login needs {name} to be a URL of https", hint=hint)
    if urlsplit(public_url).path:
        raise NodeError("N006", f"{path}: login needs a public_url without a path", hint="its cookies are those of a host")
    if "openid" not in login.scopes:
        raise NodeError("N006", f"{path}: the scopes of login have no openid", hint="without it no identity is told")


def is_protected(url: str) -> bool:
    """Return whether nobody on the way reads or changes what a URL gives: by TLS, or since it is of this computer."""
    try:
        found = urlsplit(url)
        host = found.hostname or ""
        if found.scheme == "https" and host:
            return not found.username and not found.fragment
        return found.scheme == "http" and (host == "localhost" or ipaddress.ip_address(host).is_loopback)
    except ValueError:
        return False


def read_secret(login: Login, folder: Path) -> str:
    """Return the secret that the node proves to the provider who it is with, empty for none. Raises: NodeError N006."""
    if not login.secret_file:
        return ""
    path = folder / login.secret_file
    try:
        with path.open() as file:
            return file.read(_LONGEST_SECRET).strip()
    except (OSError, UnicodeDecodeError) as error:
        raise NodeError("N006", f"the secret of the login cannot be read from {path}: {error}") from error


__all__ = ["Group", "Login", "check_login", "is_protected", "read_secret"]
