"""Samples of what is uncertain, and the bands that come of them."""
