"""Lesions and broken arches of a phantom: where they lie, how they are painted, and their truth."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from endplate.imaging.geometry import FloatArray, apply_affine, voxel_sizes_mm
from endplate.synthetic import rows as r
from endplate.synthetic import sampling
from endplate.synthetic.anatomy import SolvedSpine
from endplate.synthetic.density import hu_of_density
from endplate.synthetic.grid import voxel_box
from endplate.synthetic.lesion_spec import ArchBreakSpec, LesionSpec
from endplate.synthetic.pedicle import SIDES
from endplate.synthetic.truth import ArchBreakTruth, LesionTruth

CELL_MM = 0.5
"""Voxels are split into cells no larger than this."""
BEYOND_MM = 0.7
"""How far a destroying lesion reaches beyond the bone's surface."""
WALL_DEPTH = 0.2
"""Depth of the centre of a lesion of the posterior wall behind its surface, in diameters."""
GAP_HU = 50.0
"""Haematoma or scar between broken parts of the arch."""
SPINOUS_FRACTION = 0.3
"""Where along the spinous process it breaks."""
LAMINA_FRACTION = 0.55
"""Where a lamina breaks, in half widths of the canal from the midline."""
DESTROYED_MM2 = 6.0
"""Least area of cortex taken for a surface to count as destroyed."""

_FACES = {
    "right": (0, 1.0),
    "left": (0, -1.0),
    "anterior": (1, 1.0),
    "posterior": (1, -1.0),
    "superior": (2, 1.0),
    "inferior": (2, -1.0),
}


def lesion_centre(spine: SolvedSpine, i: int, lesion: LesionSpec) -> FloatArray:
    """Centre of a lesion of level i in its local coordinates, shape (3,)."""
    row = spine.models[i].row
    if lesion.place == "pedicle":
        centre: FloatArray = spine.pedicles(i)[SIDES.index(lesion.side)][0:3].copy()
        return centre
    x = lesion.at[0] * float(row[r.B_HALF_WIDTH])
    y = (lesion.at[1] - 0.5) * float(row[r.B_DEPTH])
    if lesion.place == "posterior wall":
        y = -0.35 * float(row[r.B_DEPTH])
    upper, lower, _ = sampling.endplates_at(np.array([[x, y]]), row)[0]
    z = lower + lesion.at[2] * (upper - lower)
    if lesion.place == "posterior wall":
        back = np.arange(-0.5 * float(row[r.B_DEPTH]) - 9.0, 0.0, 0.1)
        line = np.column_stack([np.full_like(back, x), back, np.full_like(back, z)])
        inside = sampling.body_at(line, row) <= 0.0
        y = float(back[inside.argmax()]) + WALL_DEPTH * lesion.diameter_mm
    return np.array([x, y, z])


def _share(
    spine: SolvedSpine, i: int, lesion: LesionSpec, points_ras_mm: FloatArray, cell_mm: float
) -> FloatArray:
    """Share of each cell that the lesion fills, shape (n, 3) → (n,)."""
    local = spine.placement.to_local(i, points_ras_mm)
    away = np.linalg.norm(local - lesion_centre(spine, i, lesion), axis=1) - 0.5 * lesion.diameter_mm
    share = np.clip(0.5 - away / max(lesion.border_mm, cell_mm), 0.0, 1.0)
    near = share > 0.0
    fields = spine.fields(i, points_ras_mm[near])
    row = spine.models[i].row
    if lesion.takes_cortex:
        depth = -fields[:, 0] + BEYOND_MM
    else:
        depth = -fields[:, 0] - np.where(fields[:, 1] <= 0.0, row[r.X_CORTEX], row[r.X_ARCH_CORTEX])
    share[near] *= np.clip(0.5 + depth / cell_mm, 0.0, 1.0)
    filled: FloatArray = share
    return filled


def _gap(spine: SolvedSpine, i: int, broken: ArchBreakSpec) -> tuple[FloatArray, FloatArray, float]:
    """Middle and unit normal of a gap in local coordinates, and the half extent of its plate."""
    row = spine.models[i].row
    if broken.place == "spinous process":
        plate = spine.parts(i, 2)[0]
        middle = plate[0:3] + SPINOUS_FRACTION * plate[r.Q_LENGTH] * plate[3:6]
        return middle, plate[3:6].copy(), 16.0
    sign = 1.0 if broken.place == "right lamina" else -1.0
    x = sign * LAMINA_FRACTION * float(row[r.C_HALF_WIDTH])
    y = float(row[r.C_Y] - row[r.C_HALF_AP] - 0.5 * row[r.L_THICKNESS])
    z = 0.5 * float(row[r.L_TOP] + row[r.L_BOTTOM])
    return np.array([x, y, z]), np.array([1.0, 0.0, 0.0]), 30.0


def _gap_share(
    spine: SolvedSpine, i: int, broken: ArchBreakSpec, points_ras_mm: FloatArray, cell_mm: float
) -> FloatArray:
    middle, normal, extent = _gap(spine, i, broken)
    row = spine.models[i].row
    local = spine.placement.to_local(i, points_ras_mm)
    away = np.abs((local - middle) @ normal) - 0.5 * broken.gap_mm
    share = np.clip(0.5 - away / cell_mm, 0.0, 1.0)
    share[(np.abs(local - middle) > extent).any(axis=1) | (local[:, 1] > row[r.C_Y])] = 0.0
    near = share > 0.0
    # A little beyond the surface, so that no rim of cortex bridges the gap.
    share[near] *= np.clip(0.5 + (0.5 - spine.fields(i, points_ras_mm[near])[:, 0]) / cell_mm, 0.0, 1.0)
    return share


def paint_lesions(image: NDArray[np.float32], affine: FloatArray, spine: SolvedSpine, i: int) -> None:
    """Write the lesions and broken places of level i into the CT; nothing where it has none."""
    vertebra = spine.spec.vertebrae[i]
    jobs = [
        (lesion_centre(spine, i, item), 0.5 * item.diameter_mm + item.border_mm, item.inside_hu, item)
        for item in vertebra.lesions
    ]
    gaps = [(*_gap(spine, i, item), item) for item in vertebra.arch_breaks]
    sizes = voxel_sizes_mm(affine)
    cuts = np.maximum(np.ceil(sizes / CELL_MM), 1).astype(int)
    cell = float(np.prod(sizes / cuts)) ** (1.0 / 3.0)
    offsets = np.stack(np.meshgrid(*((np.arange(n) + 0.5) / n - 0.5 for n in cuts), indexing="ij"), axis=-1)
    offsets = offsets.reshape(-1, 3)
    work: list[tuple[FloatArray, float, float, LesionSpec | ArchBreakSpec]] = list(jobs)
    work += [(middle, extent, GAP_HU, item) for middle, _, extent, item in gaps]
    for centre, reach, hu, item in work:
        corners = centre + (reach + 1.0) * np.array(
            [[a, b, c] for a in (-1, 1) for b in (-1, 1) for c in (-1, 1)]
        )
        shape = (image.shape[0], image.shape[1], image.shape[2])
        start, stop = voxel_box(spine.placement.to_world(i, corners), shape, affine)
        lines = [np.arange(a, b) for a, b in zip(start, stop, strict=True)]
        index = np.stack(np.meshgrid(*lines, indexing="ij"), axis=-1).reshape(-1, 3)
        if not len(index):
            continue
        share = np.zeros(len(index))
        for offset in offsets:
            points = apply_affine(affine, index + offset)
            if isinstance(item, LesionSpec):
                share += _share(spine, i, item, points, cell)
            else:
                share += _gap_share(spine, i, item, points, cell)
        share /= len(offsets)
        box = tuple(slice(int(a), int(b)) for a, b in zip(start, stop, strict=True))
        part = image[box]
        part += (share.reshape(part.shape) * (hu - part)).astype(np.float32)


def lesion_truths(spine: SolvedSpine, i: int) -> tuple[LesionTruth, ...]:
    """The truth of all lesions of level i."""
    return tuple(_truth(spine, i, lesion) for lesion in spine.spec.vertebrae[i].lesions)


def _truth(spine: SolvedSpine, i: int, lesion: LesionSpec) -> LesionTruth:
    centre = lesion_centre(spine, i, lesion)
    reach = 0.5 * lesion.diameter_mm + lesion.border_mm + CELL_MM
    line = np.arange(-reach, reach + CELL_MM, CELL_MM)
    lattice = np.stack(np.meshgrid(line, line, line, indexing="ij"), axis=-1).reshape(-1, 3) + centre
    world = spine.placement.to_world(i, lattice)
    share = _share(spine, i, lesion, world, CELL_MM)
    density = spine.spec.vertebrae[i].trabecular_mgcc
    x = float(centre[0]) / float(spine.models[i].row[r.B_HALF_WIDTH])
    side = lesion.side
    if lesion.place != "pedicle":
        side = "middle" if abs(x) < 1.0 / 3.0 else ("right" if x > 0.0 else "left")
    ras = spine.placement.to_world(i, centre)
    return LesionTruth(
        kind=lesion.kind,
        place=lesion.place,
        side=side,
        centre_ras_mm=(float(ras[0]), float(ras[1]), float(ras[2])),
        diameter_mm=lesion.diameter_mm,
        volume_ml=float(share.sum()) * CELL_MM**3 / 1000.0,
        hu=lesion.inside_hu,
        contrast_hu=lesion.inside_hu - hu_of_density(density),
        destroyed=_destroyed(spine, i, lesion, lattice[share > 0.5]),
    )


def _destroyed(spine: SolvedSpine, i: int, lesion: LesionSpec, local: FloatArray) -> tuple[str, ...]:
    """Surfaces whose cortex lies within the lesion, by the direction of their normals."""
    if not lesion.takes_cortex or not len(local):
        return ()
    if lesion.place == "pedicle":
        return ("pedicle",)
    row = spine.models[i].row
    values = sampling.body_at(local, row)
    shell = local[(values <= 0.0) & (values > -CELL_MM)]
    step = 0.2
    slope = np.stack(
        [
            sampling.body_at(shell + step * axis, row) - sampling.body_at(shell - step * axis, row)
            for axis in np.eye(3)
        ],
        axis=-1,
    )
    main = np.abs(slope).argmax(axis=1)
    names = []
    for name, (axis, sign) in _FACES.items():
        count = int(((main == axis) & (slope[:, axis] * sign > 0.0)).sum())
        if count * CELL_MM**2 >= DESTROYED_MM2:
            names.append(name)
    return tuple(names)


def arch_break_truths(spine: SolvedSpine, i: int) -> tuple[ArchBreakTruth, ...]:
    """The truth of all gaps of level i."""
    found = []
    for item in spine.spec.vertebrae[i].arch_breaks:
        x, y, z = (float(c) for c in spine.placement.to_world(i, _gap(spine, i, item)[0]))
        found.append(ArchBreakTruth(item.place, (x, y, z), item.gap_mm))
    return tuple(found)
