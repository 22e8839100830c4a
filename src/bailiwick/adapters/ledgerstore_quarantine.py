"""Bytes moved out of a ledger in files: each cut in a file of its own, named by its first record and digest."""

from __future__ import annotations

import hashlib
import re
from contextlib import suppress
from pathlib import Path

from bailiwick.model import Quarantined
from bailiwick.ports import Disk

_NAME = re.compile(r"([0-9]{12})-([0-9a-f]{16})\Z")


class Quarantine:
    """One folder of what was cut. Every method raises ``OSError``."""

    def __init__(self, folder: Path, disk: Disk) -> None:
        self._folder = folder
        self._disk = disk

    def keep(self, start: int, data: bytes) -> Quarantined:
        """Keep the bytes from record ``start`` on, durably."""
        digest = hashlib.sha256(data).hexdigest()
        path = self._folder / f"{start:012d}-{digest[:16]}"
        self._disk.make_folder(path.parent)
        with suppress(FileNotFoundError):
            self._disk.unlink(path)
        self._disk.create(path)
        self._disk.write(path, 0, data)
        self._disk.sync(path)
        self._disk.sync_folder(path.parent)
        self._disk.release(path)
        return Quarantined(name=path.name, index=start, size=len(data), digest=f"sha256:{digest}")

    def kept(self, start: int) -> list[Quarantined]:
        """Give what was kept from record ``start`` on; a copy that was interrupted is not one."""
        try:
            names = self._disk.names(self._folder)
            found = [match for name in names if (match := _NAME.match(name)) and int(match[1]) >= start]
            copies = [(match, self._disk.read(self._folder / match[0])) for match in found]
        except FileNotFoundError:
            return []
        digests = [hashlib.sha256(data).hexdigest() for _, data in copies]
        return [
            Quarantined(name=match[0], index=int(match[1]), size=len(data), digest=f"sha256:{digest}")
            for (match, data), digest in zip(copies, digests, strict=True)
            if digest.startswith(match[2])
        ]
