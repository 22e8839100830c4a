"""An effect channel that puts each message as one file into an outbox folder, for people or programs to take from.

The file's name comes from the effect's key, so asking twice leaves one file. A file is there whole or not at all.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from bailiwick.adapters.disk_replace import replace_file
from bailiwick.adapters.effectchannel_message import EFFECT_BYTES_MAX, effect_name, message_bytes
from bailiwick.errors import Unavailable
from bailiwick.model import JsonValue, check_tenant
from bailiwick.ports import Disk
from bailiwick.schema import Schemas

OUTBOX = "outbox"
LOCK = "outbox.lock"


class FolderEffectChannel:
    """Delivers to ``<tenants>/<tenant>/outbox/<64 digits>.json``; safe among threads and processes.

    Files that somebody took away are delivered again only when asked again: the ledger's results prevent that.
    """

    def __init__(self, tenants: Path, disk: Disk) -> None:
        self._tenants = tenants
        self._disk = disk
        self._schemas = Schemas()

    def deliver(
        self, tenant: str, key: str, message: Mapping[str, JsonValue], *, fence: int = 0
    ) -> Mapping[str, JsonValue]:
        """Write the message as a file, durably; ``differs`` says that another message was there before and stays.

        The folder needs no fence: its names honour the keys by themselves, whoever delivers.

        Raises:
            SchemaViolated, InputRefused: the message is not one (see ``effectchannel_message``).
            Unavailable: the file cannot be written (``outbox-unwritable``); asking again is safe.
        """
        del fence
        name = effect_name(key) + ".json"
        data = message_bytes(key, message, self._schemas)
        home = self._tenants / check_tenant(tenant)
        try:
            self._disk.make_folder(home / OUTBOX)
            with self._disk.lock(home / LOCK):
                first = self._first(home / OUTBOX / name)
                if first is None:
                    replace_file(self._disk, home / OUTBOX / name, data)
                else:
                    # A name that an earlier call left behind may not be durable yet: the answer waits for it.
                    self._disk.sync_folder(home / OUTBOX)
        except OSError as error:
            raise Unavailable(
                f"effect {key} cannot be put into {home / OUTBOX}: {error.strerror}",
                hint="free some space or mend the permissions, then: bailiwick effects run",
                code="outbox-unwritable",
            ) from error
        came: dict[str, JsonValue] = {"delivered": "now" if first is None else "before", "file": f"{OUTBOX}/{name}"}
        return came if first in (None, data) else {**came, "differs": True}

    def _first(self, path: Path) -> bytes | None:
        """Give the message that is there already, or None."""
        with suppress(FileNotFoundError):
            return self._disk.read(path, 0, EFFECT_BYTES_MAX + 1)
        return None
