"""Whether a real mobile C-arm gets to a view: its orbit, the table, the patient's skin.

The C-arm stands beside the patient and turns along its orbit about the patient's length; the tube is under the table.
The orbit of a C is open to one side: it turns further with the detector toward that side. Table and housing are simple
bodies with recalled sizes; a site replaces them in :class:`CArmLimits`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from endplate.errors import UsageError
from endplate.fluoroscopy.view import View
from endplate.imaging.geometry import FloatArray
from endplate.sources import Finding, finding, value

ONE_DEG = 1e-6
"""Angles that exceed a limit by less than this are at it."""


@dataclass(frozen=True)
class CArmLimits:
    """A C-arm and the table it works at.

    Parameters
    ----------
    orbit_deg:
        Turn from straight up away from the opening of the C (negative) and toward it.
    housing_radius_mm:
        Ball about the source that nothing may enter.
    source_skin_mm:
        Least distance from the source to the skin.
    table_half_width_mm, table_thickness_mm:
        Of the table top.
    table_below_isocentre_mm:
        From the isocentre down to the table where the skin is not known.

    Raises
    ------
    UsageError
        ``carm-limits``: a size below 0 or an orbit that does not hold 0.
    """

    orbit_deg: tuple[float, float]
    housing_radius_mm: float
    source_skin_mm: float
    table_half_width_mm: float
    table_thickness_mm: float
    table_below_isocentre_mm: float

    def __post_init__(self) -> None:
        sizes = (
            self.housing_radius_mm,
            self.source_skin_mm,
            self.table_half_width_mm,
            self.table_thickness_mm,
            self.table_below_isocentre_mm,
        )
        low, high = self.orbit_deg
        if not (all(0.0 <= size < np.inf for size in sizes) and -180.0 <= low <= 0.0 <= high <= 180.0):
            raise UsageError(
                "carm-limits",
                "These are no limits of a C-arm.",
                do="Give an orbit that holds 0° and sizes of 0 mm or more.",
            )


@dataclass(frozen=True)
class Reached:
    """Whether the C-arm gets to a view, and what there is to say of it."""

    reachable: bool
    findings: tuple[Finding, ...]


def default_limits() -> CArmLimits:
    """A mobile C-arm at an operating table; see the constants ``fluoroscopy.*`` for what is read and what recalled."""
    orbit = value("fluoroscopy.reach_orbital_deg")
    return CArmLimits(
        orbit_deg=(float(orbit["low"]), float(orbit["high"])),
        housing_radius_mm=float(value("fluoroscopy.housing_radius_mm")),
        source_skin_mm=float(value("fluoroscopy.source_skin_mm")),
        table_half_width_mm=float(value("fluoroscopy.table_half_width_mm")),
        table_thickness_mm=float(value("fluoroscopy.table_thickness_mm")),
        table_below_isocentre_mm=float(value("fluoroscopy.table_below_isocentre_mm")),
    )


def check_reach(
    view: View,
    *,
    skin_ras_mm: ArrayLike | None = None,
    limits: CArmLimits | None = None,
    level: str | None = None,
) -> Reached:
    """Say whether a C-arm gets to a view.

    Parameters
    ----------
    view:
        What it is to be set to.
    skin_ras_mm:
        Points of the skin, shape (N, 3); ``None`` where it is not known: then the table lies as far below the
        isocentre as the limits say, and nothing is said of the skin.
    limits:
        The C-arm and the table; ``None``: :func:`default_limits`.
    level:
        For the findings.

    Returns
    -------
    Reached
        Not reachable with any critical finding.
    """
    bounds = default_limits() if limits is None else limits
    skin = None if skin_ras_mm is None else np.asarray(skin_ras_mm, dtype=np.float64).reshape(-1, 3)
    found = [*_orbit(view, bounds, level), *_table(view, skin, bounds, level)]
    if skin is not None and len(skin):
        found += _skin(view, skin, bounds, level)
    return Reached(all(one.severity != "critical" for one in found), tuple(found))


def _orbit(view: View, limits: CArmLimits, level: str | None) -> list[Finding]:
    low, high = limits.orbit_deg
    tilt = view.pose.console_primary_deg
    if abs(tilt) > max(-low, high) + ONE_DEG:
        return [finding("carm-orbit", level=level, tilt=abs(tilt), low=-low, high=high)]
    if abs(tilt) > min(-low, high) + ONE_DEG:
        wide = tilt if high >= -low else -tilt
        side = "left" if wide > 0.0 else "right"
        return [finding("carm-orbit-side", level=level, tilt=abs(tilt), side=side)]
    return []


def _table(view: View, skin: FloatArray | None, limits: CArmLimits, level: str | None) -> list[Finding]:
    """The housing against the table: a slab of any length below the patient."""
    up = np.array([0.0, -1.0, 0.0]) if view.pose.position == "prone" else np.array([0.0, 1.0, 0.0])
    centre = view.isocentre_ras_mm
    if skin is not None and len(skin):
        top, middle = float((skin @ up).min()), float(0.5 * (skin[:, 0].min() + skin[:, 0].max()))
    else:
        top, middle = float(centre @ up) - limits.table_below_isocentre_mm, float(centre[0])
    source = view.source_ras_mm
    height = float(source @ up)
    beside = max(abs(float(source[0]) - middle) - limits.table_half_width_mm, 0.0)
    away = max(top - limits.table_thickness_mm - height, height - top, 0.0)
    room = float(np.hypot(beside, away))
    if room >= limits.housing_radius_mm:
        return []
    return [finding("carm-tube-table", level=level, room=room, need=limits.housing_radius_mm)]


def _skin(view: View, skin: FloatArray, limits: CArmLimits, level: str | None) -> list[Finding]:
    """The source against the skin in the beam, and the detector against the skin in front of it."""
    found = []
    near = skin[view.sees(skin)]
    if len(near):
        distance = float(np.linalg.norm(near - view.source_ras_mm, axis=1).min())
        if distance < limits.source_skin_mm:
            found.append(
                finding("carm-source-skin", level=level, distance=distance, limit=limits.source_skin_mm)
            )
    offset = skin - view.detector_centre_ras_mm
    half = 0.5 * view.pitch_mm * np.array([view.columns, view.rows])
    across = np.abs(np.stack([offset @ view.column_ras, offset @ view.row_ras], axis=1)) <= half
    past = (offset @ view.pose.detector_ras)[across.all(axis=1)]
    if past.size and float(past.max()) > 0.0:
        found.append(finding("carm-detector-skin", level=level, past=float(past.max())))
    return found
