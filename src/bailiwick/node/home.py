"""Making a home: its layout, the keys of a tenant, and the first record of its ledger."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bailiwick.adapters.clock_system import SystemClock
from bailiwick.adapters.disk_replace import replace_file
from bailiwick.adapters.disk_system import SystemDisk
from bailiwick.adapters.entropy_system import SystemEntropy
from bailiwick.adapters.keystore_wrapped import first_lock, system_keys
from bailiwick.adapters.ledgerstore_place import LedgerPlaces
from bailiwick.adapters.panicswitch_file import FilePanicSwitch
from bailiwick.canonical import time_text
from bailiwick.errors import Unavailable
from bailiwick.keys import Signer
from bailiwick.ledger import Ledger
from bailiwick.model import Actor, check_tenant
from bailiwick.node.keys import ID_BYTES, ORIGIN_NAME, SIGNING_NAME, make_secrets
from bailiwick.ports import Disk
from bailiwick.settings import NODE_FILE, LedgerSettings, Settings

PANIC_FILE = "panic.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class InitReport:
    """A home that is ready: where, which node, the key that anchors its ledger, and whether this call made it."""

    home: Path
    node_id: str
    verifier_key: str
    created: bool

    def to_json(self) -> dict[str, Any]:
        """Give the report as JSON."""
        return {
            "home": str(self.home),
            "node_id": self.node_id,
            "verifier_key": self.verifier_key,
            "created": self.created,
        }


def make_home(home: Path, tenant: str, ledger: LedgerSettings, disk: Disk | None = None) -> InitReport:
    """Make a home with one tenant, or finish making one; see ``Node.init``."""
    check_tenant(tenant)
    disk = disk or SystemDisk()
    try:
        disk.make_folder(home)
        with disk.lock(home / "init.lock"):
            created = not (home / NODE_FILE).exists()
            if created:
                _lay_out(home, disk)
            node_id = Settings(home=home, tenant=tenant, origins={}).node_id()
            key = _make_tenant(home, tenant, node_id, disk, ledger)
    except OSError as error:
        raise Unavailable(
            f"the home {home} cannot be made: {error.strerror}",
            hint="choose a folder that you may write: --home DIR",
            code="home-unwritable",
        ) from error
    finally:
        disk.close()
    return InitReport(home=home, node_id=node_id, verifier_key=key, created=created)


def _lay_out(home: Path, disk: Disk) -> None:
    """Lay out a home; ``node.toml`` comes last and says that the rest is there."""
    _release(home / PANIC_FILE, disk)
    node_id = SystemEntropy().take(ID_BYTES).hex()
    text = f'# The node\'s opaque name. To change the terminal\'s tenant: tenant = "..."\nnode_id = "{node_id}"\n'
    replace_file(disk, home / NODE_FILE, text.encode(), 0o644)


def _release(path: Path, disk: Disk) -> None:
    """Make a panic switch that lets effects start."""
    FilePanicSwitch(path, disk).set(frozen=False, reason="", by="init", at=time_text(SystemClock().now_ns()))


def _make_tenant(home: Path, tenant: str, node_id: str, disk: Disk, ledger: LedgerSettings) -> str:
    """Make a tenant's keys and ledger where they are missing, and give its verifier key."""
    entropy = SystemEntropy()
    keys = system_keys(home / "keys", disk, entropy)
    keys.start(first_lock())
    make_secrets(keys, tenant, entropy)
    store = LedgerPlaces(home, disk, ledger, lambda each: keys.get(each, ORIGIN_NAME)).make(tenant)
    signer = Signer(keys.get(tenant, ORIGIN_NAME).decode(), keys.get(tenant, SIGNING_NAME))
    if store.count() == 0:
        # Before the first record: a tenant that is there and has no switch had it taken away, and stays frozen.
        disk.make_folder(home / "tenants" / tenant)
        _release(home / "tenants" / tenant / PANIC_FILE, disk)
        actor = Actor(id=f"node:{node_id}", role="node")
        Ledger.create(
            tenant, store, signer, clock=SystemClock(), origin=signer.verifier.name, node_id=node_id, actor=actor
        ).close()
    store.close()
    return signer.verifier.text()
