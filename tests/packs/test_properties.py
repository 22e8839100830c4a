"""What holds of every decision, whatever the facts."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from bailiwick.canonical import canonical_bytes
from bailiwick.model import INTEGER_MAX, Decision, Status
from bailiwick.packs import Pack, evaluate
from bailiwick.packs.format.pack import DatedValue, Parameter
from bailiwick.packs.format.parameters import in_force

DATES = st.dates().map(lambda day: day.isoformat())
LAW_DATES = st.sampled_from(["2002-01-01", "2014-12-31", "2015-01-01", "2020-09-25"])
MOMENTS = (
    st.none() | st.sampled_from(["2020-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "soon", ""]) | st.text(max_size=30)
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


def value_of(rule: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Draw a value that one property of the input schema allows."""
    if "enum" in rule:
        return st.sampled_from(rule["enum"])
    if rule["type"] == "boolean":
        return st.booleans()
    if rule["type"] == "integer":
        low, high = rule.get("minimum", -INTEGER_MAX), rule.get("maximum", INTEGER_MAX)
        return st.integers(low, high) | st.integers(low, min(high, low + 50))
    if rule.get("format") == "date":
        return DATES
    if rule.get("format") == "date-time":
        return st.just("2020-01-01T00:00:00Z")
    return st.from_regex(rule["pattern"], fullmatch=True)


def facts_of(pack: Pack) -> st.SearchStrategy[dict[str, Any]]:
    """Draw facts that the pack's input schema allows."""
    properties: Any = pack.input_schema["properties"]  # type: ignore[index,call-overload]
    return st.fixed_dictionaries({}, optional={name: value_of(rule) for name, rule in properties.items()})


def sealed(decision: Decision) -> bytes:
    """Write a decision as evidence does."""
    return canonical_bytes(
        {
            "measurements": [each.to_json() for each in decision.measurements],
            "impact": decision.impact.to_json(),
            "effects": [each.to_json() for each in decision.effects],
            "trace": [each.to_json() for each in decision.trace],
        }
    )


@given(data=st.data())
@settings(max_examples=80, deadline=None)
def test_allowed_facts_are_always_decided_the_same_way_and_can_be_sealed(osha: Pack, data: st.DataObject):
    """Replay would differ, or an honest input would crash the node."""
    facts = data.draw(facts_of(osha))
    osha.check_input(facts)
    day, known_at = data.draw(LAW_DATES | DATES), facts.get("known_at")
    first = evaluate(osha, facts, day, known_at)
    again = evaluate(osha, dict(reversed(facts.items())), day, known_at)
    assert sealed(first) == sealed(again)
    assert first.impact.outcome in osha.outcomes


@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_no_facts_whatever_raise(osha: Pack, data: st.DataObject):
    """Facts that slipped past a schema would crash the node, or leak something that cannot be sealed."""
    properties: Any = osha.input_schema["properties"]  # type: ignore[index,call-overload]
    facts = data.draw(st.dictionaries(st.sampled_from(sorted(properties)) | st.text(max_size=8), JSON, max_size=12))
    sealed(evaluate(osha, facts, data.draw(LAW_DATES | DATES), data.draw(MOMENTS)))


@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_more_facts_never_turn_one_decision_into_another(osha: Pack, data: st.DataObject):
    """A missing fact would have counted as false: knowing it later changes a decision that claimed to be one.

    Facts that an assumption stood for may change it; so those are all given here from the start.
    """
    properties: Any = osha.input_schema["properties"]  # type: ignore[index,call-overload]
    assumed = {str(each.path).removeprefix("in.") for each in osha.assumptions if each.path is not None}
    asked = {
        path for each in osha.assumptions for path in (*each.when.reads, *(each.value.reads if each.value else ()))
    }
    fixed = assumed | {path.removeprefix("in.") for path in asked if path.startswith("in.")}
    given_first = {name: data.draw(value_of(properties[name])) for name in sorted(fixed - {"degree"})}
    later = data.draw(facts_of(osha))
    some = {name: value for name, value in later.items() if data.draw(st.booleans())}
    day = data.draw(LAW_DATES)
    before = evaluate(osha, {**some, **given_first}, day)
    after = evaluate(osha, {**later, **given_first}, day)
    if before.impact.outcome != "indeterminate":
        assert after.impact.outcome == before.impact.outcome
    known = {each.id: each for each in before.measurements if each.status is Status.COMPUTED}
    for each in after.measurements:
        assert each.id not in known or known[each.id].value == each.value


@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_the_trace_is_complete(osha: Pack, data: st.DataObject):
    """A decision would rest on something that its trace does not show."""
    decision = evaluate(osha, data.draw(facts_of(osha)), data.draw(LAW_DATES))
    rules = {entry.rule: entry for entry in decision.trace}
    assert {*osha.measures, *(row.id for row in osha.rows), *(effect.id for effect in osha.effects)} <= rules.keys()
    for entry in decision.trace:
        assert entry.cite
        assert entry.status is not Status.INDETERMINATE or entry.because
        for read in entry.reads:
            assert not read.path.startswith("p.") or not read.is_known or (read.in_force_from and read.cite)
    unknown = [each for each in decision.measurements if each.status is Status.INDETERMINATE]
    assert all(each.cause and each.value is None for each in unknown)
    assert (decision.impact.outcome == "indeterminate") == (decision.impact.severity == "unknown")
    assert not decision.effects or decision.impact.outcome.startswith("report-")


@given(dates=st.sets(DATES, min_size=1, max_size=8), days=st.tuples(DATES, DATES))
def test_the_law_in_force_moves_forward_with_the_day(dates: set[str], days: tuple[str, str]):
    """A later day could fall back to older law."""
    values = tuple(DatedValue(valid_from=each, value=each, cite="x", read=None) for each in sorted(dates))  # type: ignore[arg-type]
    parameter = Parameter(id="x", type="string", unit=None, title="x", values=values)
    earlier, later = (in_force(parameter, day) for day in sorted(days))
    assert earlier is None or (later is not None and earlier.valid_from <= later.valid_from)
    for day, found in zip(sorted(days), (earlier, later), strict=True):
        expected = max((each for each in dates if each <= day), default=None)
        assert (found.value if found else None) == expected
