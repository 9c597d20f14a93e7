"""Bodies from clicks against known ones: a real L3, the sample CT, phantoms with fractures.

``python tests/validation/label_study.py [real|sample|phantoms FIRST COUNT]`` prints the numbers.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

import nibabel
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from endplate.anatomy.assessment import assess
from endplate.anatomy.locate import locate_vertebrae
from endplate.anatomy.model import Spine
from endplate.errors import EndplateError, UsageError
from endplate.imaging.calibration import Calibration
from endplate.imaging.labels import read_labels
from endplate.imaging.levels import VERSE_IDS
from endplate.imaging.read import read_image
from endplate.imaging.sample import fetch_sample
from endplate.imaging.volume import LabelMap, Volume
from endplate.labelling.bodies import segment_bodies
from endplate.labelling.drum import lattice
from endplate.labelling.edge_fit import surface_normals
from endplate.labelling.model import LabelledBody, Seed
from endplate.labelling.pedicle_roots import root_nodes
from endplate.labelling.spine_labels import BODY, label_from_points
from endplate.synthetic import FractureSpec, GridSpec, build_phantom, random_spec

Mask = NDArray[np.bool_]

SAMPLE_LEVELS = ("T10", "T11", "T12", "L1", "L2")
SHAPES = ("wedge", "biconcave", "crush")
REGIONS = (("T7", "T8", "T9"), ("T11", "T12", "L1"), ("L1", "L2", "L3"), ("L3", "L4", "L5"))
SPACINGS = ((0.75, 0.75, 0.75), (1.0, 1.0, 1.0), (0.8, 0.8, 2.5), (0.7, 0.7, 1.5), (0.6, 0.6, 1.0))
SEED_ERROR_MM = 2.0
"""How far off the body's centroid the phantoms' seeds stand, in a random direction."""


def dice(ours: Mask, true: Mask) -> float:
    """Dice overlap of two masks."""
    return 2.0 * float((ours & true).sum()) / float(ours.sum() + true.sum())


def surface_distance_mm(ours: Mask, true: Mask, spacing_mm: Sequence[float]) -> float:
    """Mean distance between the border voxels of two masks, both ways."""
    edges = [mask & ~ndimage.binary_erosion(mask) for mask in (ours, true)]
    gaps = [ndimage.distance_transform_edt(~edge, sampling=spacing_mm) for edge in edges]
    both = np.concatenate([gaps[1][edges[0]], gaps[0][edges[1]]])
    return float(both.mean())


def painted(body: LabelledBody, shape: tuple[int, ...]) -> Mask:
    """A body's mask on the whole grid."""
    whole = np.zeros(shape, dtype=bool)
    whole[body.box] = body.mask
    return whole


@dataclass(frozen=True)
class RealBody:
    """The real L3: overlap and mean surface distance with an exact seed, overlaps for seeds off by 2 and 3 mm."""

    dice: float
    asd_mm: float
    dice_at_2mm: tuple[float, ...]
    dice_at_3mm: tuple[float, ...]


def real_body(folder: Path, *, count: int = 50, rng_seed: int = 0) -> RealBody:
    """The TPTBox L3 from one click, ``count`` random seeds at each error."""
    image, true, _ = _real(folder)
    middle = image.to_world(np.argwhere(true).mean(axis=0))

    def at(point: NDArray[np.float64]) -> Mask:
        (body,) = segment_bodies(image, [Seed("L3", point)])
        return painted(body, image.shape)

    exact = at(middle)
    rng = np.random.default_rng(rng_seed)
    off = []
    for error in (2.0, 3.0):
        turns = rng.normal(size=(count, 3))
        turns *= error / np.linalg.norm(turns, axis=1, keepdims=True)
        off.append(tuple(dice(at(middle + turn), true) for turn in turns))
    asd = surface_distance_mm(exact, true, image.spacing_mm.tolist())
    return RealBody(dice(exact, true), asd, off[0], off[1])


@dataclass(frozen=True)
class LevelCheck:
    """One level of a scan: overlap of the body, heights measured from our map and from the given one, grades."""

    level: str
    dice: float
    quality: float
    heights_mm: tuple[float, ...]
    given_heights_mm: tuple[float, ...]
    grade: int | None
    given_grade: int | None
    fractured: str | None = None
    spacing_mm: tuple[float, ...] = ()


def sample_bodies() -> list[LevelCheck]:
    """The sample CT, seeds at the centres of the given bodies of T10–L2: both maps measured as they are."""
    files = fetch_sample()
    image, labels = read_image(files.ct), read_labels(files.labels)
    given = given_bodies(labels)
    seeds = [Seed(level, image.to_world(np.argwhere(given[level]).mean(axis=0))) for level in SAMPLE_LEVELS]
    found = label_from_points(image, seeds)
    ours, theirs = _assessed(found.labels, image), _assessed(labels, image)
    rows = []
    for level in SAMPLE_LEVELS:
        here, there = ours.find(level), theirs.find(level)
        assert here is not None
        assert there is not None
        body = (found.labels.data == VERSE_IDS[level]) & (found.subregions.data == BODY)
        rows.append(
            LevelCheck(
                level,
                dice(body, given[level]),
                found.level(level).quality,
                _heights(here.heights_mm),
                _heights(there.heights_mm),
                here.fracture.genant_grade,
                there.fracture.genant_grade,
                None,
                tuple(float(mm) for mm in image.spacing_mm),
            )
        )
    return rows


@dataclass(frozen=True)
class EdgeHeight:
    """Where an edge lies on the blurred cortex of wall and front, 0 outside and 1 at the peak, and how far apart."""

    ours: float
    given: float
    given_beyond_mm: float


def edge_height(image: Volume, body: LabelledBody, given: Mask) -> EdgeHeight:
    """Read the CT across a body's wall, away from endplates and pedicles, at our edge and at a given map's."""
    nodes = lattice(body.surface.cells)
    local = body.surface.local_mm
    normals = surface_normals(body.surface, local)
    across = np.arange(-4.0, 4.01, 0.1)
    points = body.axes.to_world((local[:, None] + normals[:, None] * across[:, None]).reshape(-1, 3))
    voxels = image.to_voxel(points).T
    shape = (len(local), len(across))
    inside = ndimage.map_coordinates(given.astype(np.float32), voxels, order=1).reshape(shape) >= 0.5
    hu = ndimage.map_coordinates(image.data.astype(np.float32), voxels, order=1).reshape(shape)
    d = nodes.directions
    wall = ((np.abs(d[:, 0]) == 1.0) | (d[:, 1] == 1.0)) & (np.abs(d[:, 2]) < 0.7) & ~root_nodes(nodes)
    first = int(np.searchsorted(across, -3.0))
    rows = [n for n in np.flatnonzero(wall) if inside[n, first] and not inside[n, first:].all()]
    beyond = np.array([across[first + int(np.argmin(inside[n, first:]))] for n in rows])
    ours = hu[rows]
    theirs = np.array([np.interp(across, across - at, hu[n]) for n, at in zip(rows, beyond, strict=True)])
    return EdgeHeight(_share(ours, across), _share(theirs, across), float(np.median(beyond)))


def _share(profiles: NDArray[np.floating], across: NDArray[np.float64]) -> float:
    middle = np.median(profiles, axis=0)
    near = np.abs(across) <= 2.0
    outside = float(np.median(middle[across >= 2.0]))
    at = float(np.interp(0.0, across, middle))
    return (at - outside) / (float(middle[near].max()) - outside)


def edge_heights(folder: Path) -> dict[str, EdgeHeight]:
    """Edges of our bodies and of the maps given: the levels of the sample CT and the real L3."""
    files = fetch_sample()
    image, labels = read_image(files.ct), read_labels(files.labels)
    middles = given_bodies(labels)
    seeds = [Seed(level, image.to_world(np.argwhere(middles[level]).mean(axis=0))) for level in SAMPLE_LEVELS]
    found = {
        body.level: edge_height(image, body, labels.data == VERSE_IDS[body.level])
        for body in segment_bodies(image, seeds)
    }
    image, true, levels = _real(folder)
    (body,) = segment_bodies(image, [Seed("L3", image.to_world(np.argwhere(true).mean(axis=0)))])
    return found | {"real L3": edge_height(image, body, levels == VERSE_IDS["L3"])}


def _real(folder: Path) -> tuple[Volume, Mask, NDArray[np.integer]]:
    """The TPTBox L3: CT, body, numbers of the levels."""
    image = read_image(folder / "tptbox_L3_ct.nii.gz")
    parts = np.asarray(nibabel.load(folder / "tptbox_L3_subreg_labels.nii.gz").dataobj)
    levels = np.asarray(nibabel.load(folder / "tptbox_L3_vert_labels.nii.gz").dataobj)
    return image, np.isin(parts, (49, 50)) & (levels == VERSE_IDS["L3"]), levels


def given_bodies(labels: LabelMap) -> dict[str, Mask]:
    """Bodies of a label map as the anatomy splits them, on the map's grid."""
    found = {}
    for item in locate_vertebrae(labels):
        vertebra = item.vertebra
        voxels = np.argwhere(labels.data == VERSE_IDS[vertebra.level])
        local = vertebra.axes.to_local(labels.volume.to_world(voxels))
        index = np.rint((local - vertebra.grid.low_mm) / vertebra.grid.step_mm).astype(int)
        index = np.clip(index, 0, np.array(vertebra.grid.values.shape) - 1)
        mask = np.zeros(labels.data.shape, dtype=bool)
        mask[tuple(voxels[vertebra.body.mask[tuple(index.T)]].T)] = True
        found[vertebra.level] = mask
    return found


def _compare(
    image: Volume,
    labels: LabelMap,
    given: dict[str, Mask],
    error_mm: float,
    *,
    rng_seed: int = 0,
    broken: tuple[str, str] | None = None,
) -> list[LevelCheck]:
    rng = np.random.default_rng([rng_seed, 5])
    seeds = []
    for level, mask in given.items():
        turn = rng.normal(size=3)
        turn *= error_mm / np.linalg.norm(turn)
        seeds.append(Seed(level, image.to_world(np.argwhere(mask).mean(axis=0)) + turn))
    bodies = segment_bodies(image, seeds)
    mixed = np.array(labels.data)
    for level, mask in given.items():
        mixed[mask & (mixed == VERSE_IDS[level])] = 0
    for body in bodies:
        mixed[painted(body, image.shape)] = VERSE_IDS[body.level]
    ours = _assessed(_with_data(labels, mixed), image)
    theirs = _assessed(labels, image)
    rows = []
    for body in bodies:
        here, there = ours.find(body.level), theirs.find(body.level)
        assert here is not None
        assert there is not None
        rows.append(
            LevelCheck(
                body.level,
                dice(painted(body, image.shape), given[body.level]),
                body.quality,
                _heights(here.heights_mm),
                _heights(there.heights_mm),
                here.fracture.genant_grade,
                there.fracture.genant_grade,
                broken[1] if broken is not None and broken[0] == body.level else None,
                tuple(float(mm) for mm in image.spacing_mm),
            )
        )
    return rows


def _heights(found: object) -> tuple[float, ...]:
    values = (getattr(found, name) for name in ("anterior", "middle", "posterior"))
    return tuple(float("nan") if mm is None else float(mm) for mm in values)


def _with_data(labels: LabelMap, data: NDArray[np.uint8]) -> LabelMap:
    volume = Volume(data, labels.volume.affine, labels.volume.scan)
    return LabelMap(volume, labels.scheme, labels.body_only, labels.counted_how)


def _assessed(labels: LabelMap, image: Volume) -> Spine:
    # No number here rests on the pedicles, which take half of the time.
    with patch("endplate.anatomy.describe.find_pedicle", return_value=None):
        return assess(labels, image, Calibration.uncalibrated())


def phantom_bodies(first: int, count: int) -> Iterator[list[LevelCheck]]:
    """Random phantoms with one fractured level of three, shapes, losses, regions and voxel sizes in turn."""
    for number in range(first, first + count):
        rng = np.random.default_rng([number, 77])
        levels = REGIONS[number % len(REGIONS)]
        shape = SHAPES[number % len(SHAPES)]
        both = "both" if rng.uniform() < 0.3 else "superior"
        where = levels[int(rng.integers(len(levels)))]
        fracture = FractureSpec(shape, float(rng.uniform(0.2, 0.55)), endplate=both)
        spec = random_spec(number, levels, fracture=fracture, fracture_level=where)
        try:
            made = build_phantom(spec, GridSpec(SPACINGS[number % len(SPACINGS)], margin_mm=12.0))
        except UsageError as error:
            if error.code != "phantom-spec-invalid":
                raise
            continue
        assert made.volume is not None
        given = {
            level: (made.subregions.data == 49) & (made.labels.data == VERSE_IDS[level]) for level in levels
        }
        broken = (where, f"{shape} {fracture.loss:.2f}")
        try:
            yield _compare(made.volume, made.labels, given, SEED_ERROR_MM, rng_seed=number, broken=broken)
        except EndplateError as refused:
            print(f"{number}: refused: {refused.what}")  # noqa: T201


def _line(row: LevelCheck) -> str:
    broken = row.fractured or ""

    def show(values: Sequence[float]) -> str:
        return "/".join(f"{mm:.1f}" for mm in values)

    return (
        f"{row.level:4s} Dice {row.dice:.3f} quality {row.quality:.2f} heights {show(row.heights_mm)} given "
        f"{show(row.given_heights_mm)} grade {row.grade} given {row.given_grade} "
        f"{broken} {show(row.spacing_mm)}"
    )


def _print_all(rows: Sequence[LevelCheck]) -> None:
    overlaps = np.array([row.dice for row in rows])
    broken = np.array([row.fractured is not None for row in rows])
    same = np.array([row.grade == row.given_grade for row in rows])
    gaps = np.array([np.subtract(row.heights_mm, row.given_heights_mm) for row in rows])
    print(f"Dice mean {overlaps.mean():.3f}, least {overlaps.min():.3f}")  # noqa: T201
    if broken.any():
        print(f"fractured: mean {overlaps[broken].mean():.3f}, same grade {same[broken].mean():.0%}")  # noqa: T201
    print(  # noqa: T201
        f"same grade {same.mean():.0%} of {len(rows)}; height difference: mean {np.nanmean(gaps):+.2f}, "
        f"95 % within {np.nanpercentile(np.abs(gaps), 95):.2f}, greatest {np.nanmax(np.abs(gaps)):.2f} mm"
    )


def main(arguments: Sequence[str]) -> None:
    """Print what was asked for."""
    if arguments[0] == "real":
        found = real_body(Path(arguments[1]))
        print(f"exact: Dice {found.dice:.3f}, ASD {found.asd_mm:.2f} mm")  # noqa: T201
        for name, values in (("2 mm", found.dice_at_2mm), ("3 mm", found.dice_at_3mm)):
            print(f"{name}: mean {np.mean(values):.3f}, least {min(values):.3f} of {len(values)}")  # noqa: T201
        return
    rows: list[LevelCheck] = []
    groups = (
        [sample_bodies()]
        if arguments[0] == "sample"
        else phantom_bodies(int(arguments[1]), int(arguments[2]))
    )
    for group in groups:
        rows += group
        print("\n".join(_line(row) for row in group), flush=True)  # noqa: T201
    _print_all(rows)


if __name__ == "__main__":
    main(sys.argv[1:])
