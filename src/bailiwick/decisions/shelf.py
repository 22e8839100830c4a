"""Packs and modules by digest: what a decision rested on is kept beside it, so that replay never depends on what is
installed today.

A pack is kept as its manifest (canonical JSON of path to digest, whose own digest is the pack's) and one blob a file.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bailiwick.canonical import canonical_bytes, digest
from bailiwick.errors import ModuleRefused, NotFound
from bailiwick.model import Actor, Draft, JsonValue, ModuleRef
from bailiwick.packs import Pack, load_pack
from bailiwick.ports import BlobStore, Recorder
from bailiwick.schema import parse_document

INSTALLED = "pack.installed"


def keep(
    tenant: str,
    pack: Pack,
    files: Mapping[str, bytes],
    modules: Mapping[str, tuple[ModuleRef, bytes]],
    *,
    blobs: BlobStore,
    recorder: Recorder,
    actor: Actor,
) -> bool:
    """Keep a pack and its modules for a tenant, and record it; say whether it was new.

    Killed half-way, the next call records it once more and finishes: a record too many, never one too few.
    """
    wanted = [ref.digest for ref, _ in modules.values()]
    if blobs.has(tenant, pack.digest) and all(blobs.has(tenant, each) for each in wanted):
        return False
    manifest = canonical_bytes({path: digest(content) for path, content in files.items()})
    if digest(manifest) != pack.digest:
        raise AssertionError("a pack's digest is the digest of its manifest")
    refs: list[JsonValue] = [ref.to_json() for ref, _ in modules.values()]
    detail: dict[str, JsonValue] = {
        "name": pack.name,
        "version": pack.version,
        "digest": pack.digest,
        "modules": refs,
    }
    recorder.record(tenant, Draft(event_type=INSTALLED, resource=f"pack/{pack.name}", detail=detail, actor=actor))
    blobs.put_many(tenant, [*(wasm for _, wasm in modules.values()), *files.values(), manifest])
    return True


def fetch(tenant: str, name: str, pack_digest: str, blobs: BlobStore) -> Pack:
    """Load a pack that was kept, by its digest.

    Raises:
        NotFound: the pack or one of its files is not kept for this tenant.
        PackRefused: this version of bailiwick does not load it.
    """
    manifest: Any = parse_document(blobs.get(tenant, pack_digest))
    return load_pack(name, {path: blobs.get(tenant, each) for path, each in manifest.items()})


def check_modules(pack: Pack, found: Mapping[str, tuple[ModuleRef, bytes]]) -> None:
    """Refuse modules that are not the very ones that the pack pins.

    Raises:
        NotFound: a module that the pack names is not there.
        ModuleRefused: its bytes have another digest (code ``module-digest``).
    """
    for reader in pack.intake.values():
        if reader.module not in found:
            raise NotFound(
                f"pack {pack.name} reads its input with module {reader.module}, which is not installed",
                hint="install the module, or give the pack JSON input",
                code="module-not-found",
            )
        actual = digest(found[reader.module][1])
        if actual != reader.digest:
            raise ModuleRefused(
                f"module {reader.module} has digest {actual}, pack {pack.name} pins {reader.digest}",
                hint="use the module that the pack was written for, or a pack that pins this one",
                code="module-digest",
            )
