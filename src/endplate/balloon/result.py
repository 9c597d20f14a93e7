"""What the balloons of one level come to: the document, and the cavity for cement and mechanics."""

from __future__ import annotations

import numpy as np

from endplate.anatomy.axes import FloatArray
from endplate.anatomy.model import HeightTriple, Side
from endplate.balloon.body import Mask
from endplate.balloon.compaction import compact
from endplate.balloon.documents import HEIGHT_NAMES, Gains, Inflation, Step
from endplate.balloon.growth import grow
from endplate.balloon.heights import left_open_ml, triple
from endplate.balloon.inflate import Site
from endplate.balloon.options import Stop
from endplate.balloon.state import Cavity, State
from endplate.sources import finding

BAND = "crushable foam; plain crushing stress below, Hill's cavity in bone of constant volume (J2) above"
"""The law of the pressure and its bounds, in words."""

CHANGED = 0.01
"""Relative gain of density from which a voxel counts as compacted."""


def document(site: Site, state: State) -> Inflation:
    """The document of all that was done so far."""
    peak = max((step.pressure_mpa for step in state.steps), key=lambda one: one.foam, default=None)
    told = list(state.findings)
    if peak is not None and peak.foam > 0.0:
        told.append(
            finding(
                "balloon-pressure-band", level=site.bone.level, foam=peak.foam, low=peak.yield_, high=peak.j2
            )
        )
    all_down = bool(state.steps) and not any(state.volumes_ml)
    if all_down:
        told.append(finding("balloon-recoil-calibrated", level=site.bone.level))
    stopped: dict[Side, Stop] = {
        tamp.side: why for tamp, why in zip(state.tamps, state.stopped, strict=True) if why is not None
    }
    return Inflation(
        level=site.bone.level,
        balloons={tamp.side: tamp.device.name for tamp in state.tamps},
        steps=state.steps,
        stopped=stopped,
        peak_pressure_mpa=peak,
        pressure_band=BAND,
        cavity_ml=round(float(state.room_ml(site.bone.voxel_ml).sum()), 6),
        opened_ml=round(float(state.lifted.opened_ml.sum()), 6),
        body_volume_ml=round(site.bone.volume_ml, 6),
        heights_mm=site.bone.heights_mm,
        expected_heights_mm=site.bone.expected_heights_mm,
        uncertainty_mm=site.bone.uncertainty_mm,
        wedge_angle_deg=site.bone.wedge_deg,
        line_distance_mm=round(float(site.bone.windows[0, 1] - site.bone.windows[2, 1]), 6),
        lost_most=HEIGHT_NAMES[site.room.main],
        gains=Gains(
            posture=triple(site.room.posture_mm),
            inflated=_greatest(site, state.steps),
            deflated=state.steps[-1].gain_mm if all_down else None,
        ),
        bone_mineral_error=bone_mineral_error(site, state),
        findings=tuple(dict.fromkeys(told)),
    )


def cavity_of(site: Site, state: State) -> Cavity:
    """The cavity and the bone round it, on the grid of the body.

    The grid is that of the scan: what the lift opened, less what recoil takes back, is laid onto the voxels next to the
    bone that was swept, in the order in which the balloon would take them, and never into the shell. The bone of those
    voxels is pushed outward. Deflation changes nothing of it.
    """
    bone, native = site.bone, site.bone.density_mgcc
    rooms = list(state.cavities)
    left_ml = left_open_ml(state.lifted, state.response)
    for place, more_ml in enumerate(left_ml):
        taken = np.logical_or.reduce([np.zeros_like(bone.body), *rooms[:place], *rooms[place + 1 :]])
        if rooms[place].any():
            rooms[place] = grow(
                bone,
                site.ground,
                site.tamps[place],
                rooms[place],
                taken,
                np.count_nonzero(rooms[place]) * bone.voxel_ml + float(more_ml),
                np.inf,
                through_walls=False,
            ).cavity
    cavity: Mask = np.logical_or.reduce(rooms)
    swept = cavity & (state.density_mgcc > 0.0)
    density, _ = compact(state.density_mgcc, swept, cavity, site.capacity_mgcc, bone.step_mm)
    held = np.zeros_like(cavity)
    for room, volume_ml in zip(rooms, state.volumes_ml, strict=True):
        if volume_ml > 0.0:
            held |= room
    shell = bone.body & ~cavity & (density > (1.0 + CHANGED) * native)
    return Cavity(
        affine=bone.affine, mask=cavity, held=held, shell=shell, density_mgcc=density, native_mgcc=native
    )


def bone_mineral_g(density_mgcc: FloatArray, step_mm: float) -> float:
    """Bone mineral of densities on a cubic grid."""
    return float(density_mgcc.sum()) * step_mm**3 * 1e-6


def bone_mineral_error(site: Site, state: State) -> float:
    """|after − before| / before of the bone mineral in the body."""
    before = bone_mineral_g(site.bone.density_mgcc, site.bone.step_mm)
    after = bone_mineral_g(state.density_mgcc, site.bone.step_mm)
    return abs(after - before) / before if before > 0.0 else 0.0


def _greatest(site: Site, steps: tuple[Step, ...]) -> HeightTriple:
    """The gains of the step at which the height that was lost most stood highest."""
    name = HEIGHT_NAMES[site.room.main]
    if not steps:
        return triple(site.room.posture_mm)
    return max(steps, key=lambda step: getattr(step.gain_mm, name)).gain_mm
