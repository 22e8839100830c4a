"""What a real process does when a system call of its ledger fails, as ``strace`` makes it fail."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from bailiwick.adapters.clock_system import SystemClock
from bailiwick.adapters.disk_system import SystemDisk
from bailiwick.adapters.ledgerstore_files import FileLedgerStore
from bailiwick.errors import Verdict
from bailiwick.keys import Signer, new_secret
from bailiwick.ledger import Ledger
from bailiwick.model import Actor

WORKER = Path(__file__).with_name("faulty_worker.py")
ORIGIN = "bailiwick/0123456789abcdef"
SIGNER = Signer(ORIGIN, new_secret(bytes(range(32))))
RECORDS = 6


def can_trace() -> bool:
    """Say whether ``strace`` is there and allowed to trace a child."""
    if shutil.which("strace") is None:
        return False
    return subprocess.run(["strace", "-qq", "-o", os.devnull, "true"], capture_output=True, check=False).returncode == 0


pytestmark = pytest.mark.skipif(not can_trace(), reason="strace is not there, or may not trace")


def place(folder):
    """Give what to make and open the ledger with."""
    return {
        "store": FileLedgerStore(folder, SystemDisk()),
        "signer": SIGNER,
        "clock": SystemClock(),
        "node_id": "node-1",
        "checkpoint_ms": None,
        "guard": lambda draft: None,
    }


@pytest.fixture
def folder(tmp_path):
    """A ledger with its first record."""
    folder = tmp_path / "ledger"
    Ledger.create("local", origin=ORIGIN, actor=Actor(id="operator-1", role="operator"), **place(folder)).close()
    return folder


def live(folder, inject, trace):
    """Run the worker while a call is made to fail, and give what it said and the calls that it made."""
    calls = "trace=fdatasync,pwrite64,openat,close,ftruncate"
    words = ["strace", "-f", "-qq", "-o", trace, "-e", calls, "-e", f"inject={inject}"]
    ran = subprocess.run(
        [*words, sys.executable, WORKER, folder, str(RECORDS)], capture_output=True, timeout=60, check=False
    )
    assert ran.returncode == 0, ran.stderr.decode()[-2000:]
    return [line.split() for line in ran.stdout.decode().splitlines()], trace.read_text()


def check(folder, said):
    """Open again without faults: everything that was acknowledged is there, and the ledger goes on."""
    kept = [(int(words[2]), words[3]) for words in said if words[0] == "kept"]
    with Ledger.open("local", **place(folder)) as ledger:
        assert ledger.failure is None
        for index, leaf in kept:
            assert ledger.leaf(index) == leaf
        assert ledger.verify().verdict is Verdict.OK
    return len(kept)


@pytest.mark.parametrize("turn", [2, 4])
@pytest.mark.parametrize("error", ["EIO", "ENOSPC", "EDQUOT"])
def test_a_flush_that_fails_once_acknowledges_nothing_and_is_not_tried_again(folder, tmp_path, error, turn):
    """Wrong if the kernel's word after a failed flush were believed: it may have dropped the pages and say success."""
    said, trace = live(folder, f"fdatasync:error={error}:when={turn}", tmp_path / "trace")
    refused = [words for words in said if words[0] == "refused"]
    assert refused
    assert {words[2] for words in refused} == {"ledger-poisoned"}
    assert said[-1][0] == "read"
    lines = trace.splitlines()
    failed = next(number for number, line in enumerate(lines) if "fdatasync(" in line and "INJECTED" in line)
    handle = re.search(r"fdatasync\((\d+)", lines[failed])[1]
    for line in lines[failed + 1 :]:
        assert f"fdatasync({handle})" not in line, "the handle was flushed again"
        if f"close({handle})" in line:
            break
    else:
        raise AssertionError("the handle was not closed")
    assert check(folder, said) == RECORDS - len(refused)


def test_a_write_that_fails_for_want_of_room_is_taken_back(folder, tmp_path):
    """Wrong if a full disk left half a record for the next writer to build on."""
    said, _ = live(folder, "pwrite64:error=ENOSPC:when=4", tmp_path / "trace")
    assert check(folder, said) >= 1
    with Ledger.open("local", **place(folder)) as ledger:
        kinds = [record.event_type for record in ledger.records()]
        assert "ledger.recovered" not in kinds


def test_an_interrupted_call_is_made_again(folder, tmp_path):
    """Wrong if a signal during a write were taken for a failed disk."""
    said, _ = live(folder, "pwrite64:error=EINTR:when=3..5", tmp_path / "trace")
    assert [words[0] for words in said] == ["kept"] * RECORDS + ["read"]
    assert check(folder, said) == RECORDS
