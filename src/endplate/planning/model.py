"""The needle plan: a frozen document that is also the JSON of ``endplate plan``."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from endplate.anatomy.model import Document, Side, Vec3
from endplate.sources import Finding

Approach = Literal["transpedicular", "parapedicular", "extrapedicular"]
"""Through the pedicle; along its lateral wall; beside it, entering at the body's posterolateral corner."""

Access = Literal["bipedicular", "unipedicular", "none"]
CheckpointName = Literal["docking", "mid-pedicle", "posterior-wall", "target"]


class Margins(Document):
    """Cannula surface to the vertebra's outer surface in each direction, minimum from entry to posterior wall, mm.

    ``medial`` is the nearer of that and the canal. Negative: the cannula stands out by that much.
    """

    medial: float
    lateral: float
    superior: float
    inferior: float


class Distance(Document):
    """Least distance from the cannula surface to a structure that it must keep away from, mm."""

    structure: str
    distance_mm: float
    limit_mm: float
    source: str
    """Where the structure was found: ``"labels"``, ``"organ labels"`` or ``"HU"``."""


class Depths(Document):
    """Depths along the needle in mm; the skin is ``None`` where it is not in view."""

    skin_to_bone: float | None = None
    bone_to_posterior_wall: float
    bone_to_tip: float


class SkinEntry(Document):
    """Where the needle passes the skin, as marked on the patient's back.

    Offsets are from the level's spinous process line and from the pedicle's height on a true AP view; the
    intervals hold the change from the CT's posture to the table (see ``plan-posture``).
    """

    from_midline_mm: float
    """Distance from the midline on the needle's side."""
    above_pedicle_mm: float
    """Toward the head from the centre of the pedicle (negative: toward the feet)."""
    from_midline_interval_mm: tuple[float, float]
    depth_interval_mm: tuple[float, float]
    """Skin to bone."""
    angle_interval_deg: float
    """Half width of the interval of convergence and craniocaudal angle."""


class CArm(Document):
    """One C-arm pose for the patient as he lies on the table.

    ``primary_deg`` and ``secondary_deg`` are DICOM positioner angles (patient terms: + LAO, + CRAN); a prone patient
    with the tube under the table is primary 180 where the console shows 0.
    """

    patient_position: str
    """Position on the table for which the angles hold."""
    primary_deg: float | None = None
    secondary_deg: float | None = None
    console_primary_deg: float | None = None
    console_secondary_deg: float | None = None
    console_text: str = ""
    reachable: bool | None = None


class EdgeOn(Document):
    """How far each endplate is from being seen edge-on, degrees (0: a single line); a wedge cannot be 0 on both."""

    superior_deg: float | None = None
    inferior_deg: float | None = None


class LevelViews(Document):
    """The level's true views: endplates seen edge-on, pedicles symmetric about the spinous process."""

    ap: CArm
    lateral: CArm
    ap_endplates: EdgeOn = EdgeOn()
    lateral_endplates: EdgeOn = EdgeOn()


class Checkpoint(Document):
    """One stop on the needle's way with what must be seen on each view before going on."""

    name: CheckpointName
    tip_ras_mm: Vec3
    depth_mm: float
    """From the entry into bone."""
    skin_depth_mm: float | None = None
    lateral_of_medial_ring_mm: float | None
    """How far the tip still is lateral of the pedicle's medial border on the true AP view (negative: past it);
    ``None`` where no pedicle was measured."""
    beyond_posterior_wall_mm: float
    """How far the tip is in front of the posterior wall on the true lateral view (negative: not yet there)."""
    ap_text: str
    lateral_text: str


class Robustness(Document):
    """How the path bears small errors of place and angle."""

    breach_fraction: float | None = None
    """Share of the disturbed paths that leave the bone."""
    worst_margin_mm: float | None = None
    grade: str | None = None
    """Worst breach in the manner of Gertzbein and Robbins: A none, B < 2 mm, C < 4 mm, D < 6 mm, E more."""
    tolerance_deg: float | None = None
    """Half angle of the cone about the entry in which no disturbed path breaches."""
    perturbations: int = 0


class ScoreTerm(Document):
    """One term of the score by which a path was chosen."""

    name: str
    weight: float
    value: float
    """0–1."""
    text: str


class KyphoplastyPath(Document):
    """Points along the needle for a balloon: the working cannula ends behind the balloon, the channel goes on."""

    cannula_end_ras_mm: Vec3
    channel_end_ras_mm: Vec3
    balloon_markers_ras_mm: tuple[Vec3, Vec3]
    """Proximal and distal marker."""
    cannula_beyond_wall_mm: float
    balloon_to_anterior_wall_mm: float
    balloon_to_endplate_mm: float
    """Of the inflated balloon."""


class MissedLimit(Document):
    """A hard limit that a given path does not keep."""

    code: str
    found: float
    limit: float


class NeedlePath(Document):
    """One needle."""

    side: Side
    approach: Approach
    gauge: str
    outer_diameter_mm: float
    skin_ras_mm: Vec3 | None = None
    entry_ras_mm: Vec3
    isthmus_ras_mm: Vec3
    """Where the axis passes the pedicle's isthmus plane (beside it for an extrapedicular path)."""
    posterior_wall_ras_mm: Vec3
    tip_ras_mm: Vec3
    kyphoplasty: KyphoplastyPath | None = None
    margins_mm: Margins
    margins_derated_mm: Margins
    """Less the voxels' half width along each direction and the labels' error."""
    clearance_mm: float
    """Smallest distance from the cannula surface to any outer surface between entry and posterior wall."""
    uncertainty_mm: float
    keep_out: tuple[Distance, ...] = ()
    convergence_deg: float
    craniocaudal_deg: float
    depths_mm: Depths
    skin: SkinEntry | None = None
    carm: CArm
    checkpoints: tuple[Checkpoint, ...] = ()
    robustness: Robustness = Robustness()
    score: tuple[ScoreTerm, ...] = ()
    candidates: int = 0
    """Straight paths that were compared; 0 for a given path."""
    bone_in_tract: float | None = None
    """Share of the axis from entry to tip that lies in bone."""
    missed: tuple[MissedLimit, ...] = ()
    """Hard limits not kept; only a given path can have any."""


class Refusal(Document):
    """Why a side or a level has no plan."""

    code: str
    reasons: tuple[Finding, ...]


class RefusedSide(Document):
    """A side without a path."""

    side: Side
    code: str
    reasons: tuple[Finding, ...]


class Alternative(Document):
    """What would be possible where the tool or approach asked for is not."""

    side: Side
    approach: Approach
    gauge: str
    clearance_mm: float
    medial_mm: float


class Decision(Document):
    """One choice of the planner with the rule that made it."""

    rule_id: str
    outcome: str
    text: str
    inputs: dict[str, str | float | bool | None] = Field(default_factory=dict)
    source: str


class LadderStep(Document):
    """Cement volume at one share of the body's volume."""

    fraction: float
    volume_ml: float
    capped: bool = False


class CementDose(Document):
    """Cement for one level."""

    volume_ml: float | None = None
    per_needle_ml: tuple[float, ...] = ()
    """In the order of the paths."""
    cap_ml: float | None = None
    ladder: tuple[LadderStep, ...] | None = None
    limited_by: str | None = None
    """Which bound set the volume."""
    text: str = ""


class BalloonChoice(Document):
    """The tamp of one level, the same for each needle unless its path says otherwise."""

    name: str
    length_mm: float
    volume_ml: float
    """Volume to inflate to, each."""
    max_volume_ml: float
    rated_pressure_mpa: float
    inflated_diameter_mm: float
    contrast_ml: float
    """Contrast medium for all balloons of the level with the inflation lines."""
    recalled: bool


class LevelPlan(Document):
    """The plan of one level."""

    level: str
    technique: str
    access: Access
    fracture_seen: bool | None
    reason: str | None = None
    """The user's reason to plan a level where no fracture is seen."""
    refused: Refusal | None = None
    refused_sides: tuple[RefusedSide, ...] = ()
    alternatives: tuple[Alternative, ...] = ()
    paths: tuple[NeedlePath, ...] = ()
    views: LevelViews | None = None
    decisions: tuple[Decision, ...] = ()
    cement: CementDose = CementDose()
    balloon: BalloonChoice | None = None
    warnings: tuple[Finding, ...] = ()


class Session(Document):
    """All levels of one sitting together."""

    cement_total_ml: float | None = None
    contrast_total_ml: float | None = None
    warnings: tuple[Finding, ...] = ()


class Plan(Document):
    """Plans of all levels asked for."""

    schema_: Literal["endplate/plan/1"] = Field(default="endplate/plan/1", alias="schema")
    plans: tuple[LevelPlan, ...]
    session: Session = Session()
    rules: str = ""
    """Name and version of the rules used, and of the site file where one was given."""
