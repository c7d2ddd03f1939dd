"""The filter as text: valid, readable by our parser with the same meaning, and the same bytes each time."""

from __future__ import annotations

from datetime import date

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from tocsin.findings.text import safe_text
from tocsin.rules.lint import lint
from tocsin.rules.parse import parse_text
from tocsin.rules.rule import Filter, Logsource
from tocsin.tuning import Decision, Sample, filter_text, propose

LOGSOURCE = Logsource("windows", "process_creation")
DECISION = Decision("SOC: night shift", "the agent's 'own' job # 7", date(2027, 5, 31))
HOSTILE = st.text(min_size=1, max_size=80) | st.sampled_from(
    [
        "*",
        "?",
        "\\",
        r"\*",
        "'",
        '"',
        "a: b",
        "- x",
        "# no",
        "!!python/object:x",
        "&a *b",
        "%TAG",
        "\x1b[2J",
        "\u202e",
        "~",
        "yes",
    ]
)


def text_of(*false: Sample, decision: Decision = DECISION) -> str:
    """Return the filter that removes the events."""
    return filter_text("1e5", 'Evil "rule": \x1b', LOGSOURCE, propose(false, [], [], frozenset()), decision, ["Proven."])


def parsed(text: str) -> Filter:
    """Return the one filter that a text is."""
    [(_, found)] = parse_text(text.encode(), "f.yml")
    assert isinstance(found, Filter)
    return found


def test_keys() -> None:
    """The document has what the specification wants, and who answers for it until when."""
    text = text_of({"Image": (r"C:\a\agent.exe",)})
    document = yaml.safe_load(text)
    assert list(document) == ["title", "id", "description", "owner", "reason", "expires", "logsource", "filter"]
    assert (document["owner"], document["reason"], document["expires"]) == (DECISION.owner, DECISION.reason, DECISION.expires)
    assert document["filter"] == {"rules": ["1e5"], "selection": {"Image": r"C:\a\agent.exe"}, "condition": "not selection"}
    assert lint(parsed(text)) == []


def test_several_selections() -> None:
    """Several groups are named selections, of which one must hold."""
    rows: list[Sample] = [{"Image": (f"C:\\{n}.exe",), **({"CommandLine": ("x",)} if n == "a" else {})} for n in "ab"]
    assert parsed(text_of(*rows)).condition == "not 1 of selection_*"


def test_the_id_follows_from_what_is_removed() -> None:
    """A new date or owner keeps the id; another value has another."""
    one, two = {"Image": ("a.exe",)}, {"Image": ("b.exe",)}
    later = Decision("someone", "else", date(2030, 1, 1))
    assert parsed(text_of(one)).meta.id == parsed(text_of(one, decision=later)).meta.id != parsed(text_of(two)).meta.id
    assert text_of(one) == text_of(one)


@given(HOSTILE, HOSTILE)
def test_hostile_values(value: str, owner: str) -> None:
    """Any value comes back from YAML as a pattern that holds for it; nothing of it reaches a terminal unescaped."""
    row = {"Image": ("C:\\folder\\" + value,), "CommandLine": ("prefix " + value,)}
    proposal = propose([row], [], [], frozenset())
    text = filter_text("id", value, LOGSOURCE, proposal, Decision(owner, value, date(2027, 5, 31)), [])
    found = parsed(text)
    assert all(safe_text(line) == line for line in text.splitlines())
    assert yaml.safe_load(text)["owner"] == safe_text(owner)
    assert found.rules == ("id",)
    assert proposal.removes(row)


@pytest.mark.parametrize("size", [100, 5_000, 50_000])
def test_long_values(size: int) -> None:
    """A value of any length stays on one line and holds for its event."""
    row = {"CommandLine": ("run " + "word " * size,)}
    assert propose([row], [], [], frozenset()).removes(row)
    assert parsed(text_of(row))
