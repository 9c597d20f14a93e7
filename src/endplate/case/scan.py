"""The scan as a case keeps it: checked, without the patient, cropped around the labelled levels."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from pydantic import Field

from endplate.anatomy.model import Document
from endplate.case.request import Inputs, Parameters
from endplate.errors import UsageError
from endplate.imaging.label_origin import LabelOrigin
from endplate.imaging.organ_map import OrganMap
from endplate.imaging.volume import LabelMap, ScanInfo, Volume
from endplate.sources import Finding, finding, value

INT16 = np.iinfo(np.int16)


class LabelRecord(Document):
    """What is known of the label map besides its voxels."""

    scheme: str
    body_only: bool
    counted_how: str
    origin: LabelOrigin | None = None
    findings: tuple[Finding, ...] = ()


class ScanRecord(Document):
    """The document ``scan.json``: what the files say of the scan and what reading them found."""

    schema_: Literal["endplate/scan/1"] = Field(default="endplate/scan/1", alias="schema")
    image: ScanInfo | None
    image_findings: tuple[Finding, ...] = ()
    labels: LabelRecord | None
    organs: tuple[str, ...] = ()
    """Names of the organs that are mapped."""

    def findings(self) -> tuple[Finding, ...]:
        """What reading the CT and the labels found, each once."""
        return tuple(dict.fromkeys((*self.image_findings, *(self.labels.findings if self.labels else ()))))


@dataclass(frozen=True, eq=False)
class Scan:
    """A CT, a label map or both on one grid, and the organs where they are known."""

    image: Volume | None
    labels: LabelMap | None
    organs: OrganMap | None = None

    def record(self) -> ScanRecord:
        """What does not go into the voxel files."""
        labels = self.labels
        return ScanRecord(
            image=None if self.image is None else self.image.scan,
            image_findings=() if self.image is None else self.image.findings,
            labels=None
            if labels is None
            else LabelRecord(
                scheme=labels.scheme,
                body_only=labels.body_only,
                counted_how=labels.counted_how,
                origin=labels.origin,
                findings=labels.volume.findings,
            ),
            organs=() if self.organs is None else self.organs.names,
        )


def read_scan(inputs: Inputs, parameters: Parameters) -> Scan:
    """Read and check the inputs, and keep what a plan needs of them.

    Raises
    ------
    InputError
        An input cannot be read.
    QualityGateError
        The scan must not be used, or the label map lies on another grid.
    """
    from endplate.imaging.labels import read_labels
    from endplate.imaging.quality import inspect
    from endplate.imaging.read import read_image

    image = None
    if inputs.ct is not None:
        image = read_image(inputs.ct, series=parameters.series)
        known = set(image.findings)
        image = image.with_findings(*(found for found in inspect(image) if found not in known))
    labels = None
    if inputs.labels is not None:
        labels = read_labels(inputs.labels, scheme=parameters.scheme, image=image)
        if image is not None and _of_another_ct(labels, image):
            labels = replace(labels, volume=labels.volume.with_findings(finding("labels-other-ct")))
    return trim(Scan(image, labels, _read_organs(inputs, parameters, image, labels)))


def _of_another_ct(labels: LabelMap, image: Volume) -> bool:
    """Say whether the labels name another CT than this one as that they were made on."""
    from endplate.imaging.fingerprint import ct_fingerprint

    named = None if labels.origin is None else labels.origin.ct_fingerprint
    return named is not None and named != ct_fingerprint(image)


def _read_organs(
    inputs: Inputs, parameters: Parameters, image: Volume | None, labels: LabelMap | None
) -> OrganMap | None:
    """The organs of a file of their own, else those that the label map names; on the grid of the scan.

    Raises
    ------
    UsageError
        A file of organs that names none of those known.
    """
    from endplate.imaging.organs import read_organs

    grid = image if image is not None else None if labels is None else labels.volume
    source = inputs.organs or inputs.labels
    if source is None or grid is None:
        return None
    # A numbering that the user named is that of the label map, not of a file of organs.
    scheme = parameters.scheme if inputs.organs is None else "auto"
    organs = read_organs(source, image=grid, scheme=scheme)
    if organs is None and inputs.organs is not None:
        raise UsageError(
            "organs-none",
            "The organ map names none of the organs that a needle must keep away from.",
            do="Give a TotalSegmentator map or a folder of its masks (aorta, lungs, kidneys, ...), or leave it out.",
        )
    return organs


def trim(scan: Scan) -> Scan:
    """Crop along the slices around the labels, and store whole Hounsfield units (int16).

    In-plane everything stays, so that the skin and the whole needle path remain in view.
    """
    image, labels, organs = scan.image, scan.labels, scan.organs
    if image is not None and labels is not None:
        start, stop = _labelled_slab(labels)
        image = image.crop(start, stop)
        labels = replace(labels, volume=labels.volume.crop(start, stop))
        organs = None if organs is None else replace(organs, volume=organs.volume.crop(start, stop))
        organs = organs if organs is not None and organs.names else None
    if image is not None and image.data.dtype != np.int16:
        whole = np.clip(np.rint(image.data), INT16.min, INT16.max).astype(np.int16)
        image = replace(image, data=whole)
    return Scan(image, labels, organs)


def _labelled_slab(labels: LabelMap) -> tuple[list[int], list[int]]:
    """Voxel box that is whole but for the head-foot axis, where it keeps the labels and a margin."""
    volume = labels.volume
    axis = next(i for i, letter in enumerate(volume.axis_codes) if letter in "SI")
    others = tuple(i for i in range(3) if i != axis)
    filled = np.flatnonzero((volume.data != 0).any(axis=others))
    start, stop = [0, 0, 0], list(volume.shape)
    if filled.size == 0:
        return start, stop
    margin = int(np.ceil(float(value("case.crop_margin_mm")) / float(volume.spacing_mm[axis])))
    start[axis] = max(int(filled[0]) - margin, 0)
    stop[axis] = min(int(filled[-1]) + 1 + margin, volume.shape[axis])
    return start, stop


def restore(
    record: ScanRecord, image: Volume | None, labels: Volume | None, organs: Volume | None = None
) -> Scan:
    """Put the voxels read back from a case together with their record.

    Raises
    ------
    UsageError
        The record and the files do not belong together.
    """
    kept = (image is not None, labels is not None, organs is not None)
    if kept != (record.image is not None, record.labels is not None, bool(record.organs)):
        raise UsageError(
            "case-scan-damaged",
            "The case's scan files are not the ones it was made with.",
            do="Run again with the CT and the labels: the case is rebuilt.",
        )
    if image is not None and record.image is not None:
        image = replace(image, scan=record.image, findings=record.image_findings)
    restored = None
    if labels is not None and record.labels is not None:
        restored = LabelMap(
            volume=replace(labels, findings=record.labels.findings),
            scheme=record.labels.scheme,
            body_only=record.labels.body_only,
            counted_how=record.labels.counted_how,
            origin=record.labels.origin,
        )
    return Scan(image, restored, None if organs is None else OrganMap(organs))
