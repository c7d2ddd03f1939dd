"""Which requirement of TAXII 2.1 (OASIS Standard, 10 June 2021) a case is about: section, level, interoperability test.

`interop` is the section of the TAXII 2.1 Interoperability Test Document 1.0 (CSD01, 30 March 2022) that has the same test.
"""

from __future__ import annotations

import pytest

SECTIONS = {
    "1.6.7": "Serialization",
    "1.6.9": "Authentication and authorization",
    "1.6.10": "STIX and other content",
    "2": "Data types",
    "3.1": "Endpoints",
    "3.2": "HTTP headers",
    "3.3": "Sorting",
    "3.4": "Filtering",
    "3.4.1": "Fields for match",
    "3.5": "Pagination",
    "3.6": "Errors",
    "3.6.1": "Error message",
    "3.7": "Envelope",
    "4.1": "Discovery",
    "4.1.1": "Discovery resource",
    "4.2": "API root",
    "4.2.1": "API root resource",
    "4.3": "Status",
    "4.3.1": "Status resource",
    "5.1": "Collections",
    "5.2": "A collection",
    "5.2.1": "Collection resource",
    "5.3": "Manifest",
    "5.3.1": "Manifest resource",
    "5.4": "Get objects",
    "5.5": "Add objects",
    "5.6": "Get an object",
    "5.7": "Delete an object",
    "5.8": "Versions of an object",
    "5.8.1": "Versions resource",
    "7.1.1": "Custom properties",
    "8.2.1": "Core requirements of servers",
    "8.2.2": "HTTPS and authentication",
}
"""The sections that cases are about."""
MUST = "MUST"
SHOULD = "SHOULD"


def must(section: str, interop: str = "") -> pytest.MarkDecorator:
    """Mark a case that a conforming server has to pass."""
    return pytest.mark.requirement(section, MUST, interop)


def should(section: str, interop: str = "") -> pytest.MarkDecorator:
    """Mark a case that a server is expected to pass, and is told when it does not."""
    return pytest.mark.requirement(section, SHOULD, interop)


def may_damage() -> pytest.MarkDecorator:
    """Mark a case that posts what no server should keep: one that keeps it may answer nothing right afterwards.

    Such cases run last, and with `--gentle` not at all.
    """
    return pytest.mark.may_damage


__all__ = ["MUST", "SECTIONS", "SHOULD", "may_damage", "must", "should"]
