"""Rules that want to do harm: each ends with a value or a cause, bounded by how a pack is built and not by a clock."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from bailiwick.canonical import canonical_bytes
from bailiwick.model import INTEGER_MAX, Decision, Measurement
from bailiwick.packs import Pack, evaluate
from bailiwick.packs.language.expressions import ITEMS_MAX, TEXT_CHARACTERS_MAX, Language
from bailiwick.packs.language.syntax import EXPRESSION_CHARACTERS_MAX, MACROS_MAX, SyntaxFault

DAY = "2022-01-01"
Judge = Callable[..., Decision]


@pytest.fixture
def judge(build: Callable[..., Pack], parsed: Callable[[str], Any]) -> Judge:
    """Give a function that judges with further measures in the small pack."""

    def find(measures: dict[str, tuple[str, str]], facts: dict[str, Any]) -> Decision:
        content = parsed("rules/measures.yaml")
        content["measures"] += [
            {"id": name, "type": kind, "expr": text, "cite": "ACT 1(2)"} for name, (kind, text) in measures.items()
        ]
        manifest = parsed("pack.yaml") | {"format": "bailiwick-pack/2"}
        decision = evaluate(build({"pack.yaml": manifest, "rules/measures.yaml": content}), facts, DAY)
        canonical_bytes([each.to_json() for each in decision.trace])
        return decision

    return find


def measure(decision: Decision, name: str) -> Measurement:
    """Give one measurement."""
    return next(each for each in decision.measurements if each.id == name)


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("in.worked_minutes / in.used_minutes", "division-by-zero"),
        ("in.worked_minutes % in.used_minutes", "division-by-zero"),
        ("in.worked_minutes * in.worked_minutes", "overflow"),
        ("in.worked_minutes + in.worked_minutes", "overflow"),
        ("-in.worked_minutes - in.worked_minutes", "overflow"),
        ("in.worked_minutes * 1024 * 1024", "overflow"),
        ("size(in.tags.map(t, in.tags.map(u, u)))", None),
        ("days(in.day) + days(date_of(in.worked_minutes))", "no-date"),
        ("year(add_days(in.day, in.worked_minutes))", "no-date"),
        ("year(add_months(in.day, in.worked_minutes, 'up'))", "no-date"),
    ],
)
def test_arithmetic_that_has_no_answer_is_a_cause(judge: Judge, text: str, cause: str | None):
    """A number would wrap around, or a decision crash."""
    facts = {"worked_minutes": INTEGER_MAX, "used_minutes": 0, "day": "2022-01-01", "tags": ["a"]}
    found = measure(judge({"x": ("integer", text)}, facts), "x")
    assert (found.cause or "").startswith(f"{cause}: ") if cause else found.value == 1


def test_what_one_rule_cannot_do_its_neighbours_still_can(judge: Judge):
    """A rule that divides by zero would take the whole level with it."""
    measures = {
        "bad": ("integer", "in.worked_minutes / in.used_minutes"),
        "worse": ("integer", "weekday(in.employer.name)"),
        "good": ("integer", "in.worked_minutes + 1"),
        "fine": ("boolean", "in.worked_minutes > 5 && in.used_minutes == 1"),
    }
    facts = {"worked_minutes": 30, "used_minutes": 0, "employer": {"name": "x"}, "headcount": 50}
    decision = judge(measures, facts)
    assert measure(decision, "bad").cause == "division-by-zero: in.worked_minutes / in.used_minutes"
    assert measure(decision, "worse").cause == "no-date: weekday(in.employer.name)"
    assert (measure(decision, "good").value, measure(decision, "fine").value) == (31, False)
    assert measure(decision, "size").value == "large"
    entry = next(each for each in decision.trace if each.rule == "fine")
    assert entry.because == "this does not hold: in.used_minutes == 1"


def test_measures_that_double_each_other_stop_at_the_limit(judge: Judge):
    """Forty measures, each the double of the one before, would fill the memory."""
    texts = {"t0": ("string", "in.employer.name")} | {
        f"t{n}": ("string", f"m.t{n - 1} + m.t{n - 1}") for n in range(1, 40)
    }
    lists = {"l0": ("strings", "in.tags")} | {f"l{n}": ("strings", f"m.l{n - 1} + m.l{n - 1}") for n in range(1, 40)}
    numbers = {"n0": ("integer", "in.headcount")} | {
        f"n{n}": ("integer", f"m.n{n - 1} * m.n{n - 1}") for n in range(1, 40)
    }
    facts = {"employer": {"name": "x" * 10}, "tags": ["y"] * 10, "headcount": 3}
    decision = judge(texts | lists | numbers, facts)
    for name, limit in (("t39", "has more than 10000 characters"), ("l39", "has more than 1000 items"), ("n39", "m.n")):
        cause = str(measure(decision, name).cause)
        assert cause.startswith("overflow: ")
        assert limit in cause
    assert len(str(measure(decision, "t9").value)) == 5_120


def test_a_rule_that_reads_itself_does_not_load(faults: Callable[..., Any], parsed: Callable[[str], Any]):
    """A decision would never end."""
    content = parsed("rules/measures.yaml")
    content["measures"][0]["expr"] = "m.open + 1"
    (fault,) = faults({"rules/measures.yaml": content})
    assert fault.rule == "cycle"


def test_the_largest_lists_and_the_most_comprehensions_end(judge: Judge):
    """Two comprehensions over lists at their limit are a million steps: the engine stops itself, and says so."""
    tags = ["a" * 10] * ITEMS_MAX
    assert MACROS_MAX == 2
    decision = judge(
        {
            "once": ("boolean", "in.tags.all(t, t == 'aaaaaaaaaa')"),
            "nested": ("boolean", "in.tags.all(t, in.tags.all(u, u == t))"),
        },
        {"tags": tags},
    )
    assert measure(decision, "once").value is True
    assert measure(decision, "nested").cause == "too-many-steps: in.tags.all(t, in.tags.all(u, u == t))"


def test_a_comprehension_reads_one_list_for_each_item_and_no_more():
    """A short rule over a thousand items could take a minute: each list that it reads costs the list each time."""
    types = {"in.a": "integers", "in.b": "integers", "in.n": "integer", "in.a.n": "integer"}
    language = Language(types)
    for text in ("in.a.all(x, x in in.b)", "in.a.all(x, in.b.exists(y, y == x + in.n)) && size(in.b + in.a) > 0"):
        assert language.compile(text, "boolean").reads
    for text in ("in.a.all(x, size(in.a + in.b) > 0)", "in.a.all(x, in.b.exists(y, y in in.a))"):
        with pytest.raises(SyntaxFault) as caught:
            language.compile(text, "boolean")
        assert caught.value.rule == "lists"
        assert Language(types, has_calendar=False).compile(text, "boolean").reads


def test_a_list_of_facts_is_no_longer_than_one_that_rules_make(judge: Judge):
    """An input could make an honest rule take as long as it likes."""
    measures = {"x": ("boolean", "in.tags.all(t, t == 'a')")}
    assert measure(judge(measures, {"tags": ["a"] * ITEMS_MAX}), "x").value is True
    cause = measure(judge(measures, {"tags": ["a"] * (ITEMS_MAX + 1)}), "x").cause
    assert cause == "overflow: in.tags has more than 1000 items"


def test_the_longest_expression_that_the_limits_allow_is_judged(judge: Judge):
    """A rule could be written that takes for ever: this is the worst there is, and it is one pass over its signs."""
    text = " || ".join(["in.headcount*in.headcount%7>in.worked_minutes"] * 40)
    assert EXPRESSION_CHARACTERS_MAX - 50 < len(text) <= EXPRESSION_CHARACTERS_MAX
    decision = judge({"x": ("boolean", text)}, {"headcount": 2, "worked_minutes": 5})
    assert measure(decision, "x").value is False
    deep = "in.headcount" + " + in.headcount" * 28
    assert measure(judge({"x": ("integer", deep)}, {"headcount": 2}), "x").value == 58


def test_an_expression_longer_or_deeper_than_allowed_does_not_compile():
    """The engine's own stack would decide what a pack may say."""
    language = Language({"in.n": "integer"})
    for text, rule in (("1 + " * 600 + "1", "length"), ("(" * 900 + "1" + ")" * 900, "compile")):
        with pytest.raises(SyntaxFault) as caught:
            language.compile(text, "integer")
        assert caught.value.rule == rule


@pytest.mark.parametrize(
    "wrong", [None, True, "7", 1.5, [1], {"a": 1}, 2**53, -(2**80), [True], "\ud800", float("nan")]
)
@pytest.mark.parametrize("path", ["worked_minutes", "is_exempt", "kind", "tags", "day", "employer", "headcount"])
def test_a_fact_of_a_wrong_type_is_never_used(judge: Judge, path: str, wrong: Any):
    """A wrong fact would be taken for another, or crash the engine."""
    facts = {"worked_minutes": 60, "is_exempt": False, "kind": "office", "tags": [], "day": DAY, "headcount": 3}
    decision = judge(
        {
            "a": ("boolean", "in.tags.exists(t, t == in.kind) || weekday(in.day) == 1 || in.is_exempt"),
            "b": ("string", "string(in.worked_minutes / in.headcount) + in.employer.name"),
        },
        {**facts, path: wrong},
    )
    for each in decision.measurements:
        assert (each.value is None) == (each.cause is not None)


def test_texts_that_are_as_long_as_may_be_are_compared_and_not_kept_twice(judge: Judge):
    """A long fact would be copied into every rule that reads it until memory is full."""
    facts = {"employer": {"name": "x" * TEXT_CHARACTERS_MAX}}
    measures = {f"c{n}": ("boolean", f"in.employer.name.contains('{n}')") for n in range(200)}
    decision = judge(measures, facts)
    assert measure(decision, "c199").value is False
    reads = [read for entry in decision.trace for read in entry.reads if read.path == "in.employer.name"]
    assert len({id(read) for read in reads}) == 1


@pytest.mark.parametrize("beside", ["", "in.a && "])
def test_a_rule_that_reads_nothing_and_takes_too_many_steps_is_a_fault(beside: str):
    """Wrong if a pack could end whoever loads it with an error of the engine's own."""
    items = str(list(range(150)))
    with pytest.raises(SyntaxFault) as caught:
        Language({"in.a": "boolean"}).compile(f"{beside}{items}.all(x, {items}.all(y, x + y >= 0))", "boolean")
    assert (caught.value.rule, "too-many-steps" in str(caught.value)) == ("constant", True)
