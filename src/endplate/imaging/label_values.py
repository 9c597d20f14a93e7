"""The values of a label file: whole numbers, or the file is something else."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from endplate.errors import InputError

WHOLE_NUMBER_TOLERANCE = 1e-3
"""Labels stored as floating-point numbers may miss whole numbers by this (scaled files do)."""

HIGHEST_ID = 65535
"""No scheme has greater numbers; an image has."""


def whole_numbers(data: NDArray[Any]) -> NDArray[np.unsignedinteger]:
    """Return the labels as the smallest unsigned integers that hold them.

    Raises
    ------
    InputError
        ``labels-not-integers`` (probabilities, interpolated labels), ``labels-are-an-image``.
    """
    low, high = float(data.min()), float(data.max())
    if not (np.isfinite(low) and np.isfinite(high)):
        raise _not_integers("NaN or infinite values")
    if low < 0 or high > HIGHEST_ID:
        raise InputError(
            "labels-are-an-image",
            f"The label file holds values from {low:.0f} to {high:.0f}: it is an image, not a label map.",
            do="Give the CT first and the label map with --labels.",
        )
    smallest = np.uint8 if high < 256 else np.uint16
    if data.dtype.kind != "f":
        return data.astype(smallest, copy=False)
    whole = np.empty(data.shape, dtype=smallest, order="F" if data.flags.f_contiguous else "C")
    for k in range(data.shape[2]):  # a whole copy in floating point would be eight times larger
        rounded = np.rint(data[:, :, k])
        if np.abs(data[:, :, k] - rounded).max() > WHOLE_NUMBER_TOLERANCE:
            raise _not_integers("fractions")
        whole[:, :, k] = rounded
    return whole


def _not_integers(what: str) -> InputError:
    return InputError(
        "labels-not-integers",
        f"The label map holds {what}: probabilities, or labels resampled with interpolation.",
        do="Give a map of whole numbers, one per vertebra; resample it only by nearest neighbour.",
    )
