"""JPEG lossless (process 14, ITU-T T.81 annex H), the compression that archives send most; bytes in, samples out.

The decoders of other packages are either under a licence that Endplate cannot ship or tens of megabytes. Every
read of this one stays inside its arrays, whatever the bytes say.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

SOF_LOSSLESS, DHT, SOI, EOI, SOS, DRI = 0xC3, 0xC4, 0xD8, 0xD9, 0xDA, 0xDD
"""Second bytes of the markers that matter here."""

STANDALONE = {0x01, *range(0xD0, 0xD9)}
"""Markers without a length: TEM, restarts and the start of the image."""

LONGEST_CODE = 16
"""Bits of the longest Huffman code; the tables are indexed by that many bits."""

LARGEST_CATEGORY = 16
"""Number of bits of the largest difference."""


@dataclass(frozen=True)
class _Frame:
    """What the headers of a code stream say before its samples begin."""

    precision: int
    rows: int
    columns: int
    restart_interval: int
    predictor: int
    point_transform: int
    lengths: NDArray[np.uint8]
    categories: NDArray[np.uint8]
    scan: bytes


def decode_jpeg_lossless(content: bytes) -> NDArray[np.uint16]:
    """Return the samples of a one-component JPEG lossless image, shape (rows, columns).

    Any predictor (selection values 1–7), 2–16 bits, restart intervals and point transform.

    Raises
    ------
    ValueError
        The code stream is damaged, ends too early, or is of another kind.
    """
    frame = _parse(content)
    segments = list(_segments(frame.scan))
    interval = frame.restart_interval or frame.rows * frame.columns
    if interval % frame.columns and frame.restart_interval:
        raise ValueError("restarts inside a row")
    bounds = np.cumsum([0] + [len(segment) for segment in segments])
    rows_each = interval // frame.columns
    if len(segments) * rows_each < frame.rows:
        raise ValueError("intervals are missing")
    samples = np.zeros((frame.rows, frame.columns), dtype=np.uint16)
    data = np.frombuffer(b"".join(segments), dtype=np.uint8)
    for number, top in enumerate(range(0, frame.rows, rows_each)):
        whole = _decode(
            data[bounds[number] : bounds[number + 1]],
            frame.lengths,
            frame.categories,
            samples[top : top + rows_each],
            frame.predictor,
            1 << (frame.precision - frame.point_transform - 1),
        )
        if not whole:
            raise ValueError("the samples end too early or are damaged")
    return samples << np.uint16(frame.point_transform)


def _parse(content: bytes) -> _Frame:
    """Read the marker segments up to the samples."""
    tables: dict[int, tuple[NDArray[np.uint8], NDArray[np.uint8]]] = {}
    sizes: tuple[int, int, int] | None = None
    restart, at = 0, 0
    while True:
        start = content.find(b"\xff", at)
        if start < 0 or start + 4 > len(content):
            raise ValueError("no samples")
        marker = content[start + 1]
        if marker in STANDALONE or marker in (0x00, 0xFF):
            at = start + (1 if marker == 0xFF else 2)
            continue
        length = int.from_bytes(content[start + 2 : start + 4], "big")
        body = content[start + 4 : start + 2 + length]
        if length < 2 or len(body) != length - 2 or marker == EOI:
            raise ValueError("damaged marker")
        at = start + 2 + length
        if marker == SOF_LOSSLESS:
            if len(body) < 9 or body[5] != 1:
                raise ValueError("not one component")
            sizes = body[0], int.from_bytes(body[1:3], "big"), int.from_bytes(body[3:5], "big")
        elif 0xC0 <= marker <= 0xCF and marker not in (DHT, 0xC8, 0xCC):
            raise ValueError("another process")
        elif marker == DHT:
            tables.update(_tables(body))
        elif marker == DRI:
            restart = int.from_bytes(body[:2], "big")
        elif marker == SOS:
            break
    if sizes is None or len(body) < 6 or body[0] != 1 or body[2] >> 4 not in tables:
        raise ValueError("headers are missing")
    precision, rows, columns = sizes
    predictor, shift = body[3], body[5] & 15
    if not (2 <= precision <= 16 and rows and columns and 1 <= predictor <= 7 and shift < precision):
        raise ValueError("headers are damaged")
    lengths, categories = tables[body[2] >> 4]
    return _Frame(precision, rows, columns, restart, predictor, shift, lengths, categories, content[at:])


def _tables(body: bytes) -> Iterator[tuple[int, tuple[NDArray[np.uint8], NDArray[np.uint8]]]]:
    """Return the Huffman tables of a segment: for each 16 bits ahead the length of the code and its category."""
    at = 0
    while at < len(body):
        if len(body) < at + 17:
            raise ValueError("damaged table")
        number, counts = body[at] & 15, body[at + 1 : at + 17]
        values = body[at + 17 : at + 17 + sum(counts)]
        at += 17 + sum(counts)
        if len(values) != sum(counts) or any(value > LARGEST_CATEGORY for value in values):
            raise ValueError("damaged table")
        lengths = np.zeros(1 << LONGEST_CODE, dtype=np.uint8)
        categories = np.zeros(1 << LONGEST_CODE, dtype=np.uint8)
        place, used = 0, 0
        for bits, count in enumerate(counts, start=1):
            for category in values[used : used + count]:
                span = 1 << (LONGEST_CODE - bits)
                if place + span > len(lengths):
                    raise ValueError("damaged table")
                lengths[place : place + span] = bits
                categories[place : place + span] = category
                place += span
            used += count
        yield number, (lengths, categories)


def _segments(scan: bytes) -> Iterator[bytes]:
    """Return the coded bytes between restarts, without the zero that follows each byte of ones."""
    start, at = 0, 0
    while True:
        at = scan.find(b"\xff", at)
        if at < 0 or at + 1 >= len(scan):
            yield scan[start:].replace(b"\xff\x00", b"\xff")
            return
        marker = scan[at + 1]
        if marker == 0:
            at += 2
        elif marker == 0xFF:
            at += 1
        else:
            yield scan[start:at].replace(b"\xff\x00", b"\xff")
            if not 0xD0 <= marker <= 0xD7:
                return
            at += 2
            start = at


@njit(cache=True)
def _decode(data: Any, lengths: Any, categories: Any, samples: Any, predictor: Any, start: Any) -> Any:
    """Fill ``samples`` (rows, columns) from the coded bytes of one interval; say whether they sufficed."""
    rows, columns = samples.shape
    held: Any = 0
    bits: Any = 0
    used: Any = 0
    guess: Any = start
    at = 0
    total = 8 * len(data)
    for row in range(rows):
        for column in range(columns):
            while bits <= 32:  # a code and its difference need 32 bits at most
                held = (held << 8) | (np.int64(data[at]) if at < len(data) else 0xFF)
                at += 1
                bits += 8
            ahead = (held >> (bits - 16)) & 0xFFFF
            length, category = np.int64(lengths[ahead]), np.int64(categories[ahead])
            extra = category if category < 16 else 0
            used += length + extra
            if length == 0 or used > total:
                return False
            bits -= length + extra
            difference = (held >> bits) & ((1 << extra) - 1)
            if category == 16:
                difference = 32768
            elif difference < (1 << category) >> 1:
                difference -= (1 << category) - 1
            held &= (1 << bits) - 1
            if row == 0:
                guess = np.int64(samples[0, column - 1]) if column else start
            elif column == 0:
                guess = np.int64(samples[row - 1, 0])
            else:
                guess = _guess(samples, row, column, predictor)
            samples[row, column] = (guess + difference) & 0xFFFF
    return True


@njit(cache=True)
def _guess(samples: Any, row: Any, column: Any, predictor: Any) -> Any:
    """Predict a sample from those to the left, above and above left (T.81 table H.1)."""
    left = np.int64(samples[row, column - 1])
    above = np.int64(samples[row - 1, column])
    corner = np.int64(samples[row - 1, column - 1])
    if predictor <= 3:
        return left if predictor == 1 else above if predictor == 2 else corner
    if predictor == 4:
        return left + above - corner
    if predictor == 5:
        return left + ((above - corner) >> 1)
    if predictor == 6:
        return above + ((left - corner) >> 1)
    return (left + above) >> 1
