"""The document of a procedure, and the file that keeps its cement."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from endplate.cement.model import ROUTES
from endplate.errors import UsageError
from endplate.planning.model import Plan
from endplate.procedure.actions import AdvanceNeedle, Inject, MixCement
from endplate.procedure.document import ProcedureDocument, procedure_document
from endplate.procedure.record import Played, play, script
from endplate.procedure.saved import fills_from_bytes, fills_to_bytes
from endplate.procedure.script import play_plan
from endplate.procedure.world import World

from .conftest import level_plan


@pytest.fixture
def played(make_world: Callable[..., World]) -> tuple[Played, ProcedureDocument]:
    plans = level_plan("T12", volume_ml=2.0), level_plan("L1")
    none = level_plan("L2").model_copy(update={"paths": ()})
    world = make_world(*plans, leak=lambda ml: {"disc_superior": 0.02 * ml})
    done = play_plan(world)
    return done, procedure_document(done, world, Plan(plans=(*plans, none)), voxel_mm=1.0)


def test_every_level_asked_for_is_told_and_balances(played: tuple[Played, ProcedureDocument]) -> None:
    _, document = played
    assert [level.level for level in document.levels] == ["T12", "L1", "L2"]
    for level, dose in zip(document.levels, (2.0, 3.0, 0.0), strict=True):
        assert set(level.leaks_ml) == set(ROUTES)
        assert level.in_bone_ml + level.leaks_ml["disc_superior"] == pytest.approx(dose)
        assert level.mass_error <= 1e-10
    first, second, empty = document.levels
    assert [found.code for found in empty.findings] == ["procedure-no-needle"]
    assert (second.stopped_because, empty.stopped_because) == ("volume", None)
    assert second.first_cement_s is not None
    assert first.last_cement_s is not None
    assert first.last_cement_s < second.first_cement_s
    again = ProcedureDocument.model_validate_json(document.model_dump_json(by_alias=True))
    assert again == document


def test_a_script_that_injects_no_more_is_the_reason(make_world: Callable[..., World]) -> None:
    at = {"level": "L1", "side": "left"}
    actions = (
        AdvanceNeedle(**at, depth_mm=41.0),
        MixCement(cement="medium-viscosity"),
        Inject(**at, rate_ml_min=3.0, volume_ml=1.0),
    )
    world = make_world()
    done = play(world, script(actions))
    [level] = procedure_document(done, world, Plan(plans=(level_plan(),)), voxel_mm=1.0).levels
    assert level.stopped_because == "script"
    assert "cement-not-ready" in {found.code for found in level.findings}
    assert level.in_bone_ml == pytest.approx(0.5)


def test_the_saved_cement_is_as_the_procedure_left_it(
    played: tuple[Played, ProcedureDocument],
) -> None:
    state = played[0].state
    content = fills_to_bytes(state)
    assert fills_to_bytes(state) == content
    kept = fills_from_bytes(content)
    assert list(kept) == ["T12", "L1"]
    for name, saved in kept.items():
        assert np.array_equal(saved.fill.saturation, state.fills[name].saturation)
        assert saved.fill.leaked_ml == state.fills[name].leaked_ml
        assert np.array_equal(saved.fill.age_s, state.fills[name].age_s)
        came = saved.arrival_s[saved.fill.saturation >= 0.5]
        assert np.isfinite(came).all()
        assert came.max() <= state.time_s
    with pytest.raises(UsageError, match="cannot be read"):
        fills_from_bytes(content[:200])
