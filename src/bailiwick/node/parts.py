"""What a node is made of: the adapters that it chooses, the ledgers and the engine that it holds open."""

from __future__ import annotations

import getpass
import hmac
import threading
from contextlib import ExitStack
from functools import cached_property
from typing import Self

from bailiwick.adapters.blobstore_sqlite import SqliteBlobStore
from bailiwick.adapters.clock_system import SystemClock
from bailiwick.adapters.disk_system import SystemDisk
from bailiwick.adapters.effectqueue_sqlite import SqliteEffectQueue
from bailiwick.adapters.entropy_system import SystemEntropy
from bailiwick.adapters.keystore_wrapped import system_keys
from bailiwick.adapters.ledgerindex_sqlite import SqliteLedgerIndex
from bailiwick.adapters.ledgerstore_place import LedgerPlaces
from bailiwick.adapters.panicswitch_file import FilePanicSwitch
from bailiwick.engine import Engine
from bailiwick.ledger import Keyring, Ledger, Timeline
from bailiwick.model import Actor, check_tenant
from bailiwick.node.home import PANIC_FILE
from bailiwick.node.keys import ORIGIN_NAME, PSEUDONYM_NAME, SIGNING_NAME
from bailiwick.ports import Clock, Disk, Entropy
from bailiwick.settings import Settings


def silent(_: int) -> None:
    """Take no notice of progress."""


class Parts:
    """The parts of one running node on one home, and its life. Each theme of ``Node`` is a class over them.

    Disk, clock and entropy are the system's; a simulation hands in others.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        disk: Disk | None = None,
        clock: Clock | None = None,
        entropy: Entropy | None = None,
    ) -> None:
        self.settings = settings
        self.node_id = settings.node_id()
        root = settings.home
        self._tenants = root / "tenants"
        self._closing = ExitStack()
        self._disk = disk or SystemDisk()
        self._closing.callback(self._disk.close)
        self._clock = clock or SystemClock()
        self._entropy = entropy or SystemEntropy()
        self._keys = system_keys(root / "keys", self._disk, self._entropy)
        self.places = LedgerPlaces(root, self._disk, settings.ledger, lambda each: self._keys.get(each, ORIGIN_NAME))
        self._panic = FilePanicSwitch(root / PANIC_FILE, self._disk)
        self._blobs = SqliteBlobStore(self._tenants, self._keys, self._entropy)
        self._closing.callback(self._blobs.close)
        self._queue = SqliteEffectQueue(self._tenants)
        self._closing.callback(self._queue.close)
        self._index = SqliteLedgerIndex(self._tenants)
        self._closing.callback(self._index.close)
        self._ledgers: dict[str, Ledger] = {}
        self._timelines: dict[str, Timeline] = {}
        self._lock = threading.RLock()

    @classmethod
    def open(
        cls,
        settings: Settings,
        *,
        disk: Disk | None = None,
        clock: Clock | None = None,
        entropy: Entropy | None = None,
    ) -> Self:
        """Open an initialised home.

        Raises:
            NotFound: there is no home there.
        """
        return cls(settings, disk=disk, clock=clock, entropy=entropy)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Sign a last checkpoint where records came since, and let go of everything."""
        with self._lock:
            for ledger in self._ledgers.values():
                ledger.close()
            self._ledgers.clear()
            self._closing.close()

    def ledger(self, tenant: str) -> Ledger:
        """Give the tenant's ledger, open; for reading alone where it is broken (``Ledger.failure``).

        Raises:
            NotFound: there is no such tenant on this node.
        """
        with self._lock:
            if tenant not in self._ledgers:
                self._ledgers[tenant] = self._open_ledger(check_tenant(tenant))
            return self._ledgers[tenant]

    def _open_ledger(self, tenant: str) -> Ledger:
        store = self.places.open(tenant)
        self._closing.callback(store.close)
        return Ledger.open(tenant, store, self._keyring(tenant), clock=self._clock, node_id=self.node_id)

    def _keyring(self, tenant: str) -> Keyring:
        """Give every key of a tenant's ledger."""
        return Keyring.load(self._keys, tenant, origin_name=ORIGIN_NAME, key_name=SIGNING_NAME)

    @cached_property
    def engine(self) -> Engine:
        """The one engine of this process, started when first needed."""
        return self._closing.enter_context(Engine())

    def actor(self, tenant: str) -> Actor:
        """Give the local operating-system user as an opaque actor of the tenant."""
        name = hmac.new(self._keys.get(tenant, PSEUDONYM_NAME), b"actor\n" + getpass.getuser().encode(), "sha256")
        return Actor(id=f"local:{name.hexdigest()[:16]}", role="operator")
