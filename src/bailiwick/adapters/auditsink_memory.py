"""A sink that keeps events in memory and honours their keys: for tests and simulations."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from bailiwick.model import AuditEvent


class MemoryAuditSink:
    """See ``ports.AuditSink``. ``fault`` is called with each delivery first, and may raise what a receiver would."""

    def __init__(
        self,
        *,
        records_max: int = 1_000,
        bytes_max: int = 1 << 20,
        fault: Callable[[Sequence[AuditEvent]], None] = lambda _: None,
    ) -> None:
        self.records_max = records_max
        self.bytes_max = bytes_max
        self.deliveries: list[list[str]] = []
        """The keys of each delivery that was confirmed, in order."""
        self._bodies: dict[str, bytes] = {}
        self._fault = fault

    def deliver(self, events: Sequence[AuditEvent]) -> str:
        """Keep events; one whose key is there already changes nothing."""
        self._fault(events)
        self.deliveries.append([event.key for event in events])
        for event in events:
            self._bodies.setdefault(event.key, event.body)
        return ""

    def bodies(self) -> list[bytes]:
        """Give the body of each event that was delivered, once each, in the order in which they first came."""
        return list(self._bodies.values())

    def close(self) -> None:
        """Do nothing: what was delivered lives as long as the object."""
