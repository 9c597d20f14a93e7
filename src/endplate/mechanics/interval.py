"""How far stiffness and strength can be off, by cause."""

from __future__ import annotations

import numpy as np

from endplate.mechanics.laws import DensityLaw, density_law
from endplate.mechanics.strength_model import Interval, IntervalPart
from endplate.sources import constant, value


def interval_of(
    law: DensityLaw,
    density_mgcc: float,
    density_half_width: float,
    stiffness_n_per_mm: float,
    strength_linear_n: float,
    strength_n: float | None,
) -> Interval:
    """Intervals from calibration, law, voxel size and reconstruction.

    Parameters
    ----------
    law:
        The one used.
    density_mgcc:
        Mean density of the bone.
    density_half_width:
        Half width of its interval as a fraction, from the calibration.
    stiffness_n_per_mm, strength_linear_n, strength_n:
        The results.

    Notes
    -----
    Density errors act as the law's slope at the mean density does: scaling all densities by c scales every modulus
    of a power law by c^b. The law's part is the wider of the literature's spread and the two published forms of the
    default law.
    """
    at, more = np.array([density_mgcc]), np.array([1.01 * density_mgcc])
    modulus_power = float(np.log(law.modulus_mpa(more) / law.modulus_mpa(at))[0] / np.log(1.01))
    yield_power = float(np.log(law.yield_mpa(more) / law.yield_mpa(at))[0] / np.log(1.01))
    other = density_law("kopperdahl-line" if law.name == "kopperdahl" else "kopperdahl")
    spread = float(value("strength.interval_law"))
    law_modulus = max(spread, abs(float(other.modulus_mpa(at)[0] / law.modulus_mpa(at)[0]) - 1.0))
    law_yield = max(spread, abs(float(other.yield_mpa(at)[0] / law.yield_mpa(at)[0]) - 1.0))
    voxel, kernel = float(value("strength.interval_voxel")), float(value("strength.interval_kernel"))
    parts = (
        IntervalPart(
            name="calibration",
            stiffness=abs(modulus_power) * density_half_width,
            strength=abs(yield_power) * density_half_width,
            why=f"density ± {100 * density_half_width:.0f} %",
            source="endplate",
        ),
        IntervalPart(
            name="law",
            stiffness=law_modulus,
            strength=law_yield,
            why="spread of published laws",
            source=constant("strength.interval_law").source,
        ),
        IntervalPart(
            name="voxel size",
            stiffness=voxel,
            strength=voxel,
            why="voxels against smooth meshes",
            source=constant("strength.interval_voxel").source,
        ),
        IntervalPart(
            name="kernel and scanner",
            stiffness=kernel,
            strength=kernel,
            why="soft and sharp reconstruction",
            source=constant("strength.interval_kernel").source,
        ),
    )
    stiff = float(np.sqrt(sum(part.stiffness**2 for part in parts)))
    strong = float(np.sqrt(sum(part.strength**2 for part in parts)))
    return Interval(
        stiffness_n_per_mm=_about(stiffness_n_per_mm, stiff),
        strength_linear_n=_about(strength_linear_n, stiff),
        strength_n=None if strength_n is None else _about(strength_n, strong),
        parts=parts,
    )


def _about(number: float, share: float) -> tuple[float, float]:
    return number * max(0.0, 1.0 - share), number * (1.0 + share)
