"""`bailiwick effects`: what decisions asked for, and its performing, once for each key."""

from __future__ import annotations

import json
from typing import Any

from bailiwick.cli import screen
from bailiwick.cli.options import TenantOptions, open_node
from bailiwick.errors import EffectsFrozen


def list_effects(*, options: TenantOptions = TenantOptions()) -> int:
    """List effects and what came of them."""
    with open_node(options) as (node, tenant):
        listed = [effect.to_json() for effect in node.effects(tenant)]
    for effect in listed:
        print(json.dumps(effect) if options.json else screen.plain(_line(effect)))
    if not listed:
        screen.say("no effects: no decision asked for any")
    return 0


def run_effects(*, options: TenantOptions = TenantOptions()) -> int:
    """Perform every waiting effect, once.

    Exits 0 when none is left, 3 when the panic switch stopped it, 5 when a delivery failed and waits to be tried again.
    """
    with open_node(options) as (node, tenant), screen.progress("performing") as advance:
        report = node.run_effects(tenant, progress=advance)
    answer = report.to_json()
    screen.give(answer, summary(answer), as_json=options.json)
    if answer["frozen"]:
        raise EffectsFrozen(f"the panic switch is on: {answer['waiting']} effects wait", hint="bailiwick panic status")
    return 5 if answer["failed"] else 0


def summary(answer: dict[str, Any]) -> str:
    """Say for people what a run of the executor did."""
    counts = [
        (answer["delivered"], "delivered"),
        (answer["repeated"], "delivered before"),
        (len(answer["failed"]), "failed"),
        (answer["waiting"], "waiting"),
    ]
    if answer["ended"]:
        counts.append((answer["ended"], "ended without anything left to deliver"))
    return ", ".join(f"{count} {word}" for count, word in counts)


def _line(effect: dict[str, Any]) -> str:
    result = "waiting" if effect["result"] is None else f"result in record {effect['result']}"
    return f"{effect['key'][:28]}  {effect['type']:<28} asked by record {effect['record']:<6} {result}"
