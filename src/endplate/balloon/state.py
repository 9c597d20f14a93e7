"""Balloons at one moment, and the cavity that they leave.

Every step gives a new state. The grid is that of the scan: heights gained are told beside it, the voxels themselves are
not moved.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from endplate.anatomy.axes import FloatArray
from endplate.anatomy.model import Side
from endplate.balloon.body import Mask, Tamp
from endplate.balloon.documents import Step
from endplate.balloon.lift import Response
from endplate.balloon.options import Stop
from endplate.errors import UsageError
from endplate.sources import Finding
from endplate.units import MM3_PER_ML


@dataclass(frozen=True, eq=False)
class Lifted:
    """How far the endplates stand apart against the scan, posture not counted.

    Parameters
    ----------
    lines_mm:
        On the three height lines: anterior, middle, posterior, shape (3,).
    slope:
        Rise per mm toward the right and the front, shape (2,).
    most_mm, most_slope:
        The same when they stood furthest apart.
    opened_ml, most_opened_ml:
        By how much the cavity of each balloon is wider than the bone that it swept, now and at most, shape (n,).
    """

    lines_mm: FloatArray
    slope: FloatArray
    most_mm: FloatArray
    most_slope: FloatArray
    opened_ml: FloatArray
    most_opened_ml: FloatArray


@dataclass(frozen=True, eq=False)
class State:
    """Balloons of one level at one moment; every step gives a new one.

    Parameters
    ----------
    tamps:
        The balloons.
    volumes_ml:
        What each holds now, in their order.
    reached_ml:
        The most that each has held.
    pressures_mpa:
        In each now.
    crushing_mpa:
        At which each last crushed bone, by the law of the foam: the most that is in it.
    cavities:
        Voxels that each has swept.
    density_mgcc:
        Bone as compacted so far.
    lifted:
        The endplates now, and how wide the cavities are.
    response:
        What the body with these cavities answers to its loads; ``None`` where that is not known.
    burst:
        Which have burst.
    steps, stopped, findings:
        So far; why each balloon's last inflation ended.
    """

    tamps: tuple[Tamp, ...]
    volumes_ml: tuple[float, ...]
    reached_ml: tuple[float, ...]
    pressures_mpa: tuple[float, ...]
    crushing_mpa: tuple[float, ...]
    cavities: tuple[Mask, ...]
    density_mgcc: FloatArray
    lifted: Lifted
    burst: tuple[bool, ...]
    response: Response | None = None
    steps: tuple[Step, ...] = ()
    stopped: tuple[Stop | None, ...] = ()
    findings: tuple[Finding, ...] = ()

    @property
    def cavity(self) -> Mask:
        """Voxels of all cavities."""
        found: Mask = np.logical_or.reduce(self.cavities)
        return found

    def room_ml(self, voxel_ml: float) -> FloatArray:
        """Of each cavity: its voxels, and what is opened beyond them; shape (n,)."""
        swept = np.array([np.count_nonzero(cavity) for cavity in self.cavities]) * voxel_ml
        found: FloatArray = swept + self.lifted.opened_ml
        return found

    def place(self, side: Side) -> int:
        """Which balloon is that side's; raises ``UsageError`` where there is none."""
        for index, tamp in enumerate(self.tamps):
            if tamp.side == side:
                return index
        raise UsageError(
            "balloon-not-there",
            f"There is no balloon on the {side} side.",
            intact="The balloons stand as before.",
            do=f"Use {' or '.join(tamp.side for tamp in self.tamps)}.",
        )


@dataclass(frozen=True, eq=False)
class Cavity:
    """What balloons leave, for cement and mechanics.

    Parameters
    ----------
    affine:
        Voxel index → RAS mm.
    mask:
        Voxels of the cavity: all of it can be filled. What the lift opened for good has no voxels of its own on the
        grid of the scan and is laid onto those next to the bone that was swept.
    held:
        Of it, what balloons still fill.
    shell:
        Voxels whose bone was compacted.
    density_mgcc, native_mgcc:
        After and before; 0 in the cavity.
    """

    affine: FloatArray
    mask: Mask
    held: Mask
    shell: Mask
    density_mgcc: FloatArray
    native_mgcc: FloatArray

    @property
    def volume_ml(self) -> float:
        """Of the cavity."""
        edge = np.linalg.norm(self.affine[:3, :3], axis=0)
        return float(np.count_nonzero(self.mask) * np.prod(edge)) / MM3_PER_ML

    @property
    def solid_ratio(self) -> FloatArray:
        """By what factor the solid share of each voxel grew: 1 in bone that was not reached, 0 in the cavity."""
        changed = self.shell & (self.native_mgcc > 0.0)
        grown = self.density_mgcc / np.where(changed, self.native_mgcc, 1.0)
        ratio: FloatArray = np.where(self.mask, 0.0, np.where(changed, grown, 1.0))
        return ratio
