"""Seams to receivers of the ledger outside, and to how far each of them has come."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from bailiwick.model import AuditEvent


class AuditSink(Protocol):
    """Hands records to one receiver outside, in order, at least once. Used by one thread at a time."""

    @property
    def records_max(self) -> int:
        """Most events of one delivery, in number."""
        ...

    @property
    def bytes_max(self) -> int:
        """Most bytes of the bodies of one delivery; a single event may be larger."""
        ...

    def deliver(self, events: Sequence[AuditEvent]) -> str:
        """Hand over events, oldest first; on return the receiver has confirmed all of them, as far as it can.

        An event may come again, under the same ``key`` and with the same bytes. What the receiver had to say besides
        is given back, or empty text. Returns within a bounded time, whatever the receiver does.

        Raises:
            SinkUnavailable: not confirmed, for a reason that may pass; some may have arrived.
            SinkRefused: the receiver refuses at least one of them, and will refuse it again.
        """
        ...

    def close(self) -> None:
        """Let go of connections and files."""
        ...


class CursorStore(Protocol):
    """Keeps how far each reader of a tenant's ledger has come, durably, as a few bytes that it never reads into."""

    def exclusive(self, tenant: str, reader: str, wait_ms: int | None = None) -> AbstractContextManager[None]:
        """Be the only one, among all threads and processes, that moves a reader on; not to be nested.

        ``wait_ms`` bounds how long to wait for whoever holds it; None waits for as long as it takes.

        Raises:
            Unavailable: the lock cannot be had (``cursor-unwritable``), or not in time (``cursor-busy``).
        """
        ...

    def get(self, tenant: str, reader: str) -> bytes | None:
        """Give what was kept last, or None where nothing was.

        Raises:
            Unavailable: it cannot be read (``cursor-unreadable``).
        """
        ...

    def put(self, tenant: str, reader: str, state: bytes) -> None:
        """Keep a state in place of the one before; durable on return, and whole or not at all.

        Raises:
            Unavailable: it cannot be kept (``cursor-unwritable``); the one before is there still.
        """
        ...
