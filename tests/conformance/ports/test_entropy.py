"""Every source of randomness gives as many bytes as asked, never the same twice; the seeded one repeats by its seed."""

from __future__ import annotations

import threading

import pytest

from bailiwick.adapters.entropy_memory import MemoryEntropy
from bailiwick.adapters.entropy_system import SystemEntropy
from bailiwick.ports import Entropy


@pytest.fixture(params=[SystemEntropy, MemoryEntropy], ids=["system", "memory"])
def entropy(request: pytest.FixtureRequest) -> Entropy:
    """Give each source in turn."""
    return request.param()


@pytest.mark.parametrize("count", [0, 1, 16, 31, 32, 33, 1_000])
def test_as_many_bytes_come_as_were_asked_for(entropy: Entropy, count: int):
    """A salt would be shorter than it claims."""
    assert len(entropy.take(count)) == count


def test_two_takes_are_two_values(entropy: Entropy):
    """Two observations would share a salt, and their digests would tell that they are alike."""
    assert len({entropy.take(16) for _ in range(1_000)}) == 1_000


def test_threads_never_get_the_same_bytes(entropy: Entropy):
    """Two decisions made at once would share a salt."""
    taken: list[bytes] = []
    threads = [threading.Thread(target=lambda: taken.extend(entropy.take(16) for _ in range(200))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(taken)) == 800


def test_the_seeded_source_repeats_from_its_seed_alone():
    """A failing simulation could not be repeated."""
    first, again, other = MemoryEntropy(seed=7), MemoryEntropy(seed=7), MemoryEntropy(seed=8)
    sizes = [16, 5, 64, 1]
    assert [first.take(size) for size in sizes] == [again.take(size) for size in sizes]
    assert first.take(16) != other.take(16)
