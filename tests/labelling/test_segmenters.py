"""Installed segmenters: their calls, and what a program in their place writes, right or rubbish."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from fake_segmenters import AFFINE, BEHAVES, PLACES, TRUTH, Fake, behaves, in_scheme, refusal, run

from endplate.errors import EndplateError
from endplate.imaging.levels import VERSE_IDS
from endplate.imaging.volume import Volume
from endplate.imaging.write import write_nifti
from endplate.labelling.segmenters.programs import SEGMENTERS, segmenter_named

pytestmark = pytest.mark.skipif(os.name != "posix", reason="the fake program is a script with a first line")


@pytest.mark.parametrize("name", sorted(SEGMENTERS))
def test_every_tool_s_own_ids_become_ours(fake: Fake, name: str) -> None:
    behaves(fake, name)
    made = run(name)
    assert np.array_equal(made.labels.data, TRUTH)
    assert np.array_equal(made.labels.volume.affine, AFFINE)
    assert made.tool.name == SEGMENTERS[name].title
    assert made.tool.command[0] == SEGMENTERS[name].program
    assert not any(str(fake.folder) in word for word in made.tool.command)
    assert made.seconds >= 0
    assert not fake.work.exists()
    assert list(fake.folder.glob("endplate-segment-*")) == []


def test_the_calls(fake: Fake) -> None:
    for name in SEGMENTERS:
        behaves(fake, name)
        run(name)
        words = fake.call[1:]
        if name == "totalsegmentator":
            assert words[:1] == ["-i"]
            assert words[1].endswith("/ct.nii.gz")
            assert words[2] == "-o"
            assert words[4:6] == ["--ml", "--roi_subset"]
            assert {"vertebrae_L1", "vertebrae_T12", "aorta", "spinal_cord"} <= set(words)
            assert words[-2:] == ["-d", "cpu"]
        elif name == "spineps":
            assert words[:2] == ["sample", "-i"]
            assert words[2].endswith("/sub-ct_ct.nii.gz")
            assert words[3:] == ["-ms", "ct", "-mv", "ct_instance", "-ml", "ct_labeling", "-iic", "--cpu"]
        else:
            assert words[0].endswith("/ct.nii.gz")
            assert words[2:] == ["--keep-only", "step2_output", "--device", "cpu"]


def test_a_gpu_is_used_where_there_is_one() -> None:
    assert "gpu" in SEGMENTERS["totalsegmentator"].recorded(gpu=True)
    assert "--cpu" not in SEGMENTERS["spineps"].recorded(gpu=True)
    assert "cuda" in SEGMENTERS["totalspineseg"].recorded(gpu=True)


def test_organs_come_with_the_labels(fake: Fake) -> None:
    behaves(fake, "totalsegmentator")
    organs = run("totalsegmentator").organs
    assert organs is not None
    assert organs.names == ("aorta",)
    behaves(fake, "totalspineseg")
    organs = run("totalspineseg").organs
    assert organs is not None
    assert organs.names == ("spinal_cord",)


def test_subregions_come_as_body_arch_and_canal(fake: Fake) -> None:
    parts = np.zeros_like(TRUTH)
    places = np.argwhere(VERSE_IDS["L1"] == TRUTH)
    for number, place in zip((41, 42, 45, 49, 50, 60, 61, 63), places[:8], strict=True):
        parts[tuple(place)] = number
    path = fake.folder / "parts.nii.gz"
    write_nifti(Volume(parts, AFFINE), path)
    more = f"\nshutil.copy({str(path)!r}, place.parent / 'sub-ct_mod-ct_seg-spine_msk.nii.gz')\n"
    raw = (
        "\n(place.parent / 'output_raw_ct').mkdir()"
        "\n(place.parent / 'output_raw_ct' / 'sub-ct_seg-vert-raw_msk.nii.gz').write_text('raw')\n"
    )
    behaves(fake, "spineps", after=more + raw)
    made = run("spineps")
    assert made.subregions is not None
    found = [int(made.subregions.data[tuple(place)]) for place in places[:8]]
    assert found == [41, 41, 41, 49, 49, 61, 61, 0]


def test_labels_turned_to_other_axes_come_back_to_the_ct(fake: Fake) -> None:
    volume = Volume(in_scheme("totalspineseg"), AFFINE)
    turned = AFFINE @ np.array([[0, 0, -1, TRUTH.shape[0] - 1], [1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 1]])
    path = fake.folder / "turned.nii.gz"
    write_nifti(replace(volume, data=np.flip(volume.data.transpose(1, 2, 0), 2), affine=turned), path)
    fake.install("totalspineseg", BEHAVES.format(place=PLACES["totalspineseg"], ready=str(path)))
    assert np.array_equal(run("totalspineseg").labels.data, TRUTH)


def test_progress_is_passed_on_and_paths_are_not(fake: Fake) -> None:
    said: list[tuple[str, bool]] = []
    behaves(
        fake,
        "spineps",
        "print('Reading', sys.argv[3], flush=True)\n"
        "for n in range(3):\n    sys.stderr.write(f'\\r{n * 50}%|##  |'); sys.stderr.flush()\n"
        "sys.stderr.write('\\n\\x1b[31mDone \\u00e9\\x1b[0m\\n'); sys.stderr.flush()\n",
    )
    run("spineps", say=lambda line, whole: said.append((line, whole)))
    assert ("Reading …", True) in said
    assert ("50%|##  |", False) in said
    assert ("Done é", True) in said
    assert not any(str(fake.folder) in line for line, _ in said)


def test_a_tool_that_is_not_installed(fake: Fake) -> None:
    error = refusal("spineps")
    assert (error.code, error.exit_code) == ("segmenter-missing", 2)
    assert "pip install" in error.do


def test_a_name_that_is_no_tool() -> None:
    with pytest.raises(EndplateError) as caught:
        segmenter_named("nnunet")
    assert caught.value.code == "segmenter-unknown"
    assert segmenter_named(" SPINEPS ").name == "spineps"


def other_grid(volume: Volume) -> Volume:
    affine = volume.affine.copy()
    affine[:3, 3] += 7.0
    return replace(volume, affine=affine)


RUBBISH: dict[str, Callable[[Volume], Volume | bytes | None]] = {
    "nothing": lambda _: None,
    "an empty file": lambda _: b"",
    "no nifti": lambda _: b"<html>403 Forbidden</html>" * 30,
    "all zero": lambda volume: replace(volume, data=np.zeros_like(volume.data)),
    "another grid": other_grid,
    "a lower resolution": lambda volume: replace(volume, data=volume.data[::2, ::2, ::2]),
    "probabilities": lambda volume: replace(volume, data=volume.data / 7.0),
    "ids of no level": lambda volume: replace(volume, data=(volume.data > 0).astype(np.uint8) * 63),
    "an upside-down row": lambda volume: replace(volume, data=volume.data[:, :, ::-1]),
}


@pytest.mark.parametrize(
    ("name", "what"), [*(("spineps", what) for what in RUBBISH), ("totalspineseg", "nothing")]
)
def test_rubbish_is_refused_in_words(fake: Fake, name: str, what: str) -> None:
    written = RUBBISH[what](Volume(in_scheme(name), AFFINE))
    path = fake.folder / "rubbish.nii.gz"
    body = "print('all is well')\n"
    if isinstance(written, bytes):
        path.write_bytes(written)
    elif written is not None:
        write_nifti(written, path)
    if written is not None:
        body += BEHAVES.format(place=PLACES[name], ready=str(path))
    fake.install(name, body)
    error = refusal(name)
    assert (error.code, error.exit_code) == ("segmenter-output-unusable", 3)
    assert error.what.startswith(f"{SEGMENTERS[name].title} ended well, but its labels cannot be used: ")
    assert "all is well" in error.what
    assert str(fake.folder) not in error.what
