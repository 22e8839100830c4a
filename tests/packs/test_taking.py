"""`rules/facts.yaml`: what cannot be taken as it is written is a fault, with its place."""

from __future__ import annotations

import json

import pytest

from bailiwick.canonical import digest
from bailiwick.errors import PackRefused
from bailiwick.packs import Pack, load_pack
from tests.decisions.test_intake_documents import ATTACHED, FILES, NAME

FACTS = "rules/facts.yaml"
TOTAL = "{name: total_cents, path: /total, take: value, type: integer, unit: cent"
DECIMAL = "decimal: {places: 2, rounding: exact}"


def loaded(facts: str, attached: bytes = ATTACHED, **more: str) -> Pack:
    """Load the pack of invoices with another facts.yaml."""
    files = {path: text.encode() for path, text in {**FILES, FACTS: facts, **more}.items()}
    return load_pack(NAME, files, {digest(ATTACHED): attached})


def faults(facts: str, **more: str) -> set[tuple[str, str]]:
    """Give rule and place of every fault."""
    with pytest.raises(PackRefused) as caught:
        loaded(facts, **more)
    return {(each.rule, each.path) for each in caught.value.violations}


def one(fact: str) -> str:
    """Write a facts.yaml of one document with one fact."""
    return f"documents: [{{id: invoice, marks: [total], contract: invoice.json, formats: ignore, facts: [{fact}]}}]"


def at(place: str) -> str:
    """Give the path of a place in the first fact."""
    return f"{FACTS}#/documents/0/facts/0/{place}"


def test_a_document_is_built_with_its_contract():
    """Wrong if: policy on formats, marks or places were lost on the way."""
    [document] = loaded(FILES[FACTS]).foreign
    assert (document.id, document.marks, document.is_format_asserted) == ("invoice", ("total",), False)
    assert [each.pointer for each in document.rules] == ["/total", "/lines/*/amount", "/sent"]
    assert document.document_contract().dialect.name == "draft-04"


@pytest.mark.parametrize(
    ("fact", "rule", "place"),
    [
        ("{name: unknown, path: /total, take: value, type: integer}", "name", "name"),
        ("{name: is_paid, path: /total, take: value, type: integer}", "type", "type"),
        ("{name: total_cents, path: /total, take: value, type: integer}", "unit", "unit"),
        ("{name: total_cents, path: /total, take: value, type: integer, unit: mile}", "unit", "unit"),
        (f"{TOTAL.replace('take: value', 'take: values')}, {DECIMAL}}}", "type", "type"),
        ("{name: is_paid, path: /total, take: count, type: boolean}", "type", "type"),
        (f"{{name: day, path: /sent, take: value, type: string, {DECIMAL}}}", "type", "decimal"),
        (f"{TOTAL}, days: [iso]}}", "type", "days"),
        (f"{TOTAL.replace('/total', '/*/*/*/*')}}}", "pointer", "path"),
        ("{name: day, path: /sent, take: value, type: string, matches: '('}", "schema-invalid", "matches"),
        (f"{TOTAL}, decimal: {{places: 16, rounding: exact}}}}", "maximum", "decimal/places"),
        (f"{TOTAL}, decimal: {{places: 2, rounding: up}}}}", "enum", "decimal/rounding"),
        (f"{TOTAL}, decimal: {{places: 2}}}}", "required", "decimal"),
        (f"{TOTAL.replace('/total', 'total')}}}", "pattern", "path"),
        (f"{TOTAL.replace('/total', '/a~2')}}}", "pattern", "path"),
        (f"{TOTAL.replace('take: value', 'take: first')}}}", "enum", "take"),
        (f"{TOTAL}, where: {{/a: null}}}}", "type", "where/~1a"),
    ],
)
def test_a_fact_that_cannot_be_taken_so_is_a_fault(fact: str, rule: str, place: str):
    """Wrong if: a pack loaded whose facts could never be taken."""
    assert (rule, at(place)) in faults(one(fact))


def test_a_document_without_a_contract_is_a_fault():
    """Wrong if: a document were taken without being checked."""
    text = FILES[FACTS].replace("invoice.json", "other.json")
    assert ("name", f"{FACTS}#/documents/0/contract") in faults(text)


def test_a_mark_that_is_a_fact_too_is_a_fault():
    """Wrong if: an input of facts were taken for a document."""
    text = FILES[FACTS].replace("marks: [total]", "marks: [total_cents]")
    assert any(rule == "name" and place.startswith(f"{FACTS}#/documents/0/marks") for rule, place in faults(text))


def test_a_fact_and_a_document_stand_once():
    """Wrong if: of two rules for one fact the later won in silence."""
    twice = one(f"{TOTAL}, {DECIMAL}}}, {TOTAL}, {DECIMAL}}}")
    assert ("duplicate", f"{FACTS}#/documents/0/facts/1/name") in faults(twice)
    document = "{id: invoice, contract: invoice.json, formats: ignore, facts: [" + TOTAL + "}]}"
    assert ("duplicate", f"{FACTS}#/documents/1/id") in faults(f"documents: [{document}, {document}]")


def test_a_contract_that_is_no_schema_is_a_fault():
    """Wrong if: the fault came up only with the first document."""
    broken = json.dumps({"$schema": "http://json-schema.org/draft-04/schema#", "type": "nonsense"})
    text = FILES[FACTS].replace("invoice.json", "schemas/documents/own.json")
    assert {rule for rule, _ in faults(text, **{"schemas/documents/own.json": broken})} == {"schema-invalid"}


def test_bytes_of_another_digest_are_no_attachment():
    """Wrong if: whoever supplies files could supply another contract."""
    with pytest.raises(PackRefused) as caught:
        loaded(FILES[FACTS], attached=ATTACHED + b" ")
    assert [each.rule for each in caught.value.violations] == ["digest"]


def test_the_first_format_knows_no_foreign_documents():
    """Wrong if: a pack of the first version changed its meaning."""
    text = FILES["pack.yaml"].replace("bailiwick-pack/2", "bailiwick-pack/1")
    assert any(FACTS in place for _, place in faults(FILES[FACTS], **{"pack.yaml": text}))
