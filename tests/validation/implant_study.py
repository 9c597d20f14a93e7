"""Earlier cement and metal on phantoms: masks against exact ones, and what clean scans are taken for."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from endplate.anatomy.implant_findings import with_implants
from endplate.anatomy.implants import Material, find_implants
from endplate.anatomy.model import Vertebra
from endplate.imaging.levels import VERSE_IDS
from endplate.synthetic import GridSpec, Phantom, build_phantom, default_spec, random_spec
from endplate.synthetic.implant import implant_truth
from endplate.synthetic.implant_spec import CementSpec, ImplantSpec, MetalImagingSpec, ScrewSpec

LEVELS = ("L1", "L2")
SPACINGS = ((0.7, 0.7, 0.7), (1.0, 1.0, 1.0), (1.5, 1.5, 1.5))
CEMENTS = (900.0, 1400.0, 2000.0, 2500.0)
METALS = (("titanium", 3071), ("titanium", 30710), ("steel", 3071), ("steel", 30710))
CLEAN = ("plain", "enhanced", "sclerosis", "bone island", "bowel and kidney contrast")


@dataclass(frozen=True)
class Case:
    """One phantom: ``what`` is ``cement``, ``metal`` or one of ``CLEAN``."""

    what: str
    spacing: tuple[float, float, float]
    hu: float = 0.0
    metal: str = "titanium"
    ceiling: int = 3071
    seed: int = 0


@dataclass(frozen=True)
class Outcome:
    """Dice of the mask (metal: inside bone, and with heads and rods), volumes, and what was said of the levels."""

    dice: float = 1.0
    dice_all: float = 1.0
    said: tuple[bool | None, ...] = ()
    screws: tuple[int, ...] = ()


def grid(case: Case) -> GridSpec:
    """The scanner of a case: its point spread differs between cases as scanners do."""
    blur = 0.8 + 0.1 * (case.seed % 4)
    return GridSpec(case.spacing, margin_mm=(8.0, 12.0, 4.0), noise_hu=12.0, psf_fwhm_mm=blur)


def run(case: Case) -> Outcome:
    """Build one phantom, find its implants and compare."""
    if case.what == "cement":
        return _treated(_cement(case), "cement")
    if case.what == "metal":
        return _treated(_metal(case), "metal")
    made = _clean(case)
    found = find_implants(made.labels, made.volume)
    return Outcome(said=tuple(_said(made, found)))


def _cement(case: Case) -> Phantom:
    form, leak = (("blobs", "canal"), ("bridging", "disc_superior"), ("cloud", "vein"))[case.seed % 3]
    treated = ImplantSpec(cement=CementSpec(form, 3.5, case.hu, (leak,)))
    spec = replace(default_spec(LEVELS), seed=case.seed)
    return build_phantom(spec.with_vertebra("L2", implants=treated), grid(case))


def _metal(case: Case) -> Phantom:
    screws = ImplantSpec(screws=ScrewSpec(5.5 + 0.5 * (case.seed % 3), 45.0, case.metal))
    imaging = MetalImagingSpec(ceiling_hu=case.ceiling)
    spec = replace(default_spec(LEVELS), seed=case.seed, metal_imaging=imaging)
    for level in LEVELS:
        spec = spec.with_vertebra(level, implants=screws)
    return build_phantom(spec, grid(case))


def _treated(made: Phantom, what: str) -> Outcome:
    truth = implant_truth(made)
    found = find_implants(made.labels, made.volume)
    if what == "cement":
        # A mass that may be bone is masked all the same, under its own name.
        mine, exact = found.mask(Material.CEMENT, Material.UNSURE), truth.material == 1
    else:
        mine, exact = found.mask(Material.METAL), truth.material == 2
    bone = made.labels.data > 0
    return Outcome(
        _dice(mine, exact) if what == "cement" else _dice(mine & bone, exact & bone),
        _dice(mine, exact),
        tuple(_said(made, found)),
        tuple(found.levels[level].screws for level in LEVELS),
    )


def _dice(a: np.ndarray, b: np.ndarray) -> float:
    return 2.0 * float((a & b).sum()) / max(float(a.sum() + b.sum()), 1.0)


def _said(made: Phantom, found) -> list[bool | None]:
    return [
        with_implants(Vertebra(level=level, label_id=VERSE_IDS[level], complete=True), found).treated_before
        for level in made.spec.levels
    ]


def _clean(case: Case) -> Phantom:
    """A phantom without implants but with something dense."""
    rng = np.random.default_rng([11, case.seed])
    spec = random_spec(1000 + case.seed, LEVELS)
    if case.what == "enhanced":
        spec = replace(spec, soft_tissue=replace(spec.soft_tissue, blood_hu=float(rng.uniform(150.0, 400.0))))
    made = build_phantom(spec, grid(case))
    truth = made.truth.levels["L2"]
    centre = np.array(truth.frame.origin_ras_mm)
    data = made.volume.data.astype(np.float32)
    points = made.volume.to_world(np.stack(np.indices(data.shape), axis=-1))

    def ball(where: np.ndarray, radius: float, hu: float) -> None:
        share = np.clip(0.5 - (np.linalg.norm(points - where, axis=-1) - radius) / 1.0, 0.0, 1.0)
        data[:] += share * (hu - data)

    if case.what == "sclerosis":
        ball(
            centre + rng.uniform(-4.0, 4.0, 3),
            float(rng.uniform(3.0, 10.0)),
            float(rng.uniform(400.0, 1000.0)),
        )
    elif case.what == "bone island":
        ball(
            centre + rng.uniform(-6.0, 6.0, 3),
            float(rng.uniform(2.0, 5.0)),
            float(rng.uniform(900.0, 1600.0)),
        )
    elif case.what == "bowel and kidney contrast":
        front = 0.5 * truth.body_depth_mm + 12.0
        ball(centre + np.array([0.0, front, 0.0]), 8.0, float(rng.uniform(400.0, 2500.0)))
        ball(centre + np.array([0.5 * truth.body_width_mm + 12.0, 0.0, 0.0]), 8.0, 2000.0)
    return replace(made, volume=replace(made.volume, data=np.rint(np.minimum(data, 3071)).astype(np.int16)))
