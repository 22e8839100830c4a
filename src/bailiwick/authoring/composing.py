"""Several modules made into one: their binaries joined, and a manifest that keeps apart what each part asks for."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bailiwick.authoring.build import Built
from bailiwick.authoring.project import CONTRACT, MANIFEST
from bailiwick.canonical import digest
from bailiwick.engine import Part, Whole, alias_of, compose
from bailiwick.errors import InputRefused, ModuleRefused, NotFound
from bailiwick.schema import Schemas, parse_document

COMPONENTS = ("component-call/1", "component/1")
"""Forms of modules that can be parts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """One module that becomes a part: what it is called within the whole, its manifest, its binary."""

    part: str
    manifest: Mapping[str, Any]
    wasm: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Composed:
    """A composed module, complete but unsigned, and how its parts were joined."""

    built: Built
    whole: Whole


def read_piece(files: Mapping[str, bytes]) -> Piece:
    """Read a built module as a part, called as the module is.

    Raises:
        NotFound: it has no manifest, or was not built (``module-file``).
        DocumentRefused, SchemaViolated: its manifest is none.
        InputRefused: its binary is not the one that its manifest states (``module-digest``), or it is no component
            (``compose-form``).
    """
    if MANIFEST not in files:
        raise NotFound(
            f"the folder has no {MANIFEST}", hint="give the folder of a module", code="module-manifest-missing"
        )
    manifest: Any = parse_document(files[MANIFEST])
    Schemas().contract(CONTRACT).check(manifest, subject=MANIFEST)
    name = manifest["name"]
    wasm = files.get(manifest["file"])
    if wasm is None:
        raise NotFound(
            f"module {name} was not built: there is no {manifest['file']}",
            hint="bailiwick module build FOLDER",
            code="module-file",
        )
    if digest(wasm) != manifest["digest"]:
        raise InputRefused(
            f"the binary of module {name} is not the one that its manifest states",
            hint="bailiwick module build FOLDER",
            code="module-digest",
        )
    if manifest["abi"] not in COMPONENTS:
        raise InputRefused(
            f"module {name} is {manifest['abi']}; only components can be joined",
            hint="let the modules call each other through the host: bailiwick:invoke",
            code="compose-form",
        )
    return Piece(part=name, manifest=manifest, wasm=wasm)


def compose_modules(name: str, version: str, first: Piece, others: Sequence[Piece]) -> Composed:
    """Make one module of several: the functions of the first, answered with the help of the others.

    Args:
        name: What the new module is called.
        version: Its version.
        first: Whose functions it has; tier and limits are its own too.
        others: What it, or one another, imports from.

    Raises:
        ModuleRefused, UsageRefused: as ``engine.compose``; a part asks for what the whole does not pass on
            (``compose-import``).
        SchemaViolated: name or version cannot be.
    """
    whole = compose(Part(first.part, first.wasm), [Part(each.part, each.wasm) for each in others])
    pieces = [first, *others]
    file = f"{name}.wasm"
    kept = {key: first.manifest[key] for key in _KEPT if key in first.manifest}
    manifest: dict[str, Any] = {
        **kept,
        "name": name,
        "version": version,
        "file": file,
        "digest": digest(whole.wasm),
        "capabilities": [asked for each in pieces for asked in _capabilities(each, whole)],
        "parts": [
            {
                "part": each.part,
                "module": each.manifest["name"],
                "version": each.manifest["version"],
                "digest": each.manifest["digest"],
            }
            for each in pieces
        ],
    }
    Schemas().contract(CONTRACT).check(manifest, subject=MANIFEST)
    text = json.dumps(manifest, indent=2, ensure_ascii=False) + "\n"
    return Composed(built=Built(name=name, file=file, wasm=whole.wasm, manifest=text.encode()), whole=whole)


_KEPT = tuple("format title licence abi tier limits description tags enums inputs types ui functions".split())
"""What a composed module has from its first part."""


def _capabilities(piece: Piece, whole: Whole) -> list[dict[str, Any]]:
    """Write what one part asks for under the names that are its own."""
    found = []
    for asked in piece.manifest["capabilities"]:
        if "of" in asked:
            raise ModuleRefused(
                f"part {piece.part} is composed itself, and asks for {asked['of']} for one of its own parts",
                hint="compose all parts in one step",
                code="compose-unsupported",
            )
        alias = alias_of(piece.part, asked["interface"])
        if alias in whole.imports:
            found.append({**asked, "interface": alias, "of": asked["interface"], "part": piece.part})
    return found
