"""The analytic phantom spine: anatomy whose every size is known exactly, as labels and as a CT.

Names are loaded at first use, so that importing the package costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from endplate.synthetic.density import density_of_hu, hu_of_density
    from endplate.synthetic.grid import GridSpec
    from endplate.synthetic.lesion_spec import ArchBreakSpec, LesionSpec
    from endplate.synthetic.norms import DEFAULT_LEVELS, default_spec, random_spec
    from endplate.synthetic.phantom import Phantom, build_phantom
    from endplate.synthetic.scanner_spec import ScannerSpec
    from endplate.synthetic.spec import (
        BodyShape,
        DiscSpec,
        FractureSpec,
        PedicleSpec,
        PhantomSpec,
        SoftTissueSpec,
        VertebraSpec,
    )
    from endplate.synthetic.truth import LevelTruth, PhantomTruth

__all__ = [
    "DEFAULT_LEVELS",
    "ArchBreakSpec",
    "BodyShape",
    "DiscSpec",
    "FractureSpec",
    "GridSpec",
    "LesionSpec",
    "LevelTruth",
    "PedicleSpec",
    "Phantom",
    "PhantomSpec",
    "PhantomTruth",
    "ScannerSpec",
    "SoftTissueSpec",
    "VertebraSpec",
    "build_phantom",
    "default_spec",
    "density_of_hu",
    "hu_of_density",
    "random_spec",
]

_HOME = {
    **dict.fromkeys(("density_of_hu", "hu_of_density"), "density"),
    "GridSpec": "grid",
    **dict.fromkeys(("ArchBreakSpec", "LesionSpec"), "lesion_spec"),
    **dict.fromkeys(("DEFAULT_LEVELS", "default_spec", "random_spec"), "norms"),
    **dict.fromkeys(("Phantom", "build_phantom"), "phantom"),
    **dict.fromkeys(
        (
            "BodyShape",
            "DiscSpec",
            "FractureSpec",
            "PedicleSpec",
            "PhantomSpec",
            "SoftTissueSpec",
            "VertebraSpec",
        ),
        "spec",
    ),
    "ScannerSpec": "scanner_spec",
    **dict.fromkeys(("LevelTruth", "PhantomTruth"), "truth"),
}


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
