"""Engines: the reference, and the fast one that must agree with it."""
