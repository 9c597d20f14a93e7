"""When the injection of a level is ended, by what the operator sees and feels and by nothing else."""

from __future__ import annotations

from dataclasses import dataclass, replace

from endplate.procedure.model import Seen
from endplate.procedure.record import Stop
from endplate.procedure.times import Settings
from endplate.sources import finding

WORDS = {
    "volume": "stopped-volume",
    "posterior-wall": "stopped-posterior-wall",
    "posterior-quarter": "stopped-posterior-quarter",
    "leak-canal": "stopped-leak-canal",
    "leak-disc": "stopped-leak",
    "leak-vein": "stopped-leak",
    "leak-outside": "stopped-leak",
    "pressure": "stopped-pressure",
    "working-time": "stopped-working-time",
    "no-dose": "stopped-no-dose",
    "no-balloon": "stopped-no-balloon",
    "failed": "stopped-failed",
    "script": "stopped-script",
}
"""Every reason to stop, and the finding that says it in words."""

PLACES = {
    "disc": "a disc",
    "vein": "a vein beside the body",
    "outside": "the soft tissue",
    "canal": "the canal",
}
"""Kinds of leaks in words."""

WAITING = ("disc", "vein", "outside")
"""Leaks for which one waits and goes on; a leak into the canal ends the level."""


@dataclass(frozen=True)
class Watch:
    """What has been seen of one level's leaks: how often one has waited, and what each kind held then."""

    waits: int = 0
    known_ml: tuple[tuple[str, float], ...] = ()

    def known(self, kind: str) -> float:
        """What a kind of leak held when one last waited for it."""
        return dict(self.known_ml).get(kind, 0.0)


@dataclass(frozen=True)
class Verdict:
    """What a look asks for: to stop, to wait, or (both empty) to go on."""

    stop: Stop | None = None
    wait: bool = False


def stop(level: str, code: str, **numbers: object) -> Stop:
    """A reason to stop in words."""
    return Stop(level=level, code=code, text=finding(WORDS[code], level=level, **numbers).text)


def judge(level: str, seen: Seen, watch: Watch, settings: Settings) -> tuple[Verdict, Watch]:
    """What one look asks for, and what is known after it.

    Parameters
    ----------
    level:
        Its name.
    seen:
        What the view shows.
    watch:
        What was known before.
    settings:
        The rules.
    """
    if seen.leak_ml("canal") > 0.0:
        return Verdict(stop(level, "leak-canal", volume=seen.leak_ml("canal"))), watch
    if seen.to_wall_mm is not None and seen.to_wall_mm <= settings.stop_wall_mm:
        near = stop(level, "posterior-wall", distance=max(seen.to_wall_mm, 0.0), limit=settings.stop_wall_mm)
        return Verdict(near), watch
    if seen.depth_share is not None and seen.depth_share < settings.stop_posterior_share:
        limit = 100.0 * settings.stop_posterior_share
        return Verdict(stop(level, "posterior-quarter", share=100.0 * seen.depth_share, limit=limit)), watch
    grown = [
        leak.kind
        for leak in seen.leaks
        if leak.kind in WAITING and leak.volume_ml - watch.known(leak.kind) >= settings.leak_grown_ml
    ]
    if not grown:
        return Verdict(), watch
    if watch.waits >= settings.leak_waits:
        kind = grown[0]
        said = stop(
            level, f"leak-{kind}", place=PLACES[kind], volume=seen.leak_ml(kind), waits=settings.leak_waits
        )
        return Verdict(said), watch
    known = dict(watch.known_ml) | {kind: seen.leak_ml(kind) for kind in grown}
    return Verdict(wait=True), replace(watch, waits=watch.waits + 1, known_ml=tuple(sorted(known.items())))
