"""Swaps among several processes of one home: callers beside, swaps that meet, processes that are killed."""

from __future__ import annotations

import itertools
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest

from bailiwick.errors import Unavailable, Verdict
from tests.hostile import swap_life
from tests.hostile.swap_life import asking_of, open_node
from tests.supervisor.conftest import TENANT

ROOT = Path(__file__).resolve().parents[2]
VERSIONS = [f"1.{minor}.0" for minor in range(1, 4)]


@pytest.fixture
def home(tmp_path):
    """A home with two modules that call each other."""
    place = tmp_path / "home"
    swap_life.make(place)
    return place


@contextmanager
def living(home, *words):
    """Run one process beside this one, until the block ends."""
    command = [sys.executable, "-m", "tests.hostile.swap_life", str(home), *words]
    process = subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def ended(process):
    """End a process's input, and give the rest of what it said."""
    told, wrong = process.communicate(timeout=60)
    assert process.returncode == 0, wrong[-2_000:]
    return told.splitlines()


def call(node, name):
    """Call one module, which calls the other one."""
    return node.supervisor.call(TENANT, name, "do", asking_of(name), node.actor(TENANT))


def in_order(lines, name):
    """Give the versions that answered, each once for each time that it began to."""
    return [version for version, _ in itertools.groupby(line.split()[1] for line in lines if line.startswith(name))]


def test_a_process_that_calls_steadily_is_always_answered_while_another_swaps(home):
    """Wrong if a call is lost between two processes, or an old version answers after a new one."""
    with living(home, "call", "ping") as caller:
        lines = [caller.stdout.readline().strip()]
        with living(home, "swap", "ping", *VERSIONS) as swapping:
            assert len(ended(swapping)) == len(VERSIONS)
        lines += [caller.stdout.readline().strip() for _ in range(3)]
        lines += ended(caller)
    assert not [line for line in lines if line.startswith("error")]
    found = in_order(lines, "ping")
    assert found == sorted(set(found))
    assert (found[0], found[-1]) == ("1.0.0", VERSIONS[-1])
    with open_node(home) as node:
        assert node.ledger(TENANT).verify().verdict is Verdict.OK


def test_two_processes_swap_two_modules_that_call_each_other(home):
    """Wrong if swaps that meet lose calls, wait for each other for ever, or leave a module between two versions."""
    with living(home, "call", "ping", "pong") as caller:
        lines = [caller.stdout.readline().strip() for _ in range(2)]
        with living(home, "swap", "ping", *VERSIONS) as one, living(home, "swap", "pong", *VERSIONS) as other:
            assert [len(ended(each)) for each in (one, other)] == [len(VERSIONS)] * 2
        lines += ended(caller)
    assert not [line for line in lines if line.startswith("error")]
    with open_node(home) as node:
        assert {call(node, name).module.version for name in ("ping", "pong")} == {VERSIONS[-1]}
        types = [each.event_type for each in node.ledger(TENANT).records()]
        assert types.count("module.swap-started") == types.count("module.swapped") == 2 * len(VERSIONS)


def test_places_of_a_process_that_was_killed_are_free(home):
    """Wrong if a process that dies takes its places with it, and lock files that it left behind stop a module."""
    with open_node(home) as node, living(home, "hold", "ping") as holder:
        assert holder.stdout.readline().strip() == "ready"
        with pytest.raises(Unavailable) as caught:
            call(node, "ping")
        assert caught.value.code == "module-busy"
        holder.kill()
        holder.wait()
        assert call(node, "ping").module.version == "1.0.0"
        swapper, actor = node.supervisor.swapper(TENANT), node.actor(TENANT)
        done = swapper.swap(swapper.plan(swap_life.files("ping", "1.1.0"), actor), actor)
        assert done.installed.version == "1.1.0"
