"""Measure heads, word alignments and neighbours of embeddings."""
