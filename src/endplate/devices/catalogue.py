"""The catalogue of devices: what is shipped, with what a site file adds or changes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from endplate.devices.balloons import Balloon, in_order, shipped_balloons
from endplate.devices.cannulas import (
    Cannula,
    gauge_name,
    pick_gauge,
    shipped_access_systems,
    shipped_cannulas,
)
from endplate.devices.cements import Cement, shipped_cements
from endplate.devices.model import Device
from endplate.devices.site import SiteFile, read_site
from endplate.errors import UsageError
from endplate.sources.yaml_text import nearest

D = TypeVar("D", bound=Device)

NAME_OF = {"cannulas": "gauge", "kyphoplasty_access": "gauge", "balloons": "name", "cements": "name"}
"""Kinds of devices in a site file, and the attribute that its key fills."""


@dataclass(frozen=True)
class Catalogue:
    """All devices a plan may choose from.

    Parameters
    ----------
    cannulas, access_systems:
        Needles of vertebroplasty and working cannulas of kyphoplasty by gauge, the widest first.
    balloons:
        By name, the longest first.
    cements:
        By name, the most fluid first.
    changed:
        Devices that the site file added or changed, as ``"balloons 15/3"``.
    """

    cannulas: Mapping[str, Cannula]
    access_systems: Mapping[str, Cannula]
    balloons: Mapping[str, Balloon]
    cements: Mapping[str, Cement]
    changed: tuple[str, ...] = ()
    _site: str | None = field(default=None, repr=False)

    def tool(self, gauge: str, technique: str) -> Cannula:
        """The cannula of a gauge for a technique: kyphoplasty has working cannulas of its own.

        Raises
        ------
        UsageError
            No such gauge in the catalogue, or none of that gauge lets a balloon through.
        """
        if technique != "kyphoplasty":
            return pick_gauge(gauge, dict(self.cannulas))
        name = gauge_name(gauge)
        if name in self.access_systems:
            return self.access_systems[name]
        needle = pick_gauge(gauge, dict(self.cannulas) | dict(self.access_systems))
        raise UsageError(
            "gauge-too-thin",
            f"No balloon passes a {name} cannula (outer diameter {needle.outer_diameter_mm:.2f} mm).",
            do=f"Choose {' or '.join(self.access_systems)} for kyphoplasty, or vertebroplasty with {name}.",
        )

    def balloon(self, name: str) -> Balloon:
        """One balloon by name; raises ``UsageError`` where there is none."""
        if name.strip() not in self.balloons:
            raise UsageError(
                "balloon-unknown",
                f"There is no balloon {name!r} in the catalogue.",
                do=f"Choose one of {', '.join(self.balloons)}.",
            )
        return self.balloons[name.strip()]

    def balloons_through(self, working: Cannula) -> tuple[Balloon, ...]:
        """The balloons that pass a working cannula, the longest first."""
        return tuple(
            item for item in self.balloons.values() if item.uninflated_diameter_mm < working.inner_diameter_mm
        )

    @property
    def provenance(self) -> str:
        """Where the devices come from."""
        return "devices 1" if self._site is None or not self.changed else f"devices 1 + {self._site}"


def load_catalogue(site: Path | SiteFile | None = None) -> Catalogue:
    """The shipped devices, with what a site file adds or changes below ``devices:``.

    Raises
    ------
    InputError
        The site file cannot be read, or a device in it is unknown, incomplete or impossible; with its line.
    """
    shipped: dict[str, dict[str, Any]] = {
        "cannulas": dict(shipped_cannulas()),
        "kyphoplasty_access": dict(shipped_access_systems()),
        "balloons": dict(shipped_balloons()),
        "cements": dict(shipped_cements()),
    }
    changed: list[str] = []
    file = read_site(site) if isinstance(site, Path) else site
    if file is not None:
        kinds: dict[str, type[Device]] = {
            "cannulas": Cannula,
            "kyphoplasty_access": Cannula,
            "balloons": Balloon,
            "cements": Cement,
        }
        for kind, entries in file.devices.items():
            if kind not in kinds or not isinstance(entries, dict):
                raise file.refusal(
                    ("devices", kind),
                    f"{kind!r} is not a table of devices{nearest(kind, kinds)}.",
                    f"Known: {', '.join(kinds)}.",
                )
            for name, entry in entries.items():
                device = _device(file, kinds[kind], (kind, name), entry, shipped[kind])
                shipped[kind][getattr(device, NAME_OF[kind])] = device
                changed.append(f"{kind} {name}")
    by_width = {
        kind: dict(sorted(shipped[kind].items(), key=lambda item: -item[1].outer_diameter_mm))
        for kind in ("cannulas", "kyphoplasty_access")
    }
    catalogue = Catalogue(
        cannulas=by_width["cannulas"],
        access_systems=by_width["kyphoplasty_access"],
        balloons=in_order(list(shipped["balloons"].values())),
        cements=shipped["cements"],
        changed=tuple(changed),
        _site=None if file is None else file.mark,
    )
    if file is not None:
        _check_passage(file, catalogue)
    return catalogue


def _device(file: SiteFile, kind: type[D], where: tuple[str, str], entry: Any, shipped: dict[str, D]) -> D:
    """One device of the site file: the shipped one with some figures changed, or a whole new one."""
    family, name = where
    place = ("devices", family, name)
    if not isinstance(entry, dict):
        raise file.refusal(place, f"{name} is not a table of figures.", "Indent its figures below it.")
    own = NAME_OF[family]
    key = gauge_name(name) if own == "gauge" else name
    figures = [field for field in kind.model_fields if field not in (own, "recalled_figures")]
    for given in entry:
        if given not in figures:
            raise file.refusal(
                (*place, given),
                f"a device of {family} has no {given!r}{nearest(given, figures)}.",
                f"Known: {', '.join(figures)}.",
            )
    before = shipped[key].model_dump() if key in shipped else {}
    unread = tuple(figure for figure in before.get("recalled_figures", ()) if figure not in entry)
    table = before | {"source": file.mark} | entry | {own: key, "recalled_figures": unread}
    try:
        return kind.model_validate(table)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        inner = tuple(str(part) for part in first["loc"])
        words = str(first["msg"]).removeprefix("Value error, ")
        if "diameter" in ".".join(inner) and first["type"] == "less_than_equal":
            words = f"{first['input']} mm is thicker than almost any pedicle (at most 10 mm)"
        named = ".".join((name, *inner))
        raise file.refusal(
            (*place, *inner), f"{named}: {words[0].lower()}{words[1:]}.", "Correct the figure."
        ) from error


def _check_passage(file: SiteFile, catalogue: Catalogue) -> None:
    """Every balloon passes the access system that it names."""
    for balloon in catalogue.balloons.values():
        place = ("devices", "balloons", balloon.name, "access_gauge")
        working = catalogue.access_systems.get(balloon.access_gauge)
        if working is None:
            raise file.refusal(
                place,
                f"the balloon {balloon.name} names an access system {balloon.access_gauge} that is not there.",
                f"Choose one of {', '.join(catalogue.access_systems)}, or add it below kyphoplasty_access.",
            )
        if balloon.uninflated_diameter_mm >= working.inner_diameter_mm:
            raise file.refusal(
                place,
                f"the folded balloon {balloon.name} ({balloon.uninflated_diameter_mm:g} mm) does not pass the bore of "
                f"{working.gauge} ({working.inner_diameter_mm:g} mm).",
                "Correct one of the two diameters.",
            )
