from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from endplate.papers import png


def decoded(data: bytes) -> Image.Image:
    picture = Image.open(io.BytesIO(data))
    picture.load()
    return picture


@pytest.mark.parametrize("shape", [(1, 1), (7, 5), (64, 33), (40, 21, 3)])
def test_another_reader_gets_the_same_pixels(shape: tuple[int, ...]) -> None:
    pixels = np.random.default_rng(1).integers(0, 256, shape).astype(np.uint8)
    assert np.array_equal(np.asarray(decoded(png.encode(pixels))), pixels)


def test_palette_gives_each_index_its_colour() -> None:
    palette = np.array([[46, 52, 64], [0, 0, 0], [255, 255, 255]], np.uint8)
    pixels = np.array([[0, 1], [2, 1]], np.uint8)
    seen = np.asarray(decoded(png.encode(pixels, palette)).convert("RGB"))
    assert np.array_equal(seen, palette[pixels])


def test_nothing_but_pixels_is_in_the_file() -> None:
    data = png.encode(np.zeros((4, 4), np.uint8))
    assert data == png.encode(np.zeros((4, 4), np.uint8))
    assert decoded(data).info == {}
    for chunk in (b"tEXt", b"iTXt", b"zTXt", b"tIME", b"eXIf"):
        assert chunk not in data
    assert png.data_uri(data).startswith("data:image/png;base64,iVBOR")


@pytest.mark.parametrize("bad", [np.zeros((2, 2)), np.zeros((2, 2, 4), np.uint8), np.zeros(3, np.uint8)])
def test_what_is_no_picture_is_refused(bad: np.ndarray) -> None:
    with pytest.raises(ValueError, match="picture"):
        png.encode(bad)
