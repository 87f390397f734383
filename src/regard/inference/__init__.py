"""Use of a trained model: decoding, sampling, scoring."""
