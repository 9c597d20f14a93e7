"""The one volume type: an array, its place in RAS+ millimetres and what is known of the scan."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from endplate.imaging.geometry import (
    FloatArray,
    apply_affine,
    as_affine,
    axis_codes,
    same_grid,
    voxel_sizes_mm,
)
from endplate.sources import Finding

if TYPE_CHECKING:
    from endplate.imaging.label_origin import LabelOrigin


@dataclass(frozen=True)
class ScanInfo:
    """What the file says of the scan, without anything that names the patient.

    ``None`` means that the file does not say. Dates are ISO (``2024-03-01``).
    """

    source_format: str = "array"
    source_sha256: str = ""
    modality: str | None = None
    study_date: str | None = None
    patient_age_years: int | None = None
    patient_sex: str | None = None
    patient_position: str | None = None
    kvp: float | None = None
    kernel: str | None = None
    manufacturer: str | None = None
    contrast_agent: bool | None = None
    slice_thickness_mm: float | None = None
    gantry_tilt_deg: float | None = None


@dataclass(frozen=True, eq=False)
class Volume:
    """A 3-D image.

    Parameters
    ----------
    data:
        Shape (I, J, K); Hounsfield units for CT. Made read-only.
    affine:
        4×4, voxel index (i, j, k) → RAS mm of the voxel centre.
    scan:
        What is known of the scan.
    findings:
        What reading it found (thick slices, resampled tilt, ...).

    Raises
    ------
    ValueError
        ``data`` is not 3-D or the affine is not usable.
    """

    data: NDArray[Any]
    affine: FloatArray
    scan: ScanInfo = field(default_factory=ScanInfo)
    findings: tuple[Finding, ...] = ()

    def __post_init__(self) -> None:
        data = np.asarray(self.data)
        if data.ndim != 3 or min(data.shape) < 1:
            raise ValueError(f"a volume is a non-empty 3-D array, not one of shape {data.shape}")
        view = data.view()
        view.flags.writeable = False
        object.__setattr__(self, "data", view)
        object.__setattr__(self, "affine", as_affine(self.affine))

    @property
    def shape(self) -> tuple[int, int, int]:
        """Voxels along i, j, k."""
        i, j, k = self.data.shape
        return int(i), int(j), int(k)

    @property
    def spacing_mm(self) -> FloatArray:
        """Voxel sizes along i, j, k in mm, shape (3,)."""
        return voxel_sizes_mm(self.affine)

    @property
    def axis_codes(self) -> tuple[str, str, str]:
        """Letters toward which i, j, k run, for example ``("P", "I", "R")``."""
        return axis_codes(self.affine)

    def to_world(self, ijk: Any) -> FloatArray:
        """Voxel indices, shape (..., 3) → RAS mm."""
        return apply_affine(self.affine, ijk)

    def to_voxel(self, ras_mm: Any) -> FloatArray:
        """RAS mm, shape (..., 3) → fractional voxel indices."""
        inverse: FloatArray = np.asarray(np.linalg.inv(self.affine), dtype=np.float64)
        return apply_affine(inverse, ras_mm)

    def same_grid_as(self, other: Volume) -> bool:
        """Say whether both volumes share shape and place."""
        return same_grid(self.shape, self.affine, other.shape, other.affine)

    def crop(self, start: Any, stop: Any) -> Volume:
        """Return the voxel box [start, stop) (clipped to the grid) with its own affine; no copy."""
        low = np.clip(np.asarray(start, dtype=int), 0, np.array(self.shape) - 1)
        high = np.clip(np.asarray(stop, dtype=int), low + 1, self.shape)
        affine = self.affine.copy()
        affine[:3, 3] = self.to_world(low)
        box = tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
        return replace(self, data=self.data[box], affine=affine)

    def with_findings(self, *found: Finding) -> Volume:
        """Return the same volume with more findings."""
        return replace(self, findings=(*self.findings, *found))


@dataclass(frozen=True, eq=False)
class LabelMap:
    """Vertebra labels in VerSe ids on a grid (0 background), canonical whatever scheme was read.

    Parameters
    ----------
    volume:
        ``volume.data`` holds VerSe ids (uint8).
    scheme:
        Name of the scheme as read (``"verse"``, ``"ts2"``, ...).
    body_only:
        The map holds vertebral bodies without arches: no canal, no transpedicular planning.
    counted_how:
        One sentence for the report: how the levels got their names.
    origin:
        How the labels were made and how far their edges can be trusted; ``None`` where the file does not say.
    """

    volume: Volume
    scheme: str
    body_only: bool
    counted_how: str
    origin: LabelOrigin | None = None

    @property
    def data(self) -> NDArray[np.uint8]:
        """The VerSe ids, shape (I, J, K)."""
        ids: NDArray[np.uint8] = self.volume.data
        return ids
