"""Contraindications and cautions, each at its threshold."""

from __future__ import annotations

import pytest
from vertebra_makers import vertebra

from endplate.anatomy.model import ArchBreak, Canal, Lesion, Vertebra
from endplate.planning.cautions import QUESTIONS, image_cautions, questions
from endplate.planning.rules import load_rules

RULES = load_rules()


def codes(level: Vertebra, age: int | None = None) -> list[str]:
    return [item.code for item in image_cautions(level, RULES, age)]


def test_a_sound_level_is_not_cautioned():
    assert codes(vertebra(retropulsion_mm=0.5, cleft_ml=0.0, treated_before=False), 70) == []
    assert codes(vertebra("T1", volume_ml=None, expected_mm=None, hu=None), None) == ["caution-high-level"]


@pytest.mark.parametrize(
    ("compromise", "expected"),
    [
        (0.09, []),
        (0.10, ["caution-canal-info"]),
        (0.20, ["caution-canal"]),
        (0.39, ["caution-canal"]),
        (0.40, ["caution-canal-refer"]),
        (None, []),
    ],
)
def test_the_canal_by_steps(compromise, expected):
    assert codes(vertebra(canal=Canal(compromise=compromise))) == expected


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({"retropulsion_mm": 1.9}, []),
        ({"retropulsion_mm": 2.0}, ["caution-retropulsion"]),
        ({"height_mm": 7.6}, []),
        ({"height_mm": 7.5}, ["caution-plana"]),
        ({"cleft_ml": 0.09}, []),
        ({"cleft_ml": 0.1}, ["caution-cleft"]),
        ({"treated_before": True}, ["caution-treated-before"]),
        ({"level": "T5"}, []),
        ({"level": "T4"}, ["caution-high-level"]),
    ],
)
def test_each_caution_at_its_threshold(more, expected):
    assert codes(vertebra(**more)) == expected


def test_age_where_the_scan_says_it():
    assert codes(vertebra(), 39) == ["caution-age"]
    assert codes(vertebra(), 40) == []


def test_lesions_and_a_broken_arch():
    lesion = Lesion(
        kind="lytic",
        place="posterior wall",
        side="middle",
        centre_ras_mm=(0.0, 0.0, 0.0),
        diameter_mm=10.0,
        volume_ml=0.5,
        mean_hu=40.0,
        contrast_hu=-100.0,
        contrast_sd=-4.0,
        destroyed=("posterior",),
    )
    broken = ArchBreak(place="left lamina", centre_ras_mm=(0.0, 0.0, 0.0), bridge_hu=50.0)
    found = codes(vertebra(lesions=(lesion,), arch_breaks=(broken,)))
    assert found == ["caution-wall-destroyed", "caution-lesion", "caution-arch-broken"]


def test_questions_are_asked_for_what_no_scan_shows():
    asked = questions("L1")
    assert tuple(item.code for item in asked) == QUESTIONS
    assert all(item.level == "L1" and item.text.startswith("Ask") for item in asked)
    assert {"infection", "bleeding", "allergy", "pregnancy"} <= set(
        " ".join(item.text for item in asked).replace("?", "").lower().split()
    )
