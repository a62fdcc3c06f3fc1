"""Spaces of the literature, to search or to learn from."""
