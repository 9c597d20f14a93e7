"""The CT of a level at the stages of a kyphoplasty: before, balloons inflated, deflated, cavity filled.

Each stage has the heights of that stage (:mod:`endplate.synthetic.restoration`: a picture of the level, its neighbours
stay). What lies in the bone goes along with it; its volume stays what it was, so that a balloon of 3 ml shows as 3 ml.
Balloons and cement have the CT numbers that their material shows at the scan's tube voltage.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from endplate.anatomy.model import Spine
from endplate.devices.cements import Cement, shipped_cements
from endplate.errors import UsageError
from endplate.fluoroscopy.materials import Material, cement_material, contrast_material, material
from endplate.imaging.attenuation import effective_energy_kev
from endplate.imaging.geometry import FloatArray, apply_affine, as_affine, voxel_sizes_mm
from endplate.imaging.levels import parse_level
from endplate.imaging.volume import LabelMap, Volume
from endplate.sources import Finding, finding, value
from endplate.synthetic.restoration import Gain, Restoration, Restored, gains_mm, lay_restoration

Stage = Literal["before", "inflated", "deflated", "filled"]
STAGES: tuple[Stage, ...] = get_args(Stage)

HELD = (1.0, 0.85, 0.7, 0.55, 0.4, 0.25, 0.0)
"""Shares of the gains that are tried until the discs have room for the greatest."""

EMPTY = 1e-3
"""A smaller share of a voxel is nothing."""

OPENED = 1.01
"""Where the body is stretched by more than this, what lies in it is trimmed back to its volume."""

TRIMS = 24
"""Halvings of the depth that is trimmed."""

BESIDE_MM = 1.0
"""Room left beside what is laid into the scan."""


@dataclass(frozen=True, eq=False)
class Contents:
    """What balloons and cement did to the bone, on one grid that lies on the scan as it is (heights of the scan).

    Parameters
    ----------
    affine:
        Voxel index → RAS mm, any grid.
    inflated:
        Share (0–1, or a mask) of each voxel that the inflated balloons take, and leave hollow when they are deflated;
        ``None``: not inflated.
    cement:
        Share of each voxel (or of its pores) that cement fills, inside and outside the bone; ``None``: no cement yet.
    """

    affine: FloatArray
    inflated: NDArray[Any] | None = None
    cement: NDArray[Any] | None = None

    def __post_init__(self) -> None:
        given = [one for one in (self.inflated, self.cement) if one is not None]
        if len({one.shape for one in given}) > 1 or any(one.ndim != 3 for one in given):
            raise ValueError("balloons and cement lie on one grid")
        object.__setattr__(self, "affine", as_affine(self.affine))


@dataclass(frozen=True, eq=False)
class StageScans:
    """The stages that there are, in their order.

    Parameters
    ----------
    level:
        Its name.
    volumes:
        The CT of each stage, HU, on the scan's grid.
    labels:
        Its labels.
    gains_mm:
        Gains that each stage is shown with, anterior, middle and posterior.
    findings:
        What there is to say of them.
    """

    level: str
    volumes: dict[Stage, Volume]
    labels: dict[Stage, LabelMap]
    gains_mm: dict[Stage, tuple[float, float, float]]
    findings: tuple[Finding, ...] = field(default=())


def stage_scans(
    image: Volume,
    labels: LabelMap,
    spine: Spine,
    level: str,
    contents: Contents,
    gains: Mapping[Stage, Gain],
    *,
    cement: Cement | None = None,
) -> StageScans:
    """Make the CT of each stage.

    Parameters
    ----------
    image, labels, spine:
        The scan and what was measured of it.
    level:
        The treated level.
    contents:
        Balloons, cavity and cement. A stage without its content is left out.
    gains:
        Gain of the anterior, middle and posterior height against the scan at each stage, posture and lift together; a
        stage that is not named is shown at the heights of the scan.
    cement:
        Of the catalogue; the most fluid class if not given (all show alike).

    Raises
    ------
    UsageError, QualityGateError
        As :func:`endplate.synthetic.restoration.restored_scan`. Heights for which the discs of the scan have no room
        are no error: all stages are then shown with the same share of their gains, and a finding says so.
    """
    level = parse_level(level)
    unknown = sorted(set(gains) - set(STAGES))
    if unknown:
        raise UsageError(
            "stage-unknown", f"There is no stage {unknown[0]!r}.", do=f"Choose from {', '.join(STAGES)}."
        )
    there: dict[Stage, bool] = {
        "before": True,
        "inflated": contents.inflated is not None,
        "deflated": contents.inflated is not None,
        "filled": contents.cement is not None,
    }
    wanted = {stage: gains_mm(gains.get(stage, (0.0, 0.0, 0.0))) for stage in STAGES if there[stage]}
    raised, share = _raised(lay_restoration(image, labels, spine, level), wanted)
    paint = _Paint(image, contents.affine)
    energy = effective_energy_kev(float(value("xray.ct_kvp")) if image.scan.kvp is None else image.scan.kvp)
    kind = cement or next(iter(shipped_cements().values()))
    contrast_hu = material_hu(contrast_material(), energy)
    cement_hu = material_hu(cement_material(kind), energy)
    blood_hu = float(value("internal.reference_hu_120kvp")["blood"])
    volumes: dict[Stage, Volume] = {}
    for stage, restored in raised.items():
        parts: list[tuple[NDArray[Any] | None, float]] = []
        if stage == "inflated":
            parts = [(contents.inflated, contrast_hu)]
        elif stage != "before":
            parts = [(contents.inflated, blood_hu)]
        if stage == "filled":
            parts.append((contents.cement, cement_hu))
        volumes[stage] = paint.over(restored, parts)
    told = (
        ()
        if share == 1.0
        else (finding("stage-heights-held", level=level, name=level, percent=100.0 * share),)
    )
    return StageScans(
        level,
        volumes,
        {stage: restored.labels for stage, restored in raised.items()},
        {stage: _three(share * gain) for stage, gain in wanted.items()},
        told,
    )


def material_hu(of: Material, energy_kev: float) -> float:
    """CT number of a material at one energy."""
    water = float(material("soft").attenuation_per_mm(energy_kev))
    return 1000.0 * (float(of.attenuation_per_mm(energy_kev)) / water - 1.0)


def _raised(lay: Restoration, wanted: Mapping[Stage, FloatArray]) -> tuple[dict[Stage, Restored], float]:
    """The restored scans, and the share of the gains that the discs have room for."""
    for share in HELD:
        made: dict[tuple[float, float, float], Restored] = {}
        try:
            for gain in sorted(wanted.values(), key=lambda one: -float(one.max())):
                key = _three(share * gain)
                if key not in made:
                    made[key] = lay.scan(key)
        except UsageError as refused:
            if refused.code != "restoration-no-room":
                raise
            continue
        return {stage: made[_three(share * gain)] for stage, gain in wanted.items()}, share
    raise AssertionError("no gain at all needs no room")


def _three(gain: FloatArray) -> tuple[float, float, float]:
    a, m, p = (round(float(one), 6) for one in gain)
    return a, m, p


@dataclass(frozen=True, eq=False)
class _Paint:
    """Lays shares of another grid into a CT, through what raised its bone."""

    image: Volume
    affine: FloatArray

    def over(self, restored: Restored, parts: list[tuple[NDArray[Any] | None, float]]) -> Volume:
        """The restored scan with each part in its place: (share, HU), the later over the earlier."""
        data = np.array(restored.image.data)
        for given, number in parts:
            shares = None if given is None else np.asarray(given, dtype=np.float32)
            if shares is None or not (shares > EMPTY).any():
                continue
            box, share = self._on_scan(shares, restored)
            hu = data[box] + share * (np.float32(number) - data[box])
            data[box] = np.rint(hu) if np.issubdtype(data.dtype, np.integer) else hu
        return Volume(data, self.image.affine, self.image.scan)

    def _on_scan(
        self, shares: NDArray[np.float32], restored: Restored
    ) -> tuple[tuple[slice, ...], NDArray[np.float32]]:
        """A box of the scan and the share of each of its voxels."""
        image = self.image
        box, counts, low = self._box(shares, restored.greatest_mm)
        shape = tuple(s.stop - s.start for s in box)
        axes = [low[a] + (np.arange(shape[a] * counts[a]) + 0.5) / counts[a] - 0.5 for a in range(3)]
        fine = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
        came, stretch = restored.contents_came_from(image.to_world(fine))
        index = apply_affine(np.asarray(np.linalg.inv(self.affine)), came).T
        carried = ndimage.map_coordinates(
            shares.astype(np.float64), index, order=1, mode="constant", prefilter=False
        )
        if restored.field is not None:
            carried = self._trimmed(carried, shares, index, stretch, int(np.prod(counts)))
        blocks = carried.reshape([n for pair in zip(shape, counts, strict=True) for n in pair])
        return box, np.clip(blocks.mean(axis=(1, 3, 5)), 0.0, 1.0).astype(np.float32)

    def _box(
        self, shares: NDArray[np.float32], moved_mm: float
    ) -> tuple[tuple[slice, ...], list[int], FloatArray]:
        """Voxels of the scan that may hold something, points in each along the axes, and the first voxel."""
        index = np.argwhere(shares > EMPTY)
        ends = np.array([index.min(axis=0), index.max(axis=0)])
        corners = np.array(
            [[ends[a, 0], ends[b, 1], ends[c, 2]] for a in (0, 1) for b in (0, 1) for c in (0, 1)]
        )
        voxel = self.image.to_voxel(apply_affine(self.affine, corners))
        spacing = self.image.spacing_mm
        pad = (moved_mm + BESIDE_MM) / spacing
        top = np.array(self.image.shape)
        low = np.clip(np.floor(voxel.min(axis=0) - pad).astype(int), 0, top - 1)
        high = np.clip(np.ceil(voxel.max(axis=0) + pad).astype(int) + 1, low + 1, top)
        counts = [int(np.ceil(size / float(value("stage_scans.step_mm")))) for size in spacing]
        return tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True)), counts, low.astype(float)

    def _trimmed(
        self,
        carried: NDArray[Any],
        shares: NDArray[np.float32],
        index: FloatArray,
        stretch: FloatArray,
        per_voxel: int,
    ) -> NDArray[Any]:
        """Shares where the body was stretched, taken back from the surface until the volume is that before."""
        sizes = voxel_sizes_mm(self.affine)
        solid = shares > 0.5
        depth = ndimage.distance_transform_edt(solid, sampling=sizes)
        true_mm3 = float(shares.sum()) * float(np.prod(sizes))
        point_mm3 = float(np.prod(self.image.spacing_mm)) / float(per_voxel)
        opened = np.flatnonzero((stretch > OPENED) & (carried > EMPTY))
        deep = ndimage.map_coordinates(depth, index[:, opened], order=1, mode="constant", prefilter=False)
        step = float(sizes.min())
        if float(carried.sum()) * point_mm3 <= true_mm3 or not len(opened):
            return carried

        def cut(trim_mm: float) -> NDArray[Any]:
            kept = carried.copy()
            kept[opened] *= np.clip((deep - trim_mm) / step + 0.5, 0.0, 1.0)
            return kept

        low, high = -0.5 * step, float(deep.max()) + step
        for _ in range(TRIMS):
            middle = 0.5 * (low + high)
            if float(cut(middle).sum()) * point_mm3 > true_mm3:
                low = middle
            else:
                high = middle
        return cut(high)
