"""The pages of a simulated treatment: pictures where cement is, plain words, nothing where nothing is known."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
import toy_spine

from endplate.cement.model import ROUTES
from endplate.imaging.volume import LabelMap, Volume
from endplate.outcome.fields import CementMaps
from endplate.outcome.model import (
    BandOutcome,
    BandSet,
    CementOutcome,
    DoseOutcome,
    HeatOutcome,
    HeatRegion,
    Leaks,
    LevelOutcome,
    SessionOutcome,
    StrengthOutcome,
    TimelineEntry,
    Touches,
    Treatment,
    no_strength,
)
from endplate.procedure.model import Sample
from endplate.report import ReportInputs, build_report
from endplate.report.scene import Scene
from endplate.report.treat import treat_sections
from endplate.report.treat_charts import injection_figure, strength_figure
from endplate.report.treat_cuts import LEAK, cement_cuts, cement_parts
from endplate.report.treat_relief import relief_figures
from endplate.report.treat_summary import verdict
from endplate.report.treat_tables import dose_words, heat_table, leak_table, strength_table
from endplate.report.treat_warmth import warmth_figures

TIP = toy_spine.body_centre(1) + np.array([-8.0, 3.0, -3.0])


def leaked(part: float) -> tuple[float, ...]:
    return tuple(0.4 * part if route == "disc_superior" else 0.0 for route in ROUTES)


def curve() -> tuple[Sample, ...]:
    return tuple(
        Sample(
            at_s=1800.0 + 100.0 * part,
            side="left" if part < 0.6 else "right",
            age_s=300.0,
            rate_ml_min=3.0,
            pressure_mpa=0.5 * part,
            bone_pressure_mpa=0.02,
            delivered_ml=4.0 * part,
            in_bone_ml=3.0 * part,
            leaked_ml=leaked(part),
        )
        for part in (0.1, 0.3, 0.5, 0.7, 0.8, 1.0)
    )


def level(**changed: object) -> LevelOutcome:
    heat = HeatOutcome(
        minutes=20.0,
        thresholds_c=(45.0, 50.0),
        regions=(
            HeatRegion(
                name="cement",
                peak_c=80.0,
                mean_peak_c=66.0,
                cem43_min=5e6,
                above_s=(400.0, 300.0),
                voxels=900,
            ),
            HeatRegion(
                name="canal", peak_c=39.0, mean_peak_c=37.4, cem43_min=0.03, above_s=(0.0, 0.0), voxels=300
            ),
        ),
    )
    cement = CementOutcome(
        delivered_ml=4.0,
        in_cannula_ml=0.6,
        in_bone_ml=3.0,
        in_cavity_ml=0.0,
        marrow_displaced_ml=3.0,
        mass_error=0.0,
        peak_pressure_mpa=0.5,
        fill_fraction=0.12,
        touches_endplates=False,
        leaks_ml=Leaks.of(leaked(1.0)),
        in_canal_ml=0.0,
        toward_lung_ml=0.0,
        peak_temperature_c=80.0,
        stopped_because="leak-disc",
        stopped_text="Cement was seen in a disc.",
        touches=Touches(superior=True, inferior=False),
        curve=curve(),
        heat=heat,
    )
    strength = StrengthOutcome(
        before_n=1500.0,
        after_bonded_n=3000.0,
        after_derated_n=2400.0,
        intact_expectation_n=2600.0,
        stiffness_before_n_per_mm=9000.0,
        stiffness_after_n_per_mm=14000.0,
        stiffness_after_derated_n_per_mm=13000.0,
        intact_stiffness_n_per_mm=15000.0,
        intact_from="the whole neighbours T12 and L2",
        broken_band_mm=4.0,
        quick=True,
    )
    made = LevelOutcome(level="L1", balloon=None, cement=cement, strength=strength)
    return made.model_copy(update=changed)


def treatment(one: LevelOutcome) -> Treatment:
    timeline = (
        TimelineEntry(time_s=0.0, until_s=1800.0, what="access", level="L1"),
        TimelineEntry(time_s=1900.0, until_s=None, what="Cement was seen in a disc.", level="L1"),
    )
    dose = DoseOutcome(seconds=60.0, frames=200, air_kerma_mgy=21.0, area_product_gycm2=3.5)
    return Treatment(levels=(one,), session=SessionOutcome(timeline=timeline, time_s=2400.0, dose=dose))


def cement_at(image: Volume, *balls: tuple[np.ndarray, float]) -> CementMaps:
    """Balls of cement on the CT's grid; it comes to them from their middle outward, and warms them."""
    world = image.to_world(np.stack(np.meshgrid(*map(np.arange, image.shape), indexing="ij"), axis=-1))
    share, away = np.zeros(image.shape, np.float32), np.full(image.shape, np.inf)
    for centre, radius in balls:
        distance = np.linalg.norm(world - centre, axis=-1)
        share = np.maximum(share, np.clip(radius - distance + 0.5, 0.0, 1.0).astype(np.float32))
        away = np.minimum(away, distance / radius)
    arrival = np.where(share > 0.0, 1800.0 + 100.0 * np.clip(away, 0.0, 1.0), 0.0).astype(np.float32)
    peak = (37.0 + 40.0 * np.exp(-np.minimum(away, 50.0))).astype(np.float32)
    return CementMaps(*(Volume(data, image.affine) for data in (share, arrival, peak)))


@pytest.fixture(scope="module")
def maps(toy: tuple[Volume, LabelMap]) -> CementMaps:
    return cement_at(toy[0], (TIP, 7.0))


@pytest.fixture(scope="module")
def page(inputs: ReportInputs, maps: CementMaps) -> str:
    return build_report(replace(inputs, treatment=treatment(level()), cement=maps))


def test_the_page_shows_every_part_and_is_the_same_each_time(
    page: str, inputs: ReportInputs, maps: CementMaps
) -> None:
    for heading in (
        "L1 simulated cement",
        "Axial: cement",
        "Sagittal: cement",
        "Coronal: cement",
        "L1 cement as it comes",
        "Pressure and volumes",
        "Simulated leaks of L1 by route",
        "Axial: warmth",
        "Simulated warmth of L1",
        "L1 before and after",
        "Simulated procedure, minute by minute",
    ):
        assert heading in page
    assert "Cement was seen in a disc." in page
    assert page == build_report(replace(inputs, treatment=treatment(level()), cement=maps))


def test_the_first_page_says_what_the_treatment_comes_to(page: str) -> None:
    cover = re.sub(r"<[^>]+>", " ", page[: page.index("simulated cement</h2>")])
    assert "Simulated leaks" in cover
    assert re.search(r"0\.40\W+ml \(disc above 0\.40\W+ml\)", cover)
    assert re.search(r"after over before\s+1\.6 to 2\.0", cover)


def test_a_report_without_a_treatment_says_nothing_of_one(inputs: ReportInputs) -> None:
    page = build_report(inputs)
    assert "simulated cement" not in page
    assert "Simulated procedure" not in page


def test_cement_is_drawn_where_it_is(inputs: ReportInputs, maps: CementMaps) -> None:
    scene = Scene(inputs.image, inputs.labels)
    vertebra = inputs.spine.find("L1")
    assert vertebra is not None
    parts = cement_parts(scene, vertebra, maps.fraction)
    assert parts is not None
    assert not parts.leaked
    axial, sagittal, coronal = cement_cuts(scene, vertebra, parts, ())
    assert "8.0 mm left of the middle" in sagittal.caption
    # Cuts are centred on the cement's height and depth and on the body's middle, or 10 mm behind for the canal.
    for figure, aside in ((axial, (8.0, -10.0)), (sagittal, (-10.0, 0.0)), (coronal, (8.0, 0.0))):
        size = re.search(r'viewBox="0 0 (\S+) (\S+)"', str(figure.svg))
        assert size is not None
        middle = 0.5 * np.array([float(one) for one in size.groups()])
        scale = 2.0 * middle[0] / 92.0
        ring = re.findall(r'<path d="M([^Z]+)Z', str(figure.svg))[1]
        points = np.array([[float(c) for c in pair.split()] for pair in ring.split("L")])
        centre = 0.5 * (points.max(axis=0) + points.min(axis=0))
        assert centre == pytest.approx(middle + scale * np.array(aside), abs=2.0 * scale)


def test_cement_outside_the_bone_has_its_own_colour(inputs: ReportInputs) -> None:
    assert inputs.image is not None
    scene = Scene(inputs.image, inputs.labels)
    vertebra = inputs.spine.find("L1")
    assert vertebra is not None
    above = toy_spine.body_centre(1) + np.array([0.0, 0.0, 18.0])
    parts = cement_parts(scene, vertebra, cement_at(inputs.image, (TIP, 6.0), (above, 3.0)).fraction)
    assert parts is not None
    assert parts.leaked
    assert any(LEAK in str(figure.svg) for figure in cement_cuts(scene, vertebra, parts, ()))
    nothing = Volume(np.zeros(inputs.image.shape, np.float32), inputs.image.affine)
    assert cement_parts(scene, vertebra, nothing) is None


def test_more_cement_is_seen_at_each_stage(inputs: ReportInputs, maps: CementMaps) -> None:
    scene = Scene(inputs.image, inputs.labels)
    vertebra = inputs.spine.find("L1")
    assert vertebra is not None
    figures = relief_figures(scene, vertebra, maps.fraction, maps.arrival_s, curve(), ())
    assert [one.heading for one in figures] == ["1.2 ml", "2.0 ml", "3.2 ml", "4.0 ml"] * 2
    assert len({str(one.svg) for one in figures}) == 8
    alone = relief_figures(scene, vertebra, maps.fraction, None, curve(), ())
    assert [one.heading for one in alone] == ["at the end"] * 2
    assert relief_figures(Scene(inputs.image, None), vertebra, maps.fraction, None, curve(), ()) == []


def test_warmth_is_drawn_from_each_limit_that_is_reached(inputs: ReportInputs, maps: CementMaps) -> None:
    scene = Scene(inputs.image, inputs.labels)
    vertebra = inputs.spine.find("L1")
    assert vertebra is not None
    assert maps.peak_c is not None
    parts = cement_parts(scene, vertebra, maps.fraction)
    assert parts is not None
    axial, _ = warmth_figures(scene, vertebra, maps.peak_c, parts)
    assert len(re.findall(r"<path [^>]*fill-opacity=\"0.38\"", str(axial.svg))) == 4
    cool = Volume(np.minimum(maps.peak_c.data, 44.0), maps.peak_c.affine)
    axial, _ = warmth_figures(scene, vertebra, cool, parts)
    assert len(re.findall(r"<path [^>]*fill-opacity=\"0.38\"", str(axial.svg))) == 1


def test_curves_need_two_points_and_the_chart_a_number() -> None:
    made = level()
    assert made.cement is not None
    assert injection_figure("L1", made.cement) is not None
    assert injection_figure("L1", made.cement.model_copy(update={"curve": curve()[:1]})) is None
    assert strength_figure("L1", no_strength()) is None
    figure = strength_figure("L1", made.strength)
    assert figure is not None
    assert "2.40 to 3.00" in str(figure.svg)
    alone = made.strength.model_copy(update={"after_bonded_n": None, "after_derated_n": None})
    figure = strength_figure("L1", alone)
    assert figure is not None
    assert "not known" in str(figure.svg)


def test_tables_tell_routes_shares_and_doses() -> None:
    made = level()
    assert made.cement is not None
    assert made.cement.heat is not None
    leaks = {row.heading: row for row in leak_table("L1", made.cement).rows}
    assert leaks["Disc above"].cells[0].text == "0.40"
    assert leaks["Disc above"].mark == "flagged"
    assert leaks["Foramen"].cells[0].text == "none"
    heat = heat_table("L1", made.cement.heat)
    assert [heading for heading, _ in heat.columns][-2:] == ["Above 45 °C", "Above 50 °C"]
    assert heat.rows[0].cells[2].text == "> 1000"
    assert [dose_words(one) for one in (0.03, 12.4)] == ["0.0", "12"]
    shares = strength_table("L1", made.strength).rows[1]
    assert [cell.text.replace("\u202f", "") for cell in shares.cells] == ["100%", "160%", "200%", "173%"]


def test_words_say_what_ended_it_and_what_is_not_known() -> None:
    made = level()
    assert made.cement is not None
    assert verdict(made)[1] == "Cement was seen in a disc."
    silent = made.cement.model_copy(
        update={"stopped_text": None, "stopped_because": None, "touches_endplates": None}
    )
    words = verdict(level(cement=silent))
    assert words[1] == "Why the injection ended is not known."
    assert words[3] == "Whether it reaches both endplates is not known."
    assert verdict(level(cement=None)) == ("No cement was given at L1.",)


def test_a_level_without_maps_or_cement_still_has_its_page(inputs: ReportInputs) -> None:
    scene = Scene(inputs.image, inputs.labels)
    bare = level(cement=None, strength=no_strength())
    for one in (level(), bare):
        (section,) = treat_sections(scene, inputs.spine, inputs.plan, treatment(one), None)
        assert section.cuts == section.stages == section.warmth == []
    assert build_report(replace(inputs, treatment=treatment(bare))).count("No cement was given at L1.") == 1


def test_bands_stand_beside_the_single_run(inputs: ReportInputs) -> None:
    found = BandSet(
        members=64,
        failed=2,
        seed=0,
        voxel_mm=2.0,
        varied=("permeability 0.03 to 1 times the model's",),
        bands=(
            BandOutcome(name="leaks_ml.segmental", unit="ml", low=0.0, median=0.02, high=0.31, members=62),
            BandOutcome(name="fill_fraction", unit="", low=0.1, median=0.12, high=0.13, members=62),
        ),
    )
    page = build_report(replace(inputs, treatment=treatment(level(bands=found))))
    assert "L1: 64 simulated injections" in page
    assert "Leak: segmental veins" in page
    assert "2 runs could not be done." in page
    assert "not chances of this patient" in page
