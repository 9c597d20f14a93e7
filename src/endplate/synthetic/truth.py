"""The truth of a phantom: what a perfect measurement would find, from the analytic surfaces.

All lengths mm, angles degrees, positions RAS mm, directions unit vectors in RAS.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from endplate.anatomy.model import (
    ArchPlace,
    Frame,
    HeightTriple,
    LesionKind,
    LesionPlace,
    Shape,
    Side,
    Vec3,
)


@dataclass(frozen=True)
class EndplateTruth:
    """Least-squares plane of an endplate inside the body's outline eroded by 3 mm; the normal points to the head."""

    centre_ras_mm: Vec3
    normal_ras: Vec3
    rmse_mm: float


@dataclass(frozen=True)
class PedicleTruth:
    """One pedicle at its isthmus, exact in the section perpendicular to its axis.

    ``transverse_deg`` = atan2(medial, anterior) and ``sagittal_deg`` = atan2(superior, anterior) of the forward
    axis in the vertebra's true frame: the angles as read on an axial and on a sagittal view.
    """

    isthmus_ras_mm: Vec3
    axis_ras: Vec3
    inscribed_diameter_mm: float
    width_mm: float
    height_mm: float
    transverse_deg: float
    sagittal_deg: float
    section_ras_mm: tuple[Vec3, Vec3]
    """Unit vectors of the section's width and height."""


@dataclass(frozen=True)
class CanalTruth:
    """The canal at this level, in the plane through the isthmuses across the tube.

    ``ap_mm`` is the free midline depth from the (perhaps retropulsed) posterior wall to the laminae; ``width_mm`` the
    width of the tube. ``intact_ap_mm`` is the depth without retropulsion.
    """

    ap_mm: float
    width_mm: float
    intact_ap_mm: float
    area_mm2: float
    centre_ras_mm: Vec3


@dataclass(frozen=True)
class FractureTruth:
    """What the fracture took, from the same measurement of the intact and the broken body."""

    shape: Shape
    intact_heights_mm: HeightTriple
    losses: HeightTriple
    intact_volume_ml: float
    endplate: Literal["superior", "both"]
    retropulsion_mm: float
    """Bulge of the posterior wall at pedicle height against the intact wall."""
    impacted: bool


@dataclass(frozen=True)
class DensityTruth:
    """Trabecular density and its HU before noise, texture and fracture, and the mean over the body as it is.

    ``body_mean_mgcc`` is over the trabecular core (inside the cortex) with the bone that a fracture impacted.
    """

    trabecular_mgcc: float
    trabecular_hu: float
    body_mean_mgcc: float
    body_mean_hu: float
    cortex_mm: float


@dataclass(frozen=True)
class LesionTruth:
    """One lesion as painted: a ball of another HU, cut at the bone's surface (or a little beyond a destroyed one).

    ``contrast_hu`` is against the marrow it replaced, before texture and fracture. ``destroyed`` names the surfaces
    whose cortex it took: anterior, posterior, left, right, superior, inferior, pedicle.
    """

    kind: LesionKind
    place: LesionPlace
    side: Literal["left", "right", "middle"]
    centre_ras_mm: Vec3
    diameter_mm: float
    volume_ml: float
    hu: float
    contrast_hu: float
    destroyed: tuple[str, ...]


@dataclass(frozen=True)
class ArchBreakTruth:
    """A gap through the posterior elements: its middle and width."""

    place: ArchPlace
    centre_ras_mm: Vec3
    gap_mm: float


@dataclass(frozen=True)
class LevelTruth:
    """The truth of one level.

    ``heights_mm``: in the true frame, in the mid-sagittal band |x| ≤ 5 mm, the median of (superior − inferior
    endplate) over the AP fractions posterior .08–.25, middle .40–.60, anterior .75–.92 of the mid-sagittal depth
    (0 posterior wall, 1 anterior wall: greatest extent of the body in the mid-plane along the anterior axis).
    ``wedge_angle_deg``: between the endplate planes in the sagittal plane, positive when lower in front.
    ``local_kyphosis_deg``: superior plane of the level above to inferior plane of the level below in this level's
    sagittal plane, positive is kyphosis, ``None`` at the ends. ``retropulsion_mm``: how far the posterior wall stands
    behind the line from the postero-inferior corner of the level above to the postero-superior corner of the level
    below in the mid-plane (negative: in front), ``None`` at the ends.
    """

    level: str
    label_id: int
    frame: Frame
    heights_mm: HeightTriple
    superior: EndplateTruth
    inferior: EndplateTruth
    wedge_angle_deg: float
    local_kyphosis_deg: float | None
    pedicles: dict[Side, PedicleTruth]
    canal: CanalTruth
    body_volume_ml: float
    body_depth_mm: float
    body_width_mm: float
    density: DensityTruth
    fracture: FractureTruth | None
    retropulsion_mm: float | None
    cleft_ml: float
    vacuum_disc_below_ml: float
    lesions: tuple[LesionTruth, ...] = ()
    arch_breaks: tuple[ArchBreakTruth, ...] = ()
    border_bulge_mm: float = 0.0
    """Convexity added to the posterior border at pedicle height, by a fracture or without one."""


@dataclass(frozen=True)
class PhantomTruth:
    """The truth of all levels, from the head down."""

    levels: dict[str, LevelTruth]
    skin_back_mm: float
    """World y of the skin of the back behind the highest spinous process in the midline."""
