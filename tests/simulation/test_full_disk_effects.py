"""An executor whose disk fails at any change performs each effect once, and records what it can record."""

from __future__ import annotations

import errno
import shutil
from collections import Counter
from pathlib import Path

import pytest

from bailiwick.adapters.disk_system import SystemDisk
from bailiwick.errors import BailiwickError, Verdict
from bailiwick.model import EffectState
from bailiwick.node import Node
from bailiwick.settings import Settings
from bailiwick.testing import EffectReceiver, FaultyDisk, by_secret, fail

from .test_kill_effects import RESULT, SECRET, TENANT, decide

CHANGES_MAX = 60
"""More changes than a life asks of its disk; a fault that never comes ends the search."""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """A home with effects to perform, and their keys."""
    home = tmp_path_factory.mktemp("made") / "home"
    return home, decide(home)


def live(home: Path, disk) -> bool:
    """Run one life, and say whether it came to its end without an error."""
    try:
        with Node.open(Settings.resolve(home=home, environ={}), disk=disk) as node:
            node.run_effects(TENANT)
    except (BailiwickError, OSError):
        return False
    return True


@pytest.mark.parametrize("stays", [False, True], ids=["once", "from then on"])
@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC], ids=["EIO", "ENOSPC"])
def test_a_disk_that_fails_at_any_change_loses_and_repeats_no_effect(
    made: tuple[Path, list[str]], tmp_path: Path, monkeypatch, number: int, stays: bool
):
    """Wrong if a full or broken disk under the ledger could make an effect happen twice, or be forgotten."""
    home, keys = made
    monkeypatch.setenv("HOOK_SECRET", SECRET)
    failed = 0
    for after in range(1, CHANGES_MAX):
        place = tmp_path / str(after)
        shutil.copytree(home, place)
        with EffectReceiver(is_signed=by_secret(SECRET.encode())) as receiver:
            with (place / "node.toml").open("a") as settings:
                settings.write(
                    f'\n[effects.notify]\nchannel = "webhook"\nurl = "{receiver.url}"\nplain_http = true\n'
                    'allow_networks = ["127.0.0.1/32"]\nsecret_variable = "HOOK_SECRET"\n'
                )
            disk = FaultyDisk(SystemDisk(), after=after, fault=fail(number), stays=stays)
            came_to_its_end = live(place, disk)
            failed += not came_to_its_end
            assert live(place, SystemDisk())
            assert set(receiver.acts) == set(keys)
        with Node.open(Settings.resolve(home=place, environ={})) as node:
            ledger = node.ledger(TENANT)
            assert ledger.verify().verdict is Verdict.OK
            results = Counter(str(each.detail["key"]) for each in ledger.records() if each.event_type == RESULT)
            assert results == dict.fromkeys(keys, 1)
            assert {each.state for each in node.effects(TENANT)} == {EffectState.DONE}
        if disk.count < after:
            break
    else:
        pytest.fail(f"more than {CHANGES_MAX} changes were asked for")
    assert failed >= 3, "too few faults hit what the executor records"
