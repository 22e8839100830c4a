"""The effect queue in memory: for tests, and for nodes that live as long as one process."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from bailiwick.model import Cursor, EffectState, QueuedEffect

_START = Cursor(count=0, leaf="")


@dataclass(slots=True)
class _Tenant:
    cursor: Cursor = _START
    effects: dict[str, QueuedEffect] = field(default_factory=dict)


class MemoryEffectQueue:
    """Keeps the fold in a dictionary for each tenant."""

    def __init__(self) -> None:
        self._tenants: dict[str, _Tenant] = {}
        self._lock = threading.RLock()

    def cursor(self, tenant: str) -> Cursor:
        """Say how far the ledger has been folded."""
        return self._of(tenant).cursor

    def find(self, tenant: str, keys: Iterable[str]) -> dict[str, QueuedEffect]:
        """Give the effects of some keys that are known."""
        known = self._of(tenant).effects
        with self._lock:
            return {key: known[key] for key in keys if key in known}

    def keep(self, tenant: str, base: Cursor, cursor: Cursor, effects: Mapping[str, QueuedEffect | None]) -> bool:
        """Take in what was folded from ``base`` to ``cursor``; False where the queue does not stand at ``base``."""
        with self._lock:
            state = self._of(tenant)
            if state.cursor != base:
                return False
            for key, effect in effects.items():
                if effect is None:
                    state.effects.pop(key, None)
                else:
                    state.effects[key] = effect
            state.cursor = cursor
            return True

    def waiting(self, tenant: str, limit: int, at: str | None = None) -> list[QueuedEffect]:
        """Give up to ``limit`` effects that wait to be delivered, oldest first; with ``at``, those due by then."""
        found = self.listed(tenant, EffectState.WAITING)
        return [each for each in found if at is None or (each.retry_at or "") <= at][:limit]

    def expired(self, tenant: str, at: str) -> list[QueuedEffect]:
        """Give the effects whose approval did not come before ``at``, oldest first."""
        found = self.listed(tenant, EffectState.APPROVAL)
        return [each for each in found if each.expires_at is not None and each.expires_at < at]

    def listed(self, tenant: str, state: EffectState | None = None) -> list[QueuedEffect]:
        """Give every effect, or those in one state, oldest first."""
        with self._lock:
            found = [each for each in self._of(tenant).effects.values() if state in (None, each.state)]
        return sorted(found, key=lambda effect: (effect.record, effect.position))

    def counts(self, tenant: str) -> dict[EffectState, int]:
        """Count the effects of each state that there is."""
        return dict(Counter(each.state for each in self.listed(tenant)))

    def clear(self, tenant: str) -> None:
        """Forget everything of the tenant."""
        with self._lock:
            self._tenants.pop(tenant, None)

    def close(self) -> None:
        """Nothing to let go of."""

    def _of(self, tenant: str) -> _Tenant:
        with self._lock:
            return self._tenants.setdefault(tenant, _Tenant())
