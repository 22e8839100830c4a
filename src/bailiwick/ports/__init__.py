"""The seams: what the rooms ask of the world outside, each a Protocol with two adapters or more.

Adapters live in ``adapters/<port>_<technology>.py``, do not inherit from these, and all pass the suite of their port in
``tests/conformance/ports``. Only ``node`` and ``testing`` choose one.
"""

from bailiwick.ports.disk import Disk, Hold
from bailiwick.ports.effects import EffectChannel, EffectQueue, PanicSwitch
from bailiwick.ports.keeping import BlobStore, KeyStore
from bailiwick.ports.ledger import LedgerIndex, LedgerStore, Recorder
from bailiwick.ports.modules import CallContext, HostService
from bailiwick.ports.packs import PackSource
from bailiwick.ports.pruning import Prunable
from bailiwick.ports.segments import Segmented, Segments
from bailiwick.ports.sinks import AuditSink, CursorStore
from bailiwick.ports.toolchain import BuildAnswer, BuildOrder, Toolchain
from bailiwick.ports.witness import Witness, WitnessMemory
from bailiwick.ports.world import Clock, Entropy

__all__ = [
    "AuditSink",
    "BlobStore",
    "BuildAnswer",
    "BuildOrder",
    "CallContext",
    "Clock",
    "CursorStore",
    "Disk",
    "EffectChannel",
    "EffectQueue",
    "Entropy",
    "Hold",
    "HostService",
    "KeyStore",
    "LedgerIndex",
    "LedgerStore",
    "PackSource",
    "PanicSwitch",
    "Prunable",
    "Recorder",
    "Segmented",
    "Segments",
    "Toolchain",
    "Witness",
    "WitnessMemory",
]
