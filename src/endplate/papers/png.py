"""Raster pictures as PNG with nothing in the file but pixels, so that the same picture is the same bytes."""

from __future__ import annotations

import base64
import struct
import zlib

import numpy as np
from numpy.typing import NDArray

SIGNATURE = b"\x89PNG\r\n\x1a\n"
COMPRESSION_LEVEL = 6
"""zlib level: beyond it files shrink by a per cent or two for several times the work."""

_UP_FILTER = 2
"""PNG filter that stores each row as its difference to the row above; suits smooth CT pictures."""

_GREY, _RGB, _PALETTE = 0, 2, 3
"""PNG colour types."""


def encode(pixels: NDArray[np.uint8], palette: NDArray[np.uint8] | None = None) -> bytes:
    """Encode a picture.

    Parameters
    ----------
    pixels:
        uint8, shape (H, W) for grey levels or palette indices, (H, W, 3) for RGB.
    palette:
        uint8, shape (N ≤ 256, 3): RGB of each index of an (H, W) picture.

    Raises
    ------
    ValueError
        Not a uint8 picture of one of these shapes.
    """
    if pixels.dtype != np.uint8 or pixels.ndim not in (2, 3) or (pixels.ndim == 3 and pixels.shape[2] != 3):
        raise ValueError("a picture is uint8 with shape (H, W) or (H, W, 3)")
    if palette is not None and (pixels.ndim != 2 or palette.ndim != 2 or palette.shape[1] != 3):
        raise ValueError("a palette is uint8 with shape (N, 3) and goes with an (H, W) picture")
    height, width = pixels.shape[:2]
    colour = _RGB if pixels.ndim == 3 else _GREY if palette is None else _PALETTE
    header = struct.pack(">IIBBBBB", width, height, 8, colour, 0, 0, 0)
    chunks = [_chunk(b"IHDR", header)]
    if palette is not None:
        chunks.append(_chunk(b"PLTE", palette.astype(np.uint8).tobytes()))
    chunks += [_chunk(b"IDAT", zlib.compress(_filtered(pixels), COMPRESSION_LEVEL)), _chunk(b"IEND", b"")]
    return SIGNATURE + b"".join(chunks)


def data_uri(png: bytes) -> str:
    """Return the picture as a ``data:`` address, to stand inside a page."""
    return "data:image/png;base64," + base64.b64encode(png).decode("ascii")


def _filtered(pixels: NDArray[np.uint8]) -> bytes:
    rows = pixels.reshape(pixels.shape[0], -1)
    above = np.vstack([np.zeros((1, rows.shape[1]), np.uint8), rows[:-1]])
    lines = np.empty((rows.shape[0], rows.shape[1] + 1), np.uint8)
    lines[:, 0] = _UP_FILTER
    np.subtract(rows, above, out=lines[:, 1:])  # wraps modulo 256, as the format wants
    return lines.tobytes()


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
