"""Let a peer in by its certificate: read it from a file, and bind its fingerprint to an organisation of the rulebook."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256

from tocsin.errors import NodeError
from tocsin.runs.node import Node, check_caller
from tocsin.sharing.decisions import Caller
from tocsin.stores.tokens import Role

_LONGEST: Final = 1 << 20


def bind_certificate(node: Node, path: Path, caller: Caller, roles: Sequence[Role], holder: str) -> str:
    """Let the holder of a certificate call for an organisation until the certificate expires; return the binding's id.

    Raises: NodeError N028 when the file has no certificate that holds now, N007 for what the rulebook does not know; OSError.
    """
    check_caller(node.rules.book, caller)
    with path.open("rb") as file:
        data = file.read(_LONGEST)
    try:
        found = x509.load_pem_x509_certificates(data)
    except ValueError as error:
        raise NodeError("N028", f"{path} has no certificate", hint="give it in PEM: -----BEGIN CERTIFICATE-----") from error
    expires = int(found[0].not_valid_after_utc.timestamp()) * 1_000_000
    if expires <= node.clock():
        raise NodeError("N028", f"the certificate of {path} has expired", hint="ask the peer for its new one")
    return node.certificates.bind(found[0].fingerprint(SHA256()), caller, roles, expires, holder)


__all__ = ["bind_certificate"]
