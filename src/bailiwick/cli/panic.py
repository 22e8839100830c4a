"""`bailiwick panic`: stop every effect at once. Decisions and reads go on."""

from __future__ import annotations

from typing import Any

from bailiwick.cli import screen
from bailiwick.cli.options import TenantOptions, open_node


def on(*, reason: str = "", options: TenantOptions = TenantOptions()) -> int:
    """Stop effects.

    Args:
        reason: Why, in a few words, for whoever finds the switch thrown. It stays on this node.
    """
    return _set(reason, options, frozen=True)


def off(*, reason: str = "", options: TenantOptions = TenantOptions()) -> int:
    """Let effects go on.

    Args:
        reason: Why, in a few words. It stays on this node.
    """
    return _set(reason, options, frozen=False)


def status(*, options: TenantOptions = TenantOptions()) -> int:
    """Say whether effects are stopped. A switch that cannot be read means that they are."""
    with open_node(options) as (node, _):
        state = dict(node.panic_state())
    screen.give(state, _text(state), as_json=options.json)
    return 0


def _set(reason: str, options: TenantOptions, *, frozen: bool) -> int:
    with open_node(options) as (node, tenant):
        state = dict(node.set_panic(tenant, frozen=frozen, reason=reason))
    screen.give(state, _text(state), as_json=options.json)
    return 0


def _text(state: dict[str, Any]) -> str:
    word = "frozen: no effect starts" if state["frozen"] else "free: effects may run"
    details = [f"{name} {state[name]}" for name in ("reason", "by", "since") if state.get(name)]
    unread = [] if state["readable"] else ["the switch cannot be read, and doubt means frozen"]
    return "\n".join([word, *details, *unread])
