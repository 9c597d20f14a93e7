"""The truth of a solved spine, measured on its analytic surfaces."""

from __future__ import annotations

import math
from typing import cast

import numpy as np
from numpy.typing import NDArray

from endplate.anatomy.model import Frame, HeightTriple, Side, Vec3
from endplate.imaging.geometry import FloatArray
from endplate.synthetic import rows as r
from endplate.synthetic import sampling
from endplate.synthetic.anatomy import SolvedSpine
from endplate.synthetic.body_measure import (
    PLACES,
    BodyMeasures,
    PlaneFit,
    posterior_rim_mm,
    posterior_wall_mm,
    volume_and_centroid,
)
from endplate.synthetic.density import hu_of_density, mean_core_density
from endplate.synthetic.lesion import arch_break_truths, lesion_truths
from endplate.synthetic.pedicle import SIDES
from endplate.synthetic.truth import (
    CanalTruth,
    DensityTruth,
    EndplateTruth,
    FractureTruth,
    LevelTruth,
    PedicleTruth,
)


def vec3(v: FloatArray) -> Vec3:
    """A point or direction as plain numbers."""
    return (float(v[0]), float(v[1]), float(v[2]))


def triple(values: FloatArray) -> HeightTriple:
    """Anterior, middle and posterior value as a document."""
    return HeightTriple(**{place: float(v) for place, v in zip(PLACES, values, strict=True)})


def measure_level(spine: SolvedSpine, i: int) -> LevelTruth:
    """The truth of level i of a solved spine."""
    spec = spine.spec.vertebrae[i]
    model = spine.models[i]
    measures = model.measures
    place = spine.placement
    volume, centroid = volume_and_centroid(model.row)
    axes = [place.direction(i, axis) for axis in measures.axes]
    frame = Frame(
        origin_ras_mm=vec3(place.to_world(i, centroid)),
        right_ras=vec3(axes[0]),
        anterior_ras=vec3(axes[1]),
        superior_ras=vec3(axes[2]),
        borrowed=False,
    )
    fracture = None
    if spec.fracture is not None:
        whole = model.row.copy()
        whole[r.B_RETROPULSION] = 0.0
        whole[r.T_SUP : r.ROW_SIZE] = 0.0
        fracture = FractureTruth(
            shape=spec.fracture.shape,
            intact_heights_mm=triple(model.intact.heights),
            losses=triple(1.0 - measures.heights / model.intact.heights),
            intact_volume_ml=volume_and_centroid(whole)[0],
            endplate=spec.fracture.endplate,
            retropulsion_mm=spec.fracture.retropulsion_mm,
            impacted=spec.fracture.impacted,
        )
    core = mean_core_density(spec, model)
    return LevelTruth(
        level=spec.level,
        label_id=spec.label_id,
        frame=frame,
        heights_mm=triple(measures.heights),
        superior=_endplate(spine, i, measures.superior),
        inferior=_endplate(spine, i, measures.inferior),
        wedge_angle_deg=_sagittal_deg(measures.superior.normal, measures.axes)
        - _sagittal_deg(measures.inferior.normal, measures.axes),
        local_kyphosis_deg=_kyphosis(spine, i, np.array(axes)),
        pedicles={cast(Side, side): _pedicle(spine, i, side) for side in SIDES},
        canal=_canal(spine, i),
        body_volume_ml=volume,
        body_depth_mm=measures.depth_mm,
        body_width_mm=measures.width_mm,
        density=DensityTruth(
            trabecular_mgcc=spec.trabecular_mgcc,
            trabecular_hu=hu_of_density(spec.trabecular_mgcc, spine.spec.scanner),
            body_mean_mgcc=core,
            body_mean_hu=hu_of_density(core, spine.spec.scanner),
            cortex_mm=spec.cortex_mm,
        ),
        fracture=fracture,
        retropulsion_mm=_retropulsion(spine, i, measures),
        cleft_ml=spec.fracture.cleft_ml if spec.fracture else 0.0,
        vacuum_disc_below_ml=spine.spec.discs[i].vacuum_ml,
        lesions=lesion_truths(spine, i),
        arch_breaks=arch_break_truths(spine, i),
        border_bulge_mm=float(model.row[r.B_RETROPULSION]),
    )


def _endplate(spine: SolvedSpine, i: int, plane: PlaneFit) -> EndplateTruth:
    return EndplateTruth(
        centre_ras_mm=vec3(spine.placement.to_world(i, plane.centre)),
        normal_ras=vec3(spine.placement.direction(i, plane.normal)),
        rmse_mm=plane.rmse_mm,
    )


def _sagittal_deg(normal: FloatArray, axes: FloatArray) -> float:
    """Forward lean of a normal in the sagittal plane of the frame with these axes as rows."""
    return math.degrees(math.atan2(float(normal @ axes[1]), float(normal @ axes[2])))


def _kyphosis(spine: SolvedSpine, i: int, axes: FloatArray) -> float | None:
    if not 0 < i < len(spine.models) - 1:
        return None
    above = spine.placement.direction(i - 1, spine.models[i - 1].measures.superior.normal)
    below = spine.placement.direction(i + 1, spine.models[i + 1].measures.inferior.normal)
    return _sagittal_deg(above, axes) - _sagittal_deg(below, axes)


def _pedicle(spine: SolvedSpine, i: int, side: str) -> PedicleTruth:
    packed = spine.pedicles(i)[SIDES.index(side)]
    given = spine.spec.vertebrae[i].pedicle(side)
    place = spine.placement
    return PedicleTruth(
        isthmus_ras_mm=vec3(place.to_world(i, packed[0:3])),
        axis_ras=vec3(place.direction(i, packed[3:6])),
        inscribed_diameter_mm=given.inscribed_diameter_mm,
        width_mm=given.width,
        height_mm=given.height_mm,
        transverse_deg=given.transverse_deg,
        sagittal_deg=given.sagittal_deg,
        section_ras_mm=(vec3(place.direction(i, packed[6:9])), vec3(place.direction(i, packed[9:12]))),
    )


def _canal(spine: SolvedSpine, i: int) -> CanalTruth:
    model = spine.models[i]
    row = model.row
    z = float(spine.pedicles(i)[0, 2])
    half_ap, half_width = float(row[r.C_HALF_AP]), float(row[r.C_HALF_WIDTH])
    y = float(row[r.C_Y]) + np.linspace(-half_ap, half_ap, 121)
    x = np.linspace(-half_width, half_width, 121)
    grid = np.stack(np.meshgrid(x, y, [z], indexing="ij"), axis=-1).reshape(-1, 3)
    body = sampling.body_at(grid, row)
    tube = sampling.canal_at_local(grid, row)
    cell = (x[1] - x[0]) * (y[1] - y[0])
    midline = np.stack([0 * y, y, np.full_like(y, z)], axis=-1)
    blocked = sampling.body_at(midline, row) <= 0
    wall = posterior_wall_mm(row, z)
    front = wall
    if blocked[:-1].any():
        first = int(np.argmax(blocked))
        pair = sampling.body_at(midline[first - 1 : first + 1], row)
        front = min(front, float(y[first - 1] + (y[1] - y[0]) * pair[0] / (pair[0] - pair[1])))
    free = front - float(row[r.C_Y]) + half_ap
    centre = np.array([0.0, front - 0.5 * free, z])
    return CanalTruth(
        ap_mm=free,
        width_mm=2.0 * half_width,
        intact_ap_mm=2.0 * half_ap,
        area_mm2=float(np.count_nonzero((tube <= 0) & (body > 0)) * cell),
        centre_ras_mm=vec3(spine.placement.to_world(i, centre)),
    )


def _posterior_wall(spine: SolvedSpine, i: int) -> FloatArray:
    """Points of the posterior wall of a body in its mid-plane, one every 0.2 mm of height, local coordinates."""
    model = spine.models[i]
    upper, lower = posterior_rim_mm(model.row)
    z = np.arange(lower - 3.0, upper + 3.0, 0.2)
    depth = model.measures.depth_mm
    far, near = np.full_like(z, -0.5 * depth - 14.0), np.full_like(z, -0.3 * depth)

    def inside(y: FloatArray) -> NDArray[np.bool_]:
        points = np.column_stack([np.zeros_like(z), y, z])
        found: NDArray[np.bool_] = sampling.body_at(points, model.row) <= 0
        return found

    real = inside(near)
    for _ in range(20):
        middle = 0.5 * (far + near)
        within = inside(middle)
        near, far = np.where(within, middle, near), np.where(within, far, middle)
    return np.column_stack([np.zeros_like(z), near, z])[real]


def _corner(spine: SolvedSpine, i: int, sign: float) -> FloatArray:
    """Posterior corner (sign +1 superior, −1 inferior) of a body in its mid-plane, RAS."""
    wall = _posterior_wall(spine, i)
    _, front, up = spine.models[i].measures.axes
    return spine.placement.to_world(i, wall[np.argmax(wall @ (sign * up - front))])


def _retropulsion(spine: SolvedSpine, i: int, measures: BodyMeasures) -> float | None:
    if not 0 < i < len(spine.models) - 1:
        return None
    place = spine.placement
    ends = place.to_local(i, np.array([_corner(spine, i - 1, -1.0), _corner(spine, i + 1, 1.0)]))
    along, height = ends @ measures.axes[1], ends @ measures.axes[2]
    wall = _posterior_wall(spine, i)
    y, z = wall @ measures.axes[1], wall @ measures.axes[2]
    line = along[1] + (along[0] - along[1]) * (z - height[1]) / (height[0] - height[1])
    return float((line - y).max())
