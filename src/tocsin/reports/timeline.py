"""The timeline: findings by level over time, and a lane for each of the hosts with most; the page's program zooms it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import MAXYEAR, UTC, datetime, timedelta
from typing import Final

from tocsin.reports.facts import Entry, Facts, Histogram
from tocsin.reports.markup import Markup, tag
from tocsin.reports.shown import HIGHEST_FIRST, note, section
from tocsin.rules.rule import LEVELS

WIDTH: Final = 1000
LEFT: Final = 132
RIGHT: Final = 12
TOP: Final = 8
BARS: Final = 110
AXIS: Final = 22
LANE: Final = 18
MOST_LANES: Final = 12
_BINS: Final = 120
_STEPS_S: Final = (1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 7200, 21600, 43200, 86400, 172800, 604800)
_MONTHS: Final = (1, 3, 6, 12, 24, 60, 120, 600, 1200)
_MONTH_S: Final = 2629746
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MOST_TICKS: Final = 8
_LEAST_MS: Final = 60_000
_LONGEST_LABEL: Final = 16


def timeline_section(facts: Facts) -> Markup:
    """Return the timeline with its controls."""
    if not facts.times.buckets:
        return section("timeline", "Timeline", note("No finding has a time."))
    buttons = [
        tag("button", label, type="button", data_zoom=key)
        for key, label in (
            ("in", "Zoom in"),
            ("out", "Zoom out"),
            ("back", "Earlier"),
            ("on", "Later"),
            ("all", "Whole time"),
        )
    ]
    tools = tag("div", buttons, role="group", aria_label="Time range of the timeline", class_="tools script")
    hint = tag("p", "Drag over the picture to choose a time; the findings below follow.", class_="note script")
    told = tag("p", id="timeline-range", class_="note", role="status")
    return section("timeline", "Timeline", tools, hint, _picture(facts), told, _key())


def _key() -> Markup:
    return tag("ul", [tag("li", tag("i", class_=f"dot l-{level}"), level) for level in HIGHEST_FIRST], class_="key")


def whole_range(facts: Facts) -> tuple[int, int]:
    """Return the range of all findings with a margin, in milliseconds."""
    bars = list(facts.times.bars())
    first, last = bars[0][0], bars[-1][0] + facts.times.width
    margin = max((last - first) // 50, _LEAST_MS // 2)
    return first - margin, last + margin


def _picture(facts: Facts) -> Markup:
    begin, end = whole_range(facts)
    lanes = [(name, entry) for name, entry in facts.hosts.ordered() if entry.histogram][:MOST_LANES]
    height = TOP + BARS + AXIS + LANE * len(lanes) + 4
    told = (
        f"Findings over time, {len(lanes)} hosts with the most serious findings as lanes; "
        "the table of findings below has the same facts"
    )
    return tag(
        "svg",
        tag("g", _bars(facts.times, begin, end), class_="bars"),
        tag("g", _axis(begin, end, height), class_="axis"),
        tag("g", _lanes(lanes, begin, end), class_="lanes"),
        tag("rect", class_="brush", x=0, y=0, width=0, height=height),
        id="plot",
        viewBox=f"0 0 {WIDTH} {height}",
        role="img",
        aria_label=told,
        data_begin=begin,
        data_end=end,
        data_lanes=len(lanes),
        class_="plot",
    )


def _at(time: float, begin: int, end: int) -> float:
    return LEFT + (WIDTH - LEFT - RIGHT) * (time - begin) / (end - begin)


def _bars(times: Histogram, begin: int, end: int) -> Iterator[Markup]:
    width_ms = (end - begin) / _BINS
    bins = [[0] * len(LEVELS) for _ in range(_BINS)]
    for at, counts in times.bars():
        into = bins[min(_BINS - 1, int((at + times.width / 2 - begin) / width_ms))]
        for level, count in enumerate(counts):
            into[level] += count
    most = max(sum(counts) for counts in bins)
    width = max(1.0, (WIDTH - LEFT - RIGHT) / _BINS - 1)
    for place, counts in enumerate(bins):
        base = float(TOP + BARS)
        for name, count in zip(HIGHEST_FIRST, reversed(counts), strict=True):
            height = BARS * count / most
            if count:
                base -= height
                x = _at(begin + place * width_ms, begin, end)
                yield tag("rect", x=x, y=base, width=width, height=max(height, 1.0), class_=f"f-{name}")
    yield tag("text", f"{most:,}", x=LEFT - 8, y=TOP + 9, text_anchor="end")
    yield tag("text", "0", x=LEFT - 8, y=TOP + BARS, text_anchor="end")


def _axis(begin: int, end: int, height: int) -> Iterator[Markup]:
    yield tag("line", x1=LEFT, x2=WIDTH - RIGHT, y1=TOP + BARS, y2=TOP + BARS, class_="base")
    seconds = (end - begin) / 1000
    step = next((step for step in _STEPS_S if seconds / step <= _MOST_TICKS), 0)
    for tick in _even_ticks(begin, end, step * 1000) if step else _month_ticks(begin, end):
        x = _at(tick, begin, end)
        yield tag("line", x1=x, x2=x, y1=TOP, y2=height, class_="tick")
        yield tag("text", _label(tick, step or _MONTH_S), x=min(x, WIDTH - 34.0), y=TOP + BARS + 15, text_anchor="middle")


def _even_ticks(begin: int, end: int, step: int) -> range:
    return range(-(-begin // step) * step, end + 1, step)


def _month_ticks(begin: int, end: int) -> Iterator[int]:
    """Yield the begins of months, each so many after the one before."""
    months = (end - begin) / 1000 / _MONTH_S
    step = next((step for step in _MONTHS if months / step <= _MOST_TICKS), _MONTHS[-1])
    first = _EPOCH + timedelta(milliseconds=begin)
    month = -(-(first.year * 12 + first.month) // step) * step
    while month // 12 < MAXYEAR:
        tick = (datetime(month // 12, month % 12 + 1, 1, tzinfo=UTC) - _EPOCH) // timedelta(milliseconds=1)
        if tick > end:
            return
        yield tick
        month += step


def _label(tick: int, step: int) -> str:
    time = _EPOCH + timedelta(milliseconds=tick)
    day, minute = 86400, 60
    if step >= day:
        return time.strftime("%Y-%m-%d")
    text = time.strftime("%H:%M" if step >= minute else "%H:%M:%S")
    return time.strftime("%m-%d ") + text if step >= day // 4 or text in ("00:00", "00:00:00") else text


def _lanes(lanes: list[tuple[str, Entry]], begin: int, end: int) -> Iterator[Markup]:
    for number, (name, entry) in enumerate(lanes):
        y = TOP + BARS + AXIS + LANE * number
        label = name if len(name) <= _LONGEST_LABEL else f"{name[: _LONGEST_LABEL - 1]}…"
        yield tag("text", label, x=LEFT - 8, y=y + 12, text_anchor="end", data_host=name)
        yield tag("line", x1=LEFT, x2=WIDTH - RIGHT, y1=y + 8, y2=y + 8, class_="lane")
        histogram = entry.histogram or Histogram()
        for at, counts in histogram.bars():
            highest = LEVELS[max(level for level, count in enumerate(counts) if count)]
            x = _at(at, begin, end)
            width = max(3.0, _at(at + histogram.width, begin, end) - x)
            yield tag("rect", x=x, y=y + 3, width=width, height=10, rx=1, class_=f"f-{highest}")


__all__ = ["timeline_section", "whole_range"]
