"""What lies round the patient in the scan: couch, skin, and where the field of view cuts."""

from __future__ import annotations

import numpy as np

from endplate.imaging.coarse import CoarseScan
from endplate.sources import value


def couch_ml(scan: CoarseScan) -> tuple[float | None, str]:
    """Volume of solid things under or over the patient in ml, and on which side (``"behind"``, ``"before"``).

    ``None`` where no air round the patient is in view.
    """
    body = scan.body
    if not body.any() or body.mean() > 0.98:
        return None, ""
    solid = ~scan.grow(body, 1.5 * max(scan.spacing_mm[:2])) & (scan.hu > -700.0)
    solid &= body.any(axis=1, keepdims=True)
    before = np.maximum.accumulate(body, axis=1)
    behind = np.maximum.accumulate(body[:, ::-1], axis=1)[:, ::-1]
    amounts = {
        "behind": float((solid & ~before).sum()) * scan.voxel_ml,
        "before": float((solid & ~behind).sum()) * scan.voxel_ml,
    }
    side = max(amounts, key=lambda name: amounts[name])
    return amounts[side], side if amounts[side] >= float(value("character.couch_ml")) else ""


def cut_share(scan: CoarseScan) -> float:
    """Share of the side faces of the field of view that the patient touches."""
    faces = [scan.body[0], scan.body[-1], scan.body[:, 0], scan.body[:, -1]]
    return float(sum(int(face.sum()) for face in faces)) / float(sum(face.size for face in faces))


def skin_in_view(scan: CoarseScan) -> bool:
    """Air lies behind the labelled vertebrae (behind the patient where there are no labels) in most slices."""
    inside = scan.body if scan.labels is None else scan.labels > 0
    columns = inside.any(axis=1)
    return bool(columns.any()) and float((~scan.body[:, 0][columns]).mean()) > 0.9
