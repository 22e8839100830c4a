"""AssemblyScript through ``asc`` of npm: core modules of a few kilobytes, no imports, the same bytes each time.

Needs Node, and the package in ``node_modules`` of the module's folder or of one above it.
"""

from __future__ import annotations

import json
import os
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

from bailiwick.adapters.toolchain_compiling import run_build
from bailiwick.adapters.toolchain_quickjs import node_program, npm_package
from bailiwick.ports import BuildAnswer, BuildOrder

PROGRAM = "assemblyscript"
VERSION_WANTED = "0.28.20"
"""What a new module asks npm for."""
RUNTIME = "bailiwick_runtime"
"""Our own, since those that come with the compiler have a start function, which no module may have."""
FLAGS = ("--runtime", RUNTIME, "--use", "abort=", "--optimizeLevel", "3", "--shrinkLevel", "1")
"""A failed check traps and imports nothing."""


class AssemblyscriptToolchain:
    """See ``ports.Toolchain``; looks for the package from ``folder`` upwards."""

    is_reproducible = True

    def __init__(self, folder: Path) -> None:
        self._folder = folder.resolve()

    def version(self) -> str:
        """Name the compiler; see ``ports.Toolchain``."""
        node_program()
        manifest = json.loads((self._package() / "package.json").read_bytes())
        return f"{PROGRAM} {manifest['version']}"

    def build(self, order: BuildOrder) -> BuildAnswer:
        """Build a core module; see ``ports.Toolchain``."""
        script = self._package() / "bin" / "asc.js"
        made = f"{order.name}.wasm"
        glue = files("bailiwick") / "builtin" / "templates" / "glue" / "runtime.ts.txt"
        order = replace(order, sources={**order.sources, f"{RUNTIME}.ts": glue.read_bytes()})
        arguments = [order.main, "--outFile", made, *FLAGS]
        return run_build([node_program(), os.fspath(script)], arguments, order, made)

    def _package(self) -> Path:
        return npm_package(self._folder, PROGRAM, VERSION_WANTED)
