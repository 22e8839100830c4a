"""`bailiwick replay`: decide again from what was stored, and compare every byte of the evidence."""

from __future__ import annotations

from typing import Annotated, Any

from cyclopts import Parameter

from bailiwick.cli import screen
from bailiwick.cli.options import RecordIndex, TenantOptions, open_node
from bailiwick.errors import UsageRefused


def replay(
    record: RecordIndex | None = None,
    /,
    *,
    all_records: Annotated[bool, Parameter(name="--all", negative="", show_default=False)] = False,
    options: TenantOptions = TenantOptions(),
) -> int:
    """Decide again from what was stored, and compare every byte.

    Exits 0 when all evidence came out the same, 1 when some differs, 5 when what it needs is no longer there.

    Args:
        record: The decision's record, from 0.
        all_records: Every decision of the ledger.
    """
    if (record is None) == (not all_records):
        raise UsageRefused("replay takes one record, or --all", hint="bailiwick replay --all")
    with open_node(options) as (node, tenant), screen.progress("replaying") as advance:
        report = node.replay(tenant, None if record is None else [record], progress=advance)
    answer = report.to_json()
    screen.give(answer, _text(answer), as_json=options.json)
    if answer["differing"]:
        return 1
    return 5 if answer["unavailable"] else 0


def _text(answer: dict[str, Any]) -> str:
    differing = answer["differing"]
    lines = [f"{answer['replayed']} replayed, {len(differing)} differ, {answer['unavailable']} unavailable"]
    lines += [
        f"  record {difference['record']}: {difference['where']}" for difference in [*differing, *answer["missing"]]
    ]
    return "\n".join(lines)
