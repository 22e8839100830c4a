"""Contracts: what a schema refuses, said all at once, and schemas that are not fit to judge by."""

from __future__ import annotations

import threading
from decimal import Decimal
from time import process_time

import pytest

from bailiwick.errors import InputRefused, SchemaViolated
from bailiwick.schema import VIOLATIONS_MAX, Contract, parse_document
from bailiwick.schema.contract import VALUE_DEPTH_MAX, VALUES_LISTED_MAX

SECONDS_MAX = 2.0


def refused(schema, **options) -> InputRefused:
    """Give the refusal of a schema."""
    with pytest.raises(InputRefused) as caught:
        Contract(schema, **options)
    return caught.value


def found(schema, value, **options) -> list[tuple[str, str]]:
    """Give path and rule of each violation."""
    return [(each.path, each.rule) for each in Contract(schema, **options).violations(value)]


# --- what a document does ------------------------------------------------------------------------------------------


def test_every_violation_is_named_in_the_order_of_the_document():
    """A sender would mend one fault, send again, and meet the next; or look for faults in the wrong order."""
    schema = {
        "properties": {
            "z": {"items": {"type": "integer", "minimum": 3}},
            "a": {"properties": {"b/c": {"enum": [1, 2]}}},
        },
        "required": ["missing"],
        "additionalProperties": False,
    }
    document = parse_document(b'{"a":{"b/c":9},"odd":0,"z":[5,1,"x"]}')
    assert found(schema, document) == [
        ("", "additionalProperties"),
        ("", "required"),
        ("/a/b~1c", "enum"),
        ("/z/1", "minimum"),
        ("/z/2", "type"),
    ]


def test_a_violation_says_what_stood_there():
    """The sender would see a rule and not the value that broke it."""
    (violation,) = Contract({"items": {"maxLength": 3}}).violations(["abc", "abcd"])
    assert violation.to_json() == {
        "path": "/1",
        "rule": "maxLength",
        "message": "the value is longer than 3 characters",
        "value": '"abcd"',
    }


def test_check_carries_the_violations():
    """A caller would have to judge twice to say why."""
    with pytest.raises(SchemaViolated) as caught:
        Contract({"type": "object", "required": ["a", "b"]}).check({}, subject="the row")
    assert caught.value.code == "schema-violated"
    assert caught.value.message.startswith("the row breaks its contract in 2 violations")
    assert [each.rule for each in caught.value.violations] == ["required", "required"]


def test_a_valid_document_passes_in_silence():
    """Nothing could be accepted."""
    contract = Contract({"type": "object", "required": ["a"]})
    assert contract.violations({"a": None}) == []
    contract.check({"a": None})


@pytest.mark.parametrize("count", [VIOLATIONS_MAX, VIOLATIONS_MAX + 1, 5_000])
def test_many_violations_are_counted_and_not_all_listed(count):
    """A bad file would be answered with a worse one."""
    violations = Contract({"items": {"type": "string"}}).violations(list(range(count)))
    assert len(violations) == min(count, VIOLATIONS_MAX + 1)
    if count > VIOLATIONS_MAX:
        assert violations[-1].rule == "more"
        assert violations[-1].message == f"and {count - VIOLATIONS_MAX} more violations"


def test_a_huge_bad_document_is_refused_by_its_first_violation():
    """Listing millions of violations would take gigabytes before any limit could cut them."""
    begin = process_time()
    contract = Contract({"items": {"type": "string"}})
    (violation,) = contract.violations([0] * (VALUES_LISTED_MAX + 10))
    assert "judged up to here" in violation.message
    assert contract.violations(["x"] * (VALUES_LISTED_MAX + 10)) == []
    assert process_time() - begin < SECONDS_MAX


def test_the_same_fault_reached_twice_is_said_once():
    """A schema that refers to a definition from two places would double every violation."""
    schema = {"$defs": {"n": {"type": "integer"}}, "allOf": [{"$ref": "#/$defs/n"}, {"$ref": "#/$defs/n"}]}
    assert found(schema, "x") == [("", "type")]


def test_the_nearest_alternative_is_named():
    """Of ten alternatives people would learn only that none of them held."""
    schema = {
        "oneOf": [
            {"type": "integer"},
            {"properties": {"kind": {"const": "b"}, "n": {"properties": {"deep": {"minimum": 7}}}}},
        ]
    }
    (violation,) = Contract(schema).violations({"kind": "b", "n": {"deep": 3}})
    assert "nearest: the value is less than the minimum of 7 (at /n/deep)" in violation.message


def test_messages_and_values_are_bounded_and_printable():
    """One violation could carry the whole document, or drive the terminal that shows it."""
    document = {"\x1b[2J" + "k" * 10_000: "v" * 100_000, "a": "\x9b" * 1_000}
    violations = Contract({"additionalProperties": False, "properties": {"a": {"const": 1}}}).violations(document)
    for each in violations:
        assert (each.message + each.value + each.path).isprintable()
        assert len(each.message) <= 3_000
        assert len(each.value) <= 500


@pytest.mark.parametrize(
    ("schema", "text", "is_valid"),
    [
        ({"multipleOf": Decimal("0.01")}, b"19.99", True),
        ({"multipleOf": Decimal("0.01")}, b"4.35", True),
        ({"multipleOf": Decimal("0.01")}, b"19.995", False),
        ({"multipleOf": Decimal("0.01")}, b"1e30", True),
        ({"type": "integer"}, b"3.0", True),
        ({"type": "integer"}, b"1e3", True),
        ({"type": "integer"}, b"3.5", False),
        ({"maximum": Decimal("0.3")}, b"0.3000000000000000000001", False),
        ({"const": 1}, b"1.0", True),
        ({"enum": [Decimal("1.10")]}, b"1.1", True),
        ({"uniqueItems": True}, b"[1, 1.0]", False),
        ({"minimum": 9007199254740991}, b"9007199254740990.9", False),
        ({"type": "number"}, b"1e400", True),
    ],
)
def test_decimals_are_judged_exactly(schema, text, is_valid):
    """Amounts would pass or fail by how a float happens to round."""
    assert (Contract(schema).violations(parse_document(text)) == []) is is_valid


@pytest.mark.parametrize(
    ("pattern", "text", "is_valid"),
    [
        (r"^SITE-[0-9]{4}$", "SITE-0042\n", False),
        (r"^\d$", "\u0661", False),
        (r"^\p{L}+$", "Müller", True),
        (r"^\p{L}+$", "M1", False),
        (r"b", "abc", True),
        (r"^(?!x)[a-z]+$", "xa", False),
        (r"^(a)\1$", "aa", True),
    ],
)
def test_patterns_are_those_of_ecma_262(pattern, text, is_valid):
    """A trailing line end or another script's digits would slip through, as with Python's own patterns."""
    assert (Contract({"pattern": pattern}).violations(text) == []) is is_valid


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (b"bytes", "json-type"),
        ({1: 2}, "json-type"),
        (object(), "json-type"),
        pytest.param(10**5_000, "json-type", id="integer of 5000 digits"),
        ("\ud800", "json-surrogate"),
        ({"\ud800": 1}, "json-surrogate"),
    ],
)
def test_what_is_no_json_is_refused_before_it_is_judged(value, code):
    """A value that no document can hold would pass a contract."""
    with pytest.raises(InputRefused) as caught:
        Contract({"type": "object"}).violations(value)
    assert caught.value.code == code


def test_a_deep_value_is_refused_and_does_not_end_the_process():
    """Native code recursing into it would be killed by the system, and the node with it."""
    contract = Contract({"items": {"$ref": "#"}})
    value: list = []
    for _ in range(VALUE_DEPTH_MAX - 1):
        value = [value]
    assert contract.violations(value) == []
    for levels in (1, 99_000):
        for _ in range(levels):
            value = [value]
        with pytest.raises(InputRefused) as caught:
            contract.violations(value)
        assert caught.value.code == "json-too-deep"


def test_one_contract_serves_many_threads():
    """Requests would get one another's violations."""
    contract = Contract({"items": {"maximum": 10}})
    wrong: list[int] = []

    def judge(number: int) -> None:
        for _ in range(200):
            if contract.violations([number, 5]) != contract.violations([number, 5]) or (
                len(contract.violations([number])) != (number > 10)
            ):
                wrong.append(number)

    threads = [threading.Thread(target=judge, args=(number,)) for number in (1, 9, 11, 99)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


# --- time bombs ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("pattern", [r"^(a+)+$", r"^(a|aa)+$", r"^(a|a)*$", r"^([a-z]+)*\d$", r"(x+x+)+y"])
def test_a_pattern_that_explodes_elsewhere_takes_linear_time(pattern):
    """One field of 100 kB would hold a core for years."""
    begin = process_time()
    assert found({"pattern": pattern}, "a" * 100_000 + "!") == [("", "pattern")]
    assert process_time() - begin < SECONDS_MAX


@pytest.mark.parametrize(
    "schema",
    [
        {"pattern": r"^((?=a)a+)+$"},
        {"not": {"pattern": r"^((?=a)a+)+$"}},
        {"if": {"pattern": r"^((?=a)a+)+$"}, "then": False},
        {"items": {"pattern": r"^((?=a)a+)+$"}},
    ],
)
def test_a_pattern_that_looks_around_is_stopped_and_never_passes(schema):
    """Look-around needs backtracking: unbounded it hangs, and giving up must not count as a match or as none."""
    text = "a" * 40 + "b"
    value = [text] * 1_000 if "items" in schema else text
    begin = process_time()
    (violation,) = Contract(schema).violations(value)
    assert violation.rule == "pattern"
    assert "backtracking" in violation.message
    assert process_time() - begin < SECONDS_MAX


def laughing(levels: int) -> dict:
    """Give a schema whose every definition asks twice for the one before."""
    definitions: dict = {"d0": {"type": "integer"}}
    for level in range(1, levels):
        definitions[f"d{level}"] = {"allOf": [{"$ref": f"#/$defs/d{level - 1}"}] * 2}
    return {"$defs": definitions, "$ref": f"#/$defs/d{levels - 1}"}


def test_definitions_that_multiply_are_refused():
    """Sixty lines of schema would keep a core busy for ever."""
    assert refused(laughing(60)).code == "schema-too-costly"
    assert Contract(laughing(8)).violations(1) == []


def test_definitions_that_multiply_under_another_address_are_refused():
    """An address inside the schema would hide the multiplication."""
    schema = laughing(60)
    schema["$id"] = "https://example.org/a/schema"
    schema["$defs"]["d30"]["allOf"] = [{"$ref": "/a/schema#/$defs/d29"}, {"$ref": "schema#/$defs/d29"}]
    assert refused(schema).code == "schema-too-costly"


def test_anchors_that_multiply_are_refused():
    """A name instead of a path would hide the multiplication."""
    definitions = {
        f"d{level}": {"$anchor": f"a{level}", "allOf": [{"$ref": f"#a{level - 1}"}] * 2} for level in range(1, 60)
    }
    definitions["d0"] = {"$anchor": "a0", "type": "integer"}
    assert refused({"$defs": definitions, "$ref": "#a59"}).code == "schema-too-costly"


def test_a_recursive_schema_is_an_honest_one():
    """Trees could not be described."""
    schema = {
        "$defs": {"node": {"properties": {"left": {"$ref": "#/$defs/node"}, "right": {"$ref": "#/$defs/node"}}}},
        "$ref": "#/$defs/node",
        "unevaluatedProperties": False,
    }
    assert found(schema, {"left": {"right": {}}, "odd": 1}) == [("", "unevaluatedProperties")]
    assert Contract({"$ref": "#"}).violations(1) == []


def test_a_long_chain_of_references_is_refused():
    """Compiling it would overflow the stack of native code."""
    definitions = {f"d{number}": {"$ref": f"#/$defs/d{number + 1}"} for number in range(50_000)}
    assert refused({"$defs": {**definitions, "d50000": {}}, "$ref": "#/$defs/d0"}).code == "schema-too-costly"


def test_a_deep_schema_is_refused():
    """Compiling it would overflow the stack of native code."""
    schema: dict = {}
    for _ in range(300):
        schema = {"allOf": [schema]}
    assert refused(schema).code == "schema-too-deep"
    for _ in range(100_000):
        schema = {"allOf": [schema]}
    assert refused(schema).code == "schema-too-deep"


# --- schemas that cannot be used -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "reference",
    [
        "https://example.org/other.json",
        "http://127.0.0.1:9/x",
        "file:///etc/hostname",
        "other.json",
        "urn:x:y",
        "//h/x",
    ],
)
def test_a_reference_that_leaves_the_schema_is_refused_by_name(reference):
    """Judging would fetch from the network or the disk what anybody put there."""
    refusal = refused({"properties": {"a": {"$ref": reference}}})
    assert refusal.code == "schema-reference"
    assert reference.removeprefix("//h") in refusal.message
    assert "fetched" in refusal.hint


def test_a_reference_to_nothing_is_refused():
    """A schema with a misspelt name would accept everything there."""
    refusal = refused({"$ref": "#/$defs/nowhere"})
    assert refusal.code == "schema-reference"
    assert "/$defs/nowhere" in refusal.message


def test_a_reference_to_a_given_schema_resolves():
    """Contracts could not share definitions."""
    contract = Contract({"items": {"$ref": "urn:n"}}, resources={"urn:n": {"$id": "urn:n", "type": "integer"}})
    assert [each.path for each in contract.violations([1, "x"])] == ["/1"]


def test_a_schema_that_breaks_its_dialect_says_everything_that_is_wrong():
    """Its author would have to guess."""
    refusal = refused({"type": "strnig", "properties": {"a": {"minimum": "3", "pattern": "("}}})
    assert isinstance(refusal, SchemaViolated)
    assert refusal.code == "schema-invalid"
    assert [each.path for each in refusal.violations] == ["/type", "/properties/a/minimum", "/properties/a/pattern"]


@pytest.mark.parametrize("schema", [[], None, 3, "{}"])
def test_what_is_neither_object_nor_boolean_is_no_schema(schema):
    """A wrong file would be taken for a schema that accepts everything."""
    assert refused(schema).code == "schema-invalid"


def test_true_and_false_are_schemas():
    """The two shortest schemas of the standard would be refused."""
    assert Contract(True).violations({"a": 1}) == []
    assert found(False, 1) == [("", "falseSchema")]


def nested(levels):
    """Give objects within one another under the name a."""
    value = {}
    for _ in range(levels - 1):
        value = {"a": value}
    return value


@pytest.mark.parametrize("keyword", ["anyOf", "oneOf", "allOf"])
def test_a_schema_that_multiplies_with_depth_bounds_the_depth_of_documents(keyword):
    """A signed module's schema of one line could keep a node busy for years, within every limit of size."""
    again = {"$ref": "#/$defs/tree"}
    tree = {"type": "object", "properties": {"a": {keyword: [again, again]}}}
    contract = Contract({"$defs": {"tree": tree}, "$ref": "#/$defs/tree"})
    contract.violations(nested(10))
    with pytest.raises(InputRefused) as caught:
        contract.violations(nested(40))
    assert caught.value.code == "json-too-deep"


@pytest.mark.parametrize(
    "schema",
    [
        {"properties": {"left": {"$ref": "#"}, "right": {"$ref": "#"}}},
        {"properties": {"a": {"$ref": "#"}}, "additionalProperties": {"$ref": "#"}},
        {"anyOf": [{"type": "string"}, {"items": {"$ref": "#"}}, {"additionalProperties": {"$ref": "#"}}]},
        {"prefixItems": [{"$ref": "#"}], "items": {"$ref": "#"}},
    ],
)
def test_an_honest_recursion_takes_documents_of_any_depth(schema):
    """A tree, or JSON within JSON, judges each member once, and must not be bounded for it."""
    assert Contract(schema).violations(nested(60)) == []
