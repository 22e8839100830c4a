"""An executor killed at any step performs each effect once, at a receiver that honours keys.

The step is picked by the seed: the beginning or end of whatever the executor does, each change of its disk, or the
moment when the receiver has acted and has not answered yet. The same home then lives on to the end.

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
from contextlib import contextmanager
from pathlib import Path

import pytest

from bailiwick.canonical import canonical_bytes
from bailiwick.errors import Verdict
from bailiwick.model import Actor, Draft, EffectState
from bailiwick.node import Node
from bailiwick.settings import Settings
from bailiwick.testing import EffectReceiver, by_secret

TENANT = "local"
WORKER = Path(__file__).with_name("effect_worker.py")
EFFECTS = 9
SECONDS_MAX = 60
SECRET = "a secret for simulations"
FIRST_SEED = int(os.environ.get("BAILIWICK_SEED", "1"))
SEEDS = int(os.environ.get("BAILIWICK_SEEDS", "6"))
RESULT = "effect.result"


def decide(home: Path) -> list[str]:
    """Make a home in which decisions ask for effects, some of them twice; give their keys."""
    Node.init(home, TENANT)
    keys = [f"hmac-sha256:{number:064x}" for number in range(1, EFFECTS + 1)]
    pack = {"name": "us-osha-1904", "version": "1.0.0", "digest": f"sha256:{0:064x}"}
    with Node.open(Settings.resolve(home=home, environ={})) as node:
        for wanted in (keys[:4], keys[2:7], keys[5:]):
            stated = [{"type": "notify", "key": each, "parameters": {"case": each[-4:]}} for each in wanted]
            said = {"effects": stated, "pack": pack, "impact": {"outcome": "report"}, "legal_date": "2024-01-01"}
            subject = f"observation/{keys.index(wanted[0]):032x}"
            (digest,) = node._blobs.put_many(TENANT, [canonical_bytes(said)], [subject])
            detail = {"evidence": digest, "effects": [{"type": "notify", "key": each} for each in wanted]}
            actor = Actor(id="node:test", role="node")
            node.ledger(TENANT).record(
                TENANT, Draft(event_type="decision.sealed", resource=subject, detail=detail, actor=actor)
            )
    return keys


class Life:
    """A home under test, its receiver, and the processes that live on it."""

    receiver: EffectReceiver

    def __init__(self, home: Path) -> None:
        self.home = home
        self.running: subprocess.Popen[bytes] | None = None
        self.kill_at = 0
        self.fences: list[int] = []

    def after(self, _: str) -> None:
        """Kill the executor once the receiver has acted for the n-th time and has not answered."""
        self.fences.append(self.receiver.fence)
        self.kill_at -= 1
        if self.kill_at == 0 and self.running is not None:
            self.running.kill()
            self.running.wait(SECONDS_MAX)

    def live(self, turn: int = 0) -> int | None:
        """Run one life, and give the number of its steps if it came to its end."""
        words = [sys.executable, str(WORKER), str(self.home), str(turn)]
        environ = {**os.environ, "HOOK_SECRET": SECRET}
        with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environ) as process:
            self.running = process
            out, err = process.communicate(timeout=SECONDS_MAX)
        assert process.returncode in (0, -9), err.decode()[-600:]
        ends = [line.split() for line in out.decode().splitlines() if line.startswith("end ")]
        return int(ends[0][1]) if ends else None

    def check(self, keys: list[str]) -> None:
        """Each effect happened once and has one result, the ledger holds, and no fence ever went back."""
        assert set(self.receiver.acts) == set(keys)
        assert self.receiver.refused == []
        assert self.fences == sorted(self.fences)
        with Node.open(Settings.resolve(home=self.home, environ={})) as node:
            ledger = node.ledger(TENANT)
            assert ledger.verify().verdict is Verdict.OK
            results = Counter(str(each.detail["key"]) for each in ledger.records() if each.event_type == RESULT)
            assert results == dict.fromkeys(keys, 1)
            assert {each.state for each in node.effects(TENANT)} == {EffectState.DONE}


@contextmanager
def living(made: Path, folder: Path) -> Iterator[Life]:
    """Give a copy of a home whose effects go to a receiver of its own."""
    home = folder / "home"
    shutil.copytree(made, home)
    life = Life(home)
    with EffectReceiver(is_signed=by_secret(SECRET.encode()), after=life.after) as receiver:
        life.receiver = receiver
        with (home / "node.toml").open("a") as settings:
            settings.write(
                f'\n[effects.notify]\nchannel = "webhook"\nurl = "{receiver.url}"\nplain_http = true\n'
                'allow_networks = ["127.0.0.1/32"]\nsecret_variable = "HOOK_SECRET"\nwait_first_s = 1\nwait_max_s = 1\n'
            )
        yield life


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """A home with effects to perform, and their keys."""
    home = tmp_path_factory.mktemp("made") / "home"
    return home, decide(home)


@pytest.fixture(scope="module")
def steps(made: tuple[Path, list[str]], tmp_path_factory: pytest.TempPathFactory) -> int:
    """How many steps an undisturbed life takes."""
    with living(made[0], tmp_path_factory.mktemp("whole")) as life:
        counted = life.live()
        assert counted is not None
        life.check(made[1])
    return counted


def killed_at_step(turn: int, second: int, made: tuple[Path, list[str]], folder: Path) -> None:
    """Die at one step, then perhaps at another, and live on to the end."""
    with living(made[0], folder) as life:
        assert life.live(turn) is None, "the first life was not killed"
        if second:
            life.live(second)
        assert life.live() is not None, "the last life did not come to its end"
        life.check(made[1])


def killed_by_receiver(turn: int, made: tuple[Path, list[str]], folder: Path) -> None:
    """Die while the receiver has acted and not answered."""
    with living(made[0], folder) as life:
        life.kill_at = turn
        assert life.live() is None, "the first life was not killed"
        assert life.live() is not None, "the last life did not come to its end"
        life.check(made[1])


def killed_by_seed(seed: int, steps: int, made: tuple[Path, list[str]], folder: Path) -> None:
    """Die where the seed says."""
    dice = random.Random(seed)
    if dice.random() < 0.25:
        killed_by_receiver(dice.randint(1, EFFECTS), made, folder)
    else:
        killed_at_step(dice.randint(1, steps), dice.choice([0, dice.randint(1, steps)]), made, folder)


def failures(work: dict[str, tuple]) -> list[str]:
    """Do work two at a time, and give what failed, with the command that repeats it."""
    with ThreadPoolExecutor(max_workers=2) as pool:
        ran = {name: pool.submit(*task) for name, task in work.items()}
        errors = {name: each.exception() for name, each in ran.items()}
    return [f"{name}: {type(error).__name__}: {error}" for name, error in errors.items() if error is not None]


def test_an_executor_killed_at_a_step_that_the_seed_picks_performs_each_effect_once(
    made: tuple[Path, list[str]], steps: int, tmp_path: Path
):
    """Wrong if a crash between delivery and record could lose an effect, or make it happen twice."""
    work = {
        f"make sim SEED={seed}": (killed_by_seed, seed, steps, made, tmp_path / str(seed))
        for seed in range(FIRST_SEED, FIRST_SEED + SEEDS)
    }
    assert failures(work) == []


@pytest.mark.slow
@pytest.mark.timeout(2400)
def test_an_executor_killed_at_every_step_performs_each_effect_once(
    made: tuple[Path, list[str]], steps: int, tmp_path: Path
):
    """Wrong if there were one step at which it does not hold."""
    work = {f"step {turn}": (killed_at_step, turn, 0, made, tmp_path / str(turn)) for turn in range(1, steps + 1)}
    by_receiver = {
        f"act {turn}": (killed_by_receiver, turn, made, tmp_path / f"act-{turn}") for turn in range(1, EFFECTS + 1)
    }
    assert failures(work | by_receiver) == []
