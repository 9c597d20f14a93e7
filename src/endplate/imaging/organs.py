"""Reading organs from labels: the same map that names the vertebrae, a folder of masks, or a file of their own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from endplate.errors import InputError
from endplate.imaging.label_folder import mask_files
from endplate.imaging.label_paint import LabelSource, level_id, organ_id
from endplate.imaging.label_source import open_labels
from endplate.imaging.label_stats import measure_labels
from endplate.imaging.label_values import whole_numbers
from endplate.imaging.labels import NAMED, recognise
from endplate.imaging.organ_map import ORGAN_IDS, ORGAN_OF_ID, OrganMap
from endplate.imaging.schemes import scheme_named
from endplate.imaging.volume import Volume

__all__ = ["ORGAN_IDS", "ORGAN_OF_ID", "ORGAN_OF_NUMBER", "OrganMap", "read_organs"]


def _numbers(**spans: tuple[int | tuple[int, int], ...]) -> Mapping[int, str]:
    table = {}
    for organ, parts in spans.items():
        for part in parts:
            first, last = part if isinstance(part, tuple) else (part, part)
            table.update(dict.fromkeys(range(first, last + 1), organ))
    return MappingProxyType(table)


ORGAN_OF_NUMBER: Mapping[str, Mapping[int, str]] = MappingProxyType(
    {
        # class map of version 2, task total
        "ts2": _numbers(
            kidney=(2, 3),
            lung=((10, 14),),
            oesophagus=(15,),
            sacrum=(25,),
            aorta=(52,),
            inferior_vena_cava=(63,),
            spinal_cord=(79,),
            rib=((92, 115),),
        ),
        # class map of version 1; 200 and 201 as TotalSpineSeg added them to these numbers (its README of 2024)
        "ts1": _numbers(
            kidney=(2, 3),
            aorta=(7,),
            inferior_vena_cava=(8,),
            lung=((13, 17),),
            oesophagus=(42,),
            rib=((58, 81),),
            sacrum=(92,),
            spinal_cord=(200,),
            spinal_canal=(201,),
        ),
        "tss": _numbers(spinal_cord=(1,), spinal_canal=(2,), sacrum=(50,)),
        # rib of a vertebra is its number + 32; cord and sacrum as in the subregion map
        "spineps": _numbers(sacrum=(26,), rib=((40, 51),), spinal_cord=(60,)),
    }
)
"""Canonical organ by number, by label scheme; the sources are those of the schemes."""

ORGAN_OF_SUBREGION: Mapping[int, str] = _numbers(
    sacrum=(26, (70, 74)), spinal_cord=(60,), spinal_canal=(61,), rib=(63, 64)
)
"""Canonical organ by number in the subregion map of SPINEPS and TPTBox."""


UNRECOGNISED = {"label-scheme-unknown", "label-scheme-ambiguous", "labels-are-a-mask", "labels-out-of-order"}
"""Refusals of a map whose numbers name no vertebrae for sure."""


def read_organs(path: Path, *, image: Volume | None, scheme: str = "auto") -> OrganMap | None:
    """Read the organs that a label map names.

    Parameters
    ----------
    path:
        Any form that ``read_labels`` takes; also a SPINEPS or TPTBox subregion map, and maps without vertebrae that
        name their organs.
    image:
        The CT: the organs are brought onto its voxels, without resampling.
    scheme:
        As for ``read_labels``.

    Returns
    -------
    OrganMap or None
        ``None`` where the map names none, or only the sacrum, which a vertebra map holds as S1.

    Raises
    ------
    InputError
        ``organs-not-named`` (numbers without names and without vertebrae that would tell the scheme), and those of
        ``read_labels``.
    """
    if path.is_dir() and not mask_files(path, organ_id) and mask_files(path, level_id):
        return None
    source = open_labels(path, organ_id, image)
    if source.painted:
        organs = source.volume.data
    else:
        ids = whole_numbers(source.volume.data)
        numbers = _organ_numbers(source, ids, scheme)
        table = np.zeros(int(ids.max()) + 1, dtype=np.uint8)
        for number, organ in numbers.items():
            table[number] = ORGAN_IDS[organ]
        organs = table[ids]
    found = OrganMap(replace(source.volume, data=organs, findings=()))
    return found if set(found.names) - {"sacrum"} else None


def _organ_numbers(source: LabelSource, ids: NDArray[np.unsignedinteger], scheme: str) -> dict[int, str]:
    """Canonical organ of every number in the map that is one."""
    stats = measure_labels(ids, source.volume.affine)
    by_name = {i: ORGAN_OF_ID[organ] for i in stats if (organ := organ_id(source.names.get(i, "")))}
    if not stats:
        return {}
    if scheme != "auto":
        known = ORGAN_OF_NUMBER.get(scheme_named(scheme).name, {})
        return {i: known[i] for i in stats if i in known}
    try:
        reading, how, _ = recognise(stats, None, source, ids)
    except InputError as error:
        if error.code == "labels-are-subregions":
            return {i: ORGAN_OF_SUBREGION[i] for i in stats if i in ORGAN_OF_SUBREGION}
        if by_name and error.code in UNRECOGNISED:
            return by_name
        raise _not_named(error) from None
    # A row of vertebrae found in the numbers tells more than names that do not fit it: the numbers were changed.
    if by_name and (how == NAMED or len(reading.chain.levels) < 3):
        return by_name
    known = ORGAN_OF_NUMBER.get(reading.scheme.name, {})
    return {i: known[i] for i in stats if i in known}


def _not_named(error: InputError) -> InputError:
    """Numbers alone do not tell an aorta; without a row of vertebrae the scheme stays unknown."""
    if error.code not in UNRECOGNISED:
        return error
    return InputError(
        "organs-not-named",
        "The organ map has numbers without names, and no vertebrae that would tell the scheme.",
        do="Give the map with its vertebrae, a folder with one file an organ, or a file that stores the names; or "
        "name the scheme.",
    )
