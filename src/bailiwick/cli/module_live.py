"""A version from the desk goes live in a local home: signed, installed, or swapped in for the one that is there."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bailiwick.cli.options import TenantOptions, open_node

MANIFEST = "module.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Live:
    """What answers calls now. ``calls`` were run again before the switch, and ``differing`` of them end otherwise."""

    name: str
    version: str
    calls: int = 0
    differing: int = 0
    pause_ms: int = 0
    is_swapped: bool = False
    is_same: bool = False

    def to_json(self) -> dict[str, Any]:
        """Give it as JSON."""
        told = {"name": self.name, "version": self.version, "swapped": self.is_swapped, "same": self.is_same}
        return {**told, "calls": self.calls, "differing": self.differing, "pause_ms": self.pause_ms}

    def lines(self) -> list[str]:
        """Give it for people."""
        if self.is_same:
            return [f"live: {self.name} {self.version} answers already"]
        if not self.is_swapped:
            return [f"live: {self.name} {self.version} is installed"]
        shown = f"{self.differing} of {self.calls} calls end otherwise"
        return [f"live: {self.name} {self.version} was swapped in, {shown}"]


def go_live(files: Mapping[str, bytes], options: TenantOptions, *, calls: int) -> Live:
    """Sign a module with the tenant's own key, and let it answer calls in the local home.

    Where a version of it is there already, this one gets the next number, in the home alone.

    Args:
        files: The module's folder, built.
        options: Which home and tenant.
        calls: How many of the newest calls are run again before a switch.

    Raises:
        NotFound: there is no home (code ``home-not-found``).
        ModuleRefused, NotTrusted: as installing or swapping refuses it.
    """
    from bailiwick.supervisor import SIGNATURE_FILE, parse_manifest, read_version
    from bailiwick.trust import sign_manifest

    manifest = parse_manifest(files[MANIFEST])
    with open_node(options) as (node, tenant):
        registry, actor = node.supervisor.registry(tenant), node.actor(tenant)
        name = str(manifest["name"])
        there = next((each for each in node.supervisor.modules(tenant) if each.name == name), None)
        if (
            there is not None
            and there.digest == manifest.get("digest")
            and _is_same(registry.manifest(name).raw, manifest)
        ):
            return Live(name=name, version=there.version, is_same=True)
        if there is not None:
            major, minor, patch = max(read_version(there.version), read_version(str(manifest["version"])))
            manifest["version"] = f"{major}.{minor}.{patch + 1}"
        text = json.dumps(manifest, ensure_ascii=False).encode()
        signed = {**files, MANIFEST: text, SIGNATURE_FILE: sign_manifest(manifest, node.author(tenant))}
        if there is None:
            installed = registry.install(signed, actor)
            return Live(name=installed.name, version=installed.version)
        swapper = node.supervisor.swapper(tenant)
        plan = swapper.plan(signed, actor, calls=calls)
        done = swapper.swap(plan, actor)
    return Live(
        name=name,
        version=done.installed.version,
        calls=plan.rehearsal.calls,
        differing=plan.rehearsal.differing,
        pause_ms=done.pause_ms,
        is_swapped=True,
    )


def _is_same(kept: bytes, manifest: Mapping[str, Any]) -> bool:
    """Say whether a manifest differs from the one that is there by its version alone."""
    return {**json.loads(kept), "version": None} == {**manifest, "version": None}
