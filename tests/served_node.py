"""A node that is really served: made and started by the command line, on a free port of this computer."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from threading import Timer

import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

COMMAND = (sys.executable, "-c", "from tocsin.cli.entry import run; run()")
_STARTS_S = 60
_STOPS_S = 30


@dataclass(frozen=True)
class Served:
    """A node that runs: the URL of its discovery, and the file of its certificate, or None without TLS."""

    url: str
    certificate: Path | None


def make_node(folder: Path, rulebook: str, settings: Mapping[str, object]) -> None:
    """Make a node, and give it a rulebook and other settings than those that its `node.yml` began with."""
    _run("node", "init", str(folder))
    file = folder / "node.yml"
    begun = yaml.safe_load(file.read_text(encoding="utf-8"))
    file.write_text(yaml.safe_dump({**begun, **settings}), encoding="utf-8")
    (folder / "rulebook.yml").write_text(rulebook, encoding="utf-8")
    _run("node", "adopt", str(folder))


def make_token(folder: Path, organisation: str, *roles: str) -> str:
    """Return a new token of an organisation."""
    return _run("node", "token", str(folder), organisation, *(f"--role={role}" for role in roles), "--days=2").strip()


@contextmanager
def served(folder: Path, *, tls: bool = False) -> Iterator[Served]:
    """Serve a node until the block ends."""
    certificate, key = _certificate(folder) if tls else (None, None)
    options = [f"--tls-certificate={certificate}", f"--tls-key={key}"] if tls else []
    command = [*COMMAND, "serve", str(folder), "--listen", "127.0.0.1:0", *options]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env={**os.environ, "PYTHONUNBUFFERED": "1"}) as process:
        try:
            yield Served(_address(process), certificate)
        finally:
            process.terminate()
            try:
                process.wait(_STOPS_S)
            except subprocess.TimeoutExpired:
                process.kill()


def _address(process: subprocess.Popen[str]) -> str:
    """Return the URL that the server says it serves on."""
    assert process.stderr is not None
    told: list[str] = []
    watch = Timer(_STARTS_S, process.kill)
    watch.start()
    try:
        for line in process.stderr:
            told.append(line)
            found = re.search(r" on (https?://\S+) ", line)
            if found:
                return found[1]
    finally:
        watch.cancel()
    raise AssertionError(f"the server did not start: {''.join(told)}")


def _run(*arguments: str) -> str:
    done = subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, timeout=_STARTS_S, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def _certificate(folder: Path) -> Sequence[Path]:
    """Return the files of a certificate of this computer's address, which is its own authority, and of its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "tocsin test")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=2))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    text = serialization.Encoding.PEM
    secret = key.private_bytes(text, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    paths = folder / "server.pem", folder / "server.key"
    for path, content in zip(paths, (made.public_bytes(text), secret), strict=True):
        path.write_bytes(content)
    return paths


__all__ = ["COMMAND", "Served", "make_node", "make_token", "served"]
