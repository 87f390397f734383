"""Objectives: what a model is trained for, and the metrics that follow from its loss."""
