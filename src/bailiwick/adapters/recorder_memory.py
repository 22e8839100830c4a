"""A recorder that keeps a list: for tests of rooms that report what they did."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from hashlib import sha256

from bailiwick.canonical import canonical_bytes
from bailiwick.model import Draft, Receipt, check_tenant


class MemoryRecorder:
    """See ``ports.Recorder``. It refuses what a ledger refuses: tenants and details outside the profile."""

    def __init__(self) -> None:
        self._drafts: dict[str, list[Draft]] = {}
        self._lock = threading.Lock()

    def record(self, tenant: str, draft: Draft) -> Receipt:
        """Keep one record and give its receipt."""
        return self.record_many(tenant, [draft])[0]

    def record_many(self, tenant: str, drafts: Sequence[Draft]) -> list[Receipt]:
        """Keep several records, all or none, and give their receipts in the same order."""
        leaves = [_leaf(draft) for draft in drafts]
        with self._lock:
            kept = self._drafts.setdefault(check_tenant(tenant), [])
            first = len(kept)
            kept.extend(drafts)
        return [Receipt(index=first + position, leaf=leaf) for position, leaf in enumerate(leaves)]

    def drafts(self, tenant: str) -> list[Draft]:
        """Give what was recorded for a tenant, in order."""
        with self._lock:
            return list(self._drafts.get(check_tenant(tenant), []))


def _leaf(draft: Draft) -> str:
    """Give a leaf digest as RFC 6962 section 2.1 builds one, over what the draft says."""
    said = canonical_bytes(
        {
            "actor_id": draft.actor.id,
            "actor_role": draft.actor.role,
            "detail": dict(draft.detail),
            "event_type": draft.event_type,
            "resource": draft.resource,
        }
    )
    return sha256(b"\x00" + said).hexdigest()
