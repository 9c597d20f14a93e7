"""A phantom as files, for the demonstration and for compiling everything that the main job runs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from endplate.errors import InternalError

LEVEL = "L1"
"""The level that is fractured."""

LOSS = 0.35
"""Height that it has lost, as a fraction."""


@dataclass(frozen=True)
class PhantomFiles:
    """Where the phantom's CT and labels are."""

    ct: Path
    labels: Path


def write_phantom(
    folder: Path, levels: tuple[str, ...], voxel_mm: tuple[float, float, float]
) -> PhantomFiles:
    """Build a phantom with a wedge fracture of ``LEVEL`` and write it to a folder."""
    from endplate.imaging.write import write_nifti
    from endplate.synthetic import FractureSpec, GridSpec, build_phantom, default_spec

    spec = default_spec(levels, fracture={LEVEL: FractureSpec("wedge", LOSS)})
    made = build_phantom(spec, GridSpec(spacing=voxel_mm, to_skin=True, psf_fwhm_mm=0.8, noise_hu=15.0))
    if made.volume is None:
        raise InternalError("phantom-without-ct", "The phantom has no CT.", do="Please report this.")
    files = PhantomFiles(ct=folder / "ct.nii.gz", labels=folder / "labels.nii.gz")
    write_nifti(made.volume, files.ct)
    write_nifti(made.labels.volume, files.labels)
    return files
