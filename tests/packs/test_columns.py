"""A population in columns: every measure and outcome as case by case, and what columns cannot do is refused by name."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bailiwick.adapters.packsource_builtin import builtin_packs
from bailiwick.errors import UsageRefused
from bailiwick.model import INTEGER_MAX
from bailiwick.packs import Pack, evaluate, evaluate_columns, load_pack

DATES = st.dates().map(date.isoformat) | st.sampled_from(["2025-02-21", "2024-02-29", "2025-02-30", "soon"])
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "boolean": st.booleans(),
    "integer": st.integers(-3, 60) | st.integers(-INTEGER_MAX, INTEGER_MAX) | st.just(2**60),
    "string": st.sampled_from(["", "office", "field", "é", "fatality", "amputation", "2"]) | DATES,
}
VALUES |= {f"{kind}s": st.lists(each, max_size=4) for kind, each in VALUES.items()}
WRONG = st.none() | st.sampled_from(["x", 1, True, [1], {"a": 1}])
DAYS = st.sampled_from(["2019-01-01", "2020-06-01", "2022-01-01", "2025-03-01"])

MEASURES = {
    "quotient": ("integer", "in.worked_minutes / in.used_minutes"),
    "remainder": ("integer", "in.worked_minutes % in.headcount"),
    "product": ("integer", "in.worked_minutes * in.headcount - -in.used_minutes"),
    "halved": ("integer", "in.worked_minutes / 2 + in.headcount % 7"),
    "told": ("string", "string(in.headcount) + '/' + in.employer.name"),
    "letters": ("integer", "size(in.employer.name)"),
    "is_listed": ("boolean", "in.kind in ['office', 'field'] || in.headcount in [1, 2]"),
    "starts": ("boolean", "in.employer.name.startsWith('o') && !in.employer.name.contains('x')"),
    "ends": ("boolean", "has(in.kind) && in.kind.endsWith('d')"),
    "compared": ("boolean", "in.day <= '2025-02-21' || (in.day > in.employer.name) == in.is_exempt"),
    "week_day": ("integer", "weekday(in.day)"),
    "later": ("string", "add_months(add_days(in.day, in.headcount), 1, 'down')"),
    "age": ("integer", "years_between(in.day, '2025-02-21')"),
    "chosen": ("integer", "in.is_exempt ? in.headcount : in.is_exempt == has(in.day) ? m.week_day : 0x10"),
    "constant": ("integer", "(1 + 2) * 3"),
    "tag_count": ("integer", "size(in.tags) + size(in.tags.filter(t, t != in.kind))"),
    "is_tagged": ("boolean", "in.tags.exists(t, t == in.kind || in.is_exempt) || in.kind in in.tags"),
    "all_short": ("boolean", "in.tags.all(t, size(t) < in.headcount) != in.tags.exists_one(t, weekday(t) > 2)"),
    "marked": ("strings", "in.tags.map(t, t + string(in.headcount)) + [in.kind, 'x']"),
    "nested": ("integers", "in.tags.map(t, in.headcount > 3, size(in.tags.filter(t, t == 'é')) + size(t))"),
    "third": ("string", "in.tags[in.headcount]"),
    "of_constant": ("boolean", "[1, 2, 3].exists(n, n == in.headcount)"),
}


@pytest.fixture
def pack(build: Callable[..., Pack], parsed: Callable[[str], Any]) -> Pack:
    """Give a pack that does what columns can do."""
    measures = parsed("rules/measures.yaml")
    measures["measures"] += [
        {"id": name, "type": kind, "expr": text, "cite": "ACT 1(2)"} for name, (kind, text) in MEASURES.items()
    ]
    rows = [("in.headcount < 5 || in.is_exempt", "1"), ("in.headcount < 20", "in.worked_minutes / in.headcount")]
    table = {
        "id": "band",
        "type": "integer",
        "hit": "first",
        "rows": [
            {"id": f"r{n}", "when": when, "value": value, "cite": "ACT 1"} for n, (when, value) in enumerate(rows)
        ],
    }
    return build(
        {
            "pack.yaml": parsed("pack.yaml") | {"format": "bailiwick-pack/2"},
            "rules/measures.yaml": measures,
            "rules/tables/band.yaml": table,
        }
    )


def paths_of(pack: Pack) -> dict[str, str]:
    """Give the facts that columns can have, with their types."""
    return {field.path: field.type for field in pack.inputs if field.type in VALUES}


def facts_of(paths: list[str], case: tuple[Any, ...]) -> dict[str, Any]:
    """Give one case as objects within objects; what is None is absent."""
    facts: dict[str, Any] = {}
    for path, value in zip(paths, case, strict=True):
        *outer, last = path.split(".")[1:]
        place = facts
        for key in outer:
            place = place.setdefault(key, {})
        if value is not None:
            place[last] = value
    return facts


def check(pack: Pack, paths: list[str], cases: list[tuple[Any, ...]], day: str) -> None:
    """See that every case comes out as it does alone."""
    columns = {path: list(column) for path, column in zip(paths, zip(*cases, strict=True), strict=True)}
    found = evaluate_columns(pack, columns, day)
    for number, case in enumerate(cases):
        alone = evaluate(pack, facts_of(paths, case), day)
        given_together = {name: values[number] for name, values in found.measures.items()}
        assert given_together == {each.id: each.value for each in alone.measurements}, case
        assert found.outcomes[number] == alone.impact.outcome, case


def population(pack: Pack) -> st.SearchStrategy[tuple[list[str], list[tuple[Any, ...]]]]:
    """Draw some columns, and cases over them: known, absent and of wrong types."""
    types = paths_of(pack)

    def cases_of(paths: list[str]) -> st.SearchStrategy[tuple[list[str], list[tuple[Any, ...]]]]:
        values = [VALUES[types[path]] | VALUES[types[path]] | WRONG for path in paths]
        return st.tuples(st.just(paths), st.lists(st.tuples(*values), min_size=1, max_size=12))

    return st.lists(st.sampled_from(sorted(types)), min_size=1, unique=True).flatmap(cases_of)


def test_every_case_of_a_population_comes_out_as_it_does_alone(pack: Pack):
    """A forecast would be of other law than the decisions."""

    @given(drawn=population(pack), day=DAYS)
    @settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
    def judge(drawn: tuple[list[str], list[tuple[Any, ...]]], day: str) -> None:
        check(pack, *drawn, day)

    judge()


@pytest.mark.parametrize("name", builtin_packs().names())
def test_packs_that_ship_are_judged_in_columns_as_case_by_case(name: str):
    """A pack would be judged in columns by something that columns do not know."""
    shipped = load_pack(name, builtin_packs().files(name))

    @given(drawn=population(shipped), day=st.sampled_from(["2014-12-31", "2020-09-25", "2025-03-01"]))
    @settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
    def judge(drawn: tuple[list[str], list[tuple[Any, ...]]], day: str) -> None:
        check(shipped, *drawn, day)

    judge()


def test_a_population_of_every_kind_of_worker_needs_no_loop(pack: Pack):
    """Columns of many cases would be taken for those of one."""
    columns: dict[str, list[Any]] = {
        "in.worked_minutes": [n * 30 for n in range(5_000)],
        "in.headcount": [n % 40 for n in range(5_000)],
        "in.is_exempt": [n % 7 == 0 for n in range(5_000)],
        "in.used_minutes": [0] * 5_000,
    }
    found = evaluate_columns(pack, columns, "2022-01-01")
    assert found.measures["earned"] == list(range(5_000))
    assert (found.outcomes[0], found.outcomes[1], found.outcomes[4_999]) == ("none", "entitled", "capped")


@pytest.mark.parametrize("hit", ["unique", "any", "priority", "collect", "sum", "min", "max", "count"])
def test_every_hit_policy_is_the_same_in_columns(build: Callable[..., Pack], parsed: Callable[[str], Any], hit: str):
    """A score would be added up otherwise in a forecast than in a decision."""
    table: dict[str, Any] = {"id": "size", "type": "integer", "hit": hit}
    if hit == "collect":
        table["type"] = "integers"
    elif hit in ("sum", "min", "max", "count"):
        table |= {"hit": "collect", "collect": hit}
    elif hit == "priority":
        table["priority"] = [3, 1, 2]
    rows = [
        ("in.headcount > 1", "1"),
        ("in.headcount > 3", "in.used_minutes"),
        ("in.is_exempt", "3"),
        ("has(in.day)", "1"),
    ]
    table["rows"] = [
        {"id": f"r{n}", "when": when, "value": each, "cite": "ACT 1"} for n, (when, each) in enumerate(rows)
    ]
    effects = parsed("rules/effects.yaml")
    effects["effects"][0]["when"] = "in.headcount > 3"
    manifest = parsed("pack.yaml") | {"format": "bailiwick-pack/2"}
    judged = build({"pack.yaml": manifest, "rules/tables/size.yaml": table, "rules/effects.yaml": effects})
    counts, minutes = st.sampled_from([None, 0, 2, 5]), st.sampled_from([None, 1, 2, 3, INTEGER_MAX])
    cases = st.lists(st.tuples(counts, minutes, st.none() | st.booleans(), st.none() | DATES), min_size=1, max_size=20)

    @given(cases=cases)
    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
    def judge(cases: list[tuple[Any, ...]]) -> None:
        check(judged, ["in.headcount", "in.used_minutes", "in.is_exempt", "in.day"], cases, "2022-01-01")

    judge()


def test_what_a_module_would_give_may_be_given(build: Callable[..., Pack], parsed: Callable[[str], Any]):
    """A forecast would need a module run for every employee, or take its answer for nothing."""
    call = {
        "id": "reckon",
        "module": "adder",
        "function": "add",
        "gives": [{"id": "total", "type": "integer", "path": "/sum"}],
        "cite": "ACT 1",
    }
    measures = parsed("rules/measures.yaml")
    measures["measures"].append({"id": "twice", "type": "integer", "expr": "m.total * 2", "cite": "ACT 1"})
    manifest = parsed("pack.yaml") | {
        "format": "bailiwick-pack/2",
        "modules": {"adder": {"digest": "sha256:" + "7" * 64}},
    }
    pack = build({"pack.yaml": manifest, "rules/measures.yaml": measures, "rules/calls.yaml": {"calls": [call]}})
    known = evaluate_columns(pack, {"in.headcount": [1, 2], "m.total": [21, "x"]}, "2022-01-01")
    assert known.measures["twice"] == [42, None]
    assert evaluate_columns(pack, {"in.headcount": [1]}, "2022-01-01").measures["twice"] == [None]


def test_what_columns_cannot_do_is_refused_by_name(build: Callable[..., Pack], parsed: Callable[[str], Any]):
    """A measure would be missing from a forecast, or wrong in it."""
    measures = parsed("rules/measures.yaml")
    measures["measures"].append({"id": "x", "type": "boolean", "expr": "in.kind == 'a\\nb'", "cite": "ACT 1"})
    with pytest.raises(UsageRefused) as caught:
        evaluate_columns(build({"rules/measures.yaml": measures}), {"in.headcount": [1]}, "2022-01-01")
    assert caught.value.code == "columns-rules"
    assert "measure x: 'a\\nb' is written with a backslash" in caught.value.message


@pytest.mark.parametrize("columns", [{}, {"in.headcount": [1], "in.kind": []}, {"in.nothing": [1]}, {"headcount": [1]}])
def test_columns_that_are_no_population_are_refused(pack: Pack, columns: dict[str, list[Any]]):
    """A fact would be left out because its name was mistyped, or the cases would be mixed up."""
    with pytest.raises(UsageRefused) as caught:
        evaluate_columns(pack, columns, "2022-01-01")
    assert caught.value.code == "columns-shape"


def test_a_case_with_a_long_list_is_judged_alone(build: Callable[..., Pack], parsed: Callable[[str], Any]):
    """What the engine gives up after so many steps would have a value in a forecast."""
    measures = parsed("rules/measures.yaml")
    text = "in.tags.all(t, in.tags.all(u, u == t))"
    measures["measures"].append({"id": "x", "type": "boolean", "expr": text, "cite": "ACT 1"})
    pack = build({"rules/measures.yaml": measures})
    tags = [["a"] * 99, ["a"] * 100, ["a"] * 1_000, ["a"] * 99 + ["b"], None]
    found = evaluate_columns(pack, {"in.tags": tags, "in.headcount": [1] * 5}, "2022-01-01")
    assert found.measures["x"] == [True, None, None, False, None]
    check(pack, ["in.tags", "in.headcount"], [(each, 1) for each in tags], "2022-01-01")


def test_no_cases_come_to_no_outcomes(pack: Pack):
    """An empty survey would be an error."""
    assert evaluate_columns(pack, {"in.headcount": []}, "2022-01-01").outcomes == []
