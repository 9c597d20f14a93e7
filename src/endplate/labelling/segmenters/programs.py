"""The programs that Endplate knows how to call, with their current arguments.

Read from TotalSegmentator 2.18.0, SPINEPS 2.1.3 and TotalSpineSeg 20260807.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from endplate.errors import UsageError
from endplate.labelling.segmenters.contract import Adapter, Written

VERTEBRAE = (
    *(f"vertebrae_C{n}" for n in range(1, 8)),
    *(f"vertebrae_T{n}" for n in range(1, 13)),
    *(f"vertebrae_L{n}" for n in range(1, 6)),
    "vertebrae_S1",
    "sacrum",
)

ORGANS = (
    "spinal_cord",
    "aorta",
    "inferior_vena_cava",
    "esophagus",
    "kidney_left",
    "kidney_right",
    "lung_upper_lobe_left",
    "lung_lower_lobe_left",
    "lung_upper_lobe_right",
    "lung_middle_lobe_right",
    "lung_lower_lobe_right",
)
"""Structures of TotalSegmentator that a needle keeps away from."""


def _totalsegmentator_words(ct: str, out: str, gpu: bool) -> tuple[str, ...]:
    device = "gpu" if gpu else "cpu"
    return ("-i", ct, "-o", out, "--ml", "--roi_subset", *VERTEBRAE, *ORGANS, "-d", device)


def _totalsegmentator_files(_folder: Path, out: Path) -> Written:
    # Some versions take OUT for a folder, others for the file.
    found = next((path for path in (out, out.with_suffix("").with_suffix("")) if path.is_file()), None)
    if found is None and out.is_dir():
        found = next(iter(sorted(out.glob("*.nii*"))), None)
    return Written(labels=found, organs=found)


def _spineps_words(ct: str, _out: str, gpu: bool) -> tuple[str, ...]:
    models = ("-ms", "ct", "-mv", "ct_instance", "-ml", "ct_labeling")
    return ("sample", "-i", ct, *models, "-iic", *(() if gpu else ("--cpu",)))


def _spineps_files(folder: Path, _out: Path) -> Written:
    """SPINEPS writes beside its input, into a folder of derivatives; raw results have other names."""

    def one(part: str) -> Path | None:
        return next(iter(sorted(folder.rglob(f"*_seg-{part}_*msk.nii.gz"))), None)

    return Written(labels=one("vert"), subregions=one("spine"), organs=one("spine"))


def _totalspineseg_words(ct: str, out: str, gpu: bool) -> tuple[str, ...]:
    return (ct, out, "--keep-only", "step2_output", "--device", "cuda" if gpu else "cpu")


def _totalspineseg_files(_folder: Path, out: Path) -> Written:
    found = next(iter(sorted((out / "step2_output").glob("*.nii*"))), None)
    return Written(labels=found, organs=found)


SEGMENTERS: Mapping[str, Adapter] = MappingProxyType(
    {
        adapter.name: adapter
        for adapter in (
            Adapter(
                name="totalsegmentator",
                title="TotalSegmentator",
                program="TotalSegmentator",
                distribution="TotalSegmentator",
                ct_name="ct.nii.gz",
                words=_totalsegmentator_words,
                written=_totalsegmentator_files,
                scheme="auto",
                install="pip install TotalSegmentator (in an environment of its own, on the search path)",
                parts=frozenset({"organs"}),
            ),
            Adapter(
                name="spineps",
                title="SPINEPS",
                program="spineps",
                distribution="spineps",
                ct_name="sub-ct_ct.nii.gz",
                words=_spineps_words,
                written=_spineps_files,
                scheme="spineps",
                install="pip install spineps (in an environment of its own, on the search path)",
                parts=frozenset({"subregions", "organs"}),
            ),
            Adapter(
                name="totalspineseg",
                title="TotalSpineSeg",
                program="totalspineseg",
                distribution="totalspineseg",
                ct_name="ct.nii.gz",
                words=_totalspineseg_words,
                written=_totalspineseg_files,
                scheme="tss",
                install="pip install totalspineseg[nnunetv2] (in an environment of its own, on the search path)",
            ),
        )
    }
)
"""Every adapter by name."""


def segmenter_named(name: str) -> Adapter:
    """Return one adapter.

    Raises
    ------
    UsageError
        ``segmenter-unknown``.
    """
    adapter = SEGMENTERS.get(name.strip().lower())
    if adapter is None:
        raise UsageError(
            "segmenter-unknown",
            f"{name!r} is not a segmenter that Endplate knows how to run.",
            do=f"Choose one of: {', '.join(SEGMENTERS)}; labels of any other come in with --labels.",
        )
    return adapter


def place_of(adapter: Adapter) -> Path | None:
    """Where the program is installed, ``None`` where it is not."""
    found = shutil.which(adapter.program)
    return None if found is None else Path(found)


def installed(adapter: Adapter) -> Path:
    """Where the program is installed.

    Raises
    ------
    UsageError
        ``segmenter-missing``.
    """
    program = place_of(adapter)
    if program is None:
        raise UsageError(
            "segmenter-missing",
            f"{adapter.title} is not installed here: there is no command {adapter.program}.",
            do=f"{adapter.install}; or label from one click a vertebra (`endplate label CT --pick --out page.html`).",
        )
    return program


def has_gpu() -> bool:
    """Say whether an NVIDIA driver is installed, which all of the programs look for."""
    return shutil.which("nvidia-smi") is not None
