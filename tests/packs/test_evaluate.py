"""Facts and a date become a decision: the same each time, with a reason for everything and no quiet false."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from bailiwick.canonical import canonical_bytes
from bailiwick.errors import UsageRefused
from bailiwick.model import Decision, Measurement, Obligation, Status, TraceEntry
from bailiwick.packs import Pack, evaluate

FULL = {"worked_minutes": 1800, "used_minutes": 0, "headcount": 5, "is_exempt": False, "kind": "office"}
DAY = "2022-01-01"


def measure(decision: Decision, name: str) -> Measurement:
    """Give one measurement."""
    return next(each for each in decision.measurements if each.id == name)


def entry(decision: Decision, rule: str) -> TraceEntry:
    """Give one entry of the trace."""
    return next(each for each in decision.trace if each.rule == rule)


# --- outcomes -------------------------------------------------------------------------------------------------------


def test_the_first_row_that_holds_decides(build: Callable[..., Pack]):
    """Somebody would get the consequence of another case."""
    pack = build()
    assert evaluate(pack, FULL, DAY).impact.outcome == "entitled"
    assert evaluate(pack, {**FULL, "is_exempt": True}, DAY).impact.outcome == "none"
    capped = evaluate(pack, {**FULL, "worked_minutes": 30 * 2401}, DAY)
    assert (capped.impact.outcome, capped.impact.severity) == ("capped", "medium")
    assert capped.impact.reason == "More was earned than may be used."


def test_measures_carry_value_and_unit_in_the_order_of_their_levels(build: Callable[..., Pack]):
    """Evidence would show numbers of nobody knows what."""
    decision = evaluate(build(), FULL, DAY)
    assert [(each.id, each.value, each.unit) for each in decision.measurements] == [
        ("earned", 60, "minute"),
        ("size", "small", None),
        ("open", 60, "minute"),
        ("is_capped", False, None),
    ]


def test_a_row_that_cannot_be_decided_stops_all_later_ones(build: Callable[..., Pack]):
    """A missing fact would count as false, and the next consequence would be taken."""
    decision = evaluate(build(), {**FULL, "used_minutes": None, "kind": "field"}, DAY)
    assert decision.impact.outcome == "indeterminate"
    assert decision.impact.reason == "capped cannot be decided: missing: in.used_minutes"
    assert decision.impact.obligations == ()
    assert entry(decision, "exempt").value is False
    assert entry(decision, "capped").status is Status.INDETERMINATE
    assert entry(decision, "entitled").status is Status.SKIPPED


def test_what_a_missing_fact_does_not_touch_is_decided(build: Callable[..., Pack]):
    """One missing fact would spoil answers that do not need it."""
    decision = evaluate(build(), {"is_exempt": True}, DAY)
    assert decision.impact.outcome == "none"
    assert measure(decision, "is_capped").value is False
    assert measure(decision, "earned").cause == "missing: in.worked_minutes"


@pytest.mark.parametrize(
    ("facts", "cause"),
    [
        ({"worked_minutes": None}, "missing: in.worked_minutes"),
        ({"worked_minutes": "1800"}, "ill-typed: in.worked_minutes is string, declared integer"),
        ({"worked_minutes": True}, "ill-typed: in.worked_minutes is boolean, declared integer"),
        ({"worked_minutes": [1]}, "ill-typed: in.worked_minutes is list, declared integer"),
        ({"worked_minutes": {"a": 1}}, "ill-typed: in.worked_minutes is object, declared integer"),
        ({"worked_minutes": 1.5}, "ill-typed: in.worked_minutes is no JSON value, declared integer"),
        ({"worked_minutes": 2**53}, "overflow: in.worked_minutes is beyond 2^53-1"),
        ({"worked_minutes": -(2**70)}, "overflow: in.worked_minutes is beyond 2^53-1"),
    ],
)
def test_a_missing_or_ill_typed_fact_makes_its_measure_indeterminate(
    build: Callable[..., Pack], facts: dict[str, Any], cause: str
):
    """A wrong fact would be taken for a number, for false or for nothing."""
    decision = evaluate(build(), {**FULL, **facts}, DAY)
    assert decision.impact.outcome == "indeterminate"
    assert measure(decision, "earned") == Measurement(
        id="earned", status=Status.INDETERMINATE, value=None, unit="minute", cause=cause
    )
    assert measure(decision, "is_capped").cause == cause
    canonical_bytes([each.to_json() for each in decision.trace])


def test_half_a_character_is_no_fact(build: Callable[..., Pack]):
    """A decision could not be sealed, or the engine would crash."""
    decision = evaluate(
        build(), {**FULL, "employer": {"name": "\ud800"}, "headcount": 50, "worked_minutes": 10**6}, DAY
    )
    assert entry(decision, "letter").because == "no key: ill-typed: in.employer.name holds half a character"
    canonical_bytes([each.to_json() for each in decision.trace])


def test_facts_that_no_schema_knows_do_nothing(build: Callable[..., Pack]):
    """A fact could shadow another."""
    pack = build()
    assert evaluate(pack, {**FULL, "m.open": 5, "p": {"cap_minutes": 1}, "i_": {}}, DAY) == evaluate(pack, FULL, DAY)


def test_division_by_zero_and_overflow_are_causes(build: Callable[..., Pack], parsed: Callable[[str], Any]):
    """A decision would crash, or wrap around."""
    content = parsed("rules/measures.yaml")
    content["measures"][0]["expr"] = "in.worked_minutes / in.used_minutes"
    pack = build({"rules/measures.yaml": content})
    assert measure(evaluate(pack, FULL, DAY), "earned").cause == "division-by-zero: in.worked_minutes / in.used_minutes"
    content["measures"][0]["expr"] = "in.worked_minutes * in.headcount"
    pack = build({"rules/measures.yaml": content})
    large = {**FULL, "worked_minutes": 2**52, "headcount": 2**52}
    assert str(measure(evaluate(pack, large, DAY), "earned").cause).startswith("overflow: ")
    large = {**FULL, "worked_minutes": 2**52, "headcount": 3}
    assert str(measure(evaluate(pack, large, DAY), "earned").cause).startswith("overflow: ")


# --- law in time ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("day", "cap", "since"),
    [
        ("2021-01-01", 2400, "2021-01-01"),
        ("2025-02-20", 2400, "2021-01-01"),
        ("2025-02-21", 4320, "2025-02-21"),
        ("9999-12-31", 4320, "2025-02-21"),
    ],
)
def test_parameters_are_those_of_the_day(build: Callable[..., Pack], day: str, cap: int, since: str):
    """A case would be judged by the law of another day."""
    read = next(each for each in entry(evaluate(build(), FULL, day), "is_capped").reads if each.path == "p.cap_minutes")
    assert (read.value, read.in_force_from, read.cite, read.unit) == (cap, since, "ACT 1(3)", "minute")


def test_a_parameter_that_is_not_law_yet_is_unknown(build: Callable[..., Pack]):
    """Later law would be applied to earlier cases."""
    decision = evaluate(build(), FULL, "2020-12-31")
    cause = "law-not-yet: p.cap_minutes begins 2021-01-01, the legal date is 2020-12-31"
    assert measure(decision, "is_capped").cause == cause
    assert decision.impact.reason == f"capped cannot be decided: {cause}"
    assert measure(decision, "earned").value == 60


@pytest.mark.parametrize(
    ("law", "day", "reason"),
    [
        ("{from: 2020-01-01, cite: ACT 1}", "2019-12-31", "law-not-yet: the pack knows the law from 2020-01-01"),
        ("{from: 2020-01-01, to: 2021-06-30, cite: ACT 1}", "2021-07-01", "law-no-more: the pack knows the law until"),
    ],
)
def test_days_outside_of_the_law_are_indeterminate(build: Callable[..., Pack], law: str, day: str, reason: str):
    """A pack would judge cases that it has no law for."""
    text = "format: bailiwick-pack/1\nid: sick-pay\nversion: 1.0.0\ntitle: x\njurisdiction: us\n"
    text += f"law: {law}\nunits: {{minute: m, person: p}}\n"
    text += "outcomes: {entitled: x, capped: x, none: x, indeterminate: x}\n"
    decision = evaluate(build({"pack.yaml": text}), {**FULL, "is_exempt": True}, day)
    assert decision.impact.outcome == "indeterminate"
    assert decision.impact.reason.startswith(reason)
    assert entry(decision, "exempt").status is Status.SKIPPED
    assert entry(decision, "law").cite == ("ACT 1",)


def test_a_legal_date_that_is_none_is_the_callers_mistake(build: Callable[..., Pack]):
    """A date that does not exist would sort among those that do."""
    with pytest.raises(UsageRefused):
        evaluate(build(), FULL, "2022-02-30")


# --- assumptions ----------------------------------------------------------------------------------------------------


def test_an_assumption_stands_for_an_absent_fact_and_is_shown(build: Callable[..., Pack]):
    """A presumption of law would be silent, or would not be applied."""
    facts = {key: value for key, value in FULL.items() if key not in ("is_exempt", "used_minutes")}
    decision = evaluate(build(), facts, DAY)
    assert decision.impact.outcome == "entitled"
    covered = entry(decision, "covered")
    assert (covered.kind, covered.value, covered.because) == ("assumption", True, "stands for in.is_exempt: false")
    assert covered.says == "Nobody is exempt unless it is shown."
    read = next(each for each in entry(decision, "exempt").reads if each.path == "in.is_exempt")
    assert (read.value, read.is_known, read.cite) == (False, True, "assumption covered")


def test_a_given_fact_needs_no_assumption(build: Callable[..., Pack]):
    """What the caller knows would be overruled by what the law presumes."""
    decision = evaluate(build(), {**FULL, "is_exempt": True}, DAY)
    assert decision.impact.outcome == "none"
    assert not [each for each in decision.trace if each.rule == "covered"]


def test_an_ill_typed_fact_is_not_assumed_away(build: Callable[..., Pack]):
    """A mistake of the caller would turn into a presumption."""
    decision = evaluate(build(), {**FULL, "is_exempt": "no"}, DAY)
    assert decision.impact.reason == "exempt cannot be decided: ill-typed: in.is_exempt is string, declared boolean"


def test_an_assumption_whose_condition_fails_or_is_unknown_gives_nothing(build: Callable[..., Pack]):
    """A fact would be presumed where the law does not presume it."""
    facts = {"worked_minutes": 1800, "headcount": 5}
    in_field = evaluate(build(), {**facts, "kind": "field"}, DAY)
    assert entry(in_field, "nothing-used").value is False
    assert measure(in_field, "open").cause == "missing: in.used_minutes"
    nowhere = evaluate(build(), facts, DAY)
    assert entry(nowhere, "nothing-used").status is Status.INDETERMINATE
    assert measure(nowhere, "open").cause == "missing: in.kind"


def test_a_statement_is_shown_where_it_applies(build: Callable[..., Pack]):
    """A reading of the law would stay unsaid, or be said of cases that it does not touch."""
    assert entry(evaluate(build(), {**FULL, "kind": "field"}, DAY), "field-note").says == "Field work is work."
    assert "field-note" not in [each.rule for each in evaluate(build(), FULL, DAY).trace]


# --- obligations ----------------------------------------------------------------------------------------------------


def capped(build: Callable[..., Pack], known_at: str | None, **changes: Any) -> Decision:
    """Decide a case that has an obligation."""
    return evaluate(build(), {**FULL, "worked_minutes": 10**6, **changes}, DAY, known_at)


def test_an_obligation_has_its_moment_only_where_knowing_has_one(build: Callable[..., Pack]):
    """A deadline would be counted from a moment that nobody gave."""
    assert capped(build, None).impact.obligations == (
        Obligation(id="tell", text="Tell the employee.", cite="ACT 1(6)", within_minutes=60, due_at=None),
    )
    assert capped(build, "2022-01-01T23:30:00+01:00").impact.obligations[0].due_at == "2022-01-01T23:30:00.000000000Z"


def test_a_moment_that_is_none_leaves_the_deadline_open_and_says_so(build: Callable[..., Pack]):
    """A typing error would quietly take away a deadline."""
    decision = capped(build, "yesterday")
    assert decision.impact.obligations[0].due_at is None
    assert entry(decision, "capped").because == "due_at stays open: known_at 'yesterday' is not an RFC 3339 moment"


@pytest.mark.parametrize("within", ["m.open - 100000000", "m.open * 100000", "p.later"])
def test_a_deadline_that_cannot_be_had_is_no_decision(
    build: Callable[..., Pack], parsed: Callable[[str], Any], within: str
):
    """A duty would be stated with a period that makes no sense."""
    rows, rates = parsed("rules/impacts.yaml"), parsed("parameters/rates.yaml")
    rows["rows"][1]["obligations"][0]["within"] = within
    later = {"from": "2023-01-01", "value": 5, "cite": "ACT 1"}
    rates["parameters"].append({"id": "later", "type": "integer", "title": "x", "values": [later]})
    pack = build({"rules/impacts.yaml": rows, "parameters/rates.yaml": rates})
    decision = evaluate(pack, {**FULL, "worked_minutes": 10**6}, DAY)
    assert decision.impact.outcome == "indeterminate"
    assert decision.effects == ()
    assert entry(decision, "entitled").status is Status.SKIPPED


# --- effects --------------------------------------------------------------------------------------------------------


def test_an_effect_is_asked_for_with_its_key_and_parameters(build: Callable[..., Pack]):
    """The world would not be told, or told of another case."""
    decision = capped(build, None, headcount=50, employer={"name": "E-7"})
    assert [each.to_json() for each in decision.effects] == [
        {"type": "send-letter", "key": "E-7", "parameters": {"minutes": 33333, "size": "large"}}
    ]
    assert entry(decision, "letter").says == "A letter goes out."


def test_an_effect_without_a_key_of_its_own_says_so(build: Callable[..., Pack]):
    """Two effects would share a key that means nothing."""
    decision = capped(build, None, headcount=50)
    assert decision.effects[0].key is None
    assert entry(decision, "letter").because == "no key: missing: in.employer.name"


@pytest.mark.parametrize(
    ("changes", "status", "because"),
    [
        ({"worked_minutes": 30}, Status.SKIPPED, "the outcome is entitled"),
        ({"worked_minutes": None}, Status.SKIPPED, "the outcome is indeterminate"),
        ({"headcount": 5}, Status.COMPUTED, None),
        ({"headcount": None}, Status.INDETERMINATE, "missing: in.headcount"),
    ],
)
def test_an_effect_that_is_not_due_is_not_asked_for(
    build: Callable[..., Pack], changes: dict[str, Any], status: Status, because: str | None
):
    """Something would be done in the world on a case that does not call for it."""
    decision = evaluate(build(), {**FULL, "worked_minutes": 10**6, **changes}, DAY)
    assert decision.effects == ()
    assert (entry(decision, "letter").status, entry(decision, "letter").because) == (status, because)


# --- tables ---------------------------------------------------------------------------------------------------------


def table(hit: str, *rows: tuple[str, str]) -> dict[str, Any]:
    """Write the table of the small pack anew."""
    listed = [{"id": f"r{n}", "when": when, "value": value, "cite": "ACT 1"} for n, (when, value) in enumerate(rows)]
    return {"rules/tables/size.yaml": {"id": "size", "type": "string", "hit": hit, "rows": listed}}


@pytest.mark.parametrize(
    ("hit", "rows", "value", "cause"),
    [
        ("first", [("in.headcount > 9", "'a'"), ("in.headcount > 3", "'b'"), ("true", "'c'")], "b", None),
        (
            "first",
            [("in.headcount > 9", "'a'"), ("in.headcount > 7", "'b'")],
            None,
            "table-gap: no row of m.size holds",
        ),
        ("unique", [("in.headcount > 3", "'a'"), ("in.headcount <= 3", "'b'")], "a", None),
        (
            "unique",
            [("in.headcount > 3", "'a'"), ("in.headcount > 4", "'b'"), ("in.headcount > 9", "'c'")],
            None,
            "table-overlap: rows r0, r1 of m.size hold at once",
        ),
        (
            "unique",
            [("in.headcount > 9", "'a'"), ("in.headcount > 8", "'b'")],
            None,
            "table-gap: no row of m.size holds",
        ),
        ("first", [("in.headcount > 3", "'a'"), ("in.employer.name == 'x'", "'b'")], "a", None),
        ("first", [("in.employer.name == 'x'", "'b'"), ("true", "'a'")], None, "missing: in.employer.name"),
        (
            "unique",
            [("in.headcount > 3", "'a'"), ("in.employer.name == 'x'", "'b'")],
            None,
            "missing: in.employer.name",
        ),
        ("first", [("true", "in.employer.name")], None, "missing: in.employer.name"),
    ],
)
def test_tables_follow_their_hit_policy(
    build: Callable[..., Pack], hit: str, rows: list[tuple[str, str]], value: str | None, cause: str | None
):
    """A table would take a row past one that is not known, or hide that its rows overlap."""
    size = measure(evaluate(build(table(hit, *rows)), FULL, DAY), "size")
    assert (size.value, size.cause) == (value, cause)


def test_the_row_that_decided_is_in_the_trace(build: Callable[..., Pack]):
    """A person would read a table's value and not where it comes from."""
    size = entry(evaluate(build(), {**FULL, "headcount": 50}, DAY), "size")
    assert (size.because, size.says, size.cite) == ("row large: 'large'", "A large employer.", ("ACT 1(5)",))
    assert [read.path for read in size.reads] == ["in.headcount"]


def test_a_table_of_two_hundred_rows_is_judged_as_one(build: Callable[..., Pack]):
    """Large tables would fail on the engine's nesting limit, or cost a call for each row."""
    rows = [(f"in.headcount == {n}", f"'{n}'") for n in range(199)]
    pack = build(table("first", *rows, ("true", "'more'")))
    assert measure(evaluate(pack, {**FULL, "headcount": 198}, DAY), "size").value == "198"
    assert measure(evaluate(pack, {**FULL, "headcount": 500}, DAY), "size").value == "more"


# --- trace ----------------------------------------------------------------------------------------------------------


def test_every_rule_is_in_the_trace_with_what_it_read(build: Callable[..., Pack]):
    """A decision could not be explained."""
    pack = build()
    decision = evaluate(pack, FULL, DAY)
    rules = [each.rule for each in decision.trace if each.kind != "assumption"]
    assert rules == ["earned", "size", "open", "is_capped", "exempt", "capped", "entitled", "letter"]
    for each in decision.trace:
        assert each.cite
        assert each.status is Status.SKIPPED or all(read.is_known for read in each.reads)
    assert [read.to_json() for read in entry(decision, "is_capped").reads] == [
        {"path": "in.is_exempt", "value": False},
        {"path": "m.open", "value": 60, "unit": "minute"},
        {"path": "p.cap_minutes", "value": 2400, "unit": "minute", "from": "2021-01-01", "cite": "ACT 1(3)"},
    ]


def test_a_false_conjunction_names_the_conjunct(build: Callable[..., Pack]):
    """A person would read that a rule failed, and not why."""
    decision = evaluate(build(), FULL, DAY)
    assert entry(decision, "is_capped").because == "this does not hold: m.open > p.cap_minutes"
    exempt = evaluate(build(), {**FULL, "is_exempt": True}, DAY)
    assert entry(exempt, "is_capped").because == "this does not hold: !in.is_exempt"


def test_a_rule_says_its_sentence_only_where_it_holds(build: Callable[..., Pack]):
    """A person would read "Capped." of a case that is not."""
    assert entry(evaluate(build(), {**FULL, "worked_minutes": 10**6}, DAY), "is_capped").says == "Capped."
    assert entry(evaluate(build(), FULL, DAY), "is_capped").says is None
    assert entry(evaluate(build(), {}, DAY), "is_capped").says is None


def test_an_unknown_read_is_shown_as_unknown(build: Callable[..., Pack]):
    """The trace would show a missing fact as null, as if somebody had said so."""
    decision = evaluate(build(), {"is_exempt": True}, DAY)
    assert entry(decision, "earned").reads[0].to_json() == {
        "path": "in.worked_minutes",
        "unknown": True,
        "unit": "minute",
    }


def test_a_pack_is_judged_by_several_threads_at_once(build: Callable[..., Pack]):
    """Two decisions at once would mix their facts."""
    from concurrent.futures import ThreadPoolExecutor

    pack = build()
    facts = [{**FULL, "worked_minutes": 30 * n} for n in range(200)]
    with ThreadPoolExecutor(8) as pool:
        decisions = list(pool.map(lambda each: evaluate(pack, each, DAY), facts))
    assert [measure(each, "earned").value for each in decisions] == list(range(200))
