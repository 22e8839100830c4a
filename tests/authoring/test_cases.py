"""Cases are compared exactly, and each difference is said."""

import json

import pytest

from bailiwick.authoring import run_cases
from bailiwick.errors import DocumentRefused, SchemaViolated
from bailiwick.model import Tier


@pytest.fixture
def report(built, engine):
    manifest = json.loads(built.manifest)
    guest = engine.load(built.wasm)

    def run(cases, **functions):
        manifest["functions"]["size"].update(functions)
        raw = cases if isinstance(cases, bytes) else json.dumps(cases).encode()
        return run_cases(manifest, raw, guest, engine, Tier.LIGHTWEIGHT.budget)

    return run


def test_the_cases_of_a_new_module_pass(report, files):
    """Wrong if an author started with a failure."""
    done = report(files["cases.json"])
    assert done.is_passed
    assert done.cases == 2
    assert done.untried == ()


def test_another_output_fails_and_shows_both(report):
    """Wrong if a case could not fail."""
    done = report([{"name": "off by one", "function": "size", "input": {}, "output": {"bytes": 29}}])
    assert done.failed[0].difference == '{"bytes":29} expected, {"bytes":30} given'


def test_an_answer_where_a_refusal_was_expected_fails(report):
    """Wrong if an error that never came counted as one."""
    done = report([{"name": "refused", "function": "size", "input": {}, "error": "size-zero"}])
    assert not done.is_passed


def test_an_input_outside_the_functions_schema_never_reaches_the_guest(report):
    """Wrong if cases were laxer than calls."""
    done = report(
        [{"name": "a number", "function": "size", "input": 7, "error": "schema-violated"}], input={"type": "object"}
    )
    assert done.is_passed


def test_an_output_outside_its_schema_fails(report):
    """Wrong if a function could answer what its manifest does not say."""
    done = report(
        [{"name": "empty", "function": "size", "input": {}, "output": {"bytes": 30}}], output={"type": "null"}
    )
    assert "schema-violated" in done.failed[0].difference


def test_a_function_that_the_manifest_lacks_fails(report):
    """Wrong if a misspelt case passed in silence."""
    done = report([{"name": "misspelt", "function": "sise", "input": {}, "output": {}}])
    assert "sise" in done.failed[0].difference


def test_functions_that_no_case_calls_are_named(report):
    """Wrong if no cases looked like all cases."""
    done = report(b"")
    assert (done.cases, done.untried) == (0, ("size",))


@pytest.mark.parametrize("raw", [b"[", b'{"a":1,"a":2}'])
def test_cases_that_are_no_json_are_refused(report, raw):
    """Wrong if half a file passed."""
    with pytest.raises(DocumentRefused):
        report(raw)


@pytest.mark.parametrize(
    "case",
    [
        {"name": "n", "function": "size", "input": {}},
        {"name": "n", "function": "size", "input": {}, "output": 1, "error": "x"},
        {"name": "", "function": "size", "input": {}, "output": 1},
        {"name": "n", "function": "size", "input": {}, "error": "Not A Code"},
    ],
)
def test_a_case_that_expects_nothing_or_two_things_is_refused(report, case):
    """Wrong if a case could not fail."""
    with pytest.raises(SchemaViolated):
        report([case])


def test_a_case_whose_host_is_never_asked_fails(report):
    """Wrong if a case could say what the host answers to a question that nobody asks."""
    host = [{"interface": "bailiwick:clock/clock@0.1.0", "function": "now", "input": {}, "output": 1}]
    done = report([{"name": "no clock", "function": "size", "input": {}, "output": {"bytes": 30}, "host": host}])
    assert "did not make" in done.failed[0].difference
