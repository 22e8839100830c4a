"""What is recorded in every benchmark of the ledger: the record of a sealed decision, about 525 bytes."""

from __future__ import annotations

from pathlib import Path

from bailiwick.adapters.clock_system import SystemClock
from bailiwick.adapters.disk_system import SystemDisk
from bailiwick.adapters.ledgerstore_files import FileLedgerStore
from bailiwick.keys import Signer, new_secret
from bailiwick.ledger import Ledger
from bailiwick.model import Actor, Draft
from bailiwick.ports import Disk

TENANT = "bench"
NODE = Actor(id="node:bench", role="node")
ORIGIN = "bailiwick/bench"


def draft(number: int) -> Draft:
    """Give a draft as the decision loop makes them."""
    digest = f"sha256:{number:064x}"
    detail = {"observation": digest, "evidence": digest, "outcome": "report-within-8-hours", "effects": []}
    return Draft(event_type="decision.sealed", resource=f"observation/{number:032x}", detail=detail, actor=NODE)


def new_ledger(folder: Path, disk: Disk | None = None) -> Ledger:
    """Start a ledger in files, with a checkpoint each second as by default."""
    store = FileLedgerStore(folder, disk or SystemDisk())
    return Ledger.create(TENANT, store, signer(), clock=SystemClock(), origin=ORIGIN, node_id=TENANT, actor=NODE)


def open_ledger(folder: Path) -> Ledger:
    """Open what ``new_ledger`` made."""
    return Ledger.open(TENANT, FileLedgerStore(folder, SystemDisk()), signer(), clock=SystemClock(), node_id=TENANT)


def signer() -> Signer:
    """Give a key that is the same each time and protects nothing."""
    return Signer(ORIGIN, new_secret(bytes(32)))
