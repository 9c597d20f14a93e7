"""Simulated X-rays of a case's plan, written as pictures, DICOM or moving frames."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from endplate.case.case_files import CaseFiles
from endplate.case.files import write_whole
from endplate.case.folder import open_case
from endplate.case.names import IMAGE
from endplate.errors import UsageError
from endplate.fluoroscopy.dose import Dose
from endplate.fluoroscopy.markers import angle_words
from endplate.fluoroscopy.patient import Patient
from endplate.fluoroscopy.plan_views import BullsEye, PlanShots, plan_shots
from endplate.fluoroscopy.reach import Reached, check_reach
from endplate.fluoroscopy.render import Frame, Settings, field_findings, render
from endplate.fluoroscopy.scene import Scene
from endplate.fluoroscopy.sequence import Advance, Run, needle_run, page
from endplate.fluoroscopy.view import Shown, View, mobile_view
from endplate.fluoroscopy.xa import Belonging, xa_bytes
from endplate.imaging.carm import CArmPose
from endplate.imaging.dicom_reference import SourceSeries, source_series
from endplate.imaging.levels import parse_level
from endplate.imaging.volume import Volume
from endplate.papers import png
from endplate.planning.model import LevelPlan, NeedlePath, Plan
from endplate.sources import value

NAMES = {
    "ap": "AP",
    "lateral": "Lateral",
    "bullseye-left": "Bull's-eye left",
    "bullseye-right": "Bull's-eye right",
}
"""Views by name, and what they are called on the picture."""

VIEWS = tuple(NAMES)

SAME_PLACE_MM = 0.2
"""The first voxels of two images of one scan lie no further apart."""

STILLS = (".png", ".dcm")
PLAYED = (".html",)


@dataclass(frozen=True)
class Shot:
    """What to show.

    Parameters
    ----------
    view:
        One of :data:`VIEWS`; the isocentre is that view's also where angles are given.
    level:
        A planned level; ``None``: the first.
    angles_deg:
        DICOM primary and secondary angle in place of the view's own.
    time_s:
        Seconds from the start of the needles' way in; ``None``: at their targets. For moving frames, their end.
    needles:
        Draw the needles in.
    shown:
        As radiograph or as seen from behind.
    pixels:
        Along each side of the detector.
    magnify:
        How much smaller a field of the detector is used.
    frames:
        Of a moving picture.
    kvp:
        Tube voltage; ``None``: exposure control.
    ct:
        The DICOM that the case was made from, for its frame of reference.
    """

    view: str = "ap"
    level: str | None = None
    angles_deg: tuple[float, float] | None = None
    time_s: float | None = None
    needles: bool = True
    shown: Shown = "radiograph"
    pixels: int | None = None
    magnify: float = 1.0
    frames: int = 12
    kvp: float | None = None
    ct: Path | None = None


def shoot_case(folder: Path, shot: Shot, out: Path) -> Mapping[str, Any]:
    """Take simulated X-rays of a planned case and write them.

    Parameters
    ----------
    folder:
        The case.
    shot:
        What to show.
    out:
        A file ``.png`` or ``.dcm`` for one picture, ``.html`` for a page that plays the needles' way in, or a folder
        for its frames as PNG.

    Returns
    -------
    The document of ``endplate fluoro``: files, angles, exposure, dose.

    Raises
    ------
    UsageError
        An unknown view or form, a case without CT or plan, or a needle that is not planned.
    """
    _check(shot, out)
    with open_case(folder) as case:
        record = {name: sha for stage in case.manifest.stages.values() for name, sha in stage.outputs.items()}
        files = CaseFiles(folder, record)
        plan = files.plan
        image = files.scan.image
        if plan is None or image is None:
            missing = "CT" if image is None else "plan"
            raise UsageError(
                f"fluoro-no-{missing.lower()}",
                f"The case has no {missing}, so there is nothing to show under X-ray.",
                intact="The case is unchanged.",
                do="Run it with a CT." if image is None else "Plan first: `endplate plan CASE --level L1`.",
            )
        level = _level(plan, shot.level)
        vertebra = None if files.spine is None else files.spine.find(level.level)
        shots = plan_shots(level, vertebra, pixels=shot.pixels)
        view, reached = _view(level, shots, shot)
        settings = Settings(kvp=shot.kvp, shown=shot.shown)
        advances = _advances(level) if shot.needles else ()
        patient = Patient(image)
        name = f"{NAMES[shot.view]} {level.level}"
        run = _taken(view, patient, advances, settings, shot, out, name)
        series = None if shot.ct is None else _series_of(shot.ct, image)
        written = _write(run, out, name, Belonging(record[IMAGE], series))
    return _document(shot, level, run, reached, written, series)


def _series_of(ct: Path, image: Volume) -> SourceSeries | None:
    """The DICOM series of the case's CT; a frame of reference of another scan would put the pictures elsewhere."""
    series = source_series(ct)
    if series is None:
        raise UsageError(
            "fluoro-ct-not-dicom",
            f"{ct.name} is no DICOM, so it has no frame of reference.",
            intact="The case is unchanged.",
            do="Name the DICOM that the case was made from, or leave --ct out.",
        )
    last = np.array(image.shape) - 1
    ends = [(0, int(n)) for n in last]
    corners = [
        np.where(np.arange(3) == axis, last // 2, (a, b, c))
        for axis in range(3)
        for a in ends[0]
        for b in ends[1]
        for c in ends[2]
    ]
    for x, y, z in image.to_world(np.array(corners)):
        if series.images and series.nearest((-x, -y, z), SAME_PLACE_MM) is not None:
            return series
    raise UsageError(
        "fluoro-other-ct",
        f"No image of {ct.name} lies where the case's CT has one.",
        intact="The case is unchanged.",
        do="Name the DICOM that the case was made from; a resampled scan (tilted gantry) has no such images.",
    )


def _check(shot: Shot, out: Path) -> None:
    if shot.view not in VIEWS:
        raise UsageError(
            "view-unknown", f"There is no view {shot.view!r}.", do=f"Choose one of {', '.join(VIEWS)}."
        )
    if out.suffix not in ("", *STILLS, *PLAYED):
        raise UsageError(
            "fluoro-form",
            f"A picture cannot be written as {out.suffix}.",
            do="Name a .png or .dcm file, an .html page, or a folder for frames.",
        )
    if shot.time_s is not None and not 0.0 <= shot.time_s < float("inf"):
        raise UsageError("fluoro-time", "The time is not one of the procedure.", do="Give seconds from 0 on.")
    if not 1 <= shot.frames <= 600:
        raise UsageError("fluoro-frames", f"{shot.frames} frames cannot be taken.", do="Give 1 to 600.")


def _level(plan: Plan, name: str | None) -> LevelPlan:
    wanted = None if name is None else parse_level(name)
    planned = [level for level in plan.plans if level.views is not None]
    found = next((level for level in planned if wanted in (None, level.level)), None)
    if found is None:
        raise UsageError(
            "fluoro-level",
            f"The plan has no views of {wanted or 'any level'}.",
            intact="The case is unchanged.",
            do=f"Choose one of {', '.join(level.level for level in planned)}."
            if planned
            else "Plan a level first.",
        )
    return found


def _view(level: LevelPlan, shots: PlanShots, shot: Shot) -> tuple[View, Reached]:
    if shot.view in ("ap", "lateral"):
        view, reached = (
            (shots.ap, shots.ap_reached) if shot.view == "ap" else (shots.lateral, shots.lateral_reached)
        )
    else:
        side = "left" if shot.view.endswith("left") else "right"
        eye: BullsEye | None = shots.bulls_eye("left" if side == "left" else "right")
        if eye is None:
            raise UsageError(
                "fluoro-no-needle",
                f"{level.level} has no planned needle on the {side} side to look down.",
                intact="The case is unchanged.",
                do="Choose another view, or plan a needle there.",
            )
        view, reached = eye.view, eye.reached
    if shot.angles_deg is not None:
        pose = CArmPose(*shot.angles_deg, view.pose.position)
        view = mobile_view(pose, view.isocentre_ras_mm, pixels=shot.pixels)
        reached = check_reach(view, level=level.level)
    return view.magnified(shot.magnify), reached


def _advances(level: LevelPlan) -> tuple[Advance, ...]:
    return tuple(Advance(path, float(value("xray.advance_s"))) for path in level.paths)


def _taken(
    view: View,
    patient: Patient,
    advances: tuple[Advance, ...],
    settings: Settings,
    shot: Shot,
    out: Path,
    name: str,
) -> Run:
    if out.suffix in STILLS:
        at = float("inf") if shot.time_s is None else shot.time_s
        scene = Scene(tuple(advance.tool(at) for advance in advances))
        notes = () if shot.time_s is None else (f"{shot.time_s:.1f} S",)
        frame = render(view, patient, scene, settings, caption=name, notes=notes)
        return Run((frame,), Dose().after_frame(frame.exposure, lateral=view.pose.lateral))
    return needle_run(
        view, patient, advances, settings, frames=shot.frames, caption=name, until_s=shot.time_s
    )


def _write(run: Run, out: Path, name: str, belonging: Belonging) -> tuple[Path, ...]:
    if out.suffix == ".dcm":
        content = {out: xa_bytes(run.frames[0], belonging, dose=run.dose, description=f"Simulated {name}")}
    elif out.suffix == ".png":
        content = {out: png.encode(run.frames[0].pixels)}
    elif out.suffix in PLAYED:
        words = f"{name}. {_line(run.frames[-1], run.dose)}"
        content = {out: page(run, f"Simulated fluoroscopy, {name}", words).encode("utf-8")}
    else:
        content = {
            out / f"frame_{number:03d}.png": png.encode(frame.pixels)
            for number, frame in enumerate(run.frames)
        }
    for place, data in content.items():
        write_whole(place, lambda part, data=data: _put(part, data))  # type: ignore[misc]
    return tuple(content)


def _put(part: Path, data: bytes) -> None:
    part.write_bytes(data)


def _line(frame: Frame, dose: Dose) -> str:
    """One line for people: angles, exposure and dose."""
    patient, console = angle_words(frame.view.pose)
    exposure = frame.exposure
    return (
        f"{patient}; {console.lower()}; {exposure.kvp:.0f} kV, "
        f"{exposure.kerma_rate_mgy_min:.1f} mGy/min at the reference point; given {dose.air_kerma_mgy:.3f} mGy, "
        f"{dose.area_product_gycm2:.4f} Gy cm²."
    )


def _document(
    shot: Shot,
    level: LevelPlan,
    run: Run,
    reached: Reached,
    files: tuple[Path, ...],
    series: SourceSeries | None,
) -> dict[str, Any]:
    frame = run.frames[-1]
    view, exposure = frame.view, frame.exposure
    pose = view.pose
    return {
        "schema": "endplate/fluoro/1",
        "files": [str(path) for path in files],
        "level": level.level,
        "view": shot.view,
        "angles": {
            "patient_position": pose.position,
            "primary_deg": round(pose.primary_deg, 6),
            "secondary_deg": round(pose.secondary_deg, 6),
            "patient_text": pose.patient_text,
            "console_primary_deg": round(pose.console_primary_deg, 6),
            "console_secondary_deg": round(pose.console_secondary_deg, 6),
            "console_text": pose.console_text,
            "reachable": reached.reachable,
        },
        "geometry": {
            "isocentre_ras_mm": [round(float(number), 4) for number in view.isocentre_ras_mm],
            "source_detector_mm": view.source_detector_mm,
            "source_isocentre_mm": view.source_isocentre_mm,
            "magnification": round(view.magnification, 6),
            "pitch_mm": round(view.pitch_mm, 6),
            "rows": view.rows,
            "columns": view.columns,
            "open_fraction": round(float(frame.field.mean()), 4),
            "frame_of_reference_uid": None if series is None else series.frame_of_reference_uid,
        },
        "shown": shot.shown,
        "frames": len(run.frames),
        "needles": [
            {"side": path.side, "tip_ras_mm": _tip(path, shot)} for path in level.paths if shot.needles
        ],
        "exposure": {
            "kvp": exposure.kvp,
            "pulse_rate": exposure.pulse_rate,
            "kerma_rate_mgy_min": round(exposure.kerma_rate_mgy_min, 4),
            "area_product_rate_gycm2_min": round(exposure.area_product_rate_gycm2_min, 5),
            "detector_kerma_ngy": round(exposure.detector_kerma_ngy, 3),
            "limited": exposure.limited,
        },
        "dose": run.dose.to_json(),
        "line": _line(frame, run.dose),
        "findings": [one.model_dump(mode="json") for one in (*reached.findings, *field_findings(frame))],
    }


def _tip(path: NeedlePath, shot: Shot) -> list[float]:
    at = float("inf") if shot.time_s is None else shot.time_s
    tip = Advance(path, float(value("xray.advance_s"))).tip_ras_mm(at)
    return [round(float(number), 4) for number in np.asarray(tip)]
