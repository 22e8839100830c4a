"""The seam to files, in the operations that durability is made of."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol


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
