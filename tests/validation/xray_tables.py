"""Makes the X-ray tables in the sources, and the brute-force numbers that the beam is held against.

Run by hand in an environment with xraydb and spekpy; nothing else of Endplate needs them:
``python tests/validation/xray_tables.py``. Writes ``xray_materials.toml`` and ``xray_spectra.toml`` beside the other
constants and ``tests/fluoroscopy/xray_brute_force.json``.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import spekpy
import xraydb

ROOT = Path(__file__).parents[2]
CONSTANTS = ROOT / "src" / "endplate" / "sources" / "data" / "constants"
REFERENCE = ROOT / "tests" / "fluoroscopy" / "xray_brute_force.json"

IODINE_EDGE, BARIUM_EDGE, PLATINUM_EDGE = 33.169, 37.441, 78.395
ENERGIES = [
    *(15, 16.5, 18, 20, 22, 24, 26, 28, 30.5, IODINE_EDGE - 1e-3, IODINE_EDGE + 1e-3, 35.2),
    *(
        BARIUM_EDGE - 1e-3,
        BARIUM_EDGE + 1e-3,
        40,
        43,
        46,
        50,
        54,
        59,
        64,
        70,
        75,
        PLATINUM_EDGE - 0.02,
        PLATINUM_EDGE + 0.02,
        84,
        91,
        100,
        110,
        120,
    ),
]
EDGES = [15, 24, 29, IODINE_EDGE, BARIUM_EDGE, 41, 44.5, 48, 52, 56, 60, 65, 70, 76, 84, 95, 111]
"""Of the bins in keV: narrow where the spectra are high, and on both absorption edges."""

KVPS = range(60, 111, 5)

COMPOSITIONS: dict[str, dict[str, float]] = {
    "water": {"H": 0.111894, "O": 0.888106},
    "adipose": {"H": 0.114, "C": 0.598, "N": 0.007, "O": 0.278, "Na": 0.001, "S": 0.001, "Cl": 0.001},
    "muscle": {
        "H": 0.102, "C": 0.143, "N": 0.034, "O": 0.710, "Na": 0.001, "P": 0.002, "S": 0.003, "Cl": 0.001, "K": 0.004,
    },
    "cortical_bone": {
        "H": 0.034, "C": 0.155, "N": 0.042, "O": 0.435, "Na": 0.001, "Mg": 0.002, "P": 0.103, "S": 0.003, "Ca": 0.225,
    },
    "steel_316l": {"Fe": 0.655, "Cr": 0.17, "Ni": 0.12, "Mo": 0.025, "Mn": 0.02, "Si": 0.01},
    "nitinol": {"Ni": 0.558, "Ti": 0.442},
    "cobalt_chromium": {"Co": 0.65, "Cr": 0.285, "Mo": 0.06, "Mn": 0.005},
    "platinum": {"Pt": 1.0},
}  # fmt: skip
FORMULAS = {
    "pmma": "C5H8O2",
    "barium_sulphate": "BaSO4",
    "zirconium_dioxide": "ZrO2",
    "iohexol": "C19H26I3N3O9",
}
DENSITIES = {
    "water": 1.0,
    "adipose": 0.95,
    "muscle": 1.05,
    "cortical_bone": 1.92,
    "pmma": 1.18,
    "barium_sulphate": 4.5,
    "zirconium_dioxide": 5.68,
    "steel_316l": 7.98,
    "nitinol": 6.45,
    "cobalt_chromium": 8.30,
    "platinum": 21.45,
}


ENERGY_MEANING = (
    "Energies of xray.mass_attenuation, on both sides of the K edges of iodine, barium and platinum; between them both "
    "axes are interpolated as logarithms"
)
ATTENUATION_MEANING = (
    "Total mass attenuation with coherent scatter (Elam tables in xraydb 4.5.8). Tissues by ICRU-44 composition; 316L "
    "with Fe 65.5, Cr 17, Ni 12, Mo 2.5, Mn 2, Si 1 per cent by mass; nitinol with Ni 55.8; cobalt-chromium with "
    "Co 65, Cr 28.5, Mo 6"
)


def mass_attenuation(material: str, kev: np.ndarray) -> np.ndarray:
    """Total with coherent scatter, cm²/g."""
    ev = np.asarray(kev, dtype=float) * 1000.0
    if material in FORMULAS:
        return xraydb.material_mu(FORMULAS[material], ev, density=1.0, kind="total")
    return sum(
        share * xraydb.mu_elam(element, ev, kind="total") for element, share in COMPOSITIONS[material].items()
    )


def cesium_iodide_absorbs(kev: np.ndarray) -> np.ndarray:
    """Share of photons that 0.6 mm of CsI stops."""
    mu = xraydb.material_mu("CsI", np.asarray(kev) * 1000.0, density=4.51, kind="total")
    return 1.0 - np.exp(-mu * 0.06)


def spectrum(kvp: float) -> tuple[np.ndarray, np.ndarray, spekpy.Spek]:
    """Energies (keV) and photons per mm² in each half keV, normalised to 1 µGy of air kerma."""
    beam = spekpy.Spek(kvp=kvp, th=12, dk=0.5)
    beam.filter("Al", 3.0).filter("Cu", 0.1)
    energy, fluence = beam.get_spectrum(edges=False, flu=True, diff=False)
    keep = energy > EDGES[0]
    return energy[keep], fluence[keep] / 100.0 / beam.get_kerma(), beam


def kerma_per_photon(beam: spekpy.Spek, energy: np.ndarray, fluence: np.ndarray) -> np.ndarray:
    """Air kerma of one photon of each energy, µGy mm²; the spectrum's sum is 1 µGy."""
    raw = energy * beam.muen_air_data.get_muen_over_rho_air(energy)
    return raw / np.sum(raw * fluence)


def sig(value: float, digits: int = 5) -> float:
    """Rounded to significant digits."""
    return float(f"{value:.{digits}g}")


def row(values: np.ndarray, digits: int = 5) -> str:
    return "[" + ", ".join(f"{sig(v, digits):g}" for v in values) + "]"


def write_materials() -> None:
    names = [*COMPOSITIONS, *FORMULAS]
    kev = np.array(ENERGIES)
    lines = [
        "# X-ray attenuation of what stands in the beam. Made by tests/validation/xray_tables.py.",
        "",
        '["xray.energy_kev"]',
        "value = [" + ", ".join(f"{e:g}" if e != int(e) else f"{e:.1f}" for e in np.round(kev, 3)) + "]",
        'unit = "keV"',
        f'meaning = "{ENERGY_MEANING}"',
        'status = "computed"',
        'source = "xraydb-elam"',
        "",
        '["xray.mass_attenuation"]',
        'unit = "cm2/g at the energies of xray.energy_kev"',
        f'meaning = "{ATTENUATION_MEANING}"',
        'status = "computed"',
        'source = "xraydb-elam"',
        "",
        '["xray.mass_attenuation".value]',
        *(f"{name} = {row(mass_attenuation(name, kev))}" for name in names),
        "",
        '["xray.density_gcc"]',
        "value = { "
        + ", ".join(f"{k} = {v:g}" if v != int(v) else f"{k} = {v:.1f}" for k, v in DENSITIES.items())
        + " }",
        'unit = "g/cm3"',
        'meaning = "Mass densities: ICRU-44 for tissues; handbook values for the rest"',
        'status = "recalled"',
        'source = "nist-xray"',
        "",
    ]
    (CONSTANTS / "xray_materials.toml").write_text("\n".join(lines), "utf-8")


def write_spectra() -> None:
    energies, fluences, signals, kermas, half = {}, {}, {}, {}, {}
    for kvp in KVPS:
        kev, photons, beam = spectrum(kvp)
        signal = photons * kev * cesium_iodide_absorbs(kev)
        signal /= signal.sum()
        kerma = kerma_per_photon(beam, kev, photons) * photons
        # Behind a patient the bin is seen by its hard side: its energy is the mean with half of that hardening.
        behind = signal * np.exp(-mass_attenuation("water", kev) * 15.0)
        bins = np.digitize(kev, EDGES) - 1
        found = [np.flatnonzero(bins == b) for b in range(len(EDGES) - 1)]
        found = [index for index in found if len(index) and signal[index].sum() > 1e-7]
        energies[kvp] = [float((kev[i] * behind[i]).sum() / behind[i].sum()) for i in found]
        fluences[kvp] = [float(photons[i].sum()) for i in found]
        signals[kvp] = [float(signal[i].sum()) for i in found]
        kermas[kvp] = [float(kerma[i].sum()) for i in found]
        half[kvp] = beam.get_hvl1()
    lines = [
        "# X-ray beams of a C-arm on up to 16 bins of energy. Made by tests/validation/xray_tables.py.",
        "",
    ]
    about = "tungsten at 12 degrees, 3 mm Al and 0.1 mm Cu (spekpy 2.5.4)"
    for key, table, unit, meaning in (
        (
            "energy_kev",
            energies,
            "keV by kVp",
            f"Energy that stands for each bin (mean behind 15 cm of water); {about}",
        ),
        (
            "photons_mm2_ugy",
            fluences,
            "photons/mm2 per uGy by kVp",
            f"Photons in each bin for 1 uGy of air kerma; {about}",
        ),
        (
            "signal",
            signals,
            "share of the open beam's signal by kVp",
            "Share of each bin in what 0.6 mm of CsI that integrates energy shows of the open beam",
        ),
        (
            "kerma",
            kermas,
            "share of the open beam's air kerma by kVp",
            "Share of each bin in the air kerma of the open beam",
        ),
    ):
        lines += [
            f'["xray.spectrum_{key}"]', f'unit = "{unit}"', f'meaning = "{meaning}"',
            'status = "computed"', 'source = "spekpy-carm"', "", f'["xray.spectrum_{key}".value]',
            *(f"{kvp} = {row(np.array(values))}" for kvp, values in table.items()), "",
        ]  # fmt: skip
    lines += [
        '["xray.half_value_layer_mm_al"]',
        "value = { " + ", ".join(f"{kvp} = {hvl:.2f}" for kvp, hvl in half.items()) + " }",
        'unit = "mm Al by kVp"',
        f'meaning = "First half-value layer; {about}"',
        'status = "computed"',
        'source = "spekpy-carm"',
        "",
    ]
    (CONSTANTS / "xray_spectra.toml").write_text("\n".join(lines), "utf-8")


def mixture(material: str, kev: np.ndarray) -> np.ndarray:
    """Linear attenuation in 1/cm of the tools and tissues of the reference numbers."""
    if material == "cement":
        return 1.45 * (
            0.207 * mass_attenuation("barium_sulphate", kev) + 0.793 * mass_attenuation("pmma", kev)
        )
    if material == "contrast_180":
        iohexol = 0.180 * 821.14 / (3 * 126.904)
        rest = 1.0 + 0.001163 * 180.0 - iohexol
        return iohexol * mass_attenuation("iohexol", kev) + rest * mass_attenuation("water", kev)
    return DENSITIES[material] * mass_attenuation(material, kev)


def write_reference() -> None:
    """−ln of the signal by summing every half keV."""
    cases = []
    tools = [
        {},
        {"steel_316l": 0.1},
        {"cement": 1.5},
        {"contrast_180": 1.5},
        {"steel_316l": 0.06, "cement": 2.0},
    ]
    tools += [{"nitinol": 0.1}, {"cobalt_chromium": 0.1}]
    for kvp in (60, 70, 80, 95, 110):
        kev, photons, _ = spectrum(kvp)
        signal = photons * kev * cesium_iodide_absorbs(kev)
        for soft in (0.0, 2.0, 10.0, 20.0, 30.0, 35.0):
            for bone in (0.0, 1.0):
                for tool in tools:
                    path = soft * mixture("water", kev) + bone * mixture("cortical_bone", kev)
                    path = path + sum(
                        (cm * mixture(name, kev) for name, cm in tool.items()), np.zeros_like(kev)
                    )
                    total = -np.log((signal * np.exp(-path)).sum() / signal.sum())
                    cases.append(
                        {
                            "kvp": kvp,
                            "soft_cm": soft,
                            "bone_cm": bone,
                            "tools_cm": tool,
                            "minus_ln_t": sig(total, 7),
                        }
                    )
    REFERENCE.parent.mkdir(exist_ok=True)
    text = json.dumps({"made_by": "spekpy 2.5.4 and xraydb 4.5.8, steps of 0.5 keV", "cases": cases})
    REFERENCE.write_text(text.replace('}, {"kvp', '},\n{"kvp') + "\n", "utf-8")


if __name__ == "__main__":
    write_materials()
    write_spectra()
    write_reference()
