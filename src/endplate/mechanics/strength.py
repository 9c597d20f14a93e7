"""Stiffness and strength of a vertebra with their interval and what they mean: the arrow to the document."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from endplate.anatomy.model import Spine, Vertebra
from endplate.errors import ConvergenceError
from endplate.imaging.calibration import Calibration
from endplate.imaging.volume import LabelMap, Volume
from endplate.mechanics.interval import interval_of
from endplate.mechanics.laws import density_law
from endplate.mechanics.loads import daily_loads, reference_load
from endplate.mechanics.pressing import Pressed, StrengthOptions, plastic_thirds, press
from endplate.mechanics.specimen import Specimen
from endplate.mechanics.strength_model import (
    BrokenBone,
    CurvePoint,
    Failure,
    LoadFactor,
    StrengthDocument,
)
from endplate.mechanics.tissue import DamageBand, bone_elasticity
from endplate.mechanics.vertebra_model import vertebra_specimen
from endplate.sources import Finding, finding, value
from endplate.units import MM3_PER_ML

Progress = Callable[[str, float], None]


@dataclass(frozen=True, eq=False)
class StrengthResult:
    """The document, and the fields behind it for drawing and for later stages."""

    document: StrengthDocument
    pressed: Pressed
    broken: Pressed | None = None


def vertebra_strength(
    image: Volume,
    labels: LabelMap,
    spine: Spine,
    level: str,
    calibration: Calibration,
    options: StrengthOptions | None = None,
    *,
    progress: Progress | None = None,
) -> StrengthDocument:
    """Stiffness and strength of one vertebra of a scan.

    Raises
    ------
    UsageError
        The level is not there.
    ConvergenceError
        A solver did not converge; the document with what is known is attached.
    """
    return press_vertebra(image, labels, spine, level, calibration, options, progress=progress).document


def press_vertebra(
    image: Volume,
    labels: LabelMap,
    spine: Spine,
    level: str,
    calibration: Calibration,
    options: StrengthOptions | None = None,
    *,
    progress: Progress | None = None,
) -> StrengthResult:
    """As :func:`vertebra_strength`, with the fields."""
    chosen = options or StrengthOptions()
    made = vertebra_specimen(image, labels, spine, level, calibration, chosen)
    coarse = None
    if chosen.preview_voxel_mm is not None and not chosen.linear_only:
        coarse = vertebra_specimen(
            image, labels, spine, level, calibration, chosen, voxel_mm=chosen.preview_voxel_mm
        )
    vertebra = spine.find(level)
    return strength_of(
        made,
        chosen,
        level=level,
        calibration=calibration,
        vertebra=vertebra,
        preview=coarse,
        progress=progress,
    )


def strength_of(
    made: Specimen,
    options: StrengthOptions,
    *,
    level: str | None = None,
    calibration: Calibration | None = None,
    vertebra: Vertebra | None = None,
    preview: Specimen | None = None,
    progress: Progress | None = None,
) -> StrengthResult:
    """Press a specimen and say what the numbers mean.

    Parameters
    ----------
    made, options:
        The specimen, and how it is pressed.
    level, calibration, vertebra:
        What is known of it: its name, how its density came about, its measurements.
    preview:
        The same bone on coarser voxels: the ramp is made on these.
    progress:
        Told what is done and the fraction.

    Raises
    ------
    ConvergenceError
        A solver did not converge. Where the linear answer stands, the error carries its document.
    """
    tell = progress or (lambda _what, _part: None)
    damage = _damage(options, vertebra)
    share = 0.5 if damage is not None else 1.0
    linear = press(made, options, linear_only=True)
    tell("elastic", 0.1 * share)
    parts = _Parts(made, options, level, calibration)
    if options.linear_only:
        broken = None if damage is None else _pressed_broken(linear, options, damage, linear_only=True)
        return StrengthResult(parts.document(linear, linear, damage, broken), linear, broken)
    ramped = preview or made
    try:
        pressed = press(ramped, options, progress=lambda part: tell("to failure", share * (0.1 + 0.9 * part)))
        broken = None if damage is None else _pressed_broken(pressed, options, damage, linear_only=False)
    except ConvergenceError as error:
        error.document = parts.document(linear, linear, None, None).model_dump(mode="json", by_alias=True)
        raise
    tell("to failure", 1.0)
    return StrengthResult(parts.document(linear, pressed, damage, broken), pressed, broken)


def _damage(options: StrengthOptions, vertebra: Vertebra | None) -> DamageBand | None:
    """The band of broken bone to set beside, if any."""
    if options.damage == "auto":
        flagged = vertebra is not None and vertebra.fracture.flagged
        return DamageBand.usual() if flagged else None
    return options.damage


def _pressed_broken(
    pressed: Pressed, options: StrengthOptions, damage: DamageBand, *, linear_only: bool
) -> Pressed:
    made = pressed.specimen
    tissue = made.broken(density_law(options.law), damage)
    return press(made, options, tissue, linear_only=linear_only)


@dataclass(frozen=True, eq=False)
class _Parts:
    """What the document says besides the results."""

    made: Specimen
    options: StrengthOptions
    level: str | None
    calibration: Calibration | None

    def document(
        self, linear: Pressed, pressed: Pressed, damage: DamageBand | None, broken: Pressed | None
    ) -> StrengthDocument:
        """All of it."""
        made, options = self.made, self.options
        law = density_law(options.law)
        density = float(made.density_mgcc[made.bone].mean())
        strength = pressed.strength_n
        counted = strength if strength is not None else linear.strength_linear_n
        loads = daily_loads(self.level)
        return StrengthDocument(
            level=self.level,
            stiffness_n_per_mm=linear.stiffness_n_per_mm,
            strength_linear_n=linear.strength_linear_n,
            strength_n=strength,
            elements=linear.elements,
            iterations=linear.linear.iterations,
            relative_residual=linear.linear.solution.relative_residual,
            loading=self._loading(),
            law=law.text,
            law_name=law.name,
            yielding=options.yielding.text,
            elasticity=bone_elasticity(transverse=options.transverse).name,
            height_mm=linear.height_mm,
            voxel_mm=made.spacing_mm,
            bone_volume_ml=float(made.bone.sum() * np.prod(made.spacing_mm) / MM3_PER_ML),
            mean_density_mgcc=density,
            calibration=None if self.calibration is None else self.calibration.kind,
            curve=_curve(pressed),
            failure=_failure(pressed),
            interval=interval_of(
                law,
                max(density, 1.0),
                self._half_width(density),
                linear.stiffness_n_per_mm,
                linear.strength_linear_n,
                strength,
            ),
            factor=counted / reference_load(self.level).force_n,
            factors=tuple(
                LoadFactor(
                    name=load.name,
                    load_n=load.force_n,
                    factor=counted / load.force_n,
                    recalled=load.recalled,
                    source=load.source,
                )
                for load in loads
            ),
            broken=_broken(damage, broken),
            findings=self._findings(law.range_gcc, density, linear, pressed, damage),
        )

    def _loading(self) -> str:
        options = self.options
        ends = "ends clamped sideways" if options.hold == "clamped" else "ends free sideways"
        plate = "upper plate turns freely" if options.tilting else "plates level"
        part = "" if self.level is None else ("whole vertebra, " if options.whole else "vertebral body, ")
        return f"{part}axial shortening, {ends}, {plate}, {options.caps.text}"

    def _half_width(self, density: float) -> float:
        """Half width of the density's interval as a fraction."""
        if self.calibration is None or density <= 0.0:
            return float(value("calibration.line_relative_interval"))
        return min(1.0, float(self.calibration.interval_mgcc(density)) / density)

    def _findings(
        self,
        range_gcc: tuple[float, float],
        density: float,
        linear: Pressed,
        pressed: Pressed,
        damage: DamageBand | None,
    ) -> tuple[Finding, ...]:
        found = list(self.made.findings)
        low, high = (1000.0 * one for one in range_gcc)
        law = density_law(self.options.law)
        wanted = 1000.0 * float(law.density_on_basis_gcc(np.array([density]))[0])
        if not low <= wanted <= high:
            found.append(finding("mechanics-outside-law", density=wanted, law=law.name, low=low, high=high))
        if pressed.still_rising and pressed.ramp is not None:
            strain = 100.0 * pressed.ramp.shortening_mm[-1] / pressed.height_mm
            found.append(finding("mechanics-still-rising", strain=strain))
        if damage is not None:
            found.append(
                finding(
                    "mechanics-fractured",
                    band=damage.thickness_mm,
                    endplate=damage.endplate,
                    modulus=100.0 * damage.modulus_factor,
                    strength=100.0 * damage.strength_factor,
                )
            )
        if pressed.ramp is not None and pressed.specimen.spacing_mm != linear.specimen.spacing_mm:
            ratio = 100.0 * (pressed.stiffness_n_per_mm / linear.stiffness_n_per_mm - 1.0)
            found.append(
                finding(
                    "mechanics-quick",
                    voxel=pressed.specimen.spacing_mm[0],
                    change=f"its stiffness differs by {ratio:+.0f} %",
                )
            )
        found.append(finding("mechanics-not-thresholds"))
        return tuple(
            dict.fromkeys(
                one if self.level is None else one.model_copy(update={"level": self.level}) for one in found
            )
        )


def _curve(pressed: Pressed) -> tuple[CurvePoint, ...]:
    ramp = pressed.ramp
    if ramp is None:
        return ()
    rows = zip(ramp.shortening_mm, ramp.force_n, ramp.yielded_share, strict=True)
    return tuple(
        CurvePoint(
            shortening_mm=float(way),
            strain=float(way) / pressed.height_mm,
            force_n=float(force),
            yielded_fraction=float(share),
        )
        for way, force, share in rows
    )


def _failure(pressed: Pressed) -> Failure | None:
    ramp = pressed.ramp
    if ramp is None:
        return None
    at = int(ramp.force_n.argmax())
    upper, middle, lower = plastic_thirds(pressed)
    return Failure(
        shortening_mm=float(ramp.shortening_mm[at]),
        strain=float(ramp.shortening_mm[at]) / pressed.height_mm,
        offset_yield_n=pressed.offset_yield_n,
        still_rising=pressed.still_rising,
        yielded_fraction=float(ramp.yielded_share[at]),
        upper_third=upper,
        middle_third=middle,
        lower_third=lower,
    )


def _broken(damage: DamageBand | None, broken: Pressed | None) -> BrokenBone | None:
    if damage is None or broken is None:
        return None
    return BrokenBone(
        endplate=damage.endplate,
        band_mm=damage.thickness_mm,
        modulus_factor=damage.modulus_factor,
        strength_factor=damage.strength_factor,
        stiffness_n_per_mm=broken.stiffness_n_per_mm,
        strength_n=broken.strength_n,
    )
