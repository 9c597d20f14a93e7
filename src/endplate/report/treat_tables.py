"""Tables of a treatment: where the cement went, by which way it leaked, how warm it became."""

from __future__ import annotations

from endplate.cement.model import ROUTES
from endplate.outcome.model import BandSet, CementOutcome, HeatOutcome, StrengthOutcome
from endplate.papers.table import Cell, Row, Table
from endplate.papers.words import listed, number, percent
from endplate.sources import value

ROUTE_WORDS = {
    "basivertebral": "Basivertebral vein",
    "segmental": "Segmental veins",
    "cortical_anterior": "Cortex in front",
    "cortical_lateral": "Cortex at the side",
    "cortical_posterior": "Posterior wall",
    "disc_superior": "Disc above",
    "disc_inferior": "Disc below",
    "foramen": "Foramen",
    "tract": "Needle tract",
}
"""Routes in words."""

STRUCTURE_WORDS = {
    "cement": "Cement",
    "canal": "Canal",
    "posterior_wall": "Posterior wall",
    "foramina": "Foramina",
    "endplate_superior": "Superior endplate",
    "endplate_inferior": "Inferior endplate",
    "anterior_cortex": "Anterior cortex",
    "interface": "Bone at the cement",
    "disc_superior": "Disc above",
    "disc_inferior": "Disc below",
}
"""Structures of the table of warmth, in words."""

SHOWN_FROM_ML = 0.005
"""Less than this is written as none."""


def cement_table(level: str, found: CementOutcome) -> Table:
    """Where the cement went."""
    rows = [
        ("Delivered from the syringe", number(found.delivered_ml, 2), "ml"),
        ("Left in the cannulas", number(found.in_cannula_ml, 2), "ml"),
        ("In the bone", number(found.in_bone_ml, 2), "ml"),
        ("In a cavity", number(found.in_cavity_ml, 2), "ml"),
        ("Leaked", number(found.leaks_ml.total_ml, 2), "ml"),
        ("of it in the canal", number(found.in_canal_ml, 2), "ml"),
        ("of it in veins toward the lung", number(found.toward_lung_ml, 2), "ml"),
        ("Share of the body filled", percent(found.fill_fraction), ""),
        ("Greatest pressure at the syringe", number(found.peak_pressure_mpa, 2), "MPa"),
        ("Greatest pressure at the needle's tip", number(found.peak_nozzle_kpa, 0), "kPa"),
        ("Nearest to the posterior wall", number(found.posterior_wall_mm), "mm"),
        ("Reaches the superior endplate", _yes(found.touches.superior), ""),
        ("Reaches the inferior endplate", _yes(found.touches.inferior), ""),
    ]
    return Table(
        caption=f"Simulated cement of {level}",
        columns=(("", ""), ("", ""), ("", "")),
        rows=tuple(Row(name, (Cell(text), Cell(unit))) for name, text, unit in rows),
        note="One run of a model whose permeability is known to a factor of ten: read it beside an ensemble.",
    )


def leak_table(level: str, found: CementOutcome) -> Table:
    """Leaks by route, and the X-ray view that would show each."""
    views = value("outcome.route_views")
    rows = []
    for route, volume in zip(ROUTES, found.leaks_ml.as_tuple(), strict=True):
        shown = volume >= SHOWN_FROM_ML
        text = number(volume, 2) if shown else "none"
        rows.append(
            Row(
                ROUTE_WORDS[route],
                (Cell(text), Cell(str(views[route]))),
                "flagged" if shown else "",
            )
        )
    return Table(
        caption=f"Simulated leaks of {level} by route",
        columns=(("Route", ""), ("Volume", "ml"), ("Seen on X-ray", "")),
        rows=tuple(rows),
        note=(
            "CT shows half as many leaks again as X-ray, and most of those in veins are missed on the lateral view. "
            "What left the modelled bone is counted here and not drawn."
        ),
    )


def heat_table(level: str, found: HeatOutcome) -> Table:
    """How warm the structures became."""
    columns = [("Structure", ""), ("Peak", "°C"), ("Mean of peaks", "°C"), ("CEM43", "min")]
    columns += [(f"Above {number(one, 0)} °C", "s") for one in found.thresholds_c]
    rows = []
    for one in found.regions:
        words = STRUCTURE_WORDS.get(one.name, one.name.replace("_", " ").capitalize())
        texts = [number(one.peak_c), number(one.mean_peak_c), dose_words(one.cem43_min)]
        texts += [number(seconds, 0) for seconds in one.above_s]
        rows.append(Row(words, tuple(Cell(text) for text in texts)))
    return Table(
        caption=f"Simulated warmth of {level}",
        columns=tuple(columns),
        rows=tuple(rows),
        note=(
            f"{number(found.minutes, 0)} minutes simulated. CEM43: minutes at 43 °C that do as much; one minute at "
            "47 °C makes 16 and is where bone begins to suffer. Leaked cement outside the bone gives no heat here."
        ),
    )


def strength_table(level: str, found: StrengthOutcome) -> Table:
    """Strength and stiffness before and after."""
    columns = (("", ""), ("Before", ""), ("De\u2011rated", ""), ("Bonded", ""), ("Whole bone", ""))
    force = (found.before_n, found.after_derated_n, found.after_bonded_n, found.intact_expectation_n)
    stiffness = (
        found.stiffness_before_n_per_mm,
        found.stiffness_after_derated_n_per_mm,
        found.stiffness_after_n_per_mm,
        found.intact_stiffness_n_per_mm,
    )
    why = "The model gave no answer here."
    rows = []
    for name, numbers in (("Greatest force, kN", force), ("Stiffness, kN/mm", stiffness)):
        cells = tuple(Cell(number(None if one is None else one / 1000.0, 2), why) for one in numbers)
        rows.append(Row(name, cells))
        before = numbers[0]
        shares = tuple(None if one is None or not before else one / before for one in numbers)
        rows.append(Row("as a share of before", tuple(Cell(percent(one), why) for one in shares)))
    broken = found.broken_band_mm
    band = (
        ""
        if broken is None
        else f" A band of broken bone of {number(broken, 0)} mm is assumed before and after."
    )
    quick = " Quick way: pressed to failure on coarse voxels." if found.quick else ""
    return Table(
        caption=f"{level} before and after",
        columns=columns,
        rows=tuple(rows),
        note="Ratios are surer than newtons." + band + quick,
    )


ROUTE_PREFIX = "leaks_ml."

BAND_WORDS = {
    "delivered_ml": ("Delivered", 1),
    "in_bone_ml": ("In the bone", 1),
    "fill_fraction": ("Share of the body filled", 2),
    "peak_pressure_mpa": ("Greatest pressure", 2),
    "peak_temperature_c": ("Greatest temperature: cement", 0),
    "in_canal_ml": ("Leaked into the canal", 2),
    "toward_lung_ml": ("Leaked toward the lung", 2),
    "leaked_ml": ("Leaked in all", 2),
    "posterior_wall_mm": ("Nearest to the posterior wall", 1),
}
"""Numbers of an ensemble in words, and their digits."""


def bands_table(level: str, found: BandSet) -> Table:
    """Bands over the runs of an ensemble; routes by which nothing leaked in nearly all runs are left out and named."""
    rows, dry = [], []
    for one in found.bands:
        words, digits = _band_words(one.name)
        if one.name.startswith(ROUTE_PREFIX) and one.high < SHOWN_FROM_ML:
            dry.append(ROUTE_WORDS[one.name.removeprefix(ROUTE_PREFIX)].lower())
            continue
        ends = tuple(Cell(number(end, digits)) for end in (one.low, one.median, one.high))
        rows.append(Row(words, (*ends, Cell(one.unit))))
    failed = "" if found.failed == 0 else f" {found.failed} runs could not be done."
    none = "" if not dry else f" No leak in 95 % of the runs by: {listed(dry)}."
    return Table(
        caption=f"{level}: {found.members} simulated injections, voxels of {number(found.voxel_mm)} mm",
        columns=(("", ""), ("5 %", ""), ("Median", ""), ("95 %", ""), ("", "")),
        rows=tuple(rows),
        note=f"Varied: {'; '.join(found.varied)}.{failed}{none} Bands of a model, not chances of this patient.",
    )


def _band_words(name: str) -> tuple[str, int]:
    """A number of an ensemble in words, and its digits."""
    if name in BAND_WORDS:
        return BAND_WORDS[name]
    if name.startswith(ROUTE_PREFIX):
        return f"Leak: {ROUTE_WORDS[name.removeprefix(ROUTE_PREFIX)].lower()}", 2
    structure = name.removesuffix("_peak_c")
    return f"Greatest temperature: {STRUCTURE_WORDS.get(structure, structure).lower()}", 1


def dose_words(minutes: float) -> str:
    """CEM43 with as many digits as mean anything."""
    if minutes >= 1000.0:
        return "> 1000"
    return number(minutes, 1 if minutes < 10.0 else 0)


def _yes(known: bool | None) -> str:
    return "not known" if known is None else "yes" if known else "no"
