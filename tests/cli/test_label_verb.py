"""``endplate label``: from clicks, from a segmenter, by mending; what it prints, writes and refuses."""

from __future__ import annotations

import json
import os
import shutil
import stat
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest

from endplate.imaging.label_origin import read_label_origin
from endplate.imaging.labels import read_labels
from endplate.imaging.levels import LEVEL_OF_ID, VERSE_IDS
from endplate.imaging.read import read_grid, read_image
from endplate.imaging.write import write_nifti
from endplate.labelling.propose import Proposal
from endplate.sources import finding

Cli = Callable[..., Any]

SCHEMA = json.loads((Path(__file__).parents[2] / "docs/schema/label-1.json").read_text("utf-8"))


def document(said: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(said.out)
    jsonschema.Draft202012Validator(SCHEMA).validate({k: v for k, v in found.items() if k != "error"})
    return found


def middles(files: Any) -> dict[str, np.ndarray]:
    """Middle of every vertebra's body in RAS mm: the front half of its label."""
    labels = read_labels(files.labels)
    found = {}
    for number in np.unique(labels.data[labels.data > 0]).tolist():
        places = labels.volume.to_world(np.argwhere(labels.data == number))
        front = places[places[:, 1] > np.quantile(places[:, 1], 0.5)]
        found[LEVEL_OF_ID[number]] = front.mean(axis=0)
    return found


def test_labels_from_points(cli: Cli, phantom_files: Any, tmp_path: Path) -> None:
    ct = read_image(phantom_files.ct)
    places = middles(phantom_files)
    words = {
        "T12": "{:.3f},{:.3f},{:.3f}".format(*places["T12"]),
        "L1": "lps:{:.3f},{:.3f},{:.3f}".format(*(places["L1"] * [-1, -1, 1])),
        "L2": "voxel:{:.3f},{:.3f},{:.3f}".format(*ct.to_voxel(places["L2"])),
    }
    points = [part for level, text in words.items() for part in ("--point", f"{level}:{text}")]
    out, parts = tmp_path / "labels.seg.nrrd", tmp_path / "parts.nii.gz"
    said = cli("label", phantom_files.ct, *points, "--out", out, "--subregions", parts, "--json")
    assert said.code == 0, said.err
    assert "Labelling from points" in said.err
    found = document(said)
    assert [level["level"] for level in found["levels"]] == ["T12", "L1", "L2"]
    assert all(0 < level["quality"] <= 1 and level["label_error_mm"] > 0 for level in found["levels"])
    assert found["files"] == ["labels.seg.nrrd", "labels.seg.nrrd.origin.json", "parts.nii.gz"]
    assert found["made_by"] == "clicks"
    assert "Checked against the scan:" in found["counted_how"]
    labels = read_labels(out, image=ct)
    truth = read_labels(phantom_files.labels, image=ct)
    for level in words:
        ours, theirs = labels.data == VERSE_IDS[level], truth.data == VERSE_IDS[level]
        assert 2 * (ours & theirs).sum() / (ours.sum() + theirs.sum()) > 0.75
    assert labels.origin is not None
    assert [click.level for click in labels.origin.clicks] == ["T12", "L1", "L2"]
    assert set(np.unique(read_grid(parts).data)) <= {0, 41, 49, 61}


def test_a_map_is_mended_and_shown(cli: Cli, phantom_files: Any, tmp_path: Path) -> None:
    out = tmp_path / "mended.nii.gz"
    words = (
        "label",
        phantom_files.ct,
        "--labels",
        phantom_files.labels,
        "--shift",
        "-1",
        "--drop",
        "T11",
        "--clean",
    )
    said = cli(*words, "--out", out)
    assert said.code == 0, said.err
    assert "T11" in said.out
    assert "Names shifted by -1" in said.out.replace("\n", " ")
    assert "Written: mended.nii.gz, mended.nii.gz.origin.json" in said.out
    assert "not a medical device" in said.out
    before, after = read_labels(phantom_files.labels), read_labels(out)
    assert np.array_equal(after.data == VERSE_IDS["T12"], before.data == VERSE_IDS["L1"])
    origin = read_label_origin(out)
    assert origin is not None
    assert (origin.made_by, len(origin.mended)) == ("given", 3)
    again = cli(*words, "--out", out, "--json")
    assert (again.code, json.loads(again.out)["error"]["code"]) == (2, "output-exists")
    replaced = cli(*words, "--out", out, "--force", "--json", "-q")
    assert (replaced.code, replaced.err) == (0, "")
    assert document(replaced)["origin"]["mended"] == list(origin.mended)


def test_a_map_alone_is_written_in_another_form(cli: Cli, phantom_files: Any, tmp_path: Path) -> None:
    out = tmp_path / "labels.dcm"
    said = cli("label", "--labels", phantom_files.labels, "--out", out, "--json")
    assert said.code == 0, said.err
    assert document(said)["origin"]["ct_fingerprint"] is None
    image = read_grid(phantom_files.labels)
    assert np.array_equal(read_labels(out, image=image).data, image.data)
    assert "levels-not-counted" in {told["code"] for told in document(said)["findings"]}


def test_a_map_of_no_spine_is_refused_with_its_document(cli: Cli, phantom_files: Any, tmp_path: Path) -> None:
    labels = read_grid(phantom_files.labels)
    joined = np.where(labels.data == VERSE_IDS["L1"], VERSE_IDS["L2"], labels.data)
    write_nifti(replace(labels, data=joined), tmp_path / "joined.nii.gz")
    out = tmp_path / "out.nii.gz"
    words = ("label", "--labels", tmp_path / "joined.nii.gz", "--out", out)
    said = cli(*words, "--json")
    assert said.code == 4
    found = document(said)
    assert found["error"]["code"] == found["refused"]["code"] == "labels-refused"
    assert [reason["code"] for reason in found["refused"]["reasons"]] == ["labels-joined-vertebrae"]
    assert not out.exists()
    shown = cli(*words)
    assert shown.code == 4
    assert "volume ml" in shown.out
    assert "two vertebrae carry one name" in shown.err


def test_the_pick_page(cli: Cli, phantom_files: Any, tmp_path: Path) -> None:
    out = tmp_path / "page.html"
    place = "{:.2f},{:.2f},{:.2f}".format(*middles(phantom_files)["L1"])
    said = cli("label", phantom_files.ct, "--pick", "--point", f"L1:{place}", "--out", out)
    assert said.code == 0, said.err
    assert "endplate label CT --points FILE" in said.out.replace("\n", " ")
    assert '"level":"L1"' in out.read_text("utf-8")
    wrong = cli("label", phantom_files.ct, "--pick", "--out", tmp_path / "page.nii.gz", "--json")
    assert (wrong.code, json.loads(wrong.out)["error"]["code"]) == (2, "output-format")


def test_proposals_wait_in_a_file_for_a_person(
    cli: Cli, phantom_files: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    places = middles(phantom_files)

    def propose(_image: Any, seeds: Any, **_how: Any) -> tuple[Proposal, ...]:
        assert [seed.level for seed in seeds] == ["L1"]
        told = finding("point-proposed", level="L2", proposed="L2", how="along the axis", confidence=0.8)
        return (Proposal("L2", places["L2"], 0.8, "along the axis", (told,)),)

    monkeypatch.setattr("endplate.labelling.propose.propose_neighbours", propose)
    out = tmp_path / "points.json"
    place = "{:.2f},{:.2f},{:.2f}".format(*places["L1"])
    words = ("label", phantom_files.ct, "--point", f"L1:{place}", "--propose", "--out", out)
    said = cli(*words, "--json")
    assert said.code == 0, said.err
    [proposed] = json.loads(said.out)["proposed"]
    assert (proposed["level"], proposed["confidence"]) == ("L2", 0.8)
    assert [(p["level"], p["proposed"]) for p in json.loads(out.read_text())["points"]] == [
        ("L1", False),
        ("L2", True),
    ]
    shown = cli(*words, "--force")
    assert "was proposed, not clicked" in shown.out.replace("\n", " ")
    page = tmp_path / "page.html"
    assert cli("label", phantom_files.ct, "--points", out, "--pick", "--out", page, "-q").code == 0
    assert '"level":"L2","ras_mm"' in page.read_text("utf-8")


def test_a_point_in_air_is_refused_with_a_document(cli: Cli, phantom_files: Any, tmp_path: Path) -> None:
    said = cli(
        "label", phantom_files.ct, "--point", "L1:voxel:0,0,5", "--out", tmp_path / "l.nii.gz", "--json"
    )
    assert said.code == 4
    found = document(said)
    assert (found["made_by"], found["levels"]) == ("clicks", [])
    assert found["refused"]["code"] == found["error"]["code"]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.name != "posix", reason="the fake program is a script with a first line")
def test_a_segmenter(cli: Cli, phantom_files: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ready = tmp_path / "ready.nii.gz"
    labels = read_grid(phantom_files.labels)
    write_nifti(replace(labels, data=np.where(labels.data > 0, 51 - labels.data, 0).astype(np.uint8)), ready)
    program = tmp_path / "bin" / "TotalSegmentator"
    program.parent.mkdir()
    program.write_text(
        f"#!{sys.executable} -S\nimport shutil, sys\nprint('Predicting part 1 of 5', flush=True)\n"
        f"shutil.copy({str(ready)!r}, sys.argv[sys.argv.index('-o') + 1])\n"
    )
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", str(program.parent))
    out = tmp_path / "labels.nii.gz"
    said = cli("label", phantom_files.ct, "--segmenter", "totalsegmentator", "--out", out, "--json")
    assert said.code == 0, said.err
    assert "TotalSegmentator: Predicting part 1 of 5" in said.err
    found = document(said)
    assert found["origin"]["tool"]["name"] == "TotalSegmentator"
    assert found["timing"]["segmenter_s"] >= 0
    assert "timing" not in read_label_origin(out).model_dump()  # type: ignore[union-attr]
    assert [level["quality"] for level in found["levels"]] == [None] * len(found["levels"])
    assert np.array_equal(read_labels(out).data, labels.data)
    doctor = json.loads(cli("doctor", "--json").out)
    assert doctor["segmenters"] == ["totalsegmentator"]
    assert doctor["segmenter_versions"] == {"totalsegmentator": None}
    assert doctor["segmenters_not_starting"] == ["totalsegmentator"]  # it knows no --version and no --help
    assert "totalsegmentator (found, does not start)" in " ".join(doctor["lines"])
    no_parts = cli(
        "label",
        phantom_files.ct,
        "--segmenter",
        "totalsegmentator",
        "--out",
        tmp_path / "more.nii.gz",
        "--organs",
        tmp_path / "organs.nii.gz",
        "--json",
        "-q",
    )
    assert (no_parts.code, json.loads(no_parts.out)["error"]["code"]) == (2, "organs-none")
    assert not (tmp_path / "more.nii.gz").exists()


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("--out", "l.nii"), "label-source"),
        (("--propose", "--out", "p.json"), "label-source"),
        (("--propose", "--segmenter", "spineps", "--out", "p.json"), "label-source"),
        (("--propose", "--point", "L1:1,2,3", "--out", "l.nii"), "output-format"),
        (("--pick", "--labels", "x.nii", "--out", "p.html"), "label-source"),
        (("--segmenter", "spineps", "--labels", "x.nii", "--out", "l.nii"), "label-source"),
        (("--point", "L1:1,2,3"), "out-missing"),
        (("--point", "L1:1,2,3", "--out", "l.png"), "output-format"),
        (("--point", "L1:1,2,3", "--out", "l.nii", "--subregions", "s.dcm"), "output-format"),
        (("--point", "L1:1,2", "--out", "l.nii"), "point-broken"),
        (("--point", "L1:9999,2,3", "--out", "l.nii"), "point-outside-ct"),
        (("--points", "none.json", "--out", "l.nii"), "file-not-found"),
        (("--segmenter", "magic", "--out", "l.nii"), "segmenter-unknown"),
        (("--segmenter", "spineps", "--time-limit", "-1", "--out", "l.nii"), "time-limit"),
        (("--labels", "none.nii", "--shift", "2", "--out", "l.nii"), "shift-unknown"),
        (("--labels", "none.nii", "--merge", "L1", "--out", "l.nii"), "merge-broken"),
    ],
)
def test_what_makes_no_sense_is_told(
    cli: Cli,
    phantom_files: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    words: tuple[str, ...],
    code: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    said = cli("label", phantom_files.ct, *words, "--json")
    assert json.loads(said.out)["error"]["code"] == code
    assert said.code in (2, 3)
    assert list(tmp_path.iterdir()) == []


def test_force_replaces_no_input(cli: Cli, phantom_files: Any, tmp_path: Path) -> None:
    ct, labels = tmp_path / "ct.nii.gz", tmp_path / "labels.nii.gz"
    for source, target in ((phantom_files.ct, ct), (phantom_files.labels, labels)):
        shutil.copy(source, target)
    points = tmp_path / "points.json"
    points.write_text("{}")
    before = {file: file.read_bytes() for file in tmp_path.iterdir()}
    clicked = ("label", ct, "--point", "L1:1,2,3", "--force", "--json")
    new = tmp_path / "new.nii.gz"
    for words, code in (
        ((*clicked, "--out", ct), "output-is-input"),
        ((*clicked, "--out", new, "--subregions", ct), "output-is-input"),
        ((*clicked, "--out", new, "--subregions", new), "outputs-same"),
        (
            ("label", ct, "--points", points, "--propose", "--out", points, "--force", "--json"),
            "output-is-input",
        ),
        (("label", "--labels", labels, "--out", labels, "--force", "--json"), "output-is-input"),
    ):
        said = cli(*words)
        assert (said.code, json.loads(said.out)["error"]["code"]) == (2, code)
    assert {file: file.read_bytes() for file in tmp_path.iterdir()} == before
    said = cli("label", "--labels", labels, "--shift", "+1", "--out", labels, "--force", "--json")
    assert said.code == 0, said.out
    assert read_label_origin(labels) is not None


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("--point", "L1:1,2"), "point-broken"),
        (("--point", "L9:1,2,3"), "level-unknown"),
        (("--point", "L1:1,2,3", "--point", "L1:4,5,6"), "point-level-twice"),
        (("--point", "S1:1,2,3"), "point-level-bodiless"),
        (("--points", "none.json"), "file-not-found"),
        (("--points", "bad.json"), "file-unreadable"),
        (("--points", "F-1.fcsv"), "point-level-unknown"),
        (("--labels", "none.nii.gz"), "file-not-found"),
        (("--segmenter", "magic"), "segmenter-unknown"),
        (("--segmenter", "spineps"), "segmenter-missing"),
        (("--segmenter", "totalsegmentator", "--subregions", "s.nii"), "subregions-none"),
        (("--segmenter", "totalspineseg", "--organs", "o.nii"), "organs-none"),
        (("--point", "L1:1,2,3", "--time-limit", "5"), "option-without-effect"),
        (("--point", "L1:1,2,3", "--scheme", "verse"), "option-without-effect"),
        (("--point", "L1:1,2,3", "--organs", "o.nii"), "option-without-effect"),
        (("--labels", "l.nii", "--subregions", "s.nii"), "option-without-effect"),
    ],
)
def test_a_typo_costs_no_reading_of_the_ct(
    cli: Cli,
    phantom_files: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    words: tuple[str, ...],
    code: str,
) -> None:
    def read(*_: Any) -> None:
        raise AssertionError("the CT was read")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("endplate.cli.label_job.read_ct", read)
    (tmp_path / "bad.json").write_text("[{")
    (tmp_path / "F-1.fcsv").write_text("# columns = id,x,y,z,label\n1,1,2,3,F-1\n")
    said = cli("label", phantom_files.ct, *words, "--out", "out.nii", "--json")
    assert json.loads(said.out)["error"]["code"] == code


def test_options_without_effect_are_named(cli: Cli, phantom_files: Any) -> None:
    words = ("--pick", "--drop", "L1", "--subregions", "k.nii.gz", "--out", "p.html", "--json")
    error = json.loads(cli("label", phantom_files.ct, *words).out)["error"]
    assert error["code"] == "option-without-effect"
    assert "--drop and --subregions" in error["what"]
    alone = ("label", "--labels", phantom_files.labels, "--series", "1", "--out", "l.nii", "--json")
    assert "--series" in json.loads(cli(*alone).out)["error"]["do"]


def test_a_ct_is_needed_for_points(cli: Cli) -> None:
    said = cli("label", "--point", "L1:1,2,3", "--out", "l.nii", "--json")
    assert json.loads(said.out)["error"]["code"] == "ct-missing"
