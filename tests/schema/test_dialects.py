"""A schema is judged under the dialect that it declares, and formats as the contract says."""

from __future__ import annotations

import pytest

from bailiwick.errors import InputRefused
from bailiwick.schema import Contract
from bailiwick.schema.dialects import DIALECTS

URIS = {dialect.name: dialect.uri for dialect in DIALECTS}


@pytest.mark.parametrize(
    ("dialect", "schema", "good", "bad"),
    [
        ("draft-04", {"minimum": 3, "exclusiveMinimum": True}, 4, 3),
        ("draft-06", {"exclusiveMinimum": 3}, 4, 3),
        ("draft-06", {"contains": {"const": 1}}, [1], [2]),
        ("draft-07", {"if": {"const": 1}, "then": False}, 2, 1),
        ("draft-07", {"items": [{"type": "string"}], "additionalItems": False}, ["a"], ["a", 1]),
        ("draft-07", {"dependencies": {"a": ["b"]}}, {"a": 1, "b": 1}, {"a": 1}),
        ("2019-09", {"dependentRequired": {"a": ["b"]}}, {"b": 1}, {"a": 1}),
        ("2019-09", {"contains": {"const": 1}, "minContains": 2}, [1, 1], [1]),
        ("2020-12", {"prefixItems": [{"type": "string"}], "items": False}, ["a"], ["a", 1]),
    ],
)
@pytest.mark.parametrize("fragment", ["", "#"])
def test_each_dialect_has_its_own_meaning(dialect, schema, good, bad, fragment):
    """A foreign contract would be judged by rules that its author did not mean."""
    contract = Contract({"$schema": URIS[dialect].removesuffix("#") + fragment, **schema})
    assert contract.dialect.name == dialect
    assert contract.is_dialect_declared
    assert contract.violations(good) == []
    assert contract.violations(bad) != []


@pytest.mark.parametrize(
    ("dialect", "schema", "value"),
    [
        ("draft-04", {"exclusiveMinimum": 3}, None),
        ("draft-04", {"const": 1}, 2),
        ("draft-04", {"if": True, "then": False}, 1),
        ("draft-06", {"if": True, "then": False}, 1),
        ("draft-07", {"prefixItems": [{"type": "string"}]}, [1]),
        ("draft-07", {"unevaluatedProperties": False}, {"a": 1}),
        ("draft-07", {"$ref": "#/definitions/any", "definitions": {"any": {}}, "type": "string"}, 1),
        ("2020-12", {"prefixItems": [{"type": "string"}], "additionalItems": False}, ["a", 1]),
    ],
)
def test_a_keyword_of_another_dialect_judges_nothing(dialect, schema, value):
    """Keywords would be read as a later draft means them (or draft-04 would take a number where it has none)."""
    if value is None:
        with pytest.raises(InputRefused) as caught:
            Contract({"$schema": URIS[dialect], **schema})
        assert caught.value.code == "schema-invalid"
    else:
        assert Contract({"$schema": URIS[dialect], **schema}).violations(value) == []


def test_no_dialect_means_2020_12_and_says_so():
    """People would not know by which rules they were judged."""
    contract = Contract({"prefixItems": [{"type": "string"}]})
    assert contract.dialect.name == "2020-12"
    assert not contract.is_dialect_declared
    assert contract.violations([1]) != []


@pytest.mark.parametrize(
    "declared",
    ["https://json-schema.org/draft/2099-12/schema", "http://json-schema.org/draft-03/schema#", "", 7, ["x"]],
)
def test_an_unknown_dialect_is_refused_with_the_known_ones(declared):
    """A schema would be judged by guesswork."""
    with pytest.raises(InputRefused) as caught:
        Contract({"$schema": declared})
    assert caught.value.code == "schema-dialect"
    assert URIS["2020-12"] in caught.value.hint


@pytest.mark.parametrize("dialect", URIS)
@pytest.mark.parametrize("policy", [None, True, False])
def test_formats_refuse_as_the_contract_says_or_as_the_dialect_does(dialect, policy):
    """Good data would be refused for its format, or bad data pass, without anybody having decided it."""
    contract = Contract({"$schema": URIS[dialect], "format": "date-time"}, assert_formats=policy)
    refuses = policy if policy is not None else dialect.startswith("draft")
    assert contract.assert_formats is refuses
    assert (contract.violations("2020-01-01T00:00:00+0000") != []) is refuses
    assert contract.violations("2020-01-01T00:00:00Z") == []


@pytest.mark.parametrize("dialect", URIS)
def test_every_dialect_can_judge_its_own_meta_schema(dialect):
    """A schema that is itself wrong could not be explained."""
    with pytest.raises(InputRefused) as caught:
        Contract({"$schema": URIS[dialect], "properties": {"a": {"minLength": -1}}})
    assert caught.value.code == "schema-invalid"
    assert caught.value.violations[0].path == "/properties/a/minLength"
