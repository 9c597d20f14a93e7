"""Other programs that cast line integrals on a CPU: RTK and plastimatch. ``None`` where one is not installed."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.fluoroscopy_problems import Problem, Shot

REPEATS = 3
"""Warm runs of RTK of which the median is taken."""

PER_MM = 10.0
"""plastimatch tells line integrals of 1/mm as if they were of 1/cm."""


@dataclass(frozen=True, eq=False)
class Cast:
    """What a peer made of one view."""

    seconds: float
    version: str
    image: NDArray[np.float32]


def rtk(problem: Problem, shots: Sequence[Shot]) -> list[Cast] | None:
    """RTK's Joseph projector; ``ENDPLATE_PEERS_PYTHON`` names the interpreter that has ``itk-rtk``."""
    python = os.environ.get("ENDPLATE_PEERS_PYTHON", sys.executable)
    found = subprocess.run([python, "-c", "from itk import RTK"], capture_output=True, check=False)
    if found.returncode != 0:
        print(f"itk-rtk is not installed for {python}: no comparison", file=sys.stderr)
        return None
    with tempfile.TemporaryDirectory() as folder:
        task, images = Path(folder) / "task.npz", Path(folder) / "images.npz"
        views = [one.view for one in shots]
        # A border of zeros, as our volume has one: at its edge the peer's would end at once.
        affine = problem.affine.copy()
        affine[:3, 3] -= affine[:3, :3].sum(axis=1)
        np.savez(
            task,
            values=np.pad(problem.values, 1),
            affine=affine,
            views=np.array(
                [(v.source_ras_mm, v.detector_centre_ras_mm, v.column_ras, v.row_ras) for v in views]
            ),
            shapes=np.array([v.shape for v in views]),
            pitches=np.array([v.pitch_mm for v in views]),
            repeats=REPEATS,
        )
        worker = Path(__file__).with_name("rtk_worker.py")
        run = subprocess.run([python, worker, task, images], capture_output=True, text=True, check=False)
        if run.returncode != 0:
            print(f"itk-rtk failed on {problem.name}: {run.stderr[-2000:]}", file=sys.stderr)
            return None
        told = json.loads(run.stdout.splitlines()[-1])
        with np.load(images) as held:
            return [
                Cast(seconds, told["version"], held[f"image{n:03d}"])
                for n, seconds in enumerate(told["seconds"])
            ]


def plastimatch(problem: Problem, shots: Sequence[Shot]) -> list[Cast] | None:
    """``plastimatch drr -i exact``: its own total time, without reading the volume."""
    program = shutil.which("plastimatch")
    if program is None:
        print("plastimatch is not installed: no comparison", file=sys.stderr)
        return None
    told = subprocess.run([program, "--version"], capture_output=True, text=True, check=False).stdout
    version = told.split()[-1] if told.split() else "unknown"
    with tempfile.TemporaryDirectory() as folder:
        volume = Path(folder) / "mu.mha"
        if not _write_mha(volume, problem):
            print(f"plastimatch takes no oblique volume as {problem.name}: no comparison", file=sys.stderr)
            return None
        return [_drr(program, version, volume, shot) for shot in shots]


def _drr(program: str, version: str, volume: Path, shot: Shot) -> Cast:
    view, out = shot.view, volume.with_name("out_")
    rows, columns = view.shape
    toward_source = -view.pose.detector_ras
    command = [
        *(
            program,
            "drr",
            "-i",
            "exact",
            "-P",
            "none",
            "-t",
            "pfm",
            "-a",
            "1",
            "-I",
            str(volume),
            "-O",
            str(out),
        ),
        *("-r", f"{rows} {columns}", "-z", f"{rows * view.pitch_mm} {columns * view.pitch_mm}"),
        *("--sad", str(view.source_isocentre_mm), "--sid", str(view.source_detector_mm)),
        *("-o", _lps(view.isocentre_ras_mm), "--nrm", _lps(toward_source), "--vup", _lps(-view.row_ras)),
    ]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    seconds = re.search(r"Total time:\s*([0-9.]+)", run.stdout)
    if seconds is None:
        raise ValueError(f"plastimatch told no time: {run.stdout[-500:]}")
    image = PER_MM * _read_pfm(next(iter(sorted(volume.parent.glob("out_*.pfm")))))
    # It shows the detector as seen from the source; ours may be mirrored.
    mirrored = float(np.cross(-view.row_ras, toward_source) @ view.column_ras) < 0.0
    return Cast(float(seconds[1]), version, image[:, ::-1] if mirrored else image)


def _lps(ras: NDArray[np.float64]) -> str:
    return " ".join(repr(float(number)) for number in ras * (-1.0, -1.0, 1.0))


def _write_mha(file: Path, problem: Problem) -> bool:
    """Write the volume along LPS axes; ``False`` where its own axes do not lie along them."""
    affine = np.diag([-1.0, -1.0, 1.0, 1.0]) @ problem.affine
    along = np.abs(affine[:3, :3]).argmax(axis=0)
    size = np.abs(affine[:3, :3]).max(axis=0)
    straight = np.zeros((3, 3))
    straight[along, range(3)] = np.sign(affine[along, range(3)]) * size
    if sorted(along) != [0, 1, 2] or np.abs(straight - affine[:3, :3]).max() > 1e-6 * size.max():
        return False
    order = np.argsort(along)
    values, spacing, first = problem.values.transpose(order), size[order], np.zeros(3)
    for world, voxel in enumerate(order):
        if affine[world, voxel] < 0.0:
            values = np.flip(values, axis=world)
            first[voxel] = values.shape[world] - 1
    origin = affine[:3, :3] @ first + affine[:3, 3]
    header = (
        "ObjectType = Image\nNDims = 3\nBinaryData = True\nBinaryDataByteOrderMSB = False\n"
        f"Offset = {' '.join(map(repr, origin.tolist()))}\nElementSpacing = {' '.join(map(repr, spacing.tolist()))}\n"
        f"DimSize = {' '.join(map(str, values.shape))}\nElementType = MET_FLOAT\nElementDataFile = LOCAL\n"
    )
    data = np.ascontiguousarray(values.transpose(2, 1, 0), dtype="<f4")
    file.write_bytes(header.encode("ascii") + data.tobytes())
    return True


def _read_pfm(file: Path) -> NDArray[np.float32]:
    raw = file.read_bytes()
    kind, size, scale, pixels = raw.split(b"\n", 3)
    if kind != b"Pf":
        raise ValueError(f"{file.name} is no grey image")
    columns, rows = (int(number) for number in size.split())
    order = "<f4" if float(scale) < 0.0 else ">f4"
    return np.frombuffer(pixels, order, rows * columns).reshape(rows, columns).astype(np.float32)
