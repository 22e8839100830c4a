"""`bailiwick ledger retention`, `ledger hold`, `ledger prune`: how long records are kept, and letting old ones go."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bailiwick.cli import screen
from bailiwick.cli.options import TenantOptions, open_node
from bailiwick.errors import InputRefused, Unavailable, UsageRefused

if TYPE_CHECKING:
    from bailiwick.ledger import Ledger, Retention

POLICY_BYTES_MAX = 65_536
"""Longest file of a policy that is read, in bytes; it becomes one record."""
HELD_BYTES_MAX = 65_536
"""Longest file of a held checkpoint that is read, in bytes."""


def retention(*, write: str | None = None, options: TenantOptions = TenantOptions()) -> int:
    """Show how long records are kept, or write that down.

    Nothing is pruned before a policy is written. It holds for every record before it and after it; a later one can
    lengthen what was promised for a record, and never shorten it.

    Args:
        write: `default`, or a JSON file in the form that `--json` shows under `policy`.
    """
    with open_node(options) as (node, tenant):
        ledger = node.ledger(tenant)
        receipt = None
        if write is not None:
            receipt = ledger.keeping.set_retention(_policy(write), node.actor(tenant))
        answer = _kept(ledger)
        answer["record"] = None if receipt is None else receipt.index
    screen.give(answer, _retention_text(answer), as_json=options.json)
    return 0


def add_hold(
    *,
    reason: str,
    resource: str | None = None,
    since: str | None = None,
    until: str | None = None,
    options: TenantOptions = TenantOptions(),
) -> int:
    """Keep records and their evidence whatever their age, until the hold is released.

    Args:
        reason: Opaque id of the matter, such as a case number kept elsewhere; never a name.
        resource: Resource of records, such as `pack/us-osha-1904`, or a subject; what is below it is held too.
        since: Records of this time or later: `YYYY-MM-DD`, or as records have it.
        until: Records of this time or earlier.
    """
    from bailiwick.ledger import LegalHold

    with open_node(options) as (node, tenant):
        ledger = node.ledger(tenant)
        hold = LegalHold(
            id=f"h{ledger.size()}",
            reason=reason,
            resource=resource,
            since=None if since is None else _time(since),
            until=None if until is None else _time(until, is_end=True),
        )
        receipt = ledger.keeping.add_hold(hold, node.actor(tenant))
    answer = {**hold.to_json(), "record": receipt.index}
    screen.give(answer, f"hold {hold.id} stands, record {receipt.index}", as_json=options.json)
    return 0


def release_hold(hold: str, /, *, reason: str, options: TenantOptions = TenantOptions()) -> int:
    """Release a hold; what it kept is kept from here on as its class says.

    Args:
        hold: Its id.
        reason: Opaque id of whatever ended it.
    """
    with open_node(options) as (node, tenant):
        receipt = node.ledger(tenant).keeping.release_hold(hold, node.actor(tenant), reason)
    answer = {"hold": hold, "record": receipt.index}
    screen.give(answer, f"hold {hold} was released, record {receipt.index}", as_json=options.json)
    return 0


def list_holds(*, options: TenantOptions = TenantOptions()) -> int:
    """List the holds that stand, oldest first."""
    with open_node(options) as (node, tenant):
        found = [hold.to_json() for hold in node.ledger(tenant).keeping.holds()]
    rows = [tuple(str(value or "-") for value in hold.values()) for hold in found]
    screen.give({"holds": found}, screen.columns(rows) if rows else "no hold stands", as_json=options.json)
    return 0


def prune(
    *,
    archive: Path | None = None,
    before: str | None = None,
    held: Path | None = None,
    without_witness: bool = False,
    carry: bool = False,
    today: str | None = None,
    without_sink: tuple[str, ...] = (),
    dry_run: bool = False,
    yes: bool = False,
    options: TenantOptions = TenantOptions(),
) -> int:
    """Delete the oldest records, and evidence whose time is over; every proof that was given still verifies.

    Whole bundles of 256 records go, from the first on, after they were archived and the archive was verified. They wait
    for every sink to have them, and for effects that have no result yet. Evidence goes by subject, apart from records.

    Args:
        archive: Folder in which the archive gets a folder of its own.
        before: Nothing of this time or later goes: `YYYY-MM-DD`, or as records have it.
        held: A checkpoint that somebody else kept, as they give it back; else one that a witness cosigned.
        without_witness: Nobody else holds a checkpoint, and you accept that.
        carry: Carry on one by one what must be kept still, instead of stopping before it.
        today: The day, `YYYY-MM-DD`, from your own calendar, where the clock is doubted.
        without_sink: Name of a sink that is not waited for: it will never get what goes. Can be given again.
        dry_run: Say what would go, and touch nothing.
        yes: Do it.
    """
    with open_node(options) as (node, tenant):
        pruner = node.pruner(tenant)
        pruning = pruner.plan(
            before=None if before is None else _time(before),
            carry=carry,
            today=today,
            without_sinks=frozenset(without_sink),
        )
        plan = pruning.records
        answer: dict[str, Any] = {**pruning.to_json(), "archive": None, "record": None, "evidence_record": None}
        if not dry_run:
            has_records = plan.stop > plan.start
            if not yes or (archive is None and has_records):
                raise UsageRefused(
                    f"{plan.deleted} records up to {plan.stop} would be deleted, and {pruning.blobs} blobs of evidence",
                    hint="look with --dry-run; then say where records are archived, and --archive FOLDER --yes",
                    code="prune-unconfirmed",
                )
            note = None if without_witness or not has_records else _held(node.ledger(tenant), held)
            with screen.progress("archiving", plan.stop - plan.start) as advance:
                went = pruner.run(pruning, archive or Path(), held=note, unheld=without_witness, progress=advance)
            answer |= went.to_json()
    screen.give(answer, _prune_text(answer), as_json=options.json)
    return 0


def _policy(write: str) -> Retention:
    from bailiwick.ledger import Retention
    from bailiwick.schema import parse_document

    if write == "default":
        return Retention()
    return Retention.from_json(parse_document(_read(Path(write), POLICY_BYTES_MAX)))


def _read(path: Path, size_max: int) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(size_max + 1)
    except OSError as error:
        raise Unavailable(f"{path} cannot be read: {error.strerror}", hint="give the path of a file") from error
    if len(data) > size_max:
        raise InputRefused(f"{path} is longer than {size_max} bytes", hint="give the right file", code="file-too-large")
    return data


def _held(ledger: Ledger, path: Path | None) -> bytes | None:
    if path is not None:
        return _read(path, HELD_BYTES_MAX)
    newest = ledger.heads.newest()
    return None if newest is None else newest.note


def _time(text: str, *, is_end: bool = False) -> str:
    """Give a time as records have it; a day alone is its first moment, or its last."""
    from bailiwick.canonical import time_ns

    full = f"{text}T{'23:59:59.999999999' if is_end else '00:00:00.000000000'}Z" if len(text) == 10 else text
    try:
        time_ns(full)
    except ValueError as error:
        raise UsageRefused(f"{text[:40]!r} is not a time", hint="write 2026-01-31, or a record's time") from error
    return full


def _kept(ledger: Ledger) -> dict[str, Any]:
    """Say of each class how long it is kept, and what that means for the oldest records."""
    from bailiwick.ledger import Retention, kept_until

    rules = ledger.keeping.rules()
    policy = rules.retention or Retention()
    oldest: dict[str, tuple[int, str, int | None]] = {}
    for record in ledger.records():
        kind = policy.class_of(record.event_type)
        if kind not in oldest:
            oldest[kind] = (record.index, record.timestamp, rules.months(record.event_type, record.index))
    return {
        "written": rules.retention is not None,
        "policy": policy.to_json(),
        "classes": [
            {
                "class": name,
                "period": period,
                "oldest": oldest[name][0] if name in oldest else None,
                "until": kept_until(oldest[name][1], months)
                if name in oldest and (months := oldest[name][2])
                else None,
            }
            for name, period in policy.classes.items()
        ],
        "holds": [hold.to_json() for hold in rules.holds.values()],
    }


def _retention_text(answer: dict[str, Any]) -> str:
    rows = [("class", "kept for", "oldest record", "kept until")]
    for each in answer["classes"]:
        rows.append(
            (
                each["class"],
                each["period"],
                str(each["oldest"] if each["oldest"] is not None else "-"),
                each["until"] or "-",
            )
        )
    lines = [screen.columns(rows)]
    if not answer["written"]:
        lines.append(
            "No policy is written yet: nothing is ever pruned. Write this one: ledger retention --write default"
        )
    lines += [f"hold {hold['hold']}: {json.dumps(hold)}" for hold in answer["holds"]]
    return "\n".join(lines)


def _prune_text(answer: dict[str, Any]) -> str:
    verb = "would go" if answer["record"] is None else "went"
    lines = [
        f"{answer['deleted']} records {verb}, {answer['carried']} are carried on; records begin at {answer['stop']}"
    ]
    lines += [f"no further: {answer['blocked']}"] if answer["blocked"] else []
    lines += [f"in the way: hold {answer['hold']}"] if answer["hold"] else []
    if sink := answer["sink"]:
        lines.append(f"in the way: sink {sink['name']}, which was sent {sink['sent']} records")
    lines += [f"archive  {answer['archive']}\nrecord   {answer['record']}"] if answer["record"] is not None else []
    if evidence := answer["evidence"]["subjects"]:
        is_done = answer["evidence_record"] is not None
        done = f"went, record {answer['evidence_record']}" if is_done else "would go"
        lines.append(f"evidence of {evidence} subjects {done}: {answer['evidence']['blobs']} blobs")
    return "\n".join(lines)
