"""Killed at any step of a swap, a node has exactly one version active, and its ledger says which and why.

To repeat a failure: ``make sim SEED=7``; the seed picks the change of the disk before which the process dies.
"""

from __future__ import annotations

import os
import random
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from bailiwick.adapters.cursorstore_memory import MemoryCursorStore
from bailiwick.errors import Verdict
from bailiwick.node import Node
from bailiwick.settings import Settings
from bailiwick.supervisor.ledgerstate import LedgerState
from tests.simulation.module_worker import NAME, TENANT
from tests.simulation.test_kill_modules import Life, live

WORKER = Path(__file__).with_name("swap_worker.py")
FIRST_SEED = int(os.environ.get("BAILIWICK_SEED", "1"))
SEEDS = int(os.environ.get("BAILIWICK_SEEDS", "8"))


def active_by_records(node: Node) -> str | None:
    """Say which version the records make active, by an oracle that knows nothing of the fold."""
    active = before = None
    for record in node.ledger(TENANT).records():
        if record.event_type == "module.installed":
            before, active = active, record.detail["manifest"]
        elif record.event_type == "module.rolled-back":
            assert record.detail["old"] == active
            assert record.detail["new"] == before
            active = before
    return active


def check(home: Path, life: Life) -> None:
    """One version is active, the one that the records say; it answers, and what was acknowledged is there."""
    with Node.open(Settings.resolve(home=home, environ={})) as node:
        ledger = node.ledger(TENANT)
        assert ledger.verify().verdict is Verdict.OK
        assert ledger.size() >= max(life.did.values(), default=0), "something was acknowledged and lost"
        registry = node.supervisor.registry(TENANT)
        state = registry.state.now()
        assert state == LedgerState(ledger, MemoryCursorStore(), b"another").now()
        if NAME not in state.modules:
            assert "call" not in life.did
            return
        assert state.modules[NAME].manifest == active_by_records(node)
        assert "swap" not in life.did or state.floors[NAME].version == "1.1.0"
        answer = node.supervisor.call(TENANT, NAME, "greet", b"{}", node.actor(TENANT))
        assert answer.module.manifest == active_by_records(node)
        types = [each.event_type for each in ledger.records()]
        started, ended = types.count("module.swap-started"), types.count("module.swap-abandoned")
        assert started == types.count("module.swapped") + types.count("module.rolled-back") + ended
        assert types.count("module.swapped") <= 1


def killed(home: Path, turn: int) -> None:
    """Die at a turn, look, and live to the end."""
    life = live(home, turn, worker=WORKER)
    if not life.did:
        return
    check(home, life)
    last = live(home, worker=WORKER)
    assert last.has_ended
    check(home, last)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Life:
    """What an undisturbed life does."""
    home = tmp_path_factory.mktemp("whole") / "home"
    life = live(home, worker=WORKER)
    check(home, life)
    return life


def failures(folder: Path, turns: list[int]) -> list[str]:
    """Kill at turns, two homes at a time, and give what failed."""
    with ThreadPoolExecutor(max_workers=2) as pool:
        ran = [(each, pool.submit(killed, folder / f"home-{each}", each)) for each in turns]
        return [f"killed at {each}: {error!r}" for each, done in ran if (error := done.exception()) is not None]


def test_kills_that_seeds_pick_leave_one_version_active(whole: Life, tmp_path: Path):
    """Wrong if a crash in a swap leaves two versions, none, or another than the ledger tells of."""
    turns = whole.turns("swap") + whole.turns("rollback")
    picked = {random.Random(seed).choice(turns): seed for seed in range(FIRST_SEED, FIRST_SEED + SEEDS)}
    assert failures(tmp_path, sorted(picked)) == []


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_kills_at_every_step_leave_one_version_active(whole: Life, tmp_path: Path):
    """Wrong if a rarer step of a swap than the chosen ones does."""
    assert failures(tmp_path, whole.turns("swap") + whole.turns("rollback")) == []
