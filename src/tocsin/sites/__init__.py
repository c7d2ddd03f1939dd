"""The site: what an operator knows of zones, assets and conversations, learnt from logs, kept in a file, used on findings."""
