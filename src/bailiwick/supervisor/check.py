"""Finds where a manifest and its binary say different things: a manifest is a promise, and here it is kept or not."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from bailiwick.canonical import digest
from bailiwick.engine import Engine, Guest, Variant, read_script
from bailiwick.errors import ModuleRefused
from bailiwick.ports import HostService
from bailiwick.supervisor.manifest import SCRIPT, Manifest

CORE_HOST_IMPORT = "bailiwick#call"
"""The one import of a core guest: through it, any interface may be asked."""
NOT_OFFERED = {
    "bailiwick:data/": "tables come with the data room, which this version does not have",
    "bailiwick:ai/": "models come with the ai room, which this version does not have",
    "bailiwick:events/": "events and schedules come with the workflows room, which this version does not have",
}
"""Interfaces whose contract is published and that nobody answers yet, and why."""


def admit(
    manifest: Manifest, wasm: bytes, engine: Engine, runner: bytes | None = None, texts: Sequence[bytes] = ()
) -> Guest:
    """Check a binary against its manifest, and give it compiled; of a script, with its engine and variants' texts.

    Raises:
        ModuleRefused: ``module-digest``; what ``Engine.load`` refuses, ``module-memory`` where the binary starts with
            more memory than its tier or limits give; ``module-form``, ``module-unasked``, ``module-function``.
    """
    if digest(wasm) != manifest.binary:
        raise _lie(manifest, f"the binary has digest {digest(wasm)}, the manifest states {manifest.binary}", "digest")
    if manifest.abi == SCRIPT:
        return _admit_script(manifest, wasm, engine, runner, texts)
    guest = engine.load(wasm, memory_bytes_max=manifest.budget.memory_bytes)
    if guest.form != manifest.abi:
        raise _lie(manifest, f"the binary is {guest.form}, the manifest states {manifest.abi}", "form")
    _check_imports(manifest, guest.imports)
    if guest.functions:
        lacking = sorted(manifest.functions.keys() - guest.functions.keys())
        if lacking:
            raise _lie(manifest, f"the binary exports no function {lacking[0]}", "function")
    for function in manifest.functions.values():
        if guest.memory_bytes_min > function.budget.memory_bytes:
            what = f"function {function.name} is given {function.budget.memory_bytes} bytes of memory"
            raise _lie(manifest, f"{what}, and the binary starts with {guest.memory_bytes_min}", "memory")
    return guest


def variants_of(manifest: Manifest, texts: Sequence[bytes]) -> tuple[Variant, ...]:
    """Join the variants that a manifest states to their texts, given in the same order.

    Raises:
        ModuleRefused: a text is not the one that is stated (``module-digest``), or none (``script-text``).
    """
    found = []
    for stated, text in zip(manifest.variants, texts, strict=True):
        if digest(text) != stated.digest:
            raise _lie(
                manifest, f"{stated.file} has digest {digest(text)}, the manifest states {stated.digest}", "digest"
            )
        found.append(
            Variant(
                name=stated.name,
                text=read_script(text),
                percent=stated.percent,
                path=stated.path,
                values=stated.values,
            )
        )
    return tuple(found)


def _admit_script(
    manifest: Manifest, source: bytes, engine: Engine, runner: bytes | None, texts: Sequence[bytes]
) -> Guest:
    """Join a script to its engine. What the engine may ask of the host is what the script was granted, and no more."""
    assert runner is not None, "whoever admits a script has its engine"
    if manifest.engine_digest not in (None, digest(runner)):
        raise ModuleRefused(
            f"{manifest.subject} wants engine {manifest.engine_digest}, and this node has {digest(runner)}",
            hint="leave the digest out of the manifest, or install a version of bailiwick that has it",
            code="script-engine",
        )
    variants = variants_of(manifest, texts)
    guest = engine.load_script(source, runner, memory_bytes_max=manifest.budget.memory_bytes, variants=variants)
    if guest.memory_bytes_min > manifest.budget.memory_bytes:
        raise _lie(manifest, f"its engine starts with {guest.memory_bytes_min} bytes of memory", "memory")
    return guest


def check_offered(manifest: Manifest, offered: Mapping[str, HostService]) -> None:
    """Refuse a module that asks for what nobody here answers.

    Raises:
        ModuleRefused: code ``module-interface``, with the reason.
    """
    for asked in manifest.capabilities:
        service = offered.get(asked.service)
        if service is None:
            why = next((why for prefix, why in NOT_OFFERED.items() if asked.service.startswith(prefix)), None)
            raise ModuleRefused(
                f"{manifest.subject} asks for {asked.interface}: {why or 'this node knows no such interface'}",
                hint="offered are " + ", ".join(sorted(offered)),
                code="module-interface",
            )
        unknown = sorted(set(asked.functions) - service.functions)
        if unknown:
            raise ModuleRefused(
                f"{manifest.subject} asks for {asked.interface}#{unknown[0]}, which that interface does not have",
                hint=f"it has {', '.join(sorted(service.functions))}",
                code="module-interface",
            )


def _check_imports(manifest: Manifest, imports: Iterable[str]) -> None:
    """Refuse a binary that imports what its manifest does not ask for."""
    for name in imports:
        if name != CORE_HOST_IMPORT and name not in manifest.asked:
            raise _lie(manifest, f"the binary imports {name[:200]}, which the manifest does not ask for", "unasked")
        if name == CORE_HOST_IMPORT and not manifest.asked:
            raise _lie(manifest, "the binary asks the host for things, and the manifest for nothing", "unasked")


def _lie(manifest: Manifest, what: str, code: str) -> ModuleRefused:
    return ModuleRefused(
        f"{manifest.subject} is not what its manifest says: {what}",
        hint="build and sign it again: bailiwick module build FOLDER",
        code=f"module-{code}",
    )
