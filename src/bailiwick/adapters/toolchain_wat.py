"""WebAssembly text through the engine's own encoder: no further tool, the same bytes each time."""

from __future__ import annotations

import importlib
from importlib import metadata

from bailiwick.adapters.toolchain_compiling import complaint
from bailiwick.errors import InputRefused
from bailiwick.ports import BuildAnswer, BuildOrder


class WatToolchain:
    """See ``ports.Toolchain``."""

    is_reproducible = True

    def version(self) -> str:
        """Name the encoder; see ``ports.Toolchain``."""
        return f"wasmtime {metadata.version('wasmtime')}"

    def build(self, order: BuildOrder) -> BuildAnswer:
        """Encode one file of text; see ``ports.Toolchain``."""
        package = importlib.import_module("wasmtime")
        try:
            wasm = bytes(package.wat2wasm(order.sources[order.main]))
        except (package.WasmtimeError, UnicodeDecodeError) as error:
            raise InputRefused(
                f"the text of {order.main} is not WebAssembly: {complaint(str(error).encode())}",
                hint="mend the text where the message points to, and build again",
                code="build-failed",
            ) from error
        return BuildAnswer(wasm=wasm, command=("wat2wasm", order.main))
