"""Labels for those who have none: vertebrae from clicks, from an installed segmenter, and their mending."""

from __future__ import annotations
