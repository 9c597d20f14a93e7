"""What others left in a phantom's bone: earlier cement, screws and rods, a cage, a guide wire.

Everything here is a wish; what was really built stands in :mod:`endplate.synthetic.implant`. Lengths mm, HU at the
phantom's tube voltage.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

from endplate.errors import UsageError

CementForm = Literal["blobs", "bridging", "cloud"]
Leak = Literal["disc_superior", "disc_inferior", "canal", "vein"]
Metal = Literal["titanium", "steel"]
ScrewSides = Literal["both", "left", "right"]

PLAIN_CEILING_HU = 3071
"""Highest CT number of a 12-bit scan."""
EXTENDED_CEILING_HU = 30710
"""Highest CT number of a scan on the extended scale (ten times coarser steps)."""


def _check(name: str, value: float, low: float, high: float) -> None:
    if not (math.isfinite(value) and low <= value <= high):
        raise UsageError(
            "phantom-spec-invalid",
            f"The phantom's {name} is {value:g}, outside {low:g} to {high:g}.",
            do=f"Choose a {name} between {low:g} and {high:g}.",
        )


def _one_of(name: str, word: str, known: tuple[str, ...]) -> None:
    if word not in known:
        raise UsageError(
            "phantom-spec-invalid", f"{word!r} is no {name}.", do=f"Choose from {', '.join(known)}."
        )


@dataclass(frozen=True)
class CementSpec:
    """Cement in one body: PMMA with barium sulphate.

    Parameters
    ----------
    form:
        ``blobs``: one mass a side, apart; ``bridging``: one mass from endplate to endplate; ``cloud``: a core with
        lobules that thin out into the bone.
    volume_ml:
        Cement inside the body.
    hu:
        CT number of solid cement.
    leaks:
        Where some of it went besides: into a disc, the canal or a segmental vein, each with the thread that leads
        there.
    """

    form: CementForm = "bridging"
    volume_ml: float = 4.0
    hu: float = 1600.0
    leaks: tuple[Leak, ...] = ()

    def __post_init__(self) -> None:
        _one_of("form of cement", self.form, get_args(CementForm))
        _check("cement volume", self.volume_ml, 0.5, 12.0)
        _check("cement HU", self.hu, 600.0, 9000.0)
        for leak in self.leaks:
            _one_of("way of leaking", leak, get_args(Leak))


@dataclass(frozen=True)
class ScrewSpec:
    """Pedicle screws of one level, each with its head; rods join the heads of neighbouring levels that have them."""

    diameter_mm: float = 6.0
    length_mm: float = 45.0
    material: Metal = "titanium"
    sides: ScrewSides = "both"
    rod_diameter_mm: float = 5.5
    """0 for no rod."""

    def __post_init__(self) -> None:
        _check("screw diameter", self.diameter_mm, 3.5, 9.0)
        _check("screw length", self.length_mm, 25.0, 65.0)
        _check("rod diameter", self.rod_diameter_mm, 0.0, 7.0)
        _one_of("metal", self.material, get_args(Metal))
        _one_of("side", self.sides, get_args(ScrewSides))


@dataclass(frozen=True)
class ImplantSpec:
    """What stands in one level.

    Parameters
    ----------
    cement, screws:
        See there.
    cage:
        Metal of a solid cage in the disc below.
    wire:
        Metal of a guide wire of 1.5 mm through the left pedicle.
    """

    cement: CementSpec | None = None
    screws: ScrewSpec | None = None
    cage: Metal | None = None
    wire: Metal | None = None

    def __post_init__(self) -> None:
        for metal in (self.cage, self.wire):
            if metal is not None:
                _one_of("metal", metal, get_args(Metal))


@dataclass(frozen=True)
class MetalImagingSpec:
    """How the scanner shows metal.

    Parameters
    ----------
    ceiling_hu:
        CT numbers above are clipped: 3071 usually, 30710 on the extended scale.
    streaks:
        Strength of the streaks; 0 for none, 1 for a scan without metal artefact reduction.
    """

    ceiling_hu: int = PLAIN_CEILING_HU
    streaks: float = 1.0

    def __post_init__(self) -> None:
        _check("highest CT number", self.ceiling_hu, 2000, 32000)
        _check("strength of the streaks", self.streaks, 0.0, 4.0)
