"""What the terminal prints as JSON keeps to the contracts that ship with it."""

from __future__ import annotations

import json

import pytest

from bailiwick.schema import Schemas, parse_document

SCHEMAS = Schemas()


def holds(name: str, text: str) -> None:
    """Check one printed document by one contract."""
    SCHEMAS.check(name, parse_document(text.encode()))


def test_answers_keep_to_their_contract(decided, folder, injuries, rows):
    """If it failed, a program written against the contract would not understand a decision or a refusal."""
    (folder / "mixed.csv").write_bytes(rows + b"only,three,fields\r\n")
    ran = decided("decide", "us-osha-1904", "mixed.csv", "--legal-date", "2024-01-01", "--json")
    assert ran.code == 1
    for line in ran.out.splitlines():
        holds("answer", line)


@pytest.mark.parametrize(
    ("words", "contract"),
    [
        (("ledger", "verify"), "verification-report"),
        (("verify", "bundle"), "verification-report"),
        (("verify", "bundle", "--jobs", "2"), "verification-report"),
        (("ledger", "at", "now"), "past"),
        (("ledger", "at", "now", "--projection", "decisions", "--keep"), "past"),
        (("ledger", "at", "now", "--projection", "keys", "--replay"), "past"),
        (("ledger", "find", "--type", "decision.sealed", "--limit", "2"), "page"),
        (("ledger", "find", "--type", "ledger.checkpoint", "--scan"), "page"),
        (("ledger", "find", "--resource", "nothing"), "page"),
        (("panic", "status"), "panic-state"),
        (("panic", "on", "--reason", "a test"), "panic-state"),
        (("validate", "problem", "problem.json"), "validation-report"),
    ],
)
def test_reports_keep_to_their_contract(decided, folder, words, contract):
    """If it failed, a script would look for a field that is not there."""
    decided("ledger", "export", "--out", "bundle")
    (folder / "problem.json").write_text("{}")
    holds(contract, decided(*words, "--json").out)


@pytest.mark.parametrize("words", [("explain", "0"), ("legder",), ("ledger", "show", "99999"), ("verify", "absent")])
def test_errors_keep_to_their_contract(decided, words):
    """If it failed, errors would have more than one shape."""
    holds("problem", json.dumps(json.loads(decided(*words, "--json").err)["error"]))
