"""The launchers and the sweeper of regard. Hydra finds plugins in the package hydra_plugins."""
