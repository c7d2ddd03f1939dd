"""Sharing: the rulebook of a community, the markings of what is shared, and the one place that decides who gets what."""
