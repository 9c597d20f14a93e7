"""The beam of the tube: its energies, what the detector shows of each, and how much air kerma each carries."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from endplate.errors import UsageError
from endplate.fluoroscopy.materials import Material, material
from endplate.imaging.geometry import FloatArray
from endplate.sources import value

BISECTIONS = 50
"""Halvings of the energy: to far below the table's own accuracy."""


@dataclass(frozen=True, eq=False)
class Spectrum:
    """A filtered beam on up to 16 bins of energy.

    Parameters
    ----------
    kvp:
        Tube voltage.
    energy_kev:
        Energy that stands for each bin, shape (B,).
    signal:
        Share of each bin in the open beam's picture signal; sums to 1.
    kerma:
        Share of each bin in the open beam's air kerma; sums to 1.
    photons_mm2_ugy:
        Photons of each bin per mm² for 1 µGy of open beam.
    half_value_mm_al:
        First half-value layer.
    """

    kvp: float
    energy_kev: FloatArray
    signal: FloatArray
    kerma: FloatArray
    photons_mm2_ugy: FloatArray
    half_value_mm_al: float

    def attenuation(self, of: Material) -> FloatArray:
        """Linear attenuation of a material in each bin, 1/mm, shape (B,)."""
        return of.attenuation_per_mm(self.energy_kev)

    def minus_ln_signal(self, paths_mm: dict[Material, float]) -> float:
        """−ln of the signal behind some millimetres of materials: the exact sum over the bins."""
        return _minus_ln(self.signal, self._depth(paths_mm))

    def minus_ln_kerma(self, paths_mm: dict[Material, float]) -> float:
        """−ln of the air kerma behind some millimetres of materials."""
        return _minus_ln(self.kerma, self._depth(paths_mm))

    def photons_behind(self, paths_mm: dict[Material, float]) -> float:
        """Photons per mm² and per µGy of air kerma as both are behind the materials."""
        left = np.exp(-self._depth(paths_mm))
        return float((self.photons_mm2_ugy * left).sum() / (self.kerma * left).sum())

    def effective_energy_kev(self) -> float:
        """Energy at which one attenuation of soft tissue gives the signal behind ``xray.effective_path_mm``."""
        soft_mm, bone_mm = (float(length) for length in value("xray.effective_path_mm"))
        paths = {material("soft"): soft_mm, material("bone"): bone_mm}
        wanted = self.minus_ln_signal(paths)
        low, high = float(self.energy_kev[0]), float(self.energy_kev[-1])
        for _ in range(BISECTIONS):
            middle = 0.5 * (low + high)
            depth = sum(mm * float(of.attenuation_per_mm(middle)) for of, mm in paths.items())
            low, high = (middle, high) if depth > wanted else (low, middle)
        return 0.5 * (low + high)

    def _depth(self, paths_mm: dict[Material, float]) -> FloatArray:
        total = np.zeros_like(self.energy_kev)
        for of, mm in paths_mm.items():
            total += mm * self.attenuation(of)
        return total


def tabulated_kvps() -> tuple[float, ...]:
    """Tube voltages that have a spectrum, rising."""
    return tuple(sorted(float(kvp) for kvp in value("xray.spectrum_signal")))


def nearest_kvp(kvp: float) -> float:
    """The tabulated tube voltage nearest to one; outside the table its end."""
    return min(tabulated_kvps(), key=lambda known: (abs(known - kvp), known))


@cache
def spectrum(kvp: float) -> Spectrum:
    """The tabulated spectrum nearest to a tube voltage.

    Raises
    ------
    UsageError
        A voltage that no C-arm has.
    """
    known = tabulated_kvps()
    if not known[0] - 10.0 <= kvp <= known[-1] + 10.0:
        raise UsageError(
            "tube-voltage",
            f"{kvp:g} kV is outside the simulated tube's range.",
            do=f"Give {known[0]:g} to {known[-1]:g} kV.",
        )
    name = f"{nearest_kvp(kvp):g}"

    def row(table: dict[str, list[float]]) -> FloatArray:
        return np.array(table[name], dtype=np.float64)

    signal, kerma = row(value("xray.spectrum_signal")), row(value("xray.spectrum_kerma"))
    return Spectrum(
        kvp=float(name),
        energy_kev=row(value("xray.spectrum_energy_kev")),
        signal=signal / signal.sum(),
        kerma=kerma / kerma.sum(),
        photons_mm2_ugy=row(value("xray.spectrum_photons_mm2_ugy")),
        half_value_mm_al=float(value("xray.half_value_layer_mm_al")[name]),
    )


def _minus_ln(share: FloatArray, depth: FloatArray) -> float:
    least = float(depth.min())  # kept apart, so that thick metal does not vanish to zero
    return least - float(np.log((share * np.exp(least - depth)).sum()))
