"""How far each reader of a ledger has come, as one small file each: ``<tenants>/<tenant>/cursors/<reader>.json``."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from bailiwick.adapters.disk_replace import replace_file
from bailiwick.errors import Unavailable, UsageRefused
from bailiwick.model import check_tenant
from bailiwick.ports import Disk

FOLDER = "cursors"
CURSOR_BYTES_MAX = 65_536
"""Largest state that is kept or read, in bytes."""

_READER = re.compile(r"[a-z][a-z0-9-]{0,80}\Z").match


class FileCursorStore:
    """See ``ports.CursorStore``. Safe among threads and processes on one home."""

    def __init__(self, tenants: Path, disk: Disk) -> None:
        self._tenants = tenants
        self._disk = disk

    @contextmanager
    def exclusive(self, tenant: str, reader: str, wait_ms: int | None = None) -> Iterator[None]:
        """Hold the reader's lock while the block runs."""
        path = self._path(tenant, reader).with_suffix(".lock")
        with ExitStack() as held:
            try:
                self._lock(held, path, wait_ms)
            except TimeoutError as error:
                raise busy(reader) from error
            except OSError as error:
                raise _unwritable(path, error) from error
            yield

    def _lock(self, held: ExitStack, path: Path, wait_ms: int | None) -> None:
        try:
            held.enter_context(self._disk.lock(path, wait_ms))
        except FileNotFoundError:
            self._disk.make_folder(path.parent)
            held.enter_context(self._disk.lock(path, wait_ms))

    def get(self, tenant: str, reader: str) -> bytes | None:
        """Give what was kept last, or None."""
        path = self._path(tenant, reader)
        try:
            return self._disk.read(path, 0, CURSOR_BYTES_MAX)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise Unavailable(
                f"the cursor {path} cannot be read: {error.strerror}",
                hint="mend its permissions; where it is lost, remove it: the reader then starts over",
                code="cursor-unreadable",
            ) from error

    def put(self, tenant: str, reader: str, state: bytes) -> None:
        """Put a new file in the place of the old one."""
        path = self._path(tenant, reader)
        assert len(state) <= CURSOR_BYTES_MAX, "a reader keeps little"
        try:
            self._disk.make_folder(path.parent)
            replace_file(self._disk, path, state)
        except OSError as error:
            raise _unwritable(path, error) from error

    def _path(self, tenant: str, reader: str) -> Path:
        return self._tenants / check_tenant(tenant) / FOLDER / f"{check_reader(reader)}.json"


def check_reader(reader: str) -> str:
    """Give a reader's name back if it can name a file.

    Raises:
        UsageRefused: it cannot (``cursor-name``).
    """
    if not _READER(reader):
        raise UsageRefused(
            f"{reader[:80]!r} cannot be the name of a reader",
            hint="use a lower-case letter, then lower-case letters, digits or hyphens",
            code="cursor-name",
        )
    return reader


def busy(reader: str) -> Unavailable:
    """Give the error for a lock that nobody let go of in time."""
    return Unavailable(
        f"another holds the lock of {reader}", hint="try again when it is done with it", code="cursor-busy"
    )


def _unwritable(path: Path, error: OSError) -> Unavailable:
    return Unavailable(
        f"the cursor {path} cannot be kept: {error.strerror}",
        hint="free some space or mend the permissions; what was delivered meanwhile is delivered again",
        code="cursor-unwritable",
    )
