"""TPTBox point files: entries and targets of implants, in voxels of a grid and in mm."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from endplate.errors import InputError
from endplate.imaging.geometry import apply_affine
from endplate.imaging.poi import read_poi, write_poi

SHAPE = (40, 50, 60)
PATHS = {
    "L1": {"left": ((-20.0, -60.0, 5.0), (-3.0, -5.0, 1.0)), "right": ((20.0, -60.0, 5.0), (3.0, -5.0, 1.0))},
    "T13": {"right": ((18.0, -58.0, 40.0), (2.0, -4.0, 38.0))},
}


def grid(axes: str = "PIR") -> np.ndarray:
    signs = {"R": (0, 1), "L": (0, -1), "A": (1, 1), "P": (1, -1), "S": (2, 1), "I": (2, -1)}
    affine = np.eye(4)
    affine[:3, :3] = 0.0
    for axis, letter in enumerate(axes):
        world, sign = signs[letter]
        affine[world, axis] = sign * (0.8, 1.1, 1.4)[axis]
    affine[:3, :3] = Rotation.from_euler("xyz", [6, -4, 9], degrees=True).as_matrix() @ affine[:3, :3]
    affine[:3, 3] = (-30.0, 20.0, 310.0)
    return affine


def near(found: dict, wanted: dict) -> bool:
    return {k: set(v) for k, v in found.items()} == {k: set(v) for k, v in wanted.items()} and all(
        np.allclose(found[level][side], ends, atol=1e-4)
        for level, sides in wanted.items()
        for side, ends in sides.items()
    )


def refusal(path: Path, content: object, **options: object) -> InputError:
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    with pytest.raises(InputError) as caught:
        read_poi(path, **options)
    assert caught.value.exit_code == 3
    assert caught.value.do
    return caught.value


@pytest.mark.parametrize("axes", ["RAS", "LPS", "PIR", "ASL", "IRP"])
def test_what_is_written_is_read_back(tmp_path: Path, axes: str) -> None:
    path = tmp_path / "plan_poi.json"
    write_poi(path, PATHS, shape=SHAPE, affine=grid(axes))
    assert near(read_poi(path), PATHS)
    assert list(read_poi(path)) == ["T13", "L1"]
    first = path.read_bytes()
    write_poi(path, PATHS, shape=SHAPE, affine=grid(axes))
    assert path.read_bytes() == first


def test_the_file_is_that_of_tptbox(tmp_path: Path) -> None:
    """The fields that TPTBox 1.1 reads: a head with the grid, then points in voxels by vertebra and name."""
    affine, path = grid(), tmp_path / "plan_poi.json"
    write_poi(path, PATHS, shape=SHAPE, affine=affine)
    head, points = json.loads(path.read_text())
    assert head["direction"] == ["P", "I", "R"]
    assert (head["format"], head["level_one_info"], head["level_two_info"]) == (
        "POI",
        "Vertebra_Instance",
        "Location",
    )
    assert head["shape"] == list(SHAPE)
    stated = np.eye(4)
    stated[:3, :3] = np.array(head["rotation"]) @ np.diag(head["zoom"])
    stated[:3, 3] = head["origin"]
    assert np.allclose(stated, affine, atol=1e-6)
    assert set(points["L1"]) == {
        "Implant_Entry_Left",
        "Implant_Entry_Right",
        "Implant_Target_Left",
        "Implant_Target_Right",
    }
    voxel = points["L1"]["Implant_Entry_Left"]
    assert np.allclose(apply_affine(affine, voxel), PATHS["L1"]["left"][0], atol=1e-4)


def stored(affine: np.ndarray, ras: tuple[float, ...]) -> list[float]:
    return apply_affine(np.linalg.inv(affine), ras).tolist()


def test_other_forms_of_tptbox_are_read(tmp_path: Path) -> None:
    path, affine = tmp_path / "x.json", grid()
    entry, target = PATHS["L1"]["left"]
    wanted = {"L1": {"left": PATHS["L1"]["left"]}}
    for frame, sign in (("nib", 1), ("itk", -1)):
        turned = [[sign * p[0], sign * p[1], p[2]] for p in (entry, target)]
        document = [
            {"format": "POI_GLOBAL", "coordinate_system": frame, "level_one_info": "Vertebra_Instance"},
            {"L1": {"90": turned[0], "Implant_Target_Left": turned[1], "Vertebra_Corpus": [0, 0, 0]}},
        ]
        path.write_text(json.dumps(document))
        assert near(read_poi(path), wanted)
    rows = [
        dict(zip("XYZ", stored(affine, p), strict=True), label=number * 256 + 20)
        for number, p in ((90, entry), (92, target))
    ]
    docker = [{"direction": ["P", "I", "R"]}, {"label": 12820, "X": 1, "Y": 1, "Z": 1}, *rows]
    path.write_text(json.dumps(docker))
    assert near(read_poi(path, affine=affine), wanted)
    assert refusal(path, docker).code == "poi-no-grid"
    assert refusal(path, docker, affine=grid("RAS")).code == "poi-grid-differs"


def test_broken_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "x_poi.json"
    write_poi(path, PATHS, shape=SHAPE, affine=grid())
    head, points = json.loads(path.read_text())

    def with_head(**more: object) -> list[object]:
        return [{**head, **more}, points]

    assert refusal(path, "[1, 2").code == "file-unreadable"
    assert refusal(path, {"markups": []}).code == "poi-form-unknown"
    assert refusal(path, []).code == "poi-form-unknown"
    assert refusal(path, with_head(format="guber")).code == "poi-form-unknown"
    assert refusal(path, [head]).code == "poi-form-unknown"
    assert refusal(path, with_head(rotation=[[1, 0], [0, 1]])).code == "file-unreadable"
    assert refusal(path, with_head(rotation="x")).code == "file-unreadable"
    assert refusal(path, with_head(zoom=[0, 1, 1])).code == "singular-affine"
    assert refusal(path, with_head(zoom=[900.0, 1, 1])).code == "spacing-implausible"
    assert refusal(path, with_head(direction=["R", "A", "S"])).code == "poi-grid-differs"
    assert refusal(path, [{**head, "origin": None}, points]).code == "poi-no-grid"
    assert refusal(path, [head, {"L1": {"Vertebra_Corpus": [1, 2, 3]}}]).code == "poi-no-paths"
    half = {"L1": {"Implant_Entry_Left": [1, 2, 3]}}
    assert "no target for L1 left" in refusal(path, [head, half]).what
    for bad in ([1, 2], [1, 2, None], "1 2 3", [1, 2, float("nan")]):
        broken = {"L1": {"Implant_Entry_Left": [1, 2, 3], "Implant_Target_Left": bad}}
        assert refusal(path, [head, broken]).code == "path-point-broken"


def test_what_is_no_path_is_not_written(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    for bad in (
        {"L9": {}},
        {"L1": {"middle": ((0, 0, 0), (1, 1, 1))}},
        {"L1": {"left": ((0, 0, np.nan), (1, 1, 1))}},
    ):
        with pytest.raises(ValueError, match=r"path|point"):
            write_poi(path, bad, shape=SHAPE, affine=grid())
    assert not path.exists()
