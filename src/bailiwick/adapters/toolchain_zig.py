"""C and Zig through the compiler of the ``ziglang`` package: core modules, no C library, the same bytes each time."""

from __future__ import annotations

import importlib.util
import sys
from dataclasses import replace
from importlib import metadata
from importlib.resources import files

from bailiwick.adapters.toolchain_compiling import missing, run_build
from bailiwick.ports import BuildAnswer, BuildOrder

C_FLAGS = (
    "cc -target wasm32-freestanding -O2 -std=c11 -Wall -Wextra -Werror -fno-builtin -nostdlib "
    "-Wl,--no-entry -Wl,-z,stack-size=65536 -s"
).split()
ZIG_FLAGS = "build-exe -target wasm32-freestanding -O ReleaseSmall -fno-entry -rdynamic --stack 65536".split()
HEADER = "bailiwick.h"
"""A module's side of core-json/1 in C: a folder without one is built with the one that ships."""
CACHES = ("ZIG_GLOBAL_CACHE_DIR", "ZIG_LOCAL_CACHE_DIR")


class ZigToolchain:
    """See ``ports.Toolchain``: ``module.c`` with ``zig cc``, ``module.zig`` with ``zig build-exe``."""

    is_reproducible = True

    def version(self) -> str:
        """Name the compiler; see ``ports.Toolchain``."""
        if importlib.util.find_spec("ziglang") is None:
            raise missing("the Zig compiler", "python -m pip install 'bailiwick[modules]'")
        return f"ziglang {metadata.version('ziglang')}"

    def build(self, order: BuildOrder) -> BuildAnswer:
        """Build a core module; see ``ports.Toolchain``."""
        self.version()
        made = f"{order.name}.wasm"
        if order.main.endswith(".zig"):
            arguments = [*ZIG_FLAGS, f"-femit-bin={made}", order.main]
        else:
            arguments = [*C_FLAGS, "-o", made, order.main]
            shipped = files("bailiwick") / "builtin" / "templates" / "c" / HEADER
            order = replace(order, sources={HEADER: shipped.read_bytes(), **order.sources})
        return run_build([sys.executable, "-m", "ziglang"], arguments, order, made, CACHES)
