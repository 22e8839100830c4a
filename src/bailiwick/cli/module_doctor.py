"""`bailiwick module doctor`: what is missing or odd about a module in a folder, each with what to do about it."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bailiwick.cli import screen
from bailiwick.cli.folder import read_folder
from bailiwick.cli.module_desk import loaded_module
from bailiwick.cli.options import TenantOptions, open_node, settings
from bailiwick.errors import BailiwickError, NotTrusted

if TYPE_CHECKING:
    from bailiwick.authoring import Finding, Project

WARM_CALLS = 9
"""Calls of which the middle one is told as a warm call."""


def doctor(folder: Path, /, *, options: TenantOptions = TenantOptions()) -> int:
    """Check a module before anybody else does: toolchain, manifest, binary, signature, capabilities, cases, cost.

    Exits 0 where nothing keeps it from being used, else 1. Advice alone does not count.

    Args:
        folder: The module's folder.
    """
    from bailiwick.authoring import fault_of, manifest_faults, project_findings, read_project

    files = read_folder(folder)
    findings = manifest_faults(files["module.json"]) if "module.json" in files else []
    measured: dict[str, Any] = {}
    if not findings:
        try:
            project = read_project(files)
            findings += project_findings(project)
            findings += _built(folder, project, files, options, measured)
            findings += _signature(files, options)
        except BailiwickError as error:
            findings.append(fault_of(error))
    is_well = not any(each.level == "fault" for each in findings)
    answer = {"ok": is_well, "findings": [each.to_json() for each in findings], "measured": measured}
    screen.give(answer, _text(findings, measured), as_json=options.json)
    return 0 if is_well else 1


def _built(
    folder: Path, project: Project, files: Mapping[str, bytes], options: TenantOptions, measured: dict[str, Any]
) -> Iterator[Finding]:
    """Look at the binary, or for one that runs without, at the source; ``measured`` is told what a call costs."""
    from bailiwick.authoring import NATIVE, advice, binary_findings, fault, guest_findings
    from bailiwick.engine import Guest
    from bailiwick.node import toolchain_for

    is_native = project.manifest["abi"] == NATIVE
    wasm = files.get(str(project.manifest["file"]))
    stale = [] if is_native else list(binary_findings(project, wasm))
    yield from stale
    if not is_native:
        try:
            toolchain_for(project.language, folder).version()
        except BailiwickError as error:
            is_needed = any(each.level == "fault" for each in stale)
            yield (fault if is_needed else advice)(error.code, error.message, error.hint)
    if wasm is None:
        return
    began = time.perf_counter()
    with loaded_module(folder, project, options) as (runner, guest):
        measured["load_ms"] = round((time.perf_counter() - began) * 1000)
        if isinstance(guest, Guest):
            measured |= {"size": len(wasm), "memory_bytes_min": guest.memory_bytes_min}
            yield from guest_findings(project, guest, wasm)
        measured |= _cost(project, runner, guest)


def _cost(project: Project, runner: Any, guest: Any) -> dict[str, Any]:
    """Measure a call: the first case that has an answer. Without one, nothing is known."""
    from bailiwick.authoring import Desk, read_cases, trace_call
    from bailiwick.canonical import canonical_bytes
    from bailiwick.model import Tier
    from bailiwick.node import desk_services

    case = next((each for each in read_cases(project.cases) if "output" in each and not each.get("host")), None)
    if case is None or case["function"] not in project.manifest["functions"]:
        return {}
    manifest = {**project.manifest, "digest": guest.digest}
    desk = Desk(manifest, desk_services(), lambda _: None)
    given, budget = canonical_bytes(case["input"]), Tier(manifest["tier"]).budget

    def call() -> Any:
        return trace_call(manifest, runner, guest, case["function"], given, budget=budget, host=desk)

    first = call()
    warm = sorted(call().took_us for _ in range(WARM_CALLS))[WARM_CALLS // 2]
    cost = {"function": case["function"], "cold_us": first.took_us, "warm_us": warm}
    return {**cost, "fuel": first.fuel, "memory_bytes": first.memory_bytes}


def _signature(files: Mapping[str, bytes], options: TenantOptions) -> Iterator[Finding]:
    """Look at who vouches for the module, and whether the tenant of the home here trusts that key."""
    from bailiwick.authoring import NATIVE, advice, fault, fault_of
    from bailiwick.schema import parse_document
    from bailiwick.settings import NODE_FILE
    from bailiwick.supervisor import SIGNATURE_FILE
    from bailiwick.trust import TrustedKeys, read_signature, verify_manifest

    manifest = parse_document(files["module.json"])
    if manifest["abi"] == NATIVE:
        return
    if SIGNATURE_FILE not in files:
        yield advice("unsigned", "nobody vouches for it yet", "bailiwick module sign FOLDER")
        return
    try:
        key, _ = read_signature(files[SIGNATURE_FILE])
        alone = TrustedKeys(trusted=frozenset({key}))
        verify_manifest(manifest, files[SIGNATURE_FILE], alone, subject="the module")
    except NotTrusted as error:
        yield fault_of(error)
        return
    if not (settings(options).home / NODE_FILE).is_file():
        return
    with open_node(options) as (node, tenant):
        keys = node.supervisor.registry(tenant).state.now().keys
    if keys.is_revoked(key) or key not in keys.trusted:
        what = "was revoked" if keys.is_revoked(key) else "is not trusted"
        yield fault(
            "key-revoked" if keys.is_revoked(key) else "key-unknown",
            f"it is signed by {key.text()}, which {what} by tenant {tenant}",
            f"bailiwick module trust {key.text()} --tenant {tenant}",
        )


def _text(findings: list[Finding], measured: Mapping[str, Any]) -> str:
    lines = []
    for each in findings:
        lines.append(f"{'BAD ' if each.level == 'fault' else 'note'}  {each.what} ({each.code})")
        lines.append(f"      try: {each.hint}")
    if not findings:
        lines.append("ok    nothing is missing")
    if "warm_us" in measured:
        lines.append(
            f"a call of {measured['function']}: {measured['cold_us']:,} µs cold, {measured['warm_us']:,} µs warm, "
            f"fuel {measured['fuel']:,}, memory {measured['memory_bytes']:,} bytes"
        )
    return "\n".join(lines)
