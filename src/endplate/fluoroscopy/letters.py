"""A small alphabet of dots, so that words burnt into a picture need no font of the machine."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Grey = NDArray[np.uint8]

ROWS, COLUMNS = 7, 5
INK, RIM = 255, 0
"""Grey of the letters and of the rim that makes them readable on light ground."""

_DOTS = {
    " ": "0/0/0/0/0/0/0",
    "A": "01110/10001/10001/11111/10001/10001/10001",
    "B": "11110/10001/10001/11110/10001/10001/11110",
    "C": "01110/10001/10000/10000/10000/10001/01110",
    "D": "11110/10001/10001/10001/10001/10001/11110",
    "E": "11111/10000/10000/11110/10000/10000/11111",
    "F": "11111/10000/10000/11110/10000/10000/10000",
    "G": "01110/10001/10000/10111/10001/10001/01110",
    "H": "10001/10001/10001/11111/10001/10001/10001",
    "I": "01110/00100/00100/00100/00100/00100/01110",
    "J": "00111/00010/00010/00010/00010/10010/01100",
    "K": "10001/10010/10100/11000/10100/10010/10001",
    "L": "10000/10000/10000/10000/10000/10000/11111",
    "M": "10001/11011/10101/10101/10001/10001/10001",
    "N": "10001/11001/10101/10011/10001/10001/10001",
    "O": "01110/10001/10001/10001/10001/10001/01110",
    "P": "11110/10001/10001/11110/10000/10000/10000",
    "Q": "01110/10001/10001/10001/10101/10010/01101",
    "R": "11110/10001/10001/11110/10100/10010/10001",
    "S": "01111/10000/10000/01110/00001/00001/11110",
    "T": "11111/00100/00100/00100/00100/00100/00100",
    "U": "10001/10001/10001/10001/10001/10001/01110",
    "V": "10001/10001/10001/10001/10001/01010/00100",
    "W": "10001/10001/10001/10101/10101/11011/10001",
    "X": "10001/10001/01010/00100/01010/10001/10001",
    "Y": "10001/10001/01010/00100/00100/00100/00100",
    "Z": "11111/00001/00010/00100/01000/10000/11111",
    "0": "01110/10001/10011/10101/11001/10001/01110",
    "1": "00100/01100/00100/00100/00100/00100/01110",
    "2": "01110/10001/00001/00110/01000/10000/11111",
    "3": "11110/00001/00001/01110/00001/00001/11110",
    "4": "00010/00110/01010/10010/11111/00010/00010",
    "5": "11111/10000/11110/00001/00001/10001/01110",
    "6": "00110/01000/10000/11110/10001/10001/01110",
    "7": "11111/00001/00010/00100/01000/01000/01000",
    "8": "01110/10001/10001/01110/10001/10001/01110",
    "9": "01110/10001/10001/01111/00001/00010/01100",
    "°": "01100/10010/01100/0/0/0/0",
    ".": "0/0/0/0/0/01100/01100",
    ",": "0/0/0/0/01100/00100/01000",
    "-": "0/0/0/11111/0/0/0",
    "+": "0/00100/00100/11111/00100/00100/0",
    "/": "00001/00001/00010/00100/01000/10000/10000",
    ":": "0/01100/01100/0/01100/01100/0",
    "'": "00100/00100/01000/0/0/0/0",
    "(": "00010/00100/01000/01000/01000/00100/00010",
    ")": "01000/00100/00010/00010/00010/00100/01000",
}


@lru_cache(maxsize=256)
def word(text: str, scale: int) -> NDArray[np.bool_]:
    """Dots of a word in capitals, shape (7·scale, 6·n·scale); letters that are not in the alphabet are left blank."""
    dots = np.zeros((ROWS, (COLUMNS + 1) * max(len(text), 1)), dtype=np.bool_)
    for place, letter in enumerate(text.upper()):
        for row, line in enumerate(_DOTS.get(letter, _DOTS[" "]).split("/")):
            for column, dot in enumerate(line.zfill(COLUMNS)):
                dots[row, place * (COLUMNS + 1) + column] = dot == "1"
    return np.kron(dots, np.ones((scale, scale), dtype=np.bool_)).astype(np.bool_)


@lru_cache(maxsize=256)
def _stamp(text: str, scale: int) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """A word and its rim, with one pixel around."""
    ink = np.pad(word(text, scale), 1)
    rim = ink.copy()
    for axis in (0, 1):
        for shift in (-1, 1):
            rim |= np.roll(ink, shift, axis=axis)
    return ink, rim


def write(picture: Grey, text: str, top: int, left: int, scale: int) -> None:
    """Write a word into a picture, in place, with a dark rim; what falls beside the picture is cut."""
    ink, rim = _stamp(text, scale)
    rows, columns = picture.shape
    r0, c0 = top - 1, left - 1
    r1, c1 = max(r0, 0), max(c0, 0)
    r2, c2 = min(r0 + ink.shape[0], rows), min(c0 + ink.shape[1], columns)
    if r1 >= r2 or c1 >= c2:
        return
    part = picture[r1:r2, c1:c2]
    cut = (slice(r1 - r0, r2 - r0), slice(c1 - c0, c2 - c0))
    part[rim[cut]] = RIM
    part[ink[cut]] = INK


def width(text: str, scale: int) -> int:
    """Width of a word in pixels."""
    return (COLUMNS + 1) * scale * len(text)
