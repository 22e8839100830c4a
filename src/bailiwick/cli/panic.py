"""`bailiwick panic`: stop every effect at once, of one tenant or of the whole node. Decisions and reads go on."""

from __future__ import annotations

from typing import Annotated, Any

from cyclopts import Parameter

from bailiwick.cli import screen
from bailiwick.cli.options import TenantOptions, open_node

Everywhere = Annotated[bool, Parameter(negative="")]


def on(*, reason: str = "", everywhere: Everywhere = False, options: TenantOptions = TenantOptions()) -> int:
    """Stop effects.

    Args:
        reason: Why, in a few words, for whoever finds the switch thrown. It stays on this node.
        everywhere: Of every tenant of this node.
    """
    return _set(reason, everywhere, options, frozen=True)


def off(*, reason: str = "", everywhere: Everywhere = False, options: TenantOptions = TenantOptions()) -> int:
    """Let effects go on, unless the other switch holds.

    Args:
        reason: Why, in a few words. It stays on this node.
        everywhere: The switch of the whole node; that of each tenant stays as it is.
    """
    return _set(reason, everywhere, options, frozen=False)


def status(*, everywhere: Everywhere = False, options: TenantOptions = TenantOptions()) -> int:
    """Say whether effects are stopped. A switch that cannot be read means that they are.

    Args:
        everywhere: Only the switch of the whole node.
    """
    with open_node(options) as (node, tenant):
        state: dict[str, Any] = dict(node.panic_state(tenant))
    if everywhere:
        state = state["scopes"]["everywhere"]
    screen.give(state, _text(state), as_json=options.json)
    return 0


def _set(reason: str, everywhere: bool, options: TenantOptions, *, frozen: bool) -> int:
    with open_node(options) as (node, tenant):
        state = dict(node.set_panic(tenant, frozen=frozen, reason=reason, everywhere=everywhere))
    screen.give(state, _text(state), as_json=options.json)
    return 0


def _text(state: dict[str, Any]) -> str:
    word = "frozen: no effect starts" if state["frozen"] else "free: effects may run"
    details = [f"{name} {state[name]}" for name in ("reason", "by", "since") if state.get(name)]
    unread = [] if state["readable"] else ["the switch cannot be read, and doubt means frozen"]
    scopes = state.get("scopes", {})
    holds = [_release(name) for name, each in scopes.items() if each["frozen"]]
    return "\n".join([word, *details, *unread, *holds])


def _release(scope: str) -> str:
    if scope == "everywhere":
        return "the switch of the whole node holds; to release it: bailiwick panic off --everywhere"
    return "the tenant's switch holds; to release it: bailiwick panic off"
