"""What is told of an inflation: the documents."""

from __future__ import annotations

from typing import Literal

from endplate.anatomy.model import Document, HeightTriple, Side
from endplate.balloon.options import Stop
from endplate.sources import Finding

HeightName = Literal["anterior", "middle", "posterior"]

HEIGHT_NAMES: tuple[HeightName, ...] = ("anterior", "middle", "posterior")


class Pressure(Document):
    """Pressure that an inflation needs, by the law and by its bounds, MPa."""

    foam: float
    """Crushable foam: the law that stops are decided by."""
    yield_: float
    """Plain crushing stress of the bone: the lower end of the band."""
    j2: float
    """Hill's cavity in bone that flows without losing volume: the upper end of the band."""


class Motion(Document):
    """The superior endplate against the inferior, as a stiff plate."""

    lift_mm: float
    """At the middle line."""
    sagittal_tilt_deg: float
    """Positive when it rises more in front."""
    coronal_tilt_deg: float
    """Positive when it rises more on the right."""


class Step(Document):
    """The state after one step of inflation or deflation."""

    side: Side
    volumes_ml: dict[Side, float]
    """In each balloon."""
    cavity_ml: float
    """Of all cavities together: the bone that they swept, and what their walls gave way."""
    opened_ml: float = 0.0
    """Of it, what lifted endplates and pressed walls opened beyond the bone that was swept."""
    pressure_mpa: Pressure
    """In the balloon that this step moved; 0 when deflated."""
    heights_mm: HeightTriple
    gain_mm: HeightTriple
    """Against the heights on the scan, posture included."""
    motion: Motion
    wedge_angle_deg: float | None
    wall_mm: dict[str, float]
    """Least distance of the cavities' surface to each wall."""
    least_wall_mm: float


class Gains(Document):
    """Gain of each height at the stages, mm."""

    posture: HeightTriple
    inflated: HeightTriple
    """The greatest over the steps."""
    deflated: HeightTriple | None


class Inflation(Document):
    """What the balloons of one level did: the document."""

    level: str
    balloons: dict[Side, str]
    """Names in the catalogue."""
    steps: tuple[Step, ...]
    stopped: dict[Side, Stop]
    peak_pressure_mpa: Pressure | None
    pressure_band: str
    """What the law and its bounds are, in words."""
    cavity_ml: float
    """Bone swept, and what is opened beyond it."""
    opened_ml: float = 0.0
    """Of it, what is opened: after deflation what recoil has left."""
    body_volume_ml: float
    heights_mm: HeightTriple
    """On the scan."""
    expected_heights_mm: HeightTriple
    """Of an unbroken body."""
    uncertainty_mm: HeightTriple
    """How sure the expectation is."""
    wedge_angle_deg: float | None
    """On the scan."""
    line_distance_mm: float
    """From the posterior to the anterior height line."""
    lost_most: HeightName
    """Which height was lost most: that of which a single gain is told."""
    gains: Gains
    bone_mineral_error: float
    """|bone mineral after − before| / before, over the body."""
    findings: tuple[Finding, ...] = ()
