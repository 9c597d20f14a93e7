"""What the operator sees of cement: no more than an editable visible volume on each view.

This stands for the picture where none is taken: cement counts as seen where at least ``visible_ml`` of it lies together
on the view, a leak where its kind shows on that view and holds as much. :mod:`endplate.fluoroscopy.visible` can take
its place as ``World.look``.
"""

from __future__ import annotations

import numpy as np

from endplate.cement.model import ROUTES, Fill
from endplate.procedure.actions import ViewName
from endplate.procedure.model import Seen, SeenLeak
from endplate.procedure.times import Settings
from endplate.procedure.world import LevelWorld
from endplate.sources import value

KINDS = {
    "basivertebral": "canal",
    "cortical_posterior": "canal",
    "foramen": "canal",
    "disc_superior": "disc",
    "disc_inferior": "disc",
    "segmental": "vein",
    "cortical_anterior": "outside",
    "cortical_lateral": "outside",
    "tract": "outside",
}
"""What the operator takes a leak on each route for."""


def look(view: ViewName, level: LevelWorld, fill: Fill, settings: Settings) -> Seen:
    """What one view shows by the visible volume.

    Parameters
    ----------
    view:
        The view.
    level:
        The bone.
    fill:
        The cement in it.
    settings:
        With the volume that can be seen on each view.
    """
    least = settings.visible_ml[view]
    leaks = tuple(
        SeenLeak(kind=kind, volume_ml=seen) for kind, seen in leaks_on(view, fill).items() if seen >= least
    )
    if view != "lateral":
        return Seen(view=view, leaks=leaks)
    to_wall = hindmost_mm(level, fill, least)
    share = None if to_wall is None else to_wall / level.depth_mm
    return Seen(view=view, depth_share=share, to_wall_mm=to_wall, leaks=leaks)


def hindmost_mm(level: LevelWorld, fill: Fill, least_ml: float) -> float | None:
    """How far the hindmost cement that can be seen lies in front of the posterior wall on the lateral view.

    The place behind which just ``least_ml`` of the cement in the bone lies; ``None`` where there is less in all.
    """
    volume = fill.volume_ml(level.medium)[level.body]
    place = level.front_of_wall_mm[level.body]
    held = volume > 0.0
    order = np.argsort(place[held], kind="stable")
    behind = np.cumsum(volume[held][order])
    at = int(np.searchsorted(behind, least_ml))
    return None if at >= len(behind) else float(place[held][order][at])


def leaks_on(view: ViewName, fill: Fill) -> dict[str, float]:
    """Cement outside the bone by kind, ml, as far as it can show on a view at all."""
    found: dict[str, float] = {}
    for route, volume in zip(ROUTES, fill.leaked_ml, strict=True):
        if view in value("procedure.shown_on")[route]:
            found[KINDS[route]] = found.get(KINDS[route], 0.0) + volume
    return found
