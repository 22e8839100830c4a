"""Where a node lives and for whom it works by default: each setting with its origin.

Flags win over the environment, the environment over ``node.toml``, and that over what is built in.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bailiwick.errors import NotFound, UsageRefused
from bailiwick.model import check_tenant

HOME_DEFAULT = Path(".bailiwick")
TENANT_DEFAULT = "local"
NODE_FILE = "node.toml"
NODE_FILE_BYTES_MAX = 65_536


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The settings of one node: its home (an absolute path) and the terminal's tenant, never the library's.

    ``origins`` says of each where it came from: ``flag``, ``environment``, ``node.toml`` or ``default``.
    """

    home: Path
    tenant: str
    origins: Mapping[str, str]

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
        return cls(home=root, tenant=check_tenant(whose), origins={"home": home_origin, "tenant": tenant_origin})

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

    def to_json(self) -> dict[str, Any]:
        """Give each setting with its value and origin."""
        return {
            "home": {"value": str(self.home), "origin": self.origins["home"]},
            "tenant": {"value": self.tenant, "origin": self.origins["tenant"]},
        }


def _first(flag: str | None, environment: str | None, stored: str | None, default: str) -> tuple[str, str]:
    candidates = [(flag, "flag"), (environment, "environment"), (stored, NODE_FILE), (default, "default")]
    return next((value, origin) for value, origin in candidates if value)


def _stored(path: Path) -> dict[str, str]:
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
    if unknown := content.keys() - {"node_id", "tenant"}:
        raise _unreadable(path, f"it has the unknown setting {sorted(unknown)[0]!r}")
    if wrong := [key for key, value in content.items() if not isinstance(value, str)]:
        raise _unreadable(path, f"{wrong[0]} is not text")
    return content


def _unreadable(path: Path, why: str) -> UsageRefused:
    return UsageRefused(
        f"{path} cannot be read: {why}", hint="mend the file; it holds node_id and tenant, both text", code="settings"
    )
