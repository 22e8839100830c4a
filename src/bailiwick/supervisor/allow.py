"""What may run on this node at all, and how much of it: the operator's word over every tenant's."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bailiwick.errors import ModuleRefused, UsageRefused
from bailiwick.model import TENANT_PATTERN
from bailiwick.supervisor.schedule import AT_ONCE_DEFAULT

ALLOWED_MAX = 1_000
"""Most entries of an allow-list."""
CONCURRENT_DEFAULT = 64
"""Calls of one tenant at one time, in number."""
AT_ONCE_MAX = 256
"""Most calls of a node at one time; a pool holds so many sandboxes."""
SHARE_MAX = 100
FUEL_PER_DAY_MAX = 10**15
"""Most fuel that a tenant's day can be given: what a sum of it stays exact in."""

_ENTRY = re.compile(r"(?:sha256:[0-9a-f]{64}|[a-z][a-z0-9]*(?:-[a-z0-9]+)*)\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeRules:
    """The rules of one node: ``[modules]`` in its ``node.toml``.

    ``allow`` lists names and digests of binaries; None allows all, an empty list none. ``concurrent`` bounds the calls
    of a tenant at one time, ``at_once`` those of all tenants (others wait, in fair turns), ``beside`` those of one
    while others call too (None: one fewer than there are cores), ``shares`` gives a tenant the share of several,
    ``fuel_per_call`` the budget of each, ``fuel_per_day`` what all calls of a UTC day took before the next is refused;
    None leaves the tiers alone to bound it.
    """

    allow: frozenset[str] | None = None
    concurrent: int = CONCURRENT_DEFAULT
    at_once: int = AT_ONCE_DEFAULT
    beside: int | None = None
    shares: Mapping[str, int] = field(default_factory=dict)
    fuel_per_call: int | None = None
    fuel_per_day: int | None = None

    @classmethod
    def read(cls, table: Mapping[str, Any]) -> NodeRules:
        """Read the table.

        Raises:
            UsageRefused: it holds what it cannot (code ``settings``).

        >>> NodeRules.read({"allow": ["esta-accrual"]}).is_allowed("other", "sha256:" + "0" * 64)
        False
        """
        known = {"allow", "at_once", "beside", "concurrent", "fuel_per_call", "fuel_per_day", "shares"}
        if unknown := table.keys() - known:
            raise _off(f"it has the unknown setting {sorted(unknown)[0]!r}")
        allow = table.get("allow")
        if allow is not None:
            allow = _allowed(allow)
        for name, most in (
            ("at_once", AT_ONCE_MAX),
            ("beside", AT_ONCE_MAX),
            ("concurrent", 10_000),
            ("fuel_per_call", FUEL_PER_DAY_MAX),
            ("fuel_per_day", FUEL_PER_DAY_MAX),
        ):
            value = table.get(name, 1)
            if type(value) is not int or not 1 <= value <= most:
                raise _off(f"{name} is {str(value)[:80]!r}, and can be 1 to {most}")
        return cls(
            allow=allow,
            at_once=table.get("at_once", AT_ONCE_DEFAULT),
            beside=table.get("beside"),
            concurrent=table.get("concurrent", CONCURRENT_DEFAULT),
            shares=_shares(table.get("shares", {})),
            fuel_per_call=table.get("fuel_per_call"),
            fuel_per_day=table.get("fuel_per_day"),
        )

    def is_allowed(self, name: str, digest: str) -> bool:
        """Say whether a module may run here."""
        return self.allow is None or name in self.allow or digest in self.allow

    def check(self, name: str, digest: str) -> None:
        """Refuse a module that may not run here.

        Raises:
            ModuleRefused: code ``module-not-allowed``.
        """
        if not self.is_allowed(name, digest):
            raise ModuleRefused(
                f"this node's allow-list has neither module {name} nor its binary {digest}",
                hint=f'the operator of the node adds "{digest}" to allow in [modules] of node.toml',
                code="module-not-allowed",
            )


def _allowed(value: Any) -> frozenset[str]:
    if not isinstance(value, list) or len(value) > ALLOWED_MAX:
        raise _off(f"allow is no list of at most {ALLOWED_MAX} names and digests")
    for each in value:
        if not isinstance(each, str) or not _ENTRY.match(each):
            raise _off(f"allow holds {str(each)[:80]!r}, which is neither a name nor a digest of a module")
    return frozenset(value)


def _shares(value: Any) -> dict[str, int]:
    if not isinstance(value, dict) or len(value) > ALLOWED_MAX:
        raise _off("shares is no table of tenants")
    for name, share in value.items():
        if not TENANT_PATTERN.match(name) or type(share) is not int or not 1 <= share <= SHARE_MAX:
            raise _off(f"shares gives {name[:80]!r} {str(share)[:80]!r}; a tenant has a share of 1 to {SHARE_MAX}")
    return value


def _off(why: str) -> UsageRefused:
    return UsageRefused(
        f"[modules] in node.toml cannot be read: {why}", hint="see docs/formats/module.md", code="settings"
    )
