"""A CT known by its voxels and their place, whatever file or axis order they were read from."""

from __future__ import annotations

import hashlib

import numpy as np

from endplate.imaging.volume import Volume

PLACE_MM = 0.05
"""Corners are rounded to this: converters keep positions to a few hundredths of a millimetre."""


def ct_fingerprint(image: Volume) -> str:
    """SHA-256 of whole Hounsfield units, sizes and place, the axes turned to R, A, S; hexadecimal.

    A DICOM series and its lossless conversion to NIfTI have the same one; another CT, a cropped or a resampled one
    has another.
    """
    codes = image.axis_codes
    order = [next(axis for axis in range(3) if codes[axis] in pair) for pair in ("RL", "AP", "SI")]
    turned = image.data.transpose(order)
    signs = [1 if codes[axis] in "RAS" else -1 for axis in order]
    turned = turned[tuple(slice(None, None, sign) for sign in signs)]
    ends = [np.zeros(3), np.zeros(3)]
    for axis, sign in zip(order, signs, strict=True):
        last = image.shape[axis] - 1
        ends[0][axis], ends[1][axis] = (0, last) if sign > 0 else (last, 0)
    corners = np.rint(image.to_world(np.array(ends)) / PLACE_MM).astype(np.int64)
    digest = hashlib.sha256(np.array(turned.shape, dtype="<i8").tobytes())
    digest.update(corners.astype("<i8").tobytes())
    for k in range(turned.shape[2]):
        whole = np.rint(turned[:, :, k]).astype("<i2")
        digest.update(np.ascontiguousarray(whole).tobytes())
    return digest.hexdigest()
