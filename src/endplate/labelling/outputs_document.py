"""The document of ``endplate label``: what was labelled, how well, and why a map was refused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from pydantic import Field

from endplate.anatomy.model import Document
from endplate.imaging.label_origin import LabelOrigin, LevelOrigin, MadeBy
from endplate.imaging.label_stats import measure_labels
from endplate.imaging.levels import LEVEL_OF_ID, order
from endplate.imaging.organ_map import OrganMap
from endplate.imaging.volume import LabelMap, Volume
from endplate.labelling.mending import Mending, mend, shifted_names
from endplate.labelling.mending_checks import check_map, is_refused
from endplate.sources import Finding, finding


class LabelledLevel(Document):
    """One level of a label map; what the map's maker does not say is ``None``."""

    level: str
    complete: bool
    """Not cut by the edge of the volume."""
    volume_ml: float
    quality: float | None = None
    label_error_mm: float | None = None
    assumed: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()


class LabelRefusal(Document):
    """Why the labels were not written; the words of a refusal without reasons stand in the error."""

    code: str
    reasons: tuple[Finding, ...]


class LabelTiming(Document):
    """Wall times; no part of any result."""

    segmenter_s: float | None = None


class LabelDocument(Document):
    """The JSON of ``endplate label``."""

    schema_: Literal["endplate/label/1"] = Field(default="endplate/label/1", alias="schema")
    made_by: MadeBy
    counted_how: str
    body_only: bool
    levels: tuple[LabelledLevel, ...]
    organs: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()
    """Of the map as a whole."""
    refused: LabelRefusal | None = None
    origin: LabelOrigin
    files: tuple[str, ...] = ()
    """Names of the files written."""
    timing: LabelTiming = LabelTiming()


@dataclass(frozen=True, eq=False)
class Labelled:
    """Labels on their way to files.

    Parameters
    ----------
    labels:
        VerSe ids; findings in ``labels.volume.findings``.
    origin:
        How they were made.
    subregions, organs:
        On the same grid, where they are known.
    segmenter_s:
        Wall time of a segmenter.
    """

    labels: LabelMap
    origin: LabelOrigin
    subregions: Volume | None = None
    organs: OrganMap | None = None
    segmenter_s: float | None = None

    @property
    def volume(self) -> Volume:
        """The map of VerSe ids."""
        return self.labels.volume


def with_mending(made: Labelled, mending: Mending) -> Labelled:
    """Mend the labels and take the mending over into what is known of them.

    Raises
    ------
    InputError
        As :func:`endplate.labelling.mending.mend`.
    """
    if not mending.asked:
        return made
    before = tuple(
        sorted({LEVEL_OF_ID[n] for n in measure_labels(made.volume.data, made.volume.affine)}, key=order)
    )
    mended = mend(made.volume, mending)
    renamed = _renamed(before, mending)
    origin = made.origin
    levels = []
    for level in _levels(mended.volume):
        known = [origin.of_level(old) for old, new in renamed.items() if new == level]
        kept = known[0] if len(known) == 1 else None
        levels.append(LevelOrigin(level=level) if kept is None else kept.model_copy(update={"level": level}))
    clicks = tuple(
        click.model_copy(update={"level": renamed[click.level]})
        for click in origin.clicks
        if click.level in renamed
    )
    told = tuple(finding("labels-mended", what=what) for what in mended.done)
    findings = tuple(
        each.model_copy(update={"level": renamed.get(each.level, each.level)}) if each.level else each
        for each in made.volume.findings
        if each.level is None or each.level in renamed
    )
    volume = mended.volume
    subregions = made.subregions
    if subregions is not None:
        kept_bone = (volume.data > 0) | (made.volume.data == 0)
        subregions = replace(subregions, data=subregions.data * kept_bone)
    return replace(
        made,
        labels=replace(made.labels, volume=replace(volume, findings=(*findings, *told))),
        origin=origin.model_copy(
            update={"mended": (*origin.mended, *mended.done), "levels": tuple(levels), "clicks": clicks}
        ),
        subregions=subregions,
    )


def document_of(made: Labelled, refused_code: str = "labels-refused") -> LabelDocument:
    """Describe labels; ``refused`` says why they must not be used, where a check found so."""
    stats = {
        LEVEL_OF_ID[n]: stat
        for n, stat in measure_labels(made.volume.data, made.volume.affine).items()
        if n in LEVEL_OF_ID
    }
    found = tuple(dict.fromkeys((*made.volume.findings, *check_map(made.volume))))
    levels = []
    for level in sorted(stats, key=order):
        known = made.origin.of_level(level) or LevelOrigin(level=level)
        levels.append(
            LabelledLevel(
                level=level,
                complete=not stats[level].cut,
                volume_ml=round(stats[level].volume_ml, 2),
                quality=known.quality,
                label_error_mm=known.label_error_mm,
                assumed=known.assumed,
                findings=tuple(each for each in found if each.level == level),
            )
        )
    critical = tuple(each for each in found if each.severity == "critical")
    return LabelDocument(
        made_by=made.origin.made_by,
        counted_how=made.labels.counted_how,
        body_only=made.labels.body_only,
        levels=tuple(levels),
        organs=() if made.organs is None else made.organs.names,
        findings=tuple(each for each in found if each.level not in stats),
        refused=LabelRefusal(code=refused_code, reasons=critical) if is_refused(found) else None,
        origin=made.origin,
        timing=LabelTiming(segmenter_s=made.segmenter_s),
    )


def empty_document(made_by: MadeBy, refused_code: str) -> dict[str, Any]:
    """The JSON of labels that a gate kept from being made at all."""
    document = LabelDocument(
        made_by=made_by,
        counted_how="Nothing was labelled.",
        body_only=False,
        levels=(),
        refused=LabelRefusal(code=refused_code, reasons=()),
        origin=LabelOrigin(made_by=made_by),
    )
    return document.model_dump(mode="json", by_alias=True)


def _levels(volume: Volume) -> Sequence[str]:
    present = measure_labels(volume.data, volume.affine)
    return sorted((LEVEL_OF_ID[n] for n in present if n in LEVEL_OF_ID), key=order)


def _renamed(levels: Sequence[str], mending: Mending) -> Mapping[str, str]:
    """New name of every level of the map before; without those that were dropped."""
    names = {level: level for level in levels}
    for joining in mending.merges:
        for old, now in names.items():
            if now in (joining.first, joining.second):
                names[old] = joining.into
    names = {old: now for old, now in names.items() if now not in mending.drops}
    if mending.shift:
        moved = shifted_names(sorted(set(names.values()), key=order), mending.shift)
        names = {old: moved[now] for old, now in names.items()}
    return names
