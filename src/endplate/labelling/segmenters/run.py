"""A CT through an installed segmenter: from the call to labels that the rest of Endplate can use."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from endplate.errors import EndplateError, InputError, UsageError
from endplate.imaging.label_grid import onto_grid
from endplate.imaging.label_origin import Tool
from endplate.imaging.label_values import whole_numbers
from endplate.imaging.labels import read_labels
from endplate.imaging.organ_map import OrganMap
from endplate.imaging.organs import read_organs
from endplate.imaging.read import read_grid
from endplate.imaging.volume import Volume
from endplate.imaging.write import write_nifti
from endplate.labelling.segmenters.child import Ended, Say, run_child
from endplate.labelling.segmenters.contract import Adapter, Segmented, Written
from endplate.labelling.segmenters.programs import has_gpu, installed
from endplate.labelling.segmenters.version import version_of

ARCH_ID, BODY_ID, CANAL_ID = 41, 49, 61
"""TPTBox ids of the three parts that Endplate tells apart."""

PART_OF_SUBREGION = {
    **dict.fromkeys(range(41, 49), ARCH_ID),
    **dict.fromkeys((49, 50), BODY_ID),
    **dict.fromkeys((60, 61), CANAL_ID),
}
"""SPINEPS's subregions, joined to these parts. Source: TPTBox, vert_constants.py."""

NO_SPACE = "no space left on device"

OUT_NAME = "labels.nii.gz"


def segment(image: Volume, adapter: Adapter, *, limit_s: float, say: Say) -> Segmented:
    """Label a CT with an installed segmenter.

    The CT is handed over in a temporary folder, without anything that its file says of the patient; the folder is
    removed in the end, whatever happens.

    Parameters
    ----------
    image:
        The CT.
    adapter:
        One of ``programs.SEGMENTERS``.
    limit_s:
        The program is stopped after so many seconds.
    say:
        Takes its lines as they come.

    Raises
    ------
    UsageError
        ``segmenter-missing``, ``output-not-writable`` (no room for the CT), ``segmenter-disk-full``.
    InputError
        ``segmenter-failed``, ``segmenter-too-slow``, ``segmenter-output-unusable``.
    """
    program = installed(adapter)
    gpu = has_gpu()
    with tempfile.TemporaryDirectory(prefix="endplate-segment-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        ct = folder / "input" / adapter.ct_name
        ct.parent.mkdir()
        out = folder / ("out" if adapter.name == "totalspineseg" else OUT_NAME)
        write_nifti(image, ct)
        command = [str(program), *adapter.words(str(ct), str(out), gpu)]
        try:
            ended = run_child(command, folder, limit_s=limit_s, say=say)
        except OSError:
            raise _failed(adapter, "it could not be started", ()) from None
        _check_end(adapter, ended, limit_s)
        written = adapter.written(ct.parent, out)
        tool = Tool(
            name=adapter.title,
            version=version_of(program, adapter.distribution),
            command=adapter.recorded(gpu=gpu),
        )
        return _read(adapter, written, image, tool, ended)


def parts_of_subregions(ids: NDArray[np.unsignedinteger]) -> NDArray[np.uint8]:
    """Join SPINEPS's subregions to body, arch and canal."""
    table = np.zeros(int(ids.max()) + 1, dtype=np.uint8)
    for number, part in PART_OF_SUBREGION.items():
        if number < table.size:
            table[number] = part
    parts: NDArray[np.uint8] = table[ids]
    return parts


def _read(adapter: Adapter, written: Written, image: Volume, tool: Tool, ended: Ended) -> Segmented:
    if written.labels is None:
        raise _unusable(adapter, "it wrote none", ended.lines)
    try:
        labels = read_labels(written.labels, scheme=adapter.scheme, image=image)
        subregions = None if written.subregions is None else _subregions(written.subregions, image)
        organs = _organs(written.organs, image, labels.scheme)
    except UsageError:
        raise
    except EndplateError as error:
        raise _unusable(adapter, f"{error.what[0].lower()}{error.what[1:]}", ended.lines) from None
    return Segmented(labels, subregions, organs, tool, round(ended.seconds, 1))


def _subregions(path: Path, image: Volume) -> Volume:
    read = onto_grid(read_grid(path, nearest=True), image)
    return Volume(parts_of_subregions(whole_numbers(read.data)), image.affine, image.scan)


def _organs(path: Path | None, image: Volume, scheme: str) -> OrganMap | None:
    """Organs are a help, no condition: a map that names none is no fault of the labels."""
    if path is None:
        return None
    try:
        return read_organs(path, image=image, scheme="auto" if "spine_" in path.name else scheme)
    except InputError:
        return None


def _check_end(adapter: Adapter, ended: Ended, limit_s: float) -> None:
    if ended.code is None:
        raise InputError(
            "segmenter-too-slow",
            f"{adapter.title} did not end within {limit_s / 60:.3g} minutes and was stopped.{_said(ended.lines)}",
            do="Give it more time with --time-limit MINUTES, a computer with a GPU, or a CT cut to the spine.",
        )
    if ended.code == 0:
        return
    if any(NO_SPACE in line.lower() for line in ended.lines):
        raise UsageError(
            "segmenter-disk-full",
            f"{adapter.title} ran out of disk space.",
            do="Free some space in the folder for temporary files (TMPDIR) and run the same command again.",
        )
    how = f"signal {-ended.code}" if ended.code < 0 else f"exit code {ended.code}"
    raise _failed(adapter, how, ended.lines)


def _failed(adapter: Adapter, how: str, lines: Sequence[str]) -> InputError:
    return InputError(
        "segmenter-failed",
        f"{adapter.title} failed ({how}).{_said(lines)}",
        do=f"Try it by itself on a CT; `endplate doctor` says which version is found ({adapter.program}).",
    )


def _unusable(adapter: Adapter, why: str, lines: Sequence[str]) -> InputError:
    return InputError(
        "segmenter-output-unusable",
        f"{adapter.title} ended well, but its labels cannot be used: {why.rstrip('.')}.{_said(lines)}",
        do="Check that the CT shows the spine; `endplate doctor` says which version is found.",
    )


def _said(lines: Sequence[str]) -> str:
    """Its last words, which tell most."""
    last = [line for line in lines if line][-2:]
    return f" Its last words: {' / '.join(last)}" if last else ""
