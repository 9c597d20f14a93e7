"""The pick page: the images in it stand where the CT stands, and its list of points works; in node and in a browser."""

from __future__ import annotations

import base64
import json
import re
import shutil
import subprocess
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from endplate.imaging.fingerprint import ct_fingerprint
from endplate.imaging.volume import Volume
from endplate.labelling import pick
from endplate.labelling.model import Seed
from endplate.labelling.pick import CODE_AT, CODE_HU, pick_page, planes_of, write_pick_page
from endplate.labelling.pick_start import spine_start
from endplate.labelling.points import PointSet
from endplate.labelling.points_files import points_document, read_points

NODE = shutil.which("node")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
TEMPLATES = Path(pick.__file__).parent / "templates"

RNG = np.random.default_rng(4)


def a_ct(
    spacing: tuple[float, float, float] = (1.5, 2.0, 1.2), shape: tuple[int, int, int] = (20, 24, 30)
) -> Volume:
    """An oblique CT stored along L, I, A with air round it."""
    data = np.full(shape, -1000, dtype=np.int16)
    data[2:-3, 3:-2, 1:-4] = RNG.integers(-150, 1200, (shape[0] - 5, shape[1] - 5, shape[2] - 5))
    turn = Rotation.from_euler("xyz", [6, -3, 8], degrees=True).as_matrix()
    affine = np.eye(4)
    axes = np.array([[-1, 0, 0], [0, 0, 1], [0, -1, 0]], float)  # columns L, I, A
    affine[:3, :3] = turn @ axes @ np.diag(spacing)
    affine[:3, 3] = [40.0, -70.0, 950.0]
    return Volume(data, affine)


def unpacked(planes: pick.Planes) -> np.ndarray:
    raw = np.frombuffer(zlib.decompress(base64.b64decode(planes.packed)), np.uint8)
    rows = raw.reshape(planes.codes.shape[::-1])
    return np.cumsum(rows, axis=2, dtype=np.uint8).transpose(2, 1, 0)


def test_planes_stand_where_the_ct_stands() -> None:
    ct = a_ct()
    planes = planes_of(ct)
    assert np.array_equal(unpacked(planes), planes.codes)
    for _ in range(200):
        at = np.array([RNG.integers(n) for n in planes.codes.shape])
        world = planes.affine[:3, :3] @ at + planes.affine[:3, 3]
        voxel = ct.to_voxel(world)
        assert np.abs(voxel - np.rint(voxel)).max() < 1e-6
        hu = ct.data[tuple(np.rint(voxel).astype(int))]
        assert planes.codes[tuple(at)] == np.rint(np.interp(hu, CODE_HU, CODE_AT))
    assert np.all(np.diag(planes.affine)[:3] > 0)
    assert planes.codes.shape == (15, 25, 19)  # cut to the body, toward R, A, S


def test_codes_tell_bone_from_disc() -> None:
    step = np.diff(np.interp(np.arange(15, 236), CODE_AT, CODE_HU))
    assert step.max() < 4.0


def test_finer_voxels_are_joined_and_stay_in_place(monkeypatch: pytest.MonkeyPatch) -> None:
    ct = a_ct((0.5, 2.0, 0.4), (40, 24, 60))
    planes = planes_of(ct)
    sizes = np.linalg.norm(planes.affine[:3, :3], axis=0)
    assert np.allclose(sizes, [1.0, 0.8, 2.0])
    first = ct.to_voxel(planes.affine[:3, 3])
    assert np.allclose(first % 1, [0.5, 0.0, 0.5])


def test_the_page_keeps_its_size(monkeypatch: pytest.MonkeyPatch) -> None:
    ct = a_ct((1.0, 1.0, 1.0), (60, 60, 60))
    whole = len(planes_of(ct).packed)
    real = pick.value
    monkeypatch.setattr(
        pick, "value", lambda key: whole / 4e6 if key == "labelling.pick_megabytes" else real(key)
    )
    smaller = planes_of(ct)
    assert len(smaller.packed) <= whole / 4
    assert np.array_equal(unpacked(smaller), smaller.codes)


def a_spine(shape: tuple[int, int, int] = (150, 120, 30)) -> np.ndarray:
    """A body with arms, contrast in a vessel and a table: voxels of 2, 2, 4 mm toward R, A, S; the spine leans."""
    x, y, _ = np.meshgrid(*(np.arange(n, dtype=float) for n in shape), indexing="ij")
    x, y = 2.0 * x, 2.0 * y

    def disc(at: tuple[float, float], radius: float, deep: float = 1.0) -> np.ndarray:
        return np.hypot(x - at[0], (y - at[1]) / deep) < radius

    hu = np.full(shape, -1000.0)
    hu[disc((150, 130), 110, 0.8)] = 40.0
    hu[disc((150, 90), 14)] = 350.0  # vessel
    hu[disc((130, 165), 35)] = 300.0  # heart
    lean = np.arange(shape[2]) - shape[2] / 2
    middle = 150.0 + lean[None, None]
    for behind, outer, inner in ((0.0, 23.0, 19.0), (28.0, 12.0, 8.0)):
        far = np.hypot(x - middle, y - (75.0 - behind))
        hu[far < outer] = 700.0
        hu[far < inner] = 140.0 if behind == 0.0 else 20.0
    for side in (15, 285):
        hu[disc((side, 120), 14)] = 900.0
        hu[disc((side, 120), 8)] = 60.0  # marrow of an arm
    hu[:, 1:3] = 500.0  # table
    return hu


def test_the_page_opens_in_a_vertebral_body() -> None:
    hu = a_spine()
    codes = pick.code_of_hu(hu)
    table = np.interp(np.arange(256), CODE_AT, CODE_HU)
    i, j, k = spine_start(codes, table, np.array([2.0, 2.0, 4.0]))
    assert np.hypot(2.0 * i - 150.0, 2.0 * j - 75.0) < 14.0
    assert k == 14.5
    nothing = spine_start(pick.code_of_hu(np.full((40, 40, 40), 30.0)), table, np.ones(3))
    assert nothing == (19.5, 19.5, 19.5)


def test_the_page_is_one_file_that_asks_for_nothing(tmp_path: Path) -> None:
    ct = a_ct()
    middle = ct.to_world((np.array(ct.shape) - 1) / 2)
    points = PointSet((Seed("L1", middle),), (Seed("L2", middle - [0, 0, 5]),))
    text = pick_page(ct, points)
    assert pick_page(ct, points) == text
    assert not re.search(r"https?://|src=|@import|url\(|<link", text)
    assert "default-src 'none'" in text
    assert "not a medical device" in text
    assert '<html lang="en">' in text
    data = json.loads(re.search(r'id="page-data">(.*?)</script>', text, re.DOTALL)[1])
    assert data["ct_fingerprint"] == ct_fingerprint(ct)
    assert [(point["level"], point["proposed"]) for point in data["points"]] == [("L1", False), ("L2", True)]
    write_pick_page(tmp_path / "page.html", ct, points)
    assert (tmp_path / "page.html").read_text("utf-8") == text


@pytest.mark.skipif(NODE is None, reason="no node to run the page's script in")
def test_the_list_of_points_in_node(tmp_path: Path) -> None:
    ct = a_ct()
    world = ct.to_world([3.0, 4.0, 5.0]).tolist()
    affine = [row.tolist() for row in ct.affine[:3]]
    script = """
const assert = require("node:assert");
const { PointList, toWorld, toVoxel, fromDifferences, greys } = require(PICK);
const list = new PointList(LEVELS, "f");
assert.equal(list.nextLevel(), null);
list.set("T12", [0, 0, 30]);
assert.equal(list.nextLevel(), "L1");
list.set("T11", [0, 0, 60]);
assert.equal(list.nextLevel(), "T10"); // going up
list.set("L4", [0, 0, -60]);
list.set("L5", [0, 0, -90]);
assert.equal(list.nextLevel(), null); // L6 is nobody's default
assert.deepEqual(list.ordered().map((p) => p.level), ["T11", "T12", "L4", "L5"]);
assert.ok(list.undo() && list.get("L5") === null);
assert.ok(list.redo() && list.get("L5") !== null && !list.redo());
list.remove("L5");
list.set("L4", [0, 0, 99]);
assert.deepEqual(list.outOfOrder(), ["L4"]);
assert.ok(list.undo() && list.outOfOrder().length === 0);
assert.throws(() => list.set("Q1", [0, 0, 0]));
const text = list.toDocument();
const other = new PointList(LEVELS, "f");
assert.equal(other.load(text), null);
assert.deepEqual(other.toDocument(), text);
for (const [change, words] of [
  [{ ct_fingerprint: "g" }, "another CT"], [{ schema: "x" }, "no points file"], [{ points: 3 }, "damaged"],
  [{ points: [{ level: "Q1" }] }, "not named"], [{ points: [{ level: "L1", ras_mm: [1, 2] }] }, "not three numbers"],
  [{ points: [text.points[0], text.points[0]] }, "two points"],
]) assert.match(other.load({ ...text, ...change }), new RegExp(words));
assert.deepEqual(other.toDocument(), text); // refused files change nothing
const proposed = { ...text, points: text.points.map((p) => ({ ...p, proposed: true })) };
other.load(proposed);
assert.equal(other.proposedCount, 3);
assert.equal(other.nextLevel(), null); // proposals are nobody's last click
other.confirm("T12");
assert.equal(other.proposedCount, 2);
const near = (a, b) => a.forEach((x, n) => assert.ok(Math.abs(x - b[n]) < 1e-9));
near(toWorld(AFFINE, [3, 4, 5]), WORLD);
near(toVoxel(AFFINE, WORLD), [3, 4, 5]);
assert.deepEqual([...fromDifferences(Uint8Array.from([5, 1, 255, 7, 250, 10]), 3)], [5, 6, 5, 7, 1, 11]);
assert.deepEqual([...greys([-200, 350, 900, 3000], [-200, 900])], [0, 128, 255, 255]);
list.remove("T11"); list.remove("T12");
list.set("L1", [1.23456, -0.0001, 2]);
console.log(JSON.stringify(list.toDocument()));
"""
    for name, content in (
        ("PICK", str(TEMPLATES / "pick_points.js")),
        ("LEVELS", json.loads(_data(ct))["levels"]),
        ("AFFINE", affine),
        ("WORLD", world),
    ):
        script = re.sub(rf"\b{name}\b", json.dumps(content), script)
    ran = subprocess.run([str(NODE), "-e", script], capture_output=True, text=True, timeout=60, check=False)
    assert ran.returncode == 0, ran.stderr
    document = json.loads(ran.stdout)
    assert document["points"][0] == {"level": "L1", "ras_mm": [1.235, 0, 2], "proposed": False}
    points_document(PointSet(()), "f").model_validate(document)  # the page's file is the file that is read


def _data(ct: Volume) -> str:
    return re.search(r'id="page-data">(.*?)</script>', pick_page(ct), re.DOTALL)[1]


ACTIONS = """
<script>
(async () => {
  while (document.body.dataset.ready !== "true") await new Promise((done) => setTimeout(done, 20));
  const frame = () => new Promise((done) => setTimeout(done, 60));
  const press = (view, voxel, type, more = {}) => {
    const box = view.canvas.getBoundingClientRect();
    const [x, y] = view.toScreen(voxel);
    const ratio = view.canvas.width / box.width;
    const at = { clientX: box.left + x / ratio, clientY: box.top + y / ratio, button: 0, pointerId: 1, bubbles: true };
    view.canvas.setPointerCapture = () => {};
    view.canvas.dispatchEvent(new PointerEvent(type, { ...at, ...more }));
  };
  const click = (view, voxel, more) => {
    press(view, voxel, "pointerdown", more);
    press(view, voxel, "pointerup", more);
  };
  const key = (name, more = {}) =>
    document.body.dispatchEvent(new KeyboardEvent("keydown", { key: name, bubbles: true, ...more }));
  await frame();
  const [sagittal, coronal, axial] = views;
  const first = [...state.cross];
  $("level").value = "T12"; $("level").dispatchEvent(new Event("change"));
  click(sagittal, [first[0], 12, 15]); await frame();
  click(sagittal, [first[0], 12, 10]); await frame();
  const afterTwo = list.ordered().map((p) => p.level).join();
  click(coronal, [4, state.cross[1], 5], { shiftKey: true }); await frame();
  const [next, byte] = [state.level, state.volume[0]];
  const shiftOnly = list.points.length;
  press(sagittal, [state.cross[0], 12, 10], "pointerdown");
  press(sagittal, [state.cross[0], 14, 11], "pointermove");
  press(sagittal, [state.cross[0], 14, 11], "pointerup"); await frame();
  const moved = PickPoints.toVoxel(page.affine, list.get("L1").ras);
  key("2"); await frame();
  const soft = document.querySelector('[data-window="1"]').getAttribute("aria-pressed");
  key("Delete"); await frame();
  const deleted = list.points.length;
  key("z", { ctrlKey: true }); await frame();
  sagittal.canvas.dispatchEvent(new KeyboardEvent("keydown", { key: "PageUp", bubbles: true })); await frame();
  const slice = state.cross[0];
  zoomBy(2); await frame();
  const words = () => $("status").textContent;
  const count = () => list.points.length;
  const [had, place] = [count(), [...state.cross]];
  chooseLevel("L4");
  click(axial, [size[0] + 3, 12, 9]); await frame(); // beside the image
  const outside = { set: count() - had, words: words(), stayed: String(place) === String(state.cross) };
  state.volume.fill(0, 0, size[0] * size[1] * 4); // the lowest planes become air
  click(coronal, [7, 12, 1]); await frame();
  const air = { set: count() - had, words: words(), level: state.level };
  press(coronal, [7, 12, 9], "pointerdown");
  press(coronal, [11, 12, 9], "pointermove");
  press(coronal, [11, 12, 9], "pointerup"); await frame();
  const dragged = { set: count() - had };
  chooseLevel("L5");
  click(coronal, [7, 12, 7]); await frame();
  const last = { level: state.level, shown: $("level").value };
  click(coronal, [9, 12, 15]); await frame();
  last.kept = list.points.length === had + 1 && /No level is chosen/.test(words());
  list.remove("L5"); changed(); await frame();
  const result = { first, afterTwo, shiftOnly, moved, soft, deleted, slice,
    outside, air, dragged, last, rows: $("points").rows.length,
    next, byte, length: state.volume.length, document: list.toDocument() };
  const out = document.createElement("pre");
  out.id = "result"; out.textContent = JSON.stringify(result);
  document.body.append(out);
})();
</script>
</body>
"""


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium to open the page in")
def test_the_page_in_a_browser(tmp_path: Path) -> None:
    ct = a_ct()
    planes = planes_of(ct)
    path = tmp_path / "page.html"
    path.write_text(pick_page(ct).replace("</body>", ACTIONS), "utf-8")
    command = [
        str(CHROMIUM),
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        f"--user-data-dir={tmp_path / 'profile'}",
    ]
    command += ["--virtual-time-budget=6000", "--window-size=1300,900", "--dump-dom", path.as_uri()]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    found = re.search(r'<pre id="result">(.*?)</pre>', ran.stdout, re.DOTALL)
    assert found, f"{ran.returncode}: {ran.stderr[-500:]}"
    result: dict[str, Any] = json.loads(
        found[1].replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
    )
    assert result["length"] == planes.codes.size
    assert result["byte"] == planes.codes[0, 0, 0]
    assert result["afterTwo"] == "T12,L1"
    assert result["next"] == "L2"
    assert result["shiftOnly"] == 2
    assert np.allclose(result["moved"], [result["first"][0], 14, 11], atol=0.05)
    assert result["soft"] == "true"
    assert (result["deleted"], result["rows"]) == (1, 2)
    assert result["outside"]["set"] == 0
    assert result["outside"]["stayed"]
    assert "outside the image" in result["outside"]["words"]
    assert (result["air"]["set"], result["air"]["level"]) == (0, "L4")
    assert "in air" in result["air"]["words"]
    assert result["dragged"]["set"] == 0
    assert result["last"] == {"level": "", "shown": "", "kept": True}
    saved = tmp_path / "points.json"
    saved.write_text(json.dumps(result["document"]), "utf-8")
    seeds = read_points(saved, ct).seeds
    assert [seed.level for seed in seeds] == ["T12", "L1"]
    place = planes.affine[:3, :3] @ np.array(result["moved"]) + planes.affine[:3, 3]
    assert np.abs(seeds[1].ras_mm - place).max() < 0.01
