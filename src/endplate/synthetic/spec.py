"""What a phantom is made of: frozen, validated descriptions of vertebrae, discs and soft tissue.

Everything here is a wish; what was really built, and how it measures, stands in
:mod:`endplate.synthetic.truth`. Lengths mm, angles degrees, densities mg/cm³ (K2HPO4-equivalent).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal, get_args

from endplate.anatomy.model import Shape
from endplate.errors import UsageError
from endplate.imaging.levels import CRANIOCAUDAL, VERSE_IDS, order
from endplate.synthetic.implant_spec import ImplantSpec, MetalImagingSpec
from endplate.synthetic.lesion_spec import ArchBreakSpec, LesionSpec
from endplate.synthetic.scanner_spec import ScannerSpec

FracturedEndplate = Literal["superior", "both"]

MAX_LOSS = 0.6
"""Greatest height loss that the smooth deformation can carry before a column of the body closes."""


def refuse(what: str, do: str) -> UsageError:
    """The error of every phantom description that cannot be built."""
    return UsageError("phantom-spec-invalid", what, do=do)


def _check(name: str, value: float, low: float, high: float) -> None:
    if not (math.isfinite(value) and low <= value <= high):
        raise refuse(
            f"The phantom's {name} is {value:g}, outside {low:g} to {high:g}.",
            f"Choose a {name} between {low:g} and {high:g}.",
        )


@dataclass(frozen=True)
class FractureSpec:
    """A fracture of one vertebral body.

    Parameters
    ----------
    shape:
        ``wedge`` lowers the anterior height, ``biconcave`` the middle one, ``crush`` all three.
    loss:
        0–0.6 of the intact height at the place (or places) that the shape names.
    endplate:
        Which endplates give way.
    retropulsion_mm:
        How far the posterior wall bulges toward the canal at pedicle height.
    cleft_ml:
        Volume of a gas cleft under the superior endplate (0: none).
    impacted:
        The bone of each collapsed column stays in it (a denser zone under the broken endplate). ``False``: the
        density stays as it was, as in an old, resorbed fracture.
    """

    shape: Shape
    loss: float
    endplate: FracturedEndplate = "superior"
    retropulsion_mm: float = 0.0
    cleft_ml: float = 0.0
    impacted: bool = True

    def __post_init__(self) -> None:
        if self.shape not in get_args(Shape):
            raise refuse(f"{self.shape!r} is not a fracture shape.", "Choose wedge, biconcave or crush.")
        if self.endplate not in get_args(FracturedEndplate):
            raise refuse(f"{self.endplate!r} names no endplates.", "Choose superior or both.")
        _check("height loss", self.loss, 0.0, MAX_LOSS)
        _check("retropulsion", self.retropulsion_mm, 0.0, 8.0)
        _check("cleft volume", self.cleft_ml, 0.0, 4.0)


@dataclass(frozen=True)
class PedicleSpec:
    """One pedicle: an hourglass of elliptical section round a straight axis.

    ``inscribed_diameter_mm`` is the smaller axis of the isthmus section; ``width_mm`` defaults to it and need only
    be given where the pedicle is wider than high (L5). ``transverse_deg`` is positive when the axis runs medially
    going forward, ``sagittal_deg`` when it rises going forward; both are the angles of the axis projected on the
    axial and the sagittal plane of the vertebra's own frame.
    """

    inscribed_diameter_mm: float
    height_mm: float
    transverse_deg: float
    sagittal_deg: float = 0.0
    width_mm: float | None = None

    def __post_init__(self) -> None:
        _check("pedicle diameter", self.inscribed_diameter_mm, 2.0, 22.0)
        _check("pedicle height", self.height_mm, 5.0, 24.0)
        _check("transverse pedicle angle", self.transverse_deg, -20.0, 45.0)
        _check("sagittal pedicle angle", self.sagittal_deg, -30.0, 30.0)
        if self.width_mm is not None:
            _check("pedicle width", self.width_mm, 2.0, 30.0)
        if abs(min(self.width, self.height_mm) - self.inscribed_diameter_mm) > 1e-9:
            raise refuse(
                "The pedicle's inscribed diameter is not the smaller of its width and height.",
                "Give a width only where the pedicle is wider than high; the height is then the inscribed diameter.",
            )

    @property
    def width(self) -> float:
        """Width of the isthmus section in mm."""
        return self.inscribed_diameter_mm if self.width_mm is None else self.width_mm


@dataclass(frozen=True)
class BodyShape:
    """Form of the body beyond its sizes; lengths as fractions of the body's depth or width."""

    exponent: float = 2.6
    """Superellipse exponent of the outline (2 is an ellipse)."""
    posterior_concavity: float = 0.045
    """Depth of the hollow of the posterior wall in the midline, of the body depth."""
    anterior_narrowing: float = 0.0
    """How much narrower the front is than the back (heart shape of thoracic bodies)."""
    waist_lateral: float = 0.085
    """How much narrower the middle height is than the endplates, of the body width."""
    waist_anterior: float = 0.068
    """Hollow of the anterior wall, of the body depth."""
    waist_posterior: float = 0.032
    """Hollow of the posterior wall from endplate to endplate, of the body depth."""
    superior_share: float = 0.42
    """Share of the endplate hollows that the superior endplate has."""

    def __post_init__(self) -> None:
        _check("outline exponent", self.exponent, 2.0, 4.0)
        _check("posterior concavity", self.posterior_concavity, 0.0, 0.12)
        _check("anterior narrowing", self.anterior_narrowing, 0.0, 0.4)
        _check("lateral waist", self.waist_lateral, 0.0, 0.2)
        _check("anterior waist", self.waist_anterior, 0.0, 0.12)
        _check("posterior waist", self.waist_posterior, 0.0, 0.08)
        _check("superior share", self.superior_share, 0.0, 1.0)


@dataclass(frozen=True)
class VertebraSpec:
    """One vertebra as it was before any fracture, and its fracture.

    The heights are those of :class:`endplate.synthetic.truth.LevelTruth`: medians over the mid-sagittal band in the
    vertebra's own frame. The fracture takes from them.
    """

    level: str
    anterior_height_mm: float
    middle_height_mm: float
    posterior_height_mm: float
    body_width_mm: float
    body_depth_mm: float
    canal_ap_mm: float
    canal_width_mm: float
    pedicle_left: PedicleSpec
    pedicle_right: PedicleSpec
    trabecular_mgcc: float = 120.0
    cortex_mm: float = 0.4
    shape: BodyShape = field(default_factory=BodyShape)
    fracture: FractureSpec | None = None
    implants: ImplantSpec | None = None
    """What an earlier procedure left here."""
    lesions: tuple[LesionSpec, ...] = ()
    arch_breaks: tuple[ArchBreakSpec, ...] = ()
    border_bulge_mm: float = 0.0
    """Convexity added to the posterior border at pedicle height, without a fracture."""

    def __post_init__(self) -> None:
        if self.level not in CRANIOCAUDAL or self.level.startswith(("C", "S")):
            raise refuse(f"{self.level!r} is no thoracic or lumbar level.", "Choose from T1–T13 and L1–L6.")
        for name in ("anterior", "middle", "posterior"):
            _check(f"{name} height of {self.level}", getattr(self, f"{name}_height_mm"), 8.0, 45.0)
        _check(f"body width of {self.level}", self.body_width_mm, 16.0, 75.0)
        _check(f"body depth of {self.level}", self.body_depth_mm, 12.0, 55.0)
        _check(f"canal depth of {self.level}", self.canal_ap_mm, 9.0, 30.0)
        _check(f"canal width of {self.level}", self.canal_width_mm, 11.0, 42.0)
        _check(f"trabecular density of {self.level}", self.trabecular_mgcc, 10.0, 400.0)
        _check(f"cortex of {self.level}", self.cortex_mm, 0.2, 1.5)
        _check(f"bulging border of {self.level}", self.border_bulge_mm, 0.0, 8.0)
        rim = 0.5 * (self.anterior_height_mm + self.posterior_height_mm)
        if not 0.6 <= self.middle_height_mm / rim <= 1.05:
            raise refuse(
                f"The middle height of {self.level} is {self.middle_height_mm / rim:.2f} of its rim.",
                "Describe the intact body (middle 0.6–1.05 of the rim) and give a biconcave fracture instead.",
            )
        if abs(self.posterior_height_mm - self.anterior_height_mm) > 0.35 * self.body_depth_mm:
            raise refuse(
                f"{self.level} is wedged by more than any intact vertebra.",
                "Describe the intact body and give a wedge fracture instead.",
            )
        for side, pedicle in (("left", self.pedicle_left), ("right", self.pedicle_right)):
            if pedicle.height_mm > 1.05 * self.posterior_height_mm:
                raise refuse(
                    f"The {side} pedicle of {self.level} is higher than its body.",
                    "Choose a pedicle height below the posterior height.",
                )

    @property
    def label_id(self) -> int:
        """VerSe id of the level."""
        return VERSE_IDS[self.level]

    def pedicle(self, side: str) -> PedicleSpec:
        """The pedicle of ``"left"`` or ``"right"``."""
        return self.pedicle_left if side == "left" else self.pedicle_right


@dataclass(frozen=True)
class DiscSpec:
    """The disc below a vertebra and how the vertebra above it is turned against the one below.

    ``height_mm`` runs between the endplate rims in the middle of the disc. ``kyphosis_deg`` is positive when the
    disc is narrower in front; ``coronal_deg`` when the upper vertebra leans to the right; ``axial_deg`` when its
    front turns to the left. ``vacuum_ml`` is gas in its centre.
    """

    height_mm: float
    kyphosis_deg: float = 0.0
    coronal_deg: float = 0.0
    axial_deg: float = 0.0
    vacuum_ml: float = 0.0

    def __post_init__(self) -> None:
        _check("disc height", self.height_mm, 2.5, 18.0)
        _check("disc angle", self.kyphosis_deg, -20.0, 20.0)
        _check("coronal disc angle", self.coronal_deg, -15.0, 15.0)
        _check("axial rotation between two vertebrae", self.axial_deg, -12.0, 12.0)
        _check("disc gas", self.vacuum_ml, 0.0, 2.0)


@dataclass(frozen=True)
class SoftTissueSpec:
    """What surrounds the spine in the CT."""

    muscle_hu: float = 55.0
    fat_hu: float = -100.0
    blood_hu: float = 40.0
    lung_hu: float = -850.0
    trunk_width_mm: float = 340.0
    trunk_depth_mm: float = 235.0
    back_fat_mm: float = 14.0
    """Fat between the paraspinal muscles and the skin."""
    ribs: bool = True
    organs: bool = True
    """Aorta, vena cava, kidneys, and lungs above the diaphragm."""

    def __post_init__(self) -> None:
        _check("muscle HU", self.muscle_hu, 0.0, 120.0)
        _check("fat HU", self.fat_hu, -140.0, -60.0)
        _check("blood HU", self.blood_hu, 10.0, 400.0)
        _check("lung HU", self.lung_hu, -1000.0, -500.0)
        _check("trunk width", self.trunk_width_mm, 220.0, 520.0)
        _check("trunk depth", self.trunk_depth_mm, 160.0, 400.0)
        _check("fat of the back", self.back_fat_mm, 3.0, 80.0)


@dataclass(frozen=True)
class PhantomSpec:
    """A whole phantom, from the head down.

    Parameters
    ----------
    levels, vertebrae:
        Consecutive levels and their vertebrae in the same order.
    discs:
        One per vertebra: the disc below it. That of the last level only fills the gap to what is not built.
    soft_tissue:
        Surroundings in the CT.
    texture_cv:
        Coefficient of variation of trabecular density (spatially correlated, fixed by ``seed``).
    seed:
        Seed of the texture and of the scanner's noise.
    """

    levels: tuple[str, ...]
    vertebrae: tuple[VertebraSpec, ...]
    discs: tuple[DiscSpec, ...]
    soft_tissue: SoftTissueSpec = field(default_factory=SoftTissueSpec)
    texture_cv: float = 0.15
    texture_length_mm: float = 1.2
    seed: int = 0
    metal_imaging: MetalImagingSpec = field(default_factory=MetalImagingSpec)
    """How the scanner shows metal, where there is any."""
    scanner: ScannerSpec = field(default_factory=ScannerSpec)
    """Tube voltage, contrast, kernel and couch."""

    def __post_init__(self) -> None:
        if not self.levels:
            raise refuse("The phantom has no levels.", "Name at least one level.")
        if tuple(v.level for v in self.vertebrae) != tuple(self.levels):
            raise refuse(
                "The vertebrae are not those of the levels named.", "Give one vertebra a level, in order."
            )
        if len(self.discs) != len(self.levels):
            raise refuse("There is not one disc below each level.", "Give as many discs as levels.")
        for upper, lower in zip(self.levels, self.levels[1:], strict=False):
            between = [n for n in CRANIOCAUDAL[order(upper) + 1 : order(lower)] if n not in ("T13", "L6")]
            if order(lower) <= order(upper) or between:
                raise refuse(
                    f"{lower} does not follow {upper}.", "Name consecutive levels from the head down."
                )
        _check("texture", self.texture_cv, 0.0, 0.5)
        _check("texture length", self.texture_length_mm, 0.5, 4.0)
        if self.seed < 0:
            raise refuse("The seed is negative.", "Choose a seed of 0 or more.")

    def vertebra(self, level: str) -> VertebraSpec:
        """The vertebra of that level; refuses a level that is not built."""
        if level not in self.levels:
            raise refuse(f"The phantom has no {level}.", f"Choose from {', '.join(self.levels)}.")
        return self.vertebrae[self.levels.index(level)]

    def with_vertebra(self, level: str, **changes: Any) -> PhantomSpec:
        """The same phantom with one vertebra changed."""
        changed = replace(self.vertebra(level), **changes)
        vertebrae = tuple(changed if v.level == level else v for v in self.vertebrae)
        return replace(self, vertebrae=vertebrae)

    def with_fracture(self, level: str, fracture: FractureSpec | None) -> PhantomSpec:
        """The same phantom with that level fractured (or healed with ``None``)."""
        return self.with_vertebra(level, fracture=fracture)


VERTEBRA_FIELDS = frozenset(f.name for f in fields(VertebraSpec))
"""Names that a per-level change may carry."""
PHANTOM_FIELDS = frozenset(f.name for f in fields(PhantomSpec))
"""Names that a whole-phantom change may carry."""
