"""Looking into a trained model: heads, word alignments, embeddings."""
