"""The embedded corpus of images: rendered scenes with captions, held-out combinations and masks of objects."""
