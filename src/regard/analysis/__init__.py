"""Analyse a trained model: heads, word alignments, embeddings."""
