"""One module a check: measured facts in, findings out."""
