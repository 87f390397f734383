"""Comparing runs: reading them, the table, the page."""
