"""`bailiwick effects`: what decisions asked for, its performing, once for each key, and what people say of it."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from bailiwick.cli import screen
from bailiwick.cli.options import TenantOptions, open_node
from bailiwick.errors import EffectsFrozen, UsageRefused

STATES = ("waiting", "needs-approval", "done", "dead", "cancelled", "refused", "expired")


def list_effects(*, state: str | None = None, options: TenantOptions = TenantOptions()) -> int:
    """List effects and what came of them.

    Args:
        state: Only those that are waiting, needs-approval, done, dead, cancelled, refused or expired.
    """
    if state is not None and state not in STATES:
        raise UsageRefused(f"{state[:40]!r} is no state of an effect", hint=f"one of {', '.join(STATES)}")
    with open_node(options) as (node, tenant):
        listed = [each.to_json() for each in node.effects(tenant) if state in (None, each.state.value)]
    for effect in listed:
        print(json.dumps(effect) if options.json else screen.plain(_line(effect)))
    if not listed:
        screen.say("no effects: no decision asked for any" if state is None else f"no effects are {state}")
    return 0


def show(key: str, /, *, options: TenantOptions = TenantOptions()) -> int:
    """Show one effect and every record about it.

    Args:
        key: Its key, or the first digits of it.
    """
    with open_node(options) as (node, tenant):
        effect = node.oversight(tenant).find(key)
        records = [each.to_json() for each in node.effect_records(tenant, effect)]
    answer = {**effect.to_json(), "records": records}
    told = [f"  record {each['record']:<6} {each['time']}  {each['type']}  {_more(each)}".rstrip() for each in records]
    screen.give(answer, "\n".join([_line(effect.to_json()), effect.key, *told]), as_json=options.json)
    return 0


def run_effects(
    *,
    watch: Annotated[bool, Parameter(negative="")] = False,
    options: TenantOptions = TenantOptions(),
) -> int:
    """Perform every effect that is due, once.

    Exits 0 when none is left, 3 when the panic switch stopped it, 5 when a delivery failed and waits to be tried again.

    Args:
        watch: Go on as effects come due, until interrupted.
    """
    with open_node(options) as (node, tenant):
        if watch:
            stop = threading.Event()
            node.follow_effects(
                tenant, lambda ms: stop.wait(ms / 1000), lambda report: _tell(report.to_json(), options)
            )
            return 0
        with screen.progress("performing") as advance:
            report = node.run_effects(tenant, progress=advance)
    answer = report.to_json()
    _tell(answer, options)
    if answer["frozen"]:
        raise EffectsFrozen(f"the panic switch is on: {answer['waiting']} effects wait", hint="bailiwick panic status")
    return 5 if answer["failed"] else 0


def retry(
    key: str | None = None,
    /,
    *,
    dead: Annotated[bool, Parameter(negative="")] = False,
    options: TenantOptions = TenantOptions(),
) -> int:
    """Try an effect anew that was given up, waits for its moment, or was approved by nobody in time.

    Args:
        key: Its key, or the first digits of it.
        dead: Every effect that was given up.
    """
    if (key is None) != dead:
        raise UsageRefused("what is to be tried anew is not said", hint="bailiwick effects retry KEY, or --dead")
    with open_node(options) as (node, tenant):
        oversight = node.oversight(tenant)
        said = oversight.retry_dead() if key is None else [oversight.retry(key)]
    for each in said:
        _give(each.to_json(), "is tried anew", options)
    if not said:
        screen.say("no effects are dead")
    return 0


def cancel(key: str, /, *, reason: str, options: TenantOptions = TenantOptions()) -> int:
    """Take an effect back that was not delivered. One that is under way at this moment is not called back.

    Args:
        key: Its key, or the first digits of it.
        reason: Why. It stays on this node; the record holds its salted digest.
    """
    with open_node(options) as (node, tenant):
        said = node.oversight(tenant).cancel(key, reason)
    return _give(said.to_json(), "is cancelled", options)


def approve(key: str, /, *, options: TenantOptions = TenantOptions()) -> int:
    """Let an effect go ahead that needs somebody's approval.

    Args:
        key: Its key, or the first digits of it.
    """
    with open_node(options) as (node, tenant):
        said = node.oversight(tenant).approve(key)
    return _give(said.to_json(), "is approved", options)


def deny(key: str, /, *, reason: str = "", options: TenantOptions = TenantOptions()) -> int:
    """Refuse an effect that needs somebody's approval, for good.

    Args:
        key: Its key, or the first digits of it.
        reason: Why. It stays on this node; the record holds its salted digest.
    """
    with open_node(options) as (node, tenant):
        said = node.oversight(tenant).deny(key, reason)
    return _give(said.to_json(), "is refused", options)


def key(*, out: Path | None = None, options: TenantOptions = TenantOptions()) -> int:
    """Print the public key that receivers check effects by, which are signed with sign = "ed25519".

    Args:
        out: A file to write it to as well.
    """
    with open_node(options) as (node, tenant):
        verifier = node.effects_key(tenant).text()
    if out is not None:
        out.write_text(verifier + "\n")
    screen.give({"key": verifier}, verifier, as_json=options.json)
    return 0


def summary(answer: dict[str, Any]) -> str:
    """Say for people what a run of the executor did."""
    counts = [
        (answer["delivered"], "delivered"),
        (answer["repeated"], "delivered before"),
        (len(answer["failed"]), "failed"),
        (answer["waiting"], "waiting"),
    ]
    further = [
        (answer["ended"], "ended without anything left to deliver"),
        (answer["dead"], "given up"),
        (answer["expired"], "approved by nobody in time"),
        (answer["unapproved"], "waiting for an approval"),
    ]
    return ", ".join(f"{count} {word}" for count, word in counts + [each for each in further if each[0]])


def _tell(answer: dict[str, Any], options: TenantOptions) -> None:
    screen.give(answer, summary(answer), as_json=options.json)


def _give(said: dict[str, Any], word: str, options: TenantOptions) -> int:
    where = "" if said["said_in"] is None else f", record {said['said_in']}"
    was = "" if said["new"] else " already; nothing was recorded again"
    state = "" if said["state"] in word or not said["new"] else f"; it is {said['state']}"
    screen.give(said, f"effect {said['key'][:28]} {word}{where}{was}{state}", as_json=options.json)
    return 0


def _more(told: dict[str, Any]) -> str:
    return ", ".join(f"{name} {told[name]}" for name in ("delivered", "code", "retry_at", "by") if told.get(name))


def _line(effect: dict[str, Any]) -> str:
    result = effect["state"] if effect["result"] is None else f"{effect['state']} in record {effect['result']}"
    again = f", next at {effect['retry_at']} after {effect['code']}" if effect.get("retry_at") else ""
    until = f" until {effect['expires_at']}" if effect.get("expires_at") else ""
    return f"{effect['key'][:28]}  {effect['type']:<28} asked by record {effect['record']:<6} {result}{again}{until}"
