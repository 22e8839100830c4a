"""A pack's own cases: compared exactly, and counted."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
import yaml

from bailiwick.errors import PackRefused
from bailiwick.packs import CaseReport, Pack, load_pack, run_cases, start_pack

INPUT = {"worked_minutes": 1000000, "used_minutes": 0, "headcount": 50, "employer": {"name": "E-7"}}


def run(build: Callable[..., Pack], **case: Any) -> list[str]:
    """Run one case on the small pack and give its differences."""
    full = {
        "name": "x",
        "legal_date": "2022-01-01",
        "input": INPUT,
        "output": {"outcome": "capped"},
        "status": "direct",
    }
    report = run_cases(build({"tests/cases.yaml": {"cases": [full | case]}}))
    assert report.cases == 1
    assert report.is_passed is (not report.failed)
    return list(report.failed[0].differences) if report.failed else []


@pytest.mark.parametrize(
    "case",
    [
        {},
        {"output": {"outcome": "capped", "earned": 33333, "is_capped": True, "size": "large"}},
        {"obligations": [{"id": "tell", "within_minutes": 60, "due_at": None}]},
        {"obligations": [{"id": "tell", "within_minutes": 60}]},
        {"effects": [{"type": "send-letter", "key": "E-7"}]},
        {"cites": ["ACT 1(3)", "ACT 1(6)"]},
        {"because": "More was earned"},
        {"legal_date": "2020-05-01", "output": {"outcome": "indeterminate"}, "indeterminate": ["is_capped"]},
        {
            "input": {**INPUT, "known_at": "2022-01-01T00:00:00Z"},
            "obligations": [{"id": "tell", "within_minutes": 60, "due_at": "2022-01-01T01:00:00.000000000Z"}],
        },
    ],
)
def test_a_case_that_comes_out_as_written_passes(build: Callable[..., Pack], case: dict[str, Any]):
    """A sound pack would fail its own cases."""
    assert run(build, **case) == []


@pytest.mark.parametrize(
    ("case", "difference"),
    [
        ({"output": {"outcome": "none"}}, "outcome: none expected, capped given: More was earned than may be used."),
        ({"output": {"earned": 33334}}, "earned: 33334 expected, 33333 given"),
        ({"output": {"earned": "33333"}}, "earned: 33333 expected, 33333 given"),
        ({"output": {"is_capped": 1}}, "is_capped: 1 expected, True given"),
        ({"indeterminate": ["earned"]}, "earned: indeterminate expected, 33333 given"),
        (
            {"legal_date": "2020-05-01", "output": {"is_capped": False}},
            "is_capped: False expected, indeterminate given: law-not-yet: p.cap_minutes begins 2021-01-01, "
            "the legal date is 2020-05-01",
        ),
        ({"obligations": []}, "obligations: 0 expected, 1 given"),
        (
            {"obligations": [{"id": "tell", "within_minutes": 61}]},
            "obligations[0].within_minutes: 61 expected, 60 given",
        ),
        ({"effects": []}, "effects: 0 expected, 1 given"),
        (
            {"effects": [{"type": "send-letter", "parameters": {"minutes": True, "size": "large"}}]},
            "effects[0].parameters: {'minutes': True, 'size': 'large'} expected, "
            "{'minutes': 33333, 'size': 'large'} given",
        ),
        ({"effects": [{"type": "send-letter", "key": None}]}, "effects[0].key: None expected, E-7 given"),
        ({"cites": ["ACT 1(4)"]}, "cites: ACT 1(4) is not among the citations that carried the decision"),
        ({"because": "Less"}, "because: 'Less' expected in the reason, which is 'More was earned than may be used.'"),
        ({"legal_date": None}, "no legal_date, and the input does not say when it happened"),
    ],
)
def test_a_case_that_comes_out_otherwise_fails_with_the_difference(
    build: Callable[..., Pack], case: dict[str, Any], difference: str
):
    """A pack could break its own law and nobody would be told."""
    if case.get("legal_date", "") is None:
        full = {"name": "x", "input": INPUT, "output": {"outcome": "capped"}, "status": "direct"}
        report = run_cases(build({"tests/cases.yaml": {"cases": [full]}}))
        assert report.failed[0].differences == (difference,)
    else:
        assert difference in run(build, **case)


def test_the_legal_date_may_stand_in_the_input(build: Callable[..., Pack]):
    """A case could not be written as a caller would ask it."""
    case = {"name": "x", "input": {**INPUT, "day": "2022-05-01"}, "output": {"outcome": "capped"}, "status": "direct"}
    assert run_cases(build({"tests/cases.yaml": {"cases": [case]}})).is_passed


def test_coverage_names_what_no_case_touches(build: Callable[..., Pack]):
    """A rule that nobody tried would look tried."""
    assert run_cases(build()).to_json() == {
        "cases": 1,
        "failed": [],
        "uncovered": [
            "table row size.large",
            "measure is_capped true",
            "assumption nothing-used",
            "assumption field-note",
            "row exempt",
            "row capped",
            "effect letter",
            "indeterminate",
        ],
    }


def test_a_failure_says_where_its_case_stands(build: Callable[..., Pack]):
    """An author would search all files for a name."""
    case = {"name": "x", "legal_date": "2022-01-01", "input": {}, "output": {"outcome": "none"}, "status": "disputed"}
    report = run_cases(build({"tests/more.yaml": {"cases": [case]}}))
    assert [(each.file, each.name) for each in report.failed] == [("tests/more.yaml", "x")]


# --- of the second version of the format ------------------------------------------------------------------------------


def tried(case: dict[str, Any], **files: bytes | str) -> CaseReport:
    """Run one case on a new pack, with further files."""
    full = {"name": "x", "status": "direct"} | case
    found = start_pack("town-fees") | {"tests/cases.yaml": yaml.safe_dump({"cases": [full]}).encode()}
    return run_cases(load_pack("town-fees", found | {path: str(text).encode() for path, text in files.items()}))


def differences(report: CaseReport) -> list[str]:
    """Give the differences of the one case that failed."""
    return [each for failure in report.failed for each in failure.differences]


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({"days_out": -1}, "minimum"),
        ({"days_out": "long"}, "type"),
        ({"borrower": "dog"}, "enum"),
        ({"colour": "red"}, "additionalProperties"),
        ({"returned_on": "2024-02-30"}, "format"),
        ({"days_out": -1}, "schema-violated"),
    ],
)
def test_a_case_may_say_that_its_input_is_refused(given: dict[str, Any], error: str):
    """Wrong if an author could not hold fast what callers may not send."""
    assert tried({"input": given, "error": error}).is_passed


def test_an_input_that_is_accepted_or_breaks_another_rule_fails_such_a_case():
    """Wrong if a case for a refusal passed whatever the schema does."""
    accepted = tried({"input": {"days_out": 1}, "error": "minimum"})
    assert differences(accepted) == ["error: minimum expected, and the input is accepted"]
    other = tried({"input": {"days_out": -1}, "error": "enum"})
    assert differences(other) == ["error: enum expected, the input breaks minimum"]


@pytest.mark.parametrize(
    "case",
    [
        {"input": {"days_out": -1}, "error": "minimum", "output": {"outcome": "no-fee"}},
        {"input": {"days_out": -1}, "error": "minimum", "because": "late"},
        {"input": {"days_out": 1}},
        {"input": {"days_out": 1}, "error": "not a word"},
    ],
)
def test_a_case_says_what_comes_out_or_that_nothing_does(case: dict[str, Any]):
    """Wrong if a case could expect two things at once, or nothing."""
    with pytest.raises(PackRefused):
        tried(case)


def test_a_refusal_came_with_the_second_version(build: Callable[..., Pack]):
    """Wrong if a pack of the first version could not be read by the bailiwick that it was written for."""
    case = {"name": "x", "input": {"colour": 1}, "error": "additionalProperties", "status": "direct"}
    with pytest.raises(PackRefused, match="bailiwick-pack/2"):
        build({"tests/cases.yaml": {"cases": [case]}})


def test_every_decision_must_satisfy_the_schema_of_decisions():
    """Wrong if a pack could promise a form of answer and not keep it."""
    case = {
        "input": {"borrower": "adult", "days_out": 29, "returned_on": "2024-05-01"},
        "output": {"outcome": "fee-due"},
    }
    highest = {
        "properties": {"measures": {"required": ["fee"], "properties": {"fee": {"type": "integer", "maximum": 19}}}}
    }
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object", **highest}
    (told,) = differences(tried(case, **{"schemas/output.json": json.dumps(schema)}))
    assert told.startswith("schemas/output.json: /measures/fee: ")
    schema["properties"]["measures"]["properties"]["fee"]["maximum"] = 20
    assert tried(case, **{"schemas/output.json": json.dumps(schema)}).is_passed
