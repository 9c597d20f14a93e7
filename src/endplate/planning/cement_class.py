"""Which class of cement the cannulas let through."""

from __future__ import annotations

from collections.abc import Sequence

from endplate.devices.cannulas import Cannula
from endplate.devices.catalogue import Catalogue
from endplate.planning.model import Decision
from endplate.planning.rules import Rules


def decide_cement(tools: Sequence[Cannula], catalogue: Catalogue, rules: Rules) -> Decision:
    """The thickest class of cement that the narrowest bore allows: thick cement leaks less.

    Parameters
    ----------
    tools:
        The cannulas of the level's needles.
    catalogue:
        Its cements, the most fluid first.
    rules:
        The rules.
    """
    bore, needed = min(tool.inner_diameter_mm for tool in tools), rules.cement.thick_cement_bore_mm
    classes = list(catalogue.cements.values())
    wide = bore >= needed
    cement = classes[-1] if wide else classes[max(len(classes) - 2, 0)]
    low, high = cement.start_viscosity_pas
    why = "leaks less" if wide else f"a bore of {bore:.1f} mm asks too much pressure of thicker cement"
    return Decision(
        rule_id="cement.thick_cement_bore_mm",
        outcome=cement.name,
        text=f"{cement.name.capitalize()} cement ({low:g}-{high:g} Pa·s at the start): {why}. Working time about "
        f"{cement.working_time_min:g} min at room temperature; the maker's instructions decide.",
        inputs={
            "narrowest bore, mm": bore,
            "bore for the thickest, mm": needed,
            "classes": ", ".join(item.name for item in classes),
        },
        source=rules.source("cement.thick_cement_bore_mm"),
    )
