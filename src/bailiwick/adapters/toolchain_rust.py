"""Rust through ``rustc``: a core module without the standard library's system parts, and without crates.

``cargo`` adds nothing where there are no crates, so the compiler is asked itself: that in ``BAILIWICK_RUSTC``, or the
one on the path. The target has to be installed beside it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from bailiwick.adapters.toolchain_compiling import missing, run_build
from bailiwick.ports import BuildAnswer, BuildOrder

TARGET = "wasm32-unknown-unknown"
ASK_SECONDS_MAX = 30
"""How long the compiler may take to say what it is, in seconds."""
PROGRAM_VARIABLE = "BAILIWICK_RUSTC"
FLAGS = (
    "--crate-type=cdylib", "--edition=2021", f"--target={TARGET}", "-Copt-level=s", "-Cpanic=abort", "-Clto=yes",
    "-Ccodegen-units=1", "-Cstrip=debuginfo", "-Clink-arg=-zstack-size=65536", "-Dwarnings",
    "--remap-path-prefix", "=module",
)  # fmt: skip


class RustToolchain:
    """See ``ports.Toolchain``: ``module.rs`` with ``rustc``."""

    is_reproducible = True

    def version(self) -> str:
        """Name the compiler; see ``ports.Toolchain``."""
        program = _program()
        words = _asked(program, "--version").split()
        root = _asked(program, "--print", "sysroot").strip()
        if len(words) < 2 or not (Path(root) / "lib" / "rustlib" / TARGET / "lib").is_dir():
            raise missing(f"Rust for {TARGET}", f"rustup target add {TARGET}")
        return f"{words[0]} {words[1]}"

    def build(self, order: BuildOrder) -> BuildAnswer:
        """Build a core module; see ``ports.Toolchain``."""
        self.version()
        made = f"{order.name}.wasm"
        arguments = [order.main, "--crate-name=module", *FLAGS, "-o", made]
        return run_build([_program()], arguments, order, made)


def _program() -> str:
    found = os.environ.get(PROGRAM_VARIABLE) or shutil.which("rustc")
    if not found:
        raise missing("the Rust compiler", f"install rustup, then: rustup target add {TARGET}")
    return found


def _asked(program: str, *words: str) -> str:
    """Give what the compiler says of itself."""
    try:
        done = subprocess.run([program, *words], capture_output=True, timeout=ASK_SECONDS_MAX, check=True)
    except (OSError, subprocess.SubprocessError) as error:
        raise missing(f"a Rust compiler that answers ({error})", f"rustup target add {TARGET}") from error
    return done.stdout.decode(errors="replace")
