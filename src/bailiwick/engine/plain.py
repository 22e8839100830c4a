"""The package's own way of calling: slower, and right by definition. The fast ways are compared with it.

Also what is used with a version of the engine whose private structures nobody here knows.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib
from collections.abc import Callable
from typing import Any

from bailiwick.engine.binary import TABLE_ELEMENTS_MAX, TABLES_MAX
from bailiwick.engine.calling import MASK_32, Code, Finished, HostShort, Trapped, check_output, check_room
from bailiwick.engine.component import Exported, Sandbox, Sandboxes, meaning_of
from bailiwick.engine.package import component_package
from bailiwick.model import Budget


class StockCaller:
    """Calls guests through the engine's own Python package: slower, and right by definition."""

    def __init__(self, package: Any, engine: Any) -> None:
        self._package = package
        self._engine = engine

    def call(
        self, code: Code, message: bytes, budget: Budget, ticks: int, attach: Callable[[int], None] | None = None
    ) -> Finished:
        """Call a guest in a new sandbox; see ``Caller``."""
        with contextlib.closing(self._package.Store(self._engine)) as store:
            try:
                store.set_limits(budget.memory_bytes, TABLE_ELEMENTS_MAX, 1, TABLES_MAX, 1)
                store.set_fuel(budget.fuel)
                store.set_epoch_deadline(ticks)
                if attach:
                    attach(ctypes.cast(store._context(), ctypes.c_void_p).value or 0)
                return self._enter(store, code, message, budget)
            except self._package.WasmtimeError as error:
                raise HostShort(str(error)) from error

    def _enter(self, store: Any, code: Code, message: bytes, budget: Budget) -> Finished:
        memory: Any = None
        owner = code.owner[0] if isinstance(code.owner, tuple) else code.owner
        try:
            exports: Any = owner.instantiate(store).exports(store)
            memory = exports["memory"]
            place = exports["alloc"](store, len(message)) & MASK_32
            check_room(place, len(message), memory.data_len(store))
            memory.write(store, message, place)
            result = exports["run"](store, _signed(place), len(message))
        except self._package.Trap as trap:
            cause = trap.trap_code.name.lower() if trap.trap_code else "unknown"
            raise Trapped(cause, memory.data_len(store) if memory else 0) from trap
        start, size = check_output(result, memory.data_len(store))
        output = bytes(memory.read(store, start, start + size))
        return Finished(output, budget.fuel - store.get_fuel(), memory.data_len(store))


class StockComponentCaller:
    """Calls the text functions of components through the package's own conversions."""

    def __init__(self, package: Any, sandboxes: Sandboxes) -> None:
        self._package = package
        self._sandboxes = sandboxes

    def call_text(self, sandbox: Sandbox, exported: Exported, texts: tuple[bytes, ...]) -> tuple[bool, bytes]:
        """Call a function of texts; see ``ComponentCaller``."""
        function = component_package().Func._from_raw(self._sandboxes.function(sandbox, exported))
        try:
            result = function(_Context(sandbox.context), *(text.decode() for text in texts))
        except self._package.WasmtimeError as error:
            raise meaning_of(str(error), lambda: self._sandboxes.fuel_left(sandbox.context), is_setup=False) from error
        # The package gives a result whose two sides are of one class as a tagged value, and others bare.
        if isinstance(result, component_package().Variant):
            return result.tag == "ok", str(result.payload or "").encode()
        return result is None, str(result or "").encode()


class _Context:
    """What the package takes for a store: something that knows its context."""

    def __init__(self, address: int) -> None:
        self._address = address

    def _context(self) -> Any:
        private: Any = importlib.import_module("wasmtime._ffi")
        return ctypes.cast(self._address, ctypes.POINTER(private.wasmtime_context_t))


def _signed(number: int) -> int:
    """Write an unsigned 32-bit number the way the package wants an i32."""
    return number - (1 << 32) if number >= 1 << 31 else number
