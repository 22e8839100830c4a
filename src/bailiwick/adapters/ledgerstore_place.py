"""Where each tenant's ledger is kept: in files beside its other data, in SQLite there, in Postgres or in S3.

The settings say where new ledgers go. Where one is, its folder says in a file PLACE, which ``ledger move`` replaces in
one step; without that file it is in files.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from bailiwick.adapters.disk_replace import replace_file
from bailiwick.adapters.ledgerstore_files import FileLedgerStore
from bailiwick.errors import InputRefused, NotFound, Unavailable, UsageRefused
from bailiwick.model import check_tenant
from bailiwick.ports import Disk, LedgerStore
from bailiwick.settings import LEDGER_STORES, LedgerSettings

if TYPE_CHECKING:
    from bailiwick.adapters.ledgerstore_s3 import Bucket
    from bailiwick.adapters.ledgerstore_worm import Probe

PLACE_BYTES_MAX = 64
"""Longest word in a PLACE file, in bytes."""

_PLACE = "PLACE"
_MODES: Mapping[str, str] = MappingProxyType(
    {"bucket": "", "governance": "GOVERNANCE", "compliance": "COMPLIANCE"},
)


class LedgerPlaces:
    """The places of the ledgers of one home."""

    def __init__(self, home: Path, disk: Disk, settings: LedgerSettings, origin_of: Callable[[str], bytes]) -> None:
        """Know the places of one home; ``origin_of`` gives the origin of a tenant's ledger, as ASCII."""
        self._home = home
        self._disk = disk
        self._settings = settings
        self._origin_of = origin_of

    def open(self, tenant: str) -> LedgerStore:
        """Give the store that holds a tenant's ledger.

        Raises:
            NotFound: there is no such tenant here (code ``tenant-not-found``).
        """
        if not self.folder(tenant).is_dir():
            raise NotFound(
                f"{self._home} has no tenant {tenant}",
                hint=f"bailiwick init --home {self._home} --tenant {tenant}",
                code="tenant-not-found",
            )
        return self.named(tenant, self.where(tenant))

    def make(self, tenant: str) -> LedgerStore:
        """Give the store for a tenant's ledger: the one where it is, or the one that the settings name."""
        store = self.choose(tenant)
        if store != self.where(tenant):
            self.settle(tenant, store)
        return self.named(tenant, store)

    def choose(self, tenant: str, wanted: str | None = None) -> str:
        """Say where a tenant's ledger goes: where its place is; else where it is wanted; else where the settings say.

        Raises:
            UsageRefused: its place is another than the wanted one (code ``ledger-place``).
        """
        if not self._is_placed(tenant):
            return wanted or self._settings.store
        where = self.where(tenant)
        if wanted not in {None, where}:
            raise UsageRefused(
                f"the place of the ledger of tenant {tenant} is {where}, not {wanted}",
                hint=f"first to {where}, then bailiwick ledger move --to {wanted}; or move {self.folder(tenant)} aside",
                code="ledger-place",
            )
        return where

    def where(self, tenant: str) -> str:
        """Say in what a tenant's ledger is kept: one of ``LEDGER_STORES``.

        Raises:
            InputRefused: its PLACE file says something else.
        """
        path = self.folder(tenant) / _PLACE
        try:
            word = self._disk.read(path, 0, PLACE_BYTES_MAX).decode(errors="replace").strip()
        except FileNotFoundError:
            return LEDGER_STORES[0]
        except OSError as error:
            raise _unusable(path, error) from error
        if word not in LEDGER_STORES:
            raise InputRefused(
                f"{path} says {word!r}, which is none of {', '.join(LEDGER_STORES)}",
                hint="restore that file: it holds one of these words",
                code="ledger-place",
            )
        return word

    def settle(self, tenant: str, store: str) -> None:
        """Write down where a tenant's ledger is kept from now on, in one step."""
        path = self.folder(tenant) / _PLACE
        try:
            self._disk.make_folder(path.parent)
            replace_file(self._disk, path, f"{store}\n".encode(), 0o600)
        except OSError as error:
            raise _unusable(path, error) from error

    def named(self, tenant: str, store: str) -> LedgerStore:
        """Give a store of a tenant's ledger by its name, whether the ledger is there or not.

        Raises:
            UsageRefused: the environment does not say where that store is.
        """
        folder = self.folder(tenant)
        if store == "sqlite":
            from bailiwick.adapters.ledgerstore_sqlite import SqliteLedgerStore

            return SqliteLedgerStore(folder, self._disk)
        if store == "postgres":
            from bailiwick.adapters.ledgerstore_postgres import PostgresLedgerStore

            url = _given("BAILIWICK_LEDGER_URL", self._settings.url, store)
            return PostgresLedgerStore(url, self._origin(tenant), folder, self._disk)
        if store == "s3":
            from bailiwick.adapters.ledgerstore_s3 import S3LedgerStore

            return S3LedgerStore(self._bucket(), self._origin(tenant), folder, self._disk)
        return FileLedgerStore(folder, self._disk)

    def folder(self, tenant: str) -> Path:
        """Give the folder of a tenant's ledger: its records or what is kept beside them."""
        return self._home / "tenants" / check_tenant(tenant) / "ledger"

    def probe(self, tenant: str) -> Probe:
        """Try to break the lock of the bucket that a tenant's ledger is kept in; see ``ledgerstore_worm``.

        Raises:
            UsageRefused: the ledger is not kept in S3 (code ``ledger-place``).
            Unavailable: the bucket cannot be used.
        """
        if (where := self.where(tenant)) != "s3":
            raise UsageRefused(
                f"the ledger of tenant {tenant} is kept in {where}; only a bucket of S3 can hold it against its owner",
                hint="bailiwick ledger move --to s3, with BAILIWICK_LEDGER_BUCKET set",
                code="ledger-place",
            )
        from bailiwick.adapters.ledgerstore_worm import probe

        return probe(self._bucket(), self._origin(tenant))

    def _origin(self, tenant: str) -> str:
        return self._origin_of(tenant).decode()

    def _bucket(self) -> Bucket:
        from bailiwick.adapters.ledgerstore_s3 import Bucket

        name = _given("BAILIWICK_LEDGER_BUCKET", self._settings.bucket, "s3")
        return Bucket(name=name, mode=_MODES[self._settings.retention], days=self._settings.retention_days)

    def _is_placed(self, tenant: str) -> bool:
        folder = self.folder(tenant)
        return (folder / _PLACE).exists() or (folder / "seg").exists()


def _given(name: str, value: str, store: str) -> str:
    if not value:
        raise UsageRefused(
            f"the ledger is kept in {store}, and {name} does not say where that is",
            hint=f"export {name}=…; see docs/howto/choose-a-store.md",
            code="ledger-place",
        )
    return value


def _unusable(path: Path, error: OSError) -> Unavailable:
    return Unavailable(
        f"{path} cannot be used: {error.strerror or error}",
        hint="check the disk, and who owns the folder; then try again",
        code="ledger-unreadable",
    )
