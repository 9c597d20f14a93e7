"""A toy lumbar spine for the report's tests: boxes and tubes, and documents that state where everything is.

Each vertebra is a block with two oblique tubes (pedicles) and a plate (arch), so that the truth is known.
"""

from __future__ import annotations

import math

import numpy as np

from endplate.anatomy.model import (
    Canal,
    Density,
    Endplate,
    Endplates,
    Fracture,
    Frame,
    HeightLine,
    HeightLines,
    HeightTriple,
    Pedicle,
    Pedicles,
    Spine,
    Vertebra,
)
from endplate.imaging.volume import LabelMap, ScanInfo, Volume
from endplate.planning.model import CArm, Depths, LevelPlan, Margins, NeedlePath, Plan
from endplate.sources import Finding

LEVELS = (("T12", 19), ("L1", 20), ("L2", 21))
PITCH_MM = 36.0
DEPTH_MM, WIDTH_MM, HEIGHT_MM = 30.0, 42.0, 26.0
FRACTURED = "L1"
ANTERIOR_LOSS = 0.45
PEDICLE_Z_MM, PEDICLE_X_MM, PEDICLE_D_MM = 5.0, 14.0, 9.0
CONVERGENCE_DEG = 12.0
BODY_BACK_MM = -DEPTH_MM / 2.0


def body_centre(i: int) -> np.ndarray:
    """Centre of body ``i`` (0 = T12) in RAS mm; the column bends, so that a flat cut would lose bodies."""
    z = -PITCH_MM * (i - 1)
    return np.array([6.0 * math.sin(z / 60.0), 0.004 * z * z, z])


def top_height(level: str, y: np.ndarray | float) -> np.ndarray | float:
    """Upper surface above the lower one at depth ``y`` (front positive) behind or before the body centre."""
    if level != FRACTURED:
        return np.zeros_like(np.asarray(y, dtype=float)) + HEIGHT_MM
    share = (np.asarray(y, dtype=float) + DEPTH_MM / 2.0) / DEPTH_MM
    return HEIGHT_MM * (1.0 - ANTERIOR_LOSS * share)


def toy_volumes(
    affine: np.ndarray | None = None, shape: tuple[int, int, int] | None = None
) -> tuple[Volume, LabelMap]:
    """CT and labels of the toy on a grid (default 1 × 1 × 1.25 mm, RAS)."""
    if affine is None:
        affine = np.diag([1.0, 1.0, 1.25, 1.0])
        affine[:3, 3] = [-60.0, -95.0, -75.0]
        shape = (121, 151, 121)
    assert shape is not None
    index = np.stack(np.meshgrid(*(np.arange(n) for n in shape), indexing="ij"), axis=-1)
    world = index @ affine[:3, :3].T + affine[:3, 3]
    hu = np.full(shape, 40.0)
    hu[world[..., 1] < -85.0] = -1000.0
    ids = np.zeros(shape, dtype=np.uint8)
    for i, (level, label_id) in enumerate(LEVELS):
        inside, body = _inside(level, world - body_centre(i))
        ids[inside] = label_id
        hu[inside] = 500.0
        hu[body] = 130.0
    rng = np.random.default_rng(7)
    hu += rng.normal(0.0, 18.0, shape)
    scan = ScanInfo(
        source_format="nifti",
        modality="CT",
        study_date="2024-03-01",
        patient_age_years=74,
        slice_thickness_mm=1.25,
    )
    image = Volume(np.rint(hu).astype(np.int16), affine, scan)
    labels = LabelMap(Volume(ids, affine), "verse", False, "The labels were given with names: T12, L1, L2.")
    return image, labels


def _inside(level: str, p: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    x, y, z = p[..., 0], p[..., 1], p[..., 2] + HEIGHT_MM / 2.0
    top = top_height(level, np.clip(y, -DEPTH_MM / 2, DEPTH_MM / 2))
    block = (np.abs(x) < WIDTH_MM / 2) & (np.abs(y) < DEPTH_MM / 2) & (z > 0) & (z < top)
    core = (np.abs(x) < WIDTH_MM / 2 - 1.5) & (np.abs(y) < DEPTH_MM / 2 - 1.5) & (z > 1.5) & (z < top - 1.5)
    whole = block.copy()
    for sign in (-1.0, 1.0):
        axis = pedicle_axis(sign)
        start = p - np.array([sign * PEDICLE_X_MM, BODY_BACK_MM - 6.0, PEDICLE_Z_MM])
        along = start @ axis
        off = np.linalg.norm(start - along[..., None] * axis, axis=-1)
        whole |= (off < PEDICLE_D_MM / 2) & (along > -16.0) & (along < 8.0)
    arch = (np.abs(x) < 20.0) & (y < -33.0) & (y > -39.0) & (np.abs(p[..., 2]) < 12.0)
    process = (np.abs(x) < 3.0) & (y < -36.0) & (y > -58.0) & (np.abs(p[..., 2] + 4.0) < 8.0)
    return whole | arch | process, core


def pedicle_axis(sign: float) -> np.ndarray:
    """Forward axis of the pedicle on the patient's right (+1) or left (−1): it converges."""
    turn = math.radians(CONVERGENCE_DEG)
    return np.array([-sign * math.sin(turn), math.cos(turn), 0.0])


def vec(point: np.ndarray) -> tuple[float, float, float]:
    return float(point[0]), float(point[1]), float(point[2])


def toy_vertebra(i: int) -> Vertebra:
    level, label_id = LEVELS[i]
    centre = body_centre(i)
    foot = centre - np.array([0, 0, HEIGHT_MM / 2])

    def line(y: float) -> HeightLine:
        base = foot + np.array([0.0, y, 0.0])
        return HeightLine(
            inferior_ras_mm=vec(base),
            superior_ras_mm=vec(base + np.array([0, 0, float(top_height(level, y))])),
        )

    ys = {"anterior": 10.0, "middle": 0.0, "posterior": -10.0}
    heights = {part: float(top_height(level, y)) for part, y in ys.items()}
    slope = math.atan2(ANTERIOR_LOSS * HEIGHT_MM, DEPTH_MM) if level == FRACTURED else 0.0
    top = foot + np.array([0, 0, float(top_height(level, 0.0))])
    flagged = level == FRACTURED
    losses = {part: 1.0 - height / HEIGHT_MM for part, height in heights.items()}
    pedicles = {}
    for side, sign in (("right", 1.0), ("left", -1.0)):
        isthmus = centre + np.array([sign * PEDICLE_X_MM, BODY_BACK_MM - 6.0, PEDICLE_Z_MM])
        pedicles[side] = Pedicle(
            inscribed_diameter_mm=PEDICLE_D_MM,
            width_mm=PEDICLE_D_MM,
            height_mm=PEDICLE_D_MM,
            transverse_deg=CONVERGENCE_DEG,
            sagittal_deg=0.0,
            isthmus_ras_mm=vec(isthmus),
            axis_ras=vec(pedicle_axis(sign)),
            uncertainty_mm=0.4,
        )
    return Vertebra(
        level=level,
        label_id=label_id,
        complete=True,
        frame=Frame(
            origin_ras_mm=vec(centre),
            right_ras=(1, 0, 0),
            anterior_ras=(0, 1, 0),
            superior_ras=(0, 0, 1),
            borrowed=False,
        ),
        heights_mm=HeightTriple(**heights),
        heights_uncertainty_mm=HeightTriple(anterior=0.3, middle=0.3, posterior=0.3),
        height_lines=HeightLines(**{part: line(y) for part, y in ys.items()}),
        expected_heights_mm=HeightTriple(anterior=HEIGHT_MM, middle=HEIGHT_MM, posterior=HEIGHT_MM),
        expected_uncertainty_mm=HeightTriple(anterior=1.2, middle=1.1, posterior=1.0),
        height_losses=HeightTriple(**losses),
        height_loss=max(0.0, *losses.values()),
        within_vertebra_loss=1.0 - min(heights.values()) / max(heights.values()),
        wedge_angle_deg=math.degrees(slope),
        local_kyphosis_deg=9.5 if flagged else None,
        body_volume_ml=32.0,
        body_depth_mm=DEPTH_MM,
        body_width_mm=WIDTH_MM,
        endplates=Endplates(
            superior=Endplate(
                centre_ras_mm=vec(top),
                normal_ras=(0, math.sin(slope), math.cos(slope)),
                rmse_mm=0.4,
                trust="trusted",
            ),
            inferior=Endplate(centre_ras_mm=vec(foot), normal_ras=(0, 0, 1), rmse_mm=0.3, trust="trusted"),
        ),
        fracture=Fracture(
            flagged=flagged,
            genant_grade=2 if flagged else 0,
            shape="wedge" if flagged else None,
            reasons=(
                Finding(
                    code="toy-reason",
                    severity="info",
                    level=level,
                    text=f"{level}: loss {100 * max(losses.values()):.0f} % <of expectation>.",
                    source="genant1993",
                ),
            ),
            loss_threshold=0.2,
            distance_to_threshold=max(losses.values()) - 0.2,
        ),
        pedicles=Pedicles(**pedicles),
        canal=Canal(ap_mm=16.0, width_mm=22.0, area_mm2=280.0, compromise=0.06, source="measured"),
        density=Density(mean_hu=128.0, sd_hu=21.0, voi_ml=4.0, calibration="uncalibrated"),
        retropulsion_mm=1.2 if flagged else None,
    )


def toy_spine() -> Spine:
    warning = Finding(
        code="toy-warning", severity="warning", level=None, text="A toy & its warning.", source="endplate"
    )
    return Spine(
        levels=tuple(toy_vertebra(i) for i in range(3)),
        findings=(warning,),
        label_scheme="verse",
        counted_how="The labels were given with names: T12, L1, L2.",
        reference="genant1993",
    )


def toy_path(side: str, i: int = 1) -> NeedlePath:
    sign = 1.0 if side == "right" else -1.0
    centre, axis = body_centre(i), pedicle_axis(sign)
    isthmus = centre + np.array([sign * PEDICLE_X_MM, BODY_BACK_MM - 6.0, PEDICLE_Z_MM])
    to_wall = (centre[1] + BODY_BACK_MM - isthmus[1]) / axis[1]
    return NeedlePath(
        side="right" if sign > 0 else "left",
        approach="transpedicular",
        gauge="11G",
        outer_diameter_mm=3.05,
        skin_ras_mm=vec(isthmus - 52.0 * axis),
        entry_ras_mm=vec(isthmus - 16.0 * axis),
        isthmus_ras_mm=vec(isthmus),
        posterior_wall_ras_mm=vec(isthmus + to_wall * axis),
        tip_ras_mm=vec(isthmus + 26.0 * axis),
        margins_mm=Margins(medial=2.9, lateral=3.0, superior=2.9, inferior=2.8),
        margins_derated_mm=Margins(medial=2.1, lateral=2.2, superior=2.1, inferior=2.0),
        clearance_mm=2.8,
        uncertainty_mm=0.8,
        convergence_deg=CONVERGENCE_DEG,
        craniocaudal_deg=0.0,
        depths_mm=Depths(skin_to_bone=36.0, bone_to_posterior_wall=22.1, bone_to_tip=42.0),
        carm=CArm(
            patient_position="prone", primary_deg=12.0, secondary_deg=0.0, console_text="RAO 12°, CRAN 0°"
        ),
    )


def toy_plan() -> Plan:
    level = LevelPlan(
        level=FRACTURED,
        technique="vertebroplasty",
        access="bipedicular",
        fracture_seen=True,
        paths=(toy_path("right"), toy_path("left")),
    )
    return Plan(plans=(level,))
