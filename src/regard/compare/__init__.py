"""Compare runs: read their folders, print the table, write the page."""
