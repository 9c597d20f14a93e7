"""Bodies beyond the first and last click, so that their arches are not taken for those of the levels clicked.

Nothing of them is labelled. Where none is found, the scan ends or the spine does, the next level's place is guessed.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from endplate.anatomy.axes import FloatArray, unit
from endplate.imaging.levels import order
from endplate.imaging.volume import Volume
from endplate.labelling.bodies import labelled_body
from endplate.labelling.growth import Grown, centred, grow_body
from endplate.labelling.model import LabelledBody, Seed
from endplate.labelling.seeds import level_size, next_above, next_below
from endplate.sources import value


def find_guards(image: Volume, bodies: Sequence[LabelledBody]) -> tuple[LabelledBody, ...]:
    """Find the bodies above the first level and below the last one; none, one or two."""
    row = sorted(bodies, key=lambda body: order(body.level))
    ends = ((row[0], row[1:2], 1.0), (row[-1], row[-2:-1], -1.0))
    found = [_beyond(image, end, inner, sign) for end, inner, sign in ends]
    return tuple(body for body in found if body is not None)


def _beyond(
    image: Volume, end: LabelledBody, inner: Sequence[LabelledBody], sign: float
) -> LabelledBody | None:
    """The body above (sign 1) or below an end, if there is one."""
    name = next_above(end.level) if sign > 0.0 else next_below(end.level)
    if name is None:
        return None
    # The body's own width tells its size where there is no second one to tell the spacing.
    own, size = level_size(end.level), level_size(name)
    scale = 2.0 * end.surface.drum.half_width_mm / own.width_mm / float(value("labelling.waist_share"))
    spacing = scale * (size.spacing_below_mm if sign > 0.0 else own.spacing_below_mm)
    direction = sign * end.axes.superior
    if inner:
        direction = unit(direction + unit(end.centre_ras_mm - inner[0].centre_ras_mm))
    plate = end.surface.drum.upper if sign > 0.0 else end.surface.drum.lower
    # From the endplate: a collapsed body is nearer to its neighbour than the table has it.
    reach = float(np.median(sign * plate)) + spacing - 0.5 * scale * own.height_mm
    point: FloatArray = end.axes.origin_ras_mm + reach * direction
    voxel = image.to_voxel(point)
    if (voxel < 0.0).any() or (voxel > np.array(image.shape) - 1.0).any():
        return None
    seed = Seed(name, point)
    start = centred(image, seed, end.axes.moved_to(point), scale)
    beside = (None, end.centre_ras_mm) if sign > 0.0 else (end.centre_ras_mm, None)
    grown = grow_body(image, seed, start, scale, beside)
    return labelled_body(image, grown, (), (), alone=False) if _believed(grown, end, spacing) else None


def _believed(grown: Grown, end: LabelledBody, spacing_mm: float) -> bool:
    """Whether a surface is the next body: it has a body's signs and lies where that should be."""
    apart = float(np.linalg.norm(grown.centre_ras_mm - end.centre_ras_mm)) / spacing_mm
    low, high = value("labelling.spacing_range")
    return (
        not grown.doubtful
        and low <= apart <= high
        and not bool(end.surface.inside(grown.centre_ras_mm[None])[0])
    )
