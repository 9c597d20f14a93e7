"""Lesions and destroyed bone of a whole spine: what is found of each level, and the findings it gives.

Nothing here is a diagnosis. A lytic or blastic area, a hole in the posterior wall, a pedicle that is not there, a
bulging border or a broken arch end in "malignancy or instability not excluded".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from endplate.anatomy.arch_breaks import Bridge, arch_bridges
from endplate.anatomy.lesion_body import body_regions
from endplate.anatomy.lesion_field import BoneField, bone_field
from endplate.anatomy.lesion_pedicles import pedicle_hu, pedicle_regions
from endplate.anatomy.lesion_regions import Region, diameter_mm, merged, volume_mm3
from endplate.anatomy.model import ArchBreak, Lesion, Vec3
from endplate.anatomy.posterior_wall import posterior_bulge_mm
from endplate.anatomy.vertebra import LocalVertebra
from endplate.imaging.volume import Volume
from endplate.sources import Finding, finding, value
from endplate.units import MM3_PER_ML

DIGITS = 6
"""Decimals kept in the document."""
AREA_CODES = {"lytic": "lesion-lytic", "blastic": "lesion-blastic"}
"""Finding of an area, by its kind."""
FACES = (
    ("right", 0, 1),
    ("left", 0, -1),
    ("anterior", 1, 1),
    ("posterior", 1, -1),
    ("superior", 2, 1),
    ("inferior", 2, -1),
)
"""Surfaces of a body: name, axis of the grid, direction along it."""


@dataclass(frozen=True, eq=False)
class LesionSigns:
    """What was found of one level.

    ``mask`` marks the lesions on the vertebra's grid: density leaves them out. ``posterior_bulge_mm`` is ``None``
    where the wall was not seen.
    """

    lesions: tuple[Lesion, ...]
    arch_breaks: tuple[ArchBreak, ...]
    posterior_bulge_mm: float | None
    mask: NDArray[np.bool_]


def find_lesions(
    vertebrae: Sequence[LocalVertebra], image: Volume, exclude: NDArray[np.bool_] | None = None
) -> tuple[LesionSigns, ...]:
    """Look for lesions and destroyed bone in all vertebrae of a scan.

    Parameters
    ----------
    vertebrae:
        From the head down, neighbours beside each other: each is judged against the two next to it.
    image:
        The CT in HU.
    exclude:
        Voxels of the image that must not be judged (cement, metal, their streaks), shape of the image.

    Returns
    -------
    One :class:`LesionSigns` a vertebra, in their order.
    """
    fields = [bone_field(vertebra, image, exclude) for vertebra in vertebrae]
    marrow = [field.marrow_hu for field in fields]
    pedicles = [pedicle_hu(field) for field in fields]
    bridges = [arch_bridges(field) for field in fields]
    signs = []
    for index, field in enumerate(fields):
        beside = [j for j in (index - 1, index + 1) if 0 <= j < len(fields)]
        known = [hu for j in beside if (hu := marrow[j]) is not None]
        regions = body_regions(field, float(np.mean(known)) if known else None)
        regions += pedicle_regions(field, tuple(item for j in beside for item in pedicles[j]))
        # Where no canal was found, body and arch cannot be told apart.
        regions = merged(field, regions) if vertebrae[index].canal is not None else []
        others = [bridge for j in beside for bridge in bridges[j]]
        mask = np.zeros(field.hu.shape, dtype=bool)
        for region in regions:
            mask |= region.mask
        signs.append(
            LesionSigns(
                lesions=tuple(_document(field, region) for region in regions),
                arch_breaks=tuple(_broken(field, bridges[index], others)),
                posterior_bulge_mm=posterior_bulge_mm(vertebrae[index]),
                mask=mask,
            )
        )
    return tuple(signs)


def lesion_findings(level: str, signs: LesionSigns) -> list[Finding]:
    """The findings of one level; each says that malignancy or instability is not excluded."""
    found: list[Finding] = []
    for lesion in signs.lesions:
        values = {
            "diameter": lesion.diameter_mm,
            "side": lesion.side,
            "hu": lesion.mean_hu,
            "contrast": abs(lesion.contrast_hu),
            "sd": abs(lesion.contrast_sd),
        }
        if "pedicle" in lesion.destroyed:
            found.append(finding("pedicle-destroyed", level=level, **values))
            continue
        if "posterior" in lesion.destroyed:
            found.append(finding("posterior-wall-destroyed", level=level, **values))
            if lesion.place == "posterior wall":
                continue
        where = "pedicle" if lesion.place == "pedicle" else f"{lesion.third} third of the body"
        walls = f", reaching the {' and '.join(lesion.walls)} surface" if lesion.walls else ""
        found.append(finding(AREA_CODES[lesion.kind], level=level, where=where, walls=walls, **values))
    bulge = signs.posterior_bulge_mm
    if bulge is not None and bulge >= float(value("lesion.bulge_report_mm")):
        found.append(finding("posterior-border-bulging", level=level, bulge=bulge))
    if signs.arch_breaks:
        places = " and ".join(item.place for item in signs.arch_breaks)
        hu = min(item.bridge_hu for item in signs.arch_breaks)
        found.append(finding("posterior-elements-broken", level=level, places=places, hu=hu))
    return found


def _document(field: BoneField, region: Region) -> Lesion:
    """The document of one area."""
    vertebra, grid = field.vertebra, field.grid
    centre = grid.low_mm + grid.step_mm * np.argwhere(region.mask).mean(axis=0)
    covered = vertebra.body.mask.any(axis=(1, 2))
    x = grid.coordinate(0)[covered]
    aside = (float(centre[0]) - vertebra.x_mid_mm) / max(0.5 * float(x[-1] - x[0]), 1.0)
    y = grid.coordinate(1)[vertebra.body.mask.any(axis=(0, 2))]
    along = (float(centre[1]) - float(y[0])) / max(float(y[-1] - y[0]), 1.0)
    third = "posterior" if along < 1.0 / 3.0 else ("middle" if along < 2.0 / 3.0 else "anterior")
    sided = region.place == "pedicle" or abs(aside) > 1.0 / 3.0
    return Lesion(
        kind=region.kind,
        place=region.place,
        side=("right" if aside > 0.0 else "left") if sided else "middle",
        third=None if region.place == "pedicle" else third,
        centre_ras_mm=_vec(vertebra.axes.to_world(centre)),
        diameter_mm=round(diameter_mm(field, region.mask), DIGITS),
        volume_ml=round(volume_mm3(field, region.mask) / MM3_PER_ML, DIGITS),
        mean_hu=round(region.mean_hu, DIGITS),
        contrast_hu=round(region.contrast_hu, DIGITS),
        contrast_sd=round(region.contrast_sd, DIGITS),
        walls=() if region.place == "pedicle" else _walls(field, region.mask),
        destroyed=region.destroyed,
    )


def _walls(field: BoneField, mask: NDArray[np.bool_]) -> tuple[str, ...]:
    """Surfaces within reach of an area, along the vertebra's axes."""
    reach = round((float(value("lesion.cortex_clear_mm")) + 1.0) / field.grid.step_mm)
    index = np.argwhere(mask)
    shape = np.array(mask.shape)
    found = []
    for name, axis, sign in FACES:
        moved = index.copy()
        moved[:, axis] = np.clip(moved[:, axis] + sign * reach, 0, shape[axis] - 1)
        if (~field.grid.inside[tuple(moved.T)]).sum() * field.grid.step_mm**2 > 4.0:
            found.append(name)
    return tuple(found)


def _broken(field: BoneField, own: list[Bridge], others: list[Bridge]) -> list[ArchBreak]:
    """Parts of the arch whose strongest bridge is soft tissue where the rest of the arch has cortex."""
    rule = value("lesion.arch_broken")
    found = []
    for bridge in own:
        rest = [item.hu for item in (*own, *others) if item is not bridge]
        if not rest or bridge.hu >= min(float(rule["max_hu"]), float(rule["share"]) * float(np.median(rest))):
            continue
        centre = _vec(field.vertebra.axes.to_world(bridge.centre_mm))
        found.append(ArchBreak(place=bridge.place, centre_ras_mm=centre, bridge_hu=bridge.hu))
    return found


def _vec(point: NDArray[np.float64]) -> Vec3:
    x, y, z = (round(float(component), DIGITS) for component in point)
    return x, y, z
