"""A pump that is killed at any change of the disk goes on: no line lost, doubled or torn."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

from bailiwick.adapters.disk_system import SystemDisk
from bailiwick.adapters.ledgerstore_files import FileLedgerStore
from bailiwick.keys import Signer, new_secret
from bailiwick.ledger import Ledger
from bailiwick.model import Actor, Draft
from bailiwick.testing import MemoryClock

ORIGIN = "bailiwick/0123456789abcdef"
ACTOR = Actor(id="operator-1", role="operator")
RECORDS = 20
KILLS = (1, 2, 4, 6, 7, 9, 12, 15, 17, 3)


def lines(archive: Path) -> list[int]:
    """Give the index of each line of all files, oldest first; each must be whole."""
    files = sorted(archive.iterdir(), key=lambda path: -int(path.suffix[1:]) if path.suffix[1:].isdigit() else 0)
    data = [path.read_bytes() for path in files]
    assert all(not each or each.endswith(b"\n") for each in data)
    return [json.loads(line)["unmapped"]["index"] for each in data for line in each.splitlines()]


def test_a_pump_that_is_killed_again_and_again_delivers_each_record_once(tmp_path):
    """Wrong if kill -9 between a write, its flush, a rotation and the cursor loses, doubles or tears a line."""
    store = FileLedgerStore(tmp_path / "ledger", SystemDisk())
    with Ledger.create(
        "local",
        store,
        Signer(ORIGIN, new_secret(bytes(32))),
        clock=MemoryClock(),
        origin=ORIGIN,
        node_id="n",
        actor=ACTOR,
        checkpoint_ms=None,
        guard=lambda _: None,
    ) as ledger:
        drafts = [
            Draft(event_type="test.done", resource="r/1", detail={"number": n}, actor=ACTOR) for n in range(RECORDS)
        ]
        ledger.record_many("local", drafts)
        size = ledger.size()
    (tmp_path / "tenants").mkdir()
    worker = [sys.executable, Path(__file__).with_name("worker.py"), tmp_path]
    killed = 0
    for after in [*KILLS, 0]:
        ran = subprocess.run([*worker, str(after)], capture_output=True, check=False, timeout=60)
        killed += ran.returncode == -signal.SIGKILL
        assert ran.returncode in (0, -signal.SIGKILL), ran.stderr.decode()
    assert ran.stdout == b"done\n"
    assert killed >= 7
    assert lines(tmp_path / "archive")[:size] == list(range(size))
    assert len(list((tmp_path / "archive").iterdir())) > 2
