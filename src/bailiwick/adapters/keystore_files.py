"""Secrets as files that only their owner may read: ``<folder>/<tenant>/<name>``, mode 0600.

Written beside, synced, then renamed: a crash leaves the whole secret or none. A file that others may read is refused,
because a key that others may have read proves nothing.
"""

from __future__ import annotations

from pathlib import Path

from bailiwick.adapters.disk_replace import replace_file
from bailiwick.errors import NotFound, NotTrusted, Unavailable, UsageRefused
from bailiwick.model import check_tenant
from bailiwick.ports import Disk

SECRET_BYTES_MAX = 16 << 10
"""Largest secret, in bytes."""
OWNER_ONLY = 0o600


class FileKeyStore:
    """See ``ports.KeyStore``. Names follow the same rule as those of tenants."""

    def __init__(self, folder: Path, disk: Disk) -> None:
        self._folder = folder
        self._disk = disk

    def get(self, tenant: str, name: str) -> bytes:
        """Give a secret.

        Raises:
            NotFound: there is none of that name (code ``key-missing``).
            NotTrusted: others than the owner may read its file (code ``key-readable``).
            Unavailable: the file cannot be read.
        """
        path = self._path(tenant, name)
        try:
            mode = self._disk.mode(path)
            if mode & 0o077:
                raise NotTrusted(
                    f"{path} may be read by others than its owner (mode {mode:04o})",
                    hint=f"chmod 600 {path}, and ask who may have read it",
                    code="key-readable",
                )
            return self._disk.read(path, 0, SECRET_BYTES_MAX)
        except FileNotFoundError:
            raise NotFound(
                f"tenant {tenant} has no key named {name}", hint="bailiwick init makes the keys", code="key-missing"
            ) from None
        except OSError as error:
            raise Unavailable(
                f"the key {path} cannot be read: {error.strerror}", hint="check who owns it", code="key-unreadable"
            ) from error

    def put(self, tenant: str, name: str, secret: bytes) -> None:
        """Keep a new secret durably.

        Raises:
            UsageRefused: there is one already (code ``key-exists``), or it is too large.
            Unavailable: the folder cannot be written.
        """
        path = self._path(tenant, name)
        if len(secret) > SECRET_BYTES_MAX:
            raise UsageRefused(
                f"a secret of {len(secret)} bytes", hint=f"at most {SECRET_BYTES_MAX} bytes", code="key-size"
            )
        try:
            self._disk.make_folder(path.parent)
            with self._disk.lock(path.parent / ".lock"):
                self._write(path, secret)
        except OSError as error:
            raise Unavailable(
                f"the key {path} cannot be written: {error.strerror}",
                hint="check the folder and the space on its disk",
                code="key-unwritable",
            ) from error

    def _write(self, path: Path, secret: bytes) -> None:
        if path.name in self._disk.names(path.parent):
            raise UsageRefused(
                f"there is a key at {path} already",
                hint="keys are never overwritten; use the one that is there",
                code="key-exists",
            )
        replace_file(self._disk, path, secret, OWNER_ONLY)

    def _path(self, tenant: str, name: str) -> Path:
        return self._folder / check_tenant(tenant) / check_tenant(name)
