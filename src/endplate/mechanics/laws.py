"""From bone density to stiffness and yield stress: published laws, kept as data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from endplate.errors import UsageError
from endplate.imaging.density_scales import apparent_from_ash, ash_from_k2hpo4
from endplate.mechanics.element import FloatArray
from endplate.sources import constant, value

DEFAULT_LAW = "kopperdahl"
"""The law where none is named."""

LAWS = {
    "kopperdahl": "law.kopperdahl",
    "kopperdahl-line": "law.kopperdahl-line",
    "scaled": "law.scaled",
    "morgan": "law.morgan",
    "kopperdahl1998": "law.kopperdahl1998",
}
"""Names of the laws and their entries among the constants."""

MG_PER_G = 1000.0


@dataclass(frozen=True)
class DensityLaw:
    """Modulus and yield stress of bone from its density.

    Parameters
    ----------
    name:
        As on the command line.
    form:
        ``"power"``: a·ρ^b; ``"line"``: a + b·ρ; MPa from g/cm³.
    modulus, strength:
        a and b; ``strength`` is ``None`` where the yield stress follows from the yield strain.
    basis:
        Density that the law wants: ``"k2hpo4"`` (QCT) or ``"apparent"`` (wet).
    range_gcc:
        Densities that it was made for, on its basis.
    source, status:
        Citation key and how the coefficients are known.
    """

    name: str
    form: Literal["power", "line"]
    modulus: tuple[float, float]
    strength: tuple[float, float] | None
    basis: Literal["k2hpo4", "apparent"]
    range_gcc: tuple[float, float]
    source: str
    status: str

    @property
    def text(self) -> str:
        """For reports: the two formulas."""
        modulus = f"E = {self._formula(self.modulus)}"
        if self.strength is None:
            return f"{modulus} MPa, yield at {100 * float(value('bone.yield_strain')):g} % strain"
        return f"{modulus} MPa, yield {self._formula(self.strength)} MPa"

    def modulus_mpa(self, density_mgcc: FloatArray) -> FloatArray:
        """Young's modulus from K2HPO4-equivalent density, any shape; never below the least modulus."""
        floor = float(value("bone.modulus_floor_mpa"))
        return np.maximum(self._value(self.modulus, density_mgcc), floor)

    def yield_mpa(self, density_mgcc: FloatArray) -> FloatArray:
        """Yield stress from K2HPO4-equivalent density, any shape; never below the least modulus times yield strain."""
        strain = float(value("bone.yield_strain"))
        if self.strength is None:
            return strain * self.modulus_mpa(density_mgcc)
        floor = strain * float(value("bone.modulus_floor_mpa"))
        return np.maximum(self._value(self.strength, density_mgcc), floor)

    def density_on_basis_gcc(self, density_mgcc: FloatArray) -> FloatArray:
        """K2HPO4-equivalent density as the density that this law wants, g/cm³, never negative."""
        density = np.maximum(np.asarray(density_mgcc, dtype=np.float64), 0.0)
        if self.basis == "apparent":
            density = apparent_from_ash(ash_from_k2hpo4(density))
        scaled: FloatArray = density / MG_PER_G
        return scaled

    def _value(self, pair: tuple[float, float], density_mgcc: FloatArray) -> FloatArray:
        density = self.density_on_basis_gcc(density_mgcc)
        a, b = pair
        result: FloatArray = a * density**b if self.form == "power" else a + b * density
        return result

    def _formula(self, pair: tuple[float, float]) -> str:
        a, b = pair
        return f"{a:g}·ρ^{b:g}" if self.form == "power" else f"{a:g} + {b:g}·ρ"


def density_law(name: str = DEFAULT_LAW) -> DensityLaw:
    """The law of that name.

    Raises
    ------
    UsageError
        There is no such law.
    """
    if name not in LAWS:
        raise UsageError(
            "law-unknown", f"There is no density law named {name!r}.", do=f"Choose one of {', '.join(LAWS)}."
        )
    entry = constant(LAWS[name])
    data = entry.value
    strength = data.get("strength")
    return DensityLaw(
        name=name,
        form=data["form"],
        modulus=_pair(data["modulus"]),
        strength=None if strength is None else _pair(strength),
        basis=data["basis"],
        range_gcc=_pair(data["range"]),
        source=entry.source,
        status=entry.status,
    )


def _pair(numbers: list[float]) -> tuple[float, float]:
    first, second = numbers
    return float(first), float(second)
