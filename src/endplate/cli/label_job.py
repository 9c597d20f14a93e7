"""From the options of ``endplate label`` to labels: clicks, a segmenter, or a map that is mended."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from endplate.cli.manner import Manner

if TYPE_CHECKING:
    from endplate.case.run import Tell
    from endplate.cli.label_wanted import Wanted
    from endplate.imaging.volume import Volume
    from endplate.labelling.mending import Mending
    from endplate.labelling.outputs_document import Labelled
    from endplate.labelling.points import PointSet
    from endplate.labelling.propose import Proposal


def read_ct(path: Path, series: str | None) -> Volume:
    """The CT with what inspecting it found.

    Raises
    ------
    InputError, QualityGateError
        As reading and inspecting a CT do.
    """
    from endplate.imaging.quality import inspect
    from endplate.imaging.read import read_image

    image = read_image(path, series=series)
    known = set(image.findings)
    return image.with_findings(*(found for found in inspect(image) if found not in known))


def points_of(wanted: Wanted, image: Volume, *, may_be_none: bool = False) -> PointSet:
    """The points of the options and of their file; a point in words counts before one of the file.

    Raises
    ------
    UsageError, InputError
        As reading and checking points do.
    """
    from endplate.labelling.points import (
        PointSet,
        check_points,
        parse_point,
        without_bodiless,
        without_set_levels,
    )
    from endplate.labelling.points_files import read_points

    given = tuple(parse_point(text, image) for text in wanted.points)
    points = PointSet(given)
    if wanted.points_file is not None:
        stored = without_bodiless(read_points(wanted.points_file, image))
        seeds = (*given, *without_set_levels(stored.seeds, given))
        proposed = without_set_levels(stored.proposed, seeds)
        points = PointSet(seeds, proposed, stored.source, stored.passed_over)
    if may_be_none and not points.seeds:
        return points
    return check_points(points, image)


PROPOSED_EACH_WAY = 2
"""Levels above and below the points that are proposed; every step away from a point is believed less."""


def with_proposals(points: PointSet, image: Volume, tell: Tell) -> tuple[PointSet, tuple[Proposal, ...]]:
    """Propose the points of neighbours, for levels that have none.

    Raises
    ------
    UsageError, QualityGateError
        The points themselves cannot be used.
    """
    from endplate.labelling.model import Seed
    from endplate.labelling.pick_told import ToldPoints
    from endplate.labelling.points import without_set_levels
    from endplate.labelling.propose import propose_neighbours

    stage = "Looking for neighbours"
    tell(stage, "", 0.0)
    reach = PROPOSED_EACH_WAY
    ends: list[str] = []
    found = propose_neighbours(
        image,
        points.seeds,
        above=reach,
        below=reach,
        progress=lambda what, part: tell(stage, what, part),
        note=ends.append,
    )
    tell(stage, "", 1.0)
    proposed = without_set_levels((Seed(one.level, one.ras_mm) for one in found), points.seeds)
    levels = {seed.level for seed in proposed}
    kept = tuple(seed for seed in points.proposed if seed.level not in levels)
    told = tuple((one.level, f"confidence {one.confidence:.0%}") for one in found)
    every = (*kept, *proposed)
    return ToldPoints(points.seeds, every, points.source, points.passed_over, told, tuple(ends)), found


def make_labels(wanted: Wanted, image: Volume | None, manner: Manner, tell: Tell) -> Labelled:
    """Labels from what was asked for.

    Raises
    ------
    UsageError, InputError
        As the ways to labels do.
    """
    if wanted.labels is not None:
        return _given(wanted, image)
    assert image is not None  # Wanted.check
    return (
        _segmented(wanted, image, manner, tell)
        if wanted.segmenter is not None
        else _clicked(wanted, image, tell)
    )


def _given(wanted: Wanted, image: Volume | None) -> Labelled:
    from endplate.imaging.fingerprint import ct_fingerprint
    from endplate.imaging.label_origin import LabelOrigin
    from endplate.imaging.labels import read_labels
    from endplate.labelling.outputs_document import Labelled

    assert wanted.labels is not None
    labels = read_labels(wanted.labels, scheme=wanted.scheme, image=image)
    stated = labels.origin
    if stated is None:
        stated = LabelOrigin(made_by="given", ct_fingerprint=None if image is None else ct_fingerprint(image))
    return Labelled(labels, stated)


def _clicked(wanted: Wanted, image: Volume, tell: Tell) -> Labelled:
    from endplate.imaging.label_origin import LabelOrigin
    from endplate.labelling.outputs_document import Labelled
    from endplate.labelling.spine_labels import label_from_points
    from endplate.sources import finding

    points = points_of(wanted, image)
    stage = "Labelling from points"
    tell(stage, "", 0.0)
    made = label_from_points(image, points.seeds, progress=lambda what, part: tell(stage, what, part))
    tell(stage, "", 1.0)
    labels = made.labels
    if points.passed_over:
        told = finding("labels-points-passed-over", levels=", ".join(points.passed_over))
        labels = replace(labels, volume=labels.volume.with_findings(told))
    origin = labels.origin or LabelOrigin(made_by="clicks")
    return Labelled(labels, origin, subregions=made.subregions)


def _segmented(wanted: Wanted, image: Volume, manner: Manner, tell: Tell) -> Labelled:
    from endplate.imaging.fingerprint import ct_fingerprint
    from endplate.imaging.label_origin import LabelOrigin, LevelOrigin
    from endplate.labelling.mending import levels_in
    from endplate.labelling.outputs_document import Labelled
    from endplate.labelling.segmenters.programs import segmenter_named
    from endplate.labelling.segmenters.run import segment
    from endplate.sources import finding, value

    adapter = segmenter_named(wanted.segmenter or "")
    minutes = wanted.time_limit_min or float(value("labelling.segmenter_limit_min"))
    say = _lines_to_user(adapter.title, manner, tell)
    tell(adapter.title, "", 0.0)
    made = segment(image, adapter, limit_s=60.0 * minutes, say=say)
    tell(adapter.title, "", 1.0)
    version = "" if made.tool.version is None else f" {made.tool.version}"
    told = finding("labels-from-segmenter", title=adapter.title, version=version)
    labels = replace(made.labels, volume=made.labels.volume.with_findings(told))
    origin = LabelOrigin(
        made_by="segmenter",
        ct_fingerprint=ct_fingerprint(image),
        tool=made.tool,
        levels=tuple(LevelOrigin(level=level) for level in levels_in(labels.data)),
    )
    return Labelled(labels, origin, made.subregions, made.organs, made.seconds)


def _lines_to_user(title: str, manner: Manner, tell: Tell) -> Callable[[str, bool], None]:
    """Where the lines of a program go: beside its bar on a terminal, else whole ones to stderr."""
    live = sys.stderr.isatty()

    def say(line: str, whole: bool) -> None:
        if manner.quiet:
            return
        if live:
            tell(title, line[:60], 0.0)
        elif whole:
            sys.stderr.write(f"{title}: {line}\n")
            sys.stderr.flush()

    return say


def mending_of(shift: int, drop: Sequence[str], merge: Sequence[str], *, clean: bool) -> Mending:
    """The mending that options ask for; levels to drop may stand in one word, with commas.

    Raises
    ------
    UsageError
        ``level-unknown``, ``merge-broken``, ``shift-unknown``.
    """
    from endplate.imaging.levels import parse_level
    from endplate.labelling.mending import Mending, parse_merge

    drops = tuple(parse_level(name) for text in drop for name in text.split(","))
    return Mending(tuple(parse_merge(text) for text in merge), drops, shift, clean)
