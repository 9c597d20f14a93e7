"""How far cement has come in a vertebra, and where what leaked has gone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from endplate.anatomy.model import Document
from endplate.cement.bone_model import BoneModel
from endplate.cement.cavity import share_in_cavity
from endplate.cement.model import ROUTES, Fill
from endplate.sources import Finding, finding, value

CANAL_ROUTES = ("basivertebral", "cortical_posterior", "foramen")
"""Leaks that end in the canal or at the nerve roots: by the basivertebral vein into the epidural veins, through the
posterior wall, and into a foramen."""

LUNG_ROUTES = ("segmental",)
"""Leaks into veins that drain to the caval and azygos veins, and so toward the lung."""


class FillMeasures(Document):
    """What a fill of one vertebra measures. Volumes in mL, distances in mm along the anterior axis."""

    in_bone_ml: float
    """Cement in this bone, without what lies in a balloon's cavity."""
    in_cavity_ml: float
    fill_fraction: float
    """Cement in bone and cavity over the volume of the body."""
    touches_superior: bool
    touches_inferior: bool
    behind_most_mm: float | None
    """Least distance of cement in front of the posterior wall; negative behind it, ``None`` without cement."""
    posterior_quarter_ml: float
    leaks_ml: dict[str, float]
    in_canal_ml: float
    """Of the leaks: those of ``CANAL_ROUTES``."""
    toward_lung_ml: float
    """Of the leaks: those of ``LUNG_ROUTES``."""
    marrow_displaced_ml: float
    mass_error: float
    findings: tuple[Finding, ...] = ()

    @property
    def touches_endplates(self) -> bool:
        """Cement reaches both endplates."""
        return self.touches_superior and self.touches_inferior


def measure_fill(bone: BoneModel, fill: Fill) -> FillMeasures:
    """Measure a fill.

    Parameters
    ----------
    bone:
        The vertebra.
    fill:
        Cement in it.

    Notes
    -----
    A voxel is cement from ``fill.full`` on. Cement touches an endplate where it lies in a voxel beside the endplate's
    closed layer.
    """
    volume = fill.volume_ml(bone.medium)
    in_cavity = float((volume * share_in_cavity(bone.medium.porosity, bone.cavity)).sum())
    total = float(volume.sum())
    cement = fill.saturation >= float(value("fill.full"))
    behind = behind_most_mm(bone, cement)
    leaks = dict(zip(ROUTES, fill.leaked_ml, strict=True))
    told = []
    if behind is not None and behind < float(value("fill.wall_warning_mm")):
        told.append(finding("cement-near-wall", level=bone.level, mm=max(behind, 0.0)))
    return FillMeasures(
        in_bone_ml=total - in_cavity,
        in_cavity_ml=in_cavity,
        fill_fraction=total / bone.body_volume_ml,
        touches_superior=_touches(bone, cement, bone.places.endplate_superior),
        touches_inferior=_touches(bone, cement, bone.places.endplate_inferior),
        behind_most_mm=behind,
        posterior_quarter_ml=float(volume[bone.posterior_quarter].sum()),
        leaks_ml=leaks,
        in_canal_ml=sum(leaks[route] for route in CANAL_ROUTES),
        toward_lung_ml=sum(leaks[route] for route in LUNG_ROUTES),
        marrow_displaced_ml=fill.marrow_displaced_ml,
        mass_error=fill.mass_error(bone.medium),
        findings=tuple(told),
    )


def behind_most_mm(bone: BoneModel, cement: NDArray[np.bool_]) -> float | None:
    """Least distance of cement in the body in front of the posterior wall; ``None`` without any.

    Cement on its way in a pedicle does not count, that of a leak does by its own route.
    """
    there = cement & bone.body
    if not there.any():
        return None
    return float(bone.forward_mm[there].min() - 0.5 * bone.grid.step_mm)


def in_canal_ml(leaked_ml: Sequence[float]) -> float:
    """Total of the leaks into the canal and the foramina from volumes in the order of ``ROUTES``."""
    return sum(ml for route, ml in zip(ROUTES, leaked_ml, strict=True) if route in CANAL_ROUTES)


def toward_lung_ml(leaked_ml: Sequence[float]) -> float:
    """Total of the leaks toward the lung from volumes in the order of ``ROUTES``."""
    return sum(ml for route, ml in zip(ROUTES, leaked_ml, strict=True) if route in LUNG_ROUTES)


def _touches(bone: BoneModel, cement: NDArray[np.bool_], endplate: NDArray[np.bool_]) -> bool:
    """Whether cement lies in or right beside the closed layer under an endplate."""
    layer = max(1, int(np.ceil(bone.options.cortex_mm / bone.grid.step_mm)))
    near = ndimage.binary_dilation(endplate, iterations=layer) & bone.body
    return bool((cement & near).any())
