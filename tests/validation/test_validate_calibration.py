"""Density by the scan's own tissues on phantoms of known density, over tube voltage and contrast phase."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from calibration_study import Outcome, draw, run_case
from records import row, write_record
from workers import spread_over

KVP = (80.0, 100.0, 120.0, 140.0)
PHASES = ("none", "portal_venous", "arterial")
DRAWS = 3
RMS = {"none": 0.08, "contrast": 0.15}

METHOD = """Phantoms L1–L3 (70–190 mg/cm³, different from level to level) with trunk, organs and vessels, at
four tube voltages, without contrast and in the portal-venous and arterial phase. Drawn for each: the HU of
muscle, fat and blood, what contrast adds to bone (5–22 HU at 120 kVp), how far the scanner's HU scale is off
(1.2 % and 4 HU, standard deviations), how much more or less its beam gives mineral than the table (4 %), noise
10–25 HU of three textures, point spread 1 mm, couch. The tube voltage is stated, the contrast agent never: the
phase must be seen. Density is that of a ball of 6 mm in the marrow. **Shared** by phantom and calibration: the
nominal slope at 120 kVp (0.80 mg/cm³ per HU in both, drawn off by 4 % here) and the kind of spectrum (spekpy).
**Not shared**: the phantom's HU come from whole spectra and Elam tables, the calibration uses one effective
energy and NIST tables; the HU of tissues, scale, offset and the contrast of bone are drawn."""


def _rms(outcomes: Sequence[Outcome]) -> float:
    return float(np.sqrt(np.mean(np.concatenate([o.errors for o in outcomes]) ** 2)))


def _plain_rms(outcomes: Sequence[Outcome]) -> float:
    true = np.concatenate([o.true_mgcc for o in outcomes])
    plain = np.concatenate([o.uncorrected_mgcc for o in outcomes])
    return float(np.sqrt(np.mean((plain / true - 1.0) ** 2)))


def _summary(outcomes: Sequence[Outcome]) -> str:
    errors = np.concatenate([o.errors for o in outcomes])
    held = np.mean(np.concatenate([o.held for o in outcomes]))
    return (
        f"rms {100 * _rms(outcomes):.1f} %, bias {100 * errors.mean():+.1f} %, worst "
        f"{100 * np.abs(errors).max():.1f} %; true value within our interval {100 * held:.0f} %; "
        f"usual line {100 * _plain_rms(outcomes):.1f} %"
    )


@pytest.mark.validate
@pytest.mark.timeout(1200)
def test_density_over_tube_voltage_and_contrast() -> None:
    cases = [draw(seed, kvp, phase) for kvp in KVP for phase in PHASES for seed in range(DRAWS)]
    cases += [draw(50 + i, kvp, "none", told=False) for i, kvp in enumerate(KVP)]
    outcomes = spread_over(run_case, cases)
    told = [o for o in outcomes if o.told]
    plain = [o for o in told if o.contrast == "none"]
    enhanced = [o for o in told if o.contrast != "none"]
    rows = []
    for kvp in KVP:
        some = [o for o in plain if o.kvp == kvp]
        rows.append(
            row(
                f"{kvp:.0f} kVp, no contrast",
                _summary(some),
                "known density",
                "8 % rms",
                "asked for over all",
                reached=_rms(some) <= RMS["none"],
            )
        )
    rows.append(
        row(
            "all, no contrast",
            _summary(plain),
            "known density",
            "8 % rms",
            "asked for; 7.8 % published on patients",
            reached=_rms(plain) <= RMS["none"],
        )
    )
    for phase in PHASES[1:]:
        some = [o for o in enhanced if o.contrast == phase]
        rows.append(
            row(
                phase.replace("_", "-") + " phase",
                _summary(some),
                "known density",
                "15 % rms",
                "asked for",
                reached=_rms(some) <= RMS["contrast"],
            )
        )
    marked = [{"contrast-in-scan", "contrast-tag-only"} & set(o.codes) for o in enhanced]
    silent = sum(not found for found in marked)
    wrongly = sum("contrast-in-scan" in o.codes for o in plain)
    right = sum(o.phase == o.contrast for o in enhanced)
    bled = sum("blood" in o.references for o in enhanced)
    rows += [
        row(
            "enhanced scans not marked",
            f"{silent} of {len(enhanced)}",
            "specified",
            "0",
            "never silently enhanced",
            reached=silent == 0,
        ),
        row(
            "enhanced blood used as reference",
            f"{bled} of {len(enhanced)}",
            "specified",
            "0",
            "asked for",
            reached=bled == 0,
        ),
        row(
            "unenhanced scans marked as enhanced",
            f"{wrongly} of {len(plain)}",
            "specified",
            "0",
            "a wrong correction takes 12–20 HU off",
            reached=wrongly == 0,
        ),
        row(
            "phase named right",
            f"{right} of {len(enhanced)}",
            "specified",
            "–",
            "not asked for",
            reached=None,
        ),
    ]
    unknown = [o for o in outcomes if not o.told]
    rows.append(
        row(
            "tube voltage not stated, 80–140 kVp",
            _summary(unknown),
            "known density",
            "–",
            "the interval is wide and the scan marked",
            reached=None,
        )
    )
    write_record(
        "calibration",
        title="Density by the scan's own tissues",
        order=7,
        method=METHOD,
        rooms=("imaging: what kind of scan", "synthetic"),
        rows=rows,
    )
    assert _rms(plain) <= RMS["none"]
    assert _rms(enhanced) <= RMS["contrast"]
    assert silent == wrongly == bled == 0
    assert all("kvp-not-stated" in o.codes for o in unknown)
