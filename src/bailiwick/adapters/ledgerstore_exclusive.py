"""The turn of one writer on a ledger in files: the lock that is held for it, and what it saves looking for."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from bailiwick.adapters.ledgerstore_checks import moved
from bailiwick.adapters.ledgerstore_segment import LOCK_WAIT_MS, locked, unreadable
from bailiwick.ports import Disk

if TYPE_CHECKING:
    from bailiwick.adapters.ledgerstore_files import FileLedgerStore


class Exclusive:
    """The lock of a store, held while a block runs; its folder is made where it is missing."""

    __slots__ = ("_disk", "_holding", "_path", "_store")

    def __init__(self, store: FileLedgerStore, disk: Disk, path: Path) -> None:
        self._store = store
        self._disk = disk
        self._path = path

    def __enter__(self) -> None:
        try:
            try:
                self._take()
            except FileNotFoundError:
                self._disk.make_folder(self._path.parent)
                self._take()
        except TimeoutError as error:
            raise locked(self._path) from error
        except OSError as error:
            raise unreadable("locked", self._path, error) from error
        try:
            if not self._store._is_undisturbed and (note := self._store.retired()):
                raise moved(note)
        except BaseException:
            self._store._turn = -1
            self.__exit__()
            raise

    def __exit__(self, *_: object) -> None:
        self._store._hold = None
        self._holding.__exit__(None, None, None)

    def _take(self) -> None:
        holding = self._disk.lock(self._path, LOCK_WAIT_MS)
        hold = self._store._hold = holding.__enter__()
        # Whoever retires a store, prunes it or starts a segment holds the lock; if nobody had it since, nobody did.
        turn = getattr(hold, "turn", None)
        self._store._is_undisturbed = turn is not None and turn == self._store._turn + 1
        self._store._turn = -1 if turn is None else turn
        self._holding = holding
        if not self._store._is_undisturbed:
            # Whoever had it may have pruned: a handle that is kept would go on giving a file that was deleted.
            self._disk.release(self._store._active.path)
