"""A process of its own that appends to a ledger: ``worker.py FOLDER NAME GROUPS``. It prints its receipts."""

import json
import sys
import time
from pathlib import Path

from bailiwick.adapters.disk_system import SystemDisk
from bailiwick.adapters.ledgerstore_files import FileLedgerStore
from bailiwick.keys import Signer, new_secret
from bailiwick.ledger import Ledger
from bailiwick.model import Actor, Draft

ORIGIN = "bailiwick/0123456789abcdef"


class WallClock:
    """The time of day."""

    def now_ns(self):
        """Give nanoseconds since 1970."""
        return time.time_ns()


def anything(draft):
    """Let any draft in."""


def main(folder, name, groups):
    """Append groups of one to three records."""
    store = FileLedgerStore(Path(folder), SystemDisk(), segment_records=50)
    signer = Signer(ORIGIN, new_secret(bytes(range(32))))
    actor = Actor(id=name, role="operator")
    receipts = []
    with Ledger.open(
        "local", store, signer, clock=WallClock(), node_id=name, checkpoint_ms=10, guard=anything
    ) as ledger:
        for group in range(int(groups)):
            details = [{"group": group, "of": name, "part": part} for part in range(group % 3 + 1)]
            drafts = [Draft(event_type="test.done", resource="r/1", detail=each, actor=actor) for each in details]
            receipts += [receipt.to_json() for receipt in ledger.record_many("local", drafts)]
    json.dump(receipts, sys.stdout)


if __name__ == "__main__":
    main(*sys.argv[1:])
