"""Hounsfield units to bone density: a given line, or an honest interval where none is given."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from endplate.errors import UsageError
from endplate.imaging.density_scales import (
    Number,
    apparent_from_ash,
    ash_from_cha,
    ash_from_k2hpo4,
    cha_from_ash,
    cha_from_k2hpo4,
    k2hpo4_from_ash,
    k2hpo4_from_cha,
)
from endplate.imaging.phantom_rods import Rod, RodScale, fit_rods, is_rods, parse_rods
from endplate.sources import Finding, finding, value

__all__ = [
    "Calibration",
    "DensityEstimate",
    "Kind",
    "apparent_from_ash",
    "ash_from_cha",
    "ash_from_k2hpo4",
    "calibrate_with_rods",
    "cha_from_ash",
    "cha_from_k2hpo4",
    "k2hpo4_from_ash",
    "k2hpo4_from_cha",
    "parse_calibration",
]

Kind = Literal["line", "phantom", "internal", "uncalibrated"]


@dataclass(frozen=True)
class DensityEstimate:
    """Density of one volume of bone in mg/cm³, K2HPO4 equivalent.

    Parameters
    ----------
    value, low, high:
        Estimate and its interval, mg/cm³.
    bone:
        The mean HU is one that cancellous bone can show; else the value describes gas, cement or metal.
    """

    value: float
    low: float
    high: float
    bone: bool = True


@dataclass(frozen=True)
class Calibration:
    """A line from Hounsfield units to density: vBMD = slope · HU + intercept.

    Parameters
    ----------
    kind:
        ``"line"`` (given by the user), ``"phantom"`` (rods in the scan), ``"internal"`` (the scan's own tissues) or
        ``"uncalibrated"``.
    slope:
        mg/cm³ per HU.
    intercept:
        mg/cm³.
    relative_interval:
        Half width of the interval as a fraction of the density.
    absolute_interval:
        Least half width of the interval, mg/cm³.
    kvp:
        Tube voltage of the scan where known.

    Raises
    ------
    ValueError
        A number is not finite, or slope or an interval is not positive.
    """

    kind: Kind
    slope: float
    intercept: float
    relative_interval: float
    absolute_interval: float
    kvp: float | None = None

    def __post_init__(self) -> None:
        numbers = (self.slope, self.intercept, self.relative_interval, self.absolute_interval)
        if not all(math.isfinite(number) for number in numbers):
            raise ValueError("a calibration has finite numbers")
        if self.slope <= 0 or self.relative_interval <= 0 or self.absolute_interval <= 0:
            raise ValueError("slope and intervals of a calibration are positive")

    @classmethod
    def line(cls, slope: float, intercept: float) -> Calibration:
        """Return the calibration of a given line, mg/cm³ per HU and mg/cm³.

        Raises
        ------
        UsageError
            ``calibration-implausible``: not a line from HU to mg/cm³.
        """
        for name, number, unit in (("slope", slope, "mg/cm³ per HU"), ("intercept", intercept, "mg/cm³")):
            low, high = value(f"calibration.{name}_limits")
            if not low <= number <= high:
                raise UsageError(
                    "calibration-implausible",
                    f"A calibration {name} of {number:g} {unit} is not possible ({low:g} to {high:g}).",
                    do="Give the line from HU to bone density in mg/cm³ (K2HPO4 equivalent), for example "
                    "0.82,-3.5; a line in g/cm³ or to mass density will not do.",
                )
        return cls(
            "line",
            float(slope),
            float(intercept),
            float(value("calibration.line_relative_interval")),
            float(value("calibration.line_absolute_interval")),
        )

    @classmethod
    def uncalibrated(cls, kvp: float | None = None) -> Calibration:
        """Return the fallback where no line is given: a usual slope with a wide interval.

        The slope holds at 120 kVp; at another or an unknown tube voltage the interval is wider still.
        """
        if kvp is None:
            key = "calibration.unknown_kvp_relative_interval"
        elif abs(kvp - float(value("calibration.reference_kvp"))) < 1.0:
            key = "calibration.uncalibrated_relative_interval"
        else:
            key = "calibration.other_kvp_relative_interval"
        return cls(
            "uncalibrated",
            float(value("calibration.uncalibrated_slope")),
            0.0,
            float(value(key)),
            float(value("calibration.uncalibrated_absolute_interval")),
            kvp,
        )

    def density(self, mean_hu: float) -> DensityEstimate:
        """Density of a volume of bone from its mean HU.

        Raises
        ------
        ValueError
            ``mean_hu`` is not finite: without a CT there is no density, not an unknown one.
        """
        if not math.isfinite(mean_hu):
            raise ValueError("the mean HU of a volume of bone is finite")
        estimate = self.slope * mean_hu + self.intercept
        half = float(self.interval_mgcc(estimate))
        low, high = value("calibration.trabecular_hu_range")
        return DensityEstimate(estimate, estimate - half, estimate + half, bone=low <= mean_hu <= high)

    def density_mgcc(self, hu: NDArray[np.number]) -> NDArray[np.float64]:
        """Density of every voxel, any shape, in mg/cm³ (negative in fat and gas)."""
        result: NDArray[np.float64] = self.slope * np.asarray(hu, dtype=np.float64) + self.intercept
        return result

    def interval_mgcc(self, density_mgcc: Number) -> Number:
        """Half width of the interval of densities, mg/cm³."""
        half: Number = np.maximum(self.relative_interval * np.abs(density_mgcc), self.absolute_interval)
        return half

    def findings(self) -> tuple[Finding, ...]:
        """What the user must know of densities by this calibration."""
        if self.kind != "uncalibrated":
            return ()
        kvp = "tube voltage not stated" if self.kvp is None else f"{self.kvp:.0f} kVp"
        percent = 100.0 * self.relative_interval
        return (finding("density-line-assumed", slope=self.slope, kvp=kvp, percent=percent),)


def calibrate_with_rods(rods: Sequence[Rod], scale: RodScale) -> Calibration:
    """Calibration of a phantom in the scan.

    Raises
    ------
    UsageError
        As :func:`fit_rods`, and ``calibration-implausible``.
    """
    line = fit_rods(rods, scale)
    plain = Calibration.line(line.slope, line.intercept)
    return Calibration(
        "phantom",
        plain.slope,
        plain.intercept,
        float(value("rods.accuracy")),
        max(plain.absolute_interval, 2.0 * line.residual_mgcc),
    )


def parse_calibration(text: str) -> Calibration:
    """Read a calibration as typed on the command line.

    ``SLOPE,INTERCEPT`` (mg/cm³ per HU, mg/cm³), or the rods of a phantom in the scan: ``rods:HU=DENS,…``,
    ``cha:HU=DENS,…``, ``mindways:HU=WATER/K2HPO4,…``.

    Raises
    ------
    UsageError
        ``calibration-unreadable``, ``calibration-implausible``, ``calibration-rods-too-few``,
        ``calibration-rods-inconsistent``.
    """
    if is_rods(text):
        scale, rods = parse_rods(text)
        return calibrate_with_rods(rods, scale)
    parts = text.split(",")
    try:
        slope, intercept = (float(part) for part in parts)
    except ValueError:
        slope = intercept = math.nan
    if not (math.isfinite(slope) and math.isfinite(intercept)):
        raise UsageError(
            "calibration-unreadable",
            f"{text!r} is not a calibration line.",
            do="Give slope and intercept as two numbers with a comma between and decimal points: 0.82,-3.5.",
        )
    return Calibration.line(slope, intercept)
