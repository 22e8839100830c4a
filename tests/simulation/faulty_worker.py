"""A process that records one after another, to be traced: ``faulty_worker.py FOLDER COUNT``.

A line on stdout for each record that was acknowledged, ``refused CODE`` for each that was not; at the end what the same
process can still read.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from bailiwick.adapters.clock_system import SystemClock
from bailiwick.adapters.disk_system import SystemDisk
from bailiwick.adapters.ledgerstore_files import FileLedgerStore
from bailiwick.errors import BailiwickError
from bailiwick.keys import Signer, new_secret
from bailiwick.ledger import Ledger
from bailiwick.model import Actor, Draft

ORIGIN = "bailiwick/0123456789abcdef"
ACTOR = Actor(id="operator-1", role="operator")


def say(line: str) -> None:
    """Write a line past every buffer."""
    os.write(sys.stdout.fileno(), line.encode() + b"\n")


def main(folder: str, count: str) -> None:
    """Record, and say what came of it."""
    store = FileLedgerStore(Path(folder), SystemDisk())
    signer = Signer(ORIGIN, new_secret(bytes(range(32))))
    with Ledger.open(
        "local",
        store,
        signer,
        clock=SystemClock(),
        node_id="node-1",
        checkpoint_ms=None,
        guard=lambda draft: None,
    ) as ledger:
        for number in range(int(count)):
            draft = Draft(event_type="test.step", resource="test/1", detail={"number": number}, actor=ACTOR)
            try:
                receipt = ledger.record("local", draft)
            except BailiwickError as error:
                say(f"refused {number} {error.code}")
            else:
                say(f"kept {number} {receipt.index} {receipt.leaf}")
        read = [record.detail["number"] for record in ledger.records() if record.event_type == "test.step"]
        say(f"read {' '.join(map(str, read))}")


if __name__ == "__main__":
    main(*sys.argv[1:])
