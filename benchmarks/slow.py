"""A disk with a slower flush, simulated: each flush takes a millisecond more than this machine's, as on a cloud volume.

What a network volume adds to a flush is waiting, in which the processor is free; a sleep is that and nothing else. The
plain file beside it waits alike, so that both pay for the same disk.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from bailiwick.adapters.disk_system import SystemDisk
from benchmarks.peers import PlainFile

FLUSH_MS = 1
"""What a flush takes longer, in milliseconds."""


class SlowDisk(SystemDisk):
    """The system's disk, with flushes that take ``FLUSH_MS`` longer."""

    def sync(self, path: Path) -> None:
        """Flush, and wait."""
        super().sync(path)
        time.sleep(FLUSH_MS / 1_000)


class SlowPlainFile(PlainFile):
    """One ``write``, one ``fdatasync`` and the same wait a group."""

    name = "write + such a flush"

    def append(self, records: Sequence[bytes]) -> None:
        """Write, flush and wait."""
        super().append(records)
        time.sleep(FLUSH_MS / 1_000)
