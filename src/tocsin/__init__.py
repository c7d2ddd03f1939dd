"""Tocsin: find attacks in any log with open Sigma rules, and say what could not be looked at."""

from typing import Final

__version__: Final = "0.1.0"

__all__ = ["__version__"]
