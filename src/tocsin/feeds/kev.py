"""The catalogue of known exploited vulnerabilities (KEV) as STIX. It states no marking, so each entry has the default."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from tocsin.feeds.interface import Incoming, Rejected, Terms
from tocsin.feeds.made import UNDATED, Made, Told, any_moment, dated, dates, read_made

_SHOWN: Final = 100
_PROPERTIES: Final[Mapping[str, str]] = {
    "x_kev_vendor": "vendorProject",
    "x_kev_product": "product",
    "x_kev_required_action": "requiredAction",
    "x_kev_due_date": "dueDate",
    "x_kev_ransomware": "knownRansomwareCampaignUse",
}


def is_kev(document: object) -> bool:
    """Tell whether a JSON document is the catalogue."""
    return isinstance(document, dict) and "catalogVersion" in document and isinstance(document.get("vulnerabilities"), list)


def read_kev(document: Mapping[str, Any], label: str, terms: Terms) -> list[Incoming | Rejected]:
    """Read the catalogue. Each release is a new version of every entry, since entries state no date of change."""
    released = any_moment(document.get("dateReleased"))
    return read_made(_entries(document["vulnerabilities"], label, released), terms)


def _entries(entries: list[Any], label: str, released: str) -> Iterator[Made | Rejected]:
    for number, entry in enumerate(entries):
        place = f"{label}: vulnerabilities[{number}]"
        cve = entry.get("cveID") if isinstance(entry, dict) else None
        if not isinstance(cve, str) or not cve:
            yield Rejected(place, "X032", "the entry has no cveID")
            continue
        told = {key: value for key, value in entry.items() if isinstance(value, str)}
        created = any_moment(told.get("dateAdded")) or UNDATED
        weaknesses = entry.get("cwes") if isinstance(entry.get("cwes"), list) else []
        references = [{"source_name": "cve", "external_id": cve}]
        references += [{"source_name": "cwe", "external_id": item} for item in weaknesses if isinstance(item, str) and item]
        references += [{"source_name": "kev", "url": url} for url in _links(told.get("notes", ""))]
        content = {
            "name": cve,
            "description": "\n".join(filter(None, (told.get("vulnerabilityName"), told.get("shortDescription")))),
            "labels": ["known-exploited"],
            "external_references": references,
            "x_kev_notes": told.get("notes", ""),
            **{name: told.get(key, "") for name, key in _PROPERTIES.items()},
        }
        yield Made(place, dated("vulnerability", f"kev {cve}", dates(created, released or created), Told(), content))


def _links(notes: str) -> list[str]:
    return [part for part in dict.fromkeys(notes.replace(";", " ").split()) if part.startswith(("https://", "http://"))]


__all__ = ["is_kev", "read_kev"]
