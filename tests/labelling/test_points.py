"""Points from words and files: every frame and form, and words for every mistake."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from endplate.errors import EndplateError
from endplate.imaging.fingerprint import ct_fingerprint
from endplate.imaging.levels import VERSE_IDS
from endplate.imaging.volume import Volume
from endplate.labelling.model import Seed
from endplate.labelling.points import PointSet, check_points, clickable_levels, parse_point, without_bodiless
from endplate.labelling.points_files import read_points, write_points

TURN = Rotation.from_euler("xyz", [5, -4, 9], degrees=True).as_matrix()


def a_ct(codes: tuple[int, ...] = (0, 1, 2), flips: tuple[int, ...] = (1, 1, 1), *, seed: int = 0) -> Volume:
    """The same small oblique CT stored in any axis order and direction."""
    data = np.random.default_rng(seed).integers(-1000, 1500, (12, 14, 20)).astype(np.int16)
    affine = np.eye(4)
    affine[:3, :3] = TURN @ np.diag([2.0, 1.5, 3.0])
    affine[:3, 3] = [-30.0, 12.0, 400.0]
    turn = np.zeros((4, 4))
    turn[3, 3] = 1.0
    for new, (old, flip) in enumerate(zip(codes, flips, strict=True)):
        turn[old, new] = flip
        turn[old, 3] = 0 if flip > 0 else data.shape[old] - 1
    turned = data.transpose(codes)[tuple(slice(None, None, f) for f in flips)]
    return Volume(turned, affine @ turn)


CT = a_ct()
MIDDLE = CT.to_world([6.25, 7.5, 10.0])
UPPER = CT.to_world([6.0, 7.0, 18.0])


def refusal(call: Any, *arguments: Any) -> EndplateError:
    with pytest.raises(EndplateError) as caught:
        call(*arguments)
    assert caught.value.do
    return caught.value


def saved(tmp_path: Path, document: Any) -> Path:
    path = tmp_path / "points.json"
    path.write_text(json.dumps(document), "utf-8")
    return path


def words(place: Any) -> str:
    return ",".join(f"{c:.6f}" for c in place)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        (f"L3:{words(MIDDLE)}", MIDDLE),
        (f"l3:ras:{words(MIDDLE)}", MIDDLE),
        (f"L3:lps:{words(MIDDLE * [-1, -1, 1])}", MIDDLE),
        ("L3:VOXEL:6.25,7.5,10", MIDDLE),
    ],
)
def test_a_point_is_read_in_every_frame(text: str, place: Any) -> None:
    seed = parse_point(text, CT)
    assert seed.level == "L3"
    assert np.abs(seed.ras_mm - place).max() < 1e-5


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("L3", "point-broken"),
        ("L3:1,2", "point-broken"),
        ("L3:1,2,x", "point-broken"),
        ("L3:1,2,nan", "point-broken"),
        ("L3:foo:1,2,3", "point-broken"),
        ("L9:1,2,3", "level-unknown"),
    ],
)
def test_a_broken_point_is_told(text: str, code: str) -> None:
    error = refusal(parse_point, text, CT)
    assert (error.code, error.exit_code) == (code, 2)


def test_points_are_checked_against_the_ct() -> None:
    seeds = (Seed("L3", MIDDLE), Seed("L2", UPPER))
    assert [seed.level for seed in check_points(PointSet(seeds), CT).seeds] == ["L2", "L3"]
    assert refusal(check_points, PointSet(()), CT).code == "points-none"
    assert refusal(check_points, PointSet((), seeds), CT).code == "points-not-confirmed"
    assert refusal(check_points, PointSet((*seeds, Seed("L3", UPPER))), CT).code == "point-level-twice"
    assert refusal(check_points, PointSet((*seeds, Seed("L4", MIDDLE))), CT).code == "point-places-equal"
    outside = refusal(check_points, PointSet((Seed("L3", [500.0, 0.0, 0.0]),)), CT)
    assert outside.code == "point-outside-ct"
    assert "LPS" not in outside.what


def test_levels_without_a_body_between_discs() -> None:
    points = PointSet((Seed("S1", MIDDLE), Seed("L5", UPPER), Seed("C2", MIDDLE)), source="a file")
    error = refusal(check_points, points, CT)
    assert error.code == "point-level-bodiless"
    kept = check_points(without_bodiless(points), CT)
    assert ([seed.level for seed in kept.seeds], kept.passed_over) == (["L5"], ("S1", "C2"))
    assert clickable_levels()[0] == "C3"
    assert clickable_levels()[-1] == "L6"


def test_a_point_in_lps_given_as_ras_is_recognised() -> None:
    affine = np.diag([1.0, 1.0, 1.0, 1.0])
    affine[:3, 3] = [50.0, 60.0, 0.0]
    ct = Volume(np.zeros((20, 20, 20), dtype=np.int16), affine)
    error = refusal(check_points, PointSet((Seed("L1", [-55.0, -65.0, 5.0]),)), ct)
    assert "As LPS it would lie inside" in error.what


@given(st.permutations([0, 1, 2]), st.tuples(*[st.sampled_from([1, -1])] * 3))
def test_the_fingerprint_does_not_depend_on_how_the_ct_is_stored(
    codes: list[int], flips: tuple[int, ...]
) -> None:
    assert ct_fingerprint(a_ct(tuple(codes), flips)) == ct_fingerprint(CT)


def test_the_fingerprint_tells_other_cts() -> None:
    moved = CT.affine.copy()
    moved[0, 3] += 1.0
    others = [Volume(CT.data, moved), CT.crop((0, 0, 1), CT.shape), a_ct(seed=1)]
    assert len({ct_fingerprint(ct) for ct in (CT, *others)}) == 4


def test_own_file_comes_back_and_is_bound_to_its_ct(tmp_path: Path) -> None:
    path = tmp_path / "points.json"
    write_points(path, PointSet((Seed("L3", MIDDLE),), (Seed("L2", UPPER),)), CT)
    first = path.read_bytes()
    back = read_points(path, a_ct((2, 0, 1), (-1, 1, -1)))
    assert [seed.level for seed in back.seeds] == ["L3"]
    assert np.abs(back.seeds[0].ras_mm - MIDDLE).max() <= 0.0005
    assert [seed.level for seed in back.proposed] == ["L2"]
    write_points(path, PointSet(back.seeds, back.proposed), CT)
    assert path.read_bytes() == first
    assert refusal(read_points, path, a_ct(seed=1)).code == "points-of-other-ct"


@pytest.mark.parametrize("letters", ["RAS", "PIR", "LPS", "ASL", "SRP"])
def test_verse_centroids_are_voxels_along_their_own_axes(tmp_path: Path, letters: str) -> None:
    ct = a_ct((1, 2, 0), (-1, 1, 1))
    place = []
    for letter in letters:
        axis = next(
            a
            for a in range(3)
            if {letter, ct.axis_codes[a]} <= set("RL")
            or {letter, ct.axis_codes[a]} <= set("AP")
            or {letter, ct.axis_codes[a]} <= set("SI")
        )
        index = ct.to_voxel(MIDDLE)[axis]
        place.append(index if letter == ct.axis_codes[axis] else ct.shape[axis] - 1 - index)
    entry = dict(zip("XYZ", place, strict=True))
    document = [
        {"direction": list(letters)},
        {"label": VERSE_IDS["L3"], **entry},
        {"label": 256 * 50 + VERSE_IDS["L2"], **entry},
        {"label": 256 * 90 + VERSE_IDS["L2"], **entry},
        {"label": 99, **entry},
        {"label": float("inf"), **entry},
    ]
    seeds = read_points(saved(tmp_path, document), ct).seeds
    assert [seed.level for seed in seeds] == ["L3", "L2"]
    assert np.abs(seeds[0].ras_mm - MIDDLE).max() < 1e-9


def test_tptbox_points_by_name_and_on_their_own_grid(tmp_path: Path) -> None:
    head = {"format": "POI_GLOBAL", "coordinate_system": "itk"}
    lps = (MIDDLE * [-1, -1, 1]).tolist()
    points = {"L3": {"Vertebra_Corpus": lps, "Spinosus_Process": [0, 0, 0]}, "26": {"50": lps}, "rubbish": {}}
    seeds = read_points(saved(tmp_path, [head, points]), CT).seeds
    assert [seed.level for seed in seeds] == ["L3", "S1"]
    assert np.abs(seeds[0].ras_mm - MIDDLE).max() < 1e-9
    zoom = np.linalg.norm(CT.affine[:3, :3], axis=0)
    own = {
        "format": "POI",
        "direction": list(CT.axis_codes),
        "zoom": zoom.tolist(),
        "rotation": (CT.affine[:3, :3] / zoom).tolist(),
        "origin": CT.affine[:3, 3].tolist(),
    }
    seeds = read_points(saved(tmp_path, [own, {"L3": {"50": CT.to_voxel(MIDDLE).tolist()}}]), CT).seeds
    assert np.abs(seeds[0].ras_mm - MIDDLE).max() < 1e-6


def markups(frame: str | None, label: str = "L3") -> dict[str, Any]:
    place = MIDDLE * [-1, -1, 1] if frame in (None, "LPS") else MIDDLE
    point = {"label": label, "position": place.tolist(), "positionStatus": "defined"}
    unset = {"label": "F-2", "position": None, "positionStatus": "undefined"}
    stated = {} if frame is None else {"coordinateSystem": frame}
    return {"markups": [{"type": "Fiducial", **stated, "controlPoints": [point, unset]}]}


@pytest.mark.parametrize("frame", ["LPS", "RAS", None])
def test_slicer_point_lists_state_their_frame(tmp_path: Path, frame: str | None) -> None:
    seeds = read_points(saved(tmp_path, markups(frame)), CT).seeds
    assert [seed.level for seed in seeds] == ["L3"]
    assert np.abs(seeds[0].ras_mm - MIDDLE).max() < 1e-9


@pytest.mark.parametrize(
    ("document", "code"),
    [
        ({"hello": 1}, "points-file-unknown"),
        ([], "points-file-unknown"),
        ([1, 2], "points-file-unknown"),
        ([{"format": "docker"}, {"label": 20, "X": 1, "Y": 1, "Z": 1}], "file-unreadable"),
        ([{"direction": ["P", "P", "R"]}], "file-unreadable"),
        ([{"direction": ["P", "I", "R"]}, {"label": 20, "X": "a", "Y": 1, "Z": 1}], "points-place-broken"),
        ({"schema": "endplate/points/1", "points": 3}, "file-unreadable"),
        ({"schema": "endplate/points/2"}, "file-unreadable"),
        ({"markups": [{"type": "Line"}]}, "points-file-unknown"),
        (markups("LPS", "F-1"), "point-level-unknown"),
        (markups("XYZ"), "points-frame-unknown"),
    ],
)
def test_files_that_cannot_be_used_are_told(tmp_path: Path, document: Any, code: str) -> None:
    assert refusal(read_points, saved(tmp_path, document), CT).code == code


def fcsv(frame: str | None, label: str = "L3", *, columns: bool = True, place: Any = None) -> str:
    spot = MIDDLE * ([-1, -1, 1] if frame in ("1", "LPS") else [1, 1, 1]) if place is None else place
    x, y, z = (str(c) for c in spot)
    head = "# Markups fiducial file version = 4.11\n"
    head += "" if frame is None else f"# CoordinateSystem = {frame}\n"
    head += "# columns = id,x,y,z,ow,ox,oy,oz,vis,sel,lock,label,desc,associatedNodeID\n" if columns else ""
    return head + f'1,{x},{y},{z},0,0,0,1,1,1,0,{label},"one, two",vtkMRMLScalarVolumeNode1,2,0\n'


@pytest.mark.parametrize("frame", ["0", "RAS", "1", "LPS", None])
@pytest.mark.parametrize("name", ["list.fcsv", "list.csv"])
def test_older_slicer_point_lists(tmp_path: Path, frame: str | None, name: str) -> None:
    path = tmp_path / name
    path.write_text(fcsv(frame, columns=name == "list.fcsv"), "utf-8")
    points = read_points(path, CT)
    assert ([seed.level for seed in points.seeds], points.source) == (["L3"], "the Slicer point list")
    assert np.abs(points.seeds[0].ras_mm - MIDDLE).max() < 1e-9


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (fcsv("0", "F-1"), "point-level-unknown"),
        (fcsv("2"), "points-frame-unknown"),
        (fcsv("0", place=("1", "nan", "3")), "points-place-broken"),
        (fcsv("0", place=("1", "", "3")), "points-place-broken"),
        ("# columns = id,label\n1,L3\n", "file-unreadable"),
    ],
)
def test_broken_slicer_lists_are_told(tmp_path: Path, text: str, code: str) -> None:
    path = tmp_path / "list.fcsv"
    path.write_text(text, "utf-8")
    error = refusal(read_points, path, CT)
    assert error.code == code
    assert "path" not in error.do
    if code == "point-level-unknown":
        assert "'F-1'" in error.what
        assert "Rename" in error.do


def test_a_broken_point_has_a_remedy_of_points(tmp_path: Path) -> None:
    document = [{"direction": ["P", "I", "R"]}, {"label": 20, "X": "a", "Y": 1, "Z": 1}]
    error = refusal(read_points, saved(tmp_path, document), CT)
    assert "The point of L1" in error.what
    assert "needle" not in error.do
    assert "path" not in error.do
    assert "'F-1'" in refusal(read_points, saved(tmp_path, markups("LPS", "F-1")), CT).what


def test_missing_and_broken_files(tmp_path: Path) -> None:
    assert refusal(read_points, tmp_path / "none.json", CT).code == "file-not-found"
    assert refusal(read_points, tmp_path, CT).code == "points-file-unknown"
    path = tmp_path / "cut.json"
    path.write_text('[{"direction": ["P"')
    assert refusal(read_points, path, CT).code == "file-unreadable"
