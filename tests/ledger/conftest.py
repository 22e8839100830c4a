"""A ledger's place: one disk that several ledgers open, as processes open one home."""

from __future__ import annotations

from pathlib import Path

import pytest

from bailiwick.adapters.ledgerstore_files import FileLedgerStore
from bailiwick.adapters.witness_memory import MemoryWitness
from bailiwick.adapters.witnessmemory_memory import MemoryWitnessMemory
from bailiwick.keys import COSIGNATURE, Signer, new_secret
from bailiwick.ledger import Cosigner, KnownWitness, Ledger, witness_policy
from bailiwick.model import Actor, Draft
from bailiwick.testing import MemoryClock, MemoryDisk

ORIGIN = "bailiwick/0123456789abcdef"
W1 = Signer("witness.example/w1", new_secret(bytes([1] * 32)), COSIGNATURE)


def anything(draft):
    """Let any draft in: these tests are about bytes, and admission has its own."""


class Place:
    """Where a ledger is kept, and everything to open it with; each ``store`` is one process's view."""

    folder = Path("/ledger")
    origin = ORIGIN
    tenant = "local"
    actor = Actor(id="operator-1", role="operator")
    signer = Signer(ORIGIN, new_secret(bytes(range(32))))
    other_signer = Signer(ORIGIN, new_secret(bytes(range(1, 33))))

    def __init__(self, disk=None, **limits):
        self.disk = MemoryDisk() if disk is None else disk
        self.clock = MemoryClock(step_ns=1_000)
        self.limits = limits

    def store(self, disk=None):
        """Give another view of what is stored."""
        return FileLedgerStore(self.folder, self.disk if disk is None else disk, **self.limits)

    def create(self, store=None, *, signer=None):
        """Start the ledger; no checkpoint is signed by itself."""
        return Ledger.create(
            self.tenant,
            store or self.store(),
            signer or self.signer,
            clock=self.clock,
            origin=self.origin,
            node_id="node-1",
            actor=self.actor,
            checkpoint_ms=None,
            guard=anything,
        )

    def open(self, store=None, *, signer=None):
        """Open the ledger again, as another process would."""
        return Ledger.open(
            self.tenant,
            store or self.store(),
            signer or self.signer,
            clock=self.clock,
            node_id="node-1",
            checkpoint_ms=None,
            guard=anything,
        )

    def draft(self, number=0, **detail):
        """Give something to record."""
        return Draft(
            event_type="decision.sealed",
            resource="pack/us-osha-1904",
            detail={"number": number, **detail},
            actor=self.actor,
        )

    def drafts(self, count, start=0):
        """Give several things to record."""
        return [self.draft(number) for number in range(start, start + count)]

    def witness(self, signer=W1, memory=None, logs=None):
        """Give a witness that knows the ledger's key."""
        logs = [self.signer.verifier] if logs is None else logs
        return Cosigner(memory or MemoryWitnessMemory(), signer, logs, clock=MemoryClock(1_700_000_000 * 10**9))

    def known(self, signer=W1):
        """Give what the ledger knows of a witness."""
        return KnownWitness(name=signer.verifier.name.encode(), verifier=signer.verifier)

    def policy(self, *signers, least=None):
        """Give a policy of the ledger's key and these witnesses."""
        return witness_policy([self.signer.verifier], [self.known(each) for each in signers], least=least)

    def ask(self, ledger, *witnesses, signers=(W1,), least=None):
        """Ask witnesses, and give the report."""
        pairs = [(self.known(signer), witness) for signer, witness in zip(signers, witnesses, strict=True)]
        return ledger.heads.ask(pairs, self.policy(*signers, least=least))

    def segment(self, first=0):
        """Give the path of a segment."""
        return self.folder / "seg" / f"{first:012d}.jsonl"

    def bytes_of(self, path):
        """Give what a file holds."""
        return self.disk.read(path)

    def overwrite(self, path, data):
        """Put other bytes in a file."""
        self.disk.truncate(path, 0)
        self.disk.write(path, 0, data)

    def abandon(self, ledger):
        """Leave a ledger as a killed process does: nothing is signed, nothing is closed."""
        ledger._committer.close()


@pytest.fixture
def place():
    """An empty place in memory."""
    return Place()


@pytest.fixture
def make_place():
    """Make places with other disks or limits."""
    return Place


@pytest.fixture
def ledger(place):
    """An open ledger in memory with its first record."""
    with place.create() as ledger:
        yield ledger


@pytest.fixture
def grown(place):
    """A ledger with a witness, cosigned at two sizes."""
    with place.create() as ledger:
        witness = MemoryWitness(place.witness())
        for _ in range(2):
            ledger.record_many(place.tenant, place.drafts(5))
            report = ledger.heads.ask([(place.known(), witness)], place.policy(W1))
            assert report.is_met, report.outcomes
        yield ledger, witness


@pytest.fixture
def witnessed(place, tmp_path):
    """A ledger that names its witness, exported witnessed and then, with more records, not quite."""
    with place.create() as ledger:
        witness = MemoryWitness(place.witness())
        ledger.heads.name_witness(W1.verifier)
        ledger.record_many(place.tenant, place.drafts(8))
        assert place.ask(ledger, witness).is_met
        ledger.export(tmp_path / "whole")
        (tmp_path / "receipt").write_text(ledger.prove(4))
        (tmp_path / "record").write_bytes(ledger.read(4).raw)
        ledger.record_many(place.tenant, place.drafts(8))
        ledger.export(tmp_path / "stale")
    return tmp_path
