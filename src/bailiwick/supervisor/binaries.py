"""Keeps manifests, signatures and binaries as blobs of the tenant, large binaries in pieces, and gives them back."""

from __future__ import annotations

from collections.abc import Sequence

from bailiwick.canonical import digest
from bailiwick.errors import ModuleRefused, Unavailable
from bailiwick.ports import BlobStore
from bailiwick.supervisor.manifest import Manifest, parse_manifest, read_manifest
from bailiwick.supervisor.state import Installed

PIECE_BYTES = 8 << 20
"""Size of one piece of a binary, in bytes; a blob store takes twice that."""
BINARY_BYTES_MAX = 32 * PIECE_BYTES
"""Largest binary that is kept, in bytes; what the engine admits is less."""


def keep_module(
    tenant: str, blobs: BlobStore, manifest: Manifest, signature: bytes, wasm: bytes, *, texts: Sequence[bytes] = ()
) -> tuple[str, ...]:
    """Keep a module, with the texts of its variants, durably and give the digests of the binary's pieces, in order.

    Raises:
        ModuleRefused: the binary is larger than ``BINARY_BYTES_MAX`` (code ``module-too-large``).
        Unavailable: the store cannot be written.
    """
    if len(wasm) > BINARY_BYTES_MAX:
        raise ModuleRefused(
            f"{manifest.subject} has a binary of {len(wasm)} bytes, more than the {BINARY_BYTES_MAX} that are kept",
            hint="leave out what the module does not need",
            code="module-too-large",
        )
    pieces = [wasm[at : at + PIECE_BYTES] for at in range(0, max(len(wasm), 1), PIECE_BYTES)]
    kept = blobs.put_many(tenant, [manifest.raw, signature, *pieces, *texts])
    return tuple(kept[2 : 2 + len(pieces)])


def kept_texts(tenant: str, blobs: BlobStore, manifest: Manifest) -> tuple[bytes, ...]:
    """Give the texts of a script's variants, in order; each was kept under the digest that its manifest states."""
    return tuple(blobs.get(tenant, each.digest) for each in manifest.variants)


def keep_runner(tenant: str, blobs: BlobStore, runner: bytes) -> tuple[str, ...]:
    """Keep the engine of a script durably and give the digests of its pieces, in order."""
    pieces = [runner[at : at + PIECE_BYTES] for at in range(0, len(runner), PIECE_BYTES)]
    return tuple(blobs.put_many(tenant, pieces))


def kept_runner(tenant: str, blobs: BlobStore, installed: Installed) -> bytes | None:
    """Give the engine of an installed script; None for a module that is none.

    Raises:
        Unavailable: it is not what was installed any more (code ``blob-corrupt``).
    """
    if not installed.engine:
        return None
    runner = b"".join(blobs.get(tenant, piece) for piece in installed.engine_pieces)
    if digest(runner) != installed.engine_digest:
        raise Unavailable(
            f"the engine of script {installed.name} is not the one that was installed",
            hint="restore the blobs from a backup, or install the script again",
            code="blob-corrupt",
        )
    return runner


def kept_manifest(tenant: str, blobs: BlobStore, installed: Installed) -> Manifest:
    """Give the manifest of an installed module."""
    return read_manifest(parse_manifest(blobs.get(tenant, installed.manifest)))


def kept_binary(tenant: str, blobs: BlobStore, installed: Installed) -> bytes:
    """Give the binary of an installed module; its digest has been checked.

    Raises:
        Unavailable: it is not what was installed any more (code ``blob-corrupt``).
    """
    wasm = b"".join(blobs.get(tenant, piece) for piece in installed.pieces)
    if digest(wasm) != installed.digest:
        raise Unavailable(
            f"the binary of module {installed.name} is not the one that was installed",
            hint="restore the blobs from a backup, or install the module again",
            code="blob-corrupt",
        )
    return wasm
