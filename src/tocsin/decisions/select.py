"""Which entry of a tuning file decides about a finding."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache

from tocsin.decisions.entry import TuningEntry
from tocsin.findings import Finding
from tocsin.sites.addresses import parse_address, parse_hostname
from tocsin.sites.baseline import is_within
from tocsin.sites.site import Address, Network

Numbered = tuple[int, TuningEntry]


class Selector:
    """Asks entries, given with their numbers; the first that selects a finding decides, one that suppresses before the others.

    Cost: entries that name rules are looked up by the rule of the finding.
    """

    def __init__(self, entries: Sequence[Numbered]) -> None:
        self._entries = sorted(entries, key=lambda item: item[1].kind != "suppress")
        self._of_rule: dict[tuple[str, str], list[Numbered]] = {}
        self.wants_texts = any(entry.networks for _, entry in entries)

    def decide(self, finding: Finding, texts: Iterable[str]) -> int:
        """Return the number of the entry that decides, or -1; `texts` are those of the event that may be addresses."""
        found = tuple(texts)
        for number, entry in self._asked(finding):
            if selects(entry, finding, found):
                return number if entry.level != finding.rule.level else -1
        return -1

    def _asked(self, finding: Finding) -> list[Numbered]:
        """Return the entries that name the rule of a finding, or none."""
        key = finding.rule.id, finding.rule.title
        known = self._of_rule.get(key)
        if known is None:
            known = [item for item in self._entries if not item[1].rules or not {*key}.isdisjoint(item[1].rules)]
            self._of_rule[key] = known
        return known


def selects(entry: TuningEntry, finding: Finding, texts: Sequence[str]) -> bool:
    """Tell whether every selector of an entry holds for a finding, whose rule it names or names none."""
    return (
        (not entry.hosts or any(is_host(host, finding.host) for host in entry.hosts))
        and _at_site(entry, finding)
        and (not entry.networks or any(_is_in(entry.networks, text) for text in texts))
        and _in_time(entry, finding.time)
    )


def is_host(wanted: str, host: str) -> bool:
    """Tell whether a host is meant: in any case, and by its first label where the entry has no more."""
    name, known = parse_hostname(wanted), parse_hostname(host)
    return bool(name) and name in (known, known.partition(".")[0])


def _at_site(entry: TuningEntry, finding: Finding) -> bool:
    found = finding.assets.values() if isinstance(finding.assets, dict) else ()
    return (not entry.assets or any(asset.name in entry.assets for asset in found)) and (
        not entry.zones or any(asset.zone in entry.zones for asset in found)
    )


def _in_time(entry: TuningEntry, time: str) -> bool:
    """Tell whether a time is within that of an entry; an unknown time is so only where the entry has none."""
    if not (entry.since or entry.until or entry.daily):
        return True
    if not time or time < entry.since or (entry.until and time >= entry.until):
        return False
    return entry.daily is None or is_within(entry.daily, time)


def _is_in(networks: Sequence[Network], text: str) -> bool:
    address = _address(text)
    return address is not None and any(address in network for network in networks)


@lru_cache(maxsize=65_536)
def _address(text: str) -> Address | None:
    return parse_address(text)


__all__ = ["Selector", "is_host", "selects"]
