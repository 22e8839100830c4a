"""What a node really writes keeps the published contracts: records, blobs, messages, switch, settings, answers."""

from __future__ import annotations

import io
import json
import tomllib
from pathlib import Path

import pytest

from bailiwick.errors import BailiwickError
from bailiwick.ledger.record import MARK_PREFIX
from bailiwick.node import Node
from bailiwick.schema import Schemas, parse_document
from bailiwick.settings import Settings

SCHEMAS = Schemas()
TENANT = "local"
SAMPLE = Path(__file__).parents[2] / "src/bailiwick/builtin/samples/osha-injuries.csv"
ROWS = 8
DETAILS = {
    "ledger.genesis": "genesis",
    "ledger.checkpoint": "checkpoint",
    "ledger.recovered": "recovered",
    "ledger.key-rotated": "key-rotated",
    "ledger.witness-added": "witness-added",
    "ledger.restored": "restored",
    "ledger.pruned": "pruned",
    "hold.set": "hold-set",
    "hold.released": "hold-released",
    "retention.set": "retention-set",
    "clock.regression": "clock-regression",
    "pack.installed": "pack-installed",
    "decision.sealed": "decision-sealed",
    "effect.executor-started": "effect-executor-started",
    "effect.result": "effect-result",
    "panic.set": "panic-set",
    "subject.erased": "subject-erased",
    "subject.expired": "subject-expired",
}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a home in which some rows were decided, one was refused, effects ran, and the switch was thrown."""
    home = tmp_path_factory.mktemp("home") / "node"
    Node.init(home, TENANT)
    lines = SAMPLE.read_bytes().splitlines(keepends=True)[: ROWS + 1]
    rows = home.parent / "rows.csv"
    rows.write_bytes(b"".join(lines) + lines[-1].replace(b",", b",x,", 1))
    with Node.open(Settings.resolve(home=home, environ={})) as node:
        with rows.open("rb") as stream:
            inputs = node.read_inputs(stream, "csv")
            answers = [each.to_json() for each in node.decide(TENANT, "us-osha-1904", inputs, legal_date="2020-09-25")]
        (home.parent / "answers.json").write_text(json.dumps(answers))
        node.run_effects(TENANT)
        node.run_effects(TENANT)
        node.set_panic(TENANT, frozen=True, reason="the address is wrong")
    return home


@pytest.fixture(scope="module")
def records(home: Path) -> list[dict]:
    """Give every stored record, parsed from the very bytes."""
    with Node.open(Settings.resolve(home=home, environ={})) as node:
        return [parse_document(record.raw) for record in node.ledger(TENANT).records()]


def test_every_record_and_its_detail_keep_their_contracts(records: list[dict]):
    """A stranger who reads a ledger by the published schema would be refused, or misled."""
    for record in records:
        SCHEMAS.check("record", record)
        told = {name: value for name, value in record["detail"].items() if not name.startswith(MARK_PREFIX)}
        SCHEMAS.check(DETAILS[record["event_type"]], told)
    seen = {record["event_type"] for record in records}
    assert seen >= {"ledger.genesis", "pack.installed", "decision.sealed", "effect.result", "panic.set"}
    assert "ledger.checkpoint" in seen


def test_every_blob_of_a_decision_keeps_its_contract(home: Path, records: list[dict]):
    """Evidence could not be read by anything but this program."""
    sealed = [record["detail"] for record in records if record["event_type"] == "decision.sealed"]
    assert len(sealed) == ROWS
    with Node.open(Settings.resolve(home=home, environ={})) as node:
        for detail in sealed:
            for noun in ("observation", "evidence"):
                SCHEMAS.check(noun, parse_document(node._blobs.get(TENANT, detail[noun])))


def test_evidence_that_rests_on_a_module_keeps_its_contract(tmp_path: Path):
    """Wrong if evidence with a call in its trace could be read by nobody, whether the module answered or refused."""
    periods = [{"from": "2025-03-01", "to": "2025-03-31", "worked_minutes": 1800, "used": []}]
    facts = {
        "matter": "payroll",
        "day": "2025-03-31",
        "employer": {"kind": "private", "employees_in_michigan": 12, "method": "accrual", "year_starts": "01-01"},
        "employee": {"works_in_michigan": True, "hired_on": "2025-03-01"},
    }
    told = {**facts, "payroll": {"periods": periods}}
    Node.init(tmp_path / "node", TENANT)
    with Node.open(Settings.resolve(home=tmp_path / "node", environ={})) as node:
        for each, outcome in ((told, "entitled"), (facts, "indeterminate")):
            inputs = node.read_inputs(io.BytesIO(json.dumps(each).encode()), "json")
            [answer] = node.decide(TENANT, "us-mi-esta", inputs)
            sealed = answer.to_json()
            assert sealed["outcome"] == outcome
            evidence = parse_document(node._blobs.get(TENANT, sealed["evidence"]))
            SCHEMAS.check("evidence", evidence)
            assert any(entry["kind"] == "call" for entry in evidence["trace"])


def test_every_message_in_the_outbox_keeps_its_contract(home: Path):
    """A receiver that reads messages by the published schema would refuse them."""
    files = sorted((home / "tenants" / TENANT / "outbox").glob("*.json"))
    assert files
    for path in files:
        SCHEMAS.check("effect-message", parse_document(path.read_bytes()))


def test_every_answer_keeps_its_contract(home: Path):
    """A script that reads the lines of decide would break."""
    answers = json.loads((home.parent / "answers.json").read_text())
    assert len(answers) == ROWS + 1
    assert "error" in answers[-1]
    for answer in answers:
        SCHEMAS.check("answer", answer)
        SCHEMAS.check("receipt", answer.get("receipt", {"index": 0, "leaf": "0" * 64}))


def test_switch_and_settings_keep_their_contracts(home: Path):
    """People who write these files by the published schema would find a node that does not start."""
    SCHEMAS.check("panic", parse_document((home / "panic.json").read_bytes()))
    SCHEMAS.check("node-settings", tomllib.loads((home / "node.toml").read_text()))


def test_verifications_and_problems_keep_their_contracts(home: Path):
    """A program that acts on a verdict or an error code would not understand it."""
    with Node.open(Settings.resolve(home=home, environ={})) as node:
        SCHEMAS.check("panic-state", dict(node.panic_state(TENANT)))
        SCHEMAS.check("verification-report", node.ledger(TENANT).verify().to_json())
        for ask in (lambda: node.explain(TENANT, 10_000), lambda: node.ledger("nobody"), lambda: node.pack("no-pack")):
            with pytest.raises(BailiwickError) as caught:
                ask()
            SCHEMAS.check("problem", caught.value.to_json())
