"""The needle plan: a frozen document that is also the JSON of ``endplate plan``."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from endplate.anatomy.model import Document, Side, Vec3
from endplate.sources import Finding


class Margins(Document):
    """Cannula surface to the vertebra's outer surface in each direction, minimum from entry to posterior wall, mm.

    ``medial`` is the nearer of that and the canal. Negative: the cannula stands out by that much.
    """

    medial: float
    lateral: float
    superior: float
    inferior: float


class Depths(Document):
    """Depths along the needle in mm; the skin is ``None`` where it is not in view."""

    skin_to_bone: float | None = None
    bone_to_posterior_wall: float
    bone_to_tip: float


class CArm(Document):
    """Bull's-eye view down the needle; angles in patient terms (LAO/RAO, CRAN/CAUD)."""

    patient_position: str
    primary_deg: float | None = None
    secondary_deg: float | None = None
    console_text: str = ""


class Robustness(Document):
    """How the path bears small errors; filled by the planning search."""

    breach_fraction: float | None = None
    worst_margin_mm: float | None = None
    grade: str | None = None


class NeedlePath(Document):
    """One needle."""

    side: Side
    approach: Literal["transpedicular", "extrapedicular", "parapedicular"]
    gauge: str
    outer_diameter_mm: float
    skin_ras_mm: Vec3 | None = None
    entry_ras_mm: Vec3
    isthmus_ras_mm: Vec3
    posterior_wall_ras_mm: Vec3
    tip_ras_mm: Vec3
    kyphoplasty: dict[str, Any] | None = None
    margins_mm: Margins
    margins_derated_mm: Margins
    clearance_mm: float
    """Smallest distance from the cannula surface to any outer surface between entry and posterior wall."""
    uncertainty_mm: float
    convergence_deg: float
    craniocaudal_deg: float
    depths_mm: Depths
    carm: CArm
    checkpoints: tuple[dict[str, Any], ...] = ()
    robustness: Robustness = Robustness()


class Refusal(Document):
    """Why a side or a level has no plan."""

    code: str
    reasons: tuple[Finding, ...]


class RefusedSide(Document):
    """A side without a path."""

    side: Side
    code: str
    reasons: tuple[Finding, ...]


class LevelPlan(Document):
    """The plan of one level."""

    level: str
    technique: str
    access: Literal["bipedicular", "unipedicular", "none"]
    fracture_seen: bool | None
    reason: str | None = None
    """The user's reason to plan a level where no fracture is seen."""
    refused: Refusal | None = None
    refused_sides: tuple[RefusedSide, ...] = ()
    paths: tuple[NeedlePath, ...] = ()
    cement: dict[str, Any] = Field(default_factory=lambda: {"volume_ml": None, "ladder": None})
    balloon: dict[str, Any] | None = None
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
