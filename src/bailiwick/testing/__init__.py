"""A world that can be set and broken at will: for our own tests, and for people who write packs and modules.

Clock, entropy, disk and stores in memory behave like the real ones; ``FaultyDisk`` fails or kills at a chosen moment,
``SimulatedDisk`` loses what was not flushed when its power is cut.
"""

from bailiwick.adapters.blobstore_memory import MemoryBlobStore
from bailiwick.adapters.clock_memory import MemoryClock
from bailiwick.adapters.disk_memory import MemoryDisk
from bailiwick.adapters.entropy_memory import MemoryEntropy
from bailiwick.adapters.ledgerstore_memory import MemoryLedgerStore
from bailiwick.adapters.recorder_memory import MemoryRecorder
from bailiwick.testing.disk import Killed, Mishap, PowerCut, SimulatedDisk
from bailiwick.testing.faults import FaultyDisk, fail, kill
from bailiwick.testing.receiver import EffectReceiver, by_key, by_secret

__all__ = [
    "EffectReceiver",
    "FaultyDisk",
    "Killed",
    "MemoryBlobStore",
    "MemoryClock",
    "MemoryDisk",
    "MemoryEntropy",
    "MemoryLedgerStore",
    "MemoryRecorder",
    "Mishap",
    "PowerCut",
    "SimulatedDisk",
    "by_key",
    "by_secret",
    "fail",
    "kill",
]
