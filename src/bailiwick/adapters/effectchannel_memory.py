"""An effect channel that keeps messages in memory: for tests and simulations."""

from __future__ import annotations

import threading
from collections.abc import Mapping

from bailiwick.adapters.effectchannel_message import effect_name, message_bytes
from bailiwick.errors import EffectFenced
from bailiwick.model import JsonValue, check_tenant
from bailiwick.schema import Schemas


class MemoryEffectChannel:
    """See ``ports.EffectChannel``. Honours keys: the first message under a key is the one that counts; and fences."""

    def __init__(self) -> None:
        self._messages: dict[tuple[str, str], bytes] = {}
        self._fences: dict[str, int] = {}
        self._schemas = Schemas()
        self._lock = threading.Lock()

    def deliver(
        self, tenant: str, key: str, message: Mapping[str, JsonValue], *, fence: int = 0
    ) -> Mapping[str, JsonValue]:
        """Keep the message under its key; ``differs`` says that another message was there before."""
        effect_name(key)
        data = message_bytes(key, message, self._schemas)
        with self._lock:
            newest = self._fences.setdefault(check_tenant(tenant), fence)
            if fence < newest:
                raise EffectFenced(
                    f"the receiver has heard of executor {newest}, and takes nothing from {fence}",
                    hint="nothing is to be done: the newer one goes on",
                )
            self._fences[tenant] = fence
            first = self._messages.setdefault((check_tenant(tenant), key), data)
        if first is data:
            return {"delivered": "now"}
        return {"delivered": "before"} if first == data else {"delivered": "before", "differs": True}

    def messages(self, tenant: str) -> dict[str, bytes]:
        """Give what was delivered for a tenant, as bytes by key."""
        with self._lock:
            return {key: data for (whose, key), data in self._messages.items() if whose == tenant}
