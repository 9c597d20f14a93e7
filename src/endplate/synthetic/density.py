"""Bone density of the phantom and its Hounsfield units."""

from __future__ import annotations

import numpy as np

from endplate.imaging.geometry import FloatArray
from endplate.sources import value
from endplate.synthetic import rows as r
from endplate.synthetic import sampling
from endplate.synthetic.body import BodyModel
from endplate.synthetic.scanner import bone_line
from endplate.synthetic.scanner_spec import ScannerSpec
from endplate.synthetic.spec import VertebraSpec


def hu_of_density(mgcc: float, scanner: ScannerSpec | None = None) -> float:
    """HU of a K2HPO4-equivalent density: the phantom's own line at 120 kVp, or that of a scanner."""
    if scanner is not None:
        slope, intercept = bone_line(scanner)
        return scanner.hu_scale * (slope * mgcc + intercept) + scanner.hu_offset
    line = value("synthetic.hu_line_120kvp")
    return float(line["slope"]) * mgcc + float(line["intercept"])


def density_of_hu(hu: float) -> float:
    """Inverse of :func:`hu_of_density` at 120 kVp."""
    line = value("synthetic.hu_line_120kvp")
    return (hu - float(line["intercept"])) / float(line["slope"])


def _core_lattice(model: BodyModel, depth_mm: float, step: float) -> FloatArray:
    row = model.row
    half = 0.5 * float(row[r.B_DEPTH])
    x = np.arange(0.5 * step, 1.1 * row[r.B_HALF_WIDTH], step)
    y = np.arange(-half - 8.0, half, step)
    rise = float(row[r.B_SUP_HEIGHT]) + 4.0
    z = np.arange(-rise, rise, step)
    grid = np.stack(np.meshgrid(x, y, z, indexing="ij"), axis=-1).reshape(-1, 3)
    inside: FloatArray = grid[sampling.body_at(grid, row) <= -depth_mm]
    return inside


def mean_core_density(
    spec: VertebraSpec, model: BodyModel, *, depth_mm: float | None = None, step: float = 1.0
) -> float:
    """Mean density in mg/cm³ of the body deeper than ``depth_mm`` (default: the cortex), without texture and cleft."""
    if spec.fracture is None or not spec.fracture.impacted:
        return spec.trabecular_mgcc
    points = _core_lattice(model, spec.cortex_mm if depth_mm is None else depth_mm, step)
    both = 1.0 if spec.fracture.endplate == "both" else 0.0
    return spec.trabecular_mgcc * float(sampling.impaction_at(points, both, model.row).mean())
