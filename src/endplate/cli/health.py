"""What works on this machine: facts for ``endplate doctor``."""

from __future__ import annotations

import os
import platform
import shutil
import sys
import tempfile
import time
from contextlib import suppress
from importlib import metadata, util
from pathlib import Path
from typing import TYPE_CHECKING, Any

from endplate import __version__
from endplate.cli.phantom import LEVEL, write_phantom
from endplate.errors import NoSafePlanError

if TYPE_CHECKING:
    from endplate.case.run import Tell
    from endplate.labelling.segmenters.version import Health

LEAST_FREE_MEMORY_GB = 2.0
"""A run of a thoracolumbar CT stays below this."""

LEAST_FREE_DISK_GB = 1.0
"""A case with its scan is a few hundred megabytes at most."""

WARM_LEVELS = ("T12", "L1", "L2")
WARM_VOXEL_MM = (1.5, 1.5, 2.0)

EXTRAS = {
    "dicom": ("highdicom", "openjpeg", "gdcm"),
    "mesh": ("skimage",),
    "pdf": ("typst",),
    "fhir": ("fhir.resources",),
    "app": ("fastapi", "uvicorn", "multipart"),
    "study": ("dask", "pyarrow", "SALib"),
}
"""Modules that each optional part needs."""


def examine(*, compiled_s: float | None) -> dict[str, Any]:
    """Look at the machine; ``missing`` names what Endplate cannot do without."""
    from endplate.imaging.cache import default_cache

    cache = default_cache()
    required = _required_versions()
    missing = [name for name, version in required.items() if version is None]
    segmenters = _segmenters()
    facts: dict[str, Any] = {
        "schema": "endplate/doctor/1",
        "endplate": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cpus": os.cpu_count(),
        "libraries": required,
        "numba": _numba_facts(),
        "memory_free_gb": _free_memory_gb(),
        "disk_free_gb": _gigabytes(shutil.disk_usage(_existing(Path.cwd())).free),
        "cache": str(cache),
        "cache_writable": os.access(_existing(cache), os.W_OK),
        "sample": _has_sample(),
        "extras": {name: all(_has(module) for module in needs) for name, needs in EXTRAS.items()},
        "segmenters": list(segmenters),
        "segmenter_versions": {name: health.version for name, health in segmenters.items()},
        "segmenters_not_starting": [name for name, health in segmenters.items() if health.starts is False],
        "compiled_s": compiled_s,
        "missing": missing,
    }
    return {**facts, "lines": _lines(facts)}


def warm_kernels(tell: Tell) -> float:
    """Compile every kernel of the main job by running it on a small phantom; return the seconds it took."""
    from endplate.case import Inputs, Parameters, run_case

    start = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="endplate-warm-") as folder:
        tell("Building a phantom", "", 0.0)
        files = write_phantom(Path(folder), WARM_LEVELS, WARM_VOXEL_MM)
        tell("Building a phantom", "", 1.0)
        case = Path(folder) / "case"
        # The reason makes the run whatever the grade is: the phantom is coarse.
        parameters = Parameters(levels=(LEVEL,), reason="compiling")
        with suppress(NoSafePlanError):
            run_case(case, Inputs(ct=files.ct, labels=files.labels), parameters, tell=tell)
        tell("Labelling from clicks", "", 0.0)
        _label_from_clicks(case)
        tell("Labelling from clicks", "", 1.0)
    return round(time.monotonic() - start, 1)


def _label_from_clicks(case: Path) -> None:
    """Label the scan of a case from a point in each body that was measured there."""
    import numpy as np

    from endplate.anatomy.model import Spine
    from endplate.case.documents import read_document
    from endplate.case.names import IMAGE, SPINE
    from endplate.imaging.read import read_grid
    from endplate.labelling.model import Seed
    from endplate.labelling.spine_labels import label_from_points

    spine = read_document(case / SPINE, Spine)
    frames = {vertebra.level: vertebra.frame for vertebra in spine.levels}
    seeds = [
        Seed(level, np.array(frame.origin_ras_mm)) for level, frame in frames.items() if frame is not None
    ]
    label_from_points(read_grid(case / IMAGE), seeds)


def _required_versions() -> dict[str, str | None]:
    names = []
    for line in metadata.requires("endplate") or []:
        if _applies(line.partition(";")[2]):
            names.append(line.split(";")[0].split("[")[0].split(">")[0].split("=")[0].split("<")[0].strip())
    return {name: _version(name) for name in names}


def _applies(marker: str) -> bool:
    """Say whether a requirement with this marker holds here: no extra's, and of this platform."""
    return "extra ==" not in marker and ("sys_platform" not in marker or sys.platform in marker)


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _segmenters() -> dict[str, Health]:
    """Every installed program that ``endplate label --segmenter`` can run: its version, and whether it starts."""
    from endplate.labelling.segmenters.programs import SEGMENTERS, place_of
    from endplate.labelling.segmenters.version import health_of

    places = {name: (place_of(adapter), adapter) for name, adapter in SEGMENTERS.items()}
    return {
        name: health_of(place, adapter.distribution)
        for name, (place, adapter) in places.items()
        if place is not None
    }


def _has(module: str) -> bool:
    try:
        return util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False


def _numba_facts() -> dict[str, Any]:
    if not _has("numba"):
        return {}
    import numba

    return {"threads": int(numba.get_num_threads()), "cache": os.environ.get("NUMBA_CACHE_DIR", "")}


def _free_memory_gb() -> float | None:
    """Memory that a new program can have; ``None`` where the system does not say."""
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return _gigabytes(int(line.split()[1]) * 1024)
    except OSError:
        pass
    return None


def _has_sample() -> bool:
    from endplate.imaging.cache import default_cache
    from endplate.imaging.sample import SampleSource, is_whole

    source = SampleSource.pinned()
    return is_whole(default_cache() / f"sample-{source.wheel_sha256[:8]}", source)


def _existing(path: Path) -> Path:
    return next(place for place in (path, *path.absolute().parents) if place.exists())


def _gigabytes(number: int) -> float:
    return round(number / 1e9, 1)


def _segmenter_line(name: str, version: str | None, *, starts: bool) -> str:
    if not starts:
        return f"{name} {f'{version} ' if version else ''}(found, does not start)"
    return f"{name} {version or '(version unknown)'}"


def _lines(facts: dict[str, Any]) -> list[str]:
    memory, disk = facts["memory_free_gb"], facts["disk_free_gb"]
    libraries = ", ".join(f"{name} {version or 'MISSING'}" for name, version in facts["libraries"].items())
    extras = ", ".join(f"{name} {'yes' if there else 'no'}" for name, there in facts["extras"].items())
    segmenters = ", ".join(
        _segmenter_line(name, version, starts=name not in facts["segmenters_not_starting"])
        for name, version in facts["segmenter_versions"].items()
    )
    lines = [
        f"Endplate {facts['endplate']}, Python {facts['python']}, {facts['platform']}, {facts['cpus']} cores",
        f"Libraries: {libraries}",
        f"Numba: {facts['numba'].get('threads', '?')} threads",
        f"Free memory: {'unknown' if memory is None else f'{memory} GB'}; free disk here: {disk} GB",
        f"Cache: {facts['cache']}{'' if facts['cache_writable'] else ' (cannot be written)'}",
        f"Sample CT: {'at hand' if facts['sample'] else 'not fetched yet (endplate sample)'}",
        f"Optional parts: {extras}",
        f"Segmenters found: {segmenters or 'none (label from clicks: endplate label CT --pick)'}",
    ]
    if facts["compiled_s"] is not None:
        lines.append(f"Kernels compiled by a run on a small phantom: {facts['compiled_s']} s")
    if memory is not None and memory < LEAST_FREE_MEMORY_GB:
        lines.append(f"Low memory: a run can need {LEAST_FREE_MEMORY_GB:.0f} GB.")
    if disk < LEAST_FREE_DISK_GB:
        lines.append(f"Little disk space here: a case can need {LEAST_FREE_DISK_GB:.0f} GB.")
    missing = facts["missing"]
    wanting = f"Missing: {', '.join(missing)}. Install Endplate again."
    lines.append(wanting if missing else "All that is required is here.")
    return lines
