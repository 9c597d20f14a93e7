"""What was asked of the measurements and, where a worst case does not reach it, the bound that it does reach."""

from __future__ import annotations

TOLERANCES = {
    "height_mm": 0.3,
    "wedge_deg": 1.0,
    "isthmus_mm": 0.3,
    "pedicle_width_mm": 0.3,
    "pedicle_axis_deg": 1.0,
    "canal_mm": 0.7,
    "frame_deg": 1.0,
}
"""Asked for at voxels of 1 mm."""

# Greatest error over nine grids, with some room. A bound above the tolerance is one that was not reached there.
_PEDICLE_AND_CANAL_2_MM = {
    "isthmus_mm": 1.5,
    "pedicle_width_mm": 1.4,
    "pedicle_axis_deg": 4.0,
    "canal_mm": 1.6,
    "frame_deg": 1.2,
}

LIMITS = {
    "labels": {
        0.5: {**TOLERANCES, "height_mm": 0.8, "wedge_deg": 1.4, "pedicle_axis_deg": 1.2},
        1.0: {**TOLERANCES, "height_mm": 0.8, "wedge_deg": 1.6, "pedicle_axis_deg": 2.4},
        2.0: {"height_mm": 1.1, "wedge_deg": 2.4, **_PEDICLE_AND_CANAL_2_MM},
    },
    "with CT": {
        0.5: {**TOLERANCES, "height_mm": 0.7, "wedge_deg": 1.3, "pedicle_axis_deg": 1.2},
        1.0: {**TOLERANCES, "height_mm": 0.7, "wedge_deg": 1.4, "pedicle_axis_deg": 2.4},
        2.0: {"height_mm": 1.1, "wedge_deg": 2.6, **_PEDICLE_AND_CANAL_2_MM},
    },
}
"""By what was given and by voxel size in mm."""
