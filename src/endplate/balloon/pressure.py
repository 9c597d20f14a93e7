"""Pressure that crushing bone asks for: a crushable foam as the law, Hill's cavity as its upper bound.

Notes
-----
A spherical cavity that grows in a foam crushes it at the stress Y where the crushed shell ends. Crushed bone shrinks
along the pressure without spreading and is torn across, so that it carries nothing across: the radial stress then falls
as 1/r² through the shell, and with inner and outer radius a and b

    p = Y · (b / a)²,    (b / a)³ = c / (c − 1),

where c is by how much the shell is compacted: the bone of the cavity lies in it. With full stress across (bone that
flows like a fluid once it is crushed) p = Y, the lower end. Hill's cavity in bone that yields by von Mises' criterion
and keeps its volume is the upper end:

    p = (2/3) · Y · (1 + ln(E / (3 (1 − ν) Y))).
"""

from __future__ import annotations

import numpy as np

from endplate.anatomy.axes import FloatArray
from endplate.balloon.documents import Pressure
from endplate.errors import UsageError
from endplate.mechanics.laws import DensityLaw
from endplate.sources import value


def shell_radius_ratio(compaction: float) -> float:
    """Outer over inner radius of the shell that holds the bone of a spherical cavity, compacted by a factor above 1."""
    if not compaction > 1.0:
        raise UsageError(
            "compaction-impossible",
            f"Bone cannot be compacted by a factor of {compaction:g}.",
            do="Give a factor above 1.",
        )
    return float((compaction / (compaction - 1.0)) ** (1.0 / 3.0))


def foam_factor(compaction: float) -> float:
    """Pressure of a cavity in crushable foam over its crushing stress."""
    return shell_radius_ratio(compaction) ** 2


def hill_limit_mpa(yield_mpa: FloatArray, modulus_mpa: FloatArray, poisson: float) -> FloatArray:
    """Pressure at which a spherical cavity grows without end in an elastic, perfectly plastic body, any shape."""
    stress = np.asarray(yield_mpa, dtype=np.float64)
    limit: FloatArray = 2.0 / 3.0 * stress * (1.0 + np.log(modulus_mpa / (3.0 * (1.0 - poisson) * stress)))
    return limit


def elastic_widening_mm(pressure_mpa: float, radius_mm: float, modulus_mpa: float, poisson: float) -> float:
    """How far the wall of a spherical cavity in an endless elastic body moves: p·a / 4G."""
    shear = modulus_mpa / (2.0 * (1.0 + poisson))
    return pressure_mpa * radius_mm / (4.0 * shear)


def band(foam_mpa: float, law: DensityLaw) -> Pressure:
    """A foam's pressure with the bounds that belong to the bone that asks for it.

    Parameters
    ----------
    foam_mpa:
        By the law of the foam.
    law:
        Ties crushing stress to modulus through the density.
    """
    if foam_mpa <= 0.0:
        return Pressure(foam=0.0, yield_=0.0, j2=0.0)
    stress = foam_mpa / foam_factor(float(value("balloon.compaction")))
    modulus = float(_modulus_of(stress, law))
    upper = float(hill_limit_mpa(np.asarray(stress), np.asarray(modulus), float(value("bone.poisson"))))
    return Pressure(foam=round(foam_mpa, 6), yield_=round(stress, 6), j2=round(max(upper, foam_mpa), 6))


def _modulus_of(stress_mpa: float, law: DensityLaw) -> float:
    """Modulus of bone whose crushing stress is known, by the law's own curve."""
    density = np.linspace(1.0, 2000.0, 4000)
    return float(np.interp(stress_mpa, law.yield_mpa(density), law.modulus_mpa(density)))
