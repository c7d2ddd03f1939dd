"""Network and zones: who talks to whom in the findings, and where that lies in the plant."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from tocsin.reports.facts import Entry, Facts
from tocsin.reports.markup import Child, Markup, tag
from tocsin.reports.shown import choose, level_bar, level_mark, note, section, table
from tocsin.reports.zones import zones_picture
from tocsin.sites.site import Site

_MOST: Final = 200
_MOST_RULES: Final = 3


def network_section(facts: Facts, site: Site | None) -> Markup:
    """Return the picture of zones, when there is a site file, and the conversations and assets of findings as tables."""
    return section("network", "Network and zones", *_content(facts, site))


def _content(facts: Facts, site: Site | None) -> Iterator[Markup]:
    if site is None:
        yield note("There is no picture of zones: no site file was given (--site).")
    elif site.zones:
        picture = zones_picture(site, facts)
        yield tag("div", picture, class_="scroll", tabindex=0, role="region", aria_label="Picture of zones")
    talks = facts.talks.ordered()
    if talks:
        heads = ("From", "To", "Level", "Findings", "Rules")
        rows = [(_end(source), _end(target), *_told(entry)) for (source, target), entry in talks[:_MOST]]
        yield table("Conversations in findings", heads, rows, numeric="Findings", class_="wide")
    else:
        yield note("No finding is about a conversation between two addresses.")
    if len(talks) > _MOST or facts.talks.beyond:
        yield note(f"{len(talks[_MOST:]):,} more conversations and {facts.talks.beyond:,} findings of others are not listed.")
    if site is not None and site.assets:
        yield _assets(facts, site)


def _end(name: str) -> Child:
    return choose("text", name, name)


def _told(entry: Entry) -> tuple[Child, ...]:
    names = sorted(entry.others.items(), key=lambda item: (-item[1], item[0]))
    more = f" +{len(names) - _MOST_RULES}" if len(names) > _MOST_RULES else ""
    return level_mark(entry.level), entry.count, ", ".join(name for name, _ in names[:_MOST_RULES]) + more


def _assets(facts: Facts, site: Site) -> Markup:
    """Return the assets of the site by their findings, those without last."""
    most = max((entry.count for entry in facts.named.known.values()), default=1)
    entries = [(asset, facts.named.known.get(asset.name, Entry())) for asset in site.assets.values()]
    rows = [
        (
            _end(asset.name) if entry.count else asset.name,
            ", ".join(asset.roles),
            asset.zone,
            asset.criticality,
            entry.count,
            level_bar(entry, most) if entry.count else "none",
        )
        for asset, entry in sorted(entries, key=lambda item: (item[1].weight, item[0].name))[:_MOST]
    ]
    heads = ("Asset", "Roles", "Zone", "Criticality", "Findings", "By level")
    return table("Assets of the site", heads, rows, numeric="Findings", class_="wide")


__all__ = ["network_section"]
