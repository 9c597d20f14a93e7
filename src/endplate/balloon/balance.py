"""Pressures at which balloons hold what was put into them: the liquid in a closed balloon keeps its volume.

Notes
-----
A balloon of volume V whose voxels, on the grid of the scan, come to S has opened its cavity by V − S. Where the
pressure that crushes bone would open it further, the pressure is lower: it falls in one balloon while the other lifts
the endplates of both.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from endplate.anatomy.axes import FloatArray
from endplate.balloon.heights import Room
from endplate.balloon.lift import Plates, Response

ROUNDS = 200
"""Times that each balloon is set anew at most."""

SAME_MPA = 1e-6
"""Pressures that change by less are found."""


@dataclass(frozen=True, eq=False)
class Balance:
    """Balloons, walls and endplates at rest with one another.

    Parameters
    ----------
    pressures_mpa:
        In each balloon.
    plates:
        The endplates, held to their greatest height.
    opened_ml:
        By how much each cavity is wider than its voxels.
    """

    pressures_mpa: FloatArray
    plates: Plates
    opened_ml: FloatArray


def balance(response: Response, room: Room, wanted_ml: FloatArray, most_mpa: FloatArray) -> Balance:
    """Pressures that open each cavity by what its balloon holds beyond its voxels.

    Parameters
    ----------
    response:
        Of the body with these cavities.
    room:
        How far the heights may rise; what holds the endplates back holds the walls back with them.
    wanted_ml:
        What each balloon holds beyond its voxels, shape (n,).
    most_mpa:
        Pressure at which each crushes bone, 0 without a balloon, shape (n,).
    """
    pressures = most_mpa.astype(np.float64)
    own = np.diag(response.opened_ml[:, 1:])
    for _ in range(ROUNDS):
        before = pressures.copy()
        for place in np.flatnonzero((most_mpa > 0.0) & (own > 0.0)):
            share = room.share(response.plates(pressures).lines_mm)
            short = wanted_ml[place] - share * response.opened(pressures)[place]
            now = pressures[place] + short / (share * own[place])
            pressures[place] = np.clip(now, 0.0, most_mpa[place])
        if np.abs(pressures - before).max(initial=0.0) < SAME_MPA:
            break
    plates = response.plates(pressures)
    share = room.share(plates.lines_mm)
    held = Plates(share * plates.lines_mm, share * plates.slope)
    return Balance(pressures, held, share * response.opened(pressures))
