"""Cast line integrals with RTK's Joseph projector; run by the interpreter that has ``itk-rtk``.

``python rtk_worker.py PROBLEM.npz IMAGES.npz`` where the problem holds ``values`` (I, J, K), ``affine`` (RAS mm),
``views`` (N, 4, 3: source, middle of the detector, directions of column and row, RAS mm), ``shapes`` (N, 2: rows,
columns), ``pitches`` (N,) and ``repeats``. Prints the version and the median seconds of each view as JSON; the images
are saved in the order of the views. Times are those of the filter alone, warm, on all cores.
"""

from __future__ import annotations

import json
import sys
import time
from importlib.metadata import version

import itk
import numpy as np
from itk import RTK as rtk  # noqa: N811 - the module's own name

LPS = np.diag([-1.0, -1.0, 1.0])


def volume_of(values: np.ndarray, affine: np.ndarray) -> itk.Image:
    """The volume as ITK holds it."""
    image = itk.image_from_array(np.ascontiguousarray(values.transpose(2, 1, 0), dtype=np.float32))
    size = np.linalg.norm(affine[:3, :3], axis=0)
    image.SetSpacing(size.tolist())
    image.SetOrigin((LPS @ affine[:3, 3]).tolist())
    image.SetDirection(itk.matrix_from_array(LPS @ affine[:3, :3] / size))
    return image


def main(problem: str, images: str) -> None:
    with np.load(problem) as held:
        volume = volume_of(held["values"], held["affine"])
        views, shapes, pitches, repeats = held["views"], held["shapes"], held["pitches"], int(held["repeats"])
    kind = itk.Image[itk.F, 3]
    seconds, cast = [], {}
    for n, (view, (rows, columns), pitch) in enumerate(zip(views, shapes, pitches, strict=True)):
        source, middle, column, row = (LPS @ view.T).T.tolist()
        geometry = rtk.ThreeDCircularProjectionGeometry.New()
        if not geometry.AddProjection(source, middle, column, row):
            raise ValueError("RTK does not take this view")
        stack = rtk.ConstantImageSource[kind].New()
        stack.SetOrigin([-0.5 * (columns - 1) * pitch, -0.5 * (rows - 1) * pitch, 0.0])
        stack.SetSpacing([pitch, pitch, 1.0])
        stack.SetSize([int(columns), int(rows), 1])
        stack.SetConstant(0.0)
        stack.Update()
        joseph = rtk.JosephForwardProjectionImageFilter[kind, kind].New()
        joseph.SetInput(0, stack.GetOutput())
        joseph.SetInput(1, volume)
        joseph.SetGeometry(geometry)
        taken = []
        for _ in range(repeats + 1):
            joseph.Modified()
            start = time.perf_counter()
            joseph.Update()
            taken.append(time.perf_counter() - start)
        seconds.append(float(np.median(taken[1:])))
        cast[f"image{n:03d}"] = itk.array_from_image(joseph.GetOutput())[0]
    np.savez(images, **cast)
    print(json.dumps({"version": version("itk-rtk"), "seconds": seconds}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
