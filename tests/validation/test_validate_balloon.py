"""Balloons against closed forms, published pressures and published heights."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from balloon_study import TPTBOX, Case, Outcome, Refused, cases, run
from records import row, write_record
from workers import spread_over

from endplate.anatomy.axes import FloatArray
from endplate.balloon.growth import axis_distance_mm
from endplate.balloon.inflate import inflate_all, prepare
from endplate.balloon.model import Options, Posture
from endplate.balloon.pressure import elastic_widening_mm, foam_factor, hill_limit_mpa
from endplate.balloon.result import document
from endplate.mechanics.laws import density_law
from endplate.sources import value

sys.path.insert(0, str(Path(__file__).parents[1] / "balloon"))

from balloon_blocks import drum, pair, tamp
from balloon_closed_forms import cavity_pressure, widening

LOSS_PERCENT, LOSS_SD = 11.7, 6.2
NET_PERCENT, NET_HALF_SD = 8.0, 4.7
PUBLISHED_SHARE = LOSS_PERCENT / (LOSS_PERCENT + NET_PERCENT)

MIDDLE_MM = 2.1

KNOWN_CRUSH = 4
"""Place of the phantom's crush fracture of 30 % in the list."""

METHOD = """Closed forms first. Then virtual fractures at 1 mm: three shapes, losses of 20 to 40 %, in the phantom with
bone of some 75 mg/cm³ (12) and in real scans, the public sample CT and the TPTBox lumbar CT (15), each with two
balloons of 15 mm, up to 3 ml each or the first stop, a preload of 100 N and no gain by posture: that is an input.
Heights are measured anew on the broken scan; those before it was broken are the most that it is lifted to. A balloon's
volume is the bone that it swept and the room that its walls opened, and a closed balloon keeps it. The share of the way
back that is lost on deflation is the one number calibrated: on the phantom's wedge and crush fractures, to the
published mean loss; it was calibrated anew by the same rule, and nothing else was, when what walls open was first
counted (before, the share was 0.47 and real scans lost 14.2 % and kept 14.8 %). The modulus of the broken zone was
0.4 MPa, chosen on the phantom at 2 mm; it was set to the geometric middle of its recalled range, 0.63 MPa, after the
phantom's fractures had been seen at 1 mm (0.4 MPa lifted them by 31 % of the height) and before any real scan was
inflated at 1 mm. The real scans had no part in either: what is said of them is shown, not fitted. Anterior heights
are read on wedge and crush fractures, which lower them, middle heights on all."""


@pytest.mark.validate
@pytest.mark.timeout(3600)
def test_balloon(data_dir: Path) -> None:
    assert (data_dir / TPTBOX).is_file()
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


def _cavity() -> list[dict[str, Any]]:
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


def _limits() -> list[dict[str, Any]]:
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


def _blocks() -> list[dict[str, Any]]:
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


def _fractures() -> tuple[list[dict[str, Any]], list[str]]:
    """V12: heights gained and lost in virtual fractures."""
    known, unseen = cases(real=False), cases(real=True)
    base = known[KNOWN_CRUSH]
    more = [replace(base, balloons=1), *(replace(one, voxel_mm=2.0) for one in known if one.loss == 0.3)]
    everything = spread_over(run, [*known, *unseen, *more])
    found = [one for one in everything if isinstance(one, Outcome)]
    refused = [one for one in everything if isinstance(one, Refused)]
    by_case = {one.case: one for one in found}
    phantom = [by_case[case] for case in known if case in by_case]
    real = [by_case[case] for case in unseen if case in by_case]
    rows = [*_calibrated(phantom, real)]
    for what, group in (("phantom", phantom), ("real scans, not calibrated on", real)):
        rows += _gains(what, group)
    rows += _kept([*phantom, *real], refused, len(known) + len(unseen))
    rows += _beside(by_case, base, [case for case in more if case.voxel_mm == 2.0])
    return rows, [_table(found), *_told(refused)]


def _calibrated(phantom: list[Outcome], real: list[Outcome]) -> list[dict[str, Any]]:
    """The one number, and the loss that it gives on each half."""
    share = float(value("balloon.recoil_share"))
    way = float(_of(phantom, _loss).mean()) / share
    rows = [
        row(
            "share of the way back that is lost on deflation",
            f"{share:.2f} in use; {LOSS_PERCENT / way:.3f} gives the published mean on the phantom's fractures",
            f"{LOSS_PERCENT} % of the height before (Rotter 2010); 11.7 / (11.7 + 8.0) = 0.59 without any model",
            "0.01",
            "the one calibrated number",
            reached=abs(LOSS_PERCENT / way - share) <= 0.01,
        )
    ]
    for what, group in (("phantom, calibrated on", phantom), ("real scans, not calibrated on", real)):
        losses = _of(group, _loss)
        rows.append(
            row(
                f"loss on deflation, {what}",
                f"{losses.mean():.1f} ± {losses.std(ddof=1):.1f} % ({losses.min():.1f} to {losses.max():.1f}, "
                f"{len(losses)} fractures)",
                f"{LOSS_PERCENT} ± {LOSS_SD} %",
                "mean within 1 SD",
                "published spread",
                reached=bool(abs(losses.mean() - LOSS_PERCENT) <= LOSS_SD),
            )
        )
        # What is lost is in proportion to the share.
        other = losses * PUBLISHED_SHARE / share
        rows.append(
            row(
                f"the same with a share of {PUBLISHED_SHARE:.2f}, {what}",
                f"loss {other.mean():.1f} %, net gain {(_of(group, _net) + losses - other).mean():.1f} %",
                f"{LOSS_PERCENT} %, {NET_PERCENT} % (Rotter 2010)",
                "reported",
                "the publication's own share, no calibration",
                reached=None,
            )
        )
    return rows


def _gains(what: str, group: list[Outcome]) -> list[dict[str, Any]]:
    """Net gains in front and in the middle."""
    net = _of(group, _net)
    middle = np.array([one.deflated_mm[1] for one in group])
    shapes = {shape: [one for one in group if one.case.shape == shape] for shape in ("wedge", "crush")}
    return [
        row(
            f"loss and net gain in front by shape, {what}",
            "; ".join(
                f"{shape} {_of(some, _loss).mean():.1f} and {_of(some, _net).mean():.1f} % ({len(some)})"
                for shape, some in shapes.items()
            ),
            f"{LOSS_PERCENT} and {NET_PERCENT} % (Rotter 2010)",
            "reported",
            "a crush fracture's zone is loose all round, a wedge's hinges behind",
            reached=None,
        ),
        row(
            f"net anterior gain, {what}",
            f"{net.mean():.1f} ± {net.std(ddof=1):.1f} % ({net.min():.1f} to {net.max():.1f})",
            f"{NET_PERCENT} ± 9.4 % (Rotter 2010)",
            f"mean within {NET_PERCENT} ± {NET_HALF_SD} %",
            "half the published SD",
            reached=bool(abs(net.mean() - NET_PERCENT) <= NET_HALF_SD),
        ),
        row(
            f"net anterior gain above 0, {what}",
            f"{int((net > 0.0).sum())} of {len(net)}",
            "every fracture",
            "all",
            "balloons do not lower a body",
            reached=bool((net > 0.0).all()),
        ),
        row(
            f"middle height gained in the end, {what}",
            f"{middle.mean():.1f} mm ({middle.min():.1f} to {middle.max():.1f})",
            f"{MIDDLE_MM} ± 2.9 mm (Winkelmann 2018)",
            "reported",
            "patients, with whatever posture gave them; here no posture",
            reached=None,
        ),
    ]


def _kept(group: list[Outcome], refused: list[Refused], asked: int) -> list[dict[str, Any]]:
    """Mineral, volume, walls and pressures of all fractures."""
    return [
        row(
            "virtual fractures at 1 mm",
            f"{len(group)} of {asked}",
            "at least 20",
            "20",
            f"{len(refused)} runs ended in an error (told below)",
            reached=len(group) >= 20,
        ),
        row(
            "bone mineral in all fractures",
            f"off by {max(one.mineral_error for one in group):.1e} at most",
            "nothing lost",
            "1e-6",
            "what is swept is put down again",
            reached=max(one.mineral_error for one in group) <= 1e-6,
        ),
        row(
            "bone swept and room opened against what was injected, each balloon of all fractures",
            f"off by {max(one.volume_error_voxels for one in group):.0f} voxels at most, "
            f"{max(one.volume_error_shells for one in group):.2f} of a voxel shell (median "
            f"{np.median([one.volume_error_voxels for one in group]):.1f} voxels); "
            f"{sum(one.opened_ml for one in group):.1f} of {sum(one.cavity_ml for one in group):.1f} ml opened",
            "the same",
            "a quarter of a voxel shell",
            "swept from below to 0.01 ml; a closed balloon at its rated pressure crushes no further",
            reached=max(one.volume_error_shells for one in group) <= 0.25,
        ),
        row(
            "voxels that cement finds against what recoil leaves of the cavities, all fractures",
            f"off by {max(one.room_error_voxels for one in group):.0f} voxels at most; "
            f"{sum(one.left_ml for one in group):.1f} ml",
            "the same",
            "reported",
            "opened room is laid on the grid beside the bone that was swept; between walls there may be none",
            reached=None,
        ),
        row(
            "cavities outside the body, or in cortex without a breach told",
            f"{sum(one.left_body for one in group)}, {sum(one.in_wall_untold for one in group)}",
            "0, 0",
            "0",
            "every voxel is looked at",
            reached=not any(one.left_body or one.in_wall_untold for one in group),
        ),
        row(
            "peak pressure inside its band, all fractures",
            f"{sum(one.pressure_mpa[0] <= one.pressure_mpa[1] <= one.pressure_mpa[2] for one in group)} of "
            f"{len(group)}; {min(one.pressure_mpa[1] for one in group):.2f} to "
            f"{max(one.pressure_mpa[1] for one in group):.2f} MPa",
            "crushing to J2",
            "all",
            "the band of the two laws for the bone at the front",
            reached=all(one.pressure_mpa[0] <= one.pressure_mpa[1] <= one.pressure_mpa[2] for one in group),
        ),
    ]


def _beside(by_case: dict[Case, Outcome], base: Case, coarse: list[Case]) -> list[dict[str, Any]]:
    """One balloon beside two, and 2 mm voxels beside 1 mm."""
    two, alone = by_case[base], by_case[replace(base, balloons=1)]
    pairs = [
        (by_case[replace(case, voxel_mm=1.0)], by_case[case])
        for case in coarse
        if case in by_case and replace(case, voxel_mm=1.0) in by_case
    ]
    lift = [[_most(one) for one in pair] for pair in pairs]
    held = [[one.cavity_ml for one in pair] for pair in pairs]
    return [
        row(
            f"two balloons against one, {base.name}",
            f"{two.inflated_mm[0]:.1f} against {alone.inflated_mm[0]:.1f} mm",
            "more",
            "more",
            "twice the force",
            reached=two.inflated_mm[0] > alone.inflated_mm[0],
        ),
        row(
            f"voxels of 1 and 2 mm, {len(pairs)} fractures of the phantom",
            f"lift {np.mean(lift, axis=0)[0]:.1f} and {np.mean(lift, axis=0)[1]:.1f} mm, cavities "
            f"{np.mean(held, axis=0)[0]:.1f} and {np.mean(held, axis=0)[1]:.1f} ml",
            "the same",
            "reported",
            "a wall is at least a voxel thick, so 2 mm touch it earlier",
            reached=None,
        ),
    ]


def _most(one: Outcome) -> float:
    return max(one.inflated_mm[:2])


def _loss(one: Outcome) -> float:
    """Anterior height lost on deflation, % of that before."""
    return 100.0 * (one.inflated_mm[0] - one.deflated_mm[0]) / one.heights_mm[0]


def _net(one: Outcome) -> float:
    """Anterior height gained in the end, % of that before."""
    return 100.0 * one.deflated_mm[0] / one.heights_mm[0]


def _of(group: list[Outcome], what: Callable[[Outcome], float]) -> FloatArray:
    return np.array([what(one) for one in group if one.case.shape != "biconcave"])


def _told(refused: list[Refused]) -> list[str]:
    return [f"Ended in an error: {one.case.name} at {one.case.voxel_mm:g} mm – {one.why}" for one in refused]


def _table(outcomes: list[Outcome]) -> str:
    lines = [
        "| fracture | mm | balloons | mg/cm³ | ml (opened) | left | MPa | heights, mm | inflated | deflated | why |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for one in outcomes:
        heights, inflated, deflated = (
            " / ".join(f"{mm:.1f}" for mm in three)
            for three in (one.heights_mm, one.inflated_mm, one.deflated_mm)
        )
        low, foam, high = one.pressure_mpa
        lines.append(
            f"| {one.case.name} | {one.case.voxel_mm:g} | {one.case.balloons} | {one.density_mgcc:.0f} | "
            f"{one.cavity_ml:.2f} ({one.opened_ml:.2f}) | {one.left_ml:.2f} | "
            f"{foam:.2f} ({low:.2f} to {high:.2f}) | {heights} | {inflated} | {deflated} | {', '.join(one.stopped)} |"
        )
    return "\n".join(lines)
