"""Advisories in CSAF as STIX: a report, its vulnerabilities, the products that have them, and what to do.

The TLP label of an advisory, and its sharing group, reach all of it. Source: CSAF 2.0 and 2.1 (OASIS).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from tocsin.feeds.forms import Json
from tocsin.feeds.interface import Incoming, Rejected, Terms
from tocsin.feeds.loose import as_map, as_maps, as_text, as_texts, odd
from tocsin.feeds.made import UNDATED, Dates, Made, Told, any_moment, dated, dates, observable, of_group, of_tags, read_made
from tocsin.sharing.markings import Tlp

_NO_SHARING: Final = "00000000-0000-0000-0000-000000000000"
_PUBLIC: Final = "ffffffff-ffff-ffff-ffff-ffffffffffff"
_STATUS: Final[Mapping[str, str]] = {
    "known_affected": "has",
    "first_affected": "has",
    "last_affected": "has",
    "fixed": "fixes",
    "first_fixed": "fixes",
    "known_not_affected": "not-affected-by",
    "under_investigation": "under-investigation-for",
    "recommended": "recommended-for",
}
"""Status of a product -> the relationship of the product to the vulnerability."""
_NOT_TAKEN: Final = ("threats", "involvements", "flags", "acknowledgments", "acknowledgements")
_KEPT_NOTES: Final = ("summary", "description")
_MOST: Final = 20_000
"""Relationships of one advisory."""
_DEEPEST: Final = 32
_SHOWN: Final = 100


@dataclass(frozen=True, slots=True)
class _Advisory:
    """What all parts of an advisory share."""

    place: str
    name: str
    told: Told
    when: Dates
    products: Mapping[str, Json]
    groups: Mapping[str, list[str]]


def is_csaf(document: object) -> bool:
    """Tell whether a JSON document is an advisory of CSAF 2."""
    head = document.get("document") if isinstance(document, dict) else None
    return isinstance(head, dict) and str(head.get("csaf_version", "")).startswith("2.")


def read_csaf(document: Mapping[str, Any], label: str, terms: Terms) -> list[Incoming | Rejected]:
    """Read one advisory."""
    head = as_map(document.get("document"))
    tracking, publisher = as_map(head.get("tracking")), as_map(head.get("publisher"))
    name = f"{as_text(publisher.get('namespace'))} {as_text(tracking.get('id'))}".strip()
    if not name:
        return [Rejected(label, "X030", "the advisory has no id")]
    created = any_moment(tracking.get("initial_release_date")) or UNDATED
    when = dates(created, any_moment(tracking.get("current_release_date")) or created)
    told = _told(head.get("distribution"))
    tree = as_map(document.get("product_tree"))
    shared = _Advisory(f"{label}: advisory {name[:_SHOWN]}", name, told, when, dict(_products(tree, told)), _groups(tree))
    parts = [part for item in as_maps(document.get("vulnerabilities")) for part in _vulnerability(item, shared)]
    parts += [Made(shared.place, product) for product in shared.products.values()]
    refs = list(dict.fromkeys(part.content["id"] for part in parts if isinstance(part, Made)))
    if not refs:
        return read_made(
            [*parts, Rejected(shared.place, "X030", "the advisory tells of no vulnerability and no product")], terms
        )
    report = Made(shared.place, _report(head, shared, refs))
    return read_made([report, *parts, *_not_taken(document, shared)], terms)


def _told(stated: object) -> Told:
    """Return what the distribution of an advisory says; what is of another form is TLP:RED."""
    if stated is not None and not isinstance(stated, dict):
        return Told(Tlp.RED)
    distribution = as_map(stated)
    label = as_text(as_map(distribution.get("tlp")).get("label"))
    told = of_tags([f"tlp:{label}"]) if label else Told()
    if "tlp" in distribution and not label:
        told = Told(Tlp.RED)
    group = distribution.get("sharing_group")
    uuid = as_text(as_map(group).get("id")).lower()
    if group is None or uuid == _PUBLIC:
        return told
    return told.join(Told(Tlp.RED) if uuid == _NO_SHARING else of_group(uuid))


def _report(head: Mapping[str, Any], shared: _Advisory, refs: list[str]) -> Json:
    tracking, publisher = as_map(head.get("tracking")), as_map(head.get("publisher"))
    reference: Json = {"source_name": as_text(publisher.get("name")) or "csaf", "external_id": as_text(tracking.get("id"))}
    content = {
        "name": as_text(head.get("title")) or shared.name,
        "description": _notes(head),
        "report_types": ["vulnerability"],
        "published": shared.when.created,
        "lang": as_text(head.get("lang")),
        "labels": [text for text in (as_text(head.get("category")), as_text(tracking.get("status"))) if text],
        "external_references": [reference, *_references(head)],
        "object_refs": refs,
    }
    return dated("report", f"csaf {shared.name}", shared.when, shared.told, content)


def _vulnerability(item: Mapping[str, Any], shared: _Advisory) -> Iterator[Made | Rejected]:
    numbers = [as_text(known.get("text")) for known in as_maps(item.get("ids"))]
    cve = as_text(item.get("cve"))
    name = cve or next((number for number in numbers if number), "") or as_text(item.get("title"))
    if not name:
        yield Rejected(shared.place, "X030", "a vulnerability has neither CVE nor id nor title")
        return
    place = f"{shared.place}, {name[:_SHOWN]}"
    known = [{"source_name": "cve", "external_id": cve}] if cve else []
    known += [{"source_name": "cwe", "external_id": number} for number in _weaknesses(item)]
    content = {
        "name": name,
        "description": "\n".join(part for part in (as_text(item.get("title")), _notes(item)) if part),
        "external_references": [*known, *_references(item)],
        "x_cvss_vectors": _vectors(item),
    }
    made = dated("vulnerability", f"csaf {shared.name} {name}", shared.when, shared.told, content)
    yield Made(place, made)
    yield from _affected(item, made["id"], place, shared)
    for remedy in as_maps(item.get("remediations")):
        yield from _remedy(remedy, made["id"], place, shared)


def _weaknesses(item: Mapping[str, Any]) -> list[str]:
    """Return CWE numbers: one in CSAF 2.0, a list in 2.1."""
    return [number for cwe in [as_map(item.get("cwe")), *as_maps(item.get("cwes"))] if (number := as_text(cwe.get("id")))]


def _vectors(item: Mapping[str, Any]) -> list[str]:
    """Return CVSS vectors: of `scores` in CSAF 2.0, of `metrics` in 2.1."""
    rated = [*as_maps(item.get("scores")), *(as_map(metric.get("content")) for metric in as_maps(item.get("metrics")))]
    found = [
        as_text(as_map(score.get(key)).get("vectorString")) for score in rated for key in ("cvss_v4", "cvss_v3", "cvss_v2")
    ]
    return list(dict.fromkeys(vector for vector in found if vector))


def _affected(item: Mapping[str, Any], vulnerability: str, place: str, shared: _Advisory) -> Iterator[Made | Rejected]:
    status = as_map(item.get("product_status"))
    pairs = [(kind, name) for key, kind in _STATUS.items() for name in as_texts(status.get(key))]
    for kind, name in list(dict.fromkeys(pairs))[:_MOST]:
        product = shared.products.get(name)
        if product is None:
            yield Rejected(place, "X030", f"the product {name[:_SHOWN]!r} is not in the product tree")
        else:
            yield Made(place, _link(product["id"], kind, vulnerability, shared))
    if len(pairs) > _MOST:
        yield Rejected(place, "X003", f"of {len(pairs)} products the first {_MOST} are taken")
    for key in status.keys() - _STATUS.keys():
        yield Rejected(place, "X030", f"the status {str(key)[:_SHOWN]!r} of products is not known")


def _remedy(remedy: Mapping[str, Any], vulnerability: str, place: str, shared: _Advisory) -> Iterator[Made]:
    category, details = as_text(remedy.get("category")) or "remediation", as_text(remedy.get("details"))
    names = [*as_texts(remedy.get("product_ids"))]
    names += [name for group in as_texts(remedy.get("group_ids")) for name in shared.groups.get(group, [])]
    products = list(dict.fromkeys(shared.products[name]["name"] for name in names if name in shared.products))
    url = as_text(remedy.get("url"))
    content = {
        "name": category,
        "description": details,
        "external_references": [{"source_name": "remediation", "url": url}] if url else [],
        "x_csaf_products": products,
    }
    seed = f"csaf {shared.name} {category} {details} {url} {' '.join(products)}"
    made = dated("course-of-action", seed, shared.when, shared.told, content)
    yield Made(place, made)
    yield Made(place, _link(made["id"], "mitigates", vulnerability, shared))


def _link(source: str, kind: str, target: str, shared: _Advisory) -> Json:
    content = {"relationship_type": kind, "source_ref": source, "target_ref": target}
    return dated("relationship", f"csaf {shared.name} {source} {kind} {target}", shared.when, shared.told, content)


def _products(tree: Mapping[str, Any], told: Told) -> Iterator[tuple[str, Json]]:
    """Yield the products of a tree by their ids."""
    level: list[tuple[Mapping[str, Any], str, str]] = [(branch, "", "") for branch in as_maps(tree.get("branches"))]
    for _ in range(_DEEPEST):
        below: list[tuple[Mapping[str, Any], str, str]] = []
        for branch, vendor, version in level:
            category, name = as_text(branch.get("category")), as_text(branch.get("name"))
            vendor = name if category == "vendor" else vendor
            version = name if category.startswith("product_version") else version
            yield from _product(branch.get("product"), vendor, version, told)
            below += [(item, vendor, version) for item in as_maps(branch.get("branches"))]
        level = below
    joined = [as_map(item.get("full_product_name")) for item in as_maps(tree.get("relationships"))]
    for item in [*as_maps(tree.get("full_product_names")), *joined]:
        yield from _product(item, "", "", told)


def _product(item: object, vendor: str, version: str, told: Told) -> Iterator[tuple[str, Json]]:
    found = as_map(item)
    name, key = as_text(found.get("name")), as_text(found.get("product_id"))
    if name and key:
        cpe = as_text(as_map(found.get("product_identification_helper")).get("cpe"))
        content = {"name": name, "vendor": vendor, "version": version, "cpe": cpe}
        kept: Json = {name: text for name, text in content.items() if text}
        yield key, observable("software", kept, ("name", "cpe", "vendor", "version"), told)


def _groups(tree: Mapping[str, Any]) -> dict[str, list[str]]:
    return {as_text(item.get("group_id")): as_texts(item.get("product_ids")) for item in as_maps(tree.get("product_groups"))}


def _notes(holder: Mapping[str, Any]) -> str:
    return "\n\n".join(note for note in _taken(holder) if note)


def _taken(holder: Mapping[str, Any]) -> list[str]:
    """Return the notes that are kept: what summarises and describes."""
    return [as_text(note.get("text")) for note in as_maps(holder.get("notes")) if note.get("category") in _KEPT_NOTES]


def _references(holder: Mapping[str, Any]) -> list[Json]:
    found = [(as_text(item.get("summary")), as_text(item.get("url"))) for item in as_maps(holder.get("references"))]
    return [{"source_name": summary or url, "url": url} for summary, url in dict.fromkeys(found) if url]


def _not_taken(document: Mapping[str, Any], shared: _Advisory) -> Iterator[Rejected]:
    """Yield what an advisory has that is not taken: once for each kind, with its number."""
    holders = [as_map(document.get("document")), *as_maps(document.get("vulnerabilities"))]
    lists = [(document, "vulnerabilities"), *((holder, "remediations") for holder in holders[1:])]
    for holder, key in lists:
        if count := odd(holder.get(key)):
            yield Rejected(shared.place, "X030", f"{count} entries of {key} are of another form")
    notes = sum(len(as_maps(holder.get("notes"))) - len(_taken(holder)) for holder in holders)
    if notes:
        yield Rejected(shared.place, "X031", f"{notes} notes are not taken")
    for key in _NOT_TAKEN:
        count = sum(len(as_maps(holder.get(key))) for holder in holders)
        if count:
            yield Rejected(shared.place, "X031", f"{count} {key} are not taken")


__all__ = ["is_csaf", "read_csaf"]
