"""What an operator decides about findings in a tuning file: which are suppressed, and which have another level."""

from tocsin.decisions.entry import KINDS, TuningEntry
from tocsin.decisions.parse import load_tuning, parse_tuning
from tocsin.decisions.select import Selector

__all__ = ["KINDS", "Selector", "TuningEntry", "load_tuning", "parse_tuning"]
