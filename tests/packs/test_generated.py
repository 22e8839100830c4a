"""Inputs from a seed: the same on every machine, allowed by the schema, and where law turns."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from bailiwick.errors import UsageRefused
from bailiwick.packs import Pack
from bailiwick.packs.trying.generated import INPUTS_MAX, Dice, choices_of, days_of, drawn, generated


def values(pack: Pack, path: str) -> tuple:
    """Give what one fact is drawn from."""
    return next(choice.values for choice in choices_of(pack) if choice.path == path)


def test_the_dice_give_what_their_inventors_published():
    """Wrong if a seed meant other inputs on another day. Source: the published values of SplitMix64 for this seed."""
    dice = Dice(1234567)
    whole = [dice.below(1 << 64) for _ in range(5)]
    assert whole == [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
        4593380528125082431,
        16408922859458223821,
    ]


def test_a_seed_gives_the_same_inputs_again(osha: Pack):
    """Wrong if a failure that was found could not be found again."""
    assert list(drawn(osha, 50, 11)) == list(drawn(osha, 50, 11))
    assert list(drawn(osha, 50, 11)) != list(drawn(osha, 50, 12))


def test_every_input_is_one_that_the_schema_allows(osha: Pack):
    """Wrong if a property were broken by what no caller may send."""
    for facts, _ in drawn(osha, 300, 5):
        osha.check_input(facts)


def test_numbers_of_rules_and_parameters_are_drawn_with_their_neighbours(build: Callable[..., Pack]):
    """Wrong if boundaries were met by luck alone."""
    assert {9, 10, 11} <= set(values(build(), "in.headcount"))
    assert {29, 30, 31, 2399, 2400, 2401} <= set(values(build(), "in.worked_minutes"))


def test_bounds_behind_a_division_are_reached_by_products(build: Callable[..., Pack]):
    """Wrong if a limit on minutes earned were never met by minutes worked."""
    assert {30 * 2400 - 1, 30 * 2400, 30 * 4320 + 1} <= set(values(build(), "in.worked_minutes"))


def test_days_turn_where_law_does(build: Callable[..., Pack]):
    """Wrong if the first day of a value were never tried, or the last of the one before."""
    assert {"2020-12-31", "2021-01-01", "2025-02-20", "2025-02-21", "2022-01-01"} <= set(days_of(build()))


def test_words_of_the_schema_and_absent_facts_are_tried(build: Callable[..., Pack]):
    """Wrong if only what cases have were tried."""
    found = [facts for facts, _ in drawn(build(), 200, 3)]
    assert {facts.get("kind") for facts in found} >= {"office", "field", None}
    assert any("worked_minutes" not in facts for facts in found)
    assert {"name": "another"} in [facts.get("employer") for facts in found]


def test_no_rule_of_the_pack_that_ships_is_out_of_reach(osha: Pack):
    """Wrong if generated inputs left rows alone that a caller can come to."""
    outcomes = {known.decision.impact.outcome for known in generated(osha, 300, 1904)}
    assert outcomes == set(osha.outcomes)


@pytest.mark.parametrize("count", [0, -1, INPUTS_MAX + 1])
def test_a_count_without_sense_is_refused(osha: Pack, count: int):
    """Wrong if one word could keep a machine busy for days."""
    with pytest.raises(UsageRefused) as caught:
        list(generated(osha, count, 1))
    assert caught.value.code == "inputs-count"


def test_a_schema_that_refuses_nearly_all_gives_fewer_and_ends(build: Callable[..., Pack], parsed):
    """Wrong if drawing never ended."""
    schema = {
        "type": "object",
        "additionalProperties": False,
        "required": ["worked_minutes"],
        "properties": {
            "worked_minutes": {"const": 77777, "type": "integer"},
            "used_minutes": {"type": "integer"},
            "headcount": {"type": "integer"},
            "is_exempt": {"type": "boolean"},
            "kind": {"enum": ["office", "field", None]},
            "employer": {"type": "object", "properties": {"name": {"type": "string"}}},
            "day": {"type": "string"},
        },
    }
    case = {
        "name": "x",
        "legal_date": "2022-01-01",
        "input": {"worked_minutes": 77777},
        "output": {"earned": 2592},
        "status": "direct",
    }
    pack = build({"schemas/input.json": json.dumps(schema), "tests/cases.yaml": {"cases": [case]}})
    found = list(drawn(pack, 100, 1))
    assert 0 < len(found) <= 100
    assert all(facts["worked_minutes"] == 77777 for facts, _ in found)
