"""What an operator can do: frozen actions that are also the lines of an action script.

Every action names the level and the needle's side it is meant for. Numbers that make no sense (a rate of zero, a depth
behind the skin) are refused by the engine in words, not here.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, FiniteFloat, TypeAdapter, ValidationError

from endplate.anatomy.model import Document, Side
from endplate.errors import UsageError

ViewName = Literal["lateral", "ap"]
"""The true views of a level."""


class AdvanceNeedle(Document):
    """Bring a needle's tip to a depth along its planned path, forward or back."""

    action: Literal["advance"] = "advance"
    level: str
    side: Side
    depth_mm: FiniteFloat
    """From the entry into bone; negative outside it."""
    takes_s: FiniteFloat | None = None
    """``None``: by the times of the procedure."""


class Shoot(Document):
    """Look: one view for a moment."""

    action: Literal["shoot"] = "shoot"
    level: str
    view: ViewName
    takes_s: FiniteFloat | None = None


class Inflate(Document):
    """Inflate a balloon to a volume."""

    action: Literal["inflate"] = "inflate"
    level: str
    side: Side
    volume_ml: FiniteFloat
    heedless: bool = False
    """Go on past contact with a wall, the rated pressure and the greatest volume, as nobody should."""


class Deflate(Document):
    """Deflate a balloon and take it out."""

    action: Literal["deflate"] = "deflate"
    level: str
    side: Side


class MixCement(Document):
    """Mix a batch; its age counts from the start of mixing."""

    action: Literal["mix"] = "mix"
    cement: str
    """Name of a cement of the catalogue."""
    volume_ml: FiniteFloat | None = None
    """``None``: a common pack."""


class ChangeCement(Document):
    """Load a needle's syringe from another mix; what is still in the cannula goes ahead of it."""

    action: Literal["change"] = "change"
    level: str
    side: Side
    mix: int
    """Number of the mix, from 0."""


class Inject(Document):
    """Push cement at a rate until a volume has left the syringe, or until the operator cannot push on."""

    action: Literal["inject"] = "inject"
    level: str
    side: Side
    rate_ml_min: FiniteFloat
    volume_ml: FiniteFloat


class Pause(Document):
    """Wait."""

    action: Literal["pause"] = "pause"
    seconds: FiniteFloat
    reason: Literal["wait", "turn", "leak"] = "wait"
    """``"turn"``: changing over to the other needle, which counts as injection."""


class WithdrawNeedle(Document):
    """Take a needle out; cement in its cannula leaves with it."""

    action: Literal["withdraw"] = "withdraw"
    level: str
    side: Side


class Close(Document):
    """Close the skin; nothing can be done after it."""

    action: Literal["close"] = "close"


Action = (
    AdvanceNeedle
    | Shoot
    | Inflate
    | Deflate
    | MixCement
    | ChangeCement
    | Inject
    | Pause
    | WithdrawNeedle
    | Close
)

_ONE: TypeAdapter[Action] = TypeAdapter(Annotated[Action, Field(discriminator="action")])

NAMES = ("advance", "shoot", "inflate", "deflate", "mix", "change", "inject", "pause", "withdraw", "close")
"""What the field ``action`` of a line may say."""


def parse_action(given: Any, where: str) -> Action:
    """One action from plain JSON values.

    Parameters
    ----------
    given:
        A JSON object.
    where:
        Its place in words, as ``"line 3"``.

    Raises
    ------
    UsageError
        ``action-unknown`` or ``action-broken``.
    """
    name = given.get("action") if isinstance(given, dict) else None
    if name not in NAMES:
        raise UsageError(
            "action-unknown",
            f"There is no action {name!r} ({where}).",
            do=f"Choose one of {', '.join(NAMES)}.",
        )
    try:
        return _ONE.validate_python(given)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"][1:]) or "it"
        raise UsageError(
            "action-broken",
            f"The action {name} cannot be read ({where}): {place}: {str(first['msg']).lower()}.",
            do="Correct that line; the actions and their fields are listed in docs/science/procedure.md.",
        ) from error
