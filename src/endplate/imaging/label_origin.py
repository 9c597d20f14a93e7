"""How a label map was made, kept with it: what later steps need to trust its edges no more than they deserve."""

from __future__ import annotations

import gzip
import json
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from endplate.errors import InputError
from endplate.imaging.label_sidecar import sidecar_of
from endplate.imaging.layout import header_bytes
from endplate.imaging.nifti_extensions import LIMIT_BYTES, read_extensions
from endplate.imaging.refusals import reading
from endplate.imaging.seg_origin import claim_of
from endplate.imaging.stored import sha256_of
from endplate.imaging.write import replacing

SCHEMA = "endplate/label-origin/1"

NRRD_KEY = "EndplateLabelOrigin"
"""Key of the origin among the key/value pairs of an NRRD header."""

COMMENT_CODE = 6
"""Code of a NIfTI header extension that holds text."""

Point = tuple[float, float, float]
MadeBy = Literal["clicks", "segmenter", "given"]


class _Document(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class Click(_Document):
    """One point that a user set in a vertebral body."""

    level: str
    ras_mm: Point


class Tool(_Document):
    """The program that made the labels."""

    name: str
    version: str | None = None
    """``None`` where it does not say."""
    command: tuple[str, ...] = ()
    """As it was called, with words in place of paths."""


class LevelOrigin(_Document):
    """How well one level is known.

    Unknown is ``None``: a map that was given says nothing of its own quality.
    """

    level: str
    quality: float | None = None
    """0 (nothing fits) to 1."""
    label_error_mm: float | None = None
    """How far the edge of the label may lie from that of the bone; margins are derated by it."""
    assumed: tuple[str, ...] = ()
    """What was taken for granted, a sentence each."""


class LabelOrigin(_Document):
    """How the labels of one CT were made."""

    schema_: Literal["endplate/label-origin/1"] = Field(default="endplate/label-origin/1", alias="schema")
    made_by: MadeBy
    ct_fingerprint: str | None = None
    """Of the CT that they were made on (``fingerprint.ct_fingerprint``); ``None`` where no CT was given."""
    clicks: tuple[Click, ...] = ()
    tool: Tool | None = None
    mended: tuple[str, ...] = ()
    """What was mended afterwards, in order, a sentence each."""
    levels: tuple[LevelOrigin, ...] = ()

    def of_level(self, level: str) -> LevelOrigin | None:
        """What is known of one level."""
        return next((origin for origin in self.levels if origin.level == level), None)

    def to_text(self) -> str:
        """JSON in ASCII on one line; equal origins give equal bytes."""
        content = self.model_dump(mode="json", by_alias=True)
        return json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)


class Sidecar(_Document):
    """The file beside a label map; it holds only for the bytes that it names."""

    schema_: Literal["endplate/label-sidecar/1"] = Field(default="endplate/label-sidecar/1", alias="schema")
    labels_sha256: str
    origin: LabelOrigin


def read_label_origin(path: Path) -> LabelOrigin | None:
    """Return how a label map was made, from the file itself or else from its sidecar.

    Parameters
    ----------
    path:
        A label map of any form.

    Returns
    -------
    LabelOrigin or None
        ``None`` where nothing is known: another program wrote the map, or it was changed after its sidecar was written.

    Raises
    ------
    InputError
        ``file-not-found``, ``file-not-readable``, ``label-origin-damaged`` (it says how it was made, unreadably).
    """
    return stated_origin(path).origin


@dataclass(frozen=True)
class Stated:
    """What a label map and its sidecar say of its making.

    Parameters
    ----------
    origin:
        How it was made; ``None`` where it does not say.
    lost:
        Endplate made it from points, or with a person's help, and the file has lost how.
    stale:
        What its sidecar says, which holds for other bytes.
    """

    origin: LabelOrigin | None = None
    lost: bool = False
    stale: LabelOrigin | None = None


def stated_origin(path: Path) -> Stated:
    """Return how a label map was made and, where it does not say, whether it once did.

    Raises
    ------
    InputError
        As :func:`read_label_origin`.
    """
    with reading(path):
        claim = claim_of(path)
        text = _embedded(path) if claim is None else claim.text
        if text is not None:
            return Stated(_parsed(text))
        lost = claim is not None and claim.ours and not claim.automatic
        beside = sidecar_of(path)
        if path.is_dir() or not beside.is_file():
            return Stated(lost=lost)
        with beside.open("rb") as file:
            content = file.read(LIMIT_BYTES)
        try:
            sidecar = Sidecar.model_validate_json(content)
        except ValidationError:
            raise _damaged() from None
        if sidecar.labels_sha256 == sha256_of(path):
            return Stated(sidecar.origin)
        return Stated(lost=lost, stale=sidecar.origin)


def write_sidecar(path: Path, origin: LabelOrigin) -> Path:
    """Write the origin beside a label file that is already whole; return where.

    Raises
    ------
    UsageError
        ``output-not-writable``.
    """
    sidecar = Sidecar(labels_sha256=sha256_of(path), origin=origin)
    content = sidecar.model_dump(mode="json", by_alias=True)
    beside = sidecar_of(path)
    with replacing(beside) as file:
        file.write((json.dumps(content, sort_keys=True, indent=1, allow_nan=False) + "\n").encode("ascii"))
    return beside


def _embedded(path: Path) -> str | None:
    """The text in the file's own header that claims to be an origin."""
    name = path.name.lower()
    try:
        if name.endswith((".nii", ".nii.gz")):
            return next((text for text in read_extensions(path).texts(COMMENT_CODE) if _claims(text)), None)
        if name.endswith((".nrrd", ".nhdr")):
            return _nrrd_value(header_bytes(path))
    except (EOFError, ValueError, zlib.error, struct.error, gzip.BadGzipFile):
        return None  # reading the voxels says what is wrong with the file
    return None


def _claims(text: str) -> bool:
    return f'"{SCHEMA.rsplit("/", 1)[0]}/' in text


def _parsed(text: str) -> LabelOrigin:
    try:
        return LabelOrigin.model_validate_json(text)
    except ValidationError:
        raise _damaged() from None


def _nrrd_value(header: bytes) -> str | None:
    """The value of our key in an NRRD header, without the format's escapes."""
    marker = f"\n{NRRD_KEY}:=".encode("ascii")
    at = header.find(marker)
    if at < 0:
        return None
    end = header.find(b"\n", at + 1)
    text = (
        header[at + len(marker) : end if end >= 0 else len(header)].rstrip(b"\r").decode("utf-8", "replace")
    )
    return text.replace("\\\\", "\\")


def nrrd_line(origin: LabelOrigin) -> str:
    """The origin as one line of an NRRD header; the format doubles backslashes."""
    return f"{NRRD_KEY}:={escaped(origin.to_text())}"


def escaped(text: str) -> str:
    """A value as NRRD headers have it."""
    return text.replace("\\", "\\\\").replace("\n", "\\n")


def _damaged() -> InputError:
    return InputError(
        "label-origin-damaged",
        "The label map says how it was made, but what it says cannot be read, so how far its edges can be trusted "
        "is unknown.",
        do="Make the labels again with `endplate label`, or delete the .origin.json file beside them if it does not "
        "belong to them.",
    )
