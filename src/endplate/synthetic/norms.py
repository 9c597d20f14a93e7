"""Phantoms of published normal size, and phantoms drawn from published normal variation."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np

from endplate.sources import constant, value
from endplate.synthetic.spec import (
    PHANTOM_FIELDS,
    VERTEBRA_FIELDS,
    BodyShape,
    DiscSpec,
    FractureSpec,
    PedicleSpec,
    PhantomSpec,
    VertebraSpec,
    refuse,
)

DEFAULT_LEVELS = ("T11", "T12", "L1", "L2", "L3")
"""Levels of the default phantom."""

BAND_SHARE = 0.67
"""AP distance between the middles of the anterior and posterior height windows, of the body depth."""
CORNER_SHARE = 0.9
"""AP distance between the anterior and posterior points of six-point morphometry, of the body depth: published ratios
are taken at the corners, and deviate by so much more than ratios of the windows."""


def default_spec(levels: tuple[str, ...] = DEFAULT_LEVELS, *, seed: int = 0, **overrides: Any) -> PhantomSpec:
    """A phantom of published normal sizes.

    Parameters
    ----------
    levels:
        Consecutive levels from the head down, T1–L5.
    seed:
        Seed of texture and noise.
    overrides:
        Any field of :class:`PhantomSpec` (the whole phantom) or of :class:`VertebraSpec` (every vertebra). A
        mapping of level to value changes only those levels: ``fracture={"L1": FractureSpec("wedge", 0.4)}``.

    Raises
    ------
    UsageError
        Unknown level or override, or sizes that no phantom can have.
    """
    vertebrae = tuple(_normal_vertebra(level) for level in levels)
    discs = tuple(
        DiscSpec(_at("synthetic.disc_height_mm", level), _at("synthetic.disc_kyphosis_deg", level))
        for level in levels
    )
    spec = PhantomSpec(levels=tuple(levels), vertebrae=vertebrae, discs=discs, seed=seed)
    return _changed(spec, overrides)


def _changed(spec: PhantomSpec, overrides: dict[str, Any]) -> PhantomSpec:
    for name, given in overrides.items():
        if name in PHANTOM_FIELDS:
            spec = replace(spec, **{name: given})
        elif name in VERTEBRA_FIELDS:
            changes = given if isinstance(given, dict) else dict.fromkeys(spec.levels, given)
            for level, one in changes.items():
                spec = spec.with_vertebra(level, **{name: one})
        else:
            raise refuse(f"A phantom has no {name!r}.", "Use a field of PhantomSpec or VertebraSpec.")
    return spec


def _at(key: str, level: str) -> float:
    table = value(key)
    if level not in table:
        raise refuse(f"There are no published sizes of {level!r}.", "Choose from T1–T12 and L1–L5.")
    return float(table[level])


def _wedge_deg(level: str) -> float:
    women, men = value("norms.wedge_angle_deg_women"), value("norms.wedge_angle_deg_men")
    if level in women:
        return 0.5 * (float(women[level]) + float(men[level]))
    return _at("synthetic.wedge_angle_deg_upper", level)


def _shape(level: str) -> BodyShape:
    if level == "L5":
        return BodyShape(exponent=2.5, posterior_concavity=0.012, waist_lateral=0.07, waist_anterior=0.055)
    if level.startswith("L"):
        return BodyShape()
    low = level in ("T11", "T12")
    return BodyShape(
        exponent=2.5,
        posterior_concavity=0.035,
        anterior_narrowing=0.10 if low else 0.22,
        waist_lateral=0.07,
        waist_anterior=0.05,
        waist_posterior=0.03,
    )


def _vertebra(
    level: str,
    posterior: float,
    wedge_mm: float,
    deficit: float,
    width: float,
    depth: float,
    canal: tuple[float, float],
    pedicles: dict[str, PedicleSpec],
    density: float,
) -> VertebraSpec:
    anterior = posterior - wedge_mm
    return VertebraSpec(
        level=level,
        anterior_height_mm=anterior,
        middle_height_mm=(1.0 - deficit) * 0.5 * (anterior + posterior),
        posterior_height_mm=posterior,
        body_width_mm=width,
        body_depth_mm=depth,
        canal_ap_mm=canal[0],
        canal_width_mm=canal[1],
        pedicle_left=pedicles["left"],
        pedicle_right=pedicles["right"],
        trabecular_mgcc=density,
        shape=_shape(level),
    )


def _pedicle(width: float, height: float, transverse: float, sagittal: float) -> PedicleSpec:
    inscribed = min(width, height)
    return PedicleSpec(inscribed, height, transverse, sagittal, width if width > inscribed else None)


def _normal_vertebra(level: str) -> VertebraSpec:
    posterior = _at("norms.profile.posterior", level)
    depth = _at("synthetic.body_depth_mm", level)
    pedicle = _pedicle(
        _at("synthetic.pedicle_width_mm", level),
        _at("synthetic.pedicle_height_mm", level),
        _at("synthetic.pedicle_transverse_deg", level),
        _at("synthetic.pedicle_sagittal_deg", level),
    )
    return _vertebra(
        level,
        posterior,
        BAND_SHARE * depth * math.tan(math.radians(_wedge_deg(level))),
        float(value("synthetic.middle_share_deficit")),
        _at("synthetic.body_width_mm", level),
        depth,
        (_at("synthetic.canal_ap_mm", level), _at("synthetic.canal_width_mm", level)),
        {"left": pedicle, "right": pedicle},
        float(value("synthetic.trabecular_mgcc")),
    )


def random_spec(
    rng_seed: int,
    levels: tuple[str, ...] = DEFAULT_LEVELS,
    *,
    fracture: FractureSpec | None = None,
    fracture_level: str | None = None,
    **overrides: Any,
) -> PhantomSpec:
    """A phantom drawn from published normal variation between people and between one person's levels.

    Drawn: overall size, the shape of the height profile between two published ones, each level's posterior height,
    wedging (shared by the person and by level), middle height, body width and depth, canal, pedicles left and right,
    discs, slight scoliosis, density. The spreads stand in ``synthetic.variation`` and the ``spread`` of the tables;
    recalled ones are marked there.

    Parameters
    ----------
    rng_seed:
        Same seed, same phantom; also the seed of texture and noise.
    fracture, fracture_level:
        A fracture for one level (default: the middle one). It does not change what else is drawn.
    overrides:
        As in :func:`default_spec`, applied last.
    """
    rng = np.random.default_rng([rng_seed, 20240])
    spread = value("synthetic.variation")
    plain = default_spec(levels)
    draw = _Draw(rng, spread)
    vertebrae = tuple(draw.vertebra(v) for v in plain.vertebrae)
    discs = tuple(draw.disc(d) for d in plain.discs)
    tissue = replace(plain.soft_tissue, back_fat_mm=float(np.clip(draw.normal(16.0, 6.0), 6.0, 40.0)))
    spec = replace(plain, vertebrae=vertebrae, discs=discs, soft_tissue=tissue, seed=rng_seed)
    if fracture is not None:
        spec = spec.with_fracture(fracture_level or spec.levels[len(spec.levels) // 2], fracture)
    return _changed(spec, overrides)


class _Draw:
    """One person's random variation; every draw is cut at 2.5 standard deviations."""

    def __init__(self, rng: np.random.Generator, spread: dict[str, float]) -> None:
        self.rng = rng
        self.spread = spread
        self.size = self.factor("size")
        self.mix = float(rng.uniform(0.0, 2.0 * spread["profile_mix"]))
        self.wedge = self.normal(0.0, spread["wedge_ratio_common"] * BAND_SHARE / CORNER_SHARE)
        self.middle = self.normal(0.0, spread["middle_common"])
        self.section = self.factor("body_section")
        self.canal = (1.0 + self.normal(0.0, self._canal_sd()), 1.0 + self.normal(0.0, self._canal_sd()))
        self.pedicle = self.normal(0.0, 0.7)
        self.density = float(np.clip(self.normal(*self._density()), 45.0, 220.0))
        self.scoliosis = self.normal(0.0, 1.2)

    @staticmethod
    def _canal_sd() -> float:
        return float(value("synthetic.canal_sd"))

    @staticmethod
    def _density() -> tuple[float, float]:
        given = constant("synthetic.trabecular_mgcc")
        return float(given.value), float(given.spread)

    def normal(self, mean: float, sd: float) -> float:
        """A normal draw cut at 2.5 standard deviations."""
        return mean + sd * float(np.clip(self.rng.standard_normal(), -2.5, 2.5))

    def factor(self, name: str) -> float:
        """A factor about 1 with a named spread."""
        return 1.0 + self.normal(0.0, self.spread[name])

    def vertebra(self, plain: VertebraSpec) -> VertebraSpec:
        """One vertebra of this person."""
        level = plain.level
        main, other = value("norms.profile.posterior"), value("norms.alternative.posterior")
        blend = (other[level] / other["L2"]) / (main[level] / main["L2"])
        posterior = plain.posterior_height_mm * self.size * blend**self.mix * self.factor("posterior")
        ratio = plain.anterior_height_mm / plain.posterior_height_mm
        ratio += self.wedge + self.normal(0.0, self.spread["wedge_ratio_level"] * BAND_SHARE / CORNER_SHARE)
        deficit = 0.05 - self.middle - self.normal(0.0, self.spread["middle_level"])
        section = self.size * self.section
        canal = (plain.canal_ap_mm * self.canal[0], plain.canal_width_mm * self.canal[1])
        pedicles = self._pedicles(plain, 1.0 * posterior)
        return replace(
            _vertebra(
                level,
                posterior,
                posterior * (1.0 - ratio),
                min(max(deficit, -0.03), 0.16),
                plain.body_width_mm * section * (1.0 + self.normal(0.0, 0.02)),
                plain.body_depth_mm * section * (1.0 + self.normal(0.0, 0.02)),
                (max(canal[0], 11.0), max(canal[1], 14.0)),
                pedicles,
                self.density * self.factor("density_level"),
            ),
            shape=self._shape(plain.shape),
        )

    def _pedicles(self, plain: VertebraSpec, ceiling: float) -> dict[str, PedicleSpec]:
        width_sd = float(constant("synthetic.pedicle_width_mm").spread[plain.level])
        given = plain.pedicle_left
        own = math.sqrt(1.0 - 0.7**2) * self.normal(0.0, 1.0) + self.pedicle
        width = given.width + width_sd * own
        height = self.normal(given.height_mm, float(constant("synthetic.pedicle_height_mm").spread))
        transverse = self.normal(
            given.transverse_deg, float(constant("synthetic.pedicle_transverse_deg").spread)
        )
        sagittal = self.normal(given.sagittal_deg, float(constant("synthetic.pedicle_sagittal_deg").spread))
        sides = {}
        for side in ("left", "right"):
            w = float(np.clip(width * self.factor("left_right"), 3.2, 0.44 * plain.body_width_mm * self.size))
            h = float(np.clip(height * (1.0 + self.normal(0.0, 0.02)), 7.0, 0.92 * ceiling))
            sides[side] = _pedicle(w, h, transverse + self.normal(0.0, 1.5), sagittal + self.normal(0.0, 1.0))
        return sides

    def _shape(self, plain: BodyShape) -> BodyShape:
        return replace(
            plain,
            exponent=float(np.clip(self.normal(plain.exponent, 0.15), 2.2, 3.2)),
            posterior_concavity=plain.posterior_concavity * (1.0 + self.normal(0.0, 0.2)),
            waist_lateral=plain.waist_lateral * (1.0 + self.normal(0.0, 0.2)),
            waist_anterior=plain.waist_anterior * (1.0 + self.normal(0.0, 0.2)),
            superior_share=plain.superior_share + self.normal(0.0, 0.05),
        )

    def disc(self, plain: DiscSpec) -> DiscSpec:
        """One disc of this person."""
        height_sd = float(constant("synthetic.disc_height_mm").spread)
        angle_sd = float(constant("synthetic.disc_kyphosis_deg").spread)
        return DiscSpec(
            height_mm=max(plain.height_mm * self.size * (1.0 + self.normal(0.0, height_sd)), 3.0),
            kyphosis_deg=self.normal(plain.kyphosis_deg, angle_sd),
            coronal_deg=self.scoliosis + self.normal(0.0, 0.8),
            axial_deg=self.normal(0.0, 1.0),
        )
