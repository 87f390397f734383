"""Predictions of FLOPs and memory, without computing a step."""
