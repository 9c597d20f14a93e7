"""Refusals that several readers share, in the words a clinician needs; they never quote a file or a tag."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from endplate.errors import InputError

EXPORT_AGAIN = "Export or copy the image again and compare the file sizes."
"""The remedy for a damaged file."""


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn what the system refuses while ``path`` is read into an answer for the user.

    Raises
    ------
    InputError
        ``file-not-found``, ``file-not-readable``, ``image-too-large``.
    """
    try:
        if not path.exists():
            raise InputError("file-not-found", "There is no such file or folder.", do="Check the path.")
        yield
    except OSError:
        raise InputError(
            "file-not-readable",
            "The file or folder cannot be read.",
            do="Check that you may open it, that it is whole, and that the drive is still connected.",
        ) from None
    except MemoryError:
        raise InputError(
            "image-too-large", "The image does not fit into memory.", do="Crop the image to the spine."
        ) from None


def file_truncated(kind: str) -> InputError:
    """The file ends before its image does. ``kind`` names the format, for example ``"NIfTI file"``."""
    return InputError("file-truncated", f"The {kind} ends before the image does.", do=EXPORT_AGAIN)


def file_unreadable(kind: str, why: str) -> InputError:
    """The file is damaged or not what it seems; ``why`` completes the sentence."""
    return InputError("file-unreadable", f"The {kind} cannot be read: {why}.", do=EXPORT_AGAIN)


def file_unsupported(kind: str, why: str, do: str) -> InputError:
    """The file is whole but of a variety that is not read."""
    return InputError("file-unsupported", f"The {kind} cannot be used: {why}.", do=do)


def no_orientation(kind: str) -> InputError:
    """The file does not say how the image lies in the patient, and left and right are never guessed."""
    return InputError(
        "no-orientation",
        f"The {kind} does not say how the image lies in the patient, so left and right are unknown.",
        do="Give the DICOM series itself, or convert it again with a tool that writes the orientation.",
    )


def not_three_dimensional(kind: str, shape: tuple[int, ...]) -> InputError:
    """The image is a slice, a time series or a colour image."""
    sizes = " × ".join(str(n) for n in shape) or "no"
    return InputError(
        "not-three-dimensional",
        f"The {kind} holds an image of {sizes} values; one 3-D image is needed.",
        do="Export a single 3-D image: one time point, one channel.",
    )


def wrong_modality(found: str) -> InputError:
    """The image is not a CT; ``found`` completes "This is …"."""
    return InputError(
        "wrong-modality",
        f"This is {found}, not a CT in Hounsfield units.",
        do="Give the CT of the spine; density, endplates and pedicles are measured in Hounsfield units.",
    )
