"""Michigan's sick time: every worked case with its status, three laws, and a reckoning of our own in fractions."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date, timedelta
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import bailiwick
from bailiwick.adapters.packsource_folder import FolderPackSource
from bailiwick.errors import PackRefused
from bailiwick.model import Decision, Status
from bailiwick.node import trying
from bailiwick.packs import Pack, evaluate, load_pack, run_cases
from bailiwick.packs.format.texts import missing_texts
from bailiwick.packs.trying.known import Decider
from bailiwick.schema import parse_document

BUILTIN = Path(bailiwick.__file__).parent / "builtin"
NAME = "us-mi-esta"

DIRECT = {*("E01", "E08", "E09", "E11", "E16", "E18", "E20", "E22", "E24", "E25"), *("E26", "E27", "E28", "E29")}
DIRECT |= {"E31", "E35"}
DERIVED = {"E03", "E04", "E05", "E12", "E13", "E15", "E21", "E30", "E34", "E37"}
DISPUTED = {
    "E02": ("accrual_step", {"by-the-minute", "by-the-hour"}),
    "E06": ("accrual_cap", {"use-and-carryover-only", "accrual-too"}),
    "E17": ("waiting_count", {"days-after-hire", "day-of-employment"}),
    "E33": ("increments", {"either", "the-smaller"}),
}
"""The worked cases, as the research that this pack rests on numbers them; of the disputed ones, the switch."""


@pytest.fixture(scope="module")
def files() -> dict[str, bytes]:
    """Give the files of the pack that ships."""
    return dict(FolderPackSource(BUILTIN / "packs").files(NAME))


@pytest.fixture(scope="module")
def esta(files: dict[str, bytes]) -> Pack:
    """Give the pack that ships."""
    return load_pack(NAME, files)


@pytest.fixture(scope="module")
def decider(esta: Pack) -> Iterator[Decider]:
    """Give what decides with the module that runs payroll."""
    with trying(esta) as decide:
        yield decide


def changed(files: dict[str, bytes], path: str, old: str, new: str) -> dict[str, bytes]:
    """Give the files with one text of one of them replaced."""
    text = files[path].decode()
    assert old in text
    return {**files, path: text.replace(old, new).encode()}


# --- its own cases --------------------------------------------------------------------------------------------------


def test_every_case_comes_out_as_written_and_every_rule_is_touched(esta: Pack, decider: Decider):
    """Wrong if the shipped law is not what its authors wrote down, or a rule of it was never tried."""
    report = run_cases(esta, decider)
    assert [failure.to_json() for failure in report.failed] == []
    assert report.uncovered == ()
    assert report.cases >= 160


def test_every_worked_case_is_there_with_its_status(esta: Pack):
    """Wrong if a worked case was lost, or something disputed was passed off as settled."""
    found: dict[str, set[str]] = {}
    for case in esta.cases:
        if (name := re.match(r"E\d\d(?=:)", case.name)) is not None:
            found.setdefault(name.group(), set()).add(case.status)
    assert set(found) == DIRECT | DERIVED | set(DISPUTED)
    assert {name for name in DIRECT if "direct" not in found[name]} == set()
    assert {name for name in DERIVED if "derived" not in found[name]} == set()
    assert {name for name in DISPUTED if "disputed" not in found[name]} == set()


@pytest.mark.parametrize("name", DISPUTED)
def test_a_disputed_case_is_decided_under_each_reading(esta: Pack, name: str):
    """Wrong if one reading of a disputed text was never tried."""
    switch, readings = DISPUTED[name]
    tried = {
        reading
        for case in esta.cases
        if case.name.startswith(name) and isinstance(reading := policy_of(case.input).get(switch), str)
    }
    assert tried == readings
    [policy] = [each for each in esta.policies if each.path == f"in.policy.{switch}"]
    assert {each.id for each in policy.readings} == readings
    assert "disputed" in {each.status for each in policy.readings}


def policy_of(facts: Any) -> dict[str, Any]:
    """Give the switches that facts set."""
    return dict(facts.get("policy", {}))


def test_cases_reach_every_outcome_and_the_days_between_the_laws(esta: Pack):
    """Wrong if a consequence, or the first or last day of a law, was never tried."""
    assert {case.outcome for case in esta.cases} - {None} == set(esta.outcomes)
    days = {case.input["day"] for case in esta.cases}
    assert {"2019-03-28", "2019-03-29", "2025-02-20", "2025-02-21", "2025-09-30", "2025-10-01"} <= days


@pytest.mark.parametrize(
    ("path", "old", "new"),
    [
        ("parameters/time.yaml", "value: {large: 30, small: 30}", "value: {large: 30, small: 35}"),
        ("parameters/time.yaml", "value: {large: 35, small: null}", "value: {large: 36, small: null}"),
        ("parameters/time.yaml", "from: 2025-02-21, value: 120", "from: 2025-02-22, value: 120"),
        ("parameters/time.yaml", "value: 7, cite", "value: 8, cite"),
        ("parameters/time.yaml", "value: 15, cite", "value: 14, cite"),
        ("parameters/time.yaml", "value: 2, cite", "value: 6, cite"),
        ("parameters/employers.yaml", "from: 2025-02-21, value: 11", "from: 2025-02-21, value: 10"),
        ("parameters/employers.yaml", "small: 2025-10-01}", "small: 2025-10-02}"),
        ("parameters/employers.yaml", "value: 36, cite: MCL 408.963", "value: 24, cite: MCL 408.963"),
        ("rules/tables/coverage.yaml", " && !in.employee.loses_by_not_scheduling", ""),
        ("rules/measures.yaml", "in.day <= in.agreement.ends_on", "in.day < in.agreement.ends_on"),
        ("rules/measures.yaml", "+ in.employer.agency_workers", ""),
        ("rules/measures.yaml", "p.rehire_months, 'down'", "p.rehire_months, 'up'"),
        ("rules/tables/duty_begins.yaml", "'up'", "'down'"),
        ("rules/tables/frontload_owed.yaml", "(m.worked + m.worked_per_earned - 1)", "m.worked"),
        ("rules/tables/usable_from.yaml", "m.waiting_days - 1", "m.waiting_days"),
        ("rules/impacts.yaml", "in.day < m.usable_from", "in.day <= m.usable_from"),
        (
            "rules/calls.yaml",
            "policy.accrual_cap_minutes: m.payroll_accrual_cap",
            "policy.accrual_cap_minutes: m.use_cap",
        ),
        ("assumptions.yaml", "value: \"'none'\"", "value: \"'conflicts'\""),
    ],
)
def test_cases_notice_a_changed_rule(files: dict[str, bytes], decider: Decider, path: str, old: str, new: str):
    """Wrong if a slip in the law would pass its own cases."""
    pack = load_pack(NAME, changed(files, path, old, new))
    assert not run_cases(pack, decider).is_passed


# --- a reckoning of our own -----------------------------------------------------------------------------------------

LARGE = {"kind": "private", "employees_in_michigan": 60, "method": "accrual"}
SMALL = {
    "kind": "private",
    "employees_in_michigan": 4,
    "employees_elsewhere": 3,
    "agency_workers": 2,
    "large_weeks_this_year": 0,
    "large_weeks_last_year": 0,
    "first_employee_on": "2010-01-04",
    "method": "accrual",
}
RATES = {("large", "old"): (35, 40), ("large", "new"): (30, 72), ("small", "new"): (30, 40)}
"""Hours worked for one earned, and the cap in hours, by size and law."""


def balance_of(pack: Pack, day: str, employer: dict[str, Any], year: dict[str, int]) -> Decision:
    """Ask for the balance of an employee whom both laws cover."""
    employee = {"works_in_michigan": True, "eligible_under_pmla": True}
    facts = {"matter": "balance", "day": day, "employer": employer, "employee": employee, "year": year}
    pack.check_input(facts)
    return evaluate(pack, facts, day)


def value_of(decision: Decision, name: str) -> Any:
    """Give what a measure came to, which must be known."""
    [found] = [each for each in decision.measurements if each.id == name]
    assert found.status is Status.COMPUTED, found.cause
    return found.value


@given(
    day=st.dates(date(2019, 3, 29), date(2040, 12, 31)),
    size=st.sampled_from(["large", "small"]),
    worked=st.integers(0, 300_000),
    carried=st.integers(0, 6_000),
    used=st.integers(0, 6_000),
)
@settings(max_examples=300, deadline=None)
def test_fractions_of_an_hour_come_to_the_same_minutes(
    esta: Pack, day: date, size: str, worked: int, carried: int, used: int
):
    """Wrong if the arithmetic of the pack is not that of the law."""
    decision = balance_of(
        esta,
        day.isoformat(),
        LARGE if size == "large" else SMALL,
        {"worked_minutes": worked, "carried_minutes": carried, "used_minutes": used},
    )
    law = "new" if day >= date(2025, 2, 21) else "old"
    if size == "small" and day < date(2025, 10, 1):
        assert decision.impact.outcome == ("not-covered" if law == "old" else "not-yet")
        return
    rate, cap = RATES[(size, law)]
    hours = Fraction(worked, 60) / rate
    earned = min(hours, Fraction(cap)) if law == "old" else hours
    accrued = earned * 60 // 1
    usable = max(0, min(carried + accrued - used, cap * 60 - used))
    assert (value_of(decision, "accrued"), value_of(decision, "usable")) == (accrued, usable)
    assert decision.impact.outcome == ("entitled" if usable > 0 else "nothing-owed")


@given(first=st.dates(date(2015, 1, 1), date(2035, 12, 31)))
@settings(max_examples=200, deadline=None)
def test_a_small_business_has_three_years_from_its_first_employee(esta: Pack, first: date):
    """Wrong if a new business were bound a day too early or too late."""
    year = first.year + 3
    is_leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    after = date(year, 3, 1) if (first.month, first.day) == (2, 29) and not is_leap else first.replace(year=year)
    begins = max(after, date(2025, 10, 1)) if first > date(2022, 2, 21) else date(2025, 10, 1)
    employer = {**SMALL, "first_employee_on": first.isoformat()}
    for day, outcome in ((begins - timedelta(days=1), "not-yet"), (begins, "covered")):
        facts = {
            "matter": "coverage",
            "day": day.isoformat(),
            "employer": employer,
            "employee": {"works_in_michigan": True},
        }
        assert evaluate(esta, facts, day.isoformat()).impact.outcome == outcome


@given(
    hired=st.dates(date(2025, 2, 21), date(2035, 12, 31)),
    asked=st.integers(0, 400),
    first_counts=st.booleans(),
)
@settings(max_examples=200, deadline=None)
def test_a_wait_ends_on_the_day_that_the_reading_says(esta: Pack, hired: date, asked: int, first_counts: bool):
    """Wrong if an employee were made to wait a day longer than the reading that is followed."""
    wait = min(asked, 120)
    last = hired + timedelta(days=wait - 1 if first_counts and wait else wait)
    facts = {
        "matter": "use",
        "day": hired.isoformat(),
        "employer": {**LARGE, "waiting_days": asked},
        "employee": {"works_in_michigan": True, "hired_on": hired.isoformat()},
        "policy": {"waiting_count": "day-of-employment" if first_counts else "days-after-hire"},
    }
    esta.check_input(facts)
    assert value_of(evaluate(esta, facts, hired.isoformat()), "usable_from") == last.isoformat()


# --- law, sources and words -----------------------------------------------------------------------------------------


def test_the_text_that_never_was_in_force_carries_nothing(files: dict[str, bytes], esta: Pack):
    """Wrong if the text of 2018 could pass for the law, as it does on pages that show it."""
    [source] = [each for each in esta.sources if each.status == "never-in-force"]
    bad = changed(files, "rules/tables/carryover.yaml", "cite: MCL 408.963", f"cite: {source.citation}")
    with pytest.raises(PackRefused) as refused:
        load_pack(NAME, bad)
    assert any("never was in force" in each.message for each in refused.value.violations)


def test_a_decision_says_which_reading_it_followed(esta: Pack):
    """Wrong if somebody relied on a disputed reading without being told."""
    facts = {
        "matter": "use",
        "day": "2025-06-28",
        "employer": {**LARGE, "waiting_days": 120},
        "employee": {"works_in_michigan": True, "hired_on": "2025-03-01"},
    }
    decision = evaluate(esta, facts, "2025-06-28")
    followed = {entry.rule: entry.because or "" for entry in decision.trace if entry.kind == "assumption"}
    assert "days-after-hire" in followed["policy-waiting-count"]
    assert "no-lawyer-has-read-this" in followed


def test_the_pack_pins_the_module_that_ships(esta: Pack):
    """Wrong if payroll were run by code that the pack was not written for; when it changes, so must the pack."""
    manifest: Any = parse_document((BUILTIN / "modules" / "esta-accrual" / "module.json").read_bytes())
    assert dict(esta.modules) == {"esta-accrual": manifest["digest"]}


def test_the_demands_on_a_violation_wait_for_a_person(esta: Pack):
    """Wrong if an employer were accused by a machine alone, or a message carried a fact of the case."""
    [effect] = esta.effects
    assert effect.approval is not None
    assert set(effect.parameters) == {"reference", "matter", "day", "penalty_cents_max"}


def test_every_fact_that_rules_read_is_asked_for(esta: Pack):
    """Wrong if an interview could come to a fact for which it has no words."""
    switches = {policy.path for policy in esta.policies}
    assert {field.path for field in esta.inputs} - switches - set(esta.questions) == set()
    asked = [path for section in esta.sections for path in section.asks]
    assert len(asked) == len(set(asked))
    assert set(asked) == set(esta.questions)


def test_every_text_is_there_in_spanish(esta: Pack):
    """Wrong if somebody who was promised Spanish is asked in English."""
    assert esta.languages == ("en", "es")
    assert missing_texts(esta) == {}


@pytest.mark.parametrize(
    "facts",
    [
        {"matter": "sick"},
        {"day": "2025-02-30"},
        {"employer": {"kind": "federal"}},
        {"employer": {"employees_in_michigan": -1}},
        {"year": {"worked_minutes": "2080 h"}},
        {"policy": {"accrual_step": "by-the-quarter"}},
        {"reference": "Jane Doe"},
        {"name": "x"},
    ],
)
def test_facts_outside_of_the_schema_are_refused(esta: Pack, facts: dict[str, Any]):
    """Wrong if a word that no rule knows were taken for another."""
    from bailiwick.errors import SchemaViolated

    with pytest.raises(SchemaViolated):
        esta.check_input({"matter": "coverage", "day": "2026-01-05", **facts})
