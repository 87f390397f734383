"""Scores of a split beyond the loss, one scorer for each task."""
