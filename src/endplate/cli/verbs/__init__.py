"""The verbs, in the order in which the help shows them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from endplate.cli.verbs.assess import assess
from endplate.cli.verbs.care import care
from endplate.cli.verbs.compare import compare
from endplate.cli.verbs.demo import demo
from endplate.cli.verbs.doctor import doctor
from endplate.cli.verbs.export import export
from endplate.cli.verbs.fluoro import fluoro
from endplate.cli.verbs.fracture import fracture
from endplate.cli.verbs.label import label
from endplate.cli.verbs.plan import plan
from endplate.cli.verbs.report import report
from endplate.cli.verbs.run import run
from endplate.cli.verbs.sample import sample
from endplate.cli.verbs.series import series
from endplate.cli.verbs.strength import strength
from endplate.cli.verbs.treat import treat

VERBS: dict[str, Callable[..., Any]] = {
    "demo": demo,
    "run": run,
    "label": label,
    "assess": assess,
    "plan": plan,
    "treat": treat,
    "strength": strength,
    "fluoro": fluoro,
    "fracture": fracture,
    "report": report,
    "compare": compare,
    "care": care,
    "export": export,
    "series": series,
    "sample": sample,
    "doctor": doctor,
}
"""Verb → function; a new verb joins by standing here."""
