"""Reading one kind of source data: all its TOML files merged, no key twice."""

from __future__ import annotations

import tomllib
from importlib import resources
from typing import Any

from endplate.errors import InternalError


def load_tables(kind: str) -> dict[str, dict[str, Any]]:
    """Return every entry of ``data/<kind>/*.toml`` by key.

    Raises
    ------
    InternalError
        A key stands in two files, or an entry is not a table.
    """
    tables: dict[str, dict[str, Any]] = {}
    folder = resources.files("endplate.sources") / "data" / kind
    for file in sorted(folder.iterdir(), key=lambda item: item.name):
        if not file.name.endswith(".toml"):
            continue
        try:
            content = tomllib.loads(file.read_text("utf-8"))
        except tomllib.TOMLDecodeError as error:
            raise InternalError(
                "source-data-broken",
                f"{kind}/{file.name} is not valid TOML: {error}.",
                do="Correct the data file; `make test` checks all of them.",
            ) from error
        for key, entry in content.items():
            if key in tables or not isinstance(entry, dict):
                raise InternalError(
                    "source-data-broken",
                    f"{kind}/{file.name}: the entry {key!r} is not a table or stands in two files.",
                    do="Correct the data file; `make test` checks all of them.",
                )
            tables[key] = entry
    return tables
