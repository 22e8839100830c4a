"""Bytes that look random and repeat from a seed: for tests and simulations, never for salts that protect anybody."""

from __future__ import annotations

import threading
from hashlib import sha256


class MemoryEntropy:
    """See ``ports.Entropy``. SHA-256 of the seed and a counter; safe to use from several threads.

    >>> MemoryEntropy(seed=7).take(4) == MemoryEntropy(seed=7).take(4)
    True
    """

    def __init__(self, *, seed: int = 0) -> None:
        self._seed = f"bailiwick entropy {seed}".encode()
        self._count = 0
        self._lock = threading.Lock()

    def take(self, count: int) -> bytes:
        """Give the next ``count`` bytes of the stream; each call starts at a new block."""
        with self._lock:
            first = self._count
            self._count += -(-count // 32)
        blocks = (sha256(self._seed + number.to_bytes(8, "big")).digest() for number in range(first, self._count))
        return b"".join(blocks)[:count]
