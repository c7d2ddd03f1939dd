"""Tuning: which filter removes false positives of a rule and nothing else."""

from tocsin.tuning.document import Decision, filter_text
from tocsin.tuning.feature import Feature
from tocsin.tuning.fields import Kind, Sample, sample_of
from tocsin.tuning.proposal import MOST_SELECTIONS, Inseparable, Proposal, Selection, cautions, propose

__all__ = [
    "MOST_SELECTIONS",
    "Decision",
    "Feature",
    "Inseparable",
    "Kind",
    "Proposal",
    "Sample",
    "Selection",
    "cautions",
    "filter_text",
    "propose",
    "sample_of",
]
