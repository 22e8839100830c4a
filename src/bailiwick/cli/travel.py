"""`bailiwick ledger at` and `bailiwick ledger find`: the ledger at a moment, and what it says of one thing."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter, validators

from bailiwick.cli import screen
from bailiwick.cli.options import RecordIndex, TenantOptions, open_node

if TYPE_CHECKING:
    from bailiwick.ledger import Query

LIMIT_MAX = 1_000
"""Hits that one page shows at most, in number."""

Flag = Annotated[bool, Parameter(negative="")]


def at(
    moment: str,
    /,
    *,
    projection: str = "effects",
    replay: Flag = False,
    keep: Flag = False,
    options: TenantOptions = TenantOptions(),
) -> int:
    """Give the state of the ledger as it was at a moment.

    Projections are decisions, effects, keys, packs and panic. The answer names the last record that the moment
    includes; everything that it was folded from has been proven. Exits 1 when a replay disagrees with a snapshot.

    Args:
        moment: RFC 3339 with a zone, such as 2024-05-01T12:00:00Z, every record of that instant included; or now.
        projection: What to add up.
        replay: Trust no snapshot: fold every record from the first, and check each snapshot on the way.
        keep: Keep the state as a snapshot, so that moments after it are answered at once.
    """
    with open_node(options) as (node, tenant):
        total = node.ledger(tenant).size() if replay else None
        with screen.progress("folding", total) as advance:
            past = node.state_at(
                tenant, moment, projection, is_replayed=replay, is_kept=keep, progress=advance
            ).to_json()
    screen.give(past, _past_text(past), as_json=options.json)
    return 1 if past["wrong"] else 0


def find(
    *,
    resource: str | None = None,
    subject: str | None = None,
    type: str | None = None,  # noqa: A002 - the option is called as the field is
    actor: str | None = None,
    digest: str | None = None,
    since: str | None = None,
    until: str | None = None,
    after: RecordIndex | None = None,
    limit: Annotated[int, Parameter(validator=validators.Number(gte=1, lte=LIMIT_MAX))] = 20,
    scan: Flag = False,
    options: TenantOptions = TenantOptions(),
) -> int:
    """Find records, oldest first: the history of one resource, or whatever else is asked for.

    The index that is asked is unverified and may miss records. Each hit is read from the ledger and checked against
    its leaf. Conditions that are given must all hold; times are RFC 3339, and included.

    Args:
        resource: Exactly this resource.
        subject: This opaque id as a subject in the detail.
        type: Exactly this type of event.
        actor: This actor's opaque id.
        digest: This sha256 or hmac-sha256 digest anywhere in the detail.
        since: Not before this moment.
        until: Not after this moment.
        after: Only records behind this one: how one page follows another.
        limit: Hits on one page.
        scan: Ask no index: read every record in question, and miss none.
    """
    with open_node(options) as (node, tenant):
        query = _query(
            resource=resource, subject=subject, event_type=type, actor=actor, digest=digest, since=since, until=until
        )
        with screen.progress("reading") as advance:
            page = node.find(
                tenant, query, after=-1 if after is None else after, limit=limit, is_scanned=scan, progress=advance
            ).to_json()
    screen.give(page, _page_text(page), as_json=options.json)
    if not options.json:
        screen.say(page["label"])
    return 0


def _query(*, since: str | None, until: str | None, **conditions: str | None) -> Query:
    from bailiwick.ledger import Query, read_moment

    return Query(
        since_ns=None if since is None else read_moment(since),
        until_ns=None if until is None else read_moment(until),
        **conditions,
    )


def _past_text(past: dict[str, Any]) -> str:
    started = "the first record" if past["snapshot"] is None else f"the snapshot of record {past['snapshot']}"
    rows = [
        ("at", past["at"]),
        ("position", f"record {past['position']} of {past['timestamp']}"),
        ("projection", f"{past['projection']} {past['version']}"),
        ("folded", f"{past['folded']} records from {started}"),
    ]
    if past["checked"]:
        rows.append(("snapshots", f"{len(past['checked'])} checked, wrong: {past['wrong'] or 'none'}"))
    if past["unkept"]:
        rows.append(("not kept", past["unkept"]))
    return f"{screen.columns(rows)}\n\n{json.dumps(past['state'], indent=2)}"


def _page_text(page: dict[str, Any]) -> str:
    lines = [
        f"{hit['record']:>7}  {hit['timestamp'][:19]}Z  {hit['event_type']:<18} {hit['resource']}"
        for hit in page["hits"]
    ]
    if not lines:
        lines = [f"nothing among {page['records']} records"]
    if page["after"] is not None:
        lines.append(f"more: --after {page['after']}")
    return "\n".join(lines)
