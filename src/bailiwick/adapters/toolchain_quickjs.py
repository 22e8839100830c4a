"""JavaScript through ``componentize-qjs`` of npm: a component that carries QuickJS and the author's code, about 1 MB.

Needs Node, and the package in ``node_modules`` of the module's folder or of one above it. Two builds differ in a few
bytes.
"""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

from bailiwick.adapters.toolchain_compiling import missing, run_build
from bailiwick.ports import BuildAnswer, BuildOrder

PROGRAM = "componentize-qjs"
VERSION_WANTED = "0.4.5"
"""What a new module asks npm for."""


class QuickjsToolchain:
    """See ``ports.Toolchain``; looks for the package from ``folder`` upwards."""

    is_reproducible = False

    def __init__(self, folder: Path) -> None:
        self._folder = folder.resolve()

    def version(self) -> str:
        """Name the compiler; see ``ports.Toolchain``."""
        manifest = json.loads((self._package() / "package.json").read_bytes())
        return f"{PROGRAM} {manifest['version']}"

    def build(self, order: BuildOrder) -> BuildAnswer:
        """Build a component from JavaScript; see ``ports.Toolchain``."""
        script = self._package() / "cli.mjs"
        glue = files("bailiwick") / "builtin" / "templates" / "glue" / "entry.js.txt"
        made = f"{order.name}.wasm"
        sources = {f"source/{name}": content for name, content in order.sources.items()}
        entry = f"source/{order.main}"
        if not order.is_typed:
            entry = "source/bailiwick_entry.js"
            sources[entry] = glue.read_bytes().replace(b"MODULE", order.main.encode())
        order = replace(order, sources=sources)
        arguments = ["--wit", "wit", "--world", order.world, "--js", entry]
        arguments += ["--module-root", "source", "--stub-wasi", "--opt-size", "--sync", "--output", made]
        return run_build([node_program(), os.fspath(script)], arguments, order, made)

    def _package(self) -> Path:
        return npm_package(self._folder, PROGRAM, VERSION_WANTED)


def npm_package(start: Path, program: str, version: str) -> Path:
    """Find the folder of an npm package, in a folder or in one above it.

    Raises:
        Unavailable: it is not installed (code ``toolchain-missing``), with the command that installs it.
    """
    for folder in (start, *start.parents):
        package = folder / "node_modules" / program
        if (package / "package.json").is_file():
            return package
    raise missing(f"the npm package {program}", f"in the module's folder: npm install --save-dev {program}@{version}")


def node_program() -> str:
    """Find Node on the path.

    Raises:
        Unavailable: it is not there (code ``toolchain-missing``).
    """
    found = shutil.which("node")
    if found is None:
        raise missing("Node", "install Node 20 or newer")
    return found
