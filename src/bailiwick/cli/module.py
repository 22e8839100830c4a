"""`bailiwick module trust|install|list|show|grant|call|...`: the modules of a tenant, and what they may do."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from bailiwick.cli import screen
from bailiwick.cli.folder import read_folder
from bailiwick.cli.options import RecordIndex, TenantOptions, TextInput, open_node
from bailiwick.cli.text_input import read_text_input
from bailiwick.errors import UsageRefused

if TYPE_CHECKING:
    from bailiwick.model import Actor
    from bailiwick.supervisor import Registry, Supervisor

REFUSED = 3
"""Exit code of a call that the module itself refused."""


# --- keys -----------------------------------------------------------------------------------------------------------


def trust(key: str, /, *, options: TenantOptions = TenantOptions()) -> int:
    """Accept modules that a key signs from now on.

    Args:
        key: The author's verifier key, got from the author by another way than the module itself.
    """
    with _registry(options) as (registry, actor):
        verifier = registry.trust(key, actor)
    screen.give({"key": key, "trusted": True}, f"modules signed by {verifier.name} are accepted", as_json=options.json)
    return 0


def untrust(key: str, /, *, options: TenantOptions = TenantOptions()) -> int:
    """Revoke a key for good: nothing that it signed is installed or called any more.

    Args:
        key: The author's verifier key.
    """
    with _registry(options) as (registry, actor):
        verifier = registry.untrust(key, actor)
    text = f"nothing that {verifier.name} signed is installed or called any more"
    screen.give({"key": key, "trusted": False}, text, as_json=options.json)
    return 0


# --- modules --------------------------------------------------------------------------------------------------------


def install(
    source: Path,
    /,
    *,
    approve_internal: Annotated[bool, Parameter(negative="", show_default=False)] = False,
    options: TenantOptions = TenantOptions(),
) -> int:
    """Install a signed module, or a higher version of one. It may do nothing that is not granted afterwards.

    Args:
        source: Its folder, or the `module.json` or binary in it.
        approve_internal: The operator's word for a module that is part of the system; the record names who gave it.
    """
    files = read_folder(source.parent if source.is_file() else source)
    with _registry(options) as (registry, actor):
        installed = registry.install(files, actor, approve_internal=approve_internal)
        answer = {**_summary(installed), "record": installed.record, "capabilities": _asked(registry, installed.name)}
    lines = [f"{installed.name} {installed.version} is installed, {installed.digest}"]
    if answer["capabilities"]:
        lines += ["it asks for:", *(f"  {each['interface']}: {each['reason']}" for each in answer["capabilities"])]
        lines.append(f"to grant all of that: bailiwick module grant {installed.name}")
    screen.give(answer, "\n".join(lines), as_json=options.json)
    return 0


def list_modules(*, options: TenantOptions = TenantOptions()) -> int:
    """List the modules that are installed."""
    with _fleet(options) as (fleet, tenant, _):
        found = [_summary(each) for each in fleet.modules(tenant)]
    rows = [(each["name"], each["version"], each["tier"], each["state"], each["digest"]) for each in found]
    screen.give({"modules": found}, screen.columns(rows) if rows else "no modules", as_json=options.json)
    return 0


def show(name: str, /, *, options: TenantOptions = TenantOptions()) -> int:
    """Show a module: its functions, what it asks for, and what it was granted.

    Args:
        name: Its name.
    """
    with _fleet(options) as (fleet, tenant, _):
        answer = fleet.show(tenant, name).to_json()
    screen.give(answer, _shown(answer), as_json=options.json)
    return 0


def start(name: str, /, *, options: TenantOptions = TenantOptions()) -> int:
    """Let a module answer calls again.

    Args:
        name: Its name.
    """
    return _switch(name, options, on=True)


def stop(name: str, /, *, options: TenantOptions = TenantOptions()) -> int:
    """Stop a module: it answers no calls until it is started.

    Args:
        name: Its name.
    """
    return _switch(name, options, on=False)


def remove(name: str, /, *, options: TenantOptions = TenantOptions()) -> int:
    """Remove a module with its grants. What was recorded stays, and so does what its calls kept.

    Args:
        name: Its name; no other module may depend on it.
    """
    with _registry(options) as (registry, actor):
        removed = registry.remove(name, actor)
    answer = {"name": removed.name, "version": removed.version, "removed": True}
    screen.give(answer, f"{removed.name} {removed.version} is removed", as_json=options.json)
    return 0


# --- grants ---------------------------------------------------------------------------------------------------------


def grant(
    name: str,
    interface: str | None = None,
    /,
    *,
    function: tuple[str, ...] = (),
    scope: str | None = None,
    options: TenantOptions = TenantOptions(),
) -> int:
    """Let a module use what it asks for: one interface, or all of them.

    Args:
        name: The module.
        interface: Such as bailiwick:clock/clock@0.1.0; left out, everything that it asks for.
        function: One of the functions that it asks for; give it once for each. Left out, all of them.
        scope: What it may reach, as JSON, or @FILE, or - for standard input. Left out, what it asks for.
    """
    if interface is None and (function or scope):
        raise UsageRefused("a function or scope is of one interface", hint="name the interface", code="grant-interface")
    chosen = None if scope is None else _object(read_text_input(scope))
    with _registry(options) as (registry, actor):
        asked = [each.interface for each in registry.manifest(name).capabilities]
        wanted = asked if interface is None else [interface]
        grants = [registry.grant(name, each, actor, functions=function, scope=chosen) for each in wanted]
        told = [
            {"interface": each.interface, "functions": list(each.functions), "scope": registry.scope(each)}
            for each in grants
        ]
    lines = [f"{name} may use {each['interface']}: {', '.join(each['functions'])}" for each in told]
    text = "\n".join(lines) or f"{name} asks for nothing"
    screen.give({"module": name, "granted": told}, text, as_json=options.json)
    return 0


def ungrant(name: str, interface: str, /, *, options: TenantOptions = TenantOptions()) -> int:
    """Take a grant back, at once.

    Args:
        name: The module.
        interface: Such as bailiwick:clock/clock@0.1.0.
    """
    with _registry(options) as (registry, actor):
        registry.ungrant(name, interface, actor)
    answer = {"module": name, "interface": interface, "granted": False}
    screen.give(answer, f"{name} may not use {interface} any more", as_json=options.json)
    return 0


# --- calls ----------------------------------------------------------------------------------------------------------


def call(
    name: str,
    function: str,
    /,
    *,
    input: TextInput = "{}",  # noqa: A002 the word of the terminal
    priority: Literal["urgent", "normal", "patient"] = "normal",
    options: TenantOptions = TenantOptions(),
) -> int:
    """Call a function of a module, record that, and print its answer.

    Exits 3 where the module refuses its input; with `--json` the refusal is printed like an answer.

    Args:
        name: The module.
        function: Which of its functions; it may contain dots.
        input: JSON, or @FILE, or - for standard input.
        priority: An urgent call goes before the tenant's others where calls wait, a patient one after them.
    """
    from bailiwick.supervisor import NORMAL, PATIENT, URGENT

    given = read_text_input(input)
    with _fleet(options) as (fleet, tenant, actor):
        ticket = fleet.queue(tenant, {"urgent": URGENT, "normal": NORMAL, "patient": PATIENT}[priority])
        answer = fleet.call(tenant, name, function, given, actor, ticket=ticket)
    if options.json:
        print(exact(answer.to_json()))
    elif answer.refusal is None:
        print(screen.plain(exact(answer.value)))
    else:
        screen.say(f"{name} refuses: {answer.refusal.message} ({answer.refusal.code})")
    screen.say(f"record {answer.receipt.index}, fuel {answer.fuel:,}, memory {answer.memory_bytes:,} bytes")
    return 0 if answer.refusal is None else REFUSED


def replay(record: RecordIndex, /, *, options: TenantOptions = TenantOptions()) -> int:
    """Run a recorded call again with the host's answers of then, and compare; exits 1 where anything differs.

    Args:
        record: Index of a module.called record.
    """
    with _fleet(options) as (fleet, tenant, _):
        answer = fleet.replay(tenant, record).to_json()
    text = f"record {record}: the same bytes, fuel and questions"
    if not answer["same"]:
        text = f"record {record} differs in {', '.join(answer['differing'])}"
    screen.give(answer, text, as_json=options.json)
    return 0 if answer["same"] else 1


# --- inside ---------------------------------------------------------------------------------------------------------


@contextmanager
def _fleet(options: TenantOptions) -> Iterator[tuple[Supervisor, str, Actor]]:
    """Open the modules of the tenant that the options mean."""
    with open_node(options) as (node, tenant):
        yield node.supervisor, tenant, node.actor(tenant)


@contextmanager
def _registry(options: TenantOptions) -> Iterator[tuple[Registry, Actor]]:
    with _fleet(options) as (fleet, tenant, actor):
        yield fleet.registry(tenant), actor


def _switch(name: str, options: TenantOptions, *, on: bool) -> int:
    with _registry(options) as (registry, actor):
        module = registry.switch(name, actor, on=on)
    answer = _summary(module)
    screen.give(answer, f"{module.name} {module.version} is {answer['state']}", as_json=options.json)
    return 0


def _summary(module: Any) -> dict[str, Any]:
    from bailiwick.supervisor import summary

    return summary(module)


def _asked(registry: Registry, name: str) -> list[dict[str, Any]]:
    return [
        {"interface": each.interface, "functions": list(each.functions), "reason": each.reason}
        for each in registry.manifest(name).capabilities
    ]


def _object(raw: bytes) -> Mapping[str, Any]:
    from bailiwick.schema import parse_document

    value = parse_document(raw)
    if not isinstance(value, dict):
        raise UsageRefused("a scope is an object", hint='give {"...": ...}', code="grant-scope")
    return value


def exact(value: Any) -> str:
    """Write JSON as ASCII, with fractions as exact as they came."""
    from bailiwick.supervisor import encode_value

    text = encode_value(value).decode()
    return re.sub(r"[^\x00-\x7f]", lambda found: json.dumps(found[0])[1:-1], text)


def _told_variant(variant: Mapping[str, Any]) -> str:
    when = variant.get("when")
    told = f"{variant['name']} {variant['digest']}: {variant['percent']} of 100 calls"
    return told if when is None else f"{told} with {', '.join(map(json.dumps, when['in']))} at {when['path']}"


def _shown(answer: Mapping[str, Any]) -> str:
    lines = [
        f"{answer['name']} {answer['version']}, {answer['state']}: {answer['title']}",
        f"binary {answer['digest']}, {answer['abi']}, {answer['tier']}",
        f"signed by {answer['key']}",
    ]
    lines += [f"needs {each['name']} {each['version']}" for each in answer["dependencies"]]
    if "engine" in answer:
        lines.append(f"run by {answer['engine']['name']} {answer['engine']['digest']}")
        lines.append(f"packs pin it as {answer['pin']}")
    lines += [f"variant {_told_variant(each)}" for each in answer.get("variants", ())]
    lines += [f"  {name}: {each['title']}" for name, each in sorted(answer["functions"].items())]
    for each in answer["capabilities"]:
        granted = "granted" if each["granted"] else f"not granted: bailiwick module grant {answer['name']}"
        lines.append(f"asks for {each['interface']} ({', '.join(each['functions'])}), {granted}: {each['reason']}")
    return "\n".join(lines)
