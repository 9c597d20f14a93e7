"""One level as the search sees it: its bone as a dense surface, and everything that a needle must keep away from.

Everything is built once a level, in the vertebra's own frame, and holds no rule: the same scene serves every tool,
side and approach, and a path that is dragged by hand.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import cc3d
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import cKDTree

from endplate.anatomy.axes import Axes, FloatArray, unit
from endplate.anatomy.implants import ImplantMap
from endplate.anatomy.mask import LabelField, LocalGrid, label_field, resample
from endplate.anatomy.model import Pedicle, Side, Spine, Vertebra
from endplate.anatomy.revisit import axes_of
from endplate.anatomy.vertebra import LocalVertebra, vertebra_in_frame
from endplate.errors import QualityGateError
from endplate.imaging.organ_map import OrganMap
from endplate.imaging.volume import LabelMap, Volume
from endplate.planning.canal_points import canal_points, defect_points
from endplate.planning.foramen import Arch, foramen_points, segmental_points
from endplate.planning.isthmus import estimated_pedicle
from endplate.planning.kernels import surface_points
from endplate.planning.neighbours import Boxes, neighbours
from endplate.planning.structures import Structure, gas_points, image_structures
from endplate.sources import value

SIGN = {"right": 1.0, "left": -1.0}
"""Sign of local x on each side."""

SIDES: tuple[Side, Side] = ("left", "right")
"""Sides in their order."""


@dataclass(frozen=True, eq=False)
class LevelScene:
    """One level with its surroundings, lengths in mm in the vertebra's frame (right, anterior, superior).

    Parameters
    ----------
    vertebra, geometry:
        The measured level and its geometry.
    bone:
        Occupancy of the vertebra on a fine grid, enclosed cavities filled.
    surface:
        Shape (N, 3): points of its outer surface.
    structures:
        What to keep away from; ``side`` tells those of one side only.
    unchecked:
        Names of structures that were not available.
    estimated:
        Pedicles that the measurement did not find, from coronal sections; paths may run through them.
    defects, gas:
        Shape (N, 3): holes of the posterior wall; gas in the body.
    voxel:
        Shape (3, 3): the label voxel's edges in the frame, as columns.
    image:
        The CT, or ``None``.
    """

    vertebra: Vertebra
    geometry: LocalVertebra
    bone: LocalGrid
    surface: FloatArray
    structures: tuple[Structure, ...]
    unchecked: tuple[str, ...]
    estimated: dict[Side, Pedicle]
    defects: FloatArray
    gas: FloatArray
    voxel: FloatArray
    image: Volume | None

    @property
    def axes(self) -> Axes:
        """The vertebra's frame."""
        return self.geometry.axes

    @property
    def level(self) -> str:
        """Name of the level."""
        return self.vertebra.level

    def pedicle(self, side: Side) -> Pedicle | None:
        """The measured pedicle of a side, or its estimate, or ``None``."""
        return measured_pedicle(self.vertebra, side) or self.estimated.get(side)

    def not_checked(self, side: Side) -> tuple[str, ...]:
        """What could not be checked of a needle of this side."""
        return (
            (*self.unchecked, f"{side} pedicle's own measures") if side in self.estimated else self.unchecked
        )

    def with_estimate(self, side: Side) -> LevelScene | None:
        """The same scene with the pedicle's estimate, ``None`` where there is none or it stands at the same place.

        A fit may have taken another bridge of bone for the pedicle.
        """
        measured = measured_pedicle(self.vertebra, side)
        guess = estimated_pedicle(self.geometry, self.bone, SIGN[side])
        if measured is None or guess is None:
            return None
        off = np.linalg.norm(np.array(measured.isthmus_ras_mm) - np.array(guess.isthmus_ras_mm))
        if off <= float(value("search.estimate_reach_mm")):
            return None
        pedicles = self.vertebra.pedicles.model_copy(update={side: None})
        vertebra = self.vertebra.model_copy(update={"pedicles": pedicles})
        return replace(self, vertebra=vertebra, estimated={**self.estimated, side: guess})

    def near(self, side: Side) -> tuple[Structure, ...]:
        """Structures that concern a needle of this side."""
        return tuple(one for one in self.structures if one.side in (None, side))

    @cached_property
    def tree(self) -> cKDTree:
        """The surface's points for nearest neighbours."""
        return cKDTree(self.surface)

    @cached_property
    def parallel(self) -> FloatArray:
        """Normal of the plane that bisects the endplates, local; the frame's own where they do not fit."""
        planes = [plane for plane in (self.geometry.superior, self.geometry.inferior) if plane is not None]
        limit = float(value("endplate.rmse_borrow_mm"))
        good = [plane.normal for plane in planes if plane.rmse_mm <= limit]
        return unit(np.sum(good, axis=0)) if len(good) == 2 else np.array([0.0, 0.0, 1.0])


def measured_pedicle(vertebra: Vertebra, side: Side) -> Pedicle | None:
    """The pedicle of a side as the level's document has it."""
    return vertebra.pedicles.left if side == "left" else vertebra.pedicles.right


def level_scene(
    labels: LabelMap,
    image: Volume | None,
    organs: OrganMap | None,
    implants: ImplantMap | None,
    spine: Spine,
    vertebra: Vertebra,
) -> LevelScene:
    """Build the scene of one level.

    Parameters
    ----------
    labels, image:
        The label map the spine was measured on and the CT on its grid (``None``: geometry only).
    organs, implants:
        Maps of organs and of metal and old cement, ``None`` where there are none.
    spine, vertebra:
        The measured spine and the level.

    Raises
    ------
    QualityGateError
        The level was not measured, has no canal, or the map holds no arches.
    """
    if labels.body_only:
        raise QualityGateError(
            "body-only",
            f"The label map holds the body of {vertebra.level} without its arch.",
            do="Give a label map of whole vertebrae.",
        )
    near = _around(labels, vertebra)
    boxes = ndimage.find_objects(near.data)
    geometry = _geometry(near, boxes, vertebra)
    canal = None if geometry is None else geometry.canal
    if geometry is None or canal is None or not vertebra.complete:
        raise QualityGateError(
            "level-cut",
            f"{vertebra.level} is cut by the edge of the scan or could not be measured.",
            do="Give a scan that holds the whole vertebra.",
        )
    step = float(value("search.surface_step_mm"))
    geometry = replace(geometry, field=_filled(geometry.field))
    bone = resample(geometry.field, geometry.axes, step)
    surface = surface_points(bone.values, bone.low_mm, bone.step_mm)
    others = neighbours(near, boxes, vertebra, geometry.axes)
    structures = [Structure("canal", canal_points(canal, geometry.grid), "labels")]
    structures += [one for one, _ in others]
    structures += _foramina(spine, vertebra, geometry, bone, surface, [grid for _, grid in others])
    seen, unchecked = image_structures(image, organs, implants, geometry.axes)
    return LevelScene(
        vertebra=vertebra,
        geometry=geometry,
        bone=bone,
        surface=surface,
        structures=tuple(structures + seen),
        unchecked=tuple(unchecked),
        estimated=_estimated(vertebra, geometry, bone),
        defects=defect_points(geometry),
        gas=gas_points(geometry, image),
        voxel=np.ascontiguousarray(geometry.axes.rotation @ geometry.field.affine[:3, :3]),
        image=image,
    )


def _estimated(vertebra: Vertebra, geometry: LocalVertebra, bone: LocalGrid) -> dict[Side, Pedicle]:
    missing = [side for side in SIDES if measured_pedicle(vertebra, side) is None]
    guesses = {side: estimated_pedicle(geometry, bone, SIGN[side]) for side in missing}
    return {side: guess for side, guess in guesses.items() if guess is not None}


def _around(labels: LabelMap, vertebra: Vertebra) -> LabelMap:
    """The part of the map near a level; what is farther than a needle is long does not matter."""
    if vertebra.frame is None:
        return labels
    reach = float(value("search.labels_reach_mm"))
    centre = labels.volume.to_voxel(np.array(vertebra.frame.origin_ras_mm))
    half = reach / labels.volume.spacing_mm
    crop = labels.volume.crop(np.floor(centre - half), np.ceil(centre + half))
    return replace(labels, volume=replace(crop, data=np.ascontiguousarray(crop.data)))


def _filled(field: LabelField) -> LabelField:
    """The field with cavities that its bone encloses filled: they are no outer surface."""
    outside = field.occupancy < 0.5
    pieces, count = cc3d.connected_components(outside, connectivity=6, return_N=True)
    if count <= 1:
        return field
    occupancy = np.where(outside & (pieces != pieces[0, 0, 0]), np.float32(1.0), field.occupancy)
    return replace(field, occupancy=np.ascontiguousarray(occupancy))


def _geometry(labels: LabelMap, boxes: Boxes, vertebra: Vertebra) -> LocalVertebra | None:
    """The level again as geometry, in the frame of its document."""
    if vertebra.frame is None or vertebra.label_id > len(boxes):
        return None
    box = boxes[vertebra.label_id - 1]
    if box is None:
        return None
    field = label_field(labels.data, labels.volume.affine, box, vertebra.label_id)
    borrowed = vertebra.canal.source == "borrowed" and vertebra.canal.centre_ras_mm is not None
    seed = np.array(vertebra.canal.centre_ras_mm) if borrowed else None
    return vertebra_in_frame(vertebra.level, field, axes_of(vertebra.frame), canal_seed_ras_mm=seed)


def _foramina(
    spine: Spine,
    vertebra: Vertebra,
    geometry: LocalVertebra,
    bone: LocalGrid,
    surface: FloatArray,
    others: list[LocalGrid],
) -> list[Structure]:
    """Foramina above and below on both sides, and the course of the segmental arteries on the body's side walls."""
    index = next((i for i, v in enumerate(spine.levels) if v.level == vertebra.level), None)
    found = []
    for side in SIDES:
        own = _arch(vertebra, side, geometry.axes)
        if own is None:
            continue
        for name, step in (("foramen above", -1), ("foramen below", +1)):
            other: Arch | None = None
            if index is not None and 0 <= index + step < len(spine.levels):
                other = _arch(spine.levels[index + step], side, geometry.axes)
            points = foramen_points(own, other, -step, SIGN[side], [bone, *others], surface)
            found.append(Structure(name, points, "labels", kind="foramen", side=side))
        points = segmental_points(geometry, surface, SIGN[side])
        found.append(Structure("segmental artery", points, "labels", kind="segmental_artery", side=side))
    return found


def _arch(vertebra: Vertebra, side: Side, axes: Axes) -> Arch | None:
    """A pedicle's place and size in this frame."""
    pedicle = measured_pedicle(vertebra, side)
    if pedicle is None:
        return None
    return Arch(axes.to_local(np.array(pedicle.isthmus_ras_mm)), pedicle.width_mm, pedicle.height_mm)


def bone_at(scene: LevelScene, local_mm: FloatArray) -> NDArray[np.float32]:
    """Occupancy of the vertebra at local points, shape (..., 3) → (...)."""
    points = np.ascontiguousarray(local_mm, dtype=np.float64)
    return scene.geometry.field.sample(scene.axes.to_world(points))
