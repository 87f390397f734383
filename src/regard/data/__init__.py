"""Corpora, tokenizers, prepared data and the batches of each task."""
