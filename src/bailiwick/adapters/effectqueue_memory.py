"""The effect queue in memory: for tests, and for nodes that live as long as one process."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from bailiwick.model import Cursor, QueuedEffect

_START = Cursor(count=0, leaf="")


@dataclass(slots=True)
class _Tenant:
    cursor: Cursor = _START
    effects: dict[str, QueuedEffect] = field(default_factory=dict)
    again: dict[str, QueuedEffect] = field(default_factory=dict)


class MemoryEffectQueue:
    """Keeps the fold in a dictionary for each tenant."""

    def __init__(self) -> None:
        self._tenants: dict[str, _Tenant] = {}

    def cursor(self, tenant: str) -> Cursor:
        """Say how far the ledger has been folded."""
        return self._of(tenant).cursor

    def fold(
        self,
        tenant: str,
        cursor: Cursor,
        asked: Sequence[QueuedEffect],
        done: Mapping[str, int],
        ended: Mapping[str, int] = MappingProxyType({}),
    ) -> None:
        """Take in what the records up to ``cursor`` say; an older cursor changes nothing."""
        state = self._of(tenant)
        if state.cursor.count >= cursor.count:
            return
        for effect in asked:
            if state.effects.setdefault(effect.key, effect) is not effect:
                state.again[effect.key] = effect
        for key, result in done.items():
            known = state.effects.get(key)
            if known is not None and known.result is None:
                state.effects[key] = replace(known, result=result)
        for key, record in ended.items():
            known = state.effects.get(key)
            if known is not None and known.result is None and known.record <= record:
                del state.effects[key]
                if key in state.again:
                    state.effects[key] = state.again.pop(key)
        state.cursor = cursor

    def waiting(self, tenant: str, limit: int) -> list[QueuedEffect]:
        """Give up to ``limit`` effects without a result, oldest first."""
        return [effect for effect in self.listed(tenant) if effect.result is None][:limit]

    def listed(self, tenant: str) -> list[QueuedEffect]:
        """Give every effect, oldest first."""
        return sorted(self._of(tenant).effects.values(), key=lambda effect: (effect.record, effect.position))

    def clear(self, tenant: str) -> None:
        """Forget everything of the tenant."""
        self._tenants.pop(tenant, None)

    def close(self) -> None:
        """Nothing to let go of."""

    def _of(self, tenant: str) -> _Tenant:
        return self._tenants.setdefault(tenant, _Tenant())
