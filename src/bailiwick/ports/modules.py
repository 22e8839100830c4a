"""The seam between the supervisor and what modules may ask of the host: one service for each interface."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from bailiwick.model import Actor, Budget, JsonValue, ModuleRef


@dataclass(frozen=True, slots=True, kw_only=True)
class CallContext:
    """What a host service knows of the call that asks it.

    ``scope`` is what was granted; ``budget_left`` bounds the answer; ``depth`` counts calls above this one, and
    ``path`` names the modules that are running, outermost first. ``charge`` takes fuel from the caller's budget.
    """

    tenant: str
    module: ModuleRef
    actor: Actor
    scope: Mapping[str, JsonValue]
    budget_left: Budget
    depth: int
    path: tuple[str, ...]
    charge: Callable[[int], None]


class HostService(Protocol):
    """Answers the functions of one interface to modules that were granted it. Thread-safe; keeps nothing of a call."""

    @property
    def name(self) -> str:
        """The interface, as modules import it, such as ``bailiwick:clock/clock@0.1.0``."""
        ...

    @property
    def functions(self) -> frozenset[str]:
        """The functions that it answers."""
        ...

    def check_scope(self, scope: JsonValue) -> None:
        """Refuse a scope that means nothing to this service, before it is granted.

        Raises:
            UsageRefused: it has another form (code ``grant-scope``).
        """
        ...

    def call(self, context: CallContext, function: str, input: JsonValue) -> JsonValue:  # noqa: A002 the ABI's own word
        """Answer one call: arguments as an object by parameter name, the JSON of the ok value back.

        Raises:
            HostRefused: an answer to the guest, with a code and a message.
            BailiwickError: anything else is a failure of the host, and ends the call.
        """
        ...
