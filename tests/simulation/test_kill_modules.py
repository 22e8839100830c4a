"""A node killed at any moment has the modules, keys and grants that its ledger tells of, and nothing else.

Each test kills a real process before a change that it asks of its disk: between the record of an act and the state that
is folded from it, and at every step of an installation. The same home then lives on to the end.
"""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from bailiwick.adapters.cursorstore_memory import MemoryCursorStore
from bailiwick.errors import Verdict
from bailiwick.node import Node
from bailiwick.settings import Settings
from bailiwick.supervisor.binaries import kept_binary, kept_manifest
from bailiwick.supervisor.ledgerstate import LedgerState

from .module_worker import AUTHOR, LEAVER, NAME, TENANT

WORKER = Path(__file__).with_name("module_worker.py")
SECONDS_MAX = 60
ONCE = ("module.key-trusted", "module.key-revoked", "module.installed")
"""Acts that a second life must not do again."""
STATE = "modules.json.new"
"""The file that a new folded state is written to before it takes the old one's place."""
SYSTEM_CALLS = {"pwrite64": 120, "fdatasync": 45, "fsync": 30}
"""Calls of a life's main thread that change what is kept, and about how many there are; SQLite's are among them."""
FIRST_SEED = int(os.environ.get("BAILIWICK_SEED", "1"))
SEEDS = int(os.environ.get("BAILIWICK_SEEDS", "30"))


@dataclass
class Life:
    """What one life said: the changes of each act, in order with their turn, and the acts that it acknowledged."""

    changes: list[tuple[int, str, str, str]] = field(default_factory=list)
    did: dict[str, int] = field(default_factory=dict)
    has_ended: bool = False

    def turns(self, act: str = "", kinds: tuple[str, ...] = (), file: str = "") -> list[int]:
        """Give the turns of the changes of an act, of some kinds, or to a file."""
        return [
            turn
            for turn, of_act, kind, name in self.changes
            if act in ("", of_act) and (not kinds or kind in kinds) and file in ("", name)
        ]


def live(home: Path, turn: int = 0, prefix: tuple[str, ...] = (), worker: Path = WORKER) -> Life:
    """Run one life, killed before a change where a turn is given, or by what the prefix says."""
    words = [*prefix, sys.executable, str(worker), str(home), str(turn)]
    ran = subprocess.run(words, capture_output=True, timeout=SECONDS_MAX, check=False)
    assert ran.returncode in (0, -9, 137), ran.stderr.decode()[-2000:]
    life, pending = Life(), []
    for line in ran.stdout.decode().splitlines():
        word, *rest = line.split()
        if word == "change":
            pending.append((len(life.changes) + len(pending) + 1, *rest))
        elif word == "did":
            life.did[rest[0]] = int(rest[1])
            life.changes += [(at, rest[0], kind, name) for at, kind, name in pending]
            pending.clear()
        else:
            life.has_ended = True
    assert life.has_ended == (ran.returncode == 0)
    return life


def check(home: Path, did: dict[str, int], *, has_ended: bool) -> None:
    """The registry is what the ledger tells, what was acknowledged is there, and no module is there by half."""
    with Node.open(Settings.resolve(home=home, environ={})) as node:
        ledger, registry = node.ledger(TENANT), node.supervisor.registry(TENANT)
        assert ledger.verify().verdict is Verdict.OK
        assert ledger.size() >= max(did.values(), default=0), "something was acknowledged and lost"
        state = registry.state.now()
        folded = LedgerState(ledger, MemoryCursorStore(), b"another").now()
        assert state == folded, "the state that was kept is not what the records say"
        author, leaver = AUTHOR.verifier.text(), LEAVER.verifier.text()
        assert "trust" not in did or author in state.trusted
        assert "untrust" not in did or (leaver in state.revoked and leaver not in state.trusted)
        assert "install-1.0.0" not in did or NAME in state.modules
        assert "install-1.1.0" not in did or state.modules[NAME].version == "1.1.0"
        for module in state.modules.values():
            assert kept_manifest(TENANT, node._blobs, module).binary == module.digest
            assert kept_binary(TENANT, node._blobs, module)
        types = Counter(each.event_type for each in ledger.records())
        for event, most in zip(ONCE, (2, 1, 2), strict=True):
            assert types[event] <= most, f"{event} was recorded again"
        if has_ended:
            assert [types[each] for each in ONCE] == [2, 1, 2]
            assert (types["module.refused"], types["module.denied"]) == (0, 0)
            assert (state.granted(NAME), state.modules[NAME].is_started) == ({}, True)
            calls = [each.index for each in ledger.records() if each.event_type == "module.called"]
            assert len(calls) >= 2
            assert [node.supervisor.replay(TENANT, each).differing for each in calls] == [()] * len(calls)


def killed(home: Path, *turns: int) -> None:
    """Die at each turn, one life after the other, and look each time; then live to the end."""
    did: dict[str, int] = {}
    for number, turn in enumerate(turns):
        life = live(home, turn)
        assert number or not life.has_ended, f"turn {turn} never came"
        did |= life.did
        check(home, did, has_ended=life.has_ended)
    last = live(home)
    assert last.has_ended
    check(home, did | last.did, has_ended=True)


def failures(folder: Path, turns: list[tuple[int, ...]]) -> list[str]:
    """Kill at turns, two homes at a time, and give what failed."""
    with ThreadPoolExecutor(max_workers=2) as pool:
        ran = [(each, pool.submit(killed, folder / f"home-{'-'.join(map(str, each))}", *each)) for each in turns]
        return [f"killed at {each}: {error!r}" for each, done in ran if (error := done.exception()) is not None]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Life:
    """What an undisturbed life does."""
    home = tmp_path_factory.mktemp("whole") / "home"
    life = live(home)
    check(home, life.did, has_ended=True)
    return life


def test_kills_between_record_and_state_leave_the_registry_as_recorded(whole: Life, tmp_path: Path):
    """Wrong if a revoked key, an installation or a grant were in the ledger and not in force after a crash."""
    turns = [
        turn
        for act in ("untrust", "install-1.1.0")
        for turn in (whole.turns(act, ("unlink",), STATE)[0], whole.turns(act, ("rename",), STATE)[0])
    ]
    assert failures(tmp_path, [(turn,) for turn in turns]) == []


def test_kills_during_an_installation_leave_all_of_the_module_or_nothing(whole: Life, tmp_path: Path):
    """Wrong if a record named a binary that was not kept yet, or a second try were refused."""
    turns = whole.turns("install-1.0.0", ("write",)) + whole.turns("install-1.0.0", ("sync",), "000000000000.jsonl")
    assert len(turns) >= 4
    assert failures(tmp_path, [(turn,) for turn in turns]) == []


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_kills_at_every_change_and_again_in_the_next_life_leave_the_registry_as_recorded(whole: Life, tmp_path: Path):
    """Wrong if a rarer crash than the chosen ones, or one during what follows a crash, left another registry."""
    turns = whole.turns()
    assert failures(tmp_path, [(turn, 1 + turn * 7 % 20) for turn in turns]) == []


def killed_by_system_call(home: Path, seed: int) -> None:
    """Die at a system call that the seed picks, look, and live to the end."""
    dice = random.Random(seed)
    call, count = dice.choice(sorted(SYSTEM_CALLS.items()))
    inject = f"inject={call}:signal=SIGKILL:when={dice.randint(1, count)}"
    first = live(home, prefix=("strace", "-qq", "-o", os.devnull, "-e", f"trace={call}", "-e", inject))
    if first.did:  # before that the home was not made yet
        check(home, first.did, has_ended=first.has_ended)
    last = live(home)
    assert last.has_ended
    check(home, first.did | last.did, has_ended=True)


def can_trace() -> bool:
    """Say whether ``strace`` is there and allowed to trace a child."""
    if shutil.which("strace") is None:
        return False
    return subprocess.run(["strace", "-qq", "-o", os.devnull, "true"], capture_output=True, check=False).returncode == 0


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.skipif(not can_trace(), reason="strace is not there, or may not trace")
def test_kills_at_system_calls_leave_the_registry_as_recorded(tmp_path: Path):
    """Wrong if the same held only for the changes that we make ourselves, and not for those of the blobs' SQLite."""
    with ThreadPoolExecutor(max_workers=2) as pool:
        seeds = range(FIRST_SEED, FIRST_SEED + SEEDS)
        ran = [(seed, pool.submit(killed_by_system_call, tmp_path / str(seed), seed)) for seed in seeds]
        failed = [f"BAILIWICK_SEED={seed}: {error!r}" for seed, each in ran if (error := each.exception()) is not None]
    assert failed == []
