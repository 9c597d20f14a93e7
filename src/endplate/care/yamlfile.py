"""YAML of the care room: a table of a few pages, with the line of every entry."""

from __future__ import annotations

from collections.abc import Mapping

from endplate.errors import InputError
from endplate.sources.yaml_text import YamlText

BYTES_MAX = 1_000_000
"""A pack is a few pages; anything larger is another kind of file."""


class YamlFile(YamlText):
    """One YAML file: its values, and an error for any place in it."""

    dates_as_text = True

    def __init__(self, name: str, content: bytes, code: str = "care-pack-wrong") -> None:
        if len(content) > BYTES_MAX:
            raise InputError(code, f"{name}: it is larger than any pack.", do="Name a pack's YAML file.")
        super().__init__(name, content, code)
        if not isinstance(self.values, Mapping):
            raise self.fault((), "it is not a table.", "Begin with `pack:` and `parameters:`.")
