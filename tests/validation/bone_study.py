"""Leaks of cement from phantom vertebrae over an ensemble of permeabilities, at fixed volumes with all stops off."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from endplate.anatomy.model import Canal, Spine, Vertebra
from endplate.cement.advance import advance
from endplate.cement.bone_model import BoneModel
from endplate.cement.bone_options import BoneOptions
from endplate.cement.defects import Defect
from endplate.cement.medium import vertebra_medium, with_options
from endplate.cement.model import ROUTES, Source, empty
from endplate.cement.rheology import CementLaw
from endplate.imaging.calibration import Calibration
from endplate.imaging.geometry import FloatArray
from endplate.synthetic import FractureSpec, GridSpec, build_phantom, default_spec

MEMBERS = 12
SCALES = (0.03, 1.0)
"""Range of the permeability scale, log-uniform: what the literature leaves open."""
NOISE = 0.5
NEEDLE_SD_MM = 2.0
TRABECULAR_MGCC = 90.0
RATE_ML_MIN = 2.0
BORE_MM = 2.39
TIPS_MM = (9.0, 7.0)
"""Planned tips: so far to each side and in front of the body's middle."""
AGEING_IN_BONE = 1.7
"""Seconds at room temperature that cement ages in bone in one; the same for all, so only ratios matter."""

VEINS = ("basivertebral", "segmental")
CORTEX_AND_DISC = tuple(route for route in ROUTES if route.startswith(("cortical", "disc")))


@dataclass(frozen=True)
class Leaks:
    """Leaks of all members of one case.

    Parameters
    ----------
    by_route_ml:
        Shape (members, routes).
    mass_error:
        The greatest.
    """

    by_route_ml: FloatArray
    mass_error: float

    @property
    def total_ml(self) -> FloatArray:
        """Of each member."""
        total: FloatArray = self.by_route_ml.sum(axis=1)
        return total

    def mean_ml(self, *routes: str) -> float:
        """Mean over the members of what left by some routes."""
        chosen = [ROUTES.index(route) for route in routes]
        return float(self.by_route_ml[:, chosen].sum(axis=1).mean())

    def share(self, *routes: str) -> float:
        """What left by some routes, of all that leaked."""
        return self.mean_ml(*routes) / max(float(self.total_ml.mean()), 1e-12)

    def rate(self, above_ml: float, *routes: str) -> float:
        """Share of the members that leaked more than so much, by any of some routes."""
        chosen = [ROUTES.index(route) for route in routes or ROUTES]
        return float((self.by_route_ml[:, chosen].sum(axis=1) > above_ml).mean())


def vertebra(
    fracture: FractureSpec | None = None, *, voxel_mm: float = 2.0, hole_mm: FloatArray | None = None
) -> BoneModel:
    """L1 of a phantom as a medium; its measurements are the phantom's truth.

    ``hole_mm`` is the place of a hole of 6 mm radius in its shell, in the vertebra's frame.
    """
    spec = default_spec(("L1",), fracture={"L1": fracture} if fracture else {})
    sparse = tuple(replace(one, trabecular_mgcc=TRABECULAR_MGCC) for one in spec.vertebrae)
    made = build_phantom(replace(spec, vertebrae=sparse), GridSpec(spacing=(1.5, 1.5, 1.5)))
    assert made.volume is not None
    truth = made.truth.levels["L1"]
    measured = Vertebra(
        level="L1",
        label_id=truth.label_id,
        complete=True,
        frame=truth.frame,
        canal=Canal(centre_ras_mm=truth.canal.centre_ras_mm),
        cleft_ml=truth.cleft_ml,
    )
    options = BoneOptions(voxel_mm=voxel_mm)
    if hole_mm is not None:
        frame = truth.frame
        axes = np.array([frame.right_ras, frame.anterior_ras, frame.superior_ras])
        x, y, z = (float(mm) for mm in np.asarray(frame.origin_ras_mm) + hole_mm @ axes)
        options = replace(options, defects=(Defect((x, y, z), 6.0, 0.5),))
    line = Calibration.line(0.8, 0.0)
    return vertebra_medium(made.volume, made.labels, Spine(levels=(measured,)), "L1", line, options)


def ensemble() -> Iterator[tuple[float, int, FloatArray]]:
    """Permeability scale, seed of the noise and error of both tips, of each member."""
    rng = np.random.default_rng(20)
    low, high = np.log(SCALES)
    for seed in range(MEMBERS):
        yield float(np.exp(rng.uniform(low, high))), seed, rng.normal(0.0, NEEDLE_SD_MM, (2, 3))


def leaks(
    bone: BoneModel,
    law: CementLaw,
    age_s: float,
    volumes_ml: float | FloatArray,
    *,
    forward_mm: float = TIPS_MM[1],
) -> Leaks:
    """Inject through both needles into every member of the ensemble.

    Parameters
    ----------
    bone:
        The vertebra.
    law, age_s:
        The cement, and its equivalent age when injection begins.
    volumes_ml:
        One for all, or one for each member.
    forward_mm:
        Of the planned tips.
    """
    rows, worst = [], 0.0
    each = np.broadcast_to(np.asarray(volumes_ml, dtype=np.float64), (MEMBERS,))
    for (scale, seed, error_mm), volume_ml in zip(ensemble(), each, strict=True):
        options = replace(bone.options, permeability_scale=scale, noise_sigma=NOISE, seed=seed)
        member = with_options(bone, options)
        sources = []
        for side, off in zip((-1.0, 1.0), error_mm, strict=True):
            tip = np.array([side * TIPS_MM[0], forward_mm, 0.0]) + off
            way = np.array([-0.2 * side, 0.98, 0.0])
            axes = bone.grid.axes
            place = axes.to_world(tip), axes.direction_to_world(way / np.linalg.norm(way))
            sources.append(Source(*place, BORE_MM, RATE_ML_MIN, age_s))
        seconds = 60.0 * float(volume_ml) / (2.0 * RATE_ML_MIN)
        fill, _ = advance(
            member.medium,
            empty(member.medium),
            sources,
            law.power_law,
            seconds,
            age_rate=AGEING_IN_BONE,
        )
        rows.append(fill.leaked_ml)
        worst = max(worst, fill.mass_error(member.medium))
    return Leaks(np.asarray(rows), worst)
