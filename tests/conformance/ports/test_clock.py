"""Every clock gives nanoseconds of one plausible moment; the one in memory stands still, moves and goes back."""

from __future__ import annotations

import pytest

from bailiwick.adapters.clock_memory import START_NS, MemoryClock
from bailiwick.adapters.clock_system import SystemClock
from bailiwick.canonical import time_ns, time_text
from bailiwick.ports import Clock

YEAR_2020_NS = 1_577_836_800_000_000_000
YEAR_2200_NS = 7_258_118_400_000_000_000


@pytest.fixture(params=[SystemClock, MemoryClock], ids=["system", "memory"])
def clock(request: pytest.FixtureRequest) -> Clock:
    """Give each clock in turn."""
    return request.param()


def test_a_clock_counts_nanoseconds_since_1970(clock: Clock):
    """Times would be in other units and write as another century."""
    now_ns = clock.now_ns()
    assert type(now_ns) is int
    assert YEAR_2020_NS < now_ns < YEAR_2200_NS
    assert time_ns(time_text(now_ns)) == now_ns


def test_the_clock_in_memory_stands_still():
    """Two runs of one test would see two times."""
    clock = MemoryClock()
    assert clock.now_ns() == clock.now_ns() == START_NS


def test_the_clock_in_memory_can_be_set_moved_and_turned_back():
    """Nobody could test what happens when a clock goes back."""
    clock = MemoryClock(100, step_ns=-10)
    assert [clock.now_ns(), clock.now_ns()] == [100, 90]
    clock.advance(-30)
    assert clock.now_ns() == 50
    clock.set(7)
    assert clock.now_ns() == 7
