"""Where a node lives and for whom it works by default: each setting with its origin.

Flags win over the environment, the environment over ``node.toml``, and that over what is built in.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bailiwick.errors import NotFound, UsageRefused
from bailiwick.model import check_tenant

HOME_DEFAULT = Path(".bailiwick")
TENANT_DEFAULT = "local"
NODE_FILE = "node.toml"
NODE_FILE_BYTES_MAX = 65_536

TABLES = ("effects", "ledger", "modules", "sinks")
"""Tables that ``node.toml`` may have beside its text settings."""
LEDGER_STORES = ("files", "sqlite", "postgres", "s3")
"""Where a ledger's records can be kept; the first is the default."""
RETENTIONS = ("bucket", "governance", "compliance")
"""What locks an object in S3: the bucket's own rule, which is the default, or a mode of object lock with days."""
RETENTION_DAYS_MAX = 36_500
"""Longest lock of an object in S3, in days."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerSettings:
    """Where ledgers are kept that are made from now on, and what the stores outside files need.

    ``url`` and ``bucket`` come from the environment alone: ``BAILIWICK_LEDGER_URL`` may hold a password, and is never
    shown; ``BAILIWICK_LEDGER_BUCKET`` names a bucket. ``retention_days`` goes with ``governance`` and ``compliance``.
    """

    store: str = LEDGER_STORES[0]
    retention: str = RETENTIONS[0]
    retention_days: int = 0
    url: str = field(default="", repr=False)
    bucket: str = ""

    def __post_init__(self) -> None:
        if self.store not in LEDGER_STORES:
            raise _off("ledger.store", self.store, f"one of {', '.join(LEDGER_STORES)}")
        if self.retention not in RETENTIONS:
            raise _off("ledger.retention", self.retention, f"one of {', '.join(RETENTIONS)}")
        days_min = 0 if self.retention == RETENTIONS[0] else 1
        if type(self.retention_days) is not int or not days_min <= self.retention_days <= RETENTION_DAYS_MAX:
            raise _off("ledger.retention_days", self.retention_days, f"{days_min} to {RETENTION_DAYS_MAX}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The settings of one node: its home (an absolute path) and the terminal's tenant, never the library's.

    ``origins`` says of each where it came from: ``flag``, ``environment``, ``node.toml`` or ``default``.
    """

    home: Path
    tenant: str
    origins: Mapping[str, str]
    ledger: LedgerSettings = LedgerSettings()

    @classmethod
    def resolve(
        cls, *, home: Path | str | None = None, tenant: str | None = None, environ: Mapping[str, str]
    ) -> Settings:
        """Settle each value: flag, then ``BAILIWICK_HOME`` and ``BAILIWICK_TENANT``, then ``node.toml``, then default.

        Raises:
            UsageRefused: ``node.toml`` is not TOML, too large, or holds a value that cannot be.
        """
        place, home_origin = _first(str(home) if home else None, environ.get("BAILIWICK_HOME"), None, str(HOME_DEFAULT))
        root = Path(place).expanduser().absolute()
        stored = _stored(root / NODE_FILE).get("tenant")
        whose, tenant_origin = _first(tenant, environ.get("BAILIWICK_TENANT"), stored, TENANT_DEFAULT)
        ledger, store_origin = _ledger(root / NODE_FILE, environ)
        origins = {"home": home_origin, "tenant": tenant_origin, "ledger_store": store_origin}
        return cls(home=root, tenant=check_tenant(whose), origins=origins, ledger=ledger)

    def node_id(self) -> str:
        """Give the node's opaque id, from ``node.toml``.

        Raises:
            NotFound: the home has not been initialised.
        """
        found = _stored(self.home / NODE_FILE).get("node_id")
        if found is None:
            raise NotFound(
                f"{self.home} is not a home yet", hint=f"bailiwick init --home {self.home}", code="home-not-found"
            )
        return found

    def sinks(self) -> Mapping[str, Any]:
        """Give the tables under ``sinks`` of ``node.toml``, by name, unread.

        Raises:
            UsageRefused: they are no tables.
        """
        tables = _content(self.home / NODE_FILE).get("sinks", {})
        if not isinstance(tables, dict):
            raise _unreadable(self.home / NODE_FILE, "sinks is not a table of tables")
        return tables

    def effects(self) -> Mapping[str, Any]:
        """Give the tables under ``effects`` of ``node.toml``, by type of effect, unread.

        Raises:
            UsageRefused: they are no tables.
        """
        tables = _content(self.home / NODE_FILE).get("effects", {})
        if not isinstance(tables, dict):
            raise _unreadable(self.home / NODE_FILE, "effects is not a table of tables")
        return tables

    def modules(self) -> Mapping[str, Any]:
        """Give the table ``modules`` of ``node.toml``, unread: what may run on this node, and how much of it.

        Raises:
            UsageRefused: it is no table.
        """
        table = _content(self.home / NODE_FILE).get("modules", {})
        if not isinstance(table, dict):
            raise _unreadable(self.home / NODE_FILE, "modules is not a table")
        return table

    def to_json(self) -> dict[str, Any]:
        """Give each setting with its value and origin."""
        return {
            "home": {"value": str(self.home), "origin": self.origins["home"]},
            "tenant": {"value": self.tenant, "origin": self.origins["tenant"]},
            "ledger_store": {"value": self.ledger.store, "origin": self.origins["ledger_store"]},
        }


def _first(flag: str | None, environment: str | None, stored: str | None, default: str) -> tuple[str, str]:
    candidates = [(flag, "flag"), (environment, "environment"), (stored, NODE_FILE), (default, "default")]
    return next((value, origin) for value, origin in candidates if value)


def _ledger(path: Path, environ: Mapping[str, str]) -> tuple[LedgerSettings, str]:
    """Settle the settings of ledgers, and say where that of the store came from."""
    table = _content(path).get("ledger", {})
    known = {"store", "retention", "retention_days"}
    if not isinstance(table, dict) or table.keys() - known:
        raise _unreadable(path, f"[ledger] holds {', '.join(sorted(known))} and nothing else")
    chosen = {name: value for name, value in table.items() if name != "store"}
    store, origin = _first(None, environ.get("BAILIWICK_LEDGER_STORE"), table.get("store"), LEDGER_STORES[0])
    url, bucket = environ.get("BAILIWICK_LEDGER_URL", ""), environ.get("BAILIWICK_LEDGER_BUCKET", "")
    return LedgerSettings(store=store, url=url, bucket=bucket, **chosen), origin


def _stored(path: Path) -> dict[str, str]:
    """Read what ``node.toml`` says outside of its tables."""
    return {name: value for name, value in _content(path).items() if name not in TABLES}


def _content(path: Path) -> dict[str, Any]:
    """Read ``node.toml``; none is an empty one."""
    try:
        with path.open("rb") as file:
            raw = file.read(NODE_FILE_BYTES_MAX + 1)
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise _unreadable(path, str(error)) from error
    if len(raw) > NODE_FILE_BYTES_MAX:
        raise _unreadable(path, f"it holds more than {NODE_FILE_BYTES_MAX} bytes")
    try:
        content: dict[str, Any] = tomllib.loads(raw.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise _unreadable(path, str(error)) from error
    if unknown := content.keys() - {"node_id", "tenant", *TABLES}:
        raise _unreadable(path, f"it has the unknown setting {sorted(unknown)[0]!r}")
    if wrong := [key for key, value in content.items() if key not in TABLES and not isinstance(value, str)]:
        raise _unreadable(path, f"{wrong[0]} is not text")
    return content


def _off(name: str, value: object, wanted: str) -> UsageRefused:
    return UsageRefused(
        f"the setting {name} is {str(value)[:80]!r}, and can be {wanted}",
        hint="see docs/howto/choose-a-store.md",
        code="settings",
    )


def _unreadable(path: Path, why: str) -> UsageRefused:
    return UsageRefused(
        f"{path} cannot be read: {why}", hint="mend the file; it holds node_id and tenant, both text", code="settings"
    )
