"""Measure and grade every vertebra of a scan: the arrow from CT and labels to a ``Spine``."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from endplate.anatomy.alignment import (
    canal_compromise,
    local_kyphosis_deg,
    narrowest_canal_mm,
    retropulsion_mm,
)
from endplate.anatomy.describe import LevelFacts, describe
from endplate.anatomy.endplates import Height, measure_heights
from endplate.anatomy.expectation import HEIGHTS, expect_heights
from endplate.anatomy.grading import HeightEvidence
from endplate.anatomy.implant_findings import with_implants
from endplate.anatomy.implants import ImplantMap, find_implants
from endplate.anatomy.lesions import LesionSigns, find_lesions
from endplate.anatomy.locate import Located, locate_vertebrae
from endplate.anatomy.model import Spine
from endplate.anatomy.refine import Refined, refine_endplates
from endplate.anatomy.transitional import count_levels
from endplate.imaging.calibration import Calibration
from endplate.imaging.levels import order
from endplate.imaging.organ_map import OrganMap
from endplate.imaging.volume import LabelMap, Volume
from endplate.sources import Finding, citation, finding, value


def assess(
    labels: LabelMap | None,
    image: Volume | None,
    calibration: Calibration,
    *,
    organs: OrganMap | None = None,
    progress: Callable[[str, float], None] | None = None,
) -> Spine:
    """Measure and grade every labelled vertebra.

    Parameters
    ----------
    labels:
        VerSe ids; ``None`` where there is no map: then only what the scan itself says is returned.
    image:
        The CT on the same grid, or ``None`` for geometry only.
    calibration:
        HU → density.
    organs:
        Organs on the same grid: their ribs and sacrum are believed where levels are counted.
    progress:
        Called with a level name and the fraction done.

    Notes
    -----
    Deterministic; the recipe is in docs/science/morphometry.md.
    """
    return assess_with_implants(labels, image, calibration, organs=organs, progress=progress)[0]


def assess_with_implants(
    labels: LabelMap | None,
    image: Volume | None,
    calibration: Calibration,
    *,
    organs: OrganMap | None = None,
    progress: Callable[[str, float], None] | None = None,
) -> tuple[Spine, ImplantMap | None]:
    """As ``assess``, and with it the map of implants that the CT shows (``None`` without labels or CT)."""
    scan_findings: list[Finding] = [] if image is None else list(image.findings)
    if labels is None:
        return Spine(levels=(), findings=(*scan_findings, finding("no-labels")), geometry_only=False), None
    scan_findings += labels.volume.findings
    if image is None:
        scan_findings.append(finding("geometry-only"))
    refined = refine_endplates(locate_vertebrae(labels, progress=progress), labels, image)
    located = refined.located
    heights, evidence = _heights(refined)
    narrowest = [narrowest_canal_mm(item.vertebra) if _usable(item) else None for item in located]
    implants = None if image is None else find_implants(labels, image, located)
    signs = _lesion_signs(located, image, implants)
    levels = []
    for index, item in enumerate(located):
        above, below = _adjacent(located, index, -1), _adjacent(located, index, +1)
        beside = [narrowest[i] for i in (above, below) if i is not None]
        here = narrowest[index]
        facts = LevelFacts(
            located=item,
            label_map=labels,
            heights=heights[index],
            evidence=evidence[index],
            local_kyphosis_deg=_between(located, above, index, below, local_kyphosis_deg),
            retropulsion_mm=_between(located, above, index, below, retropulsion_mm),
            canal_compromise=(
                None if here is None else canal_compromise(here, [mm for mm in beside if mm is not None])
            ),
            signs=signs.get(index),
        )
        levels.append(describe(facts, image, calibration))
    if implants is not None:
        levels = [with_implants(level, implants) for level in levels]
    counting = count_levels(labels, image, organs)
    if progress is not None:
        progress("", 1.0)
    spine = Spine(
        levels=tuple(levels),
        findings=(*scan_findings, *counting.findings),
        label_scheme=labels.scheme,
        counted_how=f"{labels.counted_how} {counting.counted_how}".strip(),
        geometry_only=image is None,
        reference=citation("norms-compilation").text,
    )
    return spine, implants


def _lesion_signs(
    located: Sequence[Located], image: Volume | None, implants: ImplantMap | None
) -> dict[int, LesionSigns]:
    """Lesions and destroyed bone of all levels that can be measured, by their place in the row."""
    if image is None:
        return {}
    usable = [index for index, item in enumerate(located) if _usable(item)]
    exclude = None if implants is None else implants.near(float(value("implants.clear_mm")))
    found = find_lesions([located[index].vertebra for index in usable], image, exclude)
    return dict(zip(usable, found, strict=True))


def _heights(refined: Refined) -> tuple[list[dict[str, Height]], list[HeightEvidence]]:
    """Measured heights of all levels and what they are judged against."""
    located = refined.located
    measured = [
        measure_heights(item.vertebra.surfaces, item.vertebra.grid, item.vertebra.x_mid_mm)
        if _usable(item)
        else {}
        for item in located
    ]
    table = np.array(
        [[row[name].value_mm if name in row else np.nan for name in HEIGHTS] for row in measured]
    ).reshape(-1, 3)
    names = [item.vertebra.level for item in located]
    expectation = expect_heights(names, table)
    alternative = expect_heights(names, table, profile="alternative")
    evidence = [
        HeightEvidence(
            measured_mm=table[i],
            uncertainty_mm=refined.height_sd_mm[i],
            expected_mm=expectation.expected_mm[i],
            expected_sd_mm=expectation.sd_mm[i],
            losses=expectation.losses[i],
            own_scale=expectation.reference_levels[i] == (names[i],),
            losses_alternative=alternative.losses[i],
        )
        for i in range(len(located))
    ]
    return measured, evidence


def _usable(item: Located) -> bool:
    return not item.body_cut and (
        item.vertebra.canal is not None or (item.canal_source == "none" and not item.cut)
    )


def _adjacent(located: Sequence[Located], index: int, step: int) -> int | None:
    """Index of the level next to one, if it is its true neighbour and usable."""
    other = index + step
    if not 0 <= other < len(located):
        return None
    gap = abs(order(located[other].vertebra.level) - order(located[index].vertebra.level))
    # T13 stands between T12 and L1 only in a spine that has one.
    across_t13 = {located[other].vertebra.level, located[index].vertebra.level} == {"T12", "L1"}
    return other if (gap == 1 or across_t13) and _usable(located[other]) else None


def _between(
    located: Sequence[Located],
    above: int | None,
    index: int,
    below: int | None,
    measure: Callable[..., float | None],
) -> float | None:
    if above is None or below is None or not _usable(located[index]):
        return None
    return measure(located[above].vertebra, located[index].vertebra, located[below].vertebra)
