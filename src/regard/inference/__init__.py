"""Using a model: decoding, sampling, scoring."""
