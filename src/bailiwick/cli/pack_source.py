"""`bailiwick pack follow|sources|pull|unfollow`: law that others keep in a repository, signed commit by commit."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from bailiwick.cli import screen
from bailiwick.cli.options import TenantOptions, open_node
from bailiwick.cli.pack import take_over


def follow(
    url: str,
    name: str,
    /,
    *,
    key: tuple[str, ...],
    ref: str = "main",
    path: str = "",
    options: TenantOptions = TenantOptions(),
) -> int:
    """Follow a pack in a git repository. Nothing is fetched yet; `bailiwick pack pull NAME` does that.

    Args:
        url: Where the repository is: https://, ssh:// or file://, or a folder.
        name: The pack's name, which is that of its folder.
        key: Public key of SSH (Ed25519) that commits must be signed by, or its .pub file; give it once for each.
        ref: Branch or tag.
        path: Folder of the repository that the pack's folder is in.
    """
    with open_node(options) as (node, tenant):
        answer = node.follow(tenant, url, name, ref=ref, path=path, keys=key).to_json()
    text = f"{name} is followed at {answer['url']}, {ref}; to fetch it: bailiwick pack pull {name}"
    screen.give(answer, text, as_json=options.json)
    return 0


def sources(*, options: TenantOptions = TenantOptions()) -> int:
    """List the places that packs are followed at, and the commit that each is pinned to."""
    with open_node(options) as (node, tenant):
        found: list[Any] = [each.to_json() for each in node.sources(tenant)]
    rows = [
        (each["pack"], each["url"], each["ref"], each["commit"][:12] if each["commit"] else "not pulled yet")
        for each in found
    ]
    screen.give({"sources": found}, screen.columns(rows) if rows else "nothing is followed", as_json=options.json)
    return 0


def unfollow(name: str, /, *, options: TenantOptions = TenantOptions()) -> int:
    """Follow a pack no longer. What was installed stays in use.

    Args:
        name: The pack's name.
    """
    with open_node(options) as (node, tenant):
        answer = node.unfollow(tenant, name).to_json()
    screen.give(answer, f"{name} is not followed any more", as_json=options.json)
    return 0


def pull(
    name: str,
    /,
    *,
    commit: str | None = None,
    active_from: str | None = None,
    attach: Path | None = None,
    since: str | None = None,
    rewind: Annotated[bool, Parameter(negative="", show_default=False)] = False,
    dry_run: Annotated[bool, Parameter(negative="", show_default=False)] = False,
    yes: Annotated[bool, Parameter(negative="", show_default=False)] = False,
    options: TenantOptions = TenantOptions(),
) -> int:
    """Fetch a followed pack, check who signed its commit, show what would differ, and install it.

    The commit must be signed by a pinned key and follow from the one before. Where past decisions would differ, it goes
    on only when told so. Run it from a timer, or with the commit that a push announced.

    Args:
        name: The pack's name.
        commit: The commit that is wanted, all 40 digits; left out, the newest.
        active_from: First day (UTC) on which it is used, YYYY-MM-DD; left out, today.
        attach: Folder of files that the pack pins and does not hold.
        since: Compare only decisions that were sealed from this day (UTC) or moment on.
        rewind: Go along with a history that was rewritten there.
        dry_run: Move the pin, show what would differ, and install nothing.
        yes: Install it whatever differs, without being asked.
    """
    with open_node(options) as (node, tenant):
        pulled = node.pull(tenant, name, commit=commit, attachments=node.attachments_in(attach), may_rewind=rewind)
        screen.say(f"commit {pulled.commit}, signed by {pulled.key.name}: {name} {pulled.offer.pack.version}")
        how: dict[str, Any] = {"active_from": active_from, "since": since, "dry_run": dry_run, "yes": yes}
        return take_over(node, tenant, pulled.offer, options, **how)
