"""Secrets in memory: for tests and simulations."""

from __future__ import annotations

from bailiwick.errors import NotFound, UsageRefused
from bailiwick.model import check_tenant


class MemoryKeyStore:
    """See ``ports.KeyStore``. Gone with the object."""

    def __init__(self) -> None:
        self._secrets: dict[tuple[str, str], bytes] = {}

    def get(self, tenant: str, name: str) -> bytes:
        """Give a secret."""
        try:
            return self._secrets[check_tenant(tenant), check_tenant(name)]
        except KeyError:
            raise NotFound(
                f"tenant {tenant} has no key named {name}", hint="bailiwick init makes the keys", code="key-missing"
            ) from None

    def put(self, tenant: str, name: str, secret: bytes) -> None:
        """Keep a new secret."""
        place = (check_tenant(tenant), check_tenant(name))
        if place in self._secrets:
            raise UsageRefused(
                f"tenant {tenant} has a key named {name} already",
                hint="keys are never overwritten; use the one that is there",
                code="key-exists",
            )
        self._secrets[place] = secret
