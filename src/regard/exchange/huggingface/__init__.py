"""Folders that the library transformers loads, and models of regard from such folders."""
