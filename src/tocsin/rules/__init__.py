"""Rules: typed, parsed, with the logsource mapping and lint."""
