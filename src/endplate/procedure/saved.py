"""The cement of a procedure as one file: fill and times of arrival of every level, on the grids of their bones."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from endplate.cement.model import Fill
from endplate.errors import UsageError
from endplate.imaging.geometry import FloatArray
from endplate.procedure.model import State

ARRAYS = ("saturation", "age_s", "pressure_pa")
LONG_AGO = (1980, 1, 1, 0, 0, 0)
"""Date of every entry, so that the bytes depend on the content alone."""


@dataclass(frozen=True, eq=False)
class SavedFill:
    """The cement of one level.

    Parameters
    ----------
    fill:
        As the procedure left it.
    arrival_s:
        When cement came to each voxel, s of the procedure; NaN where it did not.
    """

    fill: Fill
    arrival_s: FloatArray


def fills_to_bytes(state: State) -> bytes:
    """The levels that hold cement, as a NumPy archive whose bytes depend on its content alone."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        for level, fill in state.fills.items():
            if fill.injected_ml == 0.0:
                continue
            arrays = {name: getattr(fill, name) for name in ARRAYS}
            arrays["arrival_s"] = state.arrivals[level]
            arrays["volumes_ml"] = np.array([fill.injected_ml, fill.marrow_displaced_ml, *fill.leaked_ml])
            for name, array in arrays.items():
                content = io.BytesIO()
                npy.write_array(content, np.ascontiguousarray(array), allow_pickle=False)
                entry = zipfile.ZipInfo(f"{level}.{name}.npy", LONG_AGO)
                entry.compress_type = zipfile.ZIP_DEFLATED
                archive.writestr(entry, content.getvalue())
    return packed.getvalue()


def fills_from_bytes(content: bytes) -> Mapping[str, SavedFill]:
    """Read what :func:`fills_to_bytes` wrote.

    Raises
    ------
    UsageError
        ``fills-unreadable``: damaged, or of another kind.
    """
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as archive:
            levels = dict.fromkeys(name.partition(".")[0] for name in archive.files)
            return {level: _fill({name: archive[f"{level}.{name}"] for name in _NAMES}) for level in levels}
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise UsageError(
            "fills-unreadable",
            "The file with the cement of the case cannot be read as it was written.",
            intact="The other files of the case are unchanged.",
            do="Run `endplate treat CASE --force`.",
        ) from error


_NAMES = (*ARRAYS, "arrival_s", "volumes_ml")


def _fill(arrays: dict[str, NDArray[np.float64]]) -> SavedFill:
    injected, displaced, *leaked = (float(one) for one in arrays["volumes_ml"])
    fill = Fill(
        saturation=arrays["saturation"],
        age_s=arrays["age_s"],
        pressure_pa=arrays["pressure_pa"],
        injected_ml=injected,
        marrow_displaced_ml=displaced,
        leaked_ml=tuple(leaked),
    )
    return SavedFill(fill, arrays["arrival_s"])
