"""Runs: the only room that wires sources, engine, findings and sinks."""
