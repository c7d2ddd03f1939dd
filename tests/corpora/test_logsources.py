"""docs/logsources.md is true: each logsource of the corpus, its rules, and the formats that feed it, or why none can.

`TOCSIN_WRITE_DOCS=1` writes the page anew.
"""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import pytest

from tocsin.rules import fieldmaps
from tocsin.rules.logsource import feeding_products, why_no_source
from tocsin.rules.rule import Logsource, Rule
from tocsin.sources import SOURCES

PAGE = Path(__file__).resolve().parents[2] / "docs" / "logsources.md"
FEWEST_FED = 3700
NATIVE = {"windows": ("evtx", "json", "xml", "csv"), "linux": ("auditd", "syslog", "json")}
"""The formats of the products whose views are code, not a field map."""
HEAD = """# Logsources

Each logsource of the SigmaHQ corpus of August 2026, its number of rules, and the products whose events these rules
see, or the reason why no log can feed them; below, the formats that carry each product's events. A star stands for a
part that the rules leave open. The test `tests/corpora/test_logsources.py` writes this page from the code, and fails
when it is not true. Which field of a log is which field of a rule is in `src/tocsin/rules/maps`, one file a product.

"""


def formats_of(product: str) -> tuple[str, ...]:
    """Return the formats that carry a product's events."""
    found = fieldmaps.field_map(product)
    return found.formats if found else NATIVE[product]


def counted(rules: list[Rule]) -> dict[Logsource, int]:
    """Return the logsources of the corpus with their numbers of rules, the most rules first."""
    counts = Counter(rule.logsource for rule in rules)
    return dict(sorted(counts.items(), key=lambda item: (-item[1], str(item[0]))))


def page(counts: dict[Logsource, int]) -> str:
    """Return the text of the page."""
    fed = sum(count for logsource, count in counts.items() if not why_no_source(logsource))
    lines = [f"{fed:,} of {sum(counts.values()):,} rules have a source of events.", ""]
    lines += ["| logsource | rules | products |", "|---|--:|---|"]
    for logsource, count in counts.items():
        told = ", ".join(feeding_products(logsource)) or f"none: {why_no_source(logsource)}"
        lines.append(f"| `{logsource}` |{count}| {told} |")
    lines += ["", "| product | formats |", "|---|---|"]
    lines += [f"| {product} | {', '.join(formats_of(product))} |" for product in sorted({*fieldmaps.products(), *NATIVE})]
    return HEAD + "\n".join(lines) + "\n"


def test_page(rules: list[Rule]) -> None:
    """The page says what the code does."""
    text = page(counted(rules))
    if os.environ.get("TOCSIN_WRITE_DOCS"):
        PAGE.write_text(text, "utf-8")
    assert PAGE.read_text("utf-8") == text


def test_enough_is_fed(rules: list[Rule]) -> None:
    """Nearly every rule has a source; each that has none has a reason of its own, never just "not known"."""
    counts = counted(rules)
    reasons = {logsource: why_no_source(logsource) for logsource in counts}
    assert sum(count for logsource, count in counts.items() if not reasons[logsource]) >= FEWEST_FED
    assert not [reason for reason in reasons.values() if "is known for the logsource" in reason]


@pytest.mark.parametrize("product", fieldmaps.products())
def test_maps_name_their_formats(product: str) -> None:
    """Every field map can be read, and names formats that exist."""
    found = fieldmaps.field_map(product)
    assert found is not None
    assert found.formats
    assert set(found.formats) <= {source.name for source in SOURCES}
