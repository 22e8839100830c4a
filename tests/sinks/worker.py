"""A process of its own that sends a ledger to a file sink: ``worker.py FOLDER AFTER``. It may be killed."""

import sys
import time
from pathlib import Path

from bailiwick.adapters.auditsink_file import FileAuditSink
from bailiwick.adapters.cursorstore_files import FileCursorStore
from bailiwick.adapters.disk_system import SystemDisk
from bailiwick.adapters.ledgerstore_files import FileLedgerStore
from bailiwick.keys import Signer, new_secret
from bailiwick.ledger import Ledger
from bailiwick.sinks import Pump
from bailiwick.testing import FaultyDisk, MemoryEntropy, kill

ORIGIN = "bailiwick/0123456789abcdef"


class WallClock:
    """The time of day."""

    def now_ns(self):
        """Give nanoseconds since 1970."""
        return time.time_ns()


def main(folder, after):
    """Send everything, a few records at a time; the process ends at the change of number ``after``, 0 for never."""
    folder = Path(folder)
    disk = SystemDisk() if after == "0" else FaultyDisk(SystemDisk(), after=int(after), fault=kill)
    sink = FileAuditSink(folder / "archive", disk, file_bytes_max=8_000, files_max=50)
    sink.records_max = 3
    store = FileLedgerStore(folder / "ledger", SystemDisk())
    signer = Signer(ORIGIN, new_secret(bytes(32)))
    ledger = Ledger.open("local", store, signer, clock=WallClock(), node_id="n", checkpoint_ms=None)
    pump = Pump(
        "archive",
        ledger,
        sink=sink,
        cursors=FileCursorStore(folder / "tenants", disk),
        clock=WallClock(),
        entropy=MemoryEntropy(),
    )
    while not pump.step(is_forced=True).wait_ns:
        pass
    print("done", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
