"""The sections of the rules as typed values; what cannot be is refused here.

Bounds say what is impossible or plainly a slip of the pen (a negative distance, a share above one), not what is wise.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from endplate.anatomy.model import Document

Mm = Annotated[float, Field(strict=True, ge=0.0, le=100.0, allow_inf_nan=False)]
Ml = Annotated[float, Field(strict=True, ge=0.0, le=100.0, allow_inf_nan=False)]
Deg = Annotated[float, Field(strict=True, ge=0.0, le=90.0, allow_inf_nan=False)]
SignedDeg = Annotated[float, Field(strict=True, ge=-90.0, le=90.0, allow_inf_nan=False)]
Fraction = Annotated[float, Field(strict=True, ge=0.0, le=1.0, allow_inf_nan=False)]
Weight = Annotated[float, Field(strict=True, ge=0.0, le=100.0, allow_inf_nan=False)]
Positive = Annotated[float, Field(strict=True, gt=0.0, le=10000.0, allow_inf_nan=False)]
Count = Annotated[int, Field(strict=True, ge=0, le=130)]
Fractions = Annotated[tuple[Fraction, ...], Field(min_length=1, max_length=9)]
Approach = Literal["transpedicular", "parapedicular", "extrapedicular"]
Technique = Literal["vertebroplasty", "kyphoplasty"]
Level = Annotated[str, Field(pattern=r"^(T([1-9]|1[0-3])|L[1-6])$")]


class Section(Document):
    """One section of the rules."""


class SectorMm(Document):
    """A length by direction around the needle, mm."""

    medial: Mm
    inferior: Mm
    lateral: Mm
    superior: Mm


class SectorWeight(Document):
    """A weight by direction around the needle."""

    medial: Weight
    inferior: Weight
    lateral: Weight
    superior: Weight


class ConvergenceMax(Document):
    """Greatest convergence by access, degrees."""

    bipedicular: Deg
    unipedicular: Deg
    unipedicular_l5: Deg

    def of(self, access: str, level: str) -> float:
        """The limit that holds for an access at a level."""
        if access != "unipedicular":
            return self.bipedicular
        return self.unipedicular_l5 if level in ("L5", "L6") else self.unipedicular


class CArmReach(Document):
    """Angles that the C-arm reaches to both sides, degrees."""

    lao_rao: Deg
    cran_caud: Deg


class TipClearance(Document):
    """Least distance of the tip from the body's walls, mm."""

    anterior: Mm
    endplate: Mm
    lateral: Mm


class KeepOut(Document):
    """Least distance of the cannula's surface from each structure, mm."""

    canal: Mm
    foramen: Mm
    facet: Mm
    neighbour: Mm
    cord: Mm
    lung: Mm
    aorta: Mm
    cava: Mm
    kidney: Mm
    segmental_artery: Mm


class GaugeOrder(Document):
    """Gauges that are tried for each technique, the first that fits is taken."""

    vertebroplasty: Annotated[tuple[str, ...], Field(min_length=1)]
    kyphoplasty: Annotated[tuple[str, ...], Field(min_length=1)]

    def of(self, technique: str) -> tuple[str, ...]:
        """The order for a technique."""
        return self.kyphoplasty if technique == "kyphoplasty" else self.vertebroplasty


class SearchRules(Section):
    """How paths are searched, judged and scored."""

    margin_hard_mm: SectorMm
    margin_preferred_mm: SectorMm
    margin_weight: SectorWeight
    target_weight: Weight
    target_tolerance_mm: Positive
    axis_weight: Weight
    axis_lost_deg: Positive
    bisector_weight: Weight
    bone_weight: Weight
    target_depth: Fractions
    target_lateral: Fractions
    target_lateral_unipedicular: Fractions
    target_height: Fractions
    isthmus_grid_mm: Annotated[float, Field(strict=True, ge=0.1, le=5.0)]
    step_mm: Annotated[float, Field(strict=True, ge=0.1, le=2.0)]
    convergence_min_deg: SignedDeg
    convergence_max_deg: ConvergenceMax
    craniocaudal_max_deg: Deg
    carm_reach_deg: CArmReach
    tip_clearance_mm: TipClearance
    keep_out_mm: KeepOut
    seating_mm: Mm
    label_error_mm: Mm
    robustness_shift_mm: Mm
    robustness_tilt_deg: Deg
    gauges: GaugeOrder

    @model_validator(mode="after")
    def _margins_in_order(self) -> SearchRules:
        for name in SectorMm.model_fields:
            hard, preferred = getattr(self.margin_hard_mm, name), getattr(self.margin_preferred_mm, name)
            if preferred < max(hard, 0.1):
                raise ValueError(
                    f"the preferred {name} margin ({preferred} mm) is below the hard one ({hard} mm)"
                )
        return self


class TechniqueRules(Section):
    """Vertebroplasty or kyphoplasty."""

    wedge_deg: Deg
    genant_min: Annotated[int, Field(strict=True, ge=1, le=3)]
    recent_weeks: Positive
    sclerotic_hu: Positive
    plana_loss: Fraction


class AccessRules(Section):
    """One needle or two, and through which corridor."""

    unipedicular_reach: Fraction
    unipedicular_depth: Fraction
    when_one_suffices: Literal["bipedicular", "unipedicular"]
    approaches: Annotated[tuple[Approach, ...], Field(min_length=1, max_length=3)]

    @model_validator(mode="after")
    def _each_once(self) -> AccessRules:
        if len(set(self.approaches)) < len(self.approaches):
            raise ValueError("an approach stands twice in the order")
        return self


class BalloonRules(Section):
    """Where a balloon may lie and how far it may be inflated."""

    anterior_wall_mm: Mm
    endplate_mm: Mm
    side_wall_mm: Mm
    posterior_wall_mm: Mm
    cannula_beyond_wall_mm: Mm
    cannula_to_balloon_mm: Mm
    channel_past_balloon_mm: Mm
    centre_depth: Fraction
    volume_step_ml: Annotated[float, Field(strict=True, ge=0.05, le=2.0)]
    volume_min_ml: Annotated[float, Field(strict=True, gt=0.0, le=6.0)]
    one_side_midline_mm: Mm
    contrast_line_ml: Ml


class CapByRegion(Document):
    """Greatest cement volume by region of the spine, ml."""

    upper_thoracic: Ml = Field(alias="T1-T4")
    middle_thoracic: Ml = Field(alias="T5-T9")
    lower_thoracic: Ml = Field(alias="T10-T12")
    lumbar: Ml = Field(alias="L1-L6")

    def of(self, level: str) -> float:
        """The cap of a level such as ``"T12"`` (T13 counts as T12, what lies above T1 as T1)."""
        if level.startswith("L"):
            return self.lumbar
        number = int(level[1:]) if level.startswith("T") else 1
        if number <= 4:
            return self.upper_thoracic
        return self.middle_thoracic if number <= 9 else self.lower_thoracic


class LowHigh(Document):
    """A range, ml."""

    low: Ml
    high: Ml

    @model_validator(mode="after")
    def _in_order(self) -> LowHigh:
        if self.low > self.high:
            raise ValueError("low is above high")
        return self


class CementRules(Section):
    """How much cement."""

    target_fraction: Fraction
    max_fraction: Fraction
    regain_fraction: Fraction
    min_ml: Ml
    cap_ml: CapByRegion
    cortex_mm: Mm
    ladder: Fractions
    cleft_extra_ml: LowHigh
    cavity_extra_ml: Ml
    thick_cement_bore_mm: Mm
    stop_at_posterior: Fraction

    @model_validator(mode="after")
    def _in_order(self) -> CementRules:
        if self.target_fraction > self.max_fraction:
            raise ValueError("the target fraction is above the greatest fraction")
        if list(self.ladder) != sorted(set(self.ladder)):
            raise ValueError("the ladder does not rise from step to step")
        return self


class CompromiseSteps(Document):
    """Canal compromise that is told, warned of, and referred."""

    info: Fraction
    caution: Fraction
    refer: Fraction

    @model_validator(mode="after")
    def _in_order(self) -> CompromiseSteps:
        if not self.info <= self.caution <= self.refer:
            raise ValueError("info, caution and refer do not rise in this order")
        return self


class CautionRules(Section):
    """When the plan cautions."""

    canal_compromise: CompromiseSteps
    retropulsion_mm: Mm
    plana_loss: Fraction
    highest_level: Level
    age_min_years: Count
    cleft_min_ml: Ml


class SessionRules(Section):
    """All levels of one sitting together."""

    cement_caution_ml: Ml
    cement_max_ml: Ml
    levels_max: Count
