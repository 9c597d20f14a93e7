"""What a phantom's lesions and broken arches are: frozen, validated descriptions. Lengths mm, HU at 120 kVp."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

from endplate.anatomy.model import ArchPlace, LesionKind, LesionPlace
from endplate.errors import UsageError

LesionSide = Literal["left", "right", "middle"]

DEFAULT_HU = {"lytic": 45.0, "blastic": 600.0}
"""Soft tissue in place of bone; dense new bone."""

HU_RANGE = {"lytic": (-20.0, 100.0), "blastic": (200.0, 1200.0)}


def _refuse(what: str, do: str) -> UsageError:
    return UsageError("phantom-spec-invalid", what, do=do)


def _between(name: str, value: float, low: float, high: float) -> None:
    if not (math.isfinite(value) and low <= value <= high):
        raise _refuse(
            f"The {name} is {value:g}, outside {low:g} to {high:g}.", f"Choose {low:g} to {high:g}."
        )


@dataclass(frozen=True)
class LesionSpec:
    """A ball of soft tissue (lytic) or dense bone (blastic) in one vertebra.

    Parameters
    ----------
    kind:
        ``"lytic"`` or ``"blastic"``.
    diameter_mm:
        Of the ball, at half its border.
    place:
        ``"body"``, ``"posterior wall"`` (the ball reaches through the wall) or ``"pedicle"`` (at the isthmus).
    side:
        Which pedicle; in the body it is given by ``at``.
    at:
        Fractions of the body: from the left (−1) to the right wall (1), back (0) to front (1), lower (0) to upper
        endplate (1). The posterior wall uses the first and the last.
    hu:
        CT number inside; by default that of ``DEFAULT_HU``.
    border_mm:
        Width over which it passes into bone; 0 is sharp.
    destroys:
        Whether the cortex within the ball is gone. By default a lytic one in pedicle or wall destroys it.
    """

    kind: LesionKind
    diameter_mm: float
    place: LesionPlace = "body"
    side: LesionSide = "middle"
    at: tuple[float, float, float] = (0.0, 0.6, 0.5)
    hu: float | None = None
    border_mm: float = 0.0
    destroys: bool | None = None

    def __post_init__(self) -> None:
        if self.kind not in get_args(LesionKind) or self.place not in get_args(LesionPlace):
            raise _refuse(
                f"{self.kind!r} in {self.place!r} is no lesion.",
                "Choose lytic or blastic, in body, pedicle or posterior wall.",
            )
        if self.place == "pedicle" and self.side not in ("left", "right"):
            raise _refuse("A lesion of a pedicle has no side.", "Choose left or right.")
        _between("lesion's diameter", self.diameter_mm, 2.0, 30.0)
        _between("lesion's border", self.border_mm, 0.0, 8.0)
        _between("lesion's HU", self.inside_hu, *HU_RANGE[self.kind])
        for value, (low, high) in zip(self.at, ((-1.0, 1.0), (0.0, 1.0), (0.0, 1.0)), strict=True):
            _between("lesion's place", value, low, high)

    @property
    def inside_hu(self) -> float:
        """CT number inside."""
        return DEFAULT_HU[self.kind] if self.hu is None else self.hu

    @property
    def takes_cortex(self) -> bool:
        """Whether the cortex within the ball is gone."""
        return (self.kind == "lytic" and self.place != "body") if self.destroys is None else self.destroys


@dataclass(frozen=True)
class ArchBreakSpec:
    """A gap of soft tissue through a lamina or the spinous process. The label bridges it, as segmenters do."""

    place: ArchPlace
    gap_mm: float = 2.5

    def __post_init__(self) -> None:
        if self.place not in get_args(ArchPlace):
            raise _refuse(
                f"{self.place!r} cannot be broken.", f"Choose from {', '.join(get_args(ArchPlace))}."
            )
        _between("gap of a broken arch", self.gap_mm, 0.5, 10.0)
