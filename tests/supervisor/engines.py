"""Engines of scripts for tests: compiled once for a whole file of tests, and CPython built once for all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bailiwick.engine import CodeCache, Compiler, Engine

from .conftest import files_of, manifest_of

ANY = {"title": "Anything", "input": True, "output": True}
SUFFIXES = {"quickjs": "js", "cpython": "py"}


@contextmanager
def engine_with_code(folder: Path) -> Iterator[Engine]:
    """Give an engine that compiles what is large once, and finds it in a folder afterwards."""
    with Engine(artefact=CodeCache(folder, b"t" * 32, make=Compiler())) as engine:
        yield engine


def script(text, *functions, name="adder", version="1.0.0", runner="quickjs", **changes):
    """Give the files of a signed script."""
    source = text.encode()
    stated = {"abi": "script/1", "engine": {"name": runner}, "file": f"{name}.{SUFFIXES[runner]}", **changes}
    stated["functions"] = dict.fromkeys(functions or ("total",), ANY)
    manifest = manifest_of(name, version=version, wasm=source, **stated)
    return files_of(manifest, source)
