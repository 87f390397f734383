"""What the memory of a model is made from: text or an image."""
