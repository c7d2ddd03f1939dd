"""Plans: the compiled form of rules, and the passes over it."""
