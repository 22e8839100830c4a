"""A module that rules call, in a whole node: run once a decision, kept with the pack, and run again by replay."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bailiwick.adapters.packsource_builtin import builtin_module
from bailiwick.decisions import Decided, RawInput
from bailiwick.node import Node, trying
from bailiwick.packs import run_cases
from bailiwick.settings import Settings

TENANT = "acme"
PACK = "us-mi-esta"
FACTS: dict[str, Any] = {
    "matter": "payroll",
    "day": "2025-12-31",
    "employer": {"kind": "private", "employees_in_michigan": 12, "method": "accrual", "year_starts": "01-01"},
    "employee": {"works_in_michigan": True, "hired_on": "2025-03-01"},
    "payroll": {"periods": [{"from": "2025-03-01", "to": "2025-06-30", "worked_minutes": 36_000, "used": []}]},
}
CROSSING = {"periods": [{"from": "2025-03-01", "to": "2026-06-30", "worked_minutes": 36_000, "used": []}]}


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    """Give a node that has decided nothing yet."""
    Node.init(tmp_path, TENANT)
    with Node.open(Settings.resolve(home=tmp_path, tenant=TENANT, environ={})) as opened:
        yield opened


def decide(node: Node, facts: dict[str, Any]) -> tuple[Decided, dict[str, Any]]:
    """Decide one case, and give its answer with its evidence."""
    raw = RawInput(media="json", body=json.dumps(facts))
    (answer,) = node.decide(TENANT, PACK, [raw])
    assert isinstance(answer, Decided), answer
    record = node.ledger(TENANT).read(answer.receipt.index)
    evidence = node._blobs.get(TENANT, answer.evidence, record.resource)
    return answer, json.loads(evidence)


def test_what_a_module_reckons_is_sealed_with_the_module_and_replayed(node: Node):
    """Evidence would not say which binary reckoned, or replay would reckon with another."""
    answer, evidence = decide(node, FACTS)
    assert answer.outcome == "entitled"
    reference, _ = builtin_module("esta-accrual")
    assert evidence["modules"] == [reference.to_json()]
    measured = {each["id"]: each.get("value") for each in evidence["measurements"]}
    assert measured["payroll_balance"] == 36_000 // 30
    assert {entry["kind"] for entry in evidence["trace"] if entry["rule"] == "payroll_balance"} == {"call"}
    detail: Any = node.ledger(TENANT).read(answer.receipt.index).detail
    assert detail["fuel"] > 0
    report = node.replay(TENANT)
    assert (report.replayed, report.differing, report.unavailable) == (1, (), ())


def test_a_module_that_refuses_is_a_cause_with_its_code(node: Node):
    """A month that lies in two years would be divided by guess, or the decision lost."""
    answer, evidence = decide(node, {**FACTS, "payroll": CROSSING})
    assert answer.outcome == "indeterminate"
    causes = {each["id"]: each.get("cause") for each in evidence["measurements"]}
    assert str(causes["payroll_balance"]).startswith("module-refused: esta-accrual: period-crosses-")
    assert node.replay(TENANT).differing == ()


def test_a_pack_is_tried_with_the_modules_that_it_pins():
    """The cases of a pack would pass without the module that decides them."""
    pack = Node.pack(PACK)
    with trying(pack) as decider:
        assert run_cases(pack, decider).is_passed
    assert Node.run_cases(PACK).is_passed
    without = run_cases(pack)
    assert not without.is_passed
