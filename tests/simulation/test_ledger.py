"""A ledger on a disk that loses what was not flushed, from seeds: see ``bailiwick.testing.simulation``.

To repeat a failure, and to read its steps: ``make sim SEED=7``.
"""

from __future__ import annotations

import os

import pytest

from bailiwick.testing.simulation import FOLDER, LedgerSimulation, PromiseBroken

FIRST_SEED = int(os.environ.get("BAILIWICK_SEED", "1"))
SEEDS_QUICK = int(os.environ.get("BAILIWICK_SEEDS", "100"))
SEEDS_ALL = int(os.environ.get("BAILIWICK_SEEDS", "1000"))
TELLS = "BAILIWICK_SEED" in os.environ


def failures(first: int, count: int) -> list[str]:
    """Live through seeds, and give what failed."""
    failed = []
    for seed in range(first, first + count):
        try:
            LedgerSimulation(seed).run()
        except PromiseBroken as broken:
            failed.append(str(broken))
    return failed


def test_a_hundred_lives_keep_every_promise(capsys):
    """Wrong if a crash, a full disk, a worn bit or a clock could lose, double or falsify what was acknowledged."""
    if TELLS:
        life = LedgerSimulation(FIRST_SEED)
        with capsys.disabled():
            try:
                life.run()
            finally:
                print(f"\nseed {FIRST_SEED}", *life.story, sep="\n")
    assert failures(FIRST_SEED, SEEDS_QUICK) == []


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_a_thousand_lives_keep_every_promise():
    """Wrong if a rarer row of mishaps than the quick ones could."""
    assert failures(FIRST_SEED + SEEDS_QUICK, max(SEEDS_ALL - SEEDS_QUICK, 0)) == []


@pytest.mark.parametrize("seed", [3, 31])
def test_a_seed_tells_the_same_story_twice(seed):
    """Wrong if a failure could not be repeated by its seed."""
    one, other = LedgerSimulation(seed), LedgerSimulation(seed)
    assert one.run() == other.run()
    assert one.disk.changes == other.disk.changes > 100
    path = FOLDER / "seg"
    names = one.disk.names(path)
    assert names == other.disk.names(path)
    assert [one.disk.read(path / name) for name in names] == [other.disk.read(path / name) for name in names]


def test_the_lives_meet_every_mishap():
    """Wrong if the simulation had stopped simulating: a seed that nothing happens to proves nothing."""
    told = "\n".join(line for seed in range(1, 21) for line in LedgerSimulation(seed).run())
    for happened in (
        "the power goes while it opens",
        "one is killed",
        "No space left on device",
        "Input/output error",
        "opens for reading alone",
        "under key-",
        "move the clock by -",
        "open once more",
        "submit [",
        "wear bit",
        "opened worn: None",
        "opened worn: LedgerBroken",
    ):
        assert happened in told, happened
    kinds = [record for seed in range(1, 9) for record in LedgerSimulation(seed).kinds()]
    assert {"ledger.recovered", "clock.regression", "ledger.checkpoint", "test.step"} <= set(kinds)
