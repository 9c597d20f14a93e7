"""The file beside a label map that says how it was made: only its name, which every command asks for."""

from __future__ import annotations

from pathlib import Path

SUFFIX = ".origin.json"
"""End of its name."""


def sidecar_of(path: Path) -> Path:
    """Where the sidecar of a label file stands: ``labels.nii.gz`` has ``labels.nii.gz.origin.json``.

    It carries the whole name, so that the forms of one map stand side by side with a sidecar each.
    """
    return path.with_name(path.name + SUFFIX)
