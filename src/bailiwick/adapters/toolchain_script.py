"""Scripts: what an engine runs as it was written. There is no compiler, and the binary is the text."""

from __future__ import annotations

from bailiwick.ports import BuildAnswer, BuildOrder


class ScriptToolchain:
    """See ``ports.Toolchain``."""

    is_reproducible = True

    def version(self) -> str:
        """Say that there is nothing to install; see ``ports.Toolchain``."""
        return "no compiler"

    def build(self, order: BuildOrder) -> BuildAnswer:
        """Give the text; see ``ports.Toolchain``."""
        return BuildAnswer(wasm=order.sources[order.main], command=("none",))
