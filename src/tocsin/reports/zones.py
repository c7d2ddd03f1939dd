"""The picture of zones: levels of the Purdue model as bands, zones and their assets in them, conversations between."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import log2
from typing import Final

from tocsin.reports.facts import Entry, Facts
from tocsin.reports.markup import Markup, number, tag
from tocsin.reports.shown import HIGHEST_FIRST, plural
from tocsin.sites.site import Site

_WIDTH: Final = 1000
_LABEL: Final = 128
_NODE_W: Final = 124
_NODE_H: Final = 38
_GAP: Final = 14
_ROW: Final = _NODE_H + 22
_PAD: Final = 12
_HEAD: Final = 22
_BAND_GAP: Final = 16
_MOST_IN_ZONE: Final = 18
_MOST_TALKS: Final = 60
_LONGEST: Final = 17
_ASIDE: Final = 8
_COLUMNS: Final = (_WIDTH - _LABEL - _PAD - _GAP) // (_NODE_W + _GAP)
_SHORT: Final = {"informational": "info"}
_UNSTATED: Final = -1.0
OUTSIDE: Final = ""
"""The name of what lies in no zone."""
_LEVELS: Final = {
    5.0: "Enterprise",
    4.0: "Business",
    3.5: "Industrial DMZ",
    3.0: "Site operations",
    2.0: "Supervision",
    1.0: "Control",
    0.0: "Process",
}


@dataclass(frozen=True, slots=True)
class Node:
    """An asset or address in the picture, with the place of its upper left corner."""

    name: str
    x: float
    y: float
    entry: Entry | None
    is_known: bool

    @property
    def middle(self) -> float:
        """Return the middle from left to right."""
        return self.x + _NODE_W / 2


@dataclass(frozen=True, slots=True)
class _Box:
    """A zone in the picture, with its nodes."""

    name: str
    x: float
    y: float
    width: float
    height: float
    nodes: tuple[Node, ...]
    left_out: int


def zones_picture(site: Site, facts: Facts) -> Markup:
    """Return the picture: zones from the highest level of the Purdue model down, what is outside on top."""
    plan = _Plan(site, facts)
    parts: list[Markup] = []
    boxes: list[_Box] = []
    y = 4.0
    for label, sub, zones in plan.bands():
        placed = list(plan.boxes(zones, y + _PAD))
        height = max(box.y + box.height for box in placed) + _PAD - y
        parts.append(tag("rect", x=0, y=y, width=_WIDTH, height=height, rx=6, class_="band"))
        parts.append(tag("text", label, x=12, y=y + 26, class_="purdue"))
        parts.append(tag("text", sub, x=12, y=y + 42))
        boxes += placed
        y += height + _BAND_GAP
    nodes = {node.name: node for box in boxes for node in box.nodes}
    talks = [(ends, entry) for ends, entry in facts.talks.ordered() if ends[0] in nodes and ends[1] in nodes][:_MOST_TALKS]
    parts += [_zone(box) for box in boxes]
    parts += [_talk(nodes[source], nodes[target], entry) for (source, target), entry in reversed(talks)]
    parts += [_node(node) for node in nodes.values()]
    told = f"Zones of {site.name} by Purdue level with {plural(len(nodes), 'asset or address', 'assets and addresses')} and "
    told += f"{plural(len(talks), 'conversation')} of findings; the tables below have the same facts"
    box = f"0 0 {_WIDTH} {number(y - _BAND_GAP + 4)}"
    return tag("svg", _arrows(), parts, viewBox=box, class_="zones", role="img", aria_label=told)


def _arrows() -> Markup:
    heads = [
        tag(
            "marker",
            tag("path", d="M0,0 L8,4 L0,8 z", class_=f"f-{level}"),
            id=f"to-{level}",
            viewBox="0 0 8 8",
            refX=7,
            refY=4,
            markerWidth=9,
            markerHeight=9,
            markerUnits="userSpaceOnUse",
            orient="auto",
        )
        for level in HIGHEST_FIRST
    ]
    return tag("defs", heads)


class _Plan:
    """Where zones and their members are drawn."""

    def __init__(self, site: Site, facts: Facts) -> None:
        self._site = site
        self._facts = facts
        self._members = self._by_zone()

    def _by_zone(self) -> dict[str, list[str]]:
        """Return by zone its assets and the addresses that findings name, the most serious first."""
        found: dict[str, dict[str, None]] = defaultdict(dict)
        talking = {name for ends in self._facts.talks.known for name in ends}
        for name, _ in self._facts.named.ordered():
            asset = self._site.assets.get(name)
            known = self._facts.assets.get(name)
            zone = asset.zone if asset else known.zone if known else OUTSIDE
            if asset or zone or name in talking:
                found[zone if zone in self._site.zones else OUTSIDE][name] = None
        for asset in self._site.assets.values():
            found[asset.zone][asset.name] = None
        return {zone: list(names) for zone, names in found.items()}

    def bands(self) -> Iterator[tuple[str, str, list[str]]]:
        """Yield the bands from above: a label, what it is, and its zones."""
        if self._members.get(OUTSIDE):
            yield "Outside", "in no zone", [OUTSIDE]
        levels: dict[float, list[str]] = defaultdict(list)
        for zone in self._site.zones.values():
            levels[_UNSTATED if zone.level is None else zone.level].append(zone.name)
        for level in sorted(levels, reverse=True):
            label = "No level" if level == _UNSTATED else f"Level {number(level)}"
            yield label, _LEVELS.get(level, "not stated"), levels[level]

    def boxes(self, zones: Sequence[str], y: float) -> Iterator[_Box]:
        """Yield the boxes of a band side by side, in a new row where there is no room."""
        x, tallest = float(_LABEL), 0.0
        for zone in zones:
            names = self._members.get(zone, [])
            shown = names[:_MOST_IN_ZONE]
            columns = max(1, min(len(shown), _COLUMNS))
            width = columns * (_NODE_W + _GAP) + _GAP
            height = _HEAD + max(1, -(-len(shown) // columns)) * _ROW
            if x > _LABEL and x + width > _WIDTH - _PAD:
                x, y, tallest = float(_LABEL), y + tallest + _PAD, 0.0
            tallest = max(tallest, height)
            nodes = tuple(self._node(name, at, columns, x, y) for at, name in enumerate(shown))
            yield _Box(zone, x, y, width, height, nodes, len(names) - len(shown))
            x += width + _PAD

    def _node(self, name: str, at: int, columns: int, x: float, y: float) -> Node:
        left = x + _GAP + (at % columns) * (_NODE_W + _GAP)
        top = y + _HEAD + 4 + (at // columns) * _ROW
        return Node(name, left, top, self._facts.named.known.get(name), name in self._site.assets)


def _zone(box: _Box) -> Markup:
    label = box.name or "other addresses"
    more = f", {box.left_out:,} more not drawn" if box.left_out else ""
    return tag(
        "g",
        tag("rect", x=box.x, y=box.y, width=box.width, height=box.height, rx=5, class_="zone"),
        tag("text", label + more, x=box.x + _GAP, y=box.y + 16, class_="zone-name"),
    )


def _node(node: Node) -> Markup:
    """Return an asset: its name, and how many findings of which highest level."""
    entry = node.entry
    told = plural(entry.count, "finding") if entry else "no finding"
    name = node.name if len(node.name) <= _LONGEST else f"{node.name[: _LONGEST - 1]}…"
    side = tag("rect", x=node.x, y=node.y, width=4, height=_NODE_H, class_=f"f-{entry.level}") if entry else None
    look = " ".join(word for word, is_so in (("asset", True), ("quiet", not entry), ("stranger", not node.is_known)) if is_so)
    return tag(
        "g",
        tag("title", f"{node.name}: {told}"),
        tag("rect", x=node.x, y=node.y, width=_NODE_W, height=_NODE_H, rx=4, class_=look),
        side,
        tag("text", name, x=node.x + 11, y=node.y + 16, class_="asset-name"),
        tag("text", f"{told}{f', {_SHORT.get(entry.level, entry.level)}' if entry else ''}", x=node.x + 11, y=node.y + 30),
    )


def _talk(source: Node, target: Node, entry: Entry) -> Markup:
    """Return a conversation as an arrow, the thicker the more findings it has."""
    down = target.y > source.y
    if abs(target.y - source.y) < 1:
        lift = min(30.0, 10 + abs(target.middle - source.middle) / 16)
        begin, end = (source.middle, source.y), (target.middle, target.y)
        bend = f"C{number(begin[0])},{number(begin[1] - lift)} {number(end[0])},{number(end[1] - lift)}"
    else:
        begin = (source.middle + _ASIDE, source.y + (_NODE_H if down else 0))
        end = (target.middle - _ASIDE, target.y + (0 if down else _NODE_H))
        half = (end[1] - begin[1]) / 2
        bend = f"C{number(begin[0])},{number(begin[1] + half)} {number(end[0])},{number(end[1] - half)}"
    path = f"M{number(begin[0])},{number(begin[1])} {bend} {number(end[0])},{number(end[1])}"
    told = f"{source.name} to {target.name}: {plural(entry.count, 'finding')}, {entry.level}"
    width = min(5.0, 1.4 + log2(entry.count) / 2)
    return tag(
        "path",
        tag("title", told),
        d=path,
        class_=f"talk s-{entry.level}",
        stroke_width=width,
        marker_end=f"url(#to-{entry.level})",
    )


__all__ = ["zones_picture"]
