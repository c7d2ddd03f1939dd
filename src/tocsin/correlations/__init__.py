"""Correlations: what many matched events mean together (semantics 24)."""
