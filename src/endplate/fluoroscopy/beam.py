"""From a CT to paths in soft tissue and bone, and from paths to what the beam leaves of its signal.

Notes
-----
A voxel of a CT is taken for soft tissue (attenuating as water of its density) mixed with cortical bone: up to
``xray.ct_split_hu`` all of it is soft, at the HU that cortical bone shows at the CT's own energy all of it is bone,
and in between the attenuation at that energy is kept. The signal behind the paths L is

    S = Σ_b w_b exp(−μ_soft,b L_soft − μ_bone,b L_bone − Σ_t (μ_t,b − μ_soft,b) L_t)

over the bins b of the spectrum; tools t take the place of soft tissue. Without tools a table of ln S over both paths
is read; pixels with tools are summed over the bins.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from endplate.fluoroscopy.compiled import kernel
from endplate.fluoroscopy.materials import BONE, SOFT, Material, mass_attenuation, material
from endplate.fluoroscopy.spectrum import Spectrum, spectrum
from endplate.imaging.attenuation import effective_energy_kev
from endplate.imaging.geometry import FloatArray
from endplate.sources import value

Float32 = NDArray[np.float32]

SOFT_STEP_MM, SOFT_STEPS = 5.0, 161
BONE_STEP_MM, BONE_STEPS = 1.0, 321
"""Grid of the table: 80 cm of soft tissue by 32 cm of bone; beyond it the last cell goes on straight."""

HU_PER_WATER = 1000.0


@dataclass(frozen=True)
class TissueSplit:
    """How Hounsfield units are split into the two tissues.

    Parameters
    ----------
    soft_hu:
        At and below it all is soft tissue.
    bone_hu:
        At and above it all is cortical bone.
    """

    soft_hu: float
    bone_hu: float

    def split(self, hu: ArrayLike) -> tuple[Float32, Float32]:
        """Return (soft, bone): mm of water and of cortical bone in a millimetre of each voxel, both float32.

        Air counts as nothing, never as less.
        """
        values = np.maximum(np.asarray(hu, dtype=np.float32), np.float32(-HU_PER_WATER))
        bone = (values - np.float32(self.soft_hu)) * np.float32(1.0 / (self.bone_hu - self.soft_hu))
        np.maximum(bone, np.float32(0.0), out=bone)
        soft = np.float32(1.0) + np.minimum(values, np.float32(self.soft_hu)) * np.float32(1.0 / HU_PER_WATER)
        soft *= np.maximum(np.float32(1.0) - bone, np.float32(0.0))
        return soft, bone


def tissue_split(ct_kvp: float | None = None) -> TissueSplit:
    """The split for the tube voltage of a CT; ``None``: ``xray.ct_kvp``."""
    energy = effective_energy_kev(float(value("xray.ct_kvp")) if ct_kvp is None else ct_kvp)
    ratio = float(mass_attenuation(BONE, energy) / mass_attenuation(SOFT, energy))
    bone_hu = HU_PER_WATER * (float(value("xray.density_gcc")[BONE]) * ratio - 1.0)
    return TissueSplit(soft_hu=float(value("xray.ct_split_hu")), bone_hu=bone_hu)


@dataclass(frozen=True, eq=False)
class Shadow:
    """Tools in the field, cut to the rectangle that holds them.

    Parameters
    ----------
    materials:
        What they are made of, K of them.
    paths_mm:
        Path in each, float32, shape (K, bottom − top, right − left).
    box:
        Rows [top, bottom) and columns [left, right).
    """

    materials: tuple[Material, ...]
    paths_mm: Float32
    box: tuple[int, int, int, int]

    def whole(self, shape: tuple[int, int]) -> dict[Material, Float32]:
        """Path in each material over the whole field."""
        top, bottom, left, right = self.box
        found = {}
        for of, path in zip(self.materials, self.paths_mm, strict=True):
            found[of] = np.zeros(shape, dtype=np.float32)
            found[of][top:bottom, left:right] = path
        return found


@dataclass(frozen=True, eq=False)
class Beam:
    """One beam made ready for pictures.

    Parameters
    ----------
    spectrum:
        Its energies.
    table:
        ln of the signal over soft paths (first axis) and bone paths, float32.
    monoenergetic:
        One energy stands for all: the fast option, without beam hardening.
    """

    spectrum: Spectrum
    table: Float32
    monoenergetic: bool = False

    @property
    def bins_kev(self) -> FloatArray:
        """Energies that are summed."""
        if self.monoenergetic:
            return np.array([self.spectrum.effective_energy_kev()])
        return self.spectrum.energy_kev

    @property
    def bins_signal(self) -> FloatArray:
        """Share of each of them in the signal."""
        return np.ones(1) if self.monoenergetic else self.spectrum.signal

    def signal(self, soft_mm: Float32, bone_mm: Float32) -> Float32:
        """Signal left behind the patient (1: open beam), same shape as the paths."""
        left = np.empty(soft_mm.shape, dtype=np.float32)
        _read_table(soft_mm, bone_mm, self.table, left)
        return left

    def add_tools(
        self, signal: Float32, soft_mm: Float32, bone_mm: Float32, shadow: Shadow | None
    ) -> Float32:
        """The signal with tools in the beam, in place of as much soft tissue.

        Parameters
        ----------
        signal, soft_mm, bone_mm:
            As in :meth:`signal`, shape (rows, columns).
        shadow:
            The tools; ``None``: there are none in the field.

        Returns
        -------
        A new array; pixels without tools keep their signal.
        """
        out = signal.copy()
        if shadow is None:
            return out
        energy = self.bins_kev
        top, bottom, left, right = shadow.box
        part = np.s_[top:bottom, left:right]
        _sum_bins(
            soft_mm[part],
            bone_mm[part],
            shadow.paths_mm,
            np.log(self.bins_signal).astype(np.float32),
            material("soft").attenuation_per_mm(energy).astype(np.float32),
            material("bone").attenuation_per_mm(energy).astype(np.float32),
            np.stack([of.attenuation_per_mm(energy) for of in shadow.materials]).astype(np.float32),
            out[part],
        )
        return out

    def minus_ln(self, soft_mm: ArrayLike, bone_mm: ArrayLike) -> FloatArray:
        """−ln of the signal from the table."""
        soft, bone = np.broadcast_arrays(np.asarray(soft_mm, np.float32), np.asarray(bone_mm, np.float32))
        shape = soft.shape
        rows = (np.ascontiguousarray(np.atleast_2d(each.reshape(1, -1))) for each in (soft, bone))
        return -np.log(self.signal(*rows).astype(np.float64)).reshape(shape)


@lru_cache(maxsize=32)
def beam(kvp: float, *, monoenergetic: bool = False) -> Beam:
    """The beam of a tube voltage (the nearest tabulated one); see :func:`endplate.fluoroscopy.spectrum.spectrum`."""
    of = spectrum(kvp)
    energy = np.array([of.effective_energy_kev()]) if monoenergetic else of.energy_kev
    share = np.ones(1) if monoenergetic else of.signal
    soft = SOFT_STEP_MM * np.arange(SOFT_STEPS)[:, None, None] * material("soft").attenuation_per_mm(energy)
    bone = BONE_STEP_MM * np.arange(BONE_STEPS)[None, :, None] * material("bone").attenuation_per_mm(energy)
    depth = soft + bone
    least = depth.min(axis=2, keepdims=True)
    table = np.log((share * np.exp(least - depth)).sum(axis=2)) - least[..., 0]
    return Beam(of, np.ascontiguousarray(table, dtype=np.float32), monoenergetic)


@kernel()
def _read_table(soft_mm, bone_mm, table, left):  # type: ignore[no-untyped-def]
    """Signal by bilinear reading of the table; the first and the last cell go on straight."""
    rows, columns = soft_mm.shape
    for row in range(rows):
        for column in range(columns):
            s = soft_mm[row, column] * np.float32(1.0 / SOFT_STEP_MM)
            b = bone_mm[row, column] * np.float32(1.0 / BONE_STEP_MM)
            i = min(max(int(s), 0), SOFT_STEPS - 2)
            j = min(max(int(b), 0), BONE_STEPS - 2)
            s -= np.float32(i)
            b -= np.float32(j)
            near = table[i, j] + b * (table[i, j + 1] - table[i, j])
            far = table[i + 1, j] + b * (table[i + 1, j + 1] - table[i + 1, j])
            left[row, column] = math.exp(near + s * (far - near))


@kernel()
def _sum_bins(soft_mm, bone_mm, tools_mm, ln_share, soft, bone, tools, out):  # type: ignore[no-untyped-def]
    """Signal summed over the bins where a tool stands; tools take the place of soft tissue."""
    kinds, rows, columns = tools_mm.shape
    bins = len(soft)
    for row in range(rows):
        for column in range(columns):
            covered = np.float32(0.0)
            for kind in range(kinds):
                covered += tools_mm[kind, row, column]
            if covered > np.float32(0.0):
                left_soft = max(soft_mm[row, column] - covered, np.float32(0.0))
                total = np.float32(0.0)
                for k in range(bins):
                    depth = soft[k] * left_soft + bone[k] * bone_mm[row, column] - ln_share[k]
                    for kind in range(kinds):
                        depth += tools[kind, k] * tools_mm[kind, row, column]
                    total += math.exp(-depth)
                out[row, column] = total
