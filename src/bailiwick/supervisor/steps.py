"""A script as a step of a pack: one document that fixes everything about it, so that a pack can pin it by one digest.

A pack pins modules by the digest of their bytes. What a script does depends on more than its own text: on the texts of
its variants, the very engine, and its tier. A step says all of these, and is kept with the pack like a binary; so a
decision is replayed after the script was removed, or swapped. The engine stays in the pieces in which it was kept.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec

from bailiwick.canonical import canonical_bytes, digest
from bailiwick.engine import Engine, Guest, Variant
from bailiwick.errors import ModuleRefused
from bailiwick.model import Budget, JsonValue, Tier
from bailiwick.ports import BlobStore
from bailiwick.supervisor.binaries import kept_binary, kept_manifest, kept_texts
from bailiwick.supervisor.check import variants_of
from bailiwick.supervisor.state import Installed

STEP_FORMAT = "bailiwick-script-step/1"
STEP_BYTES_MAX = 4 << 20
"""Longest step, in bytes: nine texts of a script, and what stands around them."""
_FIRST = b"{"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What a pack's call runs: a guest, and the budget of one call."""

    guest: Guest
    budget: Budget


class _StatedVariant(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    name: str
    text: str
    percent: int
    path: str
    values: tuple[bool | int | str, ...]


class _Stated(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """A step as it was written: our own bytes, which a digest names."""

    format: str
    script: str
    variants: tuple[_StatedVariant, ...]
    engine: str
    engine_digest: str
    engine_pieces: tuple[str, ...]
    tier: Tier


_read = msgspec.json.Decoder(_Stated).decode


def pin_of(tenant: str, blobs: BlobStore, installed: Installed) -> str:
    """Give the digest by which a pack pins an installed module: of its binary, or of the step that a script is."""
    return digest(step_of(tenant, blobs, installed)) if installed.engine else installed.digest


def step_of(tenant: str, blobs: BlobStore, installed: Installed) -> bytes:
    """Write an installed script down as a step.

    Raises:
        Unavailable: it is not what was installed any more (code ``blob-corrupt``).
    """
    manifest = kept_manifest(tenant, blobs, installed)
    variants: list[JsonValue] = [
        {
            "name": each.name,
            "text": each.text,
            "percent": each.percent,
            "path": each.path,
            "values": list(each.values),
        }
        for each in variants_of(manifest, kept_texts(tenant, blobs, manifest))
    ]
    return canonical_bytes(
        {
            "format": STEP_FORMAT,
            "script": kept_binary(tenant, blobs, installed).decode(),
            "variants": variants,
            "engine": installed.engine,
            "engine_digest": installed.engine_digest,
            "engine_pieces": list(installed.engine_pieces),
            "tier": manifest.tier.value,
        }
    )


def load_step(raw: bytes, engine: Engine, piece: Callable[[str], bytes]) -> Step:
    """Load what a pack pins: a step, or a binary, which runs on the smallest budget.

    Args:
        raw: The bytes that the pack's digest names.
        engine: Runs it.
        piece: Gives a piece of an engine of scripts by its digest.

    Raises:
        ModuleRefused: it is no step (code ``script-step``), its engine is not the one that it says
            (``module-digest``), or as ``Engine.load``.
    """
    if not raw.startswith(_FIRST):
        return Step(guest=engine.load(raw), budget=Tier.LIGHTWEIGHT.budget)
    stated = _stated(raw)
    runner = b"".join(map(piece, stated.engine_pieces))
    if digest(runner) != stated.engine_digest:
        raise ModuleRefused(
            f"the engine {stated.engine} of a script in a pack has digest {digest(runner)}, the pack pins "
            f"{stated.engine_digest}",
            hint="restore the blobs from a backup, or install pack and script again",
            code="module-digest",
        )
    variants = tuple(
        Variant(name=each.name, text=each.text, percent=each.percent, path=each.path, values=each.values)
        for each in stated.variants
    )
    budget = stated.tier.budget
    script = stated.script.encode()
    guest = engine.load_script(script, runner, memory_bytes_max=budget.memory_bytes, variants=variants)
    return Step(guest=guest, budget=budget)


def _stated(raw: bytes) -> _Stated:
    why: Any = f"it has {len(raw)} bytes"
    if len(raw) <= STEP_BYTES_MAX:
        try:
            stated = _read(raw)
        except msgspec.MsgspecError as error:
            why = error
        else:
            if stated.format == STEP_FORMAT:
                return stated
            why = f"its format is {stated.format[:80]}"
    raise ModuleRefused(
        f"what a pack pins is neither a binary nor the step of a script: {why}",
        hint="bailiwick module show NAME tells how packs pin a script",
        code="script-step",
    )
