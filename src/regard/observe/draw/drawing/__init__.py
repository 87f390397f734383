"""The page and the picture of an image that was drawn, with its attention."""
