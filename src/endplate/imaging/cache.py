"""Where Endplate keeps what it can make or fetch again."""

from __future__ import annotations

import os
from pathlib import Path


def default_cache() -> Path:
    """The user's cache folder for Endplate (``XDG_CACHE_HOME``, else ``~/.cache``)."""
    named = os.environ.get("XDG_CACHE_HOME", "")
    base = Path(named) if Path(named).is_absolute() else Path.home() / ".cache"
    return base / "endplate"
