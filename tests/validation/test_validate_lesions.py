"""Lesions on 200 phantoms with and 200 without: found by size, place and kind, and false findings by level."""

from __future__ import annotations

from collections import Counter

import pytest
from flag_study import Share
from lesion_study import KINDS, PLACES, SIZES_MM, Pair, found_share, study
from records import row, write_record
from workers import spread_over

from endplate.sources import value

PAIRS = 200
FIRST_SEED = 400000
"""No constant was chosen on these seeds; development used others (50000, 70000, 81000 and 90000 on)."""

METHOD = f"""{PAIRS} three-level phantoms drawn from published normal variation (`synthetic.norms.random_spec`; T7–L5;
a third with a fracture of the middle level, with impaction, some with a gas cleft; a quarter with low density), each
imaged twice with other noise: without and with one lesion of the middle level. Lesions: lytic (30–60 HU) and blastic
(300–900 HU, at least 150 HU denser than what they replace) in turn, in body, pedicle and posterior wall in turn,
diameters evenly over 4–20 mm, borders sharp or soft over 2 or 4 mm; voxels 0.7–1.5 mm, point spread 0.6–1.2 mm, noise
5–20 HU, trabecular texture. Found: an area of the same kind whose centre lies within the lesion's radius + 1 mm (at
least 6 mm) of its centre. False: any lesion, broken arch or bulging border on a level that has none. The seeds were
not used while the method was made. Intervals are 95 % Wilson."""


def _text(share: Share) -> str:
    low, high = share.interval
    return f"{share.value:.3f} ({low:.3f}–{high:.3f}), {share.hits} of {share.of}"


def _table(pairs: list[Pair]) -> str:
    lines = [
        "| kind, place | " + " | ".join(f"{low:g}–{high:g} mm" for low, high in SIZES_MM) + " |",
        "|" + "---|" * (1 + len(SIZES_MM)),
    ]
    for kind in KINDS:
        for place in PLACES:
            cells = [found_share(pairs, low, high + 1e-9, kind, place) for low, high in SIZES_MM]
            lines.append(f"| {kind}, {place} | " + " | ".join(f"{c.hits} of {c.of}" for c in cells) + " |")
    return "Found, by kind, place and true diameter:\n\n" + "\n".join(lines)


def _by_contrast(pairs: list[Pair]) -> str:
    lines = ["| contrast of a lytic lesion in the body, HU | found, from 8 mm |", "|---|---|"]
    for low, high in ((0, 40), (40, 80), (80, 500)):
        chosen = [
            p.lesion
            for p in pairs
            if p.lesion.kind == "lytic"
            and p.lesion.place == "body"
            and p.lesion.diameter_mm >= 8.0
            and low <= -p.lesion.contrast_hu < high
        ]
        lines.append(f"| {low}–{high} | {sum(c.found_mm is not None for c in chosen)} of {len(chosen)} |")
    return "\n".join(lines)


@pytest.mark.validate
@pytest.mark.timeout(2400)
def test_lesions_found_and_false() -> None:
    seeds = range(FIRST_SEED, FIRST_SEED + PAIRS + 20)
    pairs = [pair for pair in spread_over(study, seeds) if pair is not None][:PAIRS]
    found = found_share(pairs, 8.0, 20.1)
    small = found_share(pairs, 0.0, 8.0)
    least = float(value("lesion.contrast_min")["lytic_hu"])
    visible = found_share([p for p in pairs if abs(p.lesion.contrast_hu) >= least], 8.0, 20.1)
    names = [name for pair in pairs for name in pair.false]
    false = Share(sum(bool(name) for name in names), len(names))
    bulges = Share(sum(p.bulges[0] for p in pairs), sum(p.bulges[1] for p in pairs))
    breaks = Share(sum(p.breaks[0] for p in pairs), sum(p.breaks[1] for p in pairs))
    counted = ", ".join(f"{name}: {count}" for name, count in Counter(n for n in names if n).most_common())
    asked = "asked for; truth of the phantom"
    rows = [
        row("lesions of at least 8 mm found", _text(found), "1", "≥ 0.90", asked, reached=found.value >= 0.9),
        row(f"the same, without those of less than {least:.0f} HU contrast", _text(visible), "1", "–",
            "soft tissue in bone as thin as soft tissue cannot be seen by its HU", reached=None),
        row("levels falsely called", _text(false), "0", "≤ 0.05", asked, reached=false.value <= 0.05),
        row("lesions of 4–8 mm found", _text(small), "–", "–", "areas under 5.5 mm are not reported by design",
            reached=None),
        row("bulging borders of at least 3 mm found", _text(bulges), "1", "–", "reported", reached=None),
        row("broken arches found, gaps of 2–4 mm bridged by the label", _text(breaks), "1", "–", "reported",
            reached=None),
    ]  # fmt: skip
    write_record(
        "lesions",
        title="Lesions and destroyed bone",
        order=6,
        method=METHOD,
        rooms=("anatomy: lesions", "synthetic/lesion.py"),
        rows=rows,
        details=[_table(pairs), _by_contrast(pairs), f"False calls: {counted or 'none'}."],
    )
    assert len(pairs) == PAIRS
    assert [item["what"] for item in rows if item["reached"] is False] == []
