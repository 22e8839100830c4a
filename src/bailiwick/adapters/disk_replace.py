"""Put a whole file in place of another, or of none: readers see the old bytes or the new, never a part."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from bailiwick.ports import Disk


def replace_file(disk: Disk, path: Path, data: bytes, mode: int = 0o600) -> None:
    """Write beside the name, sync, rename, and sync the folder; durable on return.

    The caller keeps others from writing the same name meanwhile. A crash may leave ``<name>.new`` behind, which the
    next call removes.

    Raises:
        OSError: as the disk does; the old file, if any, is then whole.
    """
    fresh = path.with_name(path.name + ".new")
    with suppress(FileNotFoundError):
        disk.unlink(fresh)
    disk.create(fresh, mode)
    disk.write(fresh, 0, data)
    disk.sync(fresh)
    disk.release(fresh)
    disk.rename(fresh, path)
    disk.sync_folder(path.parent)
