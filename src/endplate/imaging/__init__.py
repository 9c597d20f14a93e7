"""Volumes, their geometry and every file format in and out."""

from endplate.imaging.volume import LabelMap, ScanInfo, Volume

__all__ = ["LabelMap", "ScanInfo", "Volume"]
