"""What ``node.toml`` says of sinks, read once into values: a name, a kind, whose ledger, and the kind's own options.

    [sinks.siem]
    kind = "splunk"
    tenant = "local"
    url = "https://hec.example.org:8088"
    token_variable = "SPLUNK_TOKEN"

Which options a kind has, the adapter says. A secret never stands in the file: ``token_variable`` names the environment
variable that holds it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from bailiwick.errors import NotFound, UsageRefused
from bailiwick.model import SinkSettings, check_tenant

SINKS_MAX = 32
"""Most sinks of one node, in number: each has a thread of its own."""
OPTION_CHARACTERS_MAX = 2_000
"""Longest text of an option, in characters."""

_NAME = re.compile(r"[a-z][a-z0-9-]{0,62}\Z").match
_OPTION = re.compile(r"[a-z][a-z_]{0,40}\Z").match


def read_sinks(tables: Mapping[str, Any]) -> list[SinkSettings]:
    """Read the tables under ``sinks``, by name.

    Raises:
        UsageRefused: a name, kind, tenant or option that cannot be (``sink-settings``), or too many of them.
    """
    if len(tables) > SINKS_MAX:
        raise _refused(f"{len(tables)} sinks are declared; at most {SINKS_MAX}")
    return [_read(name, table) for name, table in sorted(tables.items())]


def _read(name: str, table: Any) -> SinkSettings:
    if not _NAME(name):
        raise _refused(f"{name[:80]!r} cannot be the name of a sink: a letter, then letters, digits, hyphens")
    if not isinstance(table, Mapping):
        raise _refused(f"sinks.{name} is not a table")
    options = dict(table)
    kind, tenant = options.pop("kind", None), options.pop("tenant", None)
    if not isinstance(kind, str):
        raise _refused(f"sinks.{name} has no kind")
    if not isinstance(tenant, str):
        raise _refused(f"sinks.{name} does not say whose ledger it gets: tenant")
    for key, value in options.items():
        if not _OPTION(key):
            raise _refused(f"sinks.{name} has the option {key[:80]!r}, which no kind has")
        if type(value) not in {bool, int, str} or (isinstance(value, str) and len(value) > OPTION_CHARACTERS_MAX):
            raise _refused(f"sinks.{name}.{key} is neither a short text, a whole number nor true or false")
    return SinkSettings(name=name, kind=kind, tenant=check_tenant(tenant), options=options)


def pick(declared: list[SinkSettings], name: str | None) -> list[SinkSettings]:
    """Give the sink of a name, or all of them where none is given.

    Raises:
        NotFound: there is none of that name (``sink-not-found``).
    """
    found = [each for each in declared if name in (None, each.name)]
    if not found and name is not None:
        known = ", ".join(each.name for each in declared) or "none"
        raise NotFound(
            f"there is no sink {name[:80]!r} for this tenant; there are: {known}",
            hint="declare it in node.toml under [sinks.NAME], then: bailiwick sinks list",
            code="sink-not-found",
        )
    return found


def _refused(message: str) -> UsageRefused:
    return UsageRefused(message, hint="mend the tables under [sinks.NAME] in node.toml", code="sink-settings")
