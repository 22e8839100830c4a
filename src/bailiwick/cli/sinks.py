"""`bailiwick sinks`: where the ledger is sent, how far each receiver has it, and the sending itself."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from bailiwick.cli import screen
from bailiwick.cli.options import RecordIndex, TenantOptions, open_node
from bailiwick.errors import UsageRefused

if TYPE_CHECKING:
    from bailiwick.sinks import Outflow, SinkStatus

NONE = "no sinks: declare one in node.toml under [sinks.NAME]"


def list_sinks(*, options: TenantOptions = TenantOptions()) -> int:
    """List the sinks that the home's node.toml declares for the tenant."""
    with open_node(options) as (node, tenant):
        declared = node.sinks(tenant).declared()
    for each in declared:
        answer = {"name": each.name, "kind": each.kind, "options": dict(each.options)}
        where = "  ".join(f"{name} {value}" for name, value in each.options.items())
        print(json.dumps(answer) if options.json else screen.plain(f"{each.name:<16} {each.kind:<8} {where}".rstrip()))
    if not declared:
        screen.say(NONE)
    return 0


def status(name: str | None = None, /, *, options: TenantOptions = TenantOptions()) -> int:
    """Say how far each sink is, how far behind, and what is the matter.

    Args:
        name: One sink; all where it is left out.
    """
    with open_node(options) as (node, tenant):
        found = node.sinks(tenant).status(name)
    _give(found, options)
    return 0


def run(
    name: str | None = None,
    /,
    *,
    follow: Annotated[bool, Parameter(negative="")] = False,
    skip: RecordIndex | None = None,
    options: TenantOptions = TenantOptions(),
) -> int:
    """Send what waits to each sink, oldest first.

    Exits 0 when every sink has all of it, 5 when one could not be reached and is to be tried again, 3 when one stands
    before a record that its receiver refuses for ever. Such a record is tried again by each new run.

    Args:
        name: One sink; all where it is left out.
        follow: Go on with records as they come, until interrupted.
        skip: Leave out this record, before which the sink stands, and put that into the ledger.
    """
    if skip is not None and name is None:
        raise UsageRefused("no sink is named that should skip", hint=f"bailiwick sinks run NAME --skip {skip}")
    with open_node(options) as (node, tenant):
        sinks = node.sinks(tenant)
        if skip is not None and name is not None:
            receipt = sinks.skip(name, skip)
            screen.say(f"record {skip} is left out of {name}; record {receipt.index} says so")
        if follow:
            found = _follow(sinks, name)
        else:
            with screen.progress("sending") as advance:
                found = sinks.run(name, progress=advance)
    _give(found, options)
    conditions = {each.condition for each in found}
    return 3 if "stopped" in conditions else 5 if "waiting" in conditions else 0


def _follow(sinks: Outflow, name: str | None) -> list[SinkStatus]:
    """Follow the ledger until somebody interrupts; then say where each sink stands."""
    stop = threading.Event()
    with ThreadPoolExecutor(1, thread_name_prefix="sinks") as threads:
        following = threads.submit(sinks.follow, stop, name, tell=lambda each: screen.say(_line(each.to_json())))
        try:
            return following.result()
        except KeyboardInterrupt:
            screen.say("stopping: what is under way is waited for")
            stop.set()
            return following.result()
        finally:
            stop.set()


def _give(found: list[SinkStatus], options: TenantOptions) -> None:
    for each in found:
        answer = each.to_json()
        print(json.dumps(answer) if options.json else screen.plain(_line(answer)))
    if not found:
        screen.say(NONE)


def _line(answer: dict[str, Any]) -> str:
    """Say for people where a sink stands."""
    behind = f"{answer['lag_records']} behind" + (f", {answer['lag_seconds']} s" if answer["lag_records"] else "")
    parts = [f"{answer['name']:<16} {answer['condition']:<8} at {answer['count']}, {behind}"]
    if answer["sent"]:
        parts.append(f"{answer['sent']} sent")
    lines = ["; ".join(parts)]
    matter = answer["error"] or answer["trouble"]
    if answer["parked"] is not None:
        lines.append(f"    refuses record {answer['parked']} for ever")
        lines.append(f"    try: bailiwick sinks run {answer['name']} --skip {answer['parked']}")
    if matter is not None:
        lines.append(f"    {matter['code']}: {matter['message']}")
    if answer["retry_at"]:
        lines.append(f"    next attempt {answer['retry_at'][:19]}Z")
    if answer["started_over"] is not None:
        over = answer["started_over"]
        lines.append(f"    started over from 0 at {over['at'][:19]}Z, having been at {over['count']}: {over['why']}")
    if answer["notice"]:
        lines.append(f"    {answer['notice']}")
    return "\n".join(lines)
