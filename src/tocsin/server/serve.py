"""Run a node's application on a port: on this computer alone unless TLS, or a proxy that ends it, is declared."""

from __future__ import annotations

import ipaddress
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import uvicorn

from tocsin.errors import NodeError
from tocsin.runs.adoption import differs
from tocsin.runs.node import open_node
from tocsin.runs.schedule import Schedule
from tocsin.server.app import build_app
from tocsin.server.protocol import Config

_KEEP_ALIVE_S: Final = 15
_SHUTDOWN_S: Final = 30
_BACKLOG: Final = 128


@dataclass(frozen=True, slots=True)
class Listening:
    """Where to listen, and what protects the way there. `address` is HOST:PORT, None for what the node's file says.

    `client_ca` has the certificates of authorities, and of peers, that clients may show.
    """

    address: str | None = None
    certificate: Path | None = None
    key: Path | None = None
    proxy: str | None = None
    client_ca: Path | None = None
    need_certificate: bool = False


def run_server(folder: Path, listening: Listening, say: Callable[[str], None]) -> int:
    """Serve a node until it is told to stop; return the exit code.

    Raises: NodeError when it is no node, or cannot listen as it was told.
    """
    node = open_node(folder)
    schedule = Schedule(node, say)
    try:
        if differs(node):
            say(
                f"rulebook.yml or a share of node.yml is not what is in force: 'tocsin node adopt {folder}' tells and adopts it"
            )
        host, port = split_address(listening.address or node.file.listen)
        check_protected(host, listening)
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        with _bound(family, host, port) as listener:
            scheme = "https" if listening.certificate else "http"
            shown = f"[{host}]" if ":" in host else host
            say(f"serving {folder} on {scheme}://{shown}:{listener.getsockname()[1]}/taxii2/ (stop with Ctrl-C)")
            server = uvicorn.Server(
                Config(
                    build_app(node),
                    node.file.limits,
                    proxied=listening.proxy is not None,
                    log_level="warning",
                    access_log=False,
                    server_header=False,
                    proxy_headers=listening.proxy is not None,
                    forwarded_allow_ips=listening.proxy,
                    ssl_certfile=listening.certificate,
                    ssl_keyfile=listening.key,
                    ssl_ca_certs=listening.client_ca,
                    ssl_cert_reqs=_asked(listening),
                    timeout_keep_alive=_KEEP_ALIVE_S,
                    timeout_graceful_shutdown=_SHUTDOWN_S,
                    lifespan="off",
                )
            )
            schedule.start()
            server.run(sockets=[listener])
    finally:
        schedule.stop()
        node.close()
    return 0


def split_address(text: str) -> tuple[str, int]:
    """Return the host, an address of IPv4 or IPv6, and the port of HOST:PORT.

    Raises: NodeError.
    """
    host, _, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    host = "127.0.0.1" if host == "localhost" else host
    try:
        ipaddress.ip_address(host)
        number = int(port)
    except ValueError as error:
        raise NodeError("N008", f"{text!r} is no address to listen on", hint="write it as 127.0.0.1:8470") from error
    if not 0 <= number < 1 << 16:
        raise NodeError("N008", f"{text!r} has no port from 0 to 65535", hint="write it as 127.0.0.1:8470")
    return host, number


def check_protected(host: str, listening: Listening) -> None:
    """Raise NodeError when what is served could be read on its way."""
    if (listening.certificate is None) != (listening.key is None):
        raise NodeError("N008", "TLS needs both a certificate and its key", hint="give --tls-certificate and --tls-key")
    if listening.client_ca is not None and (listening.certificate is None or listening.proxy is not None):
        hint = "give --tls-certificate and --tls-key; behind a proxy that ends TLS, peers use tokens"
        raise NodeError("N008", "certificates of clients are seen only where the node itself ends TLS", hint=hint)
    if listening.need_certificate and listening.client_ca is None:
        raise NodeError("N008", "no certificate of a client would be trusted", hint="give --client-ca")
    if not ipaddress.ip_address(host).is_loopback and listening.certificate is None and listening.proxy is None:
        hint = "give --tls-certificate and --tls-key, or --behind-proxy with the address of the proxy that ends TLS"
        raise NodeError("N008", f"{host} is not of this computer alone, and there is no TLS", hint=hint)


def _asked(listening: Listening) -> ssl.VerifyMode:
    """Return whether clients are asked for a certificate. One that is shown has to be good."""
    if listening.client_ca is None:
        return ssl.CERT_NONE
    return ssl.CERT_REQUIRED if listening.need_certificate else ssl.CERT_OPTIONAL


def _bound(family: socket.AddressFamily, host: str, port: int) -> socket.socket:
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        raise NodeError("N008", f"cannot listen on {host}:{port}: {error.strerror}", hint="is another server there?") from error
    return listener


__all__ = ["Listening", "check_protected", "run_server", "split_address"]
