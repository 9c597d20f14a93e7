"""What a balloon is put into, what it does step by step, and what it leaves: the data of the room.

Arrays lie on one cubic voxel grid along the vertebra's own axes, shape (I, J, K): toward the patient's right, the front
and the head. ``affine`` maps voxel indices to RAS mm. Pressures are in MPa, forces in N, volumes in ml, lengths in mm,
densities in mg/cm³ (K2HPO4 equivalent). The grid is that of the scan: heights gained are told beside it, the voxels
themselves are not moved.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from endplate.anatomy.axes import Axes, FloatArray
from endplate.anatomy.model import Document, HeightTriple, Shape, Side
from endplate.devices.balloons import Balloon
from endplate.errors import UsageError
from endplate.imaging.volume import Volume
from endplate.sources import Finding, value
from endplate.units import MM3_PER_ML

Mask = NDArray[np.bool_]

Wall = Literal["anterior", "posterior", "lateral", "superior", "inferior"]
"""Walls of a body; the last two are the endplates."""

WALLS: tuple[Wall, ...] = ("anterior", "posterior", "lateral", "superior", "inferior")

HeightName = Literal["anterior", "middle", "posterior"]

HEIGHT_NAMES: tuple[HeightName, ...] = ("anterior", "middle", "posterior")

Stop = Literal[
    "operator",
    "maximum volume",
    "rated pressure",
    "rupture",
    "wall contact",
    "endplate contact",
    "target height",
    "breach",
]
"""Why an inflation ended; ``operator``: the volume that was asked for is reached."""

GRAMS = 1e-6
"""g per mg/cm³·mm³."""


@dataclass(frozen=True, eq=False)
class Bone:
    """A vertebral body ready for a balloon.

    Parameters
    ----------
    level:
        Its name.
    affine, step_mm, axes:
        The grid, the edge of a voxel and the vertebra's frame.
    body:
        Voxels of the body.
    depth_mm:
        Distance below the body's surface, negative outside.
    wall:
        For each voxel the place in :data:`WALLS` of the wall nearest to it.
    density_mgcc:
        Never negative; 0 outside the body.
    heights_mm, expected_heights_mm, uncertainty_mm:
        As measured, as expected of an unbroken body, and how sure the expectation is.
    windows:
        In the frame, right and anterior mm of the lines on which the three heights are read: anterior, middle,
        posterior; shape (3, 2).
    wedge_deg:
        Angle between the endplates, positive when lower in front; ``None`` where it was not measured.
    shape, loss:
        Of its fracture, ``None`` where none was seen; greatest loss of height (0–1).
    findings:
        What building it found.
    """

    level: str
    affine: FloatArray
    step_mm: float
    axes: Axes
    body: Mask
    depth_mm: FloatArray
    wall: NDArray[np.int8]
    density_mgcc: FloatArray
    heights_mm: HeightTriple
    expected_heights_mm: HeightTriple
    uncertainty_mm: HeightTriple
    windows: FloatArray
    wedge_deg: float | None = None
    shape: Shape | None = None
    loss: float | None = None
    findings: tuple[Finding, ...] = ()

    @property
    def voxel_ml(self) -> float:
        """Volume of a voxel."""
        return self.step_mm**3 / MM3_PER_ML

    @property
    def volume_ml(self) -> float:
        """Volume of the body."""
        return float(np.count_nonzero(self.body)) * self.voxel_ml

    def index(self, ras_mm: FloatArray) -> FloatArray:
        """RAS mm, shape (…, 3) → fractional voxel indices."""
        inverse = np.linalg.inv(self.affine)
        found: FloatArray = np.asarray(ras_mm) @ inverse[:3, :3].T + inverse[:3, 3]
        return found


@dataclass(frozen=True, eq=False)
class Tamp:
    """One balloon in its place.

    Parameters
    ----------
    side:
        Of the needle it came through.
    device:
        The catalogue's balloon.
    markers_ras_mm:
        Proximal and distal marker, shape (2, 3).
    cannula_end_ras_mm:
        Where the working cannula ends, shape (3,).
    """

    side: Side
    device: Balloon
    markers_ras_mm: FloatArray
    cannula_end_ras_mm: FloatArray

    @property
    def middle_ras_mm(self) -> FloatArray:
        """Midway between the markers."""
        found: FloatArray = self.markers_ras_mm.mean(axis=0)
        return found

    @property
    def direction_ras(self) -> FloatArray:
        """Unit vector from the proximal to the distal marker."""
        way = self.markers_ras_mm[1] - self.markers_ras_mm[0]
        unit: FloatArray = way / np.linalg.norm(way)
        return unit

    def core_ras_mm(self, volume_ml: float) -> tuple[FloatArray, FloatArray, float]:
        """Ends of the axis of the free balloon's capsule at a volume, shape (3,), and its radius."""
        radius = 0.5 * self.device.inflated_diameter_mm(min(volume_ml, self.device.max_volume_ml))
        half = max(0.5 * self.device.length_mm - radius, 0.0)
        middle, way = self.middle_ras_mm, self.direction_ras
        return middle - half * way, middle + half * way, radius


@dataclass(frozen=True)
class Posture:
    """Height gained by positioning alone, before a balloon is inflated: an input, not a prediction.

    Parameters
    ----------
    anterior_mm, middle_mm, posterior_mm:
        Gains; they count up to what the body has lost.
    source:
        Citation key.
    """

    anterior_mm: float
    middle_mm: float
    posterior_mm: float
    source: str

    @classmethod
    def published(cls) -> Posture:
        """Mean gain of acute fractures on a hyperextending table (Liu 2014)."""
        found = value("balloon.posture_gain_mm")
        return cls(
            float(found["anterior"]), float(found["middle"]), float(found["posterior"]), "balloon-liu2014"
        )

    @classmethod
    def none(cls) -> Posture:
        """No gain by positioning."""
        return cls(0.0, 0.0, 0.0, "endplate")

    @property
    def gain_mm(self) -> FloatArray:
        """Anterior, middle, posterior."""
        return np.array([self.anterior_mm, self.middle_mm, self.posterior_mm])


@dataclass(frozen=True)
class Options:
    """How balloons are inflated.

    Parameters
    ----------
    step_ml:
        Volume of one step, 0.25 to 0.5 ml.
    law:
        Name of the density law for crushing and stiffness.
    preload_n:
        Axial force on the upper endplate during surgery.
    posture:
        Gain by positioning.
    target_gain_mm:
        Stop when the height that was lost most has gained so much (posture and lift); ``None``: no such stop.
    heed:
        Stops that the operator heeds. Without ``rated pressure`` a balloon may be driven to rupture, without ``wall
        contact`` through a weak wall.
    crack:
        The break lets endplates move; ``"auto"``: where a fracture was seen.
    """

    step_ml: float = 0.5
    law: str = "kopperdahl"
    preload_n: float = field(default_factory=lambda: float(value("balloon.preload_n")))
    posture: Posture = field(default_factory=Posture.published)
    target_gain_mm: float | None = None
    heed: frozenset[Stop] = frozenset(
        {"maximum volume", "rated pressure", "wall contact", "endplate contact", "target height"}
    )
    crack: bool | Literal["auto"] = "auto"

    def __post_init__(self) -> None:
        good = (
            0.05 <= self.step_ml <= 1.0
            and 0.0 <= self.preload_n <= 2000.0
            and (self.target_gain_mm is None or 0.0 < self.target_gain_mm <= 40.0)
            and bool(np.isfinite(self.posture.gain_mm).all() and (self.posture.gain_mm >= 0.0).all())
        )
        if not good:
            raise UsageError(
                "balloon-options",
                "The options of the inflation make no sense.",
                do="Give steps of 0.05 to 1 ml, a preload of 0 to 2000 N, a target gain of up to 40 mm and gains by "
                "posture that are not negative.",
            )


class Pressure(Document):
    """Pressure that an inflation needs, by the law and by its bounds, MPa."""

    foam: float
    """Crushable foam: the law that stops are decided by."""
    yield_: float
    """Plain crushing stress of the bone: the lower end of the band."""
    j2: float
    """Hill's cavity in bone that flows without losing volume: the upper end of the band."""


class Motion(Document):
    """The superior endplate against the inferior, as a stiff plate."""

    lift_mm: float
    """At the middle line."""
    sagittal_tilt_deg: float
    """Positive when it rises more in front."""
    coronal_tilt_deg: float
    """Positive when it rises more on the right."""


class Step(Document):
    """The state after one step of inflation or deflation."""

    side: Side
    volumes_ml: dict[Side, float]
    """In each balloon."""
    cavity_ml: float
    """Of all cavities together, on the voxel grid."""
    pressure_mpa: Pressure
    """In the balloon that this step moved; 0 when deflated."""
    heights_mm: HeightTriple
    gain_mm: HeightTriple
    """Against the heights on the scan, posture included."""
    motion: Motion
    wedge_angle_deg: float | None
    wall_mm: dict[str, float]
    """Least distance of the cavities' surface to each wall."""
    least_wall_mm: float


class Gains(Document):
    """Gain of each height at the stages, mm."""

    posture: HeightTriple
    inflated: HeightTriple
    """The greatest over the steps."""
    deflated: HeightTriple | None


class Inflation(Document):
    """What the balloons of one level did: the document."""

    level: str
    balloons: dict[Side, str]
    """Names in the catalogue."""
    steps: tuple[Step, ...]
    stopped: dict[Side, Stop]
    peak_pressure_mpa: Pressure | None
    pressure_band: str
    """What the law and its bounds are, in words."""
    cavity_ml: float
    body_volume_ml: float
    heights_mm: HeightTriple
    """On the scan."""
    expected_heights_mm: HeightTriple
    """Of an unbroken body."""
    uncertainty_mm: HeightTriple
    """How sure the expectation is."""
    lost_most: HeightName
    """Which height was lost most: that of which a single gain is told."""
    gains: Gains
    bone_mineral_error: float
    """|bone mineral after − before| / before, over the body."""
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True, eq=False)
class Cavity:
    """What balloons leave, for cement and mechanics.

    Parameters
    ----------
    affine:
        Voxel index → RAS mm.
    mask:
        Voxels of the cavity: all of it can be filled.
    shell:
        Voxels whose bone was compacted.
    density_mgcc, native_mgcc:
        After and before; 0 in the cavity.
    porosity, permeability_m2:
        Of the cavity's voxels.
    """

    affine: FloatArray
    mask: Mask
    shell: Mask
    density_mgcc: FloatArray
    native_mgcc: FloatArray
    porosity: float
    permeability_m2: float

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

    def as_volume(self) -> Volume:
        """The cavity as a share of each voxel."""
        return Volume(self.mask.astype(np.float32), self.affine)

    def density_volume(self) -> Volume:
        """Density after compaction."""
        return Volume(self.density_mgcc.astype(np.float32), self.affine)


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
    """

    lines_mm: FloatArray
    slope: FloatArray
    most_mm: FloatArray
    most_slope: FloatArray


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
        In each now, by the law of the foam.
    cavities:
        Voxels that each has swept.
    density_mgcc:
        Bone as compacted so far.
    lifted:
        The endplates now.
    burst:
        Which have burst.
    steps, stopped, findings:
        So far; why each balloon's last inflation ended.
    """

    tamps: tuple[Tamp, ...]
    volumes_ml: tuple[float, ...]
    reached_ml: tuple[float, ...]
    pressures_mpa: tuple[float, ...]
    cavities: tuple[Mask, ...]
    density_mgcc: FloatArray
    lifted: Lifted
    burst: tuple[bool, ...]
    steps: tuple[Step, ...] = ()
    stopped: tuple[Stop | None, ...] = ()
    findings: tuple[Finding, ...] = ()

    @property
    def cavity(self) -> Mask:
        """Voxels of all cavities."""
        found: Mask = np.logical_or.reduce(self.cavities)
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
