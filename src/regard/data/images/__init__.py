"""Images: decoding, resizing, and prepared images on disk."""
