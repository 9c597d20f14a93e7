"""Any given path, measured like one of the search: of another program, of a hand, of a needle dragged on a screen."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from endplate.anatomy.axes import FloatArray, unit
from endplate.anatomy.model import Side
from endplate.devices.cannulas import Cannula
from endplate.errors import UsageError
from endplate.planning.corridor import isthmus_plane, lateral_edge_mm
from endplate.planning.finish import finished
from endplate.planning.model import Approach
from endplate.planning.needles import Needles, across, posterior_wall_at
from endplate.planning.path import NeedleAccess, Path, Wish
from endplate.planning.rules import Rules, load_rules
from endplate.planning.scene import SIGN, LevelScene, bone_at
from endplate.planning.targets import body_size, targets
from endplate.sources import value


def evaluate(
    scene: LevelScene,
    tool: Cannula,
    entry_ras_mm: ArrayLike,
    tip_ras_mm: ArrayLike,
    *,
    rules: Rules | None = None,
    approach: Approach | None = None,
    channel_mm: float | None = None,
    tool_length_mm: float | None = None,
) -> Path:
    """Measure a given straight path; what it does not keep stands in its ``breaches``.

    Parameters
    ----------
    scene:
        The level.
    tool:
        The cannula.
    entry_ras_mm, tip_ras_mm:
        Any point of the axis behind the tip (skin, bone or between) and the tip. The entry into bone is found on the
        line through both.
    rules:
        The shipped ones if not given.
    approach:
        How the path is meant; if not given, told by where it passes the plane of the isthmus.
    channel_mm, tool_length_mm:
        As in :class:`Wish`.

    Raises
    ------
    UsageError
        Points that are no path, or a tip outside the vertebra.
    """
    rules = load_rules() if rules is None else rules
    start, tip = (np.asarray(point, dtype=np.float64) for point in (entry_ras_mm, tip_ras_mm))
    _refuse_no_path(scene, start, tip)
    start, tip = scene.axes.to_local(start), scene.axes.to_local(tip)
    direction = unit(tip - start)
    side: Side = "right" if start[0] - scene.geometry.x_mid_mm >= 0.0 else "left"
    origin = _at_isthmus(scene, side, start, direction, tip)
    tip_at = float((tip - origin) @ direction)
    approach = _approach(scene, side, origin, tool.radius_mm) if approach is None else approach
    entry_at = _entry_at(scene, origin, direction, tip_at, through=approach == "transpedicular")
    one = _needle(scene, side, origin, direction, tip_at, entry_at)
    size = body_size(scene)
    central = abs(float(tip[0]) - size.x_mid_mm) <= 0.5 * rules.access.unipedicular_reach * size.width_mm
    access: NeedleAccess = "unipedicular" if central else "bipedicular"
    wish = Wish(side, approach, tool, access, channel_mm, tool_length_mm)
    return finished(scene, one, wish, rules, targets(scene, wish, rules))


def _refuse_no_path(scene: LevelScene, start: FloatArray, tip: FloatArray) -> None:
    if start.shape != (3,) or tip.shape != (3,) or not np.isfinite([*start, *tip]).all():
        raise UsageError(
            "path-invalid",
            "A path's points are not three finite coordinates.",
            do="Give two points in RAS mm.",
        )
    if np.linalg.norm(tip - start) < 1.0:
        raise UsageError(
            "path-invalid",
            "A path's two points are less than 1 mm apart.",
            do="Give the entry and the tip of the needle.",
        )
    if float(bone_at(scene, scene.axes.to_local(tip))) < 0.5:
        raise UsageError(
            "path-outside-body",
            f"The path's tip does not lie in {scene.level}.",
            do="Check level and frame of the path: points are RAS mm (a file in LPS has the first two signs turned).",
        )


def _at_isthmus(
    scene: LevelScene, side: Side, start: FloatArray, direction: FloatArray, tip: FloatArray
) -> FloatArray:
    """Where the axis passes the plane of the isthmus; its start where there is no pedicle or it never does."""
    pedicle = scene.pedicle(side)
    if pedicle is None:
        return start
    centre, along, _, _ = isthmus_plane(scene, pedicle)
    rate = float(direction @ along)
    if rate < 0.2:
        return start
    origin: FloatArray = start + float((centre - start) @ along) / rate * direction
    return origin if (tip - origin) @ direction > 0.0 else start


def _approach(scene: LevelScene, side: Side, origin: FloatArray, radius_mm: float) -> Approach:
    """Through the pedicle, unless the axis passes lateral of its lateral wall."""
    pedicle = scene.pedicle(side)
    if pedicle is None:
        return "extrapedicular"
    if float(bone_at(scene, origin)) >= 0.5:
        return "transpedicular"
    centre = scene.axes.to_local(np.array(pedicle.isthmus_ras_mm))
    beyond = SIGN[side] * float(origin[0] - centre[0]) - lateral_edge_mm(scene, side)
    if beyond <= 0.0:
        return "transpedicular"
    along_wall = radius_mm + float(max(value("search.parapedicular_offset_mm")))
    return "parapedicular" if beyond <= along_wall else "extrapedicular"


def _entry_at(
    scene: LevelScene, origin: FloatArray, direction: FloatArray, tip_at: float, *, through: bool
) -> float:
    """Where the axis enters the bone that goes on to the tip; through the pedicle across gaps of a breached wall."""
    pace = float(value("search.pace_mm"))
    reach = np.arange(0.0, float(value("search.reach_back_mm")), pace)
    lengths = tip_at - reach
    inside = bone_at(scene, origin + lengths[:, None] * direction)
    solid = inside >= 0.5
    gap = float(value("search.gap_mm")) if through else 0.0
    last = 0
    for index in range(1, len(solid)):
        if solid[index]:
            if reach[index] - reach[last] > pace + gap + 1e-9:
                break
            last = index
    if last + 1 >= len(solid):
        return float(lengths[last])
    here, there = float(inside[last]), float(inside[last + 1])
    return float(lengths[last] - pace * (here - 0.5) / max(here - there, 1e-6))


def _needle(
    scene: LevelScene, side: Side, origin: FloatArray, direction: FloatArray, tip_at: float, entry_at: float
) -> Needles:
    origins, directions = origin[None].copy(), direction[None].copy()
    lateral, head = across(directions, side)
    begin, end = np.array([entry_at]), np.array([tip_at])
    wall = posterior_wall_at(scene, origins, directions, begin, end)
    # A path that ends behind the wall has its margins up to the tip.
    wall = np.where(np.isfinite(wall), wall, end)
    return Needles(side, origins, directions, lateral, head, end, begin, wall)
