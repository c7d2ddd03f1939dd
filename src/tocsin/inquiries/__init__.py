"""What an analyst asks of evidence beside rules: searches and indicators, what is in the logs, what happened when."""
