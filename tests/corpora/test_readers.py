"""The fast readers write on real data, by all rules, the bytes that the slow ones write; `make verify-kernels` tries all."""

from __future__ import annotations

import pytest

from shared_data import shared
from tocsin.runs.ruleset import RuleSet
from verify_kernels import compare

PARTS = (
    ("evtx-attack-samples",),
    ("sigma-regression",),
    ("otrf", "cmd_psexec_lsa_secrets_dump.zip"),
    ("otrf", "covenant_persistwmi.tar.gz"),
    ("otrf", "empire_powerdump_sam_access.zip"),
    ("otrf", "sh_binary_padding_dd.zip"),
    ("misp",),
)


@pytest.mark.parametrize("parts", PARTS, ids="/".join)
def test_readers_agree(parts: tuple[str, ...], rule_set: RuleSet) -> None:
    """Findings are the same bytes, and coverage is the same."""
    row, same = compare(shared(*parts), rule_set)
    assert same, row
