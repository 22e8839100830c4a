"""The packs and modules that come with bailiwick, and packs found by the name or folder that a person gives."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files as package_files
from pathlib import Path
from typing import Any

from bailiwick.adapters.packsource_folder import FolderPackSource
from bailiwick.canonical import digest
from bailiwick.errors import ModuleRefused, NotFound
from bailiwick.model import ModuleRef, check_tenant
from bailiwick.ports import PackSource
from bailiwick.schema import parse_document


def builtin_packs() -> PackSource:
    """Give the packs that come with bailiwick."""
    return FolderPackSource(_builtin("packs"))


def builtin_module(name: str) -> tuple[ModuleRef, bytes]:
    """Give a module that comes with bailiwick: its reference and its binary.

    Raises:
        NotFound: there is none of that name.
        ModuleRefused: its binary is not the one that its manifest states.
    """
    return _builtin_module("modules", name)


def builtin_engine(name: str) -> bytes:
    """Give the binary of an engine of scripts that comes with bailiwick.

    Raises:
        NotFound: there is none of that name.
        ModuleRefused: its binary is not the one that its manifest states.
    """
    return _builtin_module("engines", name)[1]


def _builtin_module(kind: str, name: str) -> tuple[ModuleRef, bytes]:
    folder = _builtin(kind) / check_tenant(name)
    try:
        manifest: Any = parse_document((folder / "module.json").read_bytes())
        wasm = (folder / f"{name}.wasm").read_bytes()
    except FileNotFoundError:
        raise NotFound(f"there is no module {name}", hint="bailiwick doctor lists the modules") from None
    reference = ModuleRef(name=manifest["name"], digest=manifest["digest"])
    if digest(wasm) != reference.digest:
        raise ModuleRefused(
            f"module {name} has digest {digest(wasm)}, its manifest states {reference.digest}",
            hint="install bailiwick anew; the file was changed",
            code="module-digest",
        )
    return reference, wasm


def _builtin(kind: str) -> Path:
    return Path(str(package_files("bailiwick"))) / "builtin" / kind


def pack_files(name: str) -> tuple[str, Mapping[str, bytes]]:
    """Find a pack by installed name, else as a folder."""
    source = builtin_packs()
    if name in source.names():
        return name, source.files(name)
    folder = Path(name)
    if (folder / "pack.yaml").is_file():
        return folder.resolve().name, FolderPackSource(folder.resolve().parent).files(folder.resolve().name)
    raise NotFound(
        f"{name[:80]!r} is neither an installed pack nor a folder with a pack.yaml",
        hint=f"installed: {', '.join(source.names())}",
        code="pack-not-found",
    )
