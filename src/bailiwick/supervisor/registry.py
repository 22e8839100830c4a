"""What is done to the modules of one tenant: keys trusted, modules installed and removed, capabilities granted.

Each act looks, decides and records under one lock, so that two terminals cannot both be right. A module that is refused
leaves a record of that, too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from bailiwick.canonical import canonical_bytes, digest
from bailiwick.engine import Engine, Guest
from bailiwick.errors import BailiwickError, ModuleRefused, NotFound, NotTrusted, UsageRefused
from bailiwick.keys import Verifier
from bailiwick.model import Actor, JsonValue, Receipt
from bailiwick.ports import BlobStore, HostService
from bailiwick.schema import parse_document
from bailiwick.supervisor.allow import NodeRules
from bailiwick.supervisor.binaries import keep_module, keep_runner, kept_manifest, kept_runner
from bailiwick.supervisor.check import admit, check_offered
from bailiwick.supervisor.ledgerstate import LedgerState
from bailiwick.supervisor.manifest import Manifest, is_in_range, parse_manifest, read_manifest, read_version
from bailiwick.supervisor.state import (
    GRANT_REVOKED,
    GRANTED,
    INSTALLED,
    KEY_REVOKED,
    KEY_TRUSTED,
    REFUSED,
    REMOVED,
    STARTED,
    STOPPED,
    FleetState,
    Grant,
    Installed,
)
from bailiwick.trust import unsigned, verify_manifest

MANIFEST_FILE = "module.json"
SIGNATURE_FILE = "module.sig"
MODULES_MAX = 100
"""Most modules of one tenant."""
SCOPES_MAX = 1_024
"""Most scopes that are kept at hand."""
MADE_HERE = frozenset({"cpython"})
"""Engines of scripts that a node makes for itself, differing in a few bytes each time."""
Runners: TypeAlias = Callable[[str], bytes]
"""Gives the binary of an engine of scripts by its name, or says why there is none."""
KEYS_MAX = 64
"""Most keys that a tenant trusts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A module that was examined and could be installed: signed by ``key``, and compiled."""

    manifest: Manifest
    key: Verifier
    signature: bytes = field(repr=False)
    wasm: bytes = field(repr=False)
    guest: Guest = field(repr=False)
    runner: bytes | None = field(repr=False, default=None)
    texts: tuple[bytes, ...] = field(repr=False, default=())


@dataclass(frozen=True, slots=True, kw_only=True)
class Registry:
    """The modules of one tenant, and all that may be done to them."""

    tenant: str
    state: LedgerState
    blobs: BlobStore
    engine: Engine = field(repr=False)
    services: Mapping[str, HostService]
    rules: NodeRules
    runner_of: Runners
    _scopes: dict[str, dict[str, Any]] = field(default_factory=dict, repr=False)

    # --- keys -------------------------------------------------------------------------------------------------------

    def trust(self, key: str, actor: Actor) -> Verifier:
        """Accept modules that a key signs from now on; a key that is trusted already costs nothing.

        Raises:
            UsageRefused: it is no verifier key, or there are ``KEYS_MAX`` (code ``keys-too-many``).
            NotTrusted: it was revoked (code ``key-revoked``): that cannot be taken back.
        """
        verifier = Verifier.read(key)
        with self.state.exclusive() as now:
            if now.keys.is_revoked(verifier):
                raise NotTrusted(
                    f"{key} was revoked, and a revoked key is never trusted again",
                    hint="have the author make a new key, and sign with that",
                    code="key-revoked",
                )
            if key not in now.trusted:
                if len(now.trusted) >= KEYS_MAX:
                    raise UsageRefused(
                        f"{KEYS_MAX} keys are trusted already",
                        hint="bailiwick module untrust KEY",
                        code="keys-too-many",
                    )
                self._record(KEY_TRUSTED, _key_resource(verifier), {"key": key}, actor)
        return verifier

    def untrust(self, key: str, actor: Actor) -> Verifier:
        """Revoke a key for good: nothing that it signed is installed or called any more.

        Raises:
            UsageRefused: it is no verifier key.
        """
        verifier = Verifier.read(key)
        with self.state.exclusive() as now:
            if key not in now.revoked:
                self._record(KEY_REVOKED, _key_resource(verifier), {"key": key}, actor)
        return verifier

    # --- modules ----------------------------------------------------------------------------------------------------

    def install(self, files: Mapping[str, bytes], actor: Actor, *, approve_internal: bool = False) -> Installed:
        """Install a module, or put a higher version in place of the one that is there; what is there costs nothing.

        Args:
            files: ``module.json``, ``module.sig`` and the binary, by name; others are left alone.
            actor: Who installs it.
            approve_internal: The operator's word for a module that is part of the system.

        Raises:
            NotTrusted: it is not signed, or not by a key that the tenant trusts.
            ModuleRefused: it is not what it says, asks for what is not offered, is older than what was there, needs
                what is not installed, or may not run on this node.
            InputRefused: its manifest is none.
        """
        with self.state.exclusive() as now:
            told: dict[str, JsonValue] = {}
            try:
                return self._install(now, files, actor, told, approve_internal=approve_internal)
            except BailiwickError as error:
                if error.exit_code == ModuleRefused.exit_code:
                    name = told.get("name")
                    where = f"module/{name}" if name else "module"
                    self._record(REFUSED, where, {"code": error.code, **told}, actor)
                raise

    def _install(
        self,
        now: FleetState,
        files: Mapping[str, bytes],
        actor: Actor,
        told: dict[str, JsonValue],
        *,
        approve_internal: bool,
    ) -> Installed:
        """Do it; ``told`` gathers what a refusal may say, and nothing that nobody vouched for."""
        manifest, key = self.vouched(now, files, told)
        before = now.modules.get(manifest.name)
        if before is not None and before.manifest == manifest.digest:
            return before
        if now.swaps.is_draining(manifest.name):
            raise ModuleRefused(
                f"module {manifest.name} is being swapped now",
                hint="wait for its end, then install a higher version",
                code="module-swapping",
            )
        candidate = self.examine(now, manifest, key, files, approve_internal=approve_internal)
        self._record(INSTALLED, f"module/{manifest.name}", self.keep(candidate), actor)
        return self.state.now().modules[manifest.name]

    def vouched(
        self, now: FleetState, files: Mapping[str, bytes], told: dict[str, JsonValue]
    ) -> tuple[Manifest, Verifier]:
        """Give the manifest of a module and the key of whoever signed it, whom the tenant trusts.

        Args:
            now: The tenant's modules.
            files: As ``install`` takes them.
            told: Gathers what a refusal may say, and nothing that nobody vouched for.

        Raises:
            NotTrusted, ModuleRefused, InputRefused: as ``install``.
        """
        if MANIFEST_FILE not in files:
            raise ModuleRefused(
                f"there is no {MANIFEST_FILE}", hint="give the folder that it is in", code="module-manifest"
            )
        value = parse_manifest(files[MANIFEST_FILE])
        told["manifest"] = digest(canonical_bytes(value))
        subject = "the module"
        if SIGNATURE_FILE not in files:
            raise unsigned(subject)
        key = verify_manifest(value, files[SIGNATURE_FILE], now.keys, subject=subject)
        manifest = read_manifest(value)
        told |= {"name": manifest.name, "version": manifest.version}
        return manifest, key

    def examine(
        self,
        now: FleetState,
        manifest: Manifest,
        key: Verifier,
        files: Mapping[str, bytes],
        *,
        approve_internal: bool = False,
    ) -> Candidate:
        """Check everything about a module that can be checked without installing it, and give it compiled.

        Raises:
            ModuleRefused: as ``install``.
        """
        self.rules.check(manifest.name, manifest.binary)
        self.check_pin(now, manifest)
        self._check_version(now, manifest)
        if manifest.is_internal and not approve_internal:
            raise ModuleRefused(
                f"{manifest.subject} is internal, a part of the system, and nobody approved it",
                hint="where the operator does: bailiwick module install FOLDER --approve-internal",
                code="module-internal",
            )
        self._check_dependencies(now, manifest)
        check_offered(manifest, self.services)
        wasm, *texts = (_file(manifest, name, files) for name in (manifest.file, *_variant_files(manifest)))
        runner = None if manifest.engine is None else self._runner(now, manifest.engine)
        guest = admit(manifest, wasm, self.engine, runner, texts)
        return Candidate(
            manifest=manifest,
            key=key,
            signature=files[SIGNATURE_FILE],
            wasm=wasm,
            guest=guest,
            runner=runner,
            texts=tuple(texts),
        )

    def _runner(self, now: FleetState, name: str) -> bytes:
        """Give the engine of scripts: one that a script of the tenant uses already, where making it anew is dear."""
        for each in now.modules.values():
            if each.engine == name and name in MADE_HERE:
                kept = kept_runner(self.tenant, self.blobs, each)
                assert kept is not None
                return kept
        return self.runner_of(name)

    def keep(self, candidate: Candidate) -> dict[str, JsonValue]:
        """Keep a module that was examined, and give the detail of the record that installs it.

        Raises:
            ModuleRefused: its binary is larger than what is kept.
            Unavailable: it cannot be kept.
        """
        manifest = candidate.manifest
        pieces = keep_module(
            self.tenant, self.blobs, manifest, candidate.signature, candidate.wasm, texts=candidate.texts
        )
        engine: dict[str, JsonValue] = {}
        if candidate.runner is not None:
            kept = list(keep_runner(self.tenant, self.blobs, candidate.runner))
            engine["engine"] = {"name": manifest.engine, "digest": digest(candidate.runner), "pieces": list(kept)}
        return {
            **engine,
            "name": manifest.name,
            "version": manifest.version,
            "digest": manifest.binary,
            "manifest": manifest.digest,
            "signature": digest(candidate.signature),
            "pieces": list(pieces),
            "key": candidate.key.text(),
            "tier": manifest.tier.value,
            "internal": manifest.is_internal,
            "dependencies": [each.name for each in manifest.dependencies],
        }

    def remove(self, name: str, actor: Actor) -> Installed:
        """Remove a module with its grants; its name and version stay taken.

        Raises:
            NotFound: it is not installed.
            ModuleRefused: another module depends on it (code ``module-needed``).
        """
        with self.state.exclusive() as now:
            module = find_module(now, name)
            needing = [each.name for each in now.modules.values() if name in each.dependencies]
            if needing:
                raise ModuleRefused(
                    f"module {name} cannot be removed: {', '.join(needing)} depends on it",
                    hint=f"bailiwick module remove {needing[0]}",
                    code="module-needed",
                )
            self._record(REMOVED, f"module/{name}", dict(module.reference.to_json().items()), actor)
        return module

    def switch(self, name: str, actor: Actor, *, on: bool) -> Installed:
        """Let a module answer calls, or stop it; one that is so already costs nothing.

        Raises:
            NotFound: it is not installed.
        """
        with self.state.exclusive() as now:
            module = find_module(now, name)
            if module.is_started != on:
                event = STARTED if on else STOPPED
                self._record(event, f"module/{name}", dict(module.reference.to_json().items()), actor)
            return self.state.now().modules[name]

    # --- grants -----------------------------------------------------------------------------------------------------

    def grant(
        self,
        name: str,
        interface: str,
        actor: Actor,
        *,
        functions: Sequence[str] = (),
        scope: Mapping[str, JsonValue] | None = None,
    ) -> Grant:
        """Let a module use functions of an interface, in place of what it was granted of that interface before.

        Args:
            name: The module.
            interface: Such as ``bailiwick:clock/clock@0.1.0``; the module asks for it.
            actor: Who grants it.
            functions: Which of those that it asks for; none means all of them.
            scope: What it may reach; None means what it asks for.

        Raises:
            NotFound: the module is not installed.
            UsageRefused: it does not ask for that (``grant-unasked``), or the scope means nothing (``grant-scope``).
        """
        with self.state.exclusive() as now:
            module = find_module(now, name)
            asked = kept_manifest(self.tenant, self.blobs, module).capability(interface)
            chosen = tuple(sorted(set(functions or (asked.functions if asked else ()))))
            if asked is None or not set(chosen) <= set(asked.functions):
                what = interface if asked is None else f"{interface} beyond {', '.join(asked.functions)}"
                raise UsageRefused(
                    f"module {name} does not ask for {what[:200]}",
                    hint=f"bailiwick module show {name} lists what it asks for",
                    code="grant-unasked",
                )
            granted = dict(asked.scope if scope is None else scope)
            self.services[asked.service].check_scope(granted)
            held = now.granted(name).get(interface)
            if held is not None and (held.functions, self.scope(held)) == (chosen, granted):
                return held
            (kept,) = self.blobs.put_many(self.tenant, [canonical_bytes(granted)])
            detail: dict[str, JsonValue] = {
                "name": name,
                "interface": interface,
                "functions": list(chosen),
                "scope": kept,
            }
            self._record(GRANTED, f"module/{name}", detail, actor)
            return self.state.now().granted(name)[interface]

    def ungrant(self, name: str, interface: str, actor: Actor) -> None:
        """Take a grant back; calls that are running meet that at their next question.

        Raises:
            NotFound: the module is not installed, or was granted no such thing (code ``grant-not-found``).
        """
        with self.state.exclusive() as now:
            find_module(now, name)
            if interface not in now.granted(name):
                raise NotFound(
                    f"module {name} was not granted {interface[:200]}",
                    hint=f"bailiwick module show {name} lists its grants",
                    code="grant-not-found",
                )
            self._record(GRANT_REVOKED, f"module/{name}", {"name": name, "interface": interface}, actor)

    def scope(self, grant: Grant) -> dict[str, Any]:
        """Give what a grant lets its module reach; it is named by its digest, so it is read once."""
        scope = self._scopes.get(grant.scope)
        if scope is None:
            scope = parse_document(self.blobs.get(self.tenant, grant.scope))
            if len(self._scopes) < SCOPES_MAX:
                self._scopes[grant.scope] = scope
        return scope

    # --- looking ----------------------------------------------------------------------------------------------------

    def manifest(self, name: str) -> Manifest:
        """Give the manifest of an installed module.

        Raises:
            NotFound: it is not installed.
        """
        return self.manifest_of(find_module(self.state.now(), name))

    def manifest_of(self, module: Installed) -> Manifest:
        """Give the manifest of a version that is or was installed."""
        return kept_manifest(self.tenant, self.blobs, module)

    def _record(self, event_type: str, resource: str, detail: dict[str, JsonValue], actor: Actor) -> Receipt:
        return self.state.record(event_type, resource, detail, actor)

    @staticmethod
    def check_pin(now: FleetState, manifest: Manifest) -> None:
        """Refuse another version than the one that the tenant pinned."""
        pinned = now.swaps.pins.get(manifest.name)
        if pinned is not None and manifest.version != pinned:
            raise ModuleRefused(
                f"{manifest.subject} is not {pinned}, to which the tenant pinned it",
                hint=f"bailiwick module unpin {manifest.name}",
                code="module-pinned",
            )

    def _check_version(self, now: FleetState, manifest: Manifest) -> None:
        """Refuse what is older than what was ever here, and other code under a version that is taken."""
        if manifest.name not in now.modules and len(now.modules) >= MODULES_MAX:
            raise ModuleRefused(
                f"{MODULES_MAX} modules are installed already", hint="bailiwick module remove NAME", code="modules-many"
            )
        floor = now.floors.get(manifest.name)
        if floor is None or floor.manifest == manifest.digest:
            return
        if read_version(manifest.version) < read_version(floor.version):
            raise ModuleRefused(
                f"{manifest.subject} is older than {floor.version}, which was installed before",
                hint="where the older code is wanted, have its author sign it under a higher version",
                code="module-downgrade",
            )
        if manifest.version == floor.version:
            raise ModuleRefused(
                f"{manifest.subject} is not the {manifest.version} that was installed before",
                hint="a version names one manifest for ever: have its author raise it",
                code="module-version-taken",
            )

    def _check_dependencies(self, now: FleetState, manifest: Manifest) -> None:
        """Refuse what needs modules that are not there, and what others could not go on with."""
        for needed in manifest.dependencies:
            there = now.modules.get(needed.name)
            if there is None or not is_in_range(there.version, needed.version):
                have = "is not installed" if there is None else f"is {there.version}"
                raise ModuleRefused(
                    f"{manifest.subject} needs module {needed.name} {needed.version}, which {have}",
                    hint=f"install {needed.name} first",
                    code="module-dependency",
                )
        for other in now.modules.values():
            if manifest.name not in other.dependencies:
                continue
            wanted = {each.name: each.version for each in kept_manifest(self.tenant, self.blobs, other).dependencies}
            if not is_in_range(manifest.version, wanted[manifest.name]):
                raise ModuleRefused(
                    f"module {other.name} needs {manifest.name} {wanted[manifest.name]}, not {manifest.version}",
                    hint=f"install a version of {other.name} that goes with it first, or remove {other.name}",
                    code="module-dependency",
                )


def find_module(now: FleetState, name: str) -> Installed:
    """Give an installed module.

    Raises:
        NotFound: it is not installed (code ``module-not-found``).
    """
    module = now.modules.get(name)
    if module is None:
        raise NotFound(f"no module {name[:80]!r} is installed", hint="bailiwick module list", code="module-not-found")
    return module


def _file(manifest: Manifest, name: str, files: Mapping[str, bytes]) -> bytes:
    """Give a file that a manifest names."""
    found = files.get(name)
    if found is None:
        raise ModuleRefused(
            f"{manifest.subject} names {name}, which is not there",
            hint="bailiwick module build FOLDER makes it" if name.endswith(".wasm") else "put it beside module.json",
            code="module-file",
        )
    return found


def _variant_files(manifest: Manifest) -> list[str]:
    return [each.file for each in manifest.variants]


def _key_resource(key: Verifier) -> str:
    return f"module-key/{key.key_id.hex()}"


def no_runner(name: str) -> bytes:
    """Say that this node runs no scripts.

    Raises:
        ModuleRefused: always (code ``script-engine``).
    """
    raise ModuleRefused(
        f"this node has no engine {name[:80]} for scripts", hint="ask its operator", code="script-engine"
    )
