"""The document of ``endplate label``: what was labelled, how well, and why a map was refused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from pydantic import Field

from endplate.anatomy.model import Document
from endplate.imaging.label_findings import ROW_CODES, row_findings
from endplate.imaging.label_origin import LabelOrigin, LevelOrigin, MadeBy
from endplate.imaging.label_stats import measure_labels
from endplate.imaging.levels import LEVEL_OF_ID, VERSE_IDS, order
from endplate.imaging.organ_map import OrganMap
from endplate.imaging.spine_chain import chain_of
from endplate.imaging.volume import LabelMap, Volume
from endplate.labelling.mending import Mended, Mending, levels_in, mend, shifted_names
from endplate.labelling.mending_checks import check_map, check_merge, is_refused
from endplate.labelling.outputs_names import check_sizes
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
        As :func:`endplate.labelling.mending.mend` and :func:`endplate.labelling.mending_checks.check_merge`.
    """
    if not mending.asked:
        return made
    before = levels_in(made.volume.data)
    mended = mend(made.volume, mending)
    _check_merges(made.volume, mending)
    renamed = _renamed(before, mending)
    after = levels_in(mended.volume.data)
    origin = made.origin
    clicks = tuple(
        click.model_copy(update={"level": renamed[click.level]})
        for click in origin.clicks
        if click.level in renamed
    )
    volume = mended.volume
    subregions = made.subregions
    if subregions is not None:
        kept_bone = (volume.data > 0) | (made.volume.data == 0)
        subregions = replace(subregions, data=subregions.data * kept_bone)
    findings = _mended_findings(made.volume.findings, renamed, mended)
    counted_how = made.labels.counted_how
    if before != after or any(old != new for old, new in renamed.items()):
        counted_how = _counted_how(origin.made_by, mended)
    return replace(
        made,
        labels=replace(made.labels, volume=replace(volume, findings=findings), counted_how=counted_how),
        origin=origin.model_copy(
            update={
                "mended": (*origin.mended, *mended.done),
                "levels": tuple(
                    _joined(level, [origin.of_level(old) for old, new in renamed.items() if new == level])
                    for level in after
                ),
                "clicks": clicks,
            }
        ),
        subregions=subregions,
    )


def _check_merges(volume: Volume, mending: Mending) -> None:
    for joining in mending.merges:
        check_merge(volume, joining)
        number = VERSE_IDS[joining.into]
        pair = [VERSE_IDS[joining.first], VERSE_IDS[joining.second]]
        volume = replace(volume, data=np.where(np.isin(volume.data, pair), number, volume.data))


def _joined(level: str, parts: Sequence[LevelOrigin | None]) -> LevelOrigin:
    """What is known of a level that was made of these: of each thing the worst, and all that was assumed."""
    known = [part for part in parts if part is not None]
    qualities = [part.quality for part in known if part.quality is not None]
    errors = [part.label_error_mm for part in known if part.label_error_mm is not None]
    return LevelOrigin(
        level=level,
        quality=min(qualities, default=None),
        label_error_mm=max(errors, default=None),
        assumed=tuple(dict.fromkeys(sentence for part in known for sentence in part.assumed)),
    )


def _mended_findings(
    findings: Sequence[Finding], renamed: Mapping[str, str], mended: Mended
) -> tuple[Finding, ...]:
    """Findings of the map as it is now: those of its row anew, the others under the new names."""
    kept = tuple(
        each.model_copy(update={"level": renamed.get(each.level, each.level)}) if each.level else each
        for each in findings
        if each.code not in ROW_CODES and (each.level is None or each.level in renamed)
    )
    stats = measure_labels(mended.volume.data, mended.volume.affine)
    chain = chain_of({LEVEL_OF_ID[n]: stat for n, stat in stats.items() if n in LEVEL_OF_ID})
    told = tuple(finding("labels-mended", what=what) for what in mended.done)
    return (*kept, *row_findings(chain), *told)


def _counted_how(made_by: MadeBy, mended: Mended) -> str:
    """Where the level names come from, after some were changed."""
    levels = levels_in(mended.volume.data)
    ends = "–".join(dict.fromkeys((levels[0], levels[-1])))
    ids = "–".join(dict.fromkeys(str(VERSE_IDS[level]) for level in (levels[0], levels[-1])))
    source = "the user's points" if made_by == "clicks" else "the label map"
    return (
        f"Level names come from {source}, as mended here (VerSe ids {ids}: {ends}): {' '.join(mended.done)} "
        "Nothing was counted for it."
    )


def document_of(made: Labelled, refused_code: str = "labels-refused") -> LabelDocument:
    """Describe labels; ``refused`` says why they must not be used, where a check found so."""
    stats = {
        LEVEL_OF_ID[n]: stat
        for n, stat in measure_labels(made.volume.data, made.volume.affine).items()
        if n in LEVEL_OF_ID
    }
    of_map = check_map(made.volume)
    sizes = check_sizes(made.labels, {each.level for each in of_map if each.level is not None})
    found = tuple(dict.fromkeys((*made.volume.findings, *of_map, *sizes)))
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
