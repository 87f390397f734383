"""Attention as something to look at: maps as data, as images and as one self-contained page."""
