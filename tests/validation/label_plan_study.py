"""Plans made from clicks against the phantom's exact surfaces: what the labels' stated error must cover."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from path_study import exact_margins_mm

from endplate.anatomy import assess
from endplate.devices.cannulas import cannula
from endplate.errors import EndplateError
from endplate.imaging.calibration import Calibration
from endplate.labelling.model import Seed
from endplate.labelling.spine_labels import Labelling, label_from_points
from endplate.planning.path import Wish
from endplate.planning.rules import load_rules
from endplate.planning.scene import SIDES, level_scene
from endplate.planning.search import search
from endplate.synthetic import GridSpec, Phantom, build_phantom, random_spec

LEVELS = ("T9", "T10", "T11", "T12", "L1", "L2", "L3", "L4", "L5")
"""Levels in the middle of a phantom, drawn in turn."""

GAUGES = ("11G", "13G")
SPACING_MM = (0.6, 0.8, 1.0)
SLICES_MM = (0.8, 1.0, 1.5, 2.5)
SEED_ERROR_MM = 2.0
"""Standard deviation of a click about the body's centre, all three axes together."""


@dataclass(frozen=True)
class PlanClaim:
    """One accepted path on labels from clicks: margins claimed and exact, by direction."""

    level: str
    side: str
    raw_mm: dict[str, float]
    derated_mm: dict[str, float]
    exact_mm: dict[str, float]
    half_voxel_mm: float
    label_error_mm: float


@dataclass(frozen=True)
class PedicleRow:
    """One pedicle measured on labels from clicks and its truth: inscribed diameter, transverse angle."""

    diameter_mm: float
    true_diameter_mm: float
    transverse_deg: float
    true_transverse_deg: float


@dataclass(frozen=True)
class PlanCase:
    """What one phantom showed."""

    seed: int
    level: str
    slice_mm: float
    dice_whole: float
    dice_arch: float
    quality: float
    label_error_mm: float
    claims: tuple[PlanClaim, ...] = ()
    refused: tuple[str, ...] = ()
    pedicles: tuple[PedicleRow, ...] = ()
    not_measured: int = 0


def clicked_phantom(seed: int, spread_mm: float = SEED_ERROR_MM) -> tuple[Phantom, str, tuple[Seed, ...]]:
    """A three-level phantom as a random person on a random CT, the level in its middle, and clicks in its bodies."""
    rng = np.random.default_rng([seed, 5105])
    index = seed % len(LEVELS)
    order = ("T8", *LEVELS)
    names = tuple(order[index : index + 3])
    density = float(rng.uniform(45.0, 160.0))
    spec = random_spec(seed, names, trabecular_mgcc=density)
    fine = float(rng.choice(SPACING_MM))
    grid = GridSpec(
        spacing=(fine, fine, float(rng.choice(SLICES_MM))),
        axes=("R", "A", "S") if rng.random() < 0.7 else ("L", "P", "S"),
        oblique_deg=float(rng.uniform(-15.0, 15.0)),
        oblique_axis=str(rng.choice(["R", "A", "S"])),
        margin_mm=(12.0, 8.0, 12.0),
        psf_fwhm_mm=float(rng.uniform(0.7, 1.2)),
        noise_hu=float(rng.uniform(8.0, 30.0)),
        phase=tuple(map(float, rng.uniform(0.0, 1.0, 3))),
    )
    phantom = build_phantom(spec, grid)
    seeds = tuple(
        Seed(
            name,
            np.array(phantom.truth.levels[name].frame.origin_ras_mm)
            + rng.normal(0.0, spread_mm / np.sqrt(3.0), 3),
        )
        for name in names
    )
    return phantom, names[len(names) // 2], seeds


def dice(a: np.ndarray, b: np.ndarray) -> float:
    """Overlap of two masks."""
    return float(2.0 * np.count_nonzero(a & b) / max(np.count_nonzero(a) + np.count_nonzero(b), 1))


def plan_study(seed: int) -> PlanCase:
    """Label, measure and plan the middle level of one phantom from clicks."""
    phantom, level, seeds = clicked_phantom(seed)
    assert phantom.volume is not None
    try:
        labelling = label_from_points(phantom.volume, seeds)
    except EndplateError as error:
        nothing = float("nan")
        slices = float(phantom.grid.spacing[2])
        return PlanCase(
            seed, level, slices, nothing, nothing, 0.0, nothing, refused=(error.code,), not_measured=2
        )
    return measured_case(seed, phantom, level, labelling)


def measured_case(seed: int, phantom: Phantom, level: str, labelling: Labelling) -> PlanCase:
    """Hold the labels of one level, and the paths planned on them, against the truth."""
    assert phantom.volume is not None
    number = phantom.spec.vertebra(level).label_id
    found, true = labelling.labels.data == number, phantom.labels.data == number
    judged = labelling.level(level)
    arch, true_arch = found & (labelling.subregions.data == 41), true & (phantom.subregions.data == 41)
    case = PlanCase(
        seed,
        level,
        float(phantom.grid.spacing[2]),
        dice(found, true),
        dice(arch, true_arch),
        judged.quality,
        judged.label_error_mm,
    )
    spine = assess(labelling.labels, phantom.volume, Calibration.uncalibrated())
    vertebra = spine.find(level)
    if vertebra is None or vertebra.frame is None or not vertebra.complete:
        return replace(case, not_measured=2)
    rules = load_rules()
    rules = rules.model_copy(
        update={"search": rules.search.model_copy(update={"label_error_mm": judged.label_error_mm})}
    )
    scene = level_scene(labelling.labels, phantom.volume, None, None, spine, vertebra)
    claims, refused, pedicles, missing = [], [], [], 0
    for side in SIDES:
        truth = phantom.truth.levels[level].pedicles[side]
        own = getattr(vertebra.pedicles, side)
        if own is None or own.inscribed_diameter_mm is None:
            missing += 1
        else:
            pedicles.append(
                PedicleRow(
                    own.inscribed_diameter_mm,
                    truth.inscribed_diameter_mm,
                    own.transverse_deg,
                    truth.transverse_deg,
                )
            )
        for gauge in GAUGES:
            result = search(scene, Wish(side, "transpedicular", cannula(gauge)), rules)
            if result.best is not None:
                best = result.best
                claims.append(
                    PlanClaim(
                        level,
                        side,
                        best.margins_mm.model_dump(),
                        best.margins_derated_mm.model_dump(),
                        exact_margins_mm(phantom, scene, best),
                        0.5 * float(np.linalg.norm(scene.voxel, axis=0).max()),
                        judged.label_error_mm,
                    )
                )
                break
            refused.append(str(result.refusal))
    return replace(
        case,
        claims=tuple(claims),
        refused=tuple(refused),
        pedicles=tuple(pedicles),
        not_measured=missing,
    )
