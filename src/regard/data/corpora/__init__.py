"""Corpora: records of text in a train, a validation and a test part."""
