"""Exposure control and the dose read-out: air kerma at the reference point and area product.

Notes
-----
Exposure control sets the tube voltage by the patient's thickness and gives the detector a wanted air kerma in each
pulse. Turned back through the patient, the grid and the inverse square, this is the air kerma at the reference point;
the legal limit of the kerma rate bounds it, and behind thick patients the picture gets noisier instead.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from endplate.fluoroscopy.materials import material
from endplate.fluoroscopy.spectrum import nearest_kvp, spectrum
from endplate.fluoroscopy.view import View
from endplate.sources import value
from endplate.units import S_PER_MIN

NGY_PER_UGY = 1000.0
UGY_PER_MGY = 1000.0
MM2_PER_CM2 = 100.0
MGY_PER_GY = 1000.0


@dataclass(frozen=True)
class Exposure:
    """What the tube gives in each pulse for one view.

    Parameters
    ----------
    kvp:
        Tube voltage.
    reference_kerma_ugy:
        Air kerma at the reference point, without the patient's backscatter.
    detector_kerma_ngy:
        Air kerma at the detector, scatter included.
    photons_mm2:
        Photons that the detector counts per mm² in the control region, scatter included.
    area_cm2:
        Area of the collimated beam at the reference point.
    pulse_rate:
        Pulses in a second.
    limited:
        The legal limit holds it back.
    """

    kvp: float
    reference_kerma_ugy: float
    detector_kerma_ngy: float
    photons_mm2: float
    area_cm2: float
    pulse_rate: float
    limited: bool = False

    @property
    def kerma_rate_mgy_min(self) -> float:
        """Air kerma rate at the reference point."""
        return self.reference_kerma_ugy / UGY_PER_MGY * self.pulse_rate * S_PER_MIN

    @property
    def area_product_rate_gycm2_min(self) -> float:
        """Area product rate."""
        return self.kerma_rate_mgy_min / MGY_PER_GY * self.area_cm2


@dataclass(frozen=True)
class Dose:
    """What has been given so far. Air kerma is that at the reference point.

    ``lateral_*`` is the part given in lateral views.
    """

    seconds: float = 0.0
    lateral_seconds: float = 0.0
    frames: int = 0
    air_kerma_mgy: float = 0.0
    lateral_air_kerma_mgy: float = 0.0
    area_product_gycm2: float = 0.0

    def after(self, exposure: Exposure, seconds: float, *, lateral: bool = False) -> Dose:
        """The read-out after some seconds more with the pedal down; at least one pulse is given.

        Raises
        ------
        ValueError
            A negative time.
        """
        if not 0.0 <= seconds < math.inf:
            raise ValueError("time does not run backward")
        frames = 0 if seconds == 0.0 else max(1, round(seconds * exposure.pulse_rate))
        kerma = frames * exposure.reference_kerma_ugy / UGY_PER_MGY
        return replace(
            self,
            seconds=self.seconds + seconds,
            lateral_seconds=self.lateral_seconds + (seconds if lateral else 0.0),
            frames=self.frames + frames,
            air_kerma_mgy=self.air_kerma_mgy + kerma,
            lateral_air_kerma_mgy=self.lateral_air_kerma_mgy + (kerma if lateral else 0.0),
            area_product_gycm2=self.area_product_gycm2 + kerma / MGY_PER_GY * exposure.area_cm2,
        )

    def after_frame(self, exposure: Exposure, *, lateral: bool = False) -> Dose:
        """The read-out after one pulse more."""
        return self.after(exposure, 1.0 / exposure.pulse_rate, lateral=lateral)

    @property
    def effective_msv(self) -> float:
        """Effective dose estimated from the area product; a recalled factor with a wide spread."""
        return self.area_product_gycm2 * float(value("xray.effective_dose_msv_gycm2"))

    def to_json(self) -> dict[str, float | int]:
        """The read-out as plain numbers."""
        return {
            "seconds": round(self.seconds, 3),
            "lateral_seconds": round(self.lateral_seconds, 3),
            "frames": self.frames,
            "air_kerma_mgy": round(self.air_kerma_mgy, 5),
            "lateral_air_kerma_mgy": round(self.lateral_air_kerma_mgy, 5),
            "area_product_gycm2": round(self.area_product_gycm2, 6),
        }


def water_thickness_mm(soft_mm: float, bone_mm: float) -> float:
    """Patient's thickness as water that attenuates alike in the middle of the range of voltages."""
    lowest, highest = _range_kvp()
    middle = spectrum(0.5 * (lowest + highest))
    energy = middle.effective_energy_kev()
    ratio = float(material("bone").attenuation_per_mm(energy) / material("soft").attenuation_per_mm(energy))
    return soft_mm + ratio * bone_mm


def control_kvp(soft_mm: float, bone_mm: float) -> float:
    """Tube voltage that exposure control takes for a patient, one of the tabulated ones."""
    table = value("xray.kvp_by_thickness")
    thickness = water_thickness_mm(soft_mm, bone_mm)
    least, greatest = float(table["least_mm"]), float(table["greatest_mm"])
    share = min(max((thickness - least) / (greatest - least), 0.0), 1.0)
    lowest, highest = _range_kvp()
    return nearest_kvp(lowest + share * (highest - lowest))


def wanted_kerma_ngy(view: View) -> float:
    """Air kerma of a pulse that the detector is to get: more in a smaller field, as one sees noise at its size."""
    side = max(view.rows, view.columns) * view.pitch_mm
    magnified = max(1.0, float(value("fluoroscopy.detector_mm")) / side)
    return float(value("xray.detector_kerma_ngy")) * magnified


def control(
    view: View,
    soft_mm: float,
    bone_mm: float,
    *,
    scatter_to_primary: float,
    open_pixels: int,
    kvp: float | None = None,
    pulse_rate: float | None = None,
) -> Exposure:
    """Exposure control for one view.

    Parameters
    ----------
    view:
        The C-arm.
    soft_mm, bone_mm:
        Mean paths in the control region.
    scatter_to_primary:
        There.
    open_pixels:
        Pixels that the collimator leaves open.
    kvp:
        Tube voltage; ``None``: by the thickness.
    pulse_rate:
        Pulses in a second; ``None``: ``xray.pulse_rate``.

    Raises
    ------
    UsageError
        ``tube-voltage``: not one of a C-arm.
    """
    of = spectrum(control_kvp(soft_mm, bone_mm) if kvp is None else kvp)
    rate = float(value("xray.pulse_rate")) if pulse_rate is None else pulse_rate
    paths = {material("soft"): soft_mm, material("bone"): bone_mm}
    passed = math.exp(-of.minus_ln_kerma(paths)) * (1.0 + scatter_to_primary)
    passed *= float(value("xray.grid_primary_transmission"))
    from_source = view.source_isocentre_mm - float(value("xray.reference_from_isocentre_mm"))
    wanted_ngy = wanted_kerma_ngy(view)
    at_reference = wanted_ngy / NGY_PER_UGY / passed * (view.source_detector_mm / from_source) ** 2
    limit = _limit_ugy(view, from_source, rate)
    given = min(at_reference, limit)
    share = given / at_reference
    photons = (
        wanted_ngy * share / NGY_PER_UGY * of.photons_behind(paths) * float(value("xray.detector_absorption"))
    )
    area = open_pixels * (view.pitch_mm * from_source / view.source_detector_mm) ** 2 / MM2_PER_CM2
    return Exposure(
        kvp=of.kvp,
        reference_kerma_ugy=given,
        detector_kerma_ngy=wanted_ngy * share,
        photons_mm2=photons,
        area_cm2=area,
        pulse_rate=rate,
        limited=at_reference > limit,
    )


def _limit_ugy(view: View, from_source: float, rate: float) -> float:
    """Greatest kerma of a pulse at the reference point."""
    table = value("xray.kerma_rate_limit")
    where = view.source_detector_mm - float(table["from_detector_mm"])
    per_pulse = float(table["mgy_min"]) * UGY_PER_MGY / S_PER_MIN / rate
    return float(per_pulse * (where / from_source) ** 2)


def _range_kvp() -> tuple[float, float]:
    table = value("xray.kvp_by_thickness")
    return float(table["least_kvp"]), float(table["greatest_kvp"])
