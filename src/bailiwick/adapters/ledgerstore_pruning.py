"""What a ledger in files keeps of the records that were pruned from it: their leaf digests, and those carried on.

    pruned.json  pruned/<minimum>.leaves  pruned/<minimum>.carried

``pruned.json`` says which of the others holds, and is put in place in one step: before it the records are all there,
after it those below its minimum are gone, whether or not their files are.
"""

from __future__ import annotations

import re
from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import msgspec

from bailiwick.adapters.disk_replace import replace_file
from bailiwick.canonical import canonical_bytes
from bailiwick.errors import LedgerBroken, Verdict
from bailiwick.model import JsonValue, Pruned
from bailiwick.ports import Disk

FORMAT = "bailiwick-pruned/1"
STATE_BYTES_MAX = 1 << 20
"""Longest ``pruned.json`` that is read, in bytes; enough for ten thousand prunings."""

T = TypeVar("T")

_STATE = "pruned.json"
_LEAF_BYTES = 32
_CHUNK_BYTES = 1 << 20
_HINT = "restore the ledger's folder from a copy"
_NAME = re.compile(r"([0-9]{12})\.(?:leaves|carried)\Z")


class _State(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    archives: list[tuple[int, str]]
    format: str
    minimum: int
    peaks: list[str]
    prev_hash: str
    timestamp: str


def state_bytes(pruned: Pruned) -> bytes:
    """Give where the records begin as it is kept: canonical JSON and a newline."""
    archives: list[JsonValue] = [[minimum, name] for minimum, name in pruned.archives]
    peaks: list[JsonValue] = [peak.hex() for peak in pruned.peaks]
    state: dict[str, JsonValue] = {
        "archives": archives,
        "format": FORMAT,
        "minimum": pruned.minimum,
        "peaks": peaks,
        "prev_hash": pruned.prev_hash,
        "timestamp": pruned.timestamp,
    }
    return canonical_bytes(state) + b"\n"


def read_state(data: bytes, where: str) -> Pruned:
    """Read back what ``state_bytes`` gave.

    Raises:
        LedgerBroken: it is something else, or longer than ``STATE_BYTES_MAX`` (verdict corrupt); ``where`` names it.
    """
    try:
        if len(data) > STATE_BYTES_MAX:
            raise ValueError(f"it is longer than {STATE_BYTES_MAX} bytes")
        read = msgspec.json.decode(data, type=_State)
        if read.format != FORMAT or read.minimum <= 0:
            raise ValueError(f"it says format {read.format[:40]}, minimum {read.minimum}")
        peaks = tuple(bytes.fromhex(peak) for peak in read.peaks)
    except ValueError as error:
        message = f"{where} cannot be read: {error}"
        raise LedgerBroken(Verdict.CORRUPT, message, hint=_HINT, index=0) from error
    return Pruned(
        minimum=read.minimum,
        prev_hash=read.prev_hash,
        timestamp=read.timestamp,
        peaks=peaks,
        archives=tuple(read.archives),
    )


class PrunedFiles:
    """The files that stand for what was pruned from the ledger in one folder. Every method raises ``OSError``."""

    def __init__(self, folder: Path, disk: Disk) -> None:
        self._folder = folder
        self._disk = disk
        self._index: tuple[int, array[int], array[int]] | None = None

    def state(self) -> Pruned | None:
        """Read where the records begin; None where none was pruned.

        Raises:
            LedgerBroken: it cannot be read (verdict corrupt).
        """
        try:
            data = self._disk.read(self._folder / _STATE, 0, STATE_BYTES_MAX + 1)
        except FileNotFoundError:
            return None
        return read_state(data, _STATE)

    def write(self, pruned: Pruned, leaves: Iterable[bytes], carried: Iterable[tuple[int, bytes]]) -> None:
        """Keep all of it durably; in force on return, and not before."""
        self._disk.make_folder(self._folder / "pruned")
        self._write_new(self._path(pruned.minimum, "leaves"), leaves)
        lines = (b"%d %b\n" % (index, raw) for index, raw in carried)
        self._write_new(self._path(pruned.minimum, "carried"), lines)
        self._disk.sync_folder(self._folder / "pruned")
        replace_file(self._disk, self._folder / _STATE, state_bytes(pruned))
        self._index = None

    def leaves(self, start: int, stop: int) -> list[bytes]:
        """Give leaf digests ``start`` to ``stop``.

        Raises:
            LedgerBroken: they are not whole (verdict truncated).
        """
        return self._in_force(lambda minimum: self._read_leaves(minimum, start, stop))

    def carried(self, start: int, stop: int) -> list[tuple[int, bytes]]:
        """Give index and bytes of the records that were carried on, from ``start`` to ``stop``.

        Raises:
            LedgerBroken: the file is missing (verdict truncated), or not what was written (verdict corrupt).
        """
        return self._in_force(lambda minimum: self._read_carried(minimum, start, stop))

    def _in_force(self, look: Callable[[int], T]) -> T:
        """Look into the files that hold now; once more where another process pruned and removed them meanwhile."""
        minimum = self.minimum()
        while True:
            try:
                return look(minimum)
            except LedgerBroken:
                before, minimum = minimum, self.minimum()
                if minimum == before:
                    raise

    def minimum(self) -> int:
        """Give the first record that is not pruned; 0 where none is."""
        pruned = self.state()
        return pruned.minimum if pruned else 0

    def _read_leaves(self, minimum: int, start: int, stop: int) -> list[bytes]:
        try:
            data = self._disk.read(self._path(minimum, "leaves"), start * _LEAF_BYTES, (stop - start) * _LEAF_BYTES)
        except FileNotFoundError:
            data = b""
        if len(data) != (stop - start) * _LEAF_BYTES:
            message = f"the leaf digests of the pruned records {start} to {stop} are not whole"
            raise LedgerBroken(Verdict.TRUNCATED, message, hint=_HINT, index=start)
        return [data[at : at + _LEAF_BYTES] for at in range(0, len(data), _LEAF_BYTES)]

    def _read_carried(self, minimum: int, start: int, stop: int) -> list[tuple[int, bytes]]:
        indexes, ends = self._read_index(minimum)
        first, last = bisect_left(indexes, start), bisect_left(indexes, stop)
        if first == last:
            return []
        begin = ends[first - 1] if first else 0
        try:
            data = self._disk.read(self._path(minimum, "carried"), begin, ends[last - 1] - begin)
        except FileNotFoundError as error:
            raise _missing(minimum) from error
        lines = [line.partition(b" ")[2] for line in data.split(b"\n")[:-1]]
        if len(lines) != last - first:
            raise _corrupt(minimum)
        return list(zip(indexes[first:last], lines, strict=True))

    def settle(self) -> None:
        """Make what is in force durable: nothing may be deleted on the word of a name that a power cut takes back."""
        replace_file(self._disk, self._folder / _STATE, self._disk.read(self._folder / _STATE))

    def forget(self, minimum: int) -> None:
        """Remove the files of earlier prunings, and of some that did not come to be."""
        with suppress(FileNotFoundError):
            for name in self._disk.names(self._folder / "pruned"):
                match = _NAME.match(name)
                if match and int(match[1]) != minimum:
                    self._disk.unlink(self._folder / "pruned" / name)

    def _path(self, minimum: int, kind: str) -> Path:
        return self._folder / "pruned" / f"{minimum:012d}.{kind}"

    def _write_new(self, path: Path, parts: Iterable[bytes]) -> None:
        with suppress(FileNotFoundError):
            self._disk.unlink(path)
        self._disk.create(path)
        position, waiting = 0, bytearray()
        for part in parts:
            waiting += part
            if len(waiting) >= _CHUNK_BYTES:
                self._disk.write(path, position, bytes(waiting))
                position += len(waiting)
                waiting.clear()
        if waiting:
            self._disk.write(path, position, bytes(waiting))
        self._disk.sync(path)
        self._disk.release(path)

    def _read_index(self, minimum: int) -> tuple[array[int], array[int]]:
        """Find where each line of the carried records ends; remembered until the next pruning."""
        known = self._index
        if known is not None and known[0] == minimum:
            return known[1], known[2]
        indexes, ends, path = array("Q"), array("Q"), self._path(minimum, "carried")
        position, rest = 0, b""
        while True:
            try:
                data = self._disk.read(path, position, _CHUNK_BYTES)
            except FileNotFoundError as error:
                raise _missing(minimum) from error
            if not data:
                break
            end = position - len(rest)
            position += len(data)
            *lines, rest = (rest + data).split(b"\n")
            for line in lines:
                end += len(line) + 1
                number = line.partition(b" ")[0]
                if not number.isdigit() or (indexes and int(number) <= indexes[-1]):
                    raise _corrupt(minimum)
                indexes.append(int(number))
                ends.append(end)
        if rest:
            raise _corrupt(minimum)
        self._index = (minimum, indexes, ends)
        return indexes, ends


def _missing(minimum: int) -> LedgerBroken:
    message = f"{minimum:012d}.carried is missing, and with it the records that were carried on"
    return LedgerBroken(Verdict.TRUNCATED, message, hint=_HINT, index=0)


def _corrupt(minimum: int) -> LedgerBroken:
    message = f"the records that were carried on below {minimum} are not as they were written"
    return LedgerBroken(Verdict.CORRUPT, message, hint=_HINT, index=0)
