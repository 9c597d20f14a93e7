"""A plain JPEG lossless encoder (ITU-T T.81 annex H), so that the tests can make what scanners send."""

from __future__ import annotations

import numpy as np

CODE_BITS = 5
"""All 17 categories get a code of one length; any prefix code is allowed."""


def encode_jpeg_lossless(
    samples: np.ndarray, *, predictor: int = 1, precision: int = 16, shift: int = 0, restart_rows: int = 0
) -> bytes:
    """Encode (rows, columns) unsigned samples; ``restart_rows`` puts a restart after that many rows."""
    values = samples.astype(np.int64) >> shift
    rows, columns = values.shape
    step = restart_rows or rows
    table = bytes([0x00, *[0] * (CODE_BITS - 1), 17, *[0] * (16 - CODE_BITS), *range(17)])
    parts = [b"\xff\xd8"]
    parts.append(_segment(0xC3, bytes([precision]) + _word(rows) + _word(columns) + b"\x01\x01\x11\x00"))
    parts.append(_segment(0xC4, table))
    if restart_rows:
        parts.append(_segment(0xDD, _word(restart_rows * columns)))
    parts.append(_segment(0xDA, bytes([1, 1, 0x00, predictor, 0, shift])))
    for n, top in enumerate(range(0, rows, step)):
        if n:
            parts.append(bytes([0xFF, 0xD0 + (n - 1) % 8]))
        parts.append(_coded(values[top : top + step], predictor, 1 << (precision - shift - 1)))
    return b"".join(parts) + b"\xff\xd9"


def _coded(values: np.ndarray, predictor: int, start: int) -> bytes:
    left, above, corner = np.zeros_like(values), np.zeros_like(values), np.zeros_like(values)
    left[:, 1:], above[1:], corner[1:, 1:] = values[:, :-1], values[:-1], values[:-1, :-1]
    guesses = {
        1: left,
        2: above,
        3: corner,
        4: left + above - corner,
        5: left + ((above - corner) >> 1),
        6: above + ((left - corner) >> 1),
        7: (left + above) >> 1,
    }
    guess = guesses[predictor].copy()
    guess[0], guess[1:, 0], guess[0, 0] = left[0], above[1:, 0], start
    difference = ((values - guess + 32767) & 0xFFFF) - 32767
    bits = []
    for d in difference.ravel().tolist():
        category = abs(d).bit_length()
        bits.append(format(category, f"0{CODE_BITS}b"))
        if category == 16:
            continue
        if category:
            bits.append(format(d if d > 0 else d + (1 << category) - 1, f"0{category}b"))
    text = "".join(bits)
    text += "1" * (-len(text) % 8)
    return int(text, 2).to_bytes(len(text) // 8, "big").replace(b"\xff", b"\xff\x00")


def _segment(marker: int, body: bytes) -> bytes:
    return bytes([0xFF, marker]) + _word(len(body) + 2) + body


def _word(number: int) -> bytes:
    return number.to_bytes(2, "big")
