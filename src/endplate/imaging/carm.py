"""C-arm poses: the one place where angles, signs, positions on the table and projections are defined.

Directions are unit vectors in RAS (x to the patient's right, y to the front, z to the head). A pose is the direction
from the isocentre to the detector, told by the DICOM positioner angles (PS3.3 C.8.7.5), which are the patient's and
not the table's:

- primary 0: the patient faces the detector, the source is behind; +90: detector at the left (LAO +), −90 right (RAO);
- secondary +90: detector toward the head (CRAN +), negative toward the feet (CAUD);
- ``detector = cos s · (−sin p, cos p, 0) + sin s · (0, 0, 1)``.

The tube stands under the table. A supine patient with an upright beam is primary 0; a prone one is primary 180, while
the console shows 0. Console angles here are the detector's tilt from straight up in patient terms: + toward the
patient's left, + toward the head. A console that takes the prone patient for supine shows the other sign for left
and right, so the words always name the patient's side.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike

from endplate.errors import UsageError
from endplate.imaging.geometry import FloatArray
from endplate.sources import value

TablePosition = Literal["prone", "supine"]
"""How the patient lies on the table; the tube stands under it."""

UPRIGHT_PRIMARY_DEG = {"prone": 180.0, "supine": 0.0}
"""DICOM primary angle of a beam straight up from under the table."""

LATERAL_FROM_DEG = 60.0
"""A tilt beyond this from straight up or down counts as a lateral view: only its picture's left and right change."""

WORD_DEG = 0.5
"""Angles that round to 0 whole degrees are not worth a word."""

UNIT_TOLERANCE = 1e-9
"""Shorter than this a direction has no angle."""


@dataclass(frozen=True)
class CArmPose:
    """One pose of the C-arm about the patient.

    Parameters
    ----------
    primary_deg:
        DICOM positioner primary angle, −180 < p ≤ 180 (LAO +).
    secondary_deg:
        DICOM positioner secondary angle, −90 to 90 (CRAN +).
    position:
        How the patient lies on the table.

    Raises
    ------
    UsageError
        An angle is out of range or the position is not known.
    """

    primary_deg: float
    secondary_deg: float
    position: TablePosition = "prone"

    def __post_init__(self) -> None:
        if self.position not in get_args(TablePosition):
            raise UsageError(
                "table-position-unknown",
                f"The position on the table {self.position!r} is not known.",
                do=f"Choose one of {', '.join(get_args(TablePosition))}.",
            )
        # A NaN fails every comparison, so it is refused too.
        if not (-180.0 < self.primary_deg <= 180.0 and -90.0 <= self.secondary_deg <= 90.0):
            raise UsageError(
                "carm-angle",
                f"Primary {self.primary_deg}° and secondary {self.secondary_deg}° are no C-arm angles.",
                do="Give a primary angle above −180 and up to 180°, and a secondary one from −90 to 90°.",
            )

    @property
    def detector_ras(self) -> FloatArray:
        """Unit direction from the isocentre to the detector; the beam runs along it."""
        p, s = np.radians(self.primary_deg), np.radians(self.secondary_deg)
        return np.array([-np.sin(p) * np.cos(s), np.cos(p) * np.cos(s), np.sin(s)])

    @property
    def source_ras(self) -> FloatArray:
        """Unit direction from the isocentre to the source."""
        return -self.detector_ras

    @property
    def image_up_ras(self) -> FloatArray:
        """Unit direction shown upward: the patient's head, as far as the detector shows it."""
        p, s = np.radians(self.primary_deg), np.radians(self.secondary_deg)
        return np.array([np.sin(p) * np.sin(s), -np.cos(p) * np.sin(s), np.cos(s)])

    @property
    def image_right_ras(self) -> FloatArray:
        """Unit direction shown to the right on the screen.

        As in all our pictures the patient's right is on screen left, and in lateral views the front is.
        """
        across = np.cross(self.detector_ras, self.image_up_ras)
        wanted = np.array([0.0, -1.0, 0.0]) if self.lateral else np.array([-1.0, 0.0, 0.0])
        return across if float(across @ wanted) >= 0.0 else -across

    @property
    def lateral(self) -> bool:
        """The beam runs nearer across the patient than along front and back."""
        return bool(abs(np.sin(np.radians(self.primary_deg))) > np.sin(np.radians(LATERAL_FROM_DEG)))

    @property
    def console_primary_deg(self) -> float:
        """Tilt of the detector from straight up, + toward the patient's left."""
        if self.position == "supine":
            return self.primary_deg
        return wrapped_deg(UPRIGHT_PRIMARY_DEG["prone"] - self.primary_deg)

    @property
    def console_secondary_deg(self) -> float:
        """Tilt of the detector toward the patient's head (+) or feet (−)."""
        return self.secondary_deg

    @property
    def console_text(self) -> str:
        """The pose as it is dialled: ``"Console: 12° toward the patient's left, 8° toward the head"``."""
        parts = [
            _tilt(self.console_primary_deg, "toward the patient's left", "toward the patient's right"),
            _tilt(self.console_secondary_deg, "toward the head", "toward the feet"),
        ]
        said = [part for part in parts if part]
        return "Console: " + (", ".join(said) if said else "0°, straight up")

    @property
    def patient_text(self) -> str:
        """The pose in DICOM's patient terms: ``"RAO 168°, CRAN 8°"`` (angle of the detector from the chest)."""
        return ", ".join(
            f"{plus if angle >= 0.0 else minus} {abs(angle):.0f}°"
            for angle, plus, minus in (
                (self.primary_deg, "LAO", "RAO"),
                (self.secondary_deg, "CRAN", "CAUD"),
            )
        )


@dataclass(frozen=True)
class Reach:
    """How far a C-arm is planned to turn from straight up, degrees.

    ``oblique_deg`` bounds AP and oblique views, ``lateral_deg`` lateral ones, ``secondary_deg`` every one.
    """

    oblique_deg: float
    lateral_deg: float
    secondary_deg: float

    def holds(self, pose: CArmPose, *, lateral: bool = False) -> bool:
        """Say whether the C-arm gets there; ``lateral`` for the level's true lateral view."""
        tilt = abs(pose.console_primary_deg)
        around = tilt <= (self.lateral_deg if lateral else self.oblique_deg)
        return around and abs(pose.console_secondary_deg) <= self.secondary_deg


@dataclass(frozen=True, eq=False)
class CArmView:
    """A pose at a place, with the distances of its cone beam.

    Parameters
    ----------
    pose:
        Where the detector stands.
    isocentre_ras_mm:
        The point about which the arm turns; it is shown at the middle of the detector.
    source_isocentre_mm, source_detector_mm:
        Distances along the central ray.

    Raises
    ------
    ValueError
        The detector does not lie beyond the isocentre.
    """

    pose: CArmPose
    isocentre_ras_mm: FloatArray
    source_isocentre_mm: float
    source_detector_mm: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "isocentre_ras_mm", np.asarray(self.isocentre_ras_mm, dtype=np.float64))
        if not 0.0 < self.source_isocentre_mm < self.source_detector_mm:
            raise ValueError("the isocentre lies between source and detector")

    @property
    def source_ras_mm(self) -> FloatArray:
        """Where the X-rays come from."""
        place: FloatArray = self.isocentre_ras_mm + self.source_isocentre_mm * self.pose.source_ras
        return place

    @property
    def detector_centre_ras_mm(self) -> FloatArray:
        """Where the central ray meets the detector."""
        beyond = self.source_detector_mm - self.source_isocentre_mm
        place: FloatArray = self.isocentre_ras_mm + beyond * self.pose.detector_ras
        return place

    @property
    def magnification(self) -> float:
        """Of what lies at the isocentre."""
        return self.source_detector_mm / self.source_isocentre_mm

    def project(self, ras_mm: ArrayLike) -> FloatArray:
        """RAS mm, shape (..., 3) → detector mm from its middle, shape (..., 2): right and up on the screen.

        Points level with the source or behind it have no place on the detector and give NaN.
        """
        pose = self.pose
        offset = np.asarray(ras_mm, dtype=np.float64) - self.source_ras_mm
        depth = offset @ pose.detector_ras
        scale = np.where(depth > 0.0, self.source_detector_mm / np.where(depth > 0.0, depth, 1.0), np.nan)
        return (
            np.stack([offset @ pose.image_right_ras, offset @ pose.image_up_ras], axis=-1) * scale[..., None]
        )

    def on_detector(self, detector_mm: ArrayLike) -> FloatArray:
        """Detector mm, shape (..., 2) → RAS mm of that point of the detector, shape (..., 3)."""
        uv = np.asarray(detector_mm, dtype=np.float64)
        across = uv[..., :1] * self.pose.image_right_ras + uv[..., 1:] * self.pose.image_up_ras
        return np.asarray(self.detector_centre_ras_mm + across, dtype=np.float64)

    def ray(self, detector_mm: ArrayLike) -> FloatArray:
        """Unit directions (RAS) from the source to detector points, shape (..., 2) → (..., 3)."""
        way = self.on_detector(detector_mm) - self.source_ras_mm
        return np.asarray(way / np.linalg.norm(way, axis=-1, keepdims=True), dtype=np.float64)


def mobile_carm(pose: CArmPose, isocentre_ras_mm: ArrayLike) -> CArmView:
    """A view with the distances of a mobile C-arm (``carm.source_isocentre_mm``, ``carm.source_detector_mm``)."""
    return CArmView(
        pose,
        np.asarray(isocentre_ras_mm, dtype=np.float64),
        float(value("carm.source_isocentre_mm")),
        float(value("carm.source_detector_mm")),
    )


def default_reach() -> Reach:
    """The reach that is planned with where a site gives none."""
    return Reach(
        float(value("carm.reach_oblique_deg")),
        float(value("carm.reach_lateral_deg")),
        float(value("carm.reach_secondary_deg")),
    )


def project_parallel(
    pose: CArmPose, ras_mm: ArrayLike, centre_ras_mm: ArrayLike = (0.0, 0.0, 0.0)
) -> FloatArray:
    """RAS mm, shape (..., 3) → mm right and up of ``centre_ras_mm`` under a parallel beam, shape (..., 2)."""
    offset = np.asarray(ras_mm, dtype=np.float64) - np.asarray(centre_ras_mm, dtype=np.float64)
    return np.stack([offset @ pose.image_right_ras, offset @ pose.image_up_ras], axis=-1)


def pose_of_detector(detector_ras: ArrayLike, position: TablePosition = "prone") -> CArmPose:
    """The pose whose detector lies in a direction (RAS, any length): the inverse of ``CArmPose.detector_ras``.

    Straight toward head or feet the primary angle is free; it is then that of an upright beam.

    Raises
    ------
    UsageError
        The direction has no length.
    """
    x, y, z = _unit(detector_ras)
    flat = float(np.hypot(x, y))
    primary = UPRIGHT_PRIMARY_DEG[position] if flat < UNIT_TOLERANCE else float(np.degrees(np.arctan2(-x, y)))
    return CArmPose(wrapped_deg(primary), float(np.degrees(np.arctan2(z, flat))), position)


def pose_for_direction(direction_ras: ArrayLike, position: TablePosition = "prone") -> CArmPose:
    """The bull's-eye pose of a line: the beam runs along it, with the tube under the table.

    A line that lies level with the table has its detector at the patient's right.

    Raises
    ------
    UsageError
        The direction has no length.
    """
    line = _unit(direction_ras)
    up = np.array([0.0, -1.0, 0.0]) if position == "prone" else np.array([0.0, 1.0, 0.0])
    height = float(line @ up)
    if abs(height) < UNIT_TOLERANCE:
        height = float(line[0])
    return pose_of_detector(line if height >= 0.0 else -line, position)


def wrapped_deg(angle: float) -> float:
    """The same angle above −180 and up to 180°."""
    return 180.0 - (180.0 - angle) % 360.0


def _tilt(angle: float, plus: str, minus: str) -> str:
    """One tilt in words, empty where it rounds to nothing."""
    if abs(angle) < WORD_DEG:
        return ""
    return f"{abs(angle):.0f}° {plus if angle > 0.0 else minus}"


def _unit(direction: ArrayLike) -> FloatArray:
    way = np.asarray(direction, dtype=np.float64)
    length = float(np.linalg.norm(way))
    if not np.isfinite(length) or length < UNIT_TOLERANCE:
        raise UsageError(
            "carm-direction",
            "A C-arm cannot look along a direction without length.",
            do="Give two different points.",
        )
    unit: FloatArray = way / length
    return unit
