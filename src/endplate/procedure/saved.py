"""What a procedure left in bone as one file: cement, when it came, balloons' cavities, on the grids of the bones."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from endplate.cement.cavity import Opening
from endplate.cement.model import Fill
from endplate.errors import UsageError
from endplate.imaging.geometry import FloatArray
from endplate.procedure.model import State

ARRAYS = ("saturation", "age_s", "pressure_pa")
OPENING = {
    "opening_affine": "affine",
    "cavity": "cavity",
    "held": "held",
    "solid_ratio": "solid_ratio",
    "breached": "breached",
}
"""Arrays of what balloons did, by their names in the archive; they lie on a grid of their own."""
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
    opening:
        What balloons did to the bone; ``None`` where there were none.
    """

    fill: Fill
    arrival_s: FloatArray
    opening: Opening | None = None


def fills_to_bytes(state: State) -> bytes:
    """The levels with cement or a cavity, as a NumPy archive whose bytes depend on its content alone."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        for level, fill in state.fills.items():
            hollow = state.hollows.get(level)
            if fill.injected_ml == 0.0 and hollow is None:
                continue
            arrays = {name: getattr(fill, name) for name in ARRAYS}
            nowhere = np.full(fill.saturation.shape, np.nan)
            arrays["arrival_s"] = state.arrivals.get(level, nowhere)
            if hollow is not None:
                arrays |= {name: getattr(hollow.opening, field) for name, field in OPENING.items()}
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
            return {
                level: _fill({name: archive[f"{level}.{name}"] for name in _names(level, archive.files)})
                for level in levels
            }
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise UsageError(
            "fills-unreadable",
            "The file with the cement of the case cannot be read as it was written.",
            intact="The other files of the case are unchanged.",
            do="Run `endplate treat CASE --force`.",
        ) from error


def _names(level: str, there: Sequence[str]) -> tuple[str, ...]:
    """The arrays of a level; all of an opening's where there is any."""
    opened = any(f"{level}.{name}" in there for name in OPENING)
    return (*ARRAYS, "arrival_s", "volumes_ml", *(OPENING if opened else ()))


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
    opening = None
    if "cavity" in arrays:
        opening = Opening(**{field: arrays[name] for name, field in OPENING.items()})
    return SavedFill(fill, arrays["arrival_s"], opening)
