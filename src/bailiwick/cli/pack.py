"""`bailiwick pack list|show|trust|sign|install|activate|history`: the law of a tenant, and how it changes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from bailiwick.cli import screen
from bailiwick.cli.folder import write_files
from bailiwick.cli.options import TenantOptions, open_node
from bailiwick.cli.what_changed import change_text, summary_text
from bailiwick.errors import UsageRefused

if TYPE_CHECKING:
    from bailiwick.decisions import InUse, Offer
    from bailiwick.node import Comparison, Node
    from bailiwick.packs import Pack
    from bailiwick.supervisor import Activation

CHANGES_SHOWN = 20
"""Decisions that would differ and are shown before an installation, in number; ``what-changed`` lists every one."""


# --- looking --------------------------------------------------------------------------------------------------------


def list_packs(*, options: TenantOptions = TenantOptions()) -> int:
    """List the packs there are: which version is used, since and until when."""
    with open_node(options) as (node, tenant):
        found = [_listed(node, tenant, *each) for each in node.packs_in_use(tenant)]
    rows = [
        (each["name"], each["version"] or "-", _period(each), each["origin"], each["title"] or "") for each in found
    ]
    screen.give({"packs": found}, screen.columns(rows) if rows else "no packs", as_json=options.json)
    return 0


def show(pack: str, /, *, options: TenantOptions = TenantOptions()) -> int:
    """Show what a pack decides, by which law, and since when it is used.

    Args:
        pack: Name of a pack, or a folder with one.
    """
    with open_node(options) as (node, tenant):
        law = node.law(tenant, pack)
        used = None if law.origin == "folder" else node.installer(tenant).in_use(law.pack.name)
        answer = {**pack_json(law.pack), "origin": law.origin, "in_use": None if used is None else used.to_json()}
    rows = [(name, _shown(value)) for name, value in answer.items() if name not in ("in_use", "policies")]
    if used is not None:
        rows.append(("used", _period(used.to_json()) or "always"))
    disputed = [
        f"{each['title']}: {reading['text']}{' (chosen)' if reading['id'] == each['default'] else ''}"
        for each in answer["policies"]
        for reading in each["readings"]
    ]
    text = "\n".join(
        [screen.columns(rows), *(["disputed readings:", *(f"  {each}" for each in disputed)] if disputed else [])]
    )
    screen.give(answer, text, as_json=options.json)
    return 0


def history(name: str, /, *, options: TenantOptions = TenantOptions()) -> int:
    """Show when versions of a pack were installed and put to use, oldest first.

    Args:
        name: Name of a pack.
    """
    with open_node(options) as (node, tenant):
        events = node.pack_history(tenant, name)
        used = node.installer(tenant).in_use(name) if events else None
    rows = [
        (f"record {each['record']}", str(each["at"])[:19], each["what"], each["version"], _event(each))
        for each in events
    ]
    text = screen.columns(rows) if rows else f"{name} came with bailiwick and was never changed here"
    screen.give(
        {"name": name, "events": events, "in_use": None if used is None else used.to_json()}, text, as_json=options.json
    )
    return 0


# --- changing -------------------------------------------------------------------------------------------------------


def trust(key: str, /, *, options: TenantOptions = TenantOptions()) -> int:
    """Accept packs, and modules, that a key signs from now on. `bailiwick module untrust` revokes it for both.

    Args:
        key: The author's verifier key, got from the author by another way than the pack itself.
    """
    with open_node(options) as (node, tenant):
        verifier = node.trust_pack_key(tenant, key)
    screen.give({"key": key, "trusted": True}, f"packs signed by {verifier.name} are accepted", as_json=options.json)
    return 0


def sign(folder: Path, /, *, attach: Path | None = None, options: TenantOptions = TenantOptions()) -> int:
    """Sign a pack with the tenant's own author key, made and trusted here when first asked for.

    Its cases are run first: what fails them is not signed. Others who are to install it have to trust that key.

    Args:
        folder: The pack's folder.
        attach: Folder of files that the pack pins and does not hold.
    """
    with open_node(options) as (node, tenant):
        pack, files, key = node.sign_pack(tenant, folder, node.attachments_in(attach))
    write_files(folder, files)
    answer = {"pack": pack.name, "version": pack.version, "digest": pack.digest, "files": sorted(files), "key": key}
    text = f"{', '.join(sorted(files))}: {pack.name} {pack.version} signed with\n{key}"
    screen.give(answer, text, as_json=options.json)
    return 0


def install(
    folder: Path,
    /,
    *,
    active_from: str | None = None,
    attach: Path | None = None,
    since: str | None = None,
    dry_run: Annotated[bool, Parameter(negative="", show_default=False)] = False,
    yes: Annotated[bool, Parameter(negative="", show_default=False)] = False,
    options: TenantOptions = TenantOptions(),
) -> int:
    """Install a signed pack, and use it from a day on. First it shows which past decisions it would make otherwise.

    Where some would differ, it goes on only when told so. Exits 0 when it is installed, or would be, and 1 when
    somebody said no.

    Args:
        folder: The pack's folder, with `pack.lock` and `pack.sig`.
        active_from: First day (UTC) on which it is used, YYYY-MM-DD; left out, today.
        attach: Folder of files that the pack pins and does not hold.
        since: Compare only decisions that were sealed from this day (UTC) or moment on.
        dry_run: Show what would differ, and install nothing.
        yes: Install it whatever differs, without being asked.
    """
    if dry_run and yes:
        raise UsageRefused("--dry-run installs nothing, and --yes installs", hint="say one of them")
    with open_node(options) as (node, tenant):
        offer = node.offer(tenant, folder, node.attachments_in(attach))
        return take_over(node, tenant, offer, options, active_from=active_from, since=since, dry_run=dry_run, yes=yes)


def activate(
    name: str, version: str, /, *, active_from: str | None = None, options: TenantOptions = TenantOptions()
) -> int:
    """Use an installed version of a pack from a day on, an older one too: so one rolls back.

    Args:
        name: Name of the pack.
        version: Such as 1.2.0; `bailiwick pack history NAME` lists them.
        active_from: First day (UTC) on which it is used, YYYY-MM-DD; left out, today.
    """
    with open_node(options) as (node, tenant):
        activation = node.activate_pack(tenant, name, version, active_from=active_from)
    answer = _activated(name, activation)
    screen.give(answer, f"{name} {version} is used from {activation.acts_from} on", as_json=options.json)
    return 0


def take_over(
    node: Node,
    tenant: str,
    offer: Offer,
    options: TenantOptions,
    *,
    active_from: str | None = None,
    since: str | None = None,
    dry_run: bool = False,
    yes: bool = False,
) -> int:
    """Show what an offered pack would decide otherwise, and let it take over where that is wanted."""
    node.installer(tenant).check(offer, active_from)
    comparison = node.compare_offer(tenant, offer, since=since)
    shown: list[str] = []
    differing: list[dict[str, Any]] = []
    with screen.progress("deciding again", comparison.size) as advance:
        for each in comparison.run(advance):
            if len(shown) < CHANGES_SHOWN:
                shown.append(change_text(each))
                differing.append(each.to_json())
    if not dry_run and not yes and _is_otherwise(comparison):
        screen.say(_comparison_text(comparison, shown))
        if not _is_wanted(offer):
            screen.say("nothing was installed")
            return 1
    answer: dict[str, Any] = {"changes": comparison.to_json(), "shown": differing, "installed": not dry_run}
    if dry_run:
        screen.give(answer, f"{_comparison_text(comparison, shown)}\nnothing was installed", as_json=options.json)
        return 0
    activation = node.install_pack(tenant, offer, active_from=active_from)
    answer |= {**_activated(offer.pack.name, activation), "key": offer.key}
    told = f"{offer.pack.name} {offer.pack.version} is installed, and used from {activation.acts_from} on"
    screen.give(answer, f"{_comparison_text(comparison, shown)}\n{told}", as_json=options.json)
    return 0


# --- inside ---------------------------------------------------------------------------------------------------------


def _is_otherwise(comparison: Comparison) -> bool:
    tally = comparison.comparer.tally
    return tally.differing > 0 or tally.unavailable > 0


def _is_wanted(offer: Offer) -> bool:
    if not screen.can_ask():
        raise UsageRefused(
            f"pack {offer.pack.name} {offer.pack.version} would decide otherwise, and nobody is there to be asked",
            hint="look at all of it with bailiwick what-changed, then say --yes",
            code="not-confirmed",
        )
    return screen.ask(f"Let {offer.pack.name} {offer.pack.version} take over? What was decided stays decided.")


def _comparison_text(comparison: Comparison, shown: list[str]) -> str:
    tally = comparison.comparer.tally
    left = tally.differing + tally.unavailable - len(shown)
    more = [f"and {left} more: bailiwick what-changed lists every one"] if left > 0 else []
    return "\n".join([*shown, *more, summary_text(comparison)])


def _activated(name: str, activation: Activation) -> dict[str, Any]:
    return {
        "name": name,
        "version": activation.version,
        "digest": activation.digest,
        "from": activation.acts_from,
        "record": activation.record,
    }


def _listed(node: Node, tenant: str, name: str, used: InUse | None, later: str | None) -> dict[str, Any]:
    if used is None:
        return {"name": name, "version": None, "since": later, "until": None, "origin": "planned", "title": None}
    shipped = node.shipped(name)
    if shipped is not None and shipped.digest == used.digest:
        return {**used.to_json(), "origin": "shipped", "title": shipped.title}
    return {**used.to_json(), "origin": "installed", "title": node.kept_law(tenant, name, used.digest).pack.title}


def _period(told: dict[str, Any]) -> str:
    since = f"since {told['since']}" if told["since"] else ""
    until = f"until {told['until']}" if told["until"] else ""
    return " ".join(each for each in (since, until) if each)


def _event(event: dict[str, Any]) -> str:
    if event["what"] == "activated":
        return f"from {event['from'] or str(event['at'])[:10]}"
    corrects = f", corrects {event['supersedes']['version']}" if "supersedes" in event else ""
    key = f"signed by {event['key'].partition('+')[0]}" if event.get("key") else "came with bailiwick"
    return ("not signed, kept to be replayed" if "key" in event and event["key"] is None else key) + corrects


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value))
    if isinstance(value, dict):
        return ", ".join(f"{name} {each}" for name, each in value.items() if each is not None)
    return "" if value is None else str(value)


def pack_json(pack: Pack) -> dict[str, Any]:
    """Give what a pack says of itself."""
    corrects = pack.supersedes
    return {
        "name": pack.name,
        "version": pack.version,
        "title": pack.title,
        "digest": pack.digest,
        "outcomes": list(pack.outcomes),
        "reads": sorted(pack.intake),
        "supersedes": None if corrects is None else {"version": corrects.version, "reason": corrects.reason},
        "attachments": [each.path for each in pack.attachments],
        "policies": [
            {
                "id": policy.id,
                "title": policy.title,
                "default": policy.default,
                "readings": [{"id": each.id, "text": each.text, "status": each.status} for each in policy.readings],
            }
            for policy in pack.policies
        ],
    }
