"""How long measuring and grading a spine takes: a phantom T9–L5 on the grid of a routine spine CT (1 × 1 × 2 mm).

No open program measures heights, canal and pedicles and grades by a patient-scaled expectation, so there is no peer
and no ratio. ``agreement`` is the greatest height error against the phantom's exact truth, in mm.
"""

from __future__ import annotations

import cProfile
import pstats
import resource
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.row import Options, Row, timed
from endplate.anatomy.assessment import assess
from endplate.imaging.calibration import Calibration
from endplate.imaging.labels import read_labels
from endplate.imaging.read import read_image
from endplate.imaging.write import write_nifti
from endplate.synthetic import FractureSpec, GridSpec, build_phantom, random_spec

LEVELS = ("T9", "T10", "T11", "T12", "L1", "L2", "L3", "L4", "L5")
SPACING_MM = (1.0, 2.0, 1.0)
AXES = ("P", "R", "I")
"""Sagittal reconstruction with thick slices, as in the label map it stands for."""

STAGES = {
    "locate": "locate_vertebrae",
    "refine": "refine_endplates",
    "pedicles": "find_pedicle",
    "trabecular": "trabecular_sample",
    "gas in body": "cleft_gas_ml",
    "gas in disc": "disc_gas_ml",
}
"""Stages and the function that is each one's whole."""


@dataclass(frozen=True)
class Measured:
    """What the process that measured tells."""

    jit_s: float
    warm_s: float
    peak_mb: float
    shares: dict[str, float]
    worst_height_mm: float


def cases(options: Options) -> Iterator[Row]:
    """Geometry from labels alone, then with the CT (the default case)."""
    spec = random_spec(options.seed, LEVELS, fracture=FractureSpec("biconcave", 0.45), fracture_level="L1")
    made = build_phantom(spec, GridSpec(SPACING_MM, AXES, psf_fwhm_mm=0.8, noise_hu=15.0))
    assert made.volume is not None
    truth = {
        level: (one.heights_mm.anterior, one.heights_mm.middle, one.heights_mm.posterior)
        for level, one in made.truth.levels.items()
    }
    with TemporaryDirectory() as folder:
        ct, labels = Path(folder) / "ct.nii.gz", Path(folder) / "labels.nii.gz"
        write_nifti(made.volume, ct)
        write_nifti(made.labels.volume, labels)
        for case, image in (("T9-L5 labels alone", None), ("T9-L5 labels and CT", ct)):
            with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
                found = pool.submit(_measure, labels, image, truth).result()
            yield Row(
                benchmark="assess",
                case=case,
                ours_s=round(found.warm_s, 3),
                jit_s=round(found.jit_s, 3),
                agreement=round(found.worst_height_mm, 3),
                peak_mb=round(found.peak_mb),
                shares=found.shares,
            )


def _measure(labels: Path, image: Path | None, truth: dict[str, tuple[float, ...]]) -> Measured:
    """Assess twice, then once more under the profiler; alone in its process, so that the memory is its own."""
    volume = None if image is None else read_image(image)
    given = read_labels(labels, image=volume)
    line = Calibration.uncalibrated(120.0)
    jit_s, warm_s = timed(lambda: assess(given, volume, line))
    unit = 1024.0 if sys.platform != "darwin" else 1024.0**2
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
    profile = cProfile.Profile()
    spine = profile.runcall(assess, given, volume, line)
    worst = 0.0
    for vertebra in spine.levels:
        heights = vertebra.heights_mm
        found = (heights.anterior, heights.middle, heights.posterior)
        pairs = zip(found, truth[vertebra.level], strict=True)
        worst = max([worst, *(float("inf") if f is None else abs(f - true) for f, true in pairs)])
    return Measured(jit_s, warm_s, peak_mb, _shares(profile), worst)


def _shares(profile: cProfile.Profile) -> dict[str, float]:
    """Each stage's part of the profiled time."""
    times = pstats.Stats(profile).stats  # type: ignore[attr-defined]
    cumulative = {name: entry[3] for (_, _, name), entry in times.items()}
    whole = cumulative["assess"]
    shares = {stage: cumulative.get(name, 0.0) / whole for stage, name in STAGES.items()}
    shares["rest"] = 1.0 - sum(shares.values())
    return {stage: round(share, 3) for stage, share in shares.items()}
