"""What a run is asked to do: the inputs and the parameters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from endplate.anatomy.model import Vec3
from endplate.case.hashing import input_record
from endplate.case.manifest import InputRecord
from endplate.devices.catalogue import Catalogue, load_catalogue
from endplate.devices.site import SiteFile, parse_site
from endplate.errors import UsageError
from endplate.imaging.calibration import parse_calibration
from endplate.imaging.levels import parse_level
from endplate.planning.options import GivenPath, PlanOptions
from endplate.planning.rules import Rules, load_rules
from endplate.sources import value

if TYPE_CHECKING:
    from endplate.outcome.bands import BandOptions
    from endplate.procedure.build import WorldOptions
    from endplate.procedure.record import Recording

SITE_NAME = "site file"
"""How a site file without a name of its own is called; its file name may say more than it should."""


@dataclass(frozen=True)
class Inputs:
    """Files or folders as the user named them; at least a CT or a label map.

    ``organs`` is a map of the organs that a needle must keep away from; where it is not given, the organs that the
    label map itself names are used.
    """

    ct: Path | None = None
    labels: Path | None = None
    organs: Path | None = None

    def __post_init__(self) -> None:
        if self.ct is None and self.labels is None:
            raise UsageError(
                "input-none", "Neither a CT nor a label map was given.", do="Give a CT, --labels, or both."
            )

    def refuse_out_inside(self, out: Path) -> None:
        """Raise ``UsageError`` where the case would lie in an input folder and so become part of the input."""
        for path in (self.ct, self.labels, self.organs):
            if path is not None and path.is_dir() and out.resolve().is_relative_to(path.resolve()):
                raise UsageError(
                    "out-inside-input",
                    "The case would lie inside the folder of the input.",
                    do="Name a folder elsewhere with --out.",
                )

    def records(self) -> dict[str, InputRecord]:
        """Hash of each input given.

        Raises
        ------
        InputError
            An input is not there or cannot be read.
        """
        named = (("ct", self.ct), ("labels", self.labels), ("organs", self.organs))
        return {name: input_record(path) for name, path in named if path is not None}


LARGEST_STEP_ML = 0.5
"""Steps of an inflation, where the rules round volumes more coarsely."""


MOST_BALLOON_ML = 20.0
"""No tamp takes as much."""


@dataclass(frozen=True)
class Parameters:
    """Everything that shapes a result besides the inputs; all plain JSON values.

    Raises
    ------
    UsageError
        The calibration cannot be read, or a technique, access or gauge is not known.
    """

    series: str | None = None
    scheme: str = "auto"
    calibration: str | None = None
    levels: tuple[str, ...] = ()
    technique: str | None = None
    access: str | None = None
    approach: str | None = None
    gauge: str | None = None
    balloon: str | None = None
    fracture_weeks: float | None = None
    reason: str | None = None
    site: str | None = None
    """Text of the site file with a hospital's own rules and devices."""
    paths: tuple[tuple[str, Vec3, Vec3], ...] = ()
    """Given needle paths: name, a point of the axis behind the tip, the tip (RAS mm)."""
    script: str | None = None
    """Text of the action script to play instead of the plan."""
    cement: str | None = None
    """Name of the cement to inject instead of the planned one."""
    cement_voxel_mm: float | None = None
    """Edge of the voxels in which cement flows."""
    balloon_ml: float | None = None
    """Inflate each balloon to this, or to what stops it first, instead of to the planned volume."""
    posture: str | None = None
    """Height gained by positioning: ``published`` (where not given), ``none``, or ``A,M,P`` in mm."""
    members: int | None = None
    """Runs of an ensemble in which the plan is played beside; ``None``: none."""
    title: str = ""
    patient_label: bool = True

    def __post_init__(self) -> None:
        if self.calibration is not None:
            parse_calibration(self.calibration)
        self.plan_options()
        self.rules()
        self.band_options()
        if self.balloon_ml is not None and not 0.0 < self.balloon_ml <= MOST_BALLOON_ML:
            raise UsageError(
                "balloon-volume",
                f"No balloon is inflated to {self.balloon_ml:g} ml.",
                do=f"Give a volume above 0 and up to {MOST_BALLOON_ML:g} ml.",
            )
        if self.posture is not None:
            from endplate.procedure.posture import posture_of

            posture_of(self.posture)
        if self.cement is not None and self.cement not in self.catalogue().cements:
            raise UsageError(
                "cement-unknown",
                f"There is no cement {self.cement!r} in the catalogue.",
                do=f"Choose one of {', '.join(self.catalogue().cements)}.",
            )

    def plan_options(self) -> PlanOptions:
        """The user's choices for the plan."""
        return PlanOptions(
            technique=self.technique,
            access=self.access,
            approach=self.approach,
            gauge=self.gauge,
            balloon=self.balloon,
            fracture_weeks=self.fracture_weeks,
            reason=self.reason,
            catalogue=load_catalogue(self._site()),
        )

    def rules(self) -> Rules:
        """The rules of planning, with the site's own."""
        return load_rules(self._site())

    def catalogue(self) -> Catalogue:
        """Cannulas, balloons and cements, with the site's own."""
        return load_catalogue(self._site())

    def recording(self) -> Recording | None:
        """The action script, read; ``None``: as planned."""
        from endplate.procedure.record import from_bytes

        return None if self.script is None else from_bytes(self.script.encode("utf-8"))

    def world_options(self) -> WorldOptions:
        """How finely and under which rules a procedure is played."""
        from endplate.balloon.model import Options as Inflation
        from endplate.procedure.balloon_bone import BalloonOptions
        from endplate.procedure.build import WorldOptions
        from endplate.procedure.posture import posture_of

        quick = WorldOptions().quick()
        rules, bone = self.rules(), quick.bone
        if self.cement_voxel_mm is not None:
            bone = replace(bone, voxel_mm=self.cement_voxel_mm)
        return replace(
            quick,
            bone=bone,
            settings=replace(
                quick.settings,
                stop_posterior_share=rules.cement.stop_at_posterior,
                cavity_extra_ml=rules.cement.cavity_extra_ml,
                balloon_ml=self.balloon_ml,
            ),
            balloon=BalloonOptions(
                Inflation(
                    posture=posture_of(self.posture),
                    step_ml=min(rules.balloon.volume_step_ml, LARGEST_STEP_ML),
                ),
                rules,
                # A preview where coarse voxels are asked for; else as fine as a wall needs.
                None if self.cement_voxel_mm else float(value("procedure.balloon_voxel_mm")),
            ),
        )

    def band_options(self) -> BandOptions | None:
        """The ensemble asked for; ``None``: none."""
        if self.members is None:
            return None
        from endplate.outcome.bands import BandOptions

        return BandOptions(members=self.members)

    def given_paths(self) -> tuple[GivenPath, ...]:
        """The needle paths to measure instead of searching."""
        return tuple(GivenPath(name, start, tip) for name, start, tip in self.paths)

    def _site(self) -> SiteFile | None:
        return None if self.site is None else parse_site(SITE_NAME, self.site.encode("utf-8"))

    def select(self, names: tuple[str, ...]) -> dict[str, Any]:
        """The named parameters as JSON values."""
        chosen = {name: getattr(self, name) for name in names}
        return {name: _listed(item) for name, item in chosen.items()}

    def to_json(self) -> dict[str, Any]:
        """All parameters as JSON values."""
        return self.select(tuple(field.name for field in fields(self)))

    @classmethod
    def from_json(cls, saved: dict[str, Any]) -> Parameters:
        """Read back what ``to_json`` wrote."""
        paths = tuple((name, _point(start), _point(tip)) for name, start, tip in saved.get("paths", ()))
        return cls(**{**saved, "levels": tuple(saved.get("levels", ())), "paths": paths})


def _listed(item: Any) -> Any:
    """Tuples as the lists that JSON knows."""
    return [_listed(part) for part in item] if isinstance(item, tuple) else item


def _point(values: Sequence[float]) -> Vec3:
    x, y, z = (float(value) for value in values)
    return x, y, z


def parse_levels(text: str | None) -> tuple[str, ...]:
    """Read ``"L1"`` or ``"T12, l1"``: canonical names, in the order given, each once.

    Raises
    ------
    UsageError
        No level, or a name that is no level.
    """
    names = [part for part in (text or "").split(",") if part.strip()]
    if not names:
        raise UsageError(
            "level-missing",
            "No level was named.",
            do="Name the level to plan, as in --level L1 or --level T12,L1; `endplate assess` lists them.",
        )
    return tuple(dict.fromkeys(parse_level(name) for name in names))
