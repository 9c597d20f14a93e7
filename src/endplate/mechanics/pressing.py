"""One tissue of a specimen pressed: stiffness and strength. Before and after treatment go the same way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from endplate.mechanics.caps import Caps
from endplate.mechanics.element import FloatArray
from endplate.mechanics.laws import DEFAULT_LAW, density_law
from endplate.mechanics.plasticity import Yielding
from endplate.mechanics.platen import Hold
from endplate.mechanics.ramp import LinearPress, Press, Ramp
from endplate.mechanics.specimen import Specimen
from endplate.mechanics.tissue import DamageBand, Tissue, bone_elasticity
from endplate.sources import value

OFFSET = 0.002
"""Shortening over height by which the line of the stiffness is shifted for the offset yield."""

RISING = 0.01
"""Relative gain of force in the last step from which the curve counts as still rising."""


@dataclass(frozen=True)
class StrengthOptions:
    """How a vertebra is pressed.

    Parameters
    ----------
    law:
        Name of the density law.
    caps:
        What it stands between.
    hold, tilting:
        Sideways hold of the ends; whether the upper plate turns freely.
    transverse:
        Bone three times as stiff along z as across.
    yielding:
        How it yields.
    linear_only:
        No ramp to failure.
    voxel_mm:
        Voxel size where the bone is put on a grid of its own.
    whole:
        The whole vertebra and not the body alone.
    steps:
        ``"full"`` or ``"fast"`` ramp.
    preview_voxel_mm:
        Ramp on coarser voxels than the linear solve, for a quick answer; ``None``: on the same.
    damage:
        Band of broken bone beside the intact expectation; ``"auto"``: the usual one where a fracture was seen.
    """

    law: str = DEFAULT_LAW
    caps: Caps = field(default_factory=Caps.fitting)
    hold: Hold = "free"
    tilting: bool = False
    transverse: bool = False
    yielding: Yielding = field(default_factory=Yielding)
    linear_only: bool = False
    voxel_mm: float = 1.0
    whole: bool = False
    steps: Literal["full", "fast"] = "full"
    preview_voxel_mm: float | None = None
    damage: DamageBand | Literal["auto"] | None = "auto"

    def quick(self) -> StrengthOptions:
        """The same with a ramp of few steps on voxels of 2 mm."""
        return replace(self, steps="fast", preview_voxel_mm=2.0)

    @property
    def strains(self) -> tuple[float, ...]:
        """Steps of the ramp, shortening over height."""
        table = value("strength.strains") if self.steps == "full" else value("strength.fast_strains")
        return tuple(float(one) for one in table)


@dataclass(frozen=True, eq=False)
class Pressed:
    """What pressing one tissue gave.

    Parameters
    ----------
    height_mm:
        Between the ends.
    linear, ramp:
        The elastic answer and the way to failure (``None`` where it was not asked for).
    elements:
        Voxels that carry load.
    """

    specimen: Specimen
    tissue: Tissue
    height_mm: float
    linear: LinearPress
    ramp: Ramp | None
    elements: int

    @property
    def stiffness_n_per_mm(self) -> float:
        """Force over shortening."""
        return self.linear.stiffness_n_per_mm

    @property
    def strength_linear_n(self) -> float:
        """The rule of intact bone: 0.0068 · stiffness · height."""
        return float(value("strength.crawford")) * self.stiffness_n_per_mm * self.height_mm

    @property
    def strength_n(self) -> float | None:
        """Greatest force of the ramp."""
        return None if self.ramp is None else float(self.ramp.force_n.max())

    @property
    def offset_yield_n(self) -> float | None:
        """Force where the curve meets the stiffness's line shifted by 0.2 % of the height, if it does."""
        if self.ramp is None:
            return None
        way = np.concatenate([[0.0], self.ramp.shortening_mm])
        force = np.concatenate([[0.0], self.ramp.force_n])
        above = self.stiffness_n_per_mm * (way - OFFSET * self.height_mm) - force
        crossed = np.flatnonzero((above[:-1] < 0.0) & (above[1:] >= 0.0))
        if crossed.size == 0:
            return None
        at = int(crossed[0])
        part = above[at] / (above[at] - above[at + 1])
        return float(force[at] + part * (force[at + 1] - force[at]))

    @property
    def still_rising(self) -> bool:
        """The force still rose in the last step."""
        if self.ramp is None or self.ramp.force_n.size < 2:
            return False
        return bool(self.ramp.force_n[-1] > (1.0 + RISING) * self.ramp.force_n[-2])


def press(
    made: Specimen,
    options: StrengthOptions,
    tissue: Tissue | None = None,
    *,
    linear_only: bool | None = None,
    progress: Callable[[float], None] | None = None,
) -> Pressed:
    """Press a specimen, or the same specimen of other tissue (cement, broken bone).

    Parameters
    ----------
    made:
        The specimen.
    options:
        How.
    tissue:
        By the options' law where not given.
    linear_only:
        Instead of the option of that name.
    progress:
        Told the fraction done.

    Raises
    ------
    ConvergenceError
        The elastic solver or the ramp did not converge.
    QualityGateError
        The ends touch nothing or do not face each other.
    """
    made_of = tissue or made.tissue(density_law(options.law))
    model = made.model(made_of, bone_elasticity(transverse=options.transverse))
    machine = Press(model, made.platens(model, options.hold, tilting=options.tilting))
    height = made.height_mm
    linear = machine.linear(float(value("strength.linear_strain")) * height)
    if progress is not None:
        progress(0.2)
    ramp = None
    if not (options.linear_only if linear_only is None else linear_only):
        ramp = machine.to_failure(
            made_of.yield_mpa,
            options.yielding,
            [strain * height for strain in options.strains],
            start=linear,
            progress=None if progress is None else lambda part: progress(0.2 + 0.8 * part),
        )
    elements = int(np.count_nonzero(model.modulus_mpa)) - machine.loose_elements
    return Pressed(made, made_of, height, linear, ramp, elements)


def plastic_thirds(pressed: Pressed) -> tuple[float, float, float]:
    """Shares of the plastic strain of bone in the upper, middle and lower third of the body's height."""
    if pressed.ramp is None:
        return 0.0, 0.0, 0.0
    bone = pressed.specimen.body
    strain: FloatArray = np.where(bone, pressed.ramp.plastic_strain, 0.0).sum(axis=(1, 2))
    planes = np.flatnonzero(bone.any(axis=(1, 2)))
    total = float(strain.sum())
    if total == 0.0:
        return 0.0, 0.0, 0.0
    lower, middle, upper = (float(strain[part].sum()) / total for part in np.array_split(planes, 3))
    return upper, middle, lower
