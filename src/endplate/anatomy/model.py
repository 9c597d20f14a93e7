"""What is known of a spine: frozen documents that are also the JSON of ``endplate assess``.

Positions are RAS mm, directions unit vectors in RAS; unknown is ``None``; losses and fractions are 0–1.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from endplate.sources import Finding

Vec3 = tuple[float, float, float]
Side = Literal["left", "right"]
Shape = Literal["wedge", "biconcave", "crush"]
Trust = Literal["trusted", "warn", "borrowed"]


class Document(BaseModel):
    """Base of all result documents: frozen, no unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class HeightTriple(Document):
    """Anterior, middle and posterior value of one vertebral body."""

    anterior: float | None = None
    middle: float | None = None
    posterior: float | None = None


class HeightLine(Document):
    """The measured line of one height: its two ends on the endplates, in the mid-sagittal plane."""

    superior_ras_mm: Vec3
    inferior_ras_mm: Vec3


class HeightLines(Document):
    """The three measured lines of a body."""

    anterior: HeightLine | None = None
    middle: HeightLine | None = None
    posterior: HeightLine | None = None


class Frame(Document):
    """The vertebra's own axes; ``origin`` is the body centre. The axes are right-handed: R × A = S."""

    origin_ras_mm: Vec3
    right_ras: Vec3
    anterior_ras: Vec3
    superior_ras: Vec3
    borrowed: bool
    """The superior axis comes from the neighbours because the body is collapsed or its endplates fit badly."""


class Endplate(Document):
    """A plane fitted to one endplate; the normal points to the head."""

    centre_ras_mm: Vec3
    normal_ras: Vec3
    rmse_mm: float
    trust: Trust


class Endplates(Document):
    """Both endplates of a body."""

    superior: Endplate | None = None
    inferior: Endplate | None = None


class Pedicle(Document):
    """One pedicle at its isthmus (its narrowest section).

    ``transverse_deg`` is positive when the axis runs medially going forward (convergence);
    ``sagittal_deg`` is positive when it rises toward the head going forward, both in the vertebra's frame.
    """

    inscribed_diameter_mm: float
    width_mm: float
    height_mm: float
    transverse_deg: float
    sagittal_deg: float
    isthmus_ras_mm: Vec3
    axis_ras: Vec3
    uncertainty_mm: float
    outline_ras_mm: tuple[Vec3, ...] = ()
    """Outline of the isthmus section, for drawing."""


class Pedicles(Document):
    """Both pedicles; ``None`` where none could be measured."""

    left: Pedicle | None = None
    right: Pedicle | None = None


class Canal(Document):
    """The vertebral canal at this level."""

    ap_mm: float | None = None
    width_mm: float | None = None
    area_mm2: float | None = None
    compromise: float | None = None
    """1 − AP diameter / mean AP diameter of the adjacent levels, clipped to 0–1."""
    centre_ras_mm: Vec3 | None = None
    source: Literal["measured", "borrowed", "none"] = "none"


class Density(Document):
    """Trabecular density in the middle of the body, away from cortex, cleft and basivertebral vein."""

    mean_hu: float | None = None
    sd_hu: float | None = None
    voi_ml: float | None = None
    vbmd_mgcc: float | None = None
    vbmd_interval_mgcc: tuple[float, float] | None = None
    calibration: str | None = None
    """``"line"``, ``"phantom"``, ``"internal"``, ``"uncalibrated"`` or ``None`` where there is no CT."""


class CementOutside(Document):
    """Cement outside the bone, by place."""

    disc_ml: float = 0.0
    canal_ml: float = 0.0
    elsewhere_ml: float = 0.0
    """Veins and soft tissue."""


class Implants(Document):
    """What an earlier procedure left in or at one level."""

    cement_ml: float = 0.0
    """Cement of this level, with what lies outside the bone."""
    outside: CementOutside = CementOutside()
    unsure_ml: float = 0.0
    """Dense matter that may be cement or very dense bone."""
    metal_ml: float = 0.0
    """Metal of this level, with screw heads and what lies nearest to it."""
    metal_in_bone_ml: float = 0.0
    screws: int = 0
    rods: int = 0
    artefact_share: float = 0.0
    """Share of the bone's inside that streaks of metal disturb."""


class Fracture(Document):
    """Fracture grade of one level. ``flagged`` is ``None`` where it cannot be judged."""

    flagged: bool | None = None
    genant_grade: int | None = Field(default=None, ge=0, le=3)
    shape: Shape | None = None
    reasons: tuple[Finding, ...] = ()
    loss_threshold: float | None = None
    distance_to_threshold: float | None = None
    """Height loss minus the threshold that flags (negative: not flagged by that much)."""


LesionKind = Literal["lytic", "blastic"]
LesionPlace = Literal["body", "pedicle", "posterior wall"]
ArchPlace = Literal["left lamina", "right lamina", "spinous process"]


class Lesion(Document):
    """An area of bone that is darker (lytic) or denser (blastic) than its surroundings explain; never a diagnosis."""

    kind: LesionKind
    place: LesionPlace
    side: Literal["left", "right", "middle"]
    third: Literal["anterior", "middle", "posterior"] | None = None
    """Third of the body from front to back; ``None`` in a pedicle."""
    centre_ras_mm: Vec3
    diameter_mm: float
    """Diameter of the sphere of the same volume."""
    volume_ml: float
    mean_hu: float
    contrast_hu: float
    """HU against what is expected at this place."""
    contrast_sd: float
    """The same in standard deviations of this bone's own unevenness at the lesion's size."""
    walls: tuple[str, ...] = ()
    """Surfaces that it reaches."""
    destroyed: tuple[str, ...] = ()
    """Surfaces whose cortex is missing there."""


class ArchBreak(Document):
    """A place where the posterior elements hold together by no bone."""

    place: ArchPlace
    centre_ras_mm: Vec3
    bridge_hu: float
    """Greatest HU that a path across the gap need not fall below."""


class Vertebra(Document):
    """One level, measured."""

    level: str
    label_id: int
    complete: bool
    """The whole vertebra lies inside the volume."""
    frame: Frame | None = None
    heights_mm: HeightTriple = HeightTriple()
    heights_uncertainty_mm: HeightTriple = HeightTriple()
    height_lines: HeightLines = HeightLines()
    expected_heights_mm: HeightTriple = HeightTriple()
    expected_uncertainty_mm: HeightTriple = HeightTriple()
    height_losses: HeightTriple = HeightTriple()
    """Signed loss of each height against expectation (negative: taller than expected)."""
    height_loss: float | None = None
    """Greatest of the three losses, clipped to 0–1."""
    within_vertebra_loss: float | None = None
    """The common baseline, 1 − smallest/greatest of the three heights, printed beside for comparison."""
    wedge_angle_deg: float | None = None
    """Angle between the endplates in the sagittal plane; positive when lower in front."""
    local_kyphosis_deg: float | None = None
    """Superior endplate of the level above to inferior endplate of the level below; positive is kyphosis."""
    body_volume_ml: float | None = None
    body_depth_mm: float | None = None
    body_width_mm: float | None = None
    endplates: Endplates = Endplates()
    fracture: Fracture = Fracture()
    pedicles: Pedicles = Pedicles()
    canal: Canal = Canal()
    density: Density = Density()
    retropulsion_mm: float | None = None
    """How far the posterior wall stands behind the line between the neighbours' posterior corners."""
    cleft_ml: float | None = None
    """Gas inside the body."""
    vacuum_disc_below_ml: float | None = None
    """Gas in the disc below."""
    implants: Implants | None = None
    """``None`` without a CT."""
    treated_before: bool | None = None
    """Cement or metal was found in this bone; ``None`` without a CT, or where dense matter may be either."""
    lesions: tuple[Lesion, ...] = ()
    """Lytic and blastic areas, largest first; empty without a CT."""
    arch_breaks: tuple[ArchBreak, ...] = ()
    posterior_bulge_mm: float | None = None
    """How far the posterior border stands behind the line of its own corners in the midline (negative: hollow)."""
    findings: tuple[Finding, ...] = ()


class Spine(Document):
    """Every level of a scan from the head down; the document of ``endplate assess``."""

    schema_: Literal["endplate/assess/1"] = Field(default="endplate/assess/1", alias="schema")
    levels: tuple[Vertebra, ...]
    findings: tuple[Finding, ...] = ()
    label_scheme: str | None = None
    counted_how: str = ""
    """How the levels got their names, for the report."""
    geometry_only: bool = False
    """No CT was given: lengths and angles only."""
    reference: str = ""
    """Which published profile the expected heights were scaled from."""

    def find(self, level: str) -> Vertebra | None:
        """The vertebra of that name, or ``None``."""
        return next((vertebra for vertebra in self.levels if vertebra.level == level), None)
