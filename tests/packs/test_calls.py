"""Calls: one module, once, on what the pack gives it; and whatever it does, a reason."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from bailiwick.canonical import canonical_bytes
from bailiwick.errors import ModuleFailed, Unavailable
from bailiwick.model import Decision, Measurement
from bailiwick.packs import CallModule, ModuleAnswer, ModuleUse, Pack, evaluate

DIGEST = "sha256:" + "7" * 64
DAY = "2022-01-01"
FACTS = {"worked_minutes": 1800, "used_minutes": 0, "tags": ["a", "b"], "employer": {"name": "E"}}
CALL = {
    "id": "reckon",
    "module": "adder",
    "function": "add",
    "input": {"policy.rate": "p.minutes_per_minute", "earned": "m.earned"},
    "facts": {"tags": "in.tags", "employer": "in.employer"},
    "gives": [
        {"id": "total", "type": "integer", "unit": "minute", "path": "/sum/0"},
        {"id": "found", "type": "strings", "path": "/findings"},
    ],
    "cite": "ACT 1(2)",
    "say": "Reckoned by the module.",
}
ANSWER = {"sum": [61], "findings": ["late"]}


@pytest.fixture
def pack(build: Callable[..., Pack], parsed: Callable[[str], Any]) -> Pack:
    """Give a pack with one call between its measures."""
    measures = parsed("rules/measures.yaml")
    measures["measures"].append({"id": "twice", "type": "integer", "expr": "m.total * 2", "cite": "ACT 1(2)"})
    manifest = parsed("pack.yaml") | {"format": "bailiwick-pack/2", "modules": {"adder": {"digest": DIGEST}}}
    return build({"pack.yaml": manifest, "rules/measures.yaml": measures, "rules/calls.yaml": {"calls": [CALL]}})


def judge(pack: Pack, answer: Any, facts: dict[str, Any] | None = None) -> Decision:
    """Judge with a module that answers so, or raises."""

    def call_module(use: ModuleUse, message: bytes) -> ModuleAnswer:
        assert (use.module, use.digest, use.function) == ("adder", DIGEST, "add")
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, ModuleAnswer):
            return answer
        return ModuleAnswer(value=answer, fuel=7)

    return evaluate(pack, FACTS if facts is None else facts, DAY, call_module=call_module)


def measure(decision: Decision, name: str) -> Measurement:
    """Give one measurement."""
    return next(each for each in decision.measurements if each.id == name)


def test_what_a_module_gives_are_measures_like_any_other(pack: Pack):
    """A rule could not read them, or a trace would not say where they come from."""
    decision = judge(pack, ANSWER)
    total = measure(decision, "total")
    assert (total.value, total.unit, measure(decision, "twice").value) == (61, "minute", 122)
    assert measure(decision, "found").value == ["late"]
    entry = next(each for each in decision.trace if each.rule == "total")
    assert (entry.kind, entry.expression, entry.because) == ("call", "adder.add/sum/0", "call reckon")
    assert (entry.cite, entry.says) == (("ACT 1(2)",), "Reckoned by the module.")
    assert [read.path for read in entry.reads] == ["p.minutes_per_minute", "m.earned", "in.tags", "in.employer"]
    assert [each.to_json() for each in decision.modules] == [{"name": "adder", "digest": DIGEST}]
    assert decision.fuel == 7
    canonical_bytes([each.to_json() for each in decision.trace])


def test_a_module_is_given_what_the_pack_says_once(pack: Pack):
    """It would be given another case's facts, or be run for every measure."""
    given: list[Any] = []

    def call_module(use: ModuleUse, message: bytes) -> ModuleAnswer:
        given.append(json.loads(message))
        return ModuleAnswer(value=ANSWER)

    evaluate(pack, FACTS, DAY, call_module=call_module)
    assert given == [{"policy": {"rate": 30}, "earned": 60, "tags": ["a", "b"], "employer": {"name": "E"}}]
    evaluate(pack, {"worked_minutes": 60}, DAY, call_module=call_module)
    assert given[1:] == [{"policy": {"rate": 30}, "earned": 2}]


@pytest.mark.parametrize(
    ("answer", "cause"),
    [
        (ModuleAnswer(refusal="dates", fuel=1), "module-refused: adder: dates"),
        (ModuleFailed("x", hint="y", code="module-out-of-fuel"), "module-failed: adder: module-out-of-fuel"),
        ({"sum": []}, "no-value: adder gives no /sum/0"),
        ({"sum": "61"}, "no-value: adder gives no /sum/0"),
        ("text", "no-value: adder gives no /sum/0"),
        (None, "no-value: adder gives no /sum/0"),
        ({"sum": ["61"]}, "ill-typed: m.total is string, declared integer"),
        ({"sum": [True]}, "ill-typed: m.total is boolean, declared integer"),
        ({"sum": [Decimal("61.5")]}, "ill-typed: m.total is no JSON value, declared integer"),
        ({"sum": [2**53]}, "overflow: m.total is beyond 2^53-1"),
    ],
)
def test_a_module_without_an_answer_makes_its_measures_indeterminate(pack: Pack, answer: Any, cause: str):
    """A decision would rest on half an answer, or crash."""
    decision = judge(pack, answer)
    total = measure(decision, "total")
    assert (total.value, total.cause, measure(decision, "twice").cause) == (None, cause, cause)
    assert len(decision.modules) == 1
    canonical_bytes([each.to_json() for each in decision.trace])


@pytest.mark.parametrize(
    ("findings", "cause"),
    [
        (["x" * 10_001], "overflow: m.found has more than 10000 characters"),
        (["x"] * 1_001, "overflow: m.found has more than 1000 items"),
        (["\ud800"], "ill-typed: m.found holds half a character"),
    ],
)
def test_what_a_module_gives_is_bounded(pack: Pack, findings: list[str], cause: str):
    """A module could fill the memory, or give what cannot be sealed."""
    assert measure(judge(pack, {"sum": [1], "findings": findings}), "found").cause == cause


def test_a_whole_number_may_be_written_with_a_point(pack: Pack):
    """A module in a language without integers would never be believed."""
    assert measure(judge(pack, {"sum": [Decimal("61.0")], "findings": []}), "total").value == 61


def test_a_module_stopped_by_the_clock_decides_nothing(pack: Pack):
    """A busy machine would turn into a consequence for somebody."""
    with pytest.raises(Unavailable):
        judge(pack, Unavailable("slow", hint="again"))


def test_a_module_is_not_called_without_what_it_needs(pack: Pack):
    """It would reckon with a stand-in."""
    decision = judge(pack, AssertionError("called"), {"used_minutes": 0})
    assert measure(decision, "total").cause == "missing: in.worked_minutes"
    assert decision.modules == ()


@pytest.mark.parametrize("path", ["in.tags", "in.employer.name"])
def test_a_module_is_not_called_while_its_facts_may_still_come(pack: Pack, path: str):
    """An interview would show a result that the next answer changes."""
    called: CallModule = lambda use, message: ModuleAnswer(value=ANSWER)  # noqa: E731
    facts = {"worked_minutes": 60}
    decision = evaluate(pack, facts, DAY, open_paths=frozenset({path}), call_module=called)
    assert measure(decision, "total").cause == f"missing: {path}"


def test_without_anybody_to_call_it_the_measures_say_so(pack: Pack):
    """A missing module would look like a missing fact."""
    assert measure(evaluate(pack, FACTS, DAY), "total").cause == "module-not-run: adder"
