"""`bailiwick ledger move` and `ledger worm-probe`: where a ledger is kept, and whether that place holds it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from bailiwick.cli import screen
from bailiwick.cli.options import TenantOptions, open_node
from bailiwick.errors import LedgerBroken, UsageRefused, Verdict

if TYPE_CHECKING:
    from bailiwick.node import Node

Store = Literal["files", "sqlite", "postgres", "s3"]
"""Where a ledger's records can be kept."""


def move(*, to: Annotated[Store, Parameter()], options: TenantOptions = TenantOptions()) -> int:
    """Move the ledger to another store: the same bytes, the same head.

    The whole ledger is verified first, and each record is read back from the new store and compared. The old store is
    retired and stays as a copy. What was interrupted goes on where it stopped. Programs that have the ledger open stop
    recording until they are started again.

    Args:
        to: The store. `BAILIWICK_LEDGER_URL` says where Postgres is, `BAILIWICK_LEDGER_BUCKET` names the bucket of S3.
    """
    from bailiwick.ledger import move_ledger

    with open_node(options) as (node, tenant):
        where = node.places.where(tenant)
        if where == to:
            raise UsageRefused(
                f"the ledger of tenant {tenant} is kept in {to} already",
                hint="name another store; bailiwick doctor says where each ledger is",
                code="ledger-place",
            )
        source, target = node.places.open(tenant), node.places.named(tenant, to)
        try:
            if not source.retired():
                _settle_down(node, tenant)
            with screen.progress("moving", source.count()) as advance:
                moved = move_ledger(
                    source,
                    target,
                    note=f"it was moved to {to}",
                    settle=lambda: node.places.settle(tenant, to),
                    progress=advance,
                )
        finally:
            source.close()
            target.close()
    answer = {"from": where, "to": to, **moved.to_json()}
    text = f"moved  {moved.records} records from {where} to {to}\ncheck  bailiwick ledger verify"
    screen.give(answer, text, as_json=options.json)
    return 0


def worm_probe(*, options: TenantOptions = TenantOptions()) -> int:
    """Try to delete, shorten and overwrite a locked object in the bucket of this ledger, and record what held.

    It works on an object of its own under the ledger's prefix, which stays locked for an hour. Exits 0 when nothing
    could be changed, else 1. Try it with the credentials of your most powerful administrator too.
    """
    with open_node(options) as (node, tenant):
        probe = node.places.probe(tenant)
        receipt = node.ledger(tenant).record_probe(probe.to_json())
    answer = {**probe.to_json(), "bucket": probe.bucket, "record": receipt.index}
    rows = [("held" if each.held else "BROKEN", each.name, each.seen) for each in probe.attempts]
    text = f"{screen.columns(rows)}\n\n{_verdict(answer)}; record {receipt.index}"
    screen.give(answer, text, as_json=options.json)
    return 0 if probe.held else 1


def _verdict(answer: dict[str, Any]) -> str:
    """Say no more than was seen: a refusal proves a lock only where the same hand could delete what is not locked."""
    if not answer["held"]:
        return "the lock did NOT hold"
    if not answer["is_proved"]:
        return "nothing could be changed, but nothing without a lock could be deleted either: this proves no lock"
    return f"the {answer['mode'].lower()} lock held against these credentials"


def _settle_down(node: Node, tenant: str) -> None:
    """Repair what an interrupted write left, verify everything, sign a checkpoint, and let go.

    Raises:
        LedgerBroken: the ledger does not verify; a copy of it would not either.
    """
    ledger = node.ledger(tenant)
    with screen.progress("verifying", ledger.size()) as advance:
        report = ledger.verify(progress=advance)
    if report.verdict is not Verdict.OK:
        raise LedgerBroken(
            report.verdict,
            f"the ledger does not verify: {report.problems[0]}",
            hint="bailiwick ledger verify shows everything; restore it first, then move",
            index=report.problems[0].index,
        )
    ledger.close()
