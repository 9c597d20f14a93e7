"""Virtual fractures of the sample CT and of a phantom: what is read back beside the truth."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.interpolate import CubicSpline

from endplate.anatomy.assessment import assess
from endplate.anatomy.expectation import HEIGHTS
from endplate.anatomy.model import Spine
from endplate.errors import UsageError
from endplate.imaging.calibration import Calibration
from endplate.imaging.labels import read_labels
from endplate.imaging.levels import VERSE_IDS
from endplate.imaging.read import read_image
from endplate.imaging.sample import fetch_sample
from endplate.imaging.volume import LabelMap, Volume
from endplate.report.losses import height_loss_of
from endplate.synthetic import GridSpec, build_phantom, default_spec
from endplate.synthetic.fracture_shape import NAMED_BY
from endplate.synthetic.virtual_fracture import VirtualFracture, fracture_scan

LINE = Calibration.line(0.8, -5.0)
AROUND_MM = 25.0
"""In-plane margin kept round the labels."""

FINE_MM = 1.0
"""Slices of the sample CT when it is resampled before it is broken."""

FAR_PIXELS = 20.0

SAMPLE_LEVELS = ("T11", "T12", "L1", "L2")


@dataclass(frozen=True)
class Case:
    """One fracture of one scan."""

    scan: str
    level: str
    shape: str
    loss: float


@dataclass(frozen=True)
class Found:
    """What came of it; heights in the order of ``HEIGHTS``."""

    case: Case
    error_mm: tuple[float, float, float]
    sd_mm: tuple[float, float, float]
    wedge_error_deg: float
    loss_true: float
    loss_in_interval: bool
    loss_read: float
    mass_error: float
    remap_factor: float
    least_jacobian: float
    volume_ratio: float
    shape_read: str | None


@cache
def scan_of(name: str) -> tuple[Volume, LabelMap, Spine]:
    """A scan and its measurements."""
    if name == "phantom":
        grid = GridSpec((1.0, 1.0, 1.0), margin_mm=10.0, psf_fwhm_mm=0.8, noise_hu=15.0)
        made = build_phantom(default_spec(("T12", "L1", "L2")), grid)
        assert made.volume is not None
        image, labels = made.volume, made.labels
    elif name == "sample-1mm":
        image, labels = finer(*scan_of("sample")[:2])
    else:
        paths = fetch_sample()
        image = read_image(paths.ct)
        labels = read_labels(paths.labels, image=image)
        wanted = np.isin(labels.data, [VERSE_IDS[level] for level in SAMPLE_LEVELS])
        labels = replace(
            labels, volume=replace(labels.volume, data=np.where(wanted, labels.data, np.uint8(0)))
        )
        index = np.argwhere(wanted)
        margin = np.ceil(AROUND_MM / image.spacing_mm).astype(int)
        low, high = index.min(axis=0) - margin, index.max(axis=0) + 1 + margin
        image = image.crop(low, high)
        labels = replace(labels, volume=labels.volume.crop(low, high))
    return image, labels, assess(labels, image, LINE)


def finer(image: Volume, labels: LabelMap) -> tuple[Volume, LabelMap]:
    """A scan on slices of 1 mm: CT numbers by cubic splines, labels by the signed distance to their outlines."""
    axis = int(np.argmax(image.spacing_mm))
    ratio = float(image.spacing_mm[axis]) / FINE_MM
    place = np.arange(int((image.shape[axis] - 1) * ratio) + 1) / ratio
    hu = CubicSpline(np.arange(image.shape[axis]), image.data.astype(np.float64), axis=axis)(place)
    low = np.minimum(place.astype(int), image.shape[axis] - 2)
    part = (place - low).reshape([-1 if each == axis else 1 for each in range(3)])
    ids, deepest = np.zeros(hu.shape, dtype=np.uint8), np.zeros(hu.shape)
    for number in np.unique(labels.data[labels.data > 0]):
        slices = np.moveaxis(labels.data == number, axis, 0)
        depth = np.moveaxis(np.stack([_depth(one) for one in slices]), 0, axis)
        between = np.take(depth, low, axis) * (1.0 - part) + np.take(depth, low + 1, axis) * part
        ids, deepest = np.where(between > deepest, number, ids), np.maximum(deepest, between)
    affine = image.affine.copy()
    affine[:3, axis] /= ratio
    made = replace(image, data=np.rint(hu).astype(np.int16), affine=affine)
    return made, replace(labels, volume=replace(labels.volume, data=ids, affine=affine))


def _depth(outline: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Signed depth in one slice, pixels; far outside where it holds nothing."""
    if not outline.any():
        return np.full(outline.shape, -FAR_PIXELS)
    inside, outside = (ndimage.distance_transform_edt(one) for one in (outline, ~outline))
    return np.asarray(inside - outside, dtype=np.float64)


def break_and_read(case: Case) -> Found | None:
    """Break one level and assess the result; ``None`` where the body cannot lose so much."""
    image, labels, spine = scan_of(case.scan)
    try:
        made = fracture_scan(image, labels, spine, VirtualFracture(case.level, case.shape, case.loss), LINE)
    except UsageError as refused:
        if refused.code != "fracture-too-deep":
            raise
        return None
    read = assess(made.labels, made.image, LINE).find(case.level)
    assert read is not None
    truth = made.truth
    errors = [getattr(read.heights_mm, n) - getattr(truth.heights_after_mm, n) for n in HEIGHTS]
    sds = [getattr(read.heights_uncertainty_mm, n) for n in HEIGHTS]
    losses = [height_loss_of(read, name) for name in NAMED_BY[case.shape]]
    spans = [(one.interval, one.loss) for one in losses if one is not None]
    inside = [
        span is not None and span[0] <= getattr(truth.losses, name) <= span[1]
        for (span, _), name in zip(spans, NAMED_BY[case.shape], strict=True)
    ]
    return Found(
        case=case,
        error_mm=(errors[0], errors[1], errors[2]),
        sd_mm=(sds[0], sds[1], sds[2]),
        wedge_error_deg=read.wedge_angle_deg - truth.wedge_angle_after_deg,
        loss_true=truth.loss,
        loss_in_interval=all(inside),
        loss_read=float(np.mean([loss for _, loss in spans])),
        mass_error=truth.mass.relative_error,
        remap_factor=truth.mass.remap_factor,
        least_jacobian=truth.field.least_jacobian,
        volume_ratio=read.body_volume_ml / truth.body_volume_after_ml,
        shape_read=read.fracture.shape,
    )
