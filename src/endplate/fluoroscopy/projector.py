"""Line integrals of a volume along all rays of a view, fast enough for moving pictures.

A separable perspective sweep after Joseph's rule: each ray samples every plane of voxels across its main axis once,
bilinearly. On a plane, rays that are a regular pattern are resampled first across (a few rows of voxels to many
columns of rays), then along the contiguous axis, several planes in one pass over the sum; how rays and planes lie is
told in :mod:`endplate.fluoroscopy.geometry`.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from endplate.errors import UsageError
from endplate.fluoroscopy.geometry import Sweep, plan_sweep
from endplate.fluoroscopy.lanes import BLOCK, FUSED, WIDTH
from endplate.fluoroscopy.projector_kernels import fill_tables, sweep, to_pixels, warp_to_pixels
from endplate.fluoroscopy.view import View
from endplate.fluoroscopy.volume_layouts import Content, Layout, content_of, fast_axes, lay_out
from endplate.imaging.geometry import FloatArray
from endplate.imaging.volume import Volume

SingleArray = NDArray[np.float32]

DETECTOR_POINTS = 33
"""Points along each side of the detector at which it must not stand inside the volume."""


class Projector:
    """A scalar volume made ready for line integrals.

    The volume is trilinear between voxel centres and falls to zero within one voxel outside of them. What a view asks
    for is laid out in memory on its first use (:meth:`prepare` does so ahead); a volume of n voxels takes 4·n bytes,
    and as much again where steep views are asked for.

    Parameters
    ----------
    image:
        A volume, or an array of shape (I, J, K) with ``affine``: attenuation in 1/mm, density, or any finite number.
    affine:
        4×4, voxel index → RAS mm; only with an array.

    Raises
    ------
    InputError
        ``fluoroscopy-volume`` or ``fluoroscopy-not-finite``.
    UsageError
        ``fluoroscopy-affine``: an array without affine, or a volume with one.
    """

    def __init__(self, image: Volume | NDArray[Any], affine: Any = None) -> None:
        if isinstance(image, Volume) is (affine is not None):
            raise UsageError(
                "fluoroscopy-affine",
                "An array needs an affine and a volume has its own.",
                do="Give a volume alone, or an array with its affine.",
            )
        values, place = (image.data, image.affine) if isinstance(image, Volume) else (image, affine)
        self._content: Content = content_of(values, place)
        self._layouts: dict[int, Layout] = {}
        self._usual, self._steep = fast_axes(self._content.affine)

    @property
    def empty(self) -> bool:
        """All voxels are zero: every line integral is."""
        return self._content.empty

    def prepare(self) -> None:
        """Lay the volume out for all but steep views."""
        if not self.empty:
            self._layout(self._usual)

    def line_integrals(self, view: View, *, out: SingleArray | None = None) -> SingleArray:
        """∫ volume ds from the source to each pixel, shape (rows, columns).

        Units are those of the volume times mm. Collimation is not applied: it is a shutter of the picture.

        Parameters
        ----------
        view:
            What the C-arm is set to.
        out:
            Array to fill instead of a new one.

        Raises
        ------
        UsageError
            ``fluoroscopy-out``: ``out`` is no float32 array of the view's shape. ``fluoroscopy-inside``: source or
            detector stand within the box of the volume.
        """
        image = _out(view, out)
        if self.empty or self._content.nearest_mm(view) > view.source_detector_mm:
            image[:] = 0.0
            return image
        plan, layout = self._plan(view)
        _run(plan, layout, image)
        return image

    def _layout(self, fast: int) -> Layout:
        if fast not in self._layouts:
            self._layouts[fast] = lay_out(self._content, fast)
        return self._layouts[fast]

    def _plan(self, view: View) -> tuple[Sweep, Layout]:
        self._check_outside(view)
        for fast in (self._usual, self._steep):
            layout = self._layout(fast)
            plan = plan_sweep(view, layout)
            if plan is not None:
                return plan, layout
        raise UsageError(
            "fluoroscopy-cone",
            "The cone of the beam is too wide to be cast along any axis of the volume.",
            do="Move the detector away from the source or take a smaller one.",
        )

    def _check_outside(self, view: View) -> None:
        """The volume is convex, so a ray leaves it before the detector unless a point of the detector is within."""
        rows, columns = view.shape
        across, down = np.meshgrid(
            np.linspace(-0.5, columns - 0.5, DETECTOR_POINTS), np.linspace(-0.5, rows - 0.5, DETECTOR_POINTS)
        )
        points = view.on_detector(np.stack([across, down], axis=-1)).reshape(-1, 3)
        for name, places in (("detector", points), ("source", view.source_ras_mm[None])):
            if self._content.holds(places).any():
                raise UsageError(
                    "fluoroscopy-inside",
                    f"The {name} of the C-arm would stand inside the volume.",
                    do="Move the isocentre, or give distances as of a real C-arm.",
                )


def line_integrals2(
    first: Projector,
    second: Projector,
    view: View,
    *,
    out: tuple[SingleArray, SingleArray] | None = None,
) -> tuple[SingleArray, SingleArray]:
    """Line integrals of two volumes, for example soft tissue and bone; each shape (rows, columns)."""
    one, two = (None, None) if out is None else out
    return first.line_integrals(view, out=one), second.line_integrals(view, out=two)


def _out(view: View, out: SingleArray | None) -> SingleArray:
    if out is None:
        return np.empty(view.shape, dtype=np.float32)
    if out.shape != view.shape or out.dtype != np.float32 or not out.flags.c_contiguous:
        raise UsageError(
            "fluoroscopy-out",
            f"An array of shape {out.shape} and type {out.dtype} cannot take a view of {view.shape}.",
            do="Give a contiguous float32 array of (rows, columns).",
        )
    return out


def _run(plan: Sweep, layout: Layout, image: SingleArray) -> None:
    """Sweep one volume and fill an image."""
    height, width = plan.size
    groups = -(-plan.planes.size // FUSED)
    tables = (
        np.empty(groups * height * FUSED, dtype=np.int32),
        np.empty(groups * height * FUSED * 2, dtype=np.float32),
        np.zeros((groups, 4), dtype=np.int64),
    )
    depth = -(-(layout.counts[2] + 2) // WIDTH) * WIDTH + 2
    fill_tables(plan.along, plan.portion, layout.counts[2], height, depth, *tables)
    blocks = -(-width // BLOCK)
    threads = min(numba.get_num_threads(), blocks)
    work = np.empty((threads, FUSED * depth * BLOCK), dtype=np.float32)
    total = np.empty(blocks * height * BLOCK, dtype=np.float32)
    shape = layout.strides[plan.main], layout.strides[plan.aside], layout.counts[plan.aside]
    sweep(layout.data, shape, plan.planes, plan.across, tables, height, depth, work, total)
    rays = _rays(plan, layout.affine)
    if plan.direct:
        to_pixels(total, height, rays, image)
    else:
        source = plan.beam.source
        ahead = plan.middle - source[plan.main], source[plan.aside], source[2]
        warp_to_pixels(total, plan.size, ahead, plan.grid, rays, image)


def _rays(plan: Sweep, affine: FloatArray) -> FloatArray:
    """Rays of the pixels for the last step, shape (6, 3)."""
    beam = plan.beam
    ways = np.stack([beam.first - beam.source, beam.column, beam.row], axis=1)
    return np.concatenate([affine[:3, :3] @ ways, ways[[plan.main, plan.aside, 2]]])
