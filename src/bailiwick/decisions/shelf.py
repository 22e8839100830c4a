"""Packs and modules by digest: what a decision rested on is kept beside it, so that replay never depends on what is
installed today.

A pack is kept as its manifest (canonical JSON of path to digest, whose own digest is the pack's) and one blob a file.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
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
    is_shipped: bool = True,
) -> bool:
    """Keep a pack and its modules for a tenant, and record it; say whether it was new.

    Killed half-way, the next call records it once more and finishes: a record too many, never one too few. A pack that
    did not come with bailiwick is recorded with the key null: nobody vouches for it. It is not installed by this.
    """
    attached = [each for each in pack.attachments if each.content is not None]
    wanted = [*(ref.digest for ref, _ in modules.values()), *(each.digest for each in attached)]
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
    if not is_shipped:
        detail["key"] = None
    if attached:
        detail["attachments"] = [each.digest for each in attached]
    recorder.record(tenant, Draft(event_type=INSTALLED, resource=f"pack/{pack.name}", detail=detail, actor=actor))
    supplied = [each.content for each in attached if each.content is not None]
    blobs.put_many(tenant, [*(wasm for _, wasm in modules.values()), *supplied, *files.values(), manifest])
    return True


def fetch(tenant: str, name: str, pack_digest: str, blobs: BlobStore) -> Pack:
    """Load a pack that was kept, by its digest, for what it decided: ``check_kernel`` before it decides anew.

    Raises:
        NotFound: the pack or one of its files is not kept for this tenant.
        PackRefused: this version of bailiwick does not load it.
    """
    return load_pack(name, fetch_files(tenant, pack_digest, blobs), Attached(tenant, blobs), is_history=True)


def fetch_files(tenant: str, pack_digest: str, blobs: BlobStore) -> dict[str, bytes]:
    """Give the files of a pack that was kept, by path.

    Raises:
        NotFound: the pack or one of its files is not kept for this tenant.
    """
    manifest: Any = parse_document(blobs.get(tenant, pack_digest))
    return {path: blobs.get(tenant, each) for path, each in manifest.items()}


class Attached(Mapping[str, bytes]):
    """Files that packs pin and do not hold, by digest: given now, or kept for a tenant. Only asked, never listed."""

    def __init__(self, tenant: str, blobs: BlobStore, given: Mapping[str, bytes] | None = None) -> None:
        self._tenant = tenant
        self._blobs = blobs
        self._given = given or {}

    def __getitem__(self, key: str) -> bytes:
        if key in self._given:
            return self._given[key]
        if not self._blobs.has(self._tenant, key):
            raise KeyError(key)
        return self._blobs.get(self._tenant, key)

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0


def pinned_modules(pack: Pack) -> dict[str, str]:
    """Give the digest of every module that a pack rests on, by name: readers of its input, and what its rules call."""
    return {**pack.modules, **{reader.module: reader.digest for reader in pack.intake.values()}}


def check_modules(pack: Pack, found: Mapping[str, tuple[ModuleRef, bytes]]) -> None:
    """Refuse modules that are not the very ones that the pack pins.

    Raises:
        NotFound: a module that the pack names is not there.
        ModuleRefused: its bytes have another digest (code ``module-digest``).
    """
    for name, pinned in pinned_modules(pack).items():
        if name not in found:
            raise NotFound(
                f"pack {pack.name} needs module {name}, which is not installed",
                hint="install the module: bailiwick module install FOLDER",
                code="module-not-found",
            )
        actual = digest(found[name][1])
        if actual != pinned:
            raise ModuleRefused(
                f"module {name} has digest {actual}, pack {pack.name} pins {pinned}",
                hint="use the module that the pack was written for, or a pack that pins this one",
                code="module-digest",
            )
