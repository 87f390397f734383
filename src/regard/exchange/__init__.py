"""Trained models in other forms: pages that run a model, other engines, other people's formats."""
