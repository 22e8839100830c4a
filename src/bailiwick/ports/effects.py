"""Seams of effects: delivering one, knowing which wait, and the switch that stops them all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol

from bailiwick.model import Cursor, EffectState, JsonValue, QueuedEffect


class EffectChannel(Protocol):
    """Delivers effects of one kind to the world. A receiver that honours the key acts once, however often asked."""

    def deliver(
        self, tenant: str, key: str, message: Mapping[str, JsonValue], *, fence: int = 0
    ) -> Mapping[str, JsonValue]:
        """Deliver one message under its key and give what came of it, as ``{"delivered": "now"|"before", ...}``.

        ``key`` is opaque: ``hmac-sha256:`` and 64 hexadecimal digits. ``fence`` grows with each executor that starts: a
        receiver that saw a higher one takes nothing from a lower one.

        Raises:
            Unavailable: nobody knows whether anything was delivered; asking again under the same key is safe.
            EffectFenced: the receiver has seen a newer executor; nothing was delivered.
            EffectsFrozen: the panic switch was seen before anything was sent.
            EffectRefused, InputRefused: it will not be taken, however often it is asked.
        """
        ...


class EffectQueue(Protocol):
    """What the ledger's records say of each effect: a fold that is made elsewhere, kept here, and can be rebuilt.

    The ledger stays the truth; losing the queue loses nothing, and ``cursor`` says how far it was folded.
    """

    def cursor(self, tenant: str) -> Cursor:
        """Say how far the ledger has been folded."""
        ...

    def find(self, tenant: str, keys: Iterable[str]) -> dict[str, QueuedEffect]:
        """Give the effects of some keys; of those that are not known, none."""
        ...

    def keep(self, tenant: str, base: Cursor, cursor: Cursor, effects: Mapping[str, QueuedEffect | None]) -> bool:
        """Take in what the records from ``base`` to ``cursor`` made of effects, all or nothing; None forgets one.

        Changes nothing and says False where the queue does not stand at ``base``: somebody else folded meanwhile.
        """
        ...

    def waiting(self, tenant: str, limit: int, at: str | None = None) -> list[QueuedEffect]:
        """Give up to ``limit`` effects that wait to be delivered, oldest first; with ``at``, those due by then."""
        ...

    def expired(self, tenant: str, at: str) -> list[QueuedEffect]:
        """Give the effects that wait for an approval whose time was over before ``at``, oldest first."""
        ...

    def listed(self, tenant: str, state: EffectState | None = None) -> list[QueuedEffect]:
        """Give every effect, or those in one state, oldest first."""
        ...

    def counts(self, tenant: str) -> dict[EffectState, int]:
        """Count the effects of each state that there is."""
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
