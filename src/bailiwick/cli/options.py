"""The options that commands share, and the node that they ask for."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter, validators

if TYPE_CHECKING:
    from bailiwick.node import Node
    from bailiwick.settings import Settings

TextInput = Annotated[str, Parameter(allow_leading_hyphen=True)]
"""JSON, or @FILE, or - for standard input."""
RecordIndex = Annotated[int, Parameter(validator=validators.Number(gte=0))]
"""Position of a record in the ledger, from 0."""
Jobs = Annotated[int | None, Parameter(validator=validators.Number(gte=1, lte=64))]
"""Processes that share a long reading; None for as many as there are cores, where it is long."""


@Parameter(name="*")
@dataclass(frozen=True, slots=True, kw_only=True)
class Printing:
    """How results are printed."""

    json: Annotated[bool, Parameter(negative="", show_default=False)] = False
    """Print JSON on stdout: one object, or one a line."""


@Parameter(name="*")
@dataclass(frozen=True, slots=True, kw_only=True)
class Options(Printing):
    """Which node, and how results are printed."""

    home: Path | None = None
    """The node's folder [default: BAILIWICK_HOME, or .bailiwick here]."""


@Parameter(name="*")
@dataclass(frozen=True, slots=True, kw_only=True)
class TenantOptions(Options):
    """Which tenant of which node, and how results are printed."""

    tenant: str | None = None
    """Whose ledger and rules [default: BAILIWICK_TENANT, the home's node.toml, or local]."""


def settings(options: Options) -> Settings:
    """Resolve what was given, the environment and the home's file into settings, each with its origin."""
    from bailiwick.settings import Settings

    return Settings.resolve(home=options.home, tenant=getattr(options, "tenant", None), environ=os.environ)


@contextmanager
def open_node(options: Options) -> Iterator[tuple[Node, str]]:
    """Open the node that the options mean, with the tenant's name, and close it afterwards.

    Raises:
        NotFound: there is no home there.
    """
    from bailiwick.cli import screen
    from bailiwick.node import Node

    resolved = settings(options)
    with Node.open(resolved) as node:
        node.tell = screen.say
        yield node, resolved.tenant
