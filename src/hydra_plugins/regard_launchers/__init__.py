"""Launchers of regard: Hydra looks for plugins under this name."""
