"""Reading organs from label maps: the same map that names the vertebrae, a folder of masks, or an own file."""

from __future__ import annotations

from endplate.imaging.organ_map import ORGAN_IDS, ORGAN_OF_ID, OrganMap

__all__ = ["ORGAN_IDS", "ORGAN_OF_ID", "OrganMap"]
