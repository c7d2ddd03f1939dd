"""Indicators of compromise: read from STIX, MISP and CSV, in one normal form."""

from tocsin.indicators.interface import KINDS, Indicator, Indicators, Unusable
from tocsin.indicators.read import read_indicators

__all__ = ["KINDS", "Indicator", "Indicators", "Unusable", "read_indicators"]
