"""Files that can be shared: those of other tools, and findings that a scan wrote, as objects of STIX. No node is needed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from io import BytesIO
from pathlib import Path
from typing import Final

from msgspec.json import encode

from tocsin.errors import SourceError, UsageError
from tocsin.feeds.interface import Incoming, Rejected, Terms
from tocsin.feeds.read import read_package
from tocsin.feeds.stix import read_bundle
from tocsin.findings import Finding
from tocsin.findings.reading import read_findings
from tocsin.runs.ruleset import rule_text
from tocsin.sinks.stix import RuleText, StixSink

_TOGETHER: Final = 2_000
"""Findings that become one package; each package tells its rules anew."""
_FINDING: Final = b'{"rule":{'


def read_file(path: Path, label: str, known: Terms, rules: RuleText = rule_text) -> Iterator[Incoming | Rejected]:
    """Read a file of findings, or of any format that `read_package` knows.

    `rules` gives the text of a rule by its path and id. Raises: UsageError X001 to X004.
    """
    if _holds_findings(path):
        return _read_findings(path, label, known, rules)
    return read_package(path, label, known)


def _holds_findings(path: Path) -> bool:
    """Tell whether a file begins as a scan begins each finding."""
    if not path.is_file():
        return False
    try:
        with path.open("rb") as file:
            return file.read(len(_FINDING)) == _FINDING
    except OSError as error:
        raise UsageError("X001", f"{path}: cannot be read: {error.strerror}", hint="check its rights") from error


def _read_findings(path: Path, label: str, known: Terms, rules: RuleText) -> Iterator[Incoming | Rejected]:
    with path.open("rb") as file:
        together: list[Finding] = []
        for item in read_findings(file, label):
            if isinstance(item, SourceError):
                yield Rejected(str(item.where), item.code, item.message)
                continue
            together.append(item)
            if len(together) == _TOGETHER:
                yield from _of_findings(together, label, known, rules)
                together = []
        if together:
            yield from _of_findings(together, label, known, rules)


def _of_findings(findings: Sequence[Finding], label: str, known: Terms, rules: RuleText) -> list[Incoming | Rejected]:
    """Return findings as the bundle that a scan writes of them: rules, what was observed, and its sightings."""
    sink, out = StixSink(rules), BytesIO()
    sink.begin(out)
    for finding in findings:
        sink.write(out, encode(finding))
    sink.close(out, complete=True)
    return read_bundle(out.getvalue(), label, known)


__all__ = ["read_file"]
