"""Draw pages and images."""
