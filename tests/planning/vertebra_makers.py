"""Measured levels made by hand, for decisions."""

from __future__ import annotations

from typing import Any

from endplate.anatomy.model import Density, Fracture, HeightTriple, Pedicle, Pedicles, Vertebra


def pedicle(diameter_mm: float) -> Pedicle:
    return Pedicle(
        inscribed_diameter_mm=diameter_mm,
        width_mm=diameter_mm,
        height_mm=2.0 * diameter_mm,
        transverse_deg=10.0,
        sagittal_deg=0.0,
        isthmus_ras_mm=(0.0, 0.0, 0.0),
        axis_ras=(0.0, 1.0, 0.0),
        uncertainty_mm=0.5,
    )


def vertebra(
    level: str = "L1",
    *,
    height_mm: float = 25.0,
    expected_mm: float | None = 25.0,
    volume_ml: float | None = 30.0,
    flagged: bool | None = False,
    grade: int | None = 0,
    pedicle_mm: float | None = 8.0,
    hu: float | None = 100.0,
    **more: Any,
) -> Vertebra:
    """A body 40 mm wide, 30 mm deep and everywhere as high as told."""
    sides = None if pedicle_mm is None else pedicle(pedicle_mm)
    loss = None if expected_mm is None else max(1.0 - height_mm / expected_mm, 0.0)
    return Vertebra(
        level=level,
        label_id=20,
        complete=True,
        heights_mm=triple(height_mm),
        expected_heights_mm=HeightTriple() if expected_mm is None else triple(expected_mm),
        height_loss=loss,
        body_volume_ml=volume_ml,
        body_depth_mm=30.0,
        body_width_mm=40.0,
        fracture=Fracture(flagged=flagged, genant_grade=grade),
        pedicles=Pedicles(left=sides, right=sides),
        density=Density(mean_hu=hu),
        **more,
    )


def triple(height_mm: float) -> HeightTriple:
    return HeightTriple(anterior=height_mm, middle=height_mm, posterior=height_mm)
