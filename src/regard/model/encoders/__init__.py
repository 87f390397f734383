"""Encoders: from a source to the memory that a decoder attends to."""
