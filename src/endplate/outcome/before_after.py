"""How stiff and strong a level is before and after cement: the same bone pressed the same way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from endplate.anatomy.model import Spine
from endplate.cement.cavity import Opening
from endplate.errors import ConvergenceError, QualityGateError, UsageError
from endplate.imaging.calibration import Calibration
from endplate.imaging.geometry import FloatArray
from endplate.imaging.volume import LabelMap, Volume
from endplate.mechanics.laws import density_law
from endplate.mechanics.levels import CaseStrength
from endplate.mechanics.orient import Grid, mean_over_voxels
from endplate.mechanics.pressing import Pressed, StrengthOptions, press
from endplate.mechanics.specimen import Specimen
from endplate.mechanics.strength import press_vertebra
from endplate.mechanics.strength_model import StrengthDocument
from endplate.mechanics.tissue import Bond, CementMaterial, DamageBand, Tissue, bone_elasticity
from endplate.mechanics.vertebra_model import vertebra_specimen
from endplate.outcome.intact import IntactExpectation, intact_expectation
from endplate.outcome.model import StrengthOutcome, no_strength
from endplate.sources import Finding, finding
from endplate.units import MM3_PER_ML

SAME_BONE = 1e-6
"""Relative difference of the mean density up to which an earlier result is of the same bone."""


@dataclass(frozen=True, eq=False)
class BeforeAfter:
    """Both, and the fields behind them for pictures.

    Parameters
    ----------
    outcome:
        For the document.
    findings:
        What there is to say of it.
    bonded, derated:
        The bone with cement, pressed; ``None`` where that failed.
    """

    outcome: StrengthOutcome
    findings: tuple[Finding, ...]
    bonded: Pressed | None = None
    derated: Pressed | None = None


@dataclass(frozen=True, eq=False)
class Scan:
    """What every pressing needs: CT in HU, VerSe ids on its grid, the measured spine, HU → density."""

    image: Volume
    labels: LabelMap
    spine: Spine
    calibration: Calibration


def before_and_after(
    scan: Scan,
    level: str,
    cement: Volume,
    *,
    options: StrengthOptions | None = None,
    known: CaseStrength | None = None,
    material: CementMaterial | None = None,
    opening: Opening | None = None,
    progress: Callable[[str, float], None] = lambda _what, _part: None,
) -> BeforeAfter:
    """Press a level without and with its cement.

    Where a fracture was seen, both have the usual band of broken bone; the intact expectation has not.

    Parameters
    ----------
    scan, level:
        The scan and the name of the treated level.
    cement:
        Share of the pores that cement fills, 0–1, on any grid in the same world: a voxel whose pores are full is
        cement with bone in it, and cement replaces bone there.
    options:
        How it is pressed; the quick way by default.
    known:
        Earlier results; those of the same bone and options are taken over.
    material:
        The hardened cement.
    opening:
        What balloons did to the bone: a cavity that cement fills as far as it does, and denser bone round it. The shape
        is that of the scan: a height that was regained does not count.
    progress:
        Told what is done and the share.

    Returns
    -------
    Values that could not be had are ``None``, and a finding says why. A level that cannot be pressed at all gives
    an outcome of unknowns.
    """
    chosen = options or StrengthOptions().quick()
    try:
        made = _specimen(scan, level, chosen, chosen.voxel_mm)
    except (QualityGateError, UsageError) as error:
        return BeforeAfter(no_strength(), (_missing(level, error.what),))
    found: list[Finding] = []
    progress("before", 0.0)
    before = _pressed_before(scan, level, chosen, made, known, found)
    progress("neighbours", 0.25)
    expected = intact_expectation(
        scan.spine, level, before, lambda name: _pressed_whole(scan, name, chosen, known)
    )
    progress("with cement", 0.55)
    damage = _damage(before, chosen)
    ramped = made
    if chosen.preview_voxel_mm is not None and not chosen.linear_only:
        ramped = _specimen(scan, level, chosen, chosen.preview_voxel_mm)
    bench = _Bench(
        opened(made, opening),
        opened(ramped, opening),
        chosen,
        material or CementMaterial.usual(),
        damage,
        cement,
    )
    bonded = _tried(bench, "bonded", level, found)
    progress("with cement, de-rated", 0.8)
    derated = _tried(bench, "derated", level, found)
    progress("strength", 1.0)
    outcome = _outcome(before, expected, bonded, derated, damage, bench.augmented_ml, chosen)
    if bench.augmented_ml == 0.0:
        found.append(finding("outcome-no-cement-in-body", level=level, name=level))
    if damage is not None:
        found.append(finding("outcome-broken-band", level=level, band=damage.thickness_mm))
    found.append(finding("outcome-strength-meaning", level=level))
    return BeforeAfter(
        outcome,
        tuple(dict.fromkeys(found)),
        None if bonded is None else bonded.ramped,
        None if derated is None else derated.ramped,
    )


@dataclass(frozen=True, eq=False)
class _Result:
    """One tissue pressed: elastically on the fine grid, to failure on the grid of the ramp."""

    linear: Pressed
    ramped: Pressed


@dataclass(frozen=True, eq=False)
class _Bench:
    """The bone on both grids, and what is put into it."""

    fine: Specimen
    ramped: Specimen
    options: StrengthOptions
    material: CementMaterial
    damage: DamageBand | None
    cement: Volume

    @property
    def augmented_ml(self) -> float:
        """Bone of the fine model whose pores are full of cement, by their shares."""
        share = np.where(self.fine.bone, saturation_on(self.fine, self.cement), 0.0)
        return float(share.sum() * np.prod(self.fine.spacing_mm) / MM3_PER_ML)

    def press(self, bond: Bond) -> _Result:
        """Press it with cement."""
        linear = press(self.fine, self.options, self._tissue(self.fine, bond), linear_only=True)
        if self.options.linear_only:
            return _Result(linear, linear)
        return _Result(linear, press(self.ramped, self.options, self._tissue(self.ramped, bond)))

    def _tissue(self, made: Specimen, bond: Bond) -> Tissue:
        share = saturation_on(made, self.cement)
        law = density_law(self.options.law)
        return made.treated(law, share, cement=self.material, bond=bond, damage=self.damage)


def saturation_on(made: Specimen, cement: Volume) -> FloatArray:
    """Mean share of the pores that cement fills in each voxel of a specimen, shape (nz, ny, nx); 0 outside its grid."""
    nz, ny, nx = made.bone.shape
    share = mean_over_voxels(cement, Grid(made.affine, (nz, ny, nx), made.spacing_mm[0]))
    return np.clip(share, 0.0, 1.0)


def opened(made: Specimen, opening: Opening | None) -> Specimen:
    """A specimen as balloons left it: no bone in their cavity, and what they pressed away round about it.

    Bone stays marked in the cavity, so that cement counts there; where none comes, it carries nothing.
    """
    if opening is None:
        return made
    nz, ny, nx = made.bone.shape
    grid = Grid(made.affine, (nz, ny, nx), made.spacing_mm[0])
    share = np.clip(mean_over_voxels(Volume(opening.cavity, opening.affine), grid), 0.0, 1.0)
    ratio = mean_over_voxels(Volume(opening.solid_ratio, opening.affine), grid, outside=1.0)
    return replace(
        made, density_mgcc=np.where(made.bone, made.density_mgcc * ratio * (1.0 - share), made.density_mgcc)
    )


def agrees(document: StrengthDocument, made: Specimen, options: StrengthOptions) -> bool:
    """Whether an earlier result is of the same bone pressed the same way, so that it can stand for "before"."""
    density = float(made.density_mgcc[made.bone].mean())
    previewed = any(one.code == "mechanics-quick" for one in document.findings)
    wanted = options.preview_voxel_mm is not None and options.preview_voxel_mm != options.voxel_mm
    return (
        abs(document.mean_density_mgcc - density) <= SAME_BONE * max(abs(density), 1.0)
        and document.law_name == density_law(options.law).name
        and document.yielding == options.yielding.text
        and document.elasticity == bone_elasticity(transverse=options.transverse).name
        and document.voxel_mm == made.spacing_mm
        and document.loading.endswith(options.caps.text)
        and ("clamped" in document.loading) == (options.hold == "clamped")
        and ("turns freely" in document.loading) == options.tilting
        and ("whole vertebra" in document.loading) == options.whole
        and len(document.curve) == (0 if options.linear_only else len(options.strains))
        and previewed == (wanted and not options.linear_only)
    )


def _specimen(scan: Scan, level: str, options: StrengthOptions, voxel_mm: float) -> Specimen:
    return vertebra_specimen(
        scan.image, scan.labels, scan.spine, level, scan.calibration, options, voxel_mm=voxel_mm
    )


def _pressed_before(
    scan: Scan,
    level: str,
    options: StrengthOptions,
    made: Specimen,
    known: CaseStrength | None,
    found: list[Finding],
) -> StrengthDocument | None:
    """The level as it is; an earlier result where it agrees."""
    earlier = None if known is None else known.find(level)
    if earlier is not None and agrees(earlier, made, options):
        return earlier
    try:
        return press_vertebra(scan.image, scan.labels, scan.spine, level, scan.calibration, options).document
    except (ConvergenceError, QualityGateError, UsageError) as error:
        found.append(_missing(level, error.what))
        return None


def _pressed_whole(
    scan: Scan, level: str, options: StrengthOptions, known: CaseStrength | None
) -> StrengthDocument:
    """A neighbour; an earlier result where it agrees."""
    earlier = None if known is None else known.find(level)
    if earlier is not None and agrees(earlier, _specimen(scan, level, options, options.voxel_mm), options):
        return earlier
    whole = replace(options, damage=None)
    return press_vertebra(scan.image, scan.labels, scan.spine, level, scan.calibration, whole).document


def _damage(before: StrengthDocument | None, options: StrengthOptions) -> DamageBand | None:
    """The band of broken bone that "before" was pressed with."""
    if isinstance(options.damage, DamageBand):
        return options.damage
    if before is None or before.broken is None:
        return None
    broken = before.broken
    return DamageBand(broken.endplate, broken.band_mm, broken.modulus_factor, broken.strength_factor)


def _tried(bench: _Bench, bond: Bond, level: str, found: list[Finding]) -> _Result | None:
    try:
        return bench.press(bond)
    except (ConvergenceError, QualityGateError) as error:
        found.append(_missing(level, error.what))
        return None


def _missing(level: str, why: str) -> Finding:
    return finding("outcome-strength-missing", level=level, name=level, why=why)


def _outcome(
    before: StrengthDocument | None,
    expected: IntactExpectation,
    bonded: _Result | None,
    derated: _Result | None,
    damage: DamageBand | None,
    augmented_ml: float,
    options: StrengthOptions,
) -> StrengthOutcome:
    now = None if before is None else before.broken or before
    return StrengthOutcome(
        before_n=None if now is None else now.strength_n,
        after_bonded_n=None if bonded is None else bonded.ramped.strength_n,
        after_derated_n=None if derated is None else derated.ramped.strength_n,
        intact_expectation_n=expected.strength_n,
        stiffness_before_n_per_mm=None if now is None else now.stiffness_n_per_mm,
        stiffness_after_n_per_mm=None if bonded is None else bonded.linear.stiffness_n_per_mm,
        stiffness_after_derated_n_per_mm=None if derated is None else derated.linear.stiffness_n_per_mm,
        intact_stiffness_n_per_mm=expected.stiffness_n_per_mm,
        intact_from=expected.source,
        broken_band_mm=None if damage is None else damage.thickness_mm,
        augmented_ml=augmented_ml,
        quick=options.preview_voxel_mm is not None,
    )
