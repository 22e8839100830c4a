"""Seams of effects: delivering one, knowing which wait, and the switch that stops them all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Protocol

from bailiwick.model import Cursor, JsonValue, QueuedEffect


class EffectChannel(Protocol):
    """Delivers effects of one kind to the world. A receiver that honours the key acts once, however often asked."""

    def deliver(self, tenant: str, key: str, message: Mapping[str, JsonValue]) -> Mapping[str, JsonValue]:
        """Deliver one message under its key and give what came of it, as ``{"delivered": "now"|"before", ...}``.

        ``key`` is opaque: ``hmac-sha256:`` and 64 hexadecimal digits.

        Raises:
            Unavailable: nobody knows whether anything was delivered; asking again under the same key is safe.
        """
        ...


class EffectQueue(Protocol):
    """Which effects the ledger asks for and which have a result: a fold over its records that can be rebuilt.

    The ledger stays the truth; losing the queue loses nothing, and ``cursor`` says how far it has folded.
    """

    def cursor(self, tenant: str) -> Cursor:
        """Say how far the ledger has been folded."""
        ...

    def fold(
        self,
        tenant: str,
        cursor: Cursor,
        asked: Sequence[QueuedEffect],
        done: Mapping[str, int],
        ended: Mapping[str, int] = MappingProxyType({}),
    ) -> None:
        """Take in what the records up to ``cursor`` say, all or nothing; an older cursor changes nothing.

        ``asked`` are the effects that decisions ask for, in order; one under a key that is known already changes
        nothing, but the newest of them is remembered while the first waits. ``done`` maps keys to the index of their
        result's record. ``ended``, taken in last, maps keys to a decision that has nothing left to send: an effect that
        waits for that one, or for an older one, is then that of the newest decision that asked again, or forgotten.
        """
        ...

    def waiting(self, tenant: str, limit: int) -> list[QueuedEffect]:
        """Give up to ``limit`` effects without a result, oldest first."""
        ...

    def listed(self, tenant: str) -> list[QueuedEffect]:
        """Give every effect, oldest first."""
        ...

    def clear(self, tenant: str) -> None:
        """Forget everything, to fold again from the first record."""
        ...

    def close(self) -> None:
        """Let go of files."""
        ...


class PanicSwitch(Protocol):
    """Stops effects, never decisions or reads. Missing, unreadable or garbled means frozen."""

    def is_frozen(self) -> bool:
        """Say whether effects must not start. Never raises: doubt means True. Cheap enough for each effect."""
        ...

    def state(self) -> Mapping[str, JsonValue]:
        """Give ``{"frozen", "readable", "reason", "since", "by"}`` for people."""
        ...

    def set(self, *, frozen: bool, reason: str, by: str, at: str) -> None:
        """Throw or release the switch, durably.

        Raises:
            Unavailable: the switch cannot be written; it then reads as frozen or as it was.
        """
        ...
