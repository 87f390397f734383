"""A model that runs in a browser: its description, its weights and the JavaScript that computes it."""
