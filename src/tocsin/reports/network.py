"""Network and zones."""

from __future__ import annotations

from tocsin.reports.facts import Facts
from tocsin.reports.markup import Markup
from tocsin.reports.shown import note, section
from tocsin.sites.site import Site


def network_section(facts: Facts, site: Site | None) -> Markup:
    """Return the picture of zones."""
    return section("network", "Network and zones", note("No site file was given (--site)."))


__all__ = ["network_section"]
