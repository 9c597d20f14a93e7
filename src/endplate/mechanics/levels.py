"""The strength of all levels of a case, and where each gives way on the CT's grid."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from endplate.anatomy.model import Document, Spine
from endplate.errors import ConvergenceError, QualityGateError, UsageError
from endplate.imaging.calibration import Calibration
from endplate.imaging.volume import LabelMap, Volume
from endplate.mechanics.pressing import Pressed, StrengthOptions
from endplate.mechanics.strength import StrengthResult, press_vertebra
from endplate.mechanics.strength_model import StrengthDocument
from endplate.sources import Finding, finding

STRAIN_STEP = 1e-3
"""Plastic strain of one grey value of the map of failure."""


class LevelStrength(Document):
    """The strength of one level, or why there is none."""

    level: str
    result: StrengthDocument | None
    findings: tuple[Finding, ...] = ()
    """Why there is no result."""


class CaseStrength(Document):
    """The document ``strength.json`` of a case."""

    schema_: Literal["endplate/case-strength/1"] = Field(default="endplate/case-strength/1", alias="schema")
    levels: tuple[LevelStrength, ...]

    def find(self, level: str) -> StrengthDocument | None:
        """The result of one level; ``None`` where there is none."""
        return next((one.result for one in self.levels if one.level == level), None)

    def findings(self) -> tuple[Finding, ...]:
        """Why levels have no result."""
        return tuple(found for one in self.levels for found in one.findings)


def strength_of_levels(
    image: Volume,
    labels: LabelMap,
    spine: Spine,
    levels: Sequence[str],
    calibration: Calibration,
    options: StrengthOptions,
    *,
    progress: Callable[[str, float], None] = lambda _what, _part: None,
) -> tuple[CaseStrength, Volume]:
    """Press each level to failure.

    A level that cannot be pressed is told among the findings and does not stop the others.

    Parameters
    ----------
    image, labels, spine, calibration:
        The scan, its labels, what was measured of it, and HU → density.
    levels:
        Names of levels.
    options:
        How they are pressed.

    Returns
    -------
    The document, and on the CT's grid the plastic strain at the last step in thousandths (uint8).
    """
    found: list[LevelStrength] = []
    strain = np.zeros(image.shape, np.uint8)
    for place, level in enumerate(levels):

        def tell(what: str, part: float, level: str = level, place: int = place) -> None:
            progress(f"{level} {what}", (place + part) / len(levels))

        try:
            made = press_vertebra(image, labels, spine, level, calibration, options, progress=tell)
        except (ConvergenceError, QualityGateError, UsageError) as error:
            why = finding("strength-missing", level=level, why=error.what)
            found.append(LevelStrength(level=level, result=None, findings=(why,)))
            continue
        found.append(LevelStrength(level=level, result=made.document))
        paint_strain(shown(made), labels, level_id(spine, level), strain)
    return CaseStrength(levels=tuple(found)), Volume(strain, image.affine)


def shown(made: StrengthResult) -> Pressed:
    """The pressing whose failure is shown: of the broken bone where there is one."""
    return made.broken or made.pressed


def level_id(spine: Spine, level: str) -> int:
    """VerSe id of a measured level; 0 where it was not measured."""
    vertebra = spine.find(level)
    return 0 if vertebra is None else vertebra.label_id


def paint_strain(pressed: Pressed, labels: LabelMap, label: int, strain: NDArray[np.uint8]) -> None:
    """Put the plastic strain of one vertebra's body on the grid of its labels.

    Parameters
    ----------
    pressed:
        Pressed to failure; nothing is painted where it was pressed elastically only.
    labels, label:
        The labels and the id of the vertebra.
    strain:
        Thousandths, shape of the labels; written where the vertebra is.
    """
    if pressed.ramp is None:
        return
    ijk = np.argwhere(labels.data == label)
    made = pressed.specimen
    inverse = np.linalg.inv(made.affine)
    xyz = labels.volume.to_world(ijk) @ inverse[:3, :3].T + inverse[:3, 3]
    x, y, z = np.rint(xyz).astype(np.intp).T
    nz, ny, nx = made.body.shape
    inside = (x >= 0) & (x < nx) & (y >= 0) & (y < ny) & (z >= 0) & (z < nz)
    ijk, x, y, z = ijk[inside], x[inside], y[inside], z[inside]
    steps = np.where(made.body[z, y, x], pressed.ramp.plastic_strain[z, y, x] / STRAIN_STEP, 0.0)
    strain[tuple(ijk.T)] = np.clip(np.rint(steps), 0, np.iinfo(np.uint8).max).astype(np.uint8)
