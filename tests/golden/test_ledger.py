"""What others keep of a ledger stays, byte for byte: bundles, proofs, policies, under fixed keys and a fixed clock."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from bailiwick.adapters.ledgerstore_memory import MemoryLedgerStore
from bailiwick.adapters.witnessmemory_memory import MemoryWitnessMemory
from bailiwick.errors import Verdict
from bailiwick.keys import COSIGNATURE, Signer, new_secret
from bailiwick.ledger import (
    Cosigner,
    KnownWitness,
    Ledger,
    Policy,
    verify_bundle,
    verify_growth,
    verify_receipt,
    witness_policy,
)
from bailiwick.model import Actor, Draft
from bailiwick.testing import MemoryClock

FOLDER = Path(__file__).parent / "ledger"
ORIGIN = "bailiwick/0123456789abcdef"
ACTOR = Actor(id="operator-1", role="operator")
FIRST, SECOND = (Signer(ORIGIN, new_secret(bytes([number] * 32))) for number in (1, 2))
WITNESS = Signer("witness.example/w1", new_secret(bytes([3] * 32)), COSIGNATURE)
NAMES = ["older", "policy", "receipt.tlog-proof", "record.json", "growth"]


def write(out: Path) -> None:
    """Write the vectors: a ledger with a witness and a changed key, its bundle and its proofs."""
    clock = MemoryClock(1_700_000_000 * 10**9, step_ns=1_000_000)
    known = KnownWitness(name=b"w1", verifier=WITNESS.verifier, url="https://witness.example/api")
    witness = Cosigner(MemoryWitnessMemory(), WITNESS, [FIRST.verifier, SECOND.verifier], clock=clock)
    making = {"clock": clock, "origin": ORIGIN, "node_id": "node-1", "actor": ACTOR, "checkpoint_ms": None}
    with Ledger.create("local", MemoryLedgerStore(), FIRST, guard=lambda draft: None, **making) as ledger:
        ledger.heads.name_witness(WITNESS.verifier)
        drafts = [Draft(event_type="test.done", resource="r/1", detail={"n": n}, actor=ACTOR) for n in range(5)]
        ledger.record_many("local", drafts)
        older = ledger.checkpoint()
        ledger.heads.rotate(SECOND)
        ledger.record_many("local", drafts)
        asked = witness_policy([], [known])
        assert ledger.heads.ask([(known, witness)], asked).is_met
        ledger.export(out / "bundle")
        keys = ledger.heads.keys()
        texts = {
            "older": older.note.decode(),
            "policy": witness_policy(list(keys), [known], signs=keys).text(),
            "receipt.tlog-proof": ledger.prove(3),
            "record.json": ledger.read(3).raw.decode(),
            "growth": ledger.heads.prove_growth(older.size),
        }
    for name in NAMES:
        (out / name).write_bytes(texts[name].encode())


def files_of(folder: Path) -> dict[str, bytes]:
    """Give every file of a folder by its path."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_what_is_written_now_is_what_was_written_then(tmp_path):
    """A ledger, a proof or a policy that somebody keeps would be written otherwise from here on."""
    if os.environ.get("BAILIWICK_WRITE_GOLDEN"):
        shutil.rmtree(FOLDER, ignore_errors=True)
        FOLDER.mkdir()
        write(FOLDER)
    write(tmp_path)
    assert files_of(tmp_path) == files_of(FOLDER)


@pytest.mark.parametrize("key", [None, FIRST, SECOND])
def test_what_was_written_then_is_still_accepted(key):
    """An old bundle or proof would be refused by a new version."""
    policy = Policy.read((FOLDER / "policy").read_bytes())
    anchor = {"key": None, "policy": policy} if key is None else {"key": key.verifier.text()}
    report = verify_bundle(FOLDER / "bundle", since=FOLDER / "older", **anchor)
    assert report.verdict is Verdict.OK, report.problems
    older = (FOLDER / "older").read_bytes()
    before, after = verify_growth((FOLDER / "growth").read_text(), older, policy=policy)
    assert before.size < after.size
    receipt, record = (FOLDER / "receipt.tlog-proof").read_text(), (FOLDER / "record.json").read_bytes()
    assert verify_receipt(receipt, record, policy=policy)[0] == 3
