"""How stiff and how strong a vertebra is: the document of ``endplate strength``."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from endplate.anatomy.model import Document
from endplate.sources import Finding


class CurvePoint(Document):
    """One step of the ramp."""

    shortening_mm: float
    strain: float
    """Shortening over the height between the ends."""
    force_n: float
    yielded_fraction: float


class IntervalPart(Document):
    """What one cause adds to the interval, as half widths over the value."""

    name: Literal["calibration", "law", "voxel size", "kernel and scanner"]
    stiffness: float
    strength: float
    why: str
    source: str


class Interval(Document):
    """Intervals of the results; the parts are added as independent ones (root of the sum of squares)."""

    stiffness_n_per_mm: tuple[float, float]
    strength_linear_n: tuple[float, float]
    strength_n: tuple[float, float] | None
    parts: tuple[IntervalPart, ...]


class LoadFactor(Document):
    """Strength over one everyday load."""

    name: str
    load_n: float
    factor: float
    recalled: bool
    """The load was recalled, not read in the source."""
    source: str


class BrokenBone(Document):
    """The same bone with a band of broken bone: an assumption beside the intact expectation."""

    endplate: Literal["superior", "inferior"]
    band_mm: float
    modulus_factor: float
    strength_factor: float
    stiffness_n_per_mm: float
    strength_n: float | None


class Failure(Document):
    """Where and how the bone gives way."""

    shortening_mm: float
    strain: float
    offset_yield_n: float | None
    """Force where the curve meets the line of the stiffness shifted by 0.2 % of the height."""
    still_rising: bool
    yielded_fraction: float
    upper_third: float
    middle_third: float
    lower_third: float
    """Shares of the plastic strain of bone by height."""


class StrengthDocument(Document):
    """The document of ``endplate strength``."""

    schema_: Literal["endplate/strength/1"] = Field(default="endplate/strength/1", alias="schema")
    level: str | None
    stiffness_n_per_mm: float
    strength_linear_n: float
    """0.0068 · stiffness · height: a rule of intact bone."""
    strength_n: float | None
    """Greatest force of the elastoplastic ramp; ``None`` where only the linear answer was asked for."""
    elements: int
    iterations: int
    relative_residual: float
    loading: str
    law: str
    law_name: str
    yielding: str
    elasticity: str
    height_mm: float
    voxel_mm: tuple[float, float, float]
    bone_volume_ml: float
    mean_density_mgcc: float
    calibration: str | None
    curve: tuple[CurvePoint, ...] = ()
    failure: Failure | None = None
    interval: Interval
    factor: float
    """Strength (linear where there is no other) over the heaviest everyday load of the protocol."""
    factors: tuple[LoadFactor, ...]
    broken: BrokenBone | None = None
    """Where a fracture was seen or a band was asked for; all other values are those of intact bone."""
    findings: tuple[Finding, ...] = ()
