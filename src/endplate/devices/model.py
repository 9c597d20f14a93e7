"""What all devices share: frozen, checked when made, with the source of every figure."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from endplate.sources import constant

DiameterMm = Annotated[float, Field(strict=True, gt=0.3, le=10.0, allow_inf_nan=False)]
"""A tool thicker than 10 mm is thicker than almost any pedicle."""

LengthMm = Annotated[float, Field(strict=True, gt=0.0, le=400.0, allow_inf_nan=False)]
VolumeMl = Annotated[float, Field(strict=True, gt=0.0, le=20.0, allow_inf_nan=False)]


class Device(BaseModel):
    """One tool.

    ``recalled`` names the figures that were not read in a source, ``source`` says where the device's figures come
    from.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: str
    recalled_figures: tuple[str, ...] = ()

    @property
    def recalled(self) -> bool:
        """A figure of this device was not read in a source."""
        return bool(self.recalled_figures)


def shipped(keys: tuple[str, ...]) -> dict[str, dict[str, Any]]:
    """The shipped devices of one family as plain tables by name.

    Parameters
    ----------
    keys:
        Constants that hold one attribute each, by device, as ``"balloon.length_mm"``; the devices are those that the
        first one lists.
    """
    entries = {key.partition(".")[2]: constant(key) for key in keys}
    sources = tuple(dict.fromkeys(entry.source for entry in entries.values()))
    unread = tuple(name for name, entry in entries.items() if entry.status in ("recalled", "engineering"))
    return {
        device: {name: entry.value[device] for name, entry in entries.items()}
        | {"source": ", ".join(sources), "recalled_figures": unread}
        for device in constant(keys[0]).value
    }
