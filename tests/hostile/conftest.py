"""An engine, two tenants on it, and what has to hold after every hostile test and file of tests."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from pathlib import Path

import pytest

from bailiwick.engine import Engine
from tests.hostile.stand import Held, Stand

RESIDENT_GROWTH_MAX = 400 << 20
"""How much more resident memory one file of tests may leave behind, in bytes: what allocators keep, once."""


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    """Give one engine for every attack, as a process has."""
    with Engine() as opened:
        yield opened


@pytest.fixture
def stand(engine: Engine) -> Iterator[Stand]:
    """Give two tenants; when the test is over the neighbour is right, and both ledgers verify."""
    made = Stand(engine)
    yield made
    made.neighbour_is_right()
    made.verify()
    made.close()


@pytest.fixture(autouse=True, scope="module")
def nothing_is_left_behind(engine: Engine) -> Iterator[None]:
    """Check that the tests of one file leave no open file, no thread and no memory behind."""
    if not Path("/proc/self/fd").is_dir():
        pytest.skip("there is no /proc to look into")
    gc.collect()
    before = Held.now()
    yield
    gc.collect()
    after = Held.now()
    assert after.files <= before.files
    assert after.threads <= before.threads
    assert after.resident_bytes - before.resident_bytes < RESIDENT_GROWTH_MAX
