"""Balloons against closed forms, published pressures and published heights."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import pytest
from balloon_study import Case, Outcome, run
from records import row, write_record
from workers import spread_over

from endplate.balloon.growth import axis_distance_mm
from endplate.balloon.inflate import inflate_all, prepare
from endplate.balloon.model import Options, Posture
from endplate.balloon.pressure import elastic_widening_mm, foam_factor, hill_limit_mpa
from endplate.balloon.result import document
from endplate.imaging.sample import fetch_sample
from endplate.mechanics.laws import density_law
from endplate.sources import value

sys.path.insert(0, str(Path(__file__).parents[1] / "balloon"))

from balloon_blocks import drum, pair, tamp
from balloon_closed_forms import cavity_pressure, widening

LOSS_PERCENT, LOSS_SD = 11.7, 6.2
NET_PERCENT, NET_HALF_SD = 8.0, 4.7
MIDDLE_MM = 2.1

METHOD = """Closed forms first. Then two balloons (15 mm, up to 3 ml each, 2 mm voxels, preload 100 N, no gain by
posture) in virtual fractures: of the phantom, with bone of some 75 mg/cm³, and of the public sample CT. The share of
the lift that is lost on deflation is the one number calibrated: to the published means of a cadaver series. On the
phantom's fractures the stiffness of the broken zone was chosen within its recalled range; the sample CT's fractures had
no part in that. Voxels of 2 mm end an inflation earlier than those of 1 mm: a wall is one voxel thick. Anterior heights
are read on wedge and crush fractures, which lower them, middle heights on all."""


@pytest.mark.validate
@pytest.mark.timeout(3600)
def test_balloon() -> None:
    os.nice(10)
    rows = [*_cavity(), *_limits(), *_blocks()]
    more, details = _fractures()
    rows += more
    write_record(
        "balloon",
        title="Balloons: cavity, pressure, height gained and lost",
        order=75,
        method=METHOD,
        rooms=("balloon",),
        rows=rows,
        details=details,
    )
    assert all(item["reached"] is not False for item in rows if item["what"].startswith("closed form"))


def _cavity() -> list[dict[str, object]]:
    """V6: a pressurised sphere in elastic bone."""
    moved, radius = widening(7.5, 45, 1.0, 150.0, 1.4)
    wanted = elastic_widening_mm(1.4, radius, 150.0, 0.3)
    return [
        row(
            "closed form: wall of a pressurised cavity, E 150 MPa, a 7.5 mm, p 1.4 MPa",
            f"{moved:.4f} mm",
            f"p·a/4G = {wanted:.4f} mm",
            "5 %",
            "sphere of 1 mm voxels with its radius of equal volume, block of 12 a",
            reached=abs(moved / wanted - 1.0) <= 0.05,
        )
    ]


def _limits() -> list[dict[str, object]]:
    """V8: Hill's limit against an integration along the radius; the foam below it."""
    law, rows = density_law(), []
    for density, published in ((50.0, 2.2), (80.0, 4.1), (100.0, 5.5)):
        stress = float(law.yield_mpa(np.array(density)))
        modulus = float(law.modulus_mpa(np.array(density)))
        limit = float(hill_limit_mpa(np.asarray(stress), np.asarray(modulus), 0.3))
        ours = cavity_pressure(stress, modulus, 0.3)
        rows.append(
            row(
                f"closed form: limit pressure of a cavity (J2), {density:.0f} mg/cm³",
                f"{limit:.2f} MPa; integrated {ours:.2f} MPa",
                f"{published} MPa",
                "10 %",
                "a cavity widened eightfold, large strains, against Hill's formula",
                reached=abs(ours / limit - 1.0) <= 0.1 and abs(limit / published - 1.0) <= 0.1,
            )
        )
        foam = stress * foam_factor(float(value("balloon.compaction")))
        rows.append(
            row(
                f"closed form: plateau of the crushable foam, {density:.0f} mg/cm³",
                f"{foam:.2f} MPa",
                f"{stress:.2f} (crushing) to {limit:.2f} MPa (J2)",
                "inside",
                "the law lies below the J2 bound",
                reached=stress <= foam <= limit,
            )
        )
    return rows


def _blocks() -> list[dict[str, object]]:
    """Cavity, bone mineral, pressure and trends in drums of even bone at 1 mm."""
    rows = []
    options = Options(posture=Posture.none(), crack=False)
    for density in (50.0, 75.0, 100.0):
        bone = drum(1.0, density, size_mm=(46.0, 36.0, 30.0))
        site = prepare(bone, pair(), options)
        state = inflate_all(site, {"left": 3.0, "right": 3.0}, deflated=False)
        told = document(site, state)
        peak = told.peak_pressure_mpa
        assert peak is not None
        law = density_law()
        stress = float(law.yield_mpa(np.array(density)))
        upper = float(hill_limit_mpa(np.asarray(stress), law.modulus_mpa(np.array(density)), 0.3))
        held = sum(state.volumes_ml)
        rows.append(
            row(
                f"peak pressure in even bone of {density:.0f} mg/cm³",
                f"{peak.foam:.2f} MPa ({peak.yield_:.2f} to {peak.j2:.2f})",
                f"{stress:.2f} to {upper:.2f} MPa (foam to J2)",
                "inside",
                "the band of the two laws",
                reached=stress <= peak.foam <= upper,
            )
        )
        rows.append(
            row(
                f"cavity and bone mineral, {density:.0f} mg/cm³",
                f"cavity {told.cavity_ml:.3f} ml; mineral off by {told.bone_mineral_error:.1e}",
                f"{held:.3f} ml injected; nothing lost",
                "one voxel shell; 1e-6",
                "voxels are counted; what is swept is put down again",
                reached=abs(told.cavity_ml - held) <= 2.0 * bone.voxel_ml and told.bone_mineral_error <= 1e-6,
            )
        )
    bone = drum(1.0, 75.0, size_mm=(46.0, 40.0, 36.0))
    site = prepare(bone, (tamp(),), options)
    state = inflate_all(site, {"left": 3.0}, deflated=False)
    distance, radius = axis_distance_mm(bone, site.tamps[0], 3.0)
    off = float(np.abs(distance[state.cavity].max() - radius))
    rows.append(
        row(
            "shape in even bone",
            f"farthest voxel {off:.2f} mm from the free balloon's surface",
            "the capsule of the balloon",
            "1 mm",
            "one voxel",
            reached=off <= 1.0,
        )
    )
    return rows


def _fractures() -> tuple[list[dict[str, object]], list[str]]:
    """V12: heights gained and lost in virtual fractures."""
    folder = str(fetch_sample().ct.parent)
    cases = [
        Case("phantom", "L1", "wedge", 0.3, 2.0, None),
        Case("phantom", "L1", "crush", 0.2, 2.0, None),
        Case("phantom", "L1", "biconcave", 0.3, 2.0, None),
        Case("phantom", "T12", "wedge", 0.4, 2.0, None),
        Case("sample CT", "L1", "wedge", 0.3, 2.0, folder),
        Case("sample CT", "L1", "crush", 0.3, 2.0, folder),
        Case("sample CT", "L1", "biconcave", 0.3, 2.0, folder),
        Case("sample CT", "T12", "wedge", 0.3, 2.0, folder),
        Case("sample CT", "T12", "crush", 0.2, 2.0, folder),
    ]
    single = [Case("phantom", "L1", "crush", 0.2, 2.0, None, balloons=1)]
    found = spread_over(run, [*cases, *single])
    outcomes, alone = found[: len(cases)], found[-1]
    known = [one for one in outcomes if one.case.source == "phantom"]
    unseen = [one for one in outcomes if one.case.source == "sample CT"]
    share = float(value("balloon.recoil_share"))
    means = LOSS_PERCENT / (LOSS_PERCENT + NET_PERCENT)
    loss = _mean(known, _loss)
    rows = [
        row(
            "share of the lift lost on deflation",
            f"{share:.2f}; {share * LOSS_PERCENT / loss:.2f} would give the published mean on the phantom's fractures",
            f"{means:.2f} = {LOSS_PERCENT} / ({LOSS_PERCENT} + {NET_PERCENT}) (Rotter 2010)",
            "0.02",
            "the one calibrated number: published loss over published loss and net gain",
            reached=abs(means - share) <= 0.02,
        ),
        row(
            "loss on deflation, phantom",
            f"{loss:.1f} %",
            f"{LOSS_PERCENT} ± {LOSS_SD} %",
            "within 1 SD",
            "published spread",
            reached=abs(loss - LOSS_PERCENT) <= LOSS_SD,
        ),
        row(
            "loss on deflation, sample CT",
            f"{_mean(unseen, _loss):.1f} %",
            f"{LOSS_PERCENT} ± {LOSS_SD} %",
            "within 1 SD",
            "published spread",
            reached=abs(_mean(unseen, _loss) - LOSS_PERCENT) <= LOSS_SD,
        ),
    ]
    for what, group in (("phantom", known), ("sample CT", unseen)):
        net = _mean(group, _net)
        least = min(_net(one) for one in group if one.case.shape != "biconcave")
        rows.append(
            row(
                f"net anterior gain, {what}",
                f"{net:.1f} % (least {least:.1f} %)",
                f"{NET_PERCENT} ± 9.4 % (Rotter 2010)",
                f"{NET_PERCENT} ± {NET_HALF_SD} %, all above 0",
                "half the published SD",
                reached=abs(net - NET_PERCENT) <= NET_HALF_SD and least > 0.0,
            )
        )
        middle = float(np.mean([one.deflated_mm[1] for one in group]))
        rows.append(
            row(
                f"middle height gained in the end, {what}",
                f"{middle:.1f} mm",
                f"{MIDDLE_MM} ± 2.9 mm (Winkelmann 2018)",
                "reported",
                "patients, with whatever posture gave them",
                reached=None,
            )
        )
    two = next(one for one in known if one.case == Case("phantom", "L1", "crush", 0.2, 2.0, None))
    rows += [
        row(
            "two balloons against one, phantom L1 crush",
            f"{two.inflated_mm[0]:.1f} against {alone.inflated_mm[0]:.1f} mm",
            "more",
            "more",
            "twice the force",
            reached=two.inflated_mm[0] > alone.inflated_mm[0],
        ),
        row(
            "cavities of all fractures",
            f"mineral off by {max(one.mineral_error for one in outcomes):.1e}, volume by "
            f"{max(one.volume_error_voxels for one in outcomes):.0f} voxels, "
            f"{sum(one.left_body for one in outcomes)} in a wall",
            "nothing lost, what was injected, none",
            "1e-6; a voxel a balloon; 0",
            "every cavity lies inside the cortex",
            reached=all(
                one.mineral_error <= 1e-6 and one.volume_error_voxels <= 2.0 and not one.left_body
                for one in outcomes
            ),
        ),
    ]
    return rows, [_table([*outcomes, alone])]


def _loss(one: Outcome) -> float:
    """Anterior height lost on deflation, % of that before."""
    return 100.0 * (one.inflated_mm[0] - one.deflated_mm[0]) / one.heights_mm[0]


def _net(one: Outcome) -> float:
    """Anterior height gained in the end, % of that before."""
    return 100.0 * one.deflated_mm[0] / one.heights_mm[0]


def _mean(group: list[Outcome], what: object) -> float:
    assert callable(what)
    return float(np.mean([what(one) for one in group if one.case.shape != "biconcave"]))


def _table(outcomes: list[Outcome]) -> str:
    lines = [
        "| fracture | balloons | bone, mg/cm³ | cavity, ml | MPa | heights before, mm | inflated | deflated | why |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for one in outcomes:
        heights, inflated, deflated = (
            " / ".join(f"{mm:.1f}" for mm in three)
            for three in (one.heights_mm, one.inflated_mm, one.deflated_mm)
        )
        low, foam, high = one.pressure_mpa
        lines.append(
            f"| {one.case.source} {one.case.level} {one.case.shape} {100 * one.case.loss:.0f} % | "
            f"{one.case.balloons} | {one.density_mgcc:.0f} | {one.cavity_ml:.2f} | "
            f"{foam:.2f} ({low:.2f} to {high:.2f}) | {heights} | {inflated} | {deflated} | "
            f"{', '.join(one.stopped)} |"
        )
    return "\n".join(lines)
