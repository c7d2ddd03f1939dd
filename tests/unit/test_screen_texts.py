"""Which texts a row must hold for a keyword to match."""

import pytest

from tocsin.events import Gate
from tocsin.plans.compile import compile_rule
from tocsin.plans.gates import PlanIndex, plan_gate
from tocsin.rules.parse import parse_document

GATE = Gate("apache", "access", "")


def demand(detection):
    """Return the demand of a rule on access logs."""
    body = {"title": "t", "level": "low", "logsource": {"category": "webserver"}, "detection": detection}
    return plan_gate(GATE, PlanIndex([compile_rule(parse_document(body, "t"), {})])).demand


@pytest.mark.parametrize(
    ("keywords", "texts"),
    [
        (["Abc", "de'f"], ("abc", "de'f")),
        ({"|all": ["POST", "$", "/ecp/x"]}, ("/ecp/x",)),
        (["a", "long enough"], ()),
        (["über alles"], ("ber alles",)),
    ],
)
def test_texts_of_keywords(keywords, texts):
    """Of keywords that must all occur one text is enough; one that is too short makes every row wanted."""
    assert demand({"keywords": keywords, "condition": "keywords"}).texts == texts


def test_negated_keywords_count_too():
    """A keyword under "not" must be seen where it occurs."""
    found = demand({"selection": {"cs-method": "GET"}, "keywords": ["nessus"], "condition": "selection and not keywords"})
    assert found.texts == ("nessus",)
