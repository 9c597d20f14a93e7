"""A phantom level with cement in it, and the plan and the procedure that could have put it there."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from endplate.anatomy import assess
from endplate.cement.bone_model import BoneModel
from endplate.cement.bone_options import BoneOptions
from endplate.cement.medium import vertebra_medium
from endplate.cement.model import ROUTES, Fill, empty
from endplate.imaging.calibration import Calibration
from endplate.outcome.before_after import Scan
from endplate.planning.model import CArm, CementDose, Checkpoint, Depths, LevelPlan, Margins, NeedlePath
from endplate.procedure.document import DoseReadOut, LevelProcedure, ProcedureDocument
from endplate.procedure.model import Sample, Step, Told
from endplate.sources import finding
from endplate.synthetic import FractureSpec, GridSpec, build_phantom, default_spec

LEVEL = "L1"
LINE = Calibration.line(0.8, 0.0)
LEAKED = tuple(0.05 if route == "segmental" else 0.0 for route in ROUTES)


def phantom_scan() -> Scan:
    spec = default_spec(("T12", "L1", "L2"), fracture={"L1": FractureSpec("wedge", 0.35)})
    phantom = build_phantom(spec, GridSpec(spacing=(2.0, 2.0, 2.0), margin_mm=6.0))
    assert phantom.volume is not None
    return Scan(phantom.volume, phantom.labels, assess(phantom.labels, phantom.volume, LINE), LINE)


def bone_of(scan: Scan, voxel_mm: float = 2.0) -> BoneModel:
    options = BoneOptions(voxel_mm=voxel_mm)
    return vertebra_medium(scan.image, scan.labels, scan.spine, LEVEL, LINE, options)


def pillar(bone: BoneModel, radius_mm: float = 9.0, age_s: float = 300.0) -> Fill:
    """A column of cement from endplate to endplate in the front half of the body."""
    place = bone.grid.local_mm
    front = bone.forward_mm - 0.6 * bone.grid.body_depth_mm
    within = (place[..., 0] - bone.grid.local.x_mid_mm) ** 2 + front**2 <= radius_mm**2
    there = within & bone.body & (bone.medium.porosity > 0.0)
    start = empty(bone.medium)
    held = float((there * bone.medium.porosity).sum() * bone.medium.voxel_ml)
    return replace(
        start,
        saturation=there.astype(np.float64),
        age_s=np.where(there, age_s, 0.0),
        injected_ml=held + sum(LEAKED),
        marrow_displaced_ml=held,
        leaked_ml=LEAKED,
    )


def played(bone: BoneModel, fill: Fill) -> ProcedureDocument:
    """The procedure that left this fill."""
    in_bone = float(fill.volume_ml(bone.medium).sum())
    curve = tuple(
        Sample(
            at_s=1800.0 + 60.0 * part,
            side="left",
            age_s=300.0,
            rate_ml_min=3.0,
            pressure_mpa=0.4 * part,
            bone_pressure_mpa=0.02 * part,
            delivered_ml=0.5 + part * fill.injected_ml,
            in_bone_ml=part * in_bone,
            leaked_ml=tuple(part * one for one in LEAKED),
        )
        for part in (0.25, 0.5, 0.75, 1.0)
    )
    level = LevelProcedure(
        level=LEVEL,
        technique="vertebroplasty",
        cement="medium-viscosity",
        planned_ml=4.0,
        delivered_ml=0.5 + fill.injected_ml,
        in_cannula_ml=0.5,
        in_bone_ml=in_bone,
        in_cavity_ml=0.0,
        leaks_ml=dict(zip(ROUTES, LEAKED, strict=True)),
        marrow_displaced_ml=in_bone,
        mass_error=0.0,
        peak_pressure_mpa=0.4,
        peak_bone_pressure_mpa=0.02,
        first_cement_s=1815.0,
        last_cement_s=1860.0,
        stopped_because="volume",
        stopped_text="The planned 4.0 ml are in.",
        curve=curve,
    )
    told = Told(at_s=1815.0, finding=finding("outcome-strength-meaning", level=LEVEL))
    return ProcedureDocument(
        levels=(level,),
        timeline=(
            Step(phase="access", level=LEVEL, from_s=0.0, to_s=1800.0),
            Step(phase="injection", level=LEVEL, from_s=1800.0, to_s=1860.0),
        ),
        events=(told,),
        time_s=1860.0,
        dose=DoseReadOut(
            seconds=60.0,
            lateral_seconds=40.0,
            frames=300,
            air_kerma_mgy=20.0,
            lateral_air_kerma_mgy=15.0,
            area_product_gycm2=3.0,
        ),
        voxel_mm=bone.grid.step_mm,
    )


def level_plan(bone: BoneModel, volume_ml: float = 1.0) -> LevelPlan:
    """One needle straight forward through the left pedicle's height into the front of the body."""
    axes = bone.grid.axes
    body = bone.grid.local_mm[bone.body]
    middle = body.mean(axis=0)
    tip = np.array([middle[0] - 8.0, body[:, 1].max() - 12.0, middle[2]])
    entry = tip - np.array([0.0, 45.0, 0.0])
    margins = Margins(medial=2.0, lateral=2.0, superior=2.0, inferior=2.0)
    entry_ras, tip_ras = (tuple(float(one) for one in axes.to_world(end)) for end in (entry, tip))
    path = NeedlePath(
        side="left",
        approach="transpedicular",
        gauge="11G",
        outer_diameter_mm=3.05,
        entry_ras_mm=entry_ras,
        isthmus_ras_mm=entry_ras,
        posterior_wall_ras_mm=entry_ras,
        tip_ras_mm=tip_ras,
        margins_mm=margins,
        margins_derated_mm=margins,
        clearance_mm=2.0,
        uncertainty_mm=0.5,
        convergence_deg=0.0,
        craniocaudal_deg=0.0,
        depths_mm=Depths(bone_to_posterior_wall=20.0, bone_to_tip=45.0),
        carm=CArm(patient_position="prone"),
        checkpoints=(
            Checkpoint(
                name="target",
                tip_ras_mm=tip_ras,
                depth_mm=45.0,
                lateral_of_medial_ring_mm=3.0,
                beyond_posterior_wall_mm=25.0,
                ap_text="",
                lateral_text="",
            ),
        ),
    )
    return LevelPlan(
        level=LEVEL,
        technique="vertebroplasty",
        access="unipedicular",
        fracture_seen=True,
        paths=(path,),
        cement=CementDose(volume_ml=volume_ml),
    )
