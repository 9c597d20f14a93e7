"""Bands of a treatment over what is uncertain: permeability, the cement's thickness, where the needle lies."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from endplate.cement.bone_options import BoneOptions
from endplate.cement.cavity import Opening
from endplate.cement.heat import HeatOptions
from endplate.cement.medium import vertebra_medium
from endplate.ensemble.bands import bands
from endplate.ensemble.sampling import Distribution, LogNormal, LogUniform, Normal, member_seeds, sample
from endplate.ensemble.spawned import map_spawned
from endplate.errors import QualityGateError, UsageError
from endplate.outcome.members import AXES, PERMEABILITY, VISCOSITY, Member, Numbers, Setting, play_member
from endplate.outcome.model import BandOutcome, BandSet
from endplate.planning.model import LevelPlan
from endplate.procedure.scene import Scene
from endplate.procedure.script import planned_cement
from endplate.procedure.times import Settings
from endplate.sources import value

UNITS = {"_ml": "ml", "_c": "°C", "_mm": "mm", "_mpa": "MPa", "fraction": ""}
"""Unit of a number by the end of its name."""

MOST_MEMBERS = 4096


@dataclass(frozen=True)
class BandOptions:
    """How an ensemble is made.

    Parameters
    ----------
    members, seed:
        How many runs, and the seed that they follow from.
    voxel_mm:
        Of the bone in which cement flows.
    permeability:
        Least and greatest factor on the permeability of cancellous bone, all ratios alike.
    noise_sigma:
        Of the logarithm of a random factor on it within the bone.
    viscosity_sigma:
        Of the logarithm of the factor on the cement's consistency.
    needle_sd_mm:
        By which a needle misses its planned place along each axis of the patient.

    Raises
    ------
    UsageError
        ``bands-members``: no whole number of runs from 2 on.
    """

    members: int = field(default_factory=lambda: int(value("outcome.bands_members")))
    seed: int = 0
    voxel_mm: float = field(default_factory=lambda: float(value("outcome.bands_voxel_mm")))
    permeability: tuple[float, float] = field(
        default_factory=lambda: (
            float(value("outcome.permeability_range")[0]),
            float(value("outcome.permeability_range")[1]),
        )
    )
    noise_sigma: float = field(default_factory=lambda: float(value("outcome.permeability_noise")))
    viscosity_sigma: float = field(default_factory=lambda: float(value("outcome.viscosity_sigma")))
    needle_sd_mm: float = field(default_factory=lambda: float(value("outcome.needle_sd_mm")))

    def __post_init__(self) -> None:
        if not 2 <= self.members <= MOST_MEMBERS:
            raise UsageError(
                "bands-members",
                f"An ensemble of {self.members} runs makes no bands.",
                do=f"Ask for 2 to {MOST_MEMBERS} runs; 64 is usual.",
            )

    @property
    def words(self) -> tuple[str, ...]:
        """What is varied, for the reader."""
        low, high = self.permeability
        return (
            f"permeability {low:g} to {high:g} times the model's, from place to place by exp(±{self.noise_sigma:g})",
            f"thickness of the cement by exp(±{self.viscosity_sigma:g})",
            f"place of each needle ±{self.needle_sd_mm:g} mm along each axis",
        )


def treatment_bands(
    scene: Scene,
    level: str,
    options: BandOptions | None = None,
    *,
    cement: str | None = None,
    settings: Settings | None = None,
    bone: BoneOptions | None = None,
    opening: Opening | None = None,
    workers: int | None = None,
    progress: Callable[[float], None] = lambda _part: None,
) -> BandSet:
    """Play the plan of one level in an ensemble of worlds.

    Parameters
    ----------
    scene, level:
        The case, and the name of a level of its plan with a needle.
    options:
        How; the usual ones if not given.
    cement:
        Of the catalogue; that of the plan if not given.
    settings, bone:
        Of the procedure and of the bone; the bone's voxels and permeability are those of the ensemble.
    opening:
        What balloons did to the bone; they are not inflated anew for each member.
    workers:
        Processes; the result does not depend on how many.
    progress:
        Told the share of runs that are done.

    Raises
    ------
    QualityGateError
        ``bands-no-needle``: the level has no planned needle.
    """
    chosen = options or BandOptions()
    plan = next((one for one in scene.plan.plans if one.level == level and one.paths), None)
    if plan is None:
        raise QualityGateError(
            "bands-no-needle",
            f"The plan has no needle at {level}, so there is nothing to vary.",
            do="Name a level with a needle.",
        )
    base = replace(
        bone or BoneOptions(), voxel_mm=chosen.voxel_mm, permeability_scale=1.0, noise_sigma=0.0, tracts=()
    )
    model = vertebra_medium(scene.image, scene.labels, scene.spine, level, scene.calibration, base)
    setting = Setting(
        bone=model,
        plan=plan,
        catalogue=scene.catalogue,
        cement=cement or planned_cement(plan),
        settings=settings or Settings(),
        noise_sigma=chosen.noise_sigma,
        heat=HeatOptions(),
        opening=opening,
    )
    drawn = sample(uncertain(plan, chosen), chosen.members, seed=chosen.seed)
    seeds = member_seeds(chosen.seed, chosen.members)
    members = [Member(seed, numbers) for seed, numbers in zip(seeds, drawn, strict=True)]
    played = map_spawned(play_member, setting, members, workers=workers, progress=progress)
    return band_set(played, chosen)


def uncertain(plan: LevelPlan, options: BandOptions) -> dict[str, Distribution]:
    """What is drawn for each member, by name."""
    spread: dict[str, Distribution] = {
        PERMEABILITY: LogUniform(*options.permeability),
        VISCOSITY: LogNormal(1.0, options.viscosity_sigma),
    }
    for path in plan.paths:
        spread |= {f"{path.side}.{axis}": Normal(0.0, options.needle_sd_mm) for axis in AXES}
    return spread


def band_set(played: Sequence[Numbers | None], options: BandOptions) -> BandSet:
    """The document of an ensemble that was played."""
    known = [one for one in played if one is not None]
    found = [
        BandOutcome(
            name=name, unit=_unit(name), low=one.low, median=one.median, high=one.high, members=one.members
        )
        for name, one in bands(known).items()
        if one is not None
    ]
    return BandSet(
        members=len(played),
        failed=len(played) - len(known),
        seed=options.seed,
        voxel_mm=options.voxel_mm,
        varied=options.words,
        bands=tuple(found),
    )


def _unit(name: str) -> str:
    if name.startswith("leaks_ml."):
        return "ml"
    return next((unit for end, unit in UNITS.items() if name.endswith(end)), "")
