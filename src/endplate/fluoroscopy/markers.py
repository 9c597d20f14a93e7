"""What every picture says about itself: side and head markers, the angles in words, and that it is simulated."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from endplate.fluoroscopy.letters import ROWS, width, write
from endplate.fluoroscopy.scatter import view_kind
from endplate.fluoroscopy.view import Shown, View, is_mirrored
from endplate.imaging.carm import WORD_DEG, CArmPose
from endplate.imaging.geometry import FloatArray

Grey = NDArray[np.uint8]

SIMULATED = "SIMULATED"
"""Burnt into every picture."""

MARGIN = 4
LINE_GAP = 4
PIXELS_PER_SCALE = 400
"""Side of the picture for which letters grow by one dot."""

_LETTERS = (("R", "L"), ("A", "P"), ("H", "F"))


@dataclass(frozen=True)
class Sides:
    """Letters of the patient's directions at the edges of a shown picture."""

    left: str
    right: str
    top: str
    bottom: str


def sides(view: View, shown: Shown = "radiograph") -> Sides:
    """The letters at the edges: where the patient's right or left, front or back, head or feet lie."""
    right = view.column_ras if not is_mirrored(view, shown) else -view.column_ras
    return Sides(
        left=_letter(-right), right=_letter(right), top=_letter(-view.row_ras), bottom=_letter(view.row_ras)
    )


def view_name(pose: CArmPose) -> str:
    """``"AP"``, ``"PA"``, ``"LATERAL"`` or ``"OBLIQUE"``: by which side the beam comes from."""
    kind = view_kind(pose)
    if kind == "ap":
        # The beam runs from front to back where the detector is behind: an AP picture, whatever the table.
        return "AP" if pose.detector_ras[1] < 0.0 else "PA"
    return kind.upper()


def angle_words(pose: CArmPose) -> tuple[str, str]:
    """The angles in patient terms and as dialled, short enough for a picture."""
    tilts = [
        f"{abs(angle):.0f}° TO {plus if angle > 0.0 else minus}"
        for angle, plus, minus in (
            (pose.console_primary_deg, "PATIENT'S LEFT", "PATIENT'S RIGHT"),
            (pose.console_secondary_deg, "HEAD", "FEET"),
        )
        if abs(angle) >= WORD_DEG
    ]
    return pose.patient_text.upper(), "CONSOLE " + (", ".join(tilts) or "0°")


def burn_in(
    picture: Grey, view: View, *, shown: Shown = "radiograph", caption: str = "", notes: tuple[str, ...] = ()
) -> Grey:
    """Return the picture as shown, with everything that it must say.

    Parameters
    ----------
    picture:
        Grey levels in the view's own columns, shape (rows, columns).
    view, shown:
        How it was taken and how it is shown: the picture is mirrored here, the letters never.
    caption:
        Stands at the upper right; ``""``: the name of the view.
    notes:
        More lines at the lower right.
    """
    out = np.array(picture[:, ::-1] if is_mirrored(view, shown) else picture, order="C")
    rows, columns = out.shape
    scale = max(1, round(min(rows, columns) / PIXELS_PER_SCALE))
    line = ROWS * scale + LINE_GAP
    at = sides(view, shown)
    big = scale + 1
    high, wide = ROWS * big, width("R", big)
    write(out, at.left, (rows - high) // 2, MARGIN, big)
    write(out, at.right, (rows - high) // 2, columns - wide - MARGIN + big, big)
    write(out, at.top, MARGIN, (columns - wide) // 2, big)
    write(out, at.bottom, rows - high - MARGIN, (columns - wide) // 2, big)
    write(out, SIMULATED, MARGIN, MARGIN, scale)
    name = (caption or view_name(view.pose)).upper()
    write(out, name, MARGIN, columns - width(name, scale) - MARGIN, scale)
    if shown == "behind" and not view.pose.lateral:
        words = "SEEN FROM BEHIND"
        write(out, words, MARGIN + line, columns - width(words, scale) - MARGIN, scale)
    for number, words in enumerate(reversed(angle_words(view.pose))):
        write(out, words, rows - high - MARGIN - LINE_GAP - (number + 1) * line, MARGIN, scale)
    for number, words in enumerate(reversed(notes)):
        left = columns - width(words, scale) - MARGIN
        write(out, words, rows - high - MARGIN - LINE_GAP - (number + 3) * line, left, scale)
    return out


def _letter(direction: FloatArray) -> str:
    axis = int(np.argmax(np.abs(direction)))
    return _LETTERS[axis][0 if direction[axis] > 0.0 else 1]
