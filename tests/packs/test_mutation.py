"""How strong cases are: bent packs, and whether a case notices."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from bailiwick.packs import Aim, Pack, load_pack, start_pack, try_pack
from bailiwick.packs.trying.generated import generated
from bailiwick.packs.trying.mutation import Mutation, bent, mutants_of, mutate

FACTS = {"worked_minutes": 1800, "used_minutes": 0, "headcount": 5}


def case(name: str, facts: dict[str, Any], **expected: Any) -> dict[str, Any]:
    """Write a case by the law of 2022."""
    return {"name": name, "legal_date": "2022-01-01", "input": facts, "output": expected, "status": "direct"}


def scored(pack: Pack) -> Mutation:
    """Try every mutant of a pack."""
    return mutate(pack, mutants_of(pack), list(generated(pack, 200, 7)))


def survivors(pack: Pack, rule: str) -> set[str]:
    """Give how the survivors of one rule read."""
    return {each.mutant.after for each in scored(pack).survived if each.mutant.rule == rule}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("in.a < 3", ["in.a <= 3", "in.a < 2", "in.a < 4"]),
        ("in.a >= p.b", ["in.a > p.b"]),
        ("in.a == 'x' || m.c", ["in.a != 'x' || m.c", "in.a == 'x' && m.c"]),
        ("!in.a", ["in.a"]),
        ("true", ["false"]),
        ("m.a * 0", ["m.a / 0", "m.a * 1", "m.a * (-1)"]),
        ("m.a - 1", ["m.a - 0", "m.a - 2"]),
        ("in.a in ['x', 'y']", []),
        ("in.a < p.b ? in.a : p.b", []),
        ("in.a < p.b ? p.b : in.a", []),
        ("in.a < p.b ? in.a : p.c", ["in.a <= p.b ? in.a : p.c"]),
        ("in.a == p.b ? in.a : p.b", ["in.a != p.b ? in.a : p.b"]),
        ("add_months(in.a, p.b, 'down')", ["add_months(in.a, p.b, 'up')"]),
        ("m.a % 7 + 1", ["m.a * 7 + 1", "m.a % 6 + 1", "m.a % 8 + 1", "m.a % 7 - 1", "m.a % 7 + 0", "m.a % 7 + 2"]),
    ],
)
def test_every_comparison_boundary_and_joint_is_bent(text: str, expected: list[str]):
    """Wrong if a boundary could be off by one and nothing were said."""
    assert [after for _, after in bent(text)] == expected
    assert all(after != text for _, after in bent(text))


def test_a_case_on_the_boundary_kills_what_one_beside_it_lets_live(build: Callable[..., Pack]):
    """Wrong if cases far from the boundary looked as strong as one on it."""
    far = build({"tests/cases.yaml": {"cases": [case("far", {**FACTS, "headcount": 3}, size="small")]}})
    near = build(
        {
            "tests/cases.yaml": {
                "cases": [
                    case("last", {**FACTS, "headcount": 10}, size="small"),
                    case("first", {**FACTS, "headcount": 11}, size="large"),
                ]
            }
        }
    )
    assert "in.headcount < 10" in survivors(far, "table row size.small")
    assert survivors(near, "table row size.small") == set()
    assert survivors(near, "table row size.large") == set()


def test_a_survivor_comes_with_an_input_that_would_kill_it(build: Callable[..., Pack]):
    """Wrong if an author were left to search for the case that lacks."""
    pack = build({"tests/cases.yaml": {"cases": [case("far", {**FACTS, "headcount": 3}, size="small")]}})
    found = next(each for each in scored(pack).survived if each.mutant.after == "in.headcount < 10")
    assert found.facts is not None
    assert found.facts["headcount"] == 10
    assert (found.before["measure size"], found.after["measure size"]) == ("small", None)


def test_each_value_of_a_parameter_is_moved_by_one_unit(build: Callable[..., Pack]):
    """Wrong if a number of the law could be typed wrong and no case cared."""
    changed = {each.after for each in mutants_of(build()) if each.rule == "parameter cap_minutes"}
    assert changed == {
        "2399 from 2021-01-01",
        "2401 from 2021-01-01",
        "4319 from 2025-02-21",
        "4321 from 2025-02-21",
    }
    assert "31 from 2020-01-01" not in survivors(build(), "parameter minutes_per_minute")
    assert "2399 from 2021-01-01" in survivors(build(), "parameter cap_minutes")


def test_neighbouring_rows_change_places_and_the_last_stays_last(build: Callable[..., Pack]):
    """Wrong if the order in which consequences are asked were tried by nobody."""
    orders = [each.after for each in mutants_of(build()) if each.kind == "order"]
    assert orders == ["capped, exempt"]
    both = {"worked_minutes": 1000000, "used_minutes": 0, "headcount": 5, "is_exempt": True}
    told = build({"tests/cases.yaml": {"cases": [case("both", both, outcome="none")]}})
    assert "capped, exempt" in survivors(told, "row exempt")


def test_a_case_that_fails_today_kills_nothing(build: Callable[..., Pack]):
    """Wrong if broken cases made a pack look well tried."""
    found = scored(build({"tests/cases.yaml": {"cases": [case("wrong", FACTS, earned=61)]}}))
    assert (found.killed, found.score) == (0, 0)


def test_the_pack_itself_is_left_as_it_was(build: Callable[..., Pack]):
    """Wrong if trying a pack changed what it decides."""
    pack = build()
    before = [known.decision.impact for known in generated(pack, 50, 3)]
    scored(pack)
    assert [known.decision.impact for known in generated(pack, 50, 3)] == before


def test_the_filter_by_answers_loses_no_kill(build: Callable[..., Pack]):
    """Wrong if leaving out cases that cannot differ left out one that does."""
    pack = build()
    tried = scored(pack)
    names = {(each.mutant.rule, each.mutant.after) for each in tried.survived}
    for mutant in mutants_of(pack):
        bent_pack = mutant.make()
        failed = bool(try_pack(bent_pack, {}).cases.failed)
        assert failed is ((mutant.rule, mutant.after) not in names), mutant


def test_an_expression_of_many_conjuncts_loses_no_mutant(build: Callable[..., Pack], parsed):
    """Wrong if the longest rules were the ones that nobody bends."""
    measures = parsed("rules/measures.yaml")
    measures["measures"][2]["expr"] = " && ".join(["!in.is_exempt"] * 75)
    pack = build({"rules/measures.yaml": measures})
    assert sum(each.rule == "measure is_capped" for each in mutants_of(pack)) == 75 + 74


def test_a_new_pack_is_strong_from_the_start():
    """Wrong if authors began with cases that notice nothing; the survivors mean the same law."""
    files = start_pack("town-fees")
    trial = try_pack(load_pack("town-fees", files), files, Aim(mutation=True))
    assert trial.mutation is not None
    assert trial.mutation.score >= 90
    assert all(each.facts is None for each in trial.mutation.survived)


def test_json_names_place_and_change_of_each_survivor(build: Callable[..., Pack], files: dict[str, bytes]):
    """Wrong if an editor could not jump to what no case notices."""
    found = try_pack(build(), files, Aim(mutation=True)).to_json()["mutation"]
    assert found["mutants"] - found["killed"] == len(found["survived"])
    row = next(each for each in found["survived"] if each["rule"] == "table row size.large")
    assert (row["file"], row["pointer"], row["line"]) == ("rules/tables/size.yaml", "/rows/1", 7)
    assert {"part", "kind", "before", "after", "told_by"} <= row.keys()
