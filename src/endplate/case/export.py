"""A case's plan and its simulated cement as files for other programs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from endplate.case.case_files import CaseFiles
from endplate.case.folder import open_case
from endplate.errors import UsageError
from endplate.imaging.levels import VERSE_IDS
from endplate.imaging.markups import MarkupLine, write_markups
from endplate.imaging.poi import write_poi
from endplate.imaging.stl import cylinder, write_stl
from endplate.outcome.export import write_cement_nifti, write_cement_seg
from endplate.planning.model import LevelPlan, NeedlePath, Plan

STL_SIDES = 32
"""Sides of the prism that stands for a cannula."""

BEHIND_MM = 80.0
"""Length of a cannula behind the bone where the skin is not in view."""


def export_case(folder: Path, kind: str, out: Path) -> tuple[Path, ...]:
    """Write the plan of a case, or what its simulated treatment left, for another program.

    Parameters
    ----------
    folder:
        The case.
    kind:
        One of :data:`KINDS`.
    out:
        Folder to write into; files of the same names are replaced, others kept.

    Returns
    -------
    The files written.

    Raises
    ------
    UsageError
        An unknown kind, a case without a path, or a folder that cannot be written.
    """
    if kind not in KINDS:
        raise UsageError(
            "export-unknown", f"{kind!r} is no form of export.", do=f"Choose one of {', '.join(KINDS)}."
        )
    with open_case(folder) as case:
        record = {
            name: digest for stage in case.manifest.stages.values() for name, digest in stage.outputs.items()
        }
        files = CaseFiles(folder, record)
        plan = files.plan
        if plan is None or not any(level.paths for level in plan.plans):
            raise UsageError(
                "export-nothing",
                "The case has no needle path to export.",
                intact="The case is unchanged.",
                do="Plan first: `endplate plan CASE --level L1`.",
            )
        out.mkdir(parents=True, exist_ok=True)
        return KINDS[kind](files, plan, out)


def _needles(plan: Plan) -> list[tuple[LevelPlan, NeedlePath]]:
    return [(level, path) for level in plan.plans for path in level.paths]


def _start(path: NeedlePath) -> Any:
    """Where the drawn cannula begins: the skin, or well behind the bone."""
    if path.skin_ras_mm is not None:
        return np.array(path.skin_ras_mm)
    entry, tip = np.array(path.entry_ras_mm), np.array(path.tip_ras_mm)
    return entry - BEHIND_MM * (tip - entry) / np.linalg.norm(tip - entry)


def _slicer(files: CaseFiles, plan: Plan, out: Path) -> tuple[Path, ...]:
    path = out / "needles.mrk.json"
    lines = [
        MarkupLine(f"{level.level} {needle.side}", needle.entry_ras_mm, needle.tip_ras_mm)
        for level, needle in _needles(plan)
    ]
    write_markups(path, lines)
    if files.cement is None:
        return (path,)
    cement = out / "cement.nii.gz"
    write_cement_nifti(files.cement.fraction, cement)
    return path, cement


def _stl(_files: CaseFiles, plan: Plan, out: Path) -> tuple[Path, ...]:
    written = []
    for level, needle in _needles(plan):
        path = out / f"cannula_{level.level}_{needle.side}_{needle.gauge}.stl"
        end = needle.tip_ras_mm if needle.kyphoplasty is None else needle.kyphoplasty.cannula_end_ras_mm
        mesh = cylinder(_start(needle), np.array(end), 0.5 * needle.outer_diameter_mm, STL_SIDES)
        write_stl(path, mesh, f"Endplate cannula {level.level} {needle.side}")
        written.append(path)
    return tuple(written)


def _tptbox(files: CaseFiles, plan: Plan, out: Path) -> tuple[Path, ...]:
    scan = files.scan
    grid = scan.image if scan.image is not None else None if scan.labels is None else scan.labels.volume
    if grid is None:
        raise UsageError("export-nothing", "The case has no grid.", do="Run again with the CT.")
    ends: dict[str, dict[str, tuple[Any, Any]]] = {}
    for level, needle in _needles(plan):
        ends.setdefault(level.level, {})[needle.side] = (needle.entry_ras_mm, needle.tip_ras_mm)
    path = out / "needles_poi.json"
    write_poi(path, ends, shape=grid.shape, affine=grid.affine)
    return (path,)


def _dicom(files: CaseFiles, _plan: Plan, out: Path) -> tuple[Path, ...]:
    labels, treated, cement = files.scan.labels, files.treatment, files.cement
    if labels is None or treated is None or cement is None:
        raise UsageError(
            "export-no-cement",
            "The case has no simulated cement to export.",
            intact="The case is unchanged.",
            do="Treat it first: `endplate treat CASE`.",
        )
    levels = [
        (one.level, VERSE_IDS[one.level])
        for one in treated.levels
        if one.cement is not None and one.cement.in_bone_ml + one.cement.in_cavity_ml > 0.0
    ]
    path = out / "cement.seg.dcm"
    write_cement_seg(cement.fraction, labels, levels, path)
    return (path,)


KINDS: dict[str, Callable[[CaseFiles, Plan, Path], tuple[Path, ...]]] = {
    "slicer": _slicer,
    "dicom": _dicom,
    "stl": _stl,
    "tptbox": _tptbox,
}
"""Forms of export: Slicer line markups with the cement as NIfTI, the cement as DICOM segmentation, cannulas as meshes,
TPTBox points of interest 90 to 93."""
