"""Code streams: our own JPEG lossless, the choice of decoders, and the words where one is missing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from ct_maker import grid, make_slice, sample, write_series
from dicom_maker import compress, slices_of, with_coded, write_enhanced
from jpeg_encoder import encode_jpeg_lossless
from pydicom.encaps import get_frame
from pydicom.pixels.utils import pixel_array
from pydicom.uid import (
    JPEG2000Lossless,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

from endplate.errors import InputError
from endplate.imaging import compressed
from endplate.imaging.compressed import DECODERS, CodedSize, coded_size, decodable, known
from endplate.imaging.dicom_series import list_series
from endplate.imaging.jpeg_lossless import decode_jpeg_lossless
from endplate.imaging.read import read_image

SHAPE = (40, 36, 4)
AFFINE = grid(np.diag([-1.0, -1.0, 1.0]), spacing=(2.0, 2.0, 2.0), shape=SHAPE)
DATA = sample(AFFINE, SHAPE)


def walk(shape: tuple[int, int] = (37, 29)) -> np.ndarray:
    """Samples with all the steps that a difference can make."""
    rng = np.random.default_rng(4)
    values = (rng.normal(0, 40, shape).cumsum(axis=0) + 2000).clip(0, 65535).astype(np.uint16)
    values[2, 3:8] = [0, 65535, 0, 32768, 1]
    values[5, 6:8] = [32768, 0]
    return values


@pytest.mark.parametrize("predictor", range(1, 8))
@pytest.mark.parametrize("restart_rows", [0, 5])
def test_jpeg_lossless_with_every_predictor(predictor: int, restart_rows: int) -> None:
    values = walk()
    stream = encode_jpeg_lossless(values, predictor=predictor, restart_rows=restart_rows)
    np.testing.assert_array_equal(decode_jpeg_lossless(stream), values)


@pytest.mark.parametrize(("precision", "shift"), [(2, 0), (8, 1), (12, 0), (16, 3)])
def test_jpeg_lossless_with_every_precision(precision: int, shift: int) -> None:
    values = (walk() & ((1 << precision) - 1)) >> shift << shift
    stream = encode_jpeg_lossless(values, precision=precision, shift=shift)
    np.testing.assert_array_equal(decode_jpeg_lossless(stream), values)


@pytest.mark.parametrize("predictor", range(1, 8))
def test_another_decoder_reads_the_same(predictor: int) -> None:
    """GDCM is an independent implementation of the standard."""
    pytest.importorskip("gdcm", reason="python-gdcm (extra dicom) is not installed")
    values = walk()
    ds = make_slice(values.T.astype(int) - 1024, AFFINE, 0)
    with_coded(ds, JPEGLossless, [encode_jpeg_lossless(values, predictor=predictor, restart_rows=5)])
    np.testing.assert_array_equal(pixel_array(ds, decoding_plugin="gdcm"), values)


def test_a_damaged_code_stream_is_refused_wherever_it_ends_or_is_hit() -> None:
    values = walk((9, 8))
    whole = encode_jpeg_lossless(values, restart_rows=3)
    for end in range(len(whole) - 4):
        with pytest.raises(ValueError):  # noqa: PT011 - each part of the stream has its own words
            decode_jpeg_lossless(whole[:end])
    rng = np.random.default_rng(6)
    refused = 0
    for _ in range(400):
        raw = bytearray(whole)
        raw[int(rng.integers(0, 60))] = int(rng.integers(0, 256))
        try:
            assert decode_jpeg_lossless(bytes(raw)).dtype == np.uint16
        except ValueError:
            refused += 1
    assert refused > 100


def test_sizes_that_code_streams_state() -> None:
    ds = make_slice(DATA[:, :, 0], AFFINE, 0)
    for syntax in (JPEG2000Lossless, JPEGLSLossless, JPEGLosslessSV1):
        packed = make_slice(DATA[:, :, 0], AFFINE, 0)
        compress(packed, syntax)
        stream = get_frame(packed.PixelData, 0, number_of_frames=1)
        assert coded_size(stream) == CodedSize(36, 40, 1)
        assert coded_size(stream[:8]) is None
    assert coded_size(ds.PixelData) is None


def test_every_compression_that_comes_with_endplate_can_be_decoded() -> None:
    assert all(decodable(syntax) for syntax, decoder in DECODERS.items() if decoder != "gdcm")
    assert not decodable("1.2.840.10008.1.2.4.100")
    assert not known("1.2.840.10008.1.2.4.100")


def packed_series(folder: Path, syntax: str) -> Path:
    """Slices that claim a compression; where the decoder is missing nobody looks at the pixels."""

    def edit(ds, k):
        with_coded(ds, syntax, [b"\xff\xd8\xff\xc1" + bytes(40)])

    return write_series(folder, DATA, AFFINE, edit=edit)


@pytest.mark.parametrize("syntax", [JPEGExtended12Bit, JPEGLSLossless, JPEG2000Lossless])
def test_a_missing_decoder_is_named_by_its_extra(syntax: str, tmp_path: Path, monkeypatch) -> None:
    class Without:
        available_plugins = ()

    monkeypatch.setattr(compressed, "get_decoder", lambda syntax: Without())
    folder = packed_series(tmp_path, syntax)
    with pytest.raises(InputError) as caught:
        read_image(folder)
    assert caught.value.code == "unsupported-transfer-syntax"
    assert "pip install 'endplate[dicom]'" in caught.value.do
    (info,) = list_series(folder)
    assert not info.usable
    assert "cannot decode" in info.note


@pytest.mark.parametrize("syntax", [JPEGLosslessSV1, RLELossless])
def test_the_commonest_needs_no_package_but_ours(syntax: str, tmp_path: Path, monkeypatch) -> None:
    if syntax == JPEGLosslessSV1:
        monkeypatch.setattr(compressed, "get_decoder", lambda syntax: None)
    folder = write_series(tmp_path, DATA, AFFINE, edit=lambda ds, k: compress(ds, syntax))
    np.testing.assert_array_equal(read_image(folder).data, DATA)


def test_twelve_bits_with_loss_are_read_with_the_extra(tmp_path: Path) -> None:
    pytest.importorskip("gdcm", reason="python-gdcm (extra dicom) is not installed")
    assert decodable(JPEGExtended12Bit)
    with pytest.raises(InputError) as caught:
        read_image(packed_series(tmp_path, JPEGExtended12Bit))
    assert caught.value.code == "file-truncated"


def test_a_frame_of_the_wrong_size_is_not_decoded(tmp_path: Path) -> None:
    def edit(ds):
        ds.Rows, ds.Columns = 20, 36

    planes = slices_of(DATA, AFFINE)
    path = write_enhanced(tmp_path / "e.dcm", planes, syntax=JPEGLosslessSV1, edit=edit)
    with pytest.raises(InputError) as caught:
        read_image(path)
    assert caught.value.code == "file-truncated"
