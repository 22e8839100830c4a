"""A node killed at any moment loses nothing that it acknowledged and does nothing twice.

Each seed picks where the process dies: at the n-th change that it asks of its disk, or, where ``strace`` can be used,
at the n-th system call that writes, flushes or renames, SQLite's among them. The same home then lives on to the end.

To repeat a failure: ``make sim SEED=7``.
"""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from bailiwick.errors import Verdict
from bailiwick.node import Node
from bailiwick.settings import Settings

TENANT = "local"
WORKER = Path(__file__).with_name("worker.py")
ROWS = 12
SECONDS_MAX = 60
SYSTEM_CALLS = ("write", "pwrite64", "fdatasync", "fsync", "rename", "ftruncate")
FIRST_SEED = int(os.environ.get("BAILIWICK_SEED", "1"))
SEEDS_QUICK = int(os.environ.get("BAILIWICK_SEEDS", "10"))
SEEDS_ALL = int(os.environ.get("BAILIWICK_SEEDS", "50"))


@dataclass
class Home:
    """A home under test, and everything that was acknowledged to its user so far."""

    path: Path
    rows: Path
    decided: dict[int, str] = field(default_factory=dict)
    delivered: dict[str, bytes] = field(default_factory=dict)

    def live(self, prefix: list[str], after: int = 0) -> int | None:
        """Run one life, remember what it acknowledged, and give the number of changes if it came to its end."""
        words = [*prefix, sys.executable, str(WORKER), str(self.path), str(self.rows), str(after)]
        ran = subprocess.run(words, capture_output=True, timeout=SECONDS_MAX, check=False)
        assert ran.returncode in (0, -9, 137), ran.stderr.decode()[-2000:]
        changes = None
        for line in ran.stdout.decode().splitlines():
            word, *rest = line.split()
            if word == "decided":
                self.decided[int(rest[0])] = rest[1]
            else:
                changes = int(rest[0])
        self.check_outbox()
        return changes

    def check_outbox(self) -> None:
        """An effect that was delivered stays as it was, and is there once."""
        outbox = self.path / "tenants" / TENANT / "outbox"
        found = {path.name: path.read_bytes() for path in outbox.glob("*.json")} if outbox.is_dir() else {}
        for name, content in self.delivered.items():
            assert found.get(name) == content, f"{name} was delivered and changed afterwards"
        self.delivered = found

    def check(self) -> None:
        """Everything acknowledged is in a ledger that verifies and replays, and each effect has one result."""
        with Node.open(Settings.resolve(home=self.path, environ={})) as node:
            ledger = node.ledger(TENANT)
            assert ledger.verify().verdict is Verdict.OK
            results: Counter[str] = Counter()
            for record in ledger.records():
                if record.event_type == "effect.result":
                    results[str(record.detail["key"])] += 1
            for index, evidence in self.decided.items():
                assert ledger.read(index).detail["evidence"] == evidence, f"decision {index} was acknowledged and lost"
            replayed = node.replay(TENANT)
            assert (replayed.differing, replayed.unavailable) == ((), ())
            assert replayed.replayed >= len(self.decided)
            assert [effect for effect in node.effects(TENANT) if effect.result is None] == []
        assert set(results.values()) == {1}, "an effect has more than one result"
        assert len(results) == len(self.delivered)


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dozen rows of the sample that comes along, among them some that ask for effects."""
    from importlib.resources import files

    sample = (files("bailiwick") / "builtin" / "samples" / "osha-injuries.csv").read_text().splitlines(keepends=True)
    path = tmp_path_factory.mktemp("rows") / "rows.csv"
    path.write_text("".join(sample[: ROWS + 1]))
    return path


@pytest.fixture(scope="module")
def changes(rows: Path, tmp_path_factory: pytest.TempPathFactory) -> int:
    """How many changes an undisturbed life asks of its disk."""
    home = Home(tmp_path_factory.mktemp("whole") / "home", rows)
    counted = home.live([])
    assert counted is not None
    home.check()
    return counted


def killed_by_disk(seed: int, home: Home, changes: int) -> None:
    """Die twice at changes that the seed picks, the second time during recovery or what follows it."""
    dice = random.Random(seed)
    # Checkpoints go by the clock, so that two lives differ by a few changes: the last ones may not come.
    assert home.live([], after=dice.randint(1, changes * 7 // 8)) is None, "the first life was not killed"
    home.live([], after=dice.randint(1, changes))
    assert home.live([]) is not None, "the last life did not come to its end"
    home.check()


def killed_by_system_call(seed: int, home: Home, trace: Path) -> bool:
    """Die once at a system call that the seed picks, and say whether there were so many calls of that kind."""
    dice = random.Random(seed)
    call = dice.choice(SYSTEM_CALLS)
    turn = dice.randint(1, {"write": 12, "pwrite64": 90, "rename": 30, "ftruncate": 4}.get(call, 40))
    inject = f"{call}:signal=SIGKILL:when={turn}"
    traced = ["strace", "-f", "-qq", "-o", str(trace), "-e", f"trace={call}", "-e", f"inject={inject}"]
    died = home.live(traced) is None
    assert home.live([]) is not None, "the last life did not come to its end"
    home.check()
    return died


def run_seeds(count: int, one: object) -> Iterator[str]:
    """Run seeds two at a time and give what failed, with the command that repeats it."""
    seeds = range(FIRST_SEED, FIRST_SEED + count)
    with ThreadPoolExecutor(max_workers=2) as pool:
        for seed, ran in [(seed, pool.submit(one, seed)) for seed in seeds]:  # type: ignore[call-overload]
            error = ran.exception()
            if error is not None:
                yield f"make sim SEED={seed}: {type(error).__name__}: {error}"


def kills_by_disk(count: int, rows: Path, changes: int, folder: Path) -> list[str]:
    return list(run_seeds(count, lambda seed: killed_by_disk(seed, Home(folder / str(seed), rows), changes)))


def test_kills_at_changes_of_the_disk_lose_and_repeat_nothing(rows: Path, changes: int, tmp_path: Path):
    """Wrong if a crash between two steps could lose an acknowledged decision or perform an effect again."""
    assert kills_by_disk(SEEDS_QUICK, rows, changes, tmp_path) == []


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_fifty_kills_at_changes_of_the_disk_lose_and_repeat_nothing(rows: Path, changes: int, tmp_path: Path):
    """Wrong if a rarer crash than the quick ones could lose or repeat something."""
    assert kills_by_disk(SEEDS_ALL, rows, changes, tmp_path) == []


def can_trace() -> bool:
    """Say whether ``strace`` is there and allowed to trace a child."""
    if shutil.which("strace") is None:
        return False
    return subprocess.run(["strace", "-qq", "-o", os.devnull, "true"], capture_output=True, check=False).returncode == 0


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.skipif(not can_trace(), reason="strace is not there, or may not trace")
def test_fifty_kills_at_system_calls_lose_and_repeat_nothing(rows: Path, tmp_path: Path):
    """Wrong if the same held only for the calls that we make ourselves, and not for those of SQLite."""
    failed = run_seeds(
        SEEDS_ALL,
        lambda seed: killed_by_system_call(seed, Home(tmp_path / str(seed), rows), tmp_path / f"{seed}.trace"),
    )
    assert list(failed) == []
