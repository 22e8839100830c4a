"""What cases touch: rules, rows, and both sides of every condition."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bailiwick.packs import Aim, Pack, try_pack
from bailiwick.packs.format.pack import Measure
from bailiwick.packs.trying.coverage import Coverage, cover
from bailiwick.packs.trying.known import known_cases

DAY = "2022-01-01"
FACTS = {"worked_minutes": 1800, "used_minutes": 0, "headcount": 5}


def case(name: str, **facts: Any) -> dict[str, Any]:
    """Write a case that expects nothing in particular but a measure."""
    return {
        "name": name,
        "legal_date": DAY,
        "input": {**FACTS, **facts},
        "output": {"earned": facts.get("worked_minutes", 1800) // 30},
        "status": "direct",
    }


def covered(pack: Pack) -> Coverage:
    """Give what the pack's own cases touch."""
    return cover(pack, [known for _, known in known_cases(pack)])


def missing(pack: Pack) -> dict[tuple[str, str], tuple[bool, ...]]:
    """Give the sides of conditions that no case shows."""
    return {(each.rule, each.text): each.never for each in covered(pack).conditions}


def test_each_side_of_each_conjunct_is_asked_for(build: Callable[..., Pack]):
    """Wrong if a conjunct that never was false looked tried."""
    found = missing(build())
    assert found["measure is_capped", "m.open > p.cap_minutes"] == (True,)
    assert found["measure is_capped", "!in.is_exempt"] == (False,)
    assert found["row exempt", "in.is_exempt"] == (True,)


def test_a_case_that_turns_a_conjunct_shows_its_side(build: Callable[..., Pack]):
    """Wrong if a new case did not count."""
    pack = build({"tests/cases.yaml": {"cases": [case("some"), case("much", worked_minutes=1000000)]}})
    assert ("measure is_capped", "m.open > p.cap_minutes") not in missing(pack)


def test_a_row_that_was_not_asked_shows_nothing(build: Callable[..., Pack]):
    """Wrong if a condition counted as tried although an earlier row had decided."""
    only_exempt = {"tests/cases.yaml": {"cases": [case("exempt", is_exempt=True)]}}
    assert missing(build(only_exempt))["row capped", "m.is_capped"] == (True, False)


def test_what_is_unknown_is_neither_side(build: Callable[..., Pack]):
    """Wrong if a fact that nobody gave counted as a false condition."""
    unknown = {"name": "x", "legal_date": DAY, "input": {}, "output": {"outcome": "indeterminate"}, "status": "direct"}
    found = missing(build({"tests/cases.yaml": {"cases": [unknown]}}))
    assert found["table row size.small", "in.headcount <= 10"] == (True, False)


def test_conditions_that_facts_cannot_turn_are_not_counted(build: Callable[..., Pack]):
    """Wrong if no pack could be covered because its last row holds always."""
    assert not any(text == "true" for _, text in missing(build()))


def test_the_pack_that_ships_is_covered_whole(osha: Pack):
    """Wrong if law that ships had a condition that no case turns."""
    found = covered(osha)
    assert (found.untouched, found.conditions) == ((), ())
    assert found.sides > 100


def test_a_condition_judged_again_is_what_the_decision_found(osha: Pack):
    """Wrong if coverage and score rested on other values than the decisions."""
    for _, known in known_cases(osha):
        measured = {each.id: each.value for each in known.decision.measurements}
        for rule in (rule for level in osha.levels for rule in level.rules if isinstance(rule, Measure)):
            assert known.value(rule.expression) == measured[rule.id]


def test_json_adds_to_the_report_of_cases(build: Callable[..., Pack], files: dict[str, bytes]):
    """Wrong if a program that reads today's report broke."""
    pack = build()
    plain = try_pack(pack, files).to_json()
    full = try_pack(pack, files, Aim(coverage=True)).to_json()
    assert plain.keys() == {"cases", "failed", "uncovered"}
    assert {name: full[name] for name in plain} == plain
    counts = full["coverage"]["conditions"]
    assert counts["all"] - counts["touched"] == sum(len(each["never"]) for each in counts["missing"])
    assert full["coverage"]["rules"]["all"] - full["coverage"]["rules"]["touched"] == len(full["uncovered"])
