"""The modules through which a file becomes a volume."""

from __future__ import annotations

READING = tuple(
    f"imaging/{name}.py"
    for name in (
        "compressed",
        "dicom",
        "dicom_files",
        "dicom_headers",
        "dicom_left_out",
        "dicom_phases",
        "dicom_series",
        "dicom_stack",
        "dicomdir",
        "geometry",
        "jpeg_lossless",
        "layout",
        "nifti",
        "nrrd_file",
        "read",
        "series_rank",
        "shear",
        "slices",
        "stored",
        "tags",
    )
)
"""What the studies of reading test."""
