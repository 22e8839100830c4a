"""Foreign documents through the main job: refused with every violation, or decided, kept and replayed the same."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from bailiwick.canonical import digest
from bailiwick.decisions import Decided, Loop, RawInput, Refused, Replayer, fetch, keep
from bailiwick.errors import NotFound
from bailiwick.packs import Pack, load_pack
from tests.decisions.conftest import ACTOR, TENANT, Bench

NAME = "invoices"
SCHEMA = {
    "$schema": "http://json-schema.org/draft-04/schema#",
    "$ref": "#/definitions/Invoice",
    "definitions": {
        "Invoice": {
            "type": "object",
            "required": ["total"],
            "additionalProperties": False,
            "properties": {
                "total": {"type": "number", "minimum": 0, "exclusiveMinimum": True},
                "sent": {"type": "string", "format": "date-time"},
                "lines": {"type": "array", "items": {"$ref": "#/definitions/Line"}},
            },
        },
        "Line": {"type": "object", "required": ["amount"], "properties": {"amount": {"type": "number"}}},
    },
}
"""A contract as EPA writes them: draft-04, a reference at the root, a boolean ``exclusiveMinimum``."""

ATTACHED = json.dumps(SCHEMA).encode()
FILES = {
    "pack.yaml": f"""
format: bailiwick-pack/2
id: {NAME}
version: 1.0.0
title: Invoices
jurisdiction: us-mi
law: {{from: 2020-01-01, cite: ACT 1}}
legal_date: in.day
units: {{cent: Cents.}}
outcomes: {{right: It adds up., wrong: It does not., indeterminate: Unknown.}}
attachments:
  - path: invoice.json
    sha256: {digest(ATTACHED).removeprefix("sha256:")}
    url: https://example.org/invoice.json
    licence: CC0-1.0
""",
    "sources.yaml": "sources: [{id: act-1, citation: ACT 1, title: The act, status: in-force, from: 2020-01-01}]",
    "schemas/input.json": json.dumps(
        {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "type": "object",
            "additionalProperties": False,
            "properties": {
                "total_cents": {"type": "integer", "x-unit": "cent"},
                "lines_cents": {"type": "integer", "x-unit": "cent"},
                "day": {"type": "string", "format": "date"},
                "is_paid": {"type": "boolean"},
            },
        }
    ),
    "rules/facts.yaml": """
documents:
  - id: invoice
    marks: [total]
    contract: invoice.json
    formats: ignore
    facts:
      - {name: total_cents, path: /total, take: value, type: integer, unit: cent, decimal: {places: 2, rounding: exact}}
      - name: lines_cents
        path: /lines/*/amount
        take: sum
        type: integer
        unit: cent
        decimal: {places: 2, rounding: exact}
      - {name: day, path: /sent, take: value, type: string, days: [iso]}
""",
    "rules/measures.yaml": """
measures:
  - {id: adds_up, type: boolean, expr: in.total_cents == in.lines_cents, cite: ACT 1}
""",
    "rules/impacts.yaml": """
rows:
  - {id: right, when: m.adds_up, outcome: right, severity: none, say: It adds up., cite: ACT 1}
  - {id: wrong, when: "true", outcome: wrong, severity: high, say: It does not., cite: ACT 1}
""",
    "tests/cases.yaml": """
cases:
  - name: right
    legal_date: 2020-01-01
    input: {total_cents: 1, lines_cents: 1}
    output: {outcome: right}
    status: derived
""",
}
RIGHT = '{"total": 737.09, "sent": "2021-05-09T04:00:00.000+0000", "lines": [{"amount": 700.09}, {"amount": 37}]}'
RAW: Mapping[str, bytes] = {path: text.encode() for path, text in FILES.items()}


def pack_with(**changes: str) -> Pack:
    """Load the pack with its contract."""
    return load_pack(
        NAME, {**RAW, **{path: text.encode() for path, text in changes.items()}}, {digest(ATTACHED): ATTACHED}
    )


@pytest.fixture
def documents(bench: Bench) -> Bench:
    """The bench, deciding by the pack of invoices, whose contract was supplied once."""
    pack = pack_with()
    keep(TENANT, pack, RAW, {}, blobs=bench.blobs, recorder=bench.ledger, actor=ACTOR)
    return replace(bench, loop=replace(bench.loop, pack=pack))


def decide(bench: Bench, *bodies: str) -> list[Any]:
    """Decide documents as they are."""
    return bench.decide_json(*bodies)


def test_a_document_is_decided_exactly(documents: Bench):
    """Wrong if: 700.09 + 37 were not 737.09."""
    [answer] = decide(documents, RIGHT)
    assert isinstance(answer, Decided)
    assert answer.outcome == "right"
    [answer] = decide(documents, RIGHT.replace("737.09", "737.08"))
    assert isinstance(answer, Decided)
    assert answer.outcome == "wrong"


def test_a_broken_document_is_refused_with_every_violation_and_nothing_is_sealed(documents: Bench):
    """Wrong if: what its owner refuses left a decision behind, or told its faults one by one."""
    size = documents.ledger.size
    [answer] = decide(documents, '{"total": 0, "lines": [{}, {"amount": "x"}], "more": 1}')
    assert isinstance(answer, Refused)
    error = answer.to_json()["error"]
    assert error["code"] == "schema-violated"
    rules = sorted(each["rule"] for each in error["violations"])
    assert rules == ["additionalProperties", "exclusiveMinimum", "required", "type"]
    assert documents.ledger.size == size


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (RIGHT.replace("737.09", "737.095"), "fact-inexact"),
        (RIGHT.replace("737.09", "1e400"), "fact-overflow"),
        (RIGHT.replace("737.09", "NaN"), "json-not-a-number"),
        (RIGHT.replace('"total"', '"total": 1, "total"'), "json-duplicate-key"),
        (RIGHT.replace("2021-05-09", "2021-02-30"), "fact-day"),
        (RIGHT.replace(', "sent": "2021-05-09T04:00:00.000+0000"', ""), "legal-date-missing"),
        ('{"invoice": [1]}', "schema-violated"),
        ('{"invoice": ' + RIGHT + ', "total_cents": 5}', "fact-twice"),
        ('{"unknown": 1}', "schema-violated"),
    ],
)
def test_what_cannot_be_taken_exactly_is_refused(documents: Bench, body: str, code: str):
    """Wrong if: a number, a day or a member were guessed."""
    [answer] = decide(documents, body)
    assert isinstance(answer, Refused)
    assert answer.error.code == code


def test_one_refused_document_does_not_stop_its_neighbours(documents: Bench):
    """Wrong if: a fault in one input of a batch were a fault of the batch."""
    answers = decide(documents, RIGHT, "{}", RIGHT)
    assert [type(answer) for answer in answers] == [Decided, Refused, Decided]


def test_replay_takes_the_contract_from_where_the_pack_is_kept(documents: Bench):
    """Wrong if: replay needed the folder that the contract once came from."""
    decide(documents, RIGHT, '{"invoice": ' + RIGHT + ', "is_paid": true}')
    kept = fetch(TENANT, NAME, documents.loop.pack.digest, documents.blobs)
    assert [each.is_present for each in kept.attachments] == [True]
    report = replayer_of(documents).run(documents.ledger.records())
    assert (report.replayed, report.differing, report.unavailable) == (2, (), ())


def replayer_of(bench: Bench) -> Replayer:
    """Give a replayer that knows nothing but the blobs."""
    return replace(bench.replayer, _packs={})


def test_a_pack_that_was_kept_without_its_contract_is_completed_later(bench: Bench):
    """Wrong if: a contract supplied later were not kept, and replay failed then."""
    bare = load_pack(NAME, RAW)
    arguments: dict[str, Any] = {"blobs": bench.blobs, "recorder": bench.ledger, "actor": ACTOR}
    assert keep(TENANT, bare, RAW, {}, **arguments)
    assert [each.is_present for each in fetch(TENANT, NAME, bare.digest, bench.blobs).attachments] == [False]
    assert keep(TENANT, pack_with(), RAW, {}, **arguments)
    assert not keep(TENANT, pack_with(), RAW, {}, **arguments)
    assert [each.is_present for each in fetch(TENANT, NAME, bare.digest, bench.blobs).attachments] == [True]


def test_without_the_contract_a_document_is_not_decided(bench: Bench):
    """Wrong if: a document passed because its contract was not at hand."""
    loop: Loop = replace(bench.loop, pack=load_pack(NAME, RAW))
    with pytest.raises(NotFound) as caught:
        list(loop.run([RawInput(media="json", body=RIGHT)]))
    assert caught.value.code == "attachment-missing"


def test_facts_may_be_given_without_a_document(documents: Bench):
    """Wrong if: an interview, or a caller who knows the facts, needed the foreign form."""
    [answer] = decide(documents, '{"total_cents": 5, "lines_cents": 5, "day": "2021-01-01"}')
    assert isinstance(answer, Decided)
    assert answer.outcome == "right"
