"""Templates into one self-contained HTML file."""

from __future__ import annotations

from functools import cache
from typing import Any

import jinja2

from endplate.papers import words

DISCLAIMER = "Research and planning aid, not a medical device."
"""Stands at the top and the foot of every page."""


@cache
def environment(package: str) -> jinja2.Environment:
    """The template environment of a room: its own ``templates`` folder, then that of the papers.

    Every value is escaped unless it is ``Markup``; an unknown name in a template is an error, not a blank.
    """
    loaders = [jinja2.PackageLoader(name) for name in dict.fromkeys((package, "endplate.papers"))]
    made = jinja2.Environment(
        loader=jinja2.ChoiceLoader(loaders),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(
        number=words.number,
        quantity=words.quantity,
        percent=words.percent,
        long_date=words.long_date,
        listed=words.listed,
    )
    made.globals.update(DASH=words.DASH, DISCLAIMER=DISCLAIMER)
    return made


def render(package: str, template: str, **content: Any) -> str:
    """Render one template of a room to HTML text."""
    return environment(package).get_template(template).render(**content)
