"""Bone that a balloon sweeps goes into the shell round it: nothing of it is lost."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from endplate.anatomy.axes import FloatArray
from endplate.balloon.body import Mask
from endplate.sources import value

ROUNDS = 24
"""Times that what found no room is offered further out."""

TRUNCATE = 3.0
"""Reach of a round in standard deviations."""

NOTHING = 1e-12
"""mg/cm³·voxel below which the rest is put down where it is."""


def capacity_mgcc(native_mgcc: FloatArray, body: Mask, step_mm: float) -> FloatArray:
    """Greatest density that bone is compacted to: a multiple of its own, at most that of packed trabeculae.

    Its own is a mean over the neighbourhood, so that a voxel of marrow among trabeculae takes bone too; bone that is
    denser already stays as it is.
    """
    sigma = float(value("balloon.smoothing_mm")) / step_mm
    weight = ndimage.gaussian_filter(body.astype(np.float64), sigma, mode="constant")
    mean = ndimage.gaussian_filter(np.where(body, native_mgcc, 0.0), sigma, mode="constant")
    local = np.where(body, mean / np.maximum(weight, 1e-9), 0.0)
    packed = np.minimum(float(value("balloon.compaction")) * local, float(value("balloon.packed_mgcc")))
    cap: FloatArray = np.where(body, np.maximum(packed, native_mgcc), 0.0)
    return cap


def compact(
    density_mgcc: FloatArray, swept: Mask, cavity: Mask, capacity: FloatArray, step_mm: float
) -> tuple[FloatArray, bool]:
    """Push the bone of swept voxels out of the cavity.

    Each round offers what is left to the bone within reach, in proportion to the room there and to a Gaussian of the
    distance; the reach grows from round to round. What is given equals what is taken.

    Parameters
    ----------
    density_mgcc:
        Before, shape (I, J, K).
    swept:
        Voxels that the cavity took in this step.
    cavity:
        All voxels of cavities, the swept ones among them.
    capacity:
        Greatest density of each voxel; 0 where no bone may go.
    step_mm:
        Edge of a voxel.

    Returns
    -------
    Density after, 0 in the cavity; and whether all the bone found room. Where it did not, the rest lies in the bone
    round the cavity beyond its capacity.
    """
    after = np.where(cavity, 0.0, density_mgcc)
    left = np.where(swept, density_mgcc, 0.0)
    if not left.any():
        return after, True
    total = float(left.sum())
    reach = float(value("balloon.shell_reach_mm")) / step_mm
    window = _window(swept, reach * TRUNCATE + 2.0)
    part, given = left[window], after[window]
    shut = cavity[window]
    most = np.where(shut, 0.0, capacity[window])
    for count in range(ROUNDS):
        free = np.maximum(most - given, 0.0)
        free[shut] = 0.0
        sigma = reach * (1.0 + 0.35 * count)
        near = _spread(free, sigma)
        held = part > 0.0
        offered = np.where(held & (near > 1e-9), part / np.where(near > 1e-9, near, 1.0), 0.0)
        wanted = free * _spread(offered, sigma)
        # No voxel takes more than it has room for; what it cannot take goes back in proportion.
        over = np.where(wanted > free, free / np.where(wanted > 0.0, wanted, 1.0), 1.0)
        taken = wanted * over
        given = given + taken
        share = _spread(free * over, sigma)
        part = np.maximum(part - offered * share, 0.0)
        if part.sum() <= NOTHING * total:
            break
    after[window] = given
    rest = total - float((given - np.where(shut, 0.0, density_mgcc[window])).sum())
    roomy = rest <= 1e-6 * total
    _put_rest(after, rest, swept, cavity, capacity)
    return after, roomy


def _put_rest(after: FloatArray, rest: float, swept: Mask, cavity: Mask, capacity: FloatArray) -> None:
    """What is left of rounding, or of bone that found no room, lies on the bone next to the swept voxels."""
    rim = ndimage.binary_dilation(swept, iterations=2) & ~cavity & (capacity > 0.0)
    if not rim.any():
        rim = ~cavity & (capacity > 0.0)
    weight = after[rim] + 1.0
    after[rim] = np.maximum(after[rim] + rest * weight / weight.sum(), 0.0)


def _spread(field: FloatArray, sigma: float) -> FloatArray:
    """A symmetric Gaussian: what one voxel gives to another, the other would give to it."""
    spread: FloatArray = ndimage.gaussian_filter(field, sigma, mode="constant", truncate=TRUNCATE)
    return spread


def _window(mask: Mask, room: float) -> tuple[slice, ...]:
    """A box round a mask with room for the farthest reach of the rounds that matter, cut at the grid's edge."""
    box = ndimage.find_objects(mask.astype(np.uint8))[0]
    pad = int(np.ceil(2.0 * room))
    return tuple(
        slice(max(one.start - pad, 0), min(one.stop + pad, size))
        for one, size in zip(box, mask.shape, strict=True)
    )
