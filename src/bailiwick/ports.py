"""The seams: what the rooms ask of the world outside, each a Protocol with two adapters or more.

Adapters live in ``adapters/<port>_<technology>.py``, do not inherit from these, and all pass the suite of their port in
``tests/conformance/ports``. Only ``node.py`` and ``testing`` choose one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from bailiwick.model import Cursor, Draft, JsonValue, QueuedEffect, Receipt


class Clock(Protocol):
    """The time of day. It may stand still or go back; the ledger clamps it."""

    def now_ns(self) -> int:
        """Give nanoseconds since 1970 UTC."""
        ...


class Entropy(Protocol):
    """Randomness fit for salts and identifiers."""

    def take(self, count: int) -> bytes:
        """Give ``count`` random bytes."""
        ...


class Recorder(Protocol):
    """Where a room reports what happened: the ledger is one, a list in memory is another."""

    def record(self, tenant: str, draft: Draft) -> Receipt:
        """Keep one record durably and give its receipt; it is durable when this returns."""
        ...

    def record_many(self, tenant: str, drafts: Sequence[Draft]) -> list[Receipt]:
        """Keep several records with one flush and give their receipts in the same order."""
        ...


class BlobStore(Protocol):
    """Durable keeping of bytes by digest, apart for each tenant."""

    def put_many(self, tenant: str, blobs: Iterable[bytes]) -> list[str]:
        """Keep blobs durably, all or none, and give their digests in order. A blob that is there already costs nothing.

        Raises:
            InputRefused: a blob is larger than the store allows (code ``blob-too-large``).
            Unavailable: the store cannot be written.
        """
        ...

    def get(self, tenant: str, digest: str) -> bytes:
        """Give a blob back; its digest has been checked against its bytes.

        Raises:
            NotFound: no such blob for this tenant.
            Unavailable: the stored bytes do not have that digest any more (code ``blob-corrupt``).
        """
        ...

    def has(self, tenant: str, digest: str) -> bool:
        """Say whether the tenant has such a blob."""
        ...

    def close(self) -> None:
        """Let go of files."""
        ...


class PackSource(Protocol):
    """Where packs come from: files by path, unread and untrusted."""

    def names(self) -> list[str]:
        """List the packs there are, sorted."""
        ...

    def files(self, name: str) -> Mapping[str, bytes]:
        """Give every file of one pack by its path within the pack (``/`` between parts).

        Raises:
            NotFound: no such pack.
            PackRefused: too many files, one too large, or a path that leaves the pack.
        """
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

    def fold(self, tenant: str, cursor: Cursor, asked: Sequence[QueuedEffect], done: Mapping[str, int]) -> None:
        """Take in what the records up to ``cursor`` say, all or nothing; an older cursor changes nothing.

        ``asked`` are the effects that decisions ask for, in order; a key that is known already changes nothing.
        ``done`` maps keys to the index of their result's record.
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


class KeyStore(Protocol):
    """Keeps secrets of a tenant by name, apart from its data."""

    def get(self, tenant: str, name: str) -> bytes:
        """Give a secret.

        Raises:
            NotFound: there is none of that name.
        """
        ...

    def put(self, tenant: str, name: str, secret: bytes) -> None:
        """Keep a new secret durably.

        Raises:
            UsageRefused: there is one already; secrets are never overwritten.
        """
        ...


__all__ = [
    "BlobStore",
    "Clock",
    "EffectChannel",
    "EffectQueue",
    "Entropy",
    "KeyStore",
    "PackSource",
    "PanicSwitch",
    "Recorder",
]
