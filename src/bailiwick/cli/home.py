"""`bailiwick init` and `bailiwick doctor`: the home, made and looked after."""

from __future__ import annotations

from typing import Any

from bailiwick.cli import screen
from bailiwick.cli.options import TenantOptions, open_node, settings


def init(*, options: TenantOptions = TenantOptions()) -> int:
    """Make a home: keys, a node's name, an empty ledger.

    A home that is there already stays as it is. The verifier key that is printed lets anybody check the ledger: hand it
    on by another way than the ledger itself.
    """
    from bailiwick.node import Node

    resolved = settings(options)
    answer = Node.init(resolved.home, resolved.tenant, ledger=resolved.ledger).to_json()
    text = screen.columns(
        [
            ("home", f"{answer['home']} ({'made' if answer['created'] else 'was there already'})"),
            ("node", answer["node_id"]),
            ("verifier key", answer["verifier_key"]),
        ]
    )
    screen.give(answer, text, as_json=options.json)
    return 0


def doctor(*, options: TenantOptions = TenantOptions()) -> int:
    """Check the home, and say where each setting comes from.

    Exits 0 when every check passes, else 1.
    """
    resolved = settings(options)
    with open_node(options) as (node, tenant):
        checks = [check.to_json() for check in node.doctor(tenant)]
    answer: dict[str, Any] = {
        "ok": all(check["ok"] for check in checks),
        "settings": resolved.to_json(),
        "checks": checks,
    }
    screen.give(answer, _doctor_text(answer), as_json=options.json)
    return 0 if answer["ok"] else 1


def _doctor_text(answer: dict[str, Any]) -> str:
    rows = [(name, setting["value"], f"from {setting['origin']}") for name, setting in answer["settings"].items()]
    lines = [screen.columns(rows), ""]
    for check in answer["checks"]:
        lines.append(f"{'ok ' if check['ok'] else 'BAD'}  {check['name']}: {check['detail']}")
        if not check["ok"]:
            lines.append(f"     try: {check['hint']}")
    return "\n".join(lines)
