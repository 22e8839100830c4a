"""Effects of the second format: parameters by schema, and acts that a person has to approve."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from bailiwick.model import Decision
from bailiwick.packs import Pack, evaluate

FACTS = {"worked_minutes": 10**6, "used_minutes": 0, "headcount": 50, "is_exempt": False, "employer": {"name": "E"}}
SCHEMA = """
{"$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object", "additionalProperties": false,
 "required": ["minutes", "size"],
 "properties": {"minutes": {"type": "integer", "maximum": 40000}, "size": {"enum": ["large"]}}}
"""


@pytest.fixture
def judge(build: Callable[..., Pack], parsed: Callable[[str], Any]) -> Callable[..., Decision]:
    """Give a function that judges with one effect changed."""

    def find(facts: dict[str, Any] | None = None, **changes: Any) -> Decision:
        effects = parsed("rules/effects.yaml")
        effects["effects"][0] |= changes
        pack = build(
            {
                "pack.yaml": parsed("pack.yaml") | {"format": "bailiwick-pack/2"},
                "rules/effects.yaml": effects,
                **({"schemas/effects/send-letter.json": SCHEMA} if "schema" in changes else {}),
            }
        )
        return evaluate(pack, FACTS if facts is None else facts, "2022-01-01")

    return find


def test_an_effect_whose_parameters_keep_to_their_schema_is_asked_for(judge: Callable[..., Decision]):
    """A letter that is in order would not go out."""
    decision = judge(schema="schemas/effects/send-letter.json")
    assert [each.parameters for each in decision.effects] == [{"minutes": 33333, "size": "large"}]


def test_an_effect_whose_parameters_break_their_schema_is_not_asked_for(judge: Callable[..., Decision]):
    """A receiver would get what it cannot read, and nobody would know why."""
    decision = judge({**FACTS, "worked_minutes": 10**7}, schema="schemas/effects/send-letter.json")
    assert decision.effects == ()
    entry = next(each for each in decision.trace if each.rule == "letter")
    assert entry.value is False
    assert entry.says is None
    assert str(entry.because).startswith("the parameters break schemas/effects/send-letter.json: /minutes: ")


@pytest.mark.parametrize(
    ("asked", "sealed"), [({"within_minutes": 60}, {"within_minutes": 60}), ({}, {}), (None, None)]
)
def test_an_effect_says_whether_a_person_has_to_approve_it(
    judge: Callable[..., Decision], asked: dict[str, int] | None, sealed: dict[str, int] | None
):
    """An act would be carried out that somebody had to look at first."""
    (effect,) = judge(**({} if asked is None else {"approval": asked})).effects
    assert effect.approval == sealed
    assert ("approval" in effect.to_json()) == (sealed is not None)
