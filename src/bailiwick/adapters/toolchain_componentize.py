"""Python through ``componentize-py``: a component that carries CPython and the author's code, started at build time.

Two builds differ in bytes (componentize-py issue 247): what is signed is the artefact, not the promise to rebuild it.
"""

from __future__ import annotations

import os
import shutil
import sys
from dataclasses import replace
from importlib import metadata
from importlib.resources import files
from pathlib import Path

from bailiwick.adapters.toolchain_compiling import missing, run_build
from bailiwick.ports import BuildAnswer, BuildOrder

PROGRAM = "componentize-py"


class ComponentizeToolchain:
    """See ``ports.Toolchain``."""

    is_reproducible = False

    def version(self) -> str:
        """Name the compiler; see ``ports.Toolchain``."""
        self._program()
        return f"{PROGRAM} {metadata.version(PROGRAM)}"

    def build(self, order: BuildOrder) -> BuildAnswer:
        """Build a component from Python; see ``ports.Toolchain``."""
        program = self._program()
        glue = files("bailiwick") / "builtin" / "templates" / "glue"
        made = f"{order.name}.wasm"
        sources = {f"source/{name}": content for name, content in order.sources.items()}
        entry = order.main.removesuffix(".py")
        if not order.is_typed:
            sources["source/bailiwick_entry.py"] = (
                (glue / "entry.py.txt").read_bytes().replace(b"MODULE", entry.encode())
            )
            sources["source/bailiwick_guest.py"] = (glue / "guest.py.txt").read_bytes()
            entry = "bailiwick_entry"
        order = replace(order, sources=sources)
        arguments = ["-q", "-d", "wit", "-w", order.world, "componentize", "--stub-wasi"]
        arguments += ["-p", "source", entry, "-o", made]
        return run_build([program], arguments, order, made)

    def _program(self) -> str:
        """Find the program beside this Python, or on the path."""
        beside = os.fspath(Path(sys.executable).parent)
        found = shutil.which(PROGRAM, path=os.pathsep.join([beside, os.environ.get("PATH", os.defpath)]))
        if found is None or not _is_installed():
            raise missing(PROGRAM, "python -m pip install 'bailiwick[modules]'")
        return found


def _is_installed() -> bool:
    try:
        metadata.version(PROGRAM)
    except metadata.PackageNotFoundError:
        return False
    return True
