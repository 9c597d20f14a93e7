"""A program in the place of a segmenter: what it writes when it behaves has the ids, names and places of the real one.

The labels are made from an analytic spine.
"""

from __future__ import annotations

import json
import stat
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from labelled_spines import draw, levels_between, scheme_ids

from endplate.errors import EndplateError
from endplate.imaging.label_write import write_label_nifti
from endplate.imaging.levels import VERSE_IDS
from endplate.imaging.schemes import SCHEMES
from endplate.imaging.volume import Volume
from endplate.imaging.write import write_nifti
from endplate.labelling.segmenters.contract import Segmented
from endplate.labelling.segmenters.programs import SEGMENTERS
from endplate.labelling.segmenters.run import segment

LEVELS = levels_between("T11", "L3")
TRUTH, AFFINE = draw(scheme_ids("verse", LEVELS), spacing=(3.0, 3.0, 3.0), orientation="LPS")
CT = Volume(np.full(TRUTH.shape, 40, dtype=np.int16), AFFINE)

BEHAVES = """
place = {place}
place.parent.mkdir(parents=True, exist_ok=True)
shutil.copy({ready!r}, place)
"""
PLACES = {
    "totalsegmentator": "Path(sys.argv[sys.argv.index('-o') + 1])",
    "spineps": "Path(sys.argv[3]).parent / 'derivatives_seg' / 'sub-ct_mod-ct_seg-vert_msk.nii.gz'",
    "totalspineseg": "Path(sys.argv[2]) / 'step2_output' / 'ct.nii.gz'",
}
TOOL_SCHEMES = {"totalsegmentator": "ts2", "spineps": "spineps", "totalspineseg": "tss"}


@dataclass
class Fake:
    """Puts a program of a segmenter's name on the search path."""

    folder: Path

    def install(self, name: str, body: str) -> None:
        path = self.folder / "bin" / SEGMENTERS[name].program
        path.parent.mkdir(exist_ok=True)
        path.write_text(
            f"#!{sys.executable} -S\nimport json, os, shutil, signal, subprocess, sys, time\nfrom pathlib import Path\n"
            f"Path({str(self.folder / 'call.json')!r}).write_text(json.dumps([sys.argv, os.getcwd()]))\n{body}\n"
        )
        path.chmod(path.stat().st_mode | stat.S_IXUSR)

    @property
    def call(self) -> list[str]:
        return list(json.loads((self.folder / "call.json").read_text())[0])

    @property
    def work(self) -> Path:
        return Path(json.loads((self.folder / "call.json").read_text())[1])


def in_scheme(name: str) -> np.ndarray:
    table = np.zeros(256, dtype=np.uint8)
    for level, number in scheme_ids(TOOL_SCHEMES[name], LEVELS).items():
        table[VERSE_IDS[level]] = number
    return table[TRUTH]


def ready(tmp_path: Path, name: str) -> Path:
    """What the tool writes of this CT: its ids, with names where it writes names."""
    path = tmp_path / f"{name}.nii.gz"
    ids = in_scheme(name)
    if name == "totalsegmentator":
        names = {n: f"vertebrae_{level}" for n, level in SCHEMES["ts2"].level_of_id.items() if level != "S1"}
        ids[:2, :2, :2] = 52
        write_label_nifti(Volume(ids, AFFINE), path, {**names, 52: "aorta"})
        return path
    if name == "spineps":
        ids[:2, :2, :2] = 100 + VERSE_IDS["L1"]  # a disc
    else:
        ids[:2, :2, :2] = 1  # the cord
    write_nifti(Volume(ids, AFFINE), path)
    return path


def run(name: str, *, limit_s: float = 60.0, say: Any = None) -> Segmented:
    return segment(CT, SEGMENTERS[name], limit_s=limit_s, say=say or (lambda _line, _whole: None))


def refusal(name: str, **how: Any) -> EndplateError:
    with pytest.raises(EndplateError) as caught:
        run(name, **how)
    assert caught.value.do
    return caught.value


def behaves(fake: Fake, name: str, before: str = "", after: str = "") -> None:
    fake.install(
        name, before + BEHAVES.format(place=PLACES[name], ready=str(ready(fake.folder, name))) + after
    )
