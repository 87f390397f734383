"""Layouts: the models of transformers that compute the same as models of regard."""
