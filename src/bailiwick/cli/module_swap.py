"""`bailiwick module swap|rollback|pin|unpin`: one version of a module in place of another, shown before it is done."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter, validators

from bailiwick.cli import screen
from bailiwick.cli.folder import read_folder
from bailiwick.cli.module import exact
from bailiwick.cli.options import TenantOptions, open_node
from bailiwick.errors import UsageRefused

if TYPE_CHECKING:
    from bailiwick.model import Actor
    from bailiwick.supervisor import Swapper

SHOWN_MAX = 10
"""Differences that are printed for people, in number; --json has more."""
VALUE_CHARACTERS_MAX = 120
Calls = Annotated[int, Parameter(validator=validators.Number(gte=0, lte=100_000))]
Milliseconds = Annotated[int, Parameter(validator=validators.Number(gte=0, lte=600_000))]
Flag = Annotated[bool, Parameter(negative="", show_default=False)]


def swap(
    source: Path,
    /,
    *,
    calls: Calls = 100,
    drain_ms: Milliseconds = 10_000,
    dry_run: Flag = False,
    force: Flag = False,
    yes: Flag = False,
    options: TenantOptions = TenantOptions(),
) -> int:
    """Put a new version of a module in place of the active one, without losing a call.

    First the newest calls that really happened are run again with the new version, and what it would have answered
    otherwise is shown. Then new calls wait, those in flight end, and the switch is one record. Exits 0 when it was
    swapped, or when a dry run shows no difference; 1 when a dry run shows some.

    Args:
        source: Folder of the new version, built and signed.
        calls: How many of the newest calls are run again.
        drain_ms: How long to wait for calls in flight, in milliseconds; then the old version answers on.
        dry_run: Show what would differ, and switch nothing.
        force: Wait until every call in flight has met its own deadline, and switch though functions are lacking.
        yes: Switch without being asked, though answers differ.
    """
    files = read_folder(source.parent if source.is_file() else source)
    with _swapper(options) as (swapper, actor):
        with screen.progress("running calls again", calls) as advance:
            plan = swapper.plan(files, actor, calls=calls, progress=advance)
        told = plan.to_json()
        is_same = not (plan.rehearsal.differing or plan.asks_more or plan.lacking)
        if dry_run:
            print(exact(told) if options.json else screen.plain(_plan_text(told)))
            return 0 if is_same else 1
        screen.say(_plan_text(told))
        if not is_same and not yes:
            _confirm(plan.name)
        done = swapper.swap(plan, actor, drain_ms=drain_ms, force=force).to_json()
    text = f"{done['name']} {done['version']} answers now; new calls waited {done['pause_ms']} ms. " + (
        f"To take it back: bailiwick module rollback {done['name']}"
    )
    print(exact({**done, "plan": told}) if options.json else screen.plain(text))
    return 0


def rollback(name: str, /, *, drain_ms: Milliseconds = 10_000, options: TenantOptions = TenantOptions()) -> int:
    """Bring back the version of a module that was active before.

    Args:
        name: The module.
        drain_ms: How long to wait for calls in flight, in milliseconds.
    """
    with _swapper(options) as (swapper, actor):
        done = swapper.roll_back(name, actor, drain_ms=drain_ms).to_json()
    screen.give(done, f"{done['name']} {done['version']} answers again", as_json=options.json)
    return 0


def pin(name: str, /, *, options: TenantOptions = TenantOptions()) -> int:
    """Keep a module at the version that is active: nothing else is installed or swapped in until it is unpinned.

    Args:
        name: The module.
    """
    with _swapper(options) as (swapper, actor):
        module = swapper.pin(name, actor)
    answer = {"name": module.name, "version": module.version, "pinned": True}
    screen.give(answer, f"{module.name} stays at {module.version}", as_json=options.json)
    return 0


def unpin(name: str, /, *, options: TenantOptions = TenantOptions()) -> int:
    """Let a module be swapped again.

    Args:
        name: The module.
    """
    with _swapper(options) as (swapper, actor):
        module = swapper.unpin(name, actor)
    answer = {"name": module.name, "version": module.version, "pinned": False}
    screen.give(answer, f"{module.name} can be swapped again", as_json=options.json)
    return 0


@contextmanager
def _swapper(options: TenantOptions) -> Iterator[tuple[Swapper, Actor]]:
    with open_node(options) as (node, tenant):
        yield node.supervisor.swapper(tenant), node.actor(tenant)


def _confirm(name: str) -> None:
    if not screen.can_ask():
        raise UsageRefused(
            f"the new version of {name} would have done otherwise, and nobody is there to be asked",
            hint="look first with --dry-run, then say --yes",
            code="not-confirmed",
        )
    if not screen.ask("switch all the same?"):
        raise UsageRefused("nothing was switched", hint="the active version answers on", code="not-confirmed")


def _plan_text(told: dict[str, Any]) -> str:
    found = told["rehearsal"]
    lines = [
        f"{told['name']}: {told['old']['version']} is active, {told['new']['version']} would take its place",
        f"{found['calls']} calls run again, {found['differing']} would have ended otherwise",
    ]
    if found["gone"]:
        lines.append(f"{found['gone']} more cannot be: what was kept of them was erased")
    if found["left"]:
        lines.append(f"{found['left']} more were left: the new version uses up all the fuel of a call")
    if found["calls"]:
        lines.append(f"fuel {found['fuel']['before']:,} before, {found['fuel']['now']:,} with the new version")
    for each in found["differences"][:SHOWN_MAX]:
        lines.append(f"  record {each['record']} {each['function']}, {each['kind']}:")
        lines += [f"    was      {_short(each['was'])}", f"    would be {_short(each['would_be'])}"]
    if found["differing"] > SHOWN_MAX:
        lines.append(f"  and {found['differing'] - SHOWN_MAX} more: --json lists them")
    lines += [f"it asks for more, and does not get it by this: {each}" for each in told["asks_more"]]
    lines += [f"it has no function {each} any more" for each in told["lacking"]]
    if told["cases"]:
        lines.append(f"its own {told['cases']} cases pass")
    lines.append("it says that it is well" if told["health"] == "well" else "it does not say how it is")
    return "\n".join(lines)


def _short(value: Any) -> str:
    from bailiwick.supervisor import encode_value

    text = encode_value(value).decode()
    return text if len(text) <= VALUE_CHARACTERS_MAX else text[: VALUE_CHARACTERS_MAX - 3] + "..."
