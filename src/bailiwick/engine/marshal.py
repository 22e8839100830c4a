"""The fast way to call a guest: the engine's C interface through prototypes of our own, prepared once.

The engine's Python package rebuilds a function's type on each call and wraps every export; here the signature was
checked when the module was loaded, so nothing is looked at twice. Nothing is imported from the engine in this file: its
library and structures are handed in. They are private to one version of the package, which is why this way is used only
with that version, and only after it gave the same results as the package's own way (``selftest.py``).

Calls that cannot run guest code keep the interpreter's lock, which costs less than letting go of it; instantiation,
guest calls and the tearing down of a sandbox let go of it.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bailiwick.engine.binary import TABLE_ELEMENTS_MAX, TABLES_MAX
from bailiwick.engine.calling import Code, Finished, HostShort, Trapped, check_output, check_room
from bailiwick.model import Budget

POINTER, SIZE, I64, U64 = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int64, ctypes.c_uint64
VALUE_BYTES = 16
"""Size of one raw wasm value in the C interface (it is as wide as a v128)."""
HOST_MESSAGE_BYTES_MAX = 300


@dataclass(frozen=True, slots=True)
class Library:
    """What the engine's package hands in: its library, the address of its engine, three structures, names of traps."""

    dll: Any
    engine_address: int
    extern: type[Any]
    instance: type[Any]
    text: type[Any]
    cause_of: Callable[[int], str]


class _Scratch:
    """Memory of our own that one call at a time lends to the C interface."""

    def __init__(self, library: Library) -> None:
        offset = library.extern.of.offset
        self.instance = library.instance()
        self.externs = [library.extern() for _ in range(3)]
        self.values = (ctypes.c_uint64 * (2 * VALUE_BYTES // 8))()
        self.trap = POINTER()
        self.fuel = U64()
        self.instance_at = ctypes.addressof(self.instance)
        self.externs_at = [ctypes.addressof(extern) for extern in self.externs]
        self.memory_at, self.alloc_at, self.run_at = (address + offset for address in self.externs_at)
        self.values_at = ctypes.addressof(self.values)
        self.trap_at = ctypes.addressof(self.trap)
        self.fuel_at = ctypes.addressof(self.fuel)


class CachedCaller:
    """Calls guests through prepared C functions. Threads may share it: each call takes a scratch of its own."""

    def __init__(self, library: Library) -> None:
        def quick(name: str, result: Any, *arguments: Any) -> Any:
            """Give a C function that keeps the interpreter's lock: it is over at once."""
            return ctypes.PYFUNCTYPE(result, *arguments)((name, library.dll))

        def free(name: str, result: Any, *arguments: Any) -> Any:
            """Give a C function that lets other threads run meanwhile."""
            return ctypes.CFUNCTYPE(result, *arguments)((name, library.dll))

        self._library = library
        self._idle: list[_Scratch] = []
        self._store_new = quick("wasmtime_store_new", POINTER, POINTER, POINTER, POINTER)
        self._store_context = quick("wasmtime_store_context", POINTER, POINTER)
        self._store_limiter = quick("wasmtime_store_limiter", None, POINTER, I64, I64, I64, I64, I64)
        self._set_fuel = quick("wasmtime_context_set_fuel", POINTER, POINTER, U64)
        self._get_fuel = quick("wasmtime_context_get_fuel", POINTER, POINTER, POINTER)
        self._set_deadline = quick("wasmtime_context_set_epoch_deadline", None, POINTER, U64)
        self._export_get = quick(
            "wasmtime_instance_export_get", ctypes.c_bool, POINTER, POINTER, ctypes.c_char_p, SIZE, POINTER
        )
        self._memory_data = quick("wasmtime_memory_data", POINTER, POINTER, POINTER)
        self._memory_size = quick("wasmtime_memory_data_size", SIZE, POINTER, POINTER)
        self._trap_code = quick("wasmtime_trap_code", ctypes.c_bool, POINTER, POINTER)
        self._trap_delete = quick("wasm_trap_delete", None, POINTER)
        self._error_message = quick("wasmtime_error_message", None, POINTER, POINTER)
        self._error_delete = quick("wasmtime_error_delete", None, POINTER)
        self._text_delete = quick("wasm_byte_vec_delete", None, POINTER)
        self._instantiate = free("wasmtime_instance_pre_instantiate", POINTER, POINTER, POINTER, POINTER, POINTER)
        self._func_call = free("wasmtime_func_call_unchecked", POINTER, POINTER, POINTER, POINTER, SIZE, POINTER)
        self._store_delete = free("wasmtime_store_delete", None, POINTER)

    def call(
        self, code: Code, message: bytes, budget: Budget, ticks: int, attach: Callable[[int], None] | None = None
    ) -> Finished:
        """Call a guest in a new sandbox; see ``Caller``.

        Cost: about 20 microseconds and what the guest does.
        """
        try:
            scratch = self._idle.pop()
        except IndexError:
            scratch = _Scratch(self._library)
        store = self._store_new(self._library.engine_address, None, None)
        try:
            context = self._store_context(store)
            self._store_limiter(store, budget.memory_bytes, TABLE_ELEMENTS_MAX, 1, TABLES_MAX, 1)
            if error := self._set_fuel(context, budget.fuel):
                self._check(error)
            self._set_deadline(context, ticks)
            if attach:
                attach(context)
            finished = self._enter(scratch, context, code, message, budget)
        finally:
            self._store_delete(store)
        # A scratch that saw a failure is dropped: its trap or result may be half written.
        self._idle.append(scratch)
        return finished

    def _enter(self, scratch: _Scratch, context: int, code: Code, message: bytes, budget: Budget) -> Finished:
        if error := self._instantiate(code.address, context, scratch.instance_at, scratch.trap_at):
            self._check(error)
        if scratch.trap.value:
            raise self._trapped(scratch.trap.value, 0)
        export_get, instance, (memory, alloc, run) = self._export_get, scratch.instance_at, scratch.externs_at
        is_there = export_get(context, instance, b"memory", 6, memory)
        is_there = is_there and export_get(context, instance, b"alloc", 5, alloc)
        is_there = is_there and export_get(context, instance, b"run", 3, run)
        assert is_there, "exports were checked when the module was loaded"
        values, size = scratch.values, len(message)
        values[0] = size
        self._guest(scratch, context, scratch.alloc_at, 1)
        place = values[0] & 0xFFFF_FFFF
        check_room(place, size, self._memory_size(context, scratch.memory_at))
        # Memory grows, but it never moves: ``package.configure`` forbids that.
        base = self._memory_data(context, scratch.memory_at)
        ctypes.memmove(base + place, message, size)
        values[0], values[2] = place, size
        self._guest(scratch, context, scratch.run_at, 2)
        memory_bytes = self._memory_size(context, scratch.memory_at)
        start, length = check_output(values[0], memory_bytes)
        output = ctypes.string_at(base + start, length) if length else b""
        if error := self._get_fuel(context, scratch.fuel_at):
            self._check(error)
        return Finished(output, budget.fuel - scratch.fuel.value, memory_bytes)

    def _guest(self, scratch: _Scratch, context: int, function: int, values: int) -> None:
        if error := self._func_call(context, function, scratch.values_at, values, scratch.trap_at):
            self._check(error)
        if scratch.trap.value:
            raise self._trapped(scratch.trap.value, self._memory_size(context, scratch.memory_at))

    def _trapped(self, trap: int, memory_bytes: int) -> Trapped:
        code = ctypes.c_uint8()
        has_code = self._trap_code(trap, ctypes.addressof(code))
        self._trap_delete(trap)
        return Trapped(self._library.cause_of(code.value) if has_code else "unknown", memory_bytes)

    def _check(self, error: int | None) -> None:
        if not error:
            return
        text = self._library.text()
        self._error_message(error, ctypes.addressof(text))
        message = ctypes.string_at(text.data, min(text.size, HOST_MESSAGE_BYTES_MAX)).decode(errors="replace")
        self._text_delete(ctypes.addressof(text))
        self._error_delete(error)
        raise HostShort(message)
