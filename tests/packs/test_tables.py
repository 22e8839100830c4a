"""Hit policies: which rows count, and nothing is collected past a row that is not known."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from bailiwick.canonical import canonical_bytes
from bailiwick.model import Measurement, TraceEntry
from bailiwick.packs import Pack, evaluate

FACTS = {"headcount": 5, "worked_minutes": 60, "employer": {"name": "A"}}
DAY = "2022-01-01"

Rows = list[tuple[str, str]]


@pytest.fixture
def judge(build: Callable[..., Pack], parsed: Callable[[str], Any]) -> Callable[..., tuple[Measurement, TraceEntry]]:
    """Give a function that judges one table in a pack of the second format."""

    def find(rows: Rows, facts: dict[str, Any] | None = None, **table: Any) -> tuple[Measurement, TraceEntry]:
        impacts = parsed("rules/impacts.yaml")
        content = {
            "id": "band",
            "type": "string",
            **table,
            "rows": [
                {"id": f"r{n}", "when": when, "value": value, "cite": f"ACT 1({n})", "say": f"Row {n}."}
                for n, (when, value) in enumerate(rows)
            ],
        }
        pack = build(
            {
                "pack.yaml": parsed("pack.yaml") | {"format": "bailiwick-pack/2"},
                "rules/tables/band.yaml": content,
                "rules/impacts.yaml": impacts,
            }
        )
        decision = evaluate(pack, FACTS if facts is None else facts, DAY)
        found = next(each for each in decision.measurements if each.id == "band")
        entry = next(each for each in decision.trace if each.rule == "band")
        canonical_bytes(entry.to_json())
        return found, entry

    return find


def test_any_takes_the_value_that_all_rows_give(judge: Callable[..., Any]):
    """A table would take one of two readings that its author thought were the same."""
    rows = [("in.headcount > 3", "'a'"), ("in.headcount > 4", "'a'"), ("in.headcount > 9", "'b'")]
    found, entry = judge(rows, hit="any")
    assert found.value == "a"
    assert (entry.because, entry.cite, entry.says) == ("rows r0, r1", ("ACT 1(0)", "ACT 1(1)"), "Row 0. Row 1.")
    assert entry.expression == "(in.headcount > 3) && (in.headcount > 4)"
    assert [read.path for read in entry.reads] == ["in.headcount"]
    rows[2] = ("in.headcount > 2", "'b'")
    assert judge(rows, hit="any")[0].cause == (
        "table-overlap: rows r0, r1, r2 of m.band hold at once and give different values"
    )


def test_priority_takes_the_value_that_stands_first(judge: Callable[..., Any]):
    """A lighter consequence would be taken because its row stands higher."""
    rows = [("in.headcount > 3", "'low'"), ("in.headcount > 4", "'high'"), ("in.headcount > 1", "'high'")]
    found, entry = judge(rows, hit="priority", priority=["high", "middle", "low"])
    assert (found.value, entry.because, entry.says) == ("high", "rows r1, r2", "Row 1. Row 2.")
    only = judge(rows[:1], hit="priority", priority=["high", "low"])
    assert (only[0].value, only[1].because) == ("low", "row r0: 'low'")


def test_a_value_without_priority_is_a_cause(judge: Callable[..., Any]):
    """A value that nobody ranked would win or lose by chance."""
    rows = [("in.headcount > 3", "'low'"), ("in.headcount > 4", "in.employer.name")]
    found, _ = judge(rows, hit="priority", priority=["high", "low"])
    assert found.cause == "table-priority: 'A' is not among the priorities of m.band"


@pytest.mark.parametrize(
    ("collect", "kind", "value"),
    [
        (None, "integers", [7, 2]),
        ("sum", "integer", 9),
        ("min", "integer", 2),
        ("max", "integer", 7),
        ("count", "integer", 2),
    ],
)
def test_collect_gives_all_values_in_the_order_of_the_rows(
    judge: Callable[..., Any], collect: str | None, kind: str, value: Any
):
    """A finding would be lost, or counted twice."""
    rows = [("in.headcount > 3", "7"), ("in.headcount > 9", "100"), ("in.headcount > 4", "2")]
    table = {"hit": "collect", "type": kind} | ({} if collect is None else {"collect": collect})
    found, entry = judge(rows, **table)
    assert found.value == value
    assert (entry.because, entry.cite) == ("rows r0, r2", ("ACT 1(0)", "ACT 1(2)"))


@pytest.mark.parametrize(
    ("collect", "value", "cause"),
    [
        (None, [], None),
        ("sum", 0, None),
        ("count", 0, None),
        ("min", None, "table-gap: no row of m.band holds"),
        ("max", None, "table-gap: no row of m.band holds"),
    ],
)
def test_of_no_rows_there_is_an_empty_list_and_no_least(
    judge: Callable[..., Any], collect: str | None, value: Any, cause: str | None
):
    """Nothing found would be an error, or the least of nothing a number."""
    table = {"hit": "collect", "type": "integers"} | (
        {} if collect is None else {"collect": collect, "type": "integer"}
    )
    found, entry = judge([("in.headcount > 9", "1")], **table)
    assert (found.value, found.cause) == (value, cause)
    assert entry.because == (cause or "no row holds")


@pytest.mark.parametrize("hit", ["any", "priority", "collect"])
def test_a_row_that_is_not_known_is_never_left_out(judge: Callable[..., Any], hit: str):
    """A missing fact would count as false, and the table as complete."""
    rows = [("in.headcount > 3", "'a'"), ("in.day > '2020'", "'a'")]
    more = {"priority": ["a"]} if hit == "priority" else {"type": "strings"} if hit == "collect" else {}
    assert judge(rows, hit=hit, **more)[0].cause == "missing: in.day"


@pytest.mark.parametrize("hit", ["any", "priority", "collect", "first", "unique"])
def test_the_value_of_a_row_is_computed_only_where_the_row_counts(judge: Callable[..., Any], hit: str):
    """A row that guards against a zero would be indeterminate all the same."""
    more: dict[str, Any] = {"type": "integer"}
    if hit == "priority":
        more["priority"] = [1, 12]
    elif hit == "collect":
        more["collect"] = "max"
    rows = [("in.headcount == 0", "1"), ("in.headcount > 0", "in.worked_minutes / in.headcount")]
    assert judge(rows, hit=hit, **more)[0].value == 12
    assert judge(rows, {**FACTS, "headcount": 0}, hit=hit, **more)[0].value == 1


def test_a_sum_beyond_canonical_json_is_an_overflow(judge: Callable[..., Any]):
    """A decision could not be sealed."""
    rows = [("in.headcount > 3", "9007199254740991"), ("in.headcount > 4", "1")]
    assert judge(rows, hit="collect", collect="sum", type="integer")[0].cause == "overflow: m.band is beyond 2^53-1"
    rows = [("in.headcount > 3", "in.worked_minutes / (in.headcount - 5)")]
    assert str(judge(rows, hit="collect", type="integers")[0].cause).startswith("division-by-zero")


def test_a_hundred_rows_that_hold_are_not_all_named(judge: Callable[..., Any]):
    """A trace would grow with a table."""
    _, entry = judge([("in.headcount > 3", "1")] * 100, hit="collect", type="integers")
    assert entry.because.endswith("r19 and 80 more")
