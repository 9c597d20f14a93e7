"""Segmenters that the user has installed, run as programs of their own; nothing of them is imported."""
