"""Facts from foreign documents: the contract first, then exact values, and nothing guessed."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bailiwick.errors import DocumentRefused, InputRefused, NotFound, SchemaViolated
from bailiwick.model import INTEGER_MAX
from bailiwick.packs import facts_from
from bailiwick.packs.evaluation.facts import ITEMS_MAX, PLACES_MAX, day_of, parts_of, scaled, take_facts
from bailiwick.packs.format.foreign import FactRule, Facts, Pattern, Scale, Tolerance
from bailiwick.packs.format.pinned import Attachment
from bailiwick.schema import Contract, parse_document

OPEN: dict[str, Any] = {"$schema": "http://json-schema.org/draft-04/schema#", "type": "object"}
CENTS = Scale(places=2, rounding="exact")


def rule(pointer: str, take: str = "value", kind: str = "integer", **more: Any) -> FactRule:
    """Make a rule that takes one fact called ``fact``."""
    return FactRule(
        path="in.fact",
        keys=("fact",),
        pointer=pointer,
        take=take,
        type=kind,
        scale=more.pop("scale", None),
        unit=None,
        **more,
    )


def document(*rules: FactRule, schema: Any = OPEN, **more: Any) -> Facts:
    """Make a document with a contract of its own."""
    contract = Contract(schema, assert_formats=more.pop("assert_formats", False))
    given: dict[str, Any] = {"id": "paper", "marks": ("lines",), "contract_path": "paper.json", "contract": contract}
    return Facts(**{"is_format_asserted": False, "rules": rules, **given, **more})


def taken(one: FactRule, text: str) -> Any:
    """Take the fact from a text; None where there is none."""
    return take_facts(document(one), parse_document(text.encode())).get("fact")


def refused(one: FactRule, text: str) -> str:
    """Give the code of the refusal of a text."""
    with pytest.raises(InputRefused) as caught:
        take_facts(document(one), parse_document(text.encode()))
    return caught.value.code


def pattern(text: str) -> Pattern:
    """Make a pattern."""
    return Pattern(text=text, contract=Contract({"type": "string", "pattern": text}))


# --- numbers ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "cents"),
    [
        ("737.09", 73709),
        ("15", 1500),
        ("0", 0),
        ("-0.5", -50),
        ("7.3709e2", 73709),
        ("737.090000", 73709),
        ("1E2", 10000),
    ],
)
def test_an_amount_is_exact_to_the_cent(text: str, cents: int):
    """Wrong if: 737.09 went through a float on its way to cents."""
    assert taken(rule("/a", scale=CENTS), f'{{"a": {text}}}') == cents


@pytest.mark.parametrize("text", ["737.095", "0.001", "1e-400", "0.000000000000000000000000000001"])
def test_what_has_no_exact_value_is_refused(text: str):
    """Wrong if: half a cent were rounded although the pack says exact."""
    assert refused(rule("/a", scale=CENTS), f'{{"a": {text}}}') == "fact-inexact"


@pytest.mark.parametrize(
    ("rounding", "values"),
    [
        ("half-even", [12, 14, -12, 13, 12]),
        ("half-up", [13, 14, -13, 13, 12]),
        ("down", [12, 13, -12, 12, 12]),
    ],
)
def test_each_rounding_is_the_one_that_it_says(rounding: str, values: list[int]):
    """Wrong if: a half went the other way, or a negative amount the wrong one."""
    given = ["0.125", "0.135", "-0.125", "0.1250000001", "0.1249999999"]
    assert [scaled(Decimal(each), Scale(places=2, rounding=rounding)) for each in given] == values


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**12), max_value=10**12, places=6))
def test_rounding_stays_within_half_a_unit(number: Decimal):
    """Wrong if: some amount moved by more than its rounding allows."""
    for rounding in ("half-even", "half-up"):
        got = scaled(number, Scale(places=2, rounding=rounding))
        assert abs(Decimal(got) - number * 100) <= Decimal("0.5")
    down = scaled(number, Scale(places=2, rounding="down"))
    assert abs(down) <= abs(number * 100) < abs(down) + 1


@given(st.integers(-INTEGER_MAX, INTEGER_MAX), st.integers(0, 15))
def test_scaling_and_writing_out_again_lose_nothing(units: int, places: int):
    """Wrong if: the decimal context cut the digits of a long number."""
    assert scaled(Decimal(units).scaleb(-places), Scale(places=places, rounding="exact")) == units


@pytest.mark.parametrize("text", ["1e400", "90071992547409.93", "-1e300", "9007199254740991"])
def test_what_is_too_large_in_the_unit_is_refused(text: str):
    """Wrong if: a number beyond 2^53-1 came into evidence, or took memory without end."""
    assert refused(rule("/a", scale=CENTS), f'{{"a": {text}}}') == "fact-overflow"


def test_a_sum_that_grows_too_large_is_refused():
    """Wrong if: many amounts, each small enough, could add up past what can be sealed."""
    items = ", ".join(["9007199254740991"] * 2)
    assert refused(rule("/a/*", "sum"), f'{{"a": [{items}]}}') == "fact-overflow"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ('{"a": NaN}', "json-not-a-number"),
        ('{"a": Infinity}', "json-not-a-number"),
        ('{"a": 1e401}', "json-exponent-too-large"),
        ('{"a": 1, "a": 2}', "json-duplicate-key"),
        ('{"a": 9007199254740993}', "json-integer-too-large"),
        ('{"a": ' + "1" * 40 + ".5}", "json-number-too-long"),
        ('{"a": ' * 70 + "1" + "}" * 70, "json-too-deep"),
    ],
)
def test_what_is_no_strict_json_never_comes_so_far(text: str, code: str):
    """Wrong if: a reader of numbers or keys let through what others read otherwise."""
    with pytest.raises(DocumentRefused) as caught:
        taken(rule("/a"), text)
    assert caught.value.code == code


def test_a_whole_number_may_be_written_with_a_point():
    """Wrong if: 3.0 lines were refused, or 3.5 lines taken."""
    assert taken(rule("/a"), '{"a": 3.0}') == 3
    assert refused(rule("/a"), '{"a": 3.5}') == "fact-fraction"


# --- places -----------------------------------------------------------------------------------------------------------

LINES = """{"lines": [
    {"hazardous": true, "kg": 5, "code": "D001"}, {"hazardous": false, "kg": 7},
    {"hazardous": true, "kg": 2.0, "code": null}, {"hazardous": true}]}"""


@pytest.mark.parametrize(
    ("one", "value"),
    [
        (rule("/lines/*", "count"), 4),
        (rule("/lines/*/code", "count"), 1),
        (rule("/lines/*/kg", "sum"), 14),
        (rule("/lines/*/kg", "sum", where={"/hazardous": True}), 7),
        (rule("/lines/*/kg", "values", "integers"), [5, 7, 2]),
        (rule("/lines/*/code", "values", "strings"), ["D001"]),
        (rule("/lines/1/kg"), 7),
        (rule("/lines/9/kg"), None),
        (rule("/lines/*/kg", where={"/hazardous": False}), 7),
        (rule("/absent/*/kg", "sum"), 0),
        (rule("/absent/*", "count"), 0),
        (rule("/absent", "exists", "boolean"), False),
        (rule("/lines/2/code", "exists", "boolean"), False),
        (rule("/lines/*/code", "count", pattern=pattern("^D[0-9]{3}$")), 1),
        (rule("/lines/*/code", "count", pattern=pattern("^F")), 0),
        (rule("/absent", others=("/lines/7/kg", "/lines/0/kg", "/lines/1/kg")), 5),
    ],
)
def test_facts_are_taken_from_where_the_pointer_leads(one: FactRule, value: Any):
    """Wrong if: an item were left out, counted twice, or an absent one taken for zero where it is a value."""
    assert taken(one, LINES) == value


def test_true_is_not_one_in_a_condition():
    """Wrong if: where {/a: 1} met a true, or 1.0 a 1."""
    text = '{"lines": [{"a": true, "n": 1}, {"a": 1, "n": 2}, {"a": 1.0, "n": 4}]}'
    assert taken(rule("/lines/*/n", "sum", where={"/a": 1}), text) == 2


@pytest.mark.parametrize(
    ("one", "text"),
    [
        (rule("/a"), '{"a": "5"}'),
        (rule("/a"), '{"a": true}'),
        (rule("/a"), '{"a": [5]}'),
        (rule("/a", kind="string"), '{"a": 5}'),
        (rule("/a", kind="string"), json.dumps({"a": "x" * 10_001})),
        (rule("/a", kind="boolean"), '{"a": 1}'),
        (rule("/a/*", "count"), '{"a": {"b": 1}}'),
        (rule("/a/*", "count"), '{"a": "text"}'),
        (rule("/a/b"), '{"a": [1]}'),
        (rule("/a/b"), '{"a": 5}'),
    ],
)
def test_another_type_at_the_pointer_is_refused(one: FactRule, text: str):
    """Wrong if: a contract that allows more than the pack can read let a fact vanish."""
    assert refused(one, text) == "fact-type"


def test_only_one_value_can_be_the_only_one():
    """Wrong if: the first of several were taken in silence."""
    assert refused(rule("/lines/*/kg"), '{"lines": [{"kg": 1}, {"kg": 2}]}') == "fact-several"


def test_a_huge_list_is_refused_before_it_is_walked():
    """Wrong if: two hundred facts over a long list could keep a node busy."""
    many = json.dumps({"a": [1] * (PLACES_MAX + 1)})
    assert refused(rule("/a/*", "count"), many) == "fact-places"
    assert taken(rule("/a/*", "count"), json.dumps({"a": [1] * PLACES_MAX})) == PLACES_MAX
    assert refused(rule("/a/*", "values", "integers"), json.dumps({"a": [1] * (ITEMS_MAX + 1)})) == "fact-places"


def test_lists_within_lists_are_bounded_together():
    """Wrong if: the limit held for each list and not for their product."""
    text = json.dumps({"a": [[1] * 200] * 51})
    assert refused(rule("/a/*/*", "count"), text) == "fact-places"


def test_a_pointer_is_read_as_rfc_6901_says():
    """Wrong if: a member with a slash or a tilde could not be named."""
    assert parts_of("/a~1b/~01/*") == ("a/b", "~1", "*")
    assert taken(rule("/a~1b/~0"), '{"a/b": {"~": 4}}') == 4


def test_a_place_in_a_list_is_the_number_that_is_written():
    """Wrong if a long number is cut short, or a leading zero names another place (RFC 6901, section 4)."""
    assert taken(rule("/lines/1"), '{"lines":[7,8]}') == 8
    assert taken(rule("/lines/1000000"), '{"lines":[7,8]}') is None
    with pytest.raises(InputRefused):
        taken(rule("/lines/01"), '{"lines":[7,8]}')


# --- days -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("2019-05-09T04:00:00.000+0000", "2019-05-09"),
        ("2019-05-09", "2019-05-09"),
        ("04/30/2019", "2019-04-30"),
        ("02/29/2020", "2020-02-29"),
    ],
)
def test_a_day_is_read_as_it_is_written(text: str, day: str):
    """Wrong if: a moment's offset moved the day, or month and day changed places."""
    assert day_of(text, ("iso", "us")) == day


@pytest.mark.parametrize(
    "text",
    [
        "2019-02-30",
        "30/04/2019",
        "02/29/2019",
        "4/30/2019",
        "2019-05-09 04:00",
        "soon",
        "",
        "2019-05-091",
        "04/30/20199",
        "٠٤/30/2019",
    ],
)
def test_what_names_no_day_is_refused(text: str):
    """Wrong if: a day that does not exist came into a decision."""
    with pytest.raises(InputRefused) as caught:
        day_of(text, ("iso", "us"))
    assert caught.value.code == "fact-day"


# --- contracts --------------------------------------------------------------------------------------------------------

STRICT = {
    **OPEN,
    "additionalProperties": False,
    "properties": {
        "lines": {
            "type": "array",
            "items": {"type": "object", "additionalProperties": False, "properties": {"n": {"type": "integer"}}},
        },
        "day": {"type": "string", "format": "date-time"},
    },
}


def test_every_violation_of_the_contract_is_named():
    """Wrong if: whoever sent the document learned of its faults one by one."""
    with pytest.raises(SchemaViolated) as caught:
        take_facts(document(schema=STRICT), {"lines": [{"n": "x"}, {"m": 1}], "more": 1})
    assert len(caught.value.violations) == 3
    assert "paper.json in 3 violations" in caught.value.message


def test_formats_refuse_only_where_the_pack_says_so():
    """Wrong if: the policy on formats were hidden in code."""
    moment = {"day": "2019-05-09T04:00:00.000+0000"}
    assert take_facts(document(schema=STRICT), moment) == {}
    with pytest.raises(SchemaViolated):
        take_facts(document(schema=STRICT, assert_formats=True), moment)


def test_what_is_tolerated_is_tolerated_there_and_nowhere_else():
    """Wrong if: one stated exception opened the whole contract."""
    tolerance = Tolerance(rule="additionalProperties", pointer="/lines/*", because="the owner's own sample has it")
    lenient = document(schema=STRICT, tolerated=(tolerance,))
    assert take_facts(lenient, {"lines": [{"n": 1, "extra": 2}]}) == {}
    for broken in ({"lines": [{"n": "1"}]}, {"extra": 1}, {"lines": [{"n": 1, "x": 2}], "extra": 1}):
        with pytest.raises(SchemaViolated) as caught:
            take_facts(lenient, broken)
        assert len(caught.value.violations) == 1


def test_a_contract_that_nobody_supplied_is_asked_for():
    """Wrong if: a document passed because its contract was not at hand."""
    attachment = Attachment(
        path="paper.json", digest="sha256:" + "0" * 64, url="https://example.org/", licence="CC0-1.0"
    )
    with pytest.raises(NotFound) as caught:
        take_facts(document(contract=None, attachment=attachment), {})
    assert caught.value.code == "attachment-missing"
    assert "--attach" in str(caught.value.hint)


# --- documents and what stands beside them ----------------------------------------------------------------------------


def test_a_document_alone_is_told_by_its_marks():
    """Wrong if: facts were taken for a document, or a document for facts."""
    paper = document(rule("/lines/*", "count"))
    assert facts_from([paper], {"lines": [1, 2]}) == {"fact": 2}
    assert facts_from([paper], {"other": 1}) == {"other": 1}


def test_a_document_may_stand_beside_further_facts():
    """Wrong if: what a document cannot say could not be said."""
    paper = document(rule("/lines/*", "count"))
    assert facts_from([paper], {"paper": {"lines": [1]}, "as_of": "2020-01-01"}) == {"fact": 1, "as_of": "2020-01-01"}


def test_nothing_may_be_said_twice():
    """Wrong if: a fact beside the document could overrule the document."""
    paper = document(rule("/lines/*", "count"))
    with pytest.raises(InputRefused) as caught:
        facts_from([paper], {"paper": {"lines": [1]}, "fact": 5})
    assert caught.value.code == "fact-twice"


def test_a_decision_is_about_one_document():
    """Wrong if: of two documents one were left unread."""
    first, second = document(), document(id="bill")
    with pytest.raises(InputRefused) as caught:
        facts_from([first, second], {"paper": {}, "bill": {}})
    assert caught.value.code == "document-twice"


def test_the_place_of_a_violation_is_in_the_input():
    """Wrong if: the path of a fault led nowhere in what was sent."""
    with pytest.raises(SchemaViolated) as caught:
        facts_from([document(schema=STRICT)], {"paper": {"lines": [{"n": "x"}]}})
    assert [each.path for each in caught.value.violations] == ["/paper/lines/0/n"]


def test_an_object_of_facts_grows_from_both_sides():
    """Wrong if: a nested fact replaced its neighbours."""
    nested = FactRule(path="in.a.b", keys=("a", "b"), pointer="/n", take="value", type="integer", scale=None, unit=None)
    assert facts_from([document(nested)], {"paper": {"n": 1}, "a": {"c": 2}}) == {"a": {"b": 1, "c": 2}}


@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers(-5, 5)
        | st.text(max_size=3)
        | st.decimals(allow_nan=False, allow_infinity=False, places=2),
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "b", "lines"]), inner, max_size=3)
        ),
        max_leaves=12,
    )
)
def test_no_document_makes_anything_else_than_facts_or_a_refusal(value: Any):
    """Wrong if: some shape ended in a traceback."""
    rules = (rule("/lines/*/a", "sum", scale=CENTS), rule("/a/b", kind="string"))
    try:
        facts = take_facts(document(*rules), value)
    except InputRefused:
        return
    assert all(type(each) in (int, str) for each in facts.values())
