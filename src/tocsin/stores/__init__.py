"""Stores: what a node keeps. No query takes no caller."""
