"""A panic switch in memory: for tests, and for processes that perform no effects of their own."""

from __future__ import annotations

import threading
from collections.abc import Mapping

from bailiwick.model import JsonValue


class MemoryPanicSwitch:
    """See ``ports.PanicSwitch``. Nobody has set it yet: that is doubt, and doubt means frozen."""

    def __init__(self) -> None:
        self._state: dict[str, JsonValue] | None = None
        self._lock = threading.Lock()

    def is_frozen(self) -> bool:
        """Say whether effects must not start."""
        return self.state()["frozen"] is not False

    def state(self) -> Mapping[str, JsonValue]:
        """Give ``{"frozen", "readable", "reason", "since", "by"}`` for people."""
        with self._lock:
            if self._state is None:
                return {"frozen": True, "readable": False, "reason": "nobody has set it", "since": None, "by": None}
            return dict(self._state)

    def set(self, *, frozen: bool, reason: str, by: str, at: str) -> None:
        """Throw or release the switch."""
        with self._lock:
            self._state = {"frozen": frozen, "readable": True, "reason": reason, "since": at, "by": by}
