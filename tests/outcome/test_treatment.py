"""The outcome of a procedure: every key of the document, the warmth, the maps, the files for others."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cemented
import nibabel
import numpy as np
import pytest
from pydicom import dcmread

from endplate.cement.bone_model import BoneModel
from endplate.cement.heat import HeatOptions
from endplate.cement.model import ROUTES, Fill, empty
from endplate.cement.rheology import cement_law
from endplate.errors import UsageError
from endplate.imaging.volume import Volume
from endplate.outcome.before_after import Scan
from endplate.outcome.export import write_cement_nifti, write_cement_seg
from endplate.outcome.fields import CementMaps, LevelFields, cement_maps
from endplate.outcome.heat import regions
from endplate.outcome.model import HeatOutcome, Treatment
from endplate.outcome.treatment import Treated, TreatedLevel, at_last_stroke, heat_findings, treatment

HEAT = HeatOptions(minutes=6.0)


@pytest.fixture(scope="module")
def treated(bone: BoneModel, fill: Fill) -> Treated:
    arrival = np.where(fill.saturation > 0.0, 1800.0 + bone.grid.local_mm[..., 2], np.nan)
    left = TreatedLevel(bone, fill, arrival, cement_law("medium-viscosity"))
    return treatment(cemented.played(bone, fill), {cemented.LEVEL: left}, None, heat=HEAT)


@pytest.fixture(scope="module")
def maps(treated: Treated, scan: Scan) -> CementMaps:
    return cement_maps(treated.fields, scan.image)


def test_the_document_has_every_key_others_rely_on(treated: Treated) -> None:
    plain = treated.document.model_dump(mode="json", by_alias=True)
    level = plain["levels"][0]
    assert {"level", "balloon", "cement", "strength"} <= set(level)
    assert level["balloon"] is None
    cement = {
        "delivered_ml",
        "in_cannula_ml",
        "in_bone_ml",
        "in_cavity_ml",
        "marrow_displaced_ml",
        "mass_error",
        "peak_pressure_mpa",
        "fill_fraction",
        "touches_endplates",
        "leaks_ml",
        "in_canal_ml",
        "toward_lung_ml",
        "peak_temperature_c",
        "stopped_because",
    }
    assert cement <= set(level["cement"])
    assert tuple(level["cement"]["leaks_ml"]) == ROUTES
    strength = {
        "before_n",
        "after_bonded_n",
        "after_derated_n",
        "intact_expectation_n",
        "stiffness_before_n_per_mm",
        "stiffness_after_n_per_mm",
    }
    assert strength <= set(level["strength"])
    assert all(level["strength"][name] is None for name in strength)
    assert set(plain["session"]) == {"timeline", "time_s", "dose"}
    assert Treatment.model_validate_json(treated.document.model_dump_json(by_alias=True)) == treated.document


def test_cement_is_where_the_fill_has_it(treated: Treated, bone: BoneModel, fill: Fill) -> None:
    found = treated.document.find(cemented.LEVEL)
    assert found is not None
    assert found.cement is not None
    cement = found.cement
    assert cement.in_bone_ml + cement.in_cavity_ml == pytest.approx(float(fill.volume_ml(bone.medium).sum()))
    missing = cement.delivered_ml - cement.in_cannula_ml - cement.in_bone_ml - cement.leaks_ml.total_ml
    assert abs(missing) < 1e-9
    assert cement.leaks_ml.as_tuple() == cemented.LEAKED
    assert cement.toward_lung_ml == pytest.approx(sum(cemented.LEAKED))
    assert cement.in_canal_ml == 0.0
    assert cement.touches_endplates is True
    assert cement.fill_fraction == pytest.approx(cement.in_bone_ml / bone.body_volume_ml)
    assert cement.stopped_text == "The planned 4.0 ml are in."


def test_the_timeline_runs_in_time(treated: Treated) -> None:
    times = [one.time_s for one in treated.document.session.timeline]
    assert times == sorted(times)
    assert [one.what for one in treated.document.session.timeline][:2] == ["access", "injection"]
    assert treated.document.session.dose is not None
    assert treated.document.session.dose.air_kerma_mgy == 20.0


def test_it_is_warmest_in_the_cement_and_cooler_further_away(treated: Treated) -> None:
    cement = treated.document.levels[0].cement
    assert cement is not None
    assert cement.heat is not None
    peaks = {one.name: one.peak_c for one in cement.heat.regions}
    assert cement.peak_temperature_c == peaks["cement"] > peaks["interface"] > 37.5
    assert peaks["interface"] > peaks["posterior_wall"] > peaks["foramina"] >= 37.0
    assert cement.heat.thresholds_c == (45.0, 47.0, 50.0)


def test_heat_starts_when_the_last_cement_came(bone: BoneModel, fill: Fill) -> None:
    """Cement that waited ten minutes in the body is younger by what it aged there."""
    done = cemented.played(bone, fill).levels[0]
    law = cement_law("medium-viscosity")
    waited = 600.0
    older = replace(
        fill, age_s=np.where(fill.saturation > 0.0, 300.0 + waited * float(law.age_rate(37.0)), 0.0)
    )
    back = at_last_stroke(TreatedLevel(bone, older, None, law), done, (done.last_cement_s or 0.0) + waited)
    assert back.age_s == pytest.approx(fill.age_s)


def test_no_structure_is_two_sided(bone: BoneModel, fill: Fill) -> None:
    found = regions(bone, fill.saturation * bone.medium.porosity)
    assert not (found["posterior_wall"] & found["anterior_cortex"]).any()
    assert not (found["canal"] & bone.body).any()
    assert all(mask.any() for mask in found.values())


def test_a_warm_canal_is_told(treated: Treated) -> None:
    cement = treated.document.levels[0].cement
    assert cement is not None
    assert cement.heat is not None
    told = {peak: _codes_with_canal_at(cement.heat, peak) for peak in (38.0, 46.0)}
    assert "outcome-canal-warm" not in told[38.0]
    assert "outcome-canal-warm" in told[46.0]
    assert heat_findings("L1", None) == []


def _codes_with_canal_at(heat: HeatOutcome, peak_c: float) -> set[str]:
    canal = heat.find("canal")
    assert canal is not None
    changed = heat.model_copy(update={"regions": (canal.model_copy(update={"peak_c": peak_c}),)})
    return {one.code for one in heat_findings("L1", changed)}


def test_a_level_without_cement_is_unknown_not_zero(bone: BoneModel) -> None:
    left = TreatedLevel(bone, empty(bone.medium), None, cement_law("medium-viscosity"))
    document = cemented.played(bone, empty(bone.medium))
    found = treatment(document, {cemented.LEVEL: left}, None, heat=HEAT)
    cement = found.document.levels[0].cement
    assert cement is not None
    assert cement.peak_temperature_c is None
    assert cement.heat is None
    assert found.fields == ()


def test_the_maps_keep_the_volume_and_the_times(
    maps: CementMaps, scan: Scan, bone: BoneModel, fill: Fill
) -> None:
    voxel_ml = float(np.prod(scan.image.spacing_mm)) / 1000.0
    held = float(fill.volume_ml(bone.medium).sum())
    assert float(maps.fraction.data.sum()) * voxel_ml == pytest.approx(held, rel=0.01)
    assert maps.fraction.same_grid_as(scan.image)
    assert maps.arrival_s is not None
    assert maps.peak_c is not None
    where = np.argwhere(maps.fraction.data > 0.6)
    local = bone.grid.axes.to_local(scan.image.to_world(where))
    times = maps.arrival_s.data[tuple(where.T)]
    assert times == pytest.approx(1800.0 + local[:, 2], abs=1.5)
    assert maps.peak_c.data.max() > 45.0
    inside = maps.peak_c.data > 0.0
    assert maps.peak_c.data[inside].min() > 36.5


def test_a_map_beyond_the_scan_is_cut_not_an_error(treated: Treated, scan: Scan) -> None:
    half = scan.image.crop((0, 0, 0), (scan.image.shape[0] // 2, *scan.image.shape[1:]))
    found = cement_maps(treated.fields, half)
    assert found.fraction.shape == half.shape
    assert found.fraction.data.any()


def test_maps_of_nothing_are_empty(scan: Scan) -> None:
    field = LevelFields(np.eye(4), np.zeros((3, 3, 3)), np.full((3, 3, 3), np.nan))
    found = cement_maps([field], scan.image)
    assert not found.fraction.data.any()
    assert found.arrival_s is not None
    assert not found.arrival_s.data.any()
    assert found.peak_c is None


def test_cement_as_nifti_and_as_coded_segments(maps: CementMaps, scan: Scan, tmp_path: Path) -> None:
    write_cement_nifti(maps.fraction, tmp_path / "cement.nii.gz")
    read = nibabel.load(tmp_path / "cement.nii.gz")
    assert np.allclose(read.affine, maps.fraction.affine, atol=1e-5)
    assert np.asarray(read.dataobj) == pytest.approx(maps.fraction.data, abs=1e-6)
    for name in ("a.dcm", "b.dcm"):
        write_cement_seg(maps.fraction, scan.labels, [("L1", 20)], tmp_path / name)
    assert (tmp_path / "a.dcm").read_bytes() == (tmp_path / "b.dcm").read_bytes()
    dataset = dcmread(tmp_path / "a.dcm")
    assert [one.SegmentLabel for one in dataset.SegmentSequence] == ["Simulated cement L1"]
    kind = dataset.SegmentSequence[0].SegmentedPropertyTypeCodeSequence[0]
    assert (kind.CodingSchemeDesignator, kind.CodeValue) == ("99ENDPLATE", "CEMENT")
    frames = dataset.pixel_array.reshape(-1, dataset.Rows, dataset.Columns)
    assert int(frames.sum()) == int((maps.fraction.data >= 0.5).sum())


def test_cement_between_two_levels_goes_to_the_nearer(scan: Scan, tmp_path: Path) -> None:
    share = np.zeros(scan.image.shape, np.float32)
    for number in (19, 21):
        i, j, k = (int(one) for one in np.median(np.argwhere(scan.labels.data == number), axis=0))
        share[i : i + 3, j : j + 3, k : k + 3] = 1.0
    fraction = Volume(share, scan.image.affine)
    write_cement_seg(fraction, scan.labels, [("T12", 19), ("L2", 21)], tmp_path / "two.dcm")
    dataset = dcmread(tmp_path / "two.dcm")
    assert [one.SegmentLabel for one in dataset.SegmentSequence] == [
        "Simulated cement T12",
        "Simulated cement L2",
    ]
    assert int(dataset.pixel_array.sum()) == 54


def test_no_cement_is_no_file(scan: Scan, tmp_path: Path) -> None:
    nothing = Volume(np.zeros(scan.image.shape, np.float32), scan.image.affine)
    for write in (
        lambda: write_cement_nifti(nothing, tmp_path / "x.nii.gz"),
        lambda: write_cement_seg(nothing, scan.labels, [("L1", 20)], tmp_path / "x.dcm"),
    ):
        with pytest.raises(UsageError) as caught:
            write()
        assert caught.value.code == "export-no-cement"
    assert list(tmp_path.iterdir()) == []
