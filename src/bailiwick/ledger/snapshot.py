"""Snapshots: the state of a projection at a position, kept so that nobody folds from the first record again.

A snapshot is a side file of canonical JSON, and a record ``ledger.snapshot`` with its digest. The file is believed only
where the record says so, and the record only where the tree of the whole ledger stands for it: a wrong, stale or
missing file costs time and nothing else. A catalogue beside the files says which records to look at; it is not believed
either.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import NamedTuple

from bailiwick.canonical import digest
from bailiwick.ledger.projection import STATE_BYTES_MAX, Projection
from bailiwick.ledger.proven import ProvenReader
from bailiwick.model import JsonValue, Record

SNAPSHOT = "ledger.snapshot"
SNAPSHOT_RECORDS = 65_536
"""Records between snapshots, in number, while the state is small."""
SNAPSHOT_BYTES_AIM = 4 << 20
"""For each so many bytes of state, snapshots stand one more ``SNAPSHOT_RECORDS`` apart: together they stay a fraction
of the ledger."""
CATALOGUE_ENTRIES_MAX = 262_144
"""Entries of a catalogue that are read, in number."""

_ENTRY = struct.Struct("<QQQ")


@dataclass(frozen=True, slots=True, order=True)
class Entry:
    """Where a snapshot is said to be: the last record that it holds, its own record, and the bytes of its file."""

    position: int
    record: int
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """A state that the ledger vouches for. ``record`` is the index of the record that has its digest."""

    position: int
    record: int
    data: bytes


class Written(NamedTuple):
    """A file that was written, and what its record will say of it."""

    position: int
    size: int
    digest: str


def records_apart(size: int) -> int:
    """Give how far apart snapshots of a state of so many bytes stand, in records."""
    return SNAPSHOT_RECORDS * (1 + size // SNAPSHOT_BYTES_AIM)


class Snapshots:
    """The snapshots of one ledger. Not thread-safe; processes may write the same ones, which are the same bytes."""

    def __init__(self, reader: ProvenReader) -> None:
        self._reader = reader
        self._catalogues: dict[str, list[Entry]] = {}
        self._proven: dict[tuple[str, Entry], str] = {}

    def newest(self, projection: Projection, position: int) -> Snapshot | None:
        """Give the newest snapshot up to a position that the ledger vouches for, or None."""
        for entry in reversed(self.entries(projection)):
            if entry.position <= position and (found := self._open(projection, entry)) is not None:
                return found
        return None

    def entries(self, projection: Projection) -> list[Entry]:
        """List what the catalogue names, in order; nothing of it is proven."""
        name = _catalogue(projection)
        if name not in self._catalogues:
            data = self._reader.read_side(name, 0, CATALOGUE_ENTRIES_MAX * _ENTRY.size)
            whole = len(data) - len(data) % _ENTRY.size
            self._catalogues[name] = sorted({Entry(*fields) for fields in _ENTRY.iter_unpack(data[:whole])})
        return self._catalogues[name]

    def write(self, projection: Projection, position: int, data: bytes) -> Written:
        """Write the file of a state. Nobody believes it before ``vouch``.

        Raises:
            Unavailable: it could not be written.
        """
        self._reader.write_side(_file(projection, position), 0, data)
        return Written(position, len(data), digest(data))

    def vouch(self, projection: Projection, written: Written) -> int:
        """Record the digest of a file that was written, and give that record's index; the one there is, where there is.

        Raises:
            Unavailable: it could not be recorded (``LedgerPoisoned`` among them).
        """
        for entry in self.entries(projection):
            if entry.position == written.position and self.digest_of(projection, entry) == written.digest:
                return entry.record
        detail: dict[str, JsonValue] = {
            "digest": written.digest,
            "position": written.position,
            "projection": projection.name,
            "size": written.size,
            "version": projection.version,
        }
        receipt = self._reader.note(SNAPSHOT, f"projection/{projection.name}", detail)
        self._list(projection, Entry(written.position, receipt.index, written.size))
        return receipt.index

    def meet(self, projection: Projection, record: Record) -> Entry | None:
        """Take in a snapshot's record that a reader came across, so that a lost catalogue grows again.

        Returns:
            Where it is, or None where it is of another projection or version.
        """
        entry = _entry_of(projection, record)
        if entry is not None and entry not in self.entries(projection):
            self._list(projection, entry)
        return entry

    def digest_of(self, projection: Projection, entry: Entry) -> str | None:
        """Give the digest that a proven record vouches for; None where the catalogue names one that does not."""
        key = (_catalogue(projection), entry)
        if key not in self._proven:
            record = self._reader.proven_or_none(entry.record)
            if record is None or _entry_of(projection, record) != entry:
                return None
            self._proven[key] = str(record.detail["digest"])
        return self._proven[key]

    def _open(self, projection: Projection, entry: Entry) -> Snapshot | None:
        if entry.size > STATE_BYTES_MAX:
            return None
        vouched = self.digest_of(projection, entry)
        if vouched is None:
            return None
        data = self._reader.read_side(_file(projection, entry.position), 0, entry.size)
        if digest(data) != vouched:
            return None
        return Snapshot(position=entry.position, record=entry.record, data=data)

    def _list(self, projection: Projection, entry: Entry) -> None:
        """Add to the catalogue; what another process adds at the same moment may be lost, and is met again."""
        name = _catalogue(projection)
        del self._catalogues[name]
        entries = sorted({*self.entries(projection), entry})
        self._catalogues[name] = entries
        self._reader.write_side(name, 0, b"".join(_ENTRY.pack(*_fields(each)) for each in entries))


def _fields(entry: Entry) -> tuple[int, int, int]:
    return entry.position, entry.record, entry.size


def _entry_of(projection: Projection, record: Record) -> Entry | None:
    """Read where a snapshot is from its record, where it is one of this projection and version."""
    detail = record.detail
    if record.event_type != SNAPSHOT or detail.get("projection") != projection.name:
        return None
    position, size = detail.get("position"), detail.get("size")
    if detail.get("version") != projection.version or type(position) is not int or type(size) is not int:
        return None
    return Entry(position, record.index, size) if 0 <= position < record.index and size >= 0 else None


def _catalogue(projection: Projection) -> str:
    return f"snapshot/{projection.name}-{projection.version}"


def _file(projection: Projection, position: int) -> str:
    return f"{_catalogue(projection)}-{position:012d}.json"
