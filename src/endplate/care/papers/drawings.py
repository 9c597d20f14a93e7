"""Drawings of our own for the patient: how to get out of bed, and how to treat the wound."""

from __future__ import annotations

import math

from endplate.papers.svg import Drawing, Point

INK, BODY, BED, SOFT, GOOD, BAD = "#212529", "#3b6ea5", "#8d99a6", "#dfe6ee", "#1b6e3c", "#b23c00"
PANEL = 168.0
LIMB, TRUNK = 13.0, 19.0


def log_roll(captions: tuple[str, str, str, str], *, alt: str) -> Drawing:
    """Four steps out of bed: knees up, turn as one, legs down and push, sit.

    Parameters
    ----------
    captions:
        Words below each step.
    alt:
        All of it in words.
    """
    drawing = Drawing(4 * PANEL, 178, alt=alt)
    for index, (step, words) in enumerate(zip((_knees, _turn, _push, _sit), captions, strict=True)):
        left = index * PANEL
        drawing.rect((left + 3, 3), PANEL - 6, 172, fill="#ffffff", stroke=BED, stroke_width=1, rx=6)
        step(drawing, left)
        drawing.circle((left + 20, 20), 11, fill=INK)
        drawing.text(
            (left + 20, 25), str(index + 1), size=14, anchor="middle", fill="#ffffff", font_weight="bold"
        )
        for line, part in enumerate(_wrapped(words)):
            drawing.text((left + PANEL / 2, 147 + 15 * line), part, size=13, anchor="middle", fill=INK)

    return drawing


def wound_care(captions: tuple[str, str, str], *, alt: str) -> Drawing:
    """Three rules: shower is allowed, pat dry, no bath."""
    drawing = Drawing(3 * PANEL, 168, alt=alt)
    for index, (picture, words, good) in enumerate(
        zip((_shower, _pat, _bath), captions, (True, True, False), strict=True)
    ):
        left = index * PANEL
        drawing.rect((left + 3, 3), PANEL - 6, 162, fill="#ffffff", stroke=BED, stroke_width=1, rx=6)
        picture(drawing, left)
        _verdict(drawing, (left + PANEL - 24, 24), good=good)
        for line, part in enumerate(_wrapped(words)):
            drawing.text((left + PANEL / 2, 138 + 15 * line), part, size=13, anchor="middle", fill=INK)
    return drawing


def _wrapped(words: str, width: int = 23) -> list[str]:
    lines = [""]
    for word in words.split():
        if lines[-1] and len(lines[-1]) + 1 + len(word) > width:
            lines.append(word)
        else:
            lines[-1] = f"{lines[-1]} {word}".strip()
    return lines


def _limb(drawing: Drawing, *points: Point, width: float = LIMB, colour: str = BODY) -> None:
    drawing.polyline(
        points, stroke=colour, stroke_width=width, stroke_linecap="round", stroke_linejoin="round"
    )


def _head(drawing: Drawing, at: Point) -> None:
    drawing.circle(at, 11, fill="#f2c9a1", stroke=INK, stroke_width=1.5)


def _bed(drawing: Drawing, left: float) -> None:
    drawing.rect((left + 12, 104), PANEL - 24, 12, fill=SOFT, stroke=BED, stroke_width=1.5, rx=4)
    for x in (left + 20, left + PANEL - 20):
        drawing.line((x, 116), (x, 128), stroke=BED, stroke_width=4)
    drawing.rect((left + 15, 96), 30, 9, fill="#ffffff", stroke=BED, stroke_width=1.5, rx=4)


def _knees(drawing: Drawing, left: float) -> None:
    _bed(drawing, left)
    _head(drawing, (left + 32, 86))
    _limb(drawing, (left + 50, 93), (left + 92, 94), width=TRUNK)
    _limb(drawing, (left + 96, 95), (left + 118, 64), (left + 136, 97))


def _turn(drawing: Drawing, left: float) -> None:
    _bed(drawing, left)
    _head(drawing, (left + 32, 84))
    _limb(drawing, (left + 50, 90), (left + 92, 91), width=TRUNK + 6)
    _limb(drawing, (left + 96, 93), (left + 122, 84), (left + 134, 97))
    _limb(drawing, (left + 58, 88), (left + 76, 97), colour="#29527d", width=9)
    _arrow(drawing, (left + 84, 66), 30, 200, 340)


def _push(drawing: Drawing, left: float) -> None:
    _bed(drawing, left)
    _head(drawing, (left + 50, 48))
    _limb(drawing, (left + 62, 62), (left + 96, 93), width=TRUNK)
    _limb(drawing, (left + 98, 95), (left + 128, 97), (left + 132, 124))
    _limb(drawing, (left + 62, 66), (left + 52, 84), (left + 58, 99), colour="#29527d", width=9)
    _straight_arrow(drawing, (left + 26, 84), (left + 26, 50))


def _sit(drawing: Drawing, left: float) -> None:
    _bed(drawing, left)
    _head(drawing, (left + 96, 34))
    _limb(drawing, (left + 96, 54), (left + 96, 92), width=TRUNK)
    _limb(drawing, (left + 98, 95), (left + 130, 97), (left + 132, 126))
    _limb(drawing, (left + 94, 58), (left + 80, 78), (left + 80, 99), colour="#29527d", width=9)


def _arrow(drawing: Drawing, centre: Point, radius: float, start_deg: float, end_deg: float) -> None:
    """An arc with a head at its end; degrees run clockwise on the page from three o'clock."""
    points = [
        (centre[0] + radius * math.cos(math.radians(a)), centre[1] + radius * 0.6 * math.sin(math.radians(a)))
        for a in (start_deg + (end_deg - start_deg) * i / 16 for i in range(17))
    ]
    drawing.polyline(points, stroke=GOOD, stroke_width=3.5)
    x, y = points[-1]
    drawing.polygon(((x + 4, y + 9), (x - 8, y + 1), (x + 6, y - 6)), fill=GOOD)


def _straight_arrow(drawing: Drawing, start: Point, end: Point) -> None:
    drawing.line(start, end, stroke=GOOD, stroke_width=3.5)
    x, y = end
    drawing.polygon(((x, y - 7), (x - 7, y + 5), (x + 7, y + 5)), fill=GOOD)


def _verdict(drawing: Drawing, at: Point, *, good: bool) -> None:
    x, y = at
    drawing.circle(at, 12, fill=GOOD if good else BAD)
    if good:
        drawing.polyline(((x - 6, y), (x - 2, y + 5), (x + 6, y - 5)), stroke="#ffffff", stroke_width=3)
    else:
        drawing.line((x - 5, y - 5), (x + 5, y + 5), stroke="#ffffff", stroke_width=3)
        drawing.line((x - 5, y + 5), (x + 5, y - 5), stroke="#ffffff", stroke_width=3)


def _shower(drawing: Drawing, left: float) -> None:
    drawing.polyline(
        ((left + 40, 118), (left + 40, 22), (left + 74, 22), (left + 74, 30)), stroke=BED, stroke_width=5
    )
    drawing.polygon(((left + 60, 30), (left + 88, 30), (left + 94, 40), (left + 54, 40)), fill=BED)
    for row in range(3):
        for column in range(4):
            x, y = left + 58 + 10 * column, 46 + 12 * row
            drawing.line((x, y), (x - 1, y + 7), stroke="#5aa0d8", stroke_width=2.5, stroke_linecap="round")
    _head(drawing, (left + 106, 52))
    _limb(drawing, (left + 106, 70), (left + 106, 92), width=TRUNK)
    _limb(drawing, (left + 103, 96), (left + 102, 118), width=9)
    _limb(drawing, (left + 111, 96), (left + 112, 118), width=9)


def _pat(drawing: Drawing, left: float) -> None:
    drawing.rect((left + 40, 26), 62, 92, fill="#f2c9a1", stroke=INK, stroke_width=1.5, rx=20)
    drawing.line((left + 71, 34), (left + 71, 112), stroke="#b98a5e", stroke_width=2)
    drawing.rect((left + 60, 70), 24, 16, fill="#ffffff", stroke=INK, stroke_width=1.5, rx=3)
    drawing.line((left + 68, 78), (left + 76, 78), stroke=BAD, stroke_width=2.5)
    drawing.polygon(
        ((left + 94, 66), (left + 140, 58), (left + 146, 92), (left + 100, 98)),
        fill=SOFT,
        stroke=BED,
        stroke_width=1.5,
    )
    drawing.line((left + 116, 52), (left + 92, 52), stroke=GOOD, stroke_width=3.5)
    drawing.polygon(((left + 84, 52), (left + 95, 45), (left + 95, 59)), fill=GOOD)


def _bath(drawing: Drawing, left: float) -> None:
    _head(drawing, (left + 50, 56))
    _limb(drawing, (left + 54, 72), (left + 70, 96), width=TRUNK)
    _limb(drawing, (left + 74, 98), (left + 104, 76), (left + 122, 98))
    drawing.polygon(
        ((left + 22, 82), (left + 146, 82), (left + 134, 118), (left + 34, 118)),
        fill="#cfe4f5",
        stroke=BED,
        stroke_width=2,
        fill_opacity=0.85,
    )
    drawing.rect((left + 16, 76), 136, 7, fill=BED, rx=3)
