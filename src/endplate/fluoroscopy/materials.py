"""What stands in the beam: tissues, metals, cement and contrast, with their linear attenuation by energy."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import ArrayLike

from endplate.devices.cements import Cement, shipped_cements
from endplate.errors import UsageError
from endplate.imaging.geometry import FloatArray
from endplate.sources import value

MM_PER_CM = 10.0
MG_PER_G = 1000.0

SOFT, BONE = "water", "cortical_bone"
"""The two tissues that a CT is split into; soft tissue attenuates as water of its density."""


@dataclass(frozen=True)
class Material:
    """A material as X-rays see it.

    Parameters
    ----------
    name:
        As told to people.
    parts:
        Compounds of ``xray.mass_attenuation`` with the grams of each in a cubic centimetre.

    Raises
    ------
    ValueError
        An unknown compound, or no mass at all.
    """

    name: str
    parts: tuple[tuple[str, float], ...]

    def __post_init__(self) -> None:
        known = value("xray.mass_attenuation")
        if not self.parts or not all(
            part in known and np.isfinite(mass) and mass >= 0.0 for part, mass in self.parts
        ):
            raise ValueError(f"{self.name}: a material is made of known compounds")

    @property
    def density_gcc(self) -> float:
        """Mass density, g/cm³."""
        return sum(mass for _, mass in self.parts)

    def attenuation_per_mm(self, energy_kev: ArrayLike) -> FloatArray:
        """Linear attenuation with coherent scatter in 1/mm at energies in keV.

        Raises
        ------
        ValueError
            An energy outside the table.
        """
        total = sum(mass * mass_attenuation(part, energy_kev) for part, mass in self.parts)
        return np.asarray(total, dtype=np.float64) / MM_PER_CM


def mass_attenuation(compound: str, energy_kev: ArrayLike) -> FloatArray:
    """Mass attenuation of a compound in cm²/g; both axes are interpolated as logarithms, never across a K edge.

    Raises
    ------
    ValueError
        An energy outside the table.
    """
    known = np.asarray(value("xray.energy_kev"), dtype=np.float64)
    energy = np.asarray(energy_kev, dtype=np.float64)
    if energy.size and not (energy.min() >= known[0] and energy.max() <= known[-1]):
        raise ValueError(f"energies lie between {known[0]:g} and {known[-1]:g} keV")
    table = np.asarray(value("xray.mass_attenuation")[compound], dtype=np.float64)
    found: FloatArray = np.exp(np.interp(np.log(energy), np.log(known), np.log(table)))
    return found


def cement_material(cement: Cement) -> Material:
    """A cement of the catalogue: polymer with barium sulphate.

    The catalogue tells the opacifier as a share of the powder; the liquid thins it.
    """
    share = float(value("xray.cement_powder_share")) * cement.barium_sulphate_fraction
    return Material(
        f"{cement.name} cement",
        (("barium_sulphate", cement.density_gcc * share), ("pmma", cement.density_gcc * (1.0 - share))),
    )


def zirconia_cement() -> Material:
    """A cement made opaque by zirconium dioxide."""
    table = value("xray.zirconia_cement")
    density = float(table["density_gcc"])
    share = float(value("xray.cement_powder_share")) * float(table["powder_fraction"])
    return Material(
        "zirconia cement", (("zirconium_dioxide", density * share), ("pmma", density * (1.0 - share)))
    )


def contrast_material(iodine_mg_ml: float | None = None) -> Material:
    """Iohexol in water, by its iodine in mg/ml; ``None``: what balloons are filled with.

    Raises
    ------
    UsageError
        A concentration that such solutions do not have.
    """
    iodine = float(value("xray.contrast_iodine_mg_ml")) if iodine_mg_ml is None else float(iodine_mg_ml)
    if not 0.0 <= iodine <= 400.0:
        raise UsageError(
            "contrast-concentration",
            f"{iodine:g} mg iodine/ml is no contrast medium for a balloon.",
            do="Give 0 to 400 mg iodine/ml.",
        )
    iohexol = iodine * float(value("xray.iohexol_mg_per_mg_iodine")) / MG_PER_G
    water = 1.0 + float(value("xray.iohexol_density_slope")) * iodine - iohexol
    return Material(f"iohexol {iodine:g} mg I/ml", (("iohexol", iohexol), ("water", water)))


@cache
def materials() -> dict[str, Material]:
    """The materials that a scene names, by key."""
    dense = value("xray.density_gcc")

    def pure(name: str, compound: str) -> Material:
        return Material(name, ((compound, float(dense[compound])),))

    return {
        "soft": pure("soft tissue", SOFT),
        "bone": pure("cortical bone", BONE),
        "adipose": pure("fat", "adipose"),
        "muscle": pure("muscle", "muscle"),
        "pmma": pure("PMMA", "pmma"),
        "steel": pure("316L steel", "steel_316l"),
        "nitinol": pure("nitinol", "nitinol"),
        "cobalt-chromium": pure("cobalt-chromium", "cobalt_chromium"),
        "platinum": pure("platinum", "platinum"),
        "cement": cement_material(next(iter(shipped_cements().values()))),
        "zirconia-cement": zirconia_cement(),
        "contrast": contrast_material(),
    }


def material(name: str) -> Material:
    """One material by key.

    Raises
    ------
    UsageError
        No such material.
    """
    known = materials()
    if name not in known:
        raise UsageError(
            "material-unknown",
            f"There is no X-ray material {name!r}.",
            do=f"Choose one of {', '.join(known)}.",
        )
    return known[name]
