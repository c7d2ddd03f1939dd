"""Feeds: intelligence of other tools in and out, with its markings complete."""
