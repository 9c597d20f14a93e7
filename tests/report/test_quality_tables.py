"""The tables of the quality page: what was found, what it does, what was done; and what else is in the bone."""

from __future__ import annotations

from dataclasses import replace

from endplate.anatomy.model import Implants, Lesion, Spine, Vertebra
from endplate.imaging.label_origin import LabelOrigin, LevelOrigin
from endplate.imaging.scan_character import scan_character
from endplate.report.quality import quality_tables
from endplate.synthetic import GridSpec, build_phantom, default_spec
from endplate.synthetic.scanner_spec import ScannerSpec


def spine(**changes: object) -> Spine:
    return Spine(levels=(Vertebra(level="L1", label_id=20, complete=True, **changes),))  # type: ignore[arg-type]


def test_nothing_to_say_without_a_ct():
    assert quality_tables(None, spine(), None) == []


def test_an_enhanced_scan_is_set_apart():
    spec = default_spec(("L1",))
    spec = replace(spec, scanner=ScannerSpec(contrast="arterial"))
    phantom = build_phantom(spec, GridSpec((2.0, 2.0, 2.0), margin_mm=(40.0, 60.0, 10.0), to_skin=True))
    tables = quality_tables(scan_character(phantom.volume, phantom.labels), spine(), None)
    assert tables[0].caption == "What kind of scan it is"
    rows = {row.heading: row for row in tables[0].rows}
    contrast = next(row for heading, row in rows.items() if "ontrast" in heading)
    assert contrast.mark == "breach"
    assert len({"Kernel", "Noise", "Slices", "Couch"} & set(rows)) == 4


def test_implants_and_lesions_have_their_rows():
    lesion = Lesion(
        kind="lytic",
        place="body",
        side="left",
        centre_ras_mm=(0.0, 0.0, 0.0),
        diameter_mm=12.0,
        volume_ml=0.9,
        mean_hu=40.0,
        contrast_hu=-90.0,
        contrast_sd=-6.0,
        destroyed=("posterior",),
    )
    changed = spine(implants=Implants(cement_ml=2.4), treated_before=True, lesions=(lesion,))
    implants, lesions = quality_tables(None, changed, None)
    assert [cell.text for cell in implants.rows[0].cells] == ["2.4", "0.0", "0.0", "yes"]
    texts = [cell.text for cell in lesions.rows[0].cells]
    assert texts[0] == "lytic"
    assert texts[-1] == "posterior"
    assert "not excluded" in lesions.note


def test_labels_say_how_they_were_made():
    known = LevelOrigin(level="L1", quality=0.8, label_error_mm=1.2, assumed=("The arch is a threshold.",))
    (table,) = quality_tables(
        None, spine(), LabelOrigin(made_by="clicks", levels=(known,), mended=("Cleaned.",))
    )
    assert "one point a vertebra" in table.caption
    assert [cell.text for cell in table.rows[0].cells] == ["0.80", "1.2", "The arch is a threshold."]
    assert table.note.endswith("Cleaned.")
