"""A disk that loses what was not flushed, by sectors and names, and that fails, fills up and wears: from one seed.

    disk = SimulatedDisk(seed=7)
    disk.plan(Mishap.POWER_CUT, after=17)      the 17th change from now on is the last one
    ...                                        PowerCut is raised there, and from every later call
    disk.restart()                             what is left is what a real disk might have left

What is read while the power is on is the page cache: everything written. What a power cut leaves is what was synced,
and of the rest what the dice say: nothing, all, the first part, scattered sectors, zeros, or what the sectors held
before they were this file's. A sector is 512 bytes and is written whole or not at all. Names are lost in the same way
until their folder is synced. A process that is killed leaves what it wrote in the cache; whoever catches ``Killed``
must not use again what it had open.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from random import Random
from typing import TypeVar

from bailiwick.adapters.disk_memory import MemoryDisk
from bailiwick.ports import Hold

SECTOR_BYTES = 512
"""What a disk writes whole or not at all, in bytes."""


class PowerCut(BaseException):
    """The machine is off: whoever was at work is gone. Not an ``Exception``, so that nothing can go on after it."""


class Killed(BaseException):
    """The process is gone, as after ``kill -9``; the machine goes on."""


class Mishap(StrEnum):
    """What can go wrong at a change."""

    POWER_CUT = "power cut"
    KILL = "kill"
    FLUSH_FAILS = "flush fails"
    """The next flush fails once, and what it should have written is dropped though it can still be read (fsyncgate)."""
    WRITE_FAILS = "write fails"
    """A write stops in its middle with EIO."""
    FULL = "full"
    """No room: writes stop in their middle, nothing is made, until ``make_room``."""


class _File:
    """One file: what reads give, what the platters hold, and what is on its way there."""

    __slots__ = ("kept", "mode", "seen", "waiting")

    def __init__(self, mode: int) -> None:
        self.seen = bytearray()
        self.kept = bytearray()
        self.waiting: list[tuple[int, bytes | None]] = []
        self.mode = mode


_Change = Callable[[dict[Path, _File]], None]
_NameChange = tuple[set[Path], _Change]
T = TypeVar("T")
_LENGTH_ALONE = 0.2


class SimulatedDisk:
    """See ``ports.Disk``. One machine, on which several ledgers may be open, as processes have them.

    Deterministic, as long as one thread at a time changes it; the ledger's lock sees to that.
    """

    def __init__(self, seed: int = 0) -> None:
        self._dice = Random(seed)  # noqa: S311 - a simulation repeats from its seed
        self._names: dict[Path, _File] = {}
        self._kept_names: dict[Path, _File] = {}
        self._waiting_names: list[_NameChange] = []
        self._folders = MemoryDisk()
        self._locks = MemoryDisk()
        self._plans: dict[int, Mishap] = {}
        self._flush_fails = False
        self.is_full = False
        self.is_off = False
        self.boots = 0
        self.changes = 0
        """Changes asked for so far: create, write, sync, sync_folder, rename, truncate, unlink."""

    # --- what the test decides --------------------------------------------------------------------------------------

    def plan(self, mishap: Mishap, *, after: int) -> None:
        """Let something go wrong at the n-th change from now, counted from 1."""
        assert after > 0, after
        self._plans[self.changes + after] = mishap

    def forget_plans(self) -> None:
        """Let nothing go wrong that was planned and has not happened."""
        self._plans.clear()
        self._flush_fails = False

    def make_room(self) -> None:
        """End what ``Mishap.FULL`` began."""
        self.is_full = False

    def cut_power(self) -> None:
        """Turn the machine off now."""
        self.is_off = True

    def restart(self) -> None:
        """Turn the machine on again, with what is left."""
        self.forget_plans()
        self._lose_names()
        for file in self._names.values():
            self._lose_writes(file)
        self.is_off = False
        self.boots += 1

    def flip(self, path: Path, bit: int) -> None:
        """Turn one bit of a file over where it lies, as worn sectors do; ``bit`` counts from 0."""
        file = self._file(path)
        for data in (file.seen, file.kept):
            if bit // 8 < len(data):
                data[bit // 8] ^= 1 << bit % 8

    def image(self) -> SimulatedDisk:
        """Give another machine with the same files, everything on it flushed, and nothing planned."""
        other = SimulatedDisk()
        for path, file in self._names.items():
            other.make_folder(path.parent)
            copy = _File(file.mode)
            copy.seen, copy.kept = bytearray(file.seen), bytearray(file.seen)
            other._names[path] = other._kept_names[path] = copy
        return other

    # --- ports.Disk -------------------------------------------------------------------------------------------------

    def make_folder(self, folder: Path) -> None:
        """See ``ports.Disk``; durable at once."""
        self._check_on()
        if any(path in self._names for path in (folder, *folder.parents)):
            raise _error(errno.ENOTDIR, folder)
        self._folders.make_folder(folder)
        self._locks.make_folder(folder)

    def names(self, folder: Path) -> list[str]:
        """See ``ports.Disk``."""
        self._check_on()
        return sorted([*self._folders.names(folder), *(path.name for path in self._names if path.parent == folder)])

    def size(self, path: Path) -> int:
        """See ``ports.Disk``."""
        return len(self._file(path).seen)

    def mode(self, path: Path) -> int:
        """See ``ports.Disk``."""
        return self._file(path).mode

    def read(self, path: Path, offset: int = 0, size: int | None = None) -> bytes:
        """See ``ports.Disk``."""
        seen = self._file(path).seen
        return bytes(seen[offset : len(seen) if size is None else offset + size])

    def create(self, path: Path, mode: int = 0o600) -> None:
        """See ``ports.Disk``; the name is on its way until ``sync_folder``."""
        self._change(None, b"")
        self._check_room(path)
        self._folders.names(path.parent)
        if path in self._names:
            raise _error(errno.EEXIST, path)
        self._name({path.parent}, _link(path, _File(mode)))

    def write(self, path: Path, offset: int, data: bytes) -> None:
        """See ``ports.Disk``; a mishap leaves the first part, and which part the dice say."""
        file = self._file(path)
        self._change(file, data, offset)
        self._put(file, offset, data)

    def sync(self, path: Path) -> None:
        """See ``ports.Disk``."""
        file = self._file(path)
        self._change(None, b"")
        has_no_room = self.is_full and len(file.seen) > len(file.kept)
        if has_no_room or (self._flush_fails and file.waiting):
            # The pages are called clean from here on: the next flush succeeds, and writes none of them.
            number = errno.ENOSPC if has_no_room else errno.EIO
            self._flush_fails = False
            file.waiting.clear()
            raise _error(number, path)
        for offset, data in file.waiting:
            _apply(file.kept, offset, data)
        file.waiting.clear()

    def sync_folder(self, folder: Path) -> None:
        """See ``ports.Disk``."""
        self._change(None, b"")
        self._folders.names(folder)
        later: list[_NameChange] = []
        for folders, change in self._waiting_names:
            if folder in folders:
                change(self._kept_names)
            else:
                later.append((folders, change))
        self._waiting_names = later

    def rename(self, old: Path, new: Path) -> None:
        """See ``ports.Disk``; after a power cut either both names changed or neither."""
        self._file(old)
        self._change(None, b"")
        self._check_room(new)
        self._folders.names(new.parent)
        self._name({old.parent, new.parent}, _move(old, new))

    def truncate(self, path: Path, size: int) -> None:
        """See ``ports.Disk``."""
        file = self._file(path)
        self._change(None, b"")
        _apply(file.seen, size, None)
        file.waiting.append((size, None))

    def unlink(self, path: Path) -> None:
        """See ``ports.Disk``."""
        self._file(path)
        self._change(None, b"")
        self._name({path.parent}, _unlink(path))
        if path.name in self._locks.names(path.parent):
            self._locks.unlink(path)

    @contextmanager
    def lock(self, path: Path, wait_ms: int | None = None) -> Iterator[Hold]:
        """See ``ports.Disk``."""
        self._check_on()
        self._folders.names(path.parent)
        if path not in self._names:
            self._name({path.parent}, _link(path, _File(0o600)))
        with self._locks.lock(path, wait_ms) as hold:
            yield hold

    def release(self, path: Path) -> None:
        """See ``ports.Disk``; no file is kept open here."""

    def close(self) -> None:
        """See ``ports.Disk``; the files live as long as the object."""

    # --- inside -----------------------------------------------------------------------------------------------------

    def _check_on(self) -> None:
        if self.is_off:
            raise PowerCut

    def _check_room(self, path: Path) -> None:
        if self.is_full:
            raise _error(errno.ENOSPC, path)

    def _file(self, path: Path) -> _File:
        self._check_on()
        file = self._names.get(path)
        if file is None:
            raise _error(errno.ENOENT, path)
        return file

    def _change(self, file: _File | None, data: bytes, offset: int = 0) -> None:
        """Count a change, and let happen what was planned for it; a write that it stops is written in part."""
        self._check_on()
        self.changes += 1
        mishap = self._plans.pop(self.changes, None)
        if mishap is Mishap.FLUSH_FAILS:
            self._flush_fails = True
        if mishap is Mishap.FULL:
            self.is_full = True
        has_no_room = self.is_full and file is not None and offset + len(data) > len(file.seen)
        if mishap not in {Mishap.POWER_CUT, Mishap.KILL, Mishap.WRITE_FAILS} and not has_no_room:
            return
        if file is not None:
            self._put(file, offset, data[: self._dice.randint(0, len(data))])
        if mishap is Mishap.POWER_CUT:
            self.is_off = True
            raise PowerCut
        if mishap is Mishap.KILL:
            raise Killed
        raise _error(errno.ENOSPC if has_no_room else errno.EIO, Path("/"))

    def _put(self, file: _File, offset: int, data: bytes) -> None:
        if data:
            _apply(file.seen, offset, data)
            file.waiting.append((offset, data))

    def _name(self, folders: set[Path], change: _Change) -> None:
        change(self._names)
        self._waiting_names.append((folders, change))

    # --- losing -----------------------------------------------------------------------------------------------------

    def _lose_names(self) -> None:
        for _, change in self._survivors(self._waiting_names):
            change(self._kept_names)
        self._waiting_names.clear()
        self._names = dict(self._kept_names)

    def _lose_writes(self, file: _File) -> None:
        if file.waiting and self._dice.random() < _LENGTH_ALONE:
            grown = max(len(file.seen) - len(file.kept), 0)
            file.kept += bytes(grown) if self._dice.random() < 0.5 else self._dice.randbytes(grown)
        else:
            for offset, data in self._survivors([piece for each in file.waiting for piece in _sectors(*each)]):
                _apply(file.kept, offset, data)
        file.waiting.clear()
        file.seen = bytearray(file.kept)

    def _survivors(self, changes: list[T]) -> list[T]:
        """Say which changes happened: none, the first of them, all, or any."""
        match self._dice.randrange(4):
            case 0:
                return []
            case 1:
                return changes[: self._dice.randint(0, len(changes))]
            case 2:
                return changes
            case _:
                share = self._dice.random()
                return [change for change in changes if self._dice.random() < share]


def _apply(data: bytearray, offset: int, piece: bytes | None) -> None:
    """Write into a file's bytes, zeros before what lies past the end; without a piece, set their length."""
    data.extend(bytes(max(offset - len(data), 0)))
    if piece is None:
        del data[offset:]
    else:
        data[offset : offset + len(piece)] = piece


def _sectors(offset: int, data: bytes | None) -> Iterator[tuple[int, bytes | None]]:
    """Divide a write where sectors end."""
    if data is None:
        yield offset, None
        return
    start = 0
    while start < len(data):
        stop = start + SECTOR_BYTES - (offset + start) % SECTOR_BYTES
        yield offset + start, data[start:stop]
        start = stop


def _link(path: Path, file: _File) -> _Change:
    return lambda names: names.update({path: file})


def _move(old: Path, new: Path) -> _Change:
    """Give the change that a rename makes; what went before it may have taken the name away."""

    def move(names: dict[Path, _File]) -> None:
        if old in names:
            names[new] = names.pop(old)

    return move


def _unlink(path: Path) -> _Change:
    """Give the change that removing a file makes."""

    def unlink(names: dict[Path, _File]) -> None:
        names.pop(path, None)

    return unlink


def _error(number: int, path: Path) -> OSError:
    return OSError(number, f"{os.strerror(number)} (simulated)", str(path))
