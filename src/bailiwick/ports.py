"""The seams: what the rooms ask of the world outside, each a Protocol with two adapters or more.

Adapters live in ``adapters/<port>_<technology>.py``, do not inherit from these, and all pass the suite of their port in
``tests/conformance/ports``. Only ``node.py`` and ``testing`` choose one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol, runtime_checkable

from bailiwick.model import (
    AuditEvent,
    Cursor,
    Draft,
    JsonValue,
    Pruned,
    Quarantined,
    QueuedEffect,
    Receipt,
    WitnessAnswer,
)


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
    """Durable keeping of bytes by digest, apart for each tenant, and so that what is kept for a subject can be erased.

    A subject is the opaque id that also stands in the record (``observation/…``). None means the tenant itself: what is
    kept for it, packs and modules, is never erased with a subject. Two subjects may hold the same bytes, each its own.
    """

    def put_many(self, tenant: str, blobs: Iterable[bytes], subjects: Sequence[str | None] | None = None) -> list[str]:
        """Keep blobs durably, all or none, and give their digests in order. A blob that is there already costs nothing.

        ``subjects`` says for each blob for whom it is kept; None: all of them for the tenant itself.

        Raises:
            InputRefused: a blob is larger than the store allows (code ``blob-too-large``).
            Unavailable: the store cannot be written.
        """
        ...

    def get(self, tenant: str, digest: str, subject: str | None = None) -> bytes:
        """Give a blob back; its digest has been checked against its bytes.

        With a subject: what is kept for it or for the tenant itself; without: whosever it is.

        Raises:
            NotFound: no such blob (code ``blob-not-found``), or it was erased (code ``blob-erased``).
            Unavailable: the stored bytes do not have that digest any more (code ``blob-corrupt``).
        """
        ...

    def has(self, tenant: str, digest: str) -> bool:
        """Say whether the tenant has such a blob, not erased, whosever it is."""
        ...

    def kept_for(self, tenant: str, subject: str) -> list[str]:
        """List the digests of what is kept for a subject, sorted."""
        ...

    def erase(self, tenant: str, subject: str, digests: Sequence[str] = ()) -> int:
        """Destroy what is kept for a subject so that nobody can read it again, durably, and say how many blobs it was.

        ``digests`` name what an earlier version kept without saying for whom: it goes as well.

        Raises:
            Unavailable: it could not be brought to the end; asking again does that.
        """
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

    def exclusive(self, tenant: str, reader: str) -> AbstractContextManager[None]:
        """Be the only one, among all threads and processes, that moves a reader on; not to be nested.

        Raises:
            Unavailable: the lock cannot be had (``cursor-unwritable``).
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


class Hold(Protocol):
    """A lock that is being held."""

    def is_held(self) -> bool:
        """Say whether nobody else took the lock meanwhile; cheap enough for each write.

        That happens where its file was removed, or where a file system over the network gave the lock away.
        """
        ...


class Disk(Protocol):
    """Files, in the few operations that durability is made of, so that each of them can be made to fail in a test.

    Every method raises ``OSError`` as the system does; the adapter above says what it means. Paths name the same file
    for every process. Nothing written is durable before ``sync``, and no name before ``sync_folder`` of its folder.
    """

    def make_folder(self, folder: Path) -> None:
        """Make a folder and those above it, durably; one that is there stays as it is."""
        ...

    def names(self, folder: Path) -> list[str]:
        """List what is in a folder, sorted; ``FileNotFoundError`` where there is none."""
        ...

    def size(self, path: Path) -> int:
        """Give the size of a file in bytes."""
        ...

    def mode(self, path: Path) -> int:
        """Give the permission bits of a file."""
        ...

    def read(self, path: Path, offset: int = 0, size: int | None = None) -> bytes:
        """Read from an offset: up to ``size`` bytes, or to the end; fewer only where the file ends."""
        ...

    def create(self, path: Path, mode: int = 0o600) -> None:
        """Make an empty file; ``FileExistsError`` where there is one."""
        ...

    def write(self, path: Path, offset: int, data: bytes) -> None:
        """Write all the bytes at an offset of a file that exists; after an error any part of them may be there."""
        ...

    def sync(self, path: Path) -> None:
        """Make what was written to a file durable. After an error its handle is closed and never synced again."""
        ...

    def sync_folder(self, folder: Path) -> None:
        """Make the names in a folder durable."""
        ...

    def rename(self, old: Path, new: Path) -> None:
        """Give a file another name, in one step, in place of any file of that name."""
        ...

    def truncate(self, path: Path, size: int) -> None:
        """Cut a file to ``size`` bytes."""
        ...

    def unlink(self, path: Path) -> None:
        """Remove a file."""
        ...

    def lock(self, path: Path, wait_ms: int | None = None) -> AbstractContextManager[Hold]:
        """Hold a lock among all threads and processes while the block runs; a holder that dies lets go of it.

        Entering raises ``TimeoutError`` where nobody lets go of it within ``wait_ms``, in milliseconds; None waits for
        as long as it takes.
        """
        ...

    def release(self, path: Path) -> None:
        """Close what is kept open for a file; it may be used again."""
        ...

    def close(self) -> None:
        """Close everything that is kept open."""
        ...


class LedgerIndex(Protocol):
    """Which records hold which terms: a fold over the ledger that can be rebuilt, and that nobody believes.

    A term is a number that stands for a kind and a value (``ledger.search``); two values may share one. Whoever asks
    reads each record that is named, and checks it; what is not named may be missing.
    """

    def cursor(self, tenant: str) -> Cursor:
        """Say how far the ledger has been folded.

        Raises:
            Unavailable: the index cannot be read (code ``ledger-index-busy``), or was damaged and has been emptied
                (code ``ledger-index-damaged``): fold again. So for every method.
        """
        ...

    def fold(self, tenant: str, cursor: Cursor, terms: Sequence[tuple[int, int]]) -> None:
        """Take in the records up to ``cursor``, all or nothing; an older cursor changes nothing.

        ``terms`` are pairs of a term (64 bits, signed) and the index of a record that holds it, sorted.
        """
        ...

    def find(self, tenant: str, terms: Sequence[int], start: int, stop: int, limit: int) -> list[int]:
        """Give up to ``limit`` records that hold every term, in order, from ``start`` and before ``stop``.

        At least one term; the rarest first, where that is known.
        """
        ...

    def clear(self, tenant: str) -> None:
        """Forget everything, to fold again from the first record."""
        ...

    def close(self) -> None:
        """Let go of files."""
        ...


class LedgerStore(Protocol):
    """Keeps the records of one ledger in order, as bytes that it never reads into, and small side files beside them.

    Indexes count from 0. Who counts, appends or cuts holds ``exclusive`` (but for a first look at a store that nobody
    else uses yet); whoever knows that a record is there may read it at any time. A side file holds only
    what can be rebuilt from the records: it need not be durable, and may come back short or damaged.
    """

    def exclusive(self) -> AbstractContextManager[None]:
        """Hold the store alone, among all threads and processes; not to be nested.

        Raises:
            Unavailable: the lock cannot be had, or the store is retired (code ``ledger-moved``).
        """
        ...

    def exists(self) -> bool:
        """Say whether anything was ever stored here. Needs no lock, and makes nothing."""
        ...

    def count(self) -> int:
        """Count the whole records that are stored now, by whomever. Cheap where nothing moved.

        Raises:
            Unavailable: the store cannot be read.
        """
        ...

    def tail(self) -> bytes:
        """Give the bytes after the last whole record, as ``count`` last saw them; empty where all is well."""
        ...

    def size(self) -> int:
        """Give the size of everything that ``count`` last saw, in bytes."""
        ...

    def size_from(self, start: int) -> int:
        """Give the size of record ``start`` and all that follows it, in bytes."""
        ...

    def read(self, start: int, stop: int) -> list[bytes]:
        """Give records ``start`` to ``stop``, the latter not included; both within ``count``.

        Raises:
            LedgerBroken: the store does not hold what its own framing says (verdict corrupt or truncated).
            Unavailable: the store cannot be read.
        """
        ...

    def append(self, start: int, records: Sequence[bytes]) -> None:
        """Append records, the first at index ``start``, which is ``count``; durable on return, in one flush.

        Raises:
            LedgerPoisoned: a write or flush failed; which records are stored is unknown.
            LedgerRaced: somebody who did not wait for ``exclusive`` stored a record of that index first.
            Unavailable: the store cannot be written now. As after ``LedgerRaced``, nothing was written.
        """
        ...

    def sync(self, start: int = 0) -> None:
        """Make durable what others appended, from record ``start`` on, whether or not a flush of it failed before.

        Raises:
            LedgerPoisoned: the flush failed.
        """
        ...

    def cut(self, start: int) -> Quarantined:
        """Move everything from record ``start`` on out of the way, durably, keeping its bytes aside.

        Raises:
            LedgerPoisoned: that failed; nothing is lost, and it can be tried again after reopening.
        """
        ...

    def kept_aside(self, start: int) -> list[Quarantined]:
        """Give what ``cut`` moved aside from record ``start`` on, by name: a crash may keep a cut from a record."""
        ...

    def read_side(self, name: str, offset: int, size: int) -> bytes:
        """Read from a side file; fewer bytes, or none, where it is short or missing."""
        ...

    def write_side(self, name: str, offset: int, data: bytes) -> None:
        """Write to a side file, made when first written.

        Raises:
            Unavailable: that failed; no record is touched by it.
        """
        ...

    def retire(self, note: str) -> None:
        """Give nobody the store alone any more, durably: the ledger is elsewhere. An empty note takes that back.

        Raises:
            Unavailable: that failed; nothing has changed.
        """
        ...

    def retired(self) -> str:
        """Give the note of a store that is retired; empty where it is in use."""
        ...

    def close(self) -> None:
        """Let go of files."""
        ...


class Witness(Protocol):
    """Somebody else who keeps a ledger's newest checkpoint, and cosigns only what grew from it (C2SP tlog-witness)."""

    def add_checkpoint(self, request: bytes) -> WitnessAnswer:
        """Ask for a cosignature: the old size, the proof from it, and the checkpoint.

        Raises:
            Unavailable: no answer came in time, or none that can be read. It may have been taken in all the same.
        """
        ...

    def checkpoint(self, origin: str) -> bytes:
        """Give the newest checkpoint that it cosigned for a ledger, with its line; empty where there is none.

        Raises:
            Unavailable: as ``add_checkpoint``.
        """
        ...


class WitnessMemory(Protocol):
    """What a witness must not forget: the newest checkpoint that it cosigned for each ledger."""

    def exclusive(self, origin: str) -> AbstractContextManager[None]:
        """Hold the memory of one ledger alone, among all threads and processes; not to be nested.

        Raises:
            Unavailable: the lock cannot be had.
        """
        ...

    def read(self, origin: str) -> bytes:
        """Give the checkpoint that is kept for a ledger; empty where there is none.

        Raises:
            Unavailable: it cannot be read; that is never taken for none.
        """
        ...

    def write(self, origin: str, note: bytes) -> None:
        """Keep a checkpoint in place of the one before; durable on return. Hold ``exclusive``.

        Raises:
            Unavailable: that failed; the one before, or this one, is kept whole.
        """
        ...


@runtime_checkable
class Segmented(Protocol):
    """A ``LedgerStore`` that keeps its records in files of many records, of which all but the newest never change."""

    def segments(self) -> Segments:
        """Give a way to read those files that can be sent to another process."""
        ...


@runtime_checkable
class Prunable(Protocol):
    """A ``LedgerStore`` whose oldest records can be deleted. Their leaf digests stay, so that proofs still verify.

    ``read`` of a pruned record raises ``NotFound`` (code ``record-pruned``), of one that was carried on gives it.
    """

    def pruned(self) -> Pruned | None:
        """Say where the records begin; None where none was ever deleted. Needs no lock.

        Raises:
            LedgerBroken: what was kept about that cannot be read (verdict corrupt).
        """
        ...

    def leaves(self, start: int, stop: int) -> list[bytes]:
        """Give the leaf digests ``start`` to ``stop`` (not included), 32 bytes each; both at most the minimum.

        Raises:
            LedgerBroken: they are not whole (verdict truncated).
        """
        ...

    def carried(self, start: int, stop: int) -> list[tuple[int, bytes]]:
        """Give index and bytes of the records that were carried on, from ``start`` to ``stop`` (not included)."""
        ...

    def prune(self, pruned: Pruned, leaves: Iterable[bytes], carried: Iterable[tuple[int, bytes]]) -> None:
        """Delete every record below the minimum, at once or not at all, and keep what is given. Hold ``exclusive``.

        Args:
            pruned: Where the records begin from here on; below ``count``, and not below what it was.
            leaves: The leaf digests of all records below that, in order.
            carried: The records below it that stay, by index, in order.

        Raises:
            Unavailable: it failed; the records are all there, or ``pruned`` says that they are gone.
        """
        ...

    def tidy(self) -> None:
        """Delete what an interrupted pruning left. Hold ``exclusive``.

        Raises:
            Unavailable: that failed; it can be tried again.
        """
        ...


class Segments(Protocol):
    """Reads the files of a segmented store. Needs no lock, writes nothing, and can be pickled where its disk can.

    Every method raises ``Unavailable`` where the store cannot be read.
    """

    def spans(self) -> list[tuple[int, int]]:
        """Give first and stop (not included) of each full segment, in order, as their names say."""
        ...

    def scan(self, start: int, stop: int) -> Iterator[list[bytes]]:
        """Give records ``start`` to ``stop`` (not included) in order, some hundreds at a time.

        Raises:
            LedgerBroken: a segment does not hold as many lines as belong there (verdict corrupt or truncated).
        """
        ...

    def digest(self, first: int) -> str:
        """Give ``sha256:`` and the SHA-256 of the full segment that starts at a record: lines and newlines."""
        ...


__all__ = [
    "AuditSink",
    "BlobStore",
    "Clock",
    "CursorStore",
    "Disk",
    "EffectChannel",
    "EffectQueue",
    "Entropy",
    "Hold",
    "KeyStore",
    "LedgerIndex",
    "LedgerStore",
    "PackSource",
    "PanicSwitch",
    "Prunable",
    "Recorder",
    "Segmented",
    "Segments",
    "Witness",
    "WitnessMemory",
]
