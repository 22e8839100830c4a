"""The fast way to call a component: the engine's C interface through prototypes of our own, prepared once.

Everything a call needs is looked up when the component is loaded. A call makes a store, instantiates, calls, reads, and
throws the store away; the arguments lie in memory of ours, which the engine only borrows.
"""

from __future__ import annotations

import ctypes
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from bailiwick.engine.answer import OUTPUT_BYTES_MAX, answer_failed
from bailiwick.engine.binary import TABLE_ELEMENTS_MAX
from bailiwick.engine.calling import OUT_OF_FUEL, HostShort, Trapped
from bailiwick.engine.lifting import Lifting, Read, Write
from bailiwick.engine.package import COMPONENT_MEMORIES_MAX, COMPONENT_TABLES_MAX, CORE_INSTANCES_MAX
from bailiwick.engine.values import Signature
from bailiwick.errors import ModuleFailed
from bailiwick.model import Budget

if TYPE_CHECKING:
    from bailiwick.engine.package import Structures

POINTER, SIZE, I64, U64 = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int64, ctypes.c_uint64
TEXTS_MAX = 2
"""Most texts that a function called by text takes."""
TEXT_TAIL_BYTES = 2_000
"""How much of an error's text is read from its end; the cause is the last line, all before it the guest can shape."""
CAUSES = {
    "all fuel consumed by WebAssembly": OUT_OF_FUEL,
    "interrupt": "interrupt",
    "call stack exhausted": "stack_overflow",
    "wasm `unreachable` instruction executed": "unreachable",
    "integer divide by zero": "integer_division_by_zero",
    "integer overflow": "integer_overflow",
    "invalid conversion to integer": "bad_conversion_to_integer",
    "out of bounds memory access": "memory_out_of_bounds",
    "undefined element: out of bounds table access": "table_out_of_bounds",
    "uninitialized element": "indirect_call_to_null",
    "indirect call type mismatch": "bad_signature",
    "cannot leave component instance": "component_reentry",
    "cannot enter component instance": "component_reentry",
}
"""The engine's words for a trap, and ours; they are the same as for core modules."""


@dataclass(frozen=True, slots=True)
class Exported:
    """One function of a component: where it is, what it takes and gives, and what writes and reads that."""

    index: Any
    address: int
    signature: Signature
    writes: tuple[Write, ...]
    read: Read | None


@dataclass(frozen=True, slots=True)
class ComponentCode:
    """A compiled component with its linker and exports. ``keep`` holds what C code points to."""

    component: Any
    linker: Any
    component_address: int
    linker_address: int
    memory_pages: tuple[int, ...]
    exports: Mapping[str, Exported]
    keep: tuple[Any, ...] = field(repr=False)

    def memory_share(self, budget: Budget) -> int:
        """Give the bytes that each memory may have, so that all together stay within the budget."""
        return budget.memory_bytes // max(1, len(self.memory_pages))


@dataclass(slots=True)
class Sandbox:
    """A store with an instance in it, ready for one call. ``fuel`` is what setting it up used."""

    store: int
    context: int
    instance: Any
    fuel: int


@dataclass(frozen=True, slots=True)
class Returned:
    """A component call that came back: the ok text or the error text, or JSON of a typed result, and the fuel used."""

    output: Any
    is_ok: bool
    fuel: int


Attach = Callable[[int], None]
"""Told the context of a new store before any guest code runs in it."""


class EngineSaid(Exception):
    """The end of what the engine said of an error, for whoever wants to know where it came; the guest shapes it."""


class ComponentCaller(Protocol):
    """One way of calling the text function of a component in a sandbox."""

    def call_text(self, sandbox: Sandbox, exported: Exported, texts: tuple[bytes, ...]) -> tuple[bool, bytes]:
        """Call a function of texts that gives a result of texts: whether it is ok, and the text."""
        ...


class Sandboxes:
    """Makes, uses and removes sandboxes of components. Threads may share it; a sandbox belongs to one at a time."""

    def __init__(self, structures: Structures, lifting: Lifting) -> None:
        dll = structures.dll

        def quick(name: str, result: Any, *arguments: Any) -> Any:
            return ctypes.PYFUNCTYPE(result, *arguments)((name, dll))

        def free(name: str, result: Any, *arguments: Any) -> Any:
            return ctypes.CFUNCTYPE(result, *arguments)((name, dll))

        self._structures = structures
        self._lifting = lifting
        self._store_new = quick("wasmtime_store_new", POINTER, POINTER, POINTER, POINTER)
        self._store_context = quick("wasmtime_store_context", POINTER, POINTER)
        self._store_limiter = quick("wasmtime_store_limiter", None, POINTER, I64, I64, I64, I64, I64)
        self._set_fuel = quick("wasmtime_context_set_fuel", POINTER, POINTER, U64)
        self._get_fuel = quick("wasmtime_context_get_fuel", POINTER, POINTER, POINTER)
        self._set_deadline = quick("wasmtime_context_set_epoch_deadline", None, POINTER, U64)
        self._get_func = quick(
            "wasmtime_component_instance_get_func", ctypes.c_bool, POINTER, POINTER, POINTER, POINTER
        )
        self._error_message = quick("wasmtime_error_message", None, POINTER, POINTER)
        self._error_delete = quick("wasmtime_error_delete", None, POINTER)
        self._text_delete = quick("wasm_byte_vec_delete", None, POINTER)
        self._store_delete = free("wasmtime_store_delete", None, POINTER)
        self._instantiate = free("wasmtime_component_linker_instantiate", POINTER, POINTER, POINTER, POINTER, POINTER)
        self._call = free("wasmtime_component_func_call", POINTER, POINTER, POINTER, POINTER, SIZE, POINTER, SIZE)

    def open(self, code: ComponentCode, budget: Budget, ticks: int, attach: Attach) -> Sandbox:
        """Make a sandbox: a store with limits, and the component in it.

        Raises:
            Trapped: the component's own start trapped.
            ModuleFailed: it needs more memory than it may have (``module-out-of-memory``).
            HostShort: the host has no room for it.
        """
        store = self._store_new(self._structures.engine_address, None, None)
        try:
            context = self._store_context(store)
            self._store_limiter(
                store,
                code.memory_share(budget),
                TABLE_ELEMENTS_MAX,
                CORE_INSTANCES_MAX,
                COMPONENT_TABLES_MAX,
                COMPONENT_MEMORIES_MAX,
            )
            self.check(self._set_fuel(context, budget.fuel), context)
            self._set_deadline(context, ticks)
            attach(context)
            instance = self._structures.instance()
            error = self._instantiate(code.linker_address, context, code.component_address, ctypes.addressof(instance))
            self.check(error, context, is_setup=True)
            return Sandbox(store, context, instance, budget.fuel - self.fuel_left(context))
        except BaseException:
            self._store_delete(store)
            raise

    def prepare(self, sandbox: Sandbox, budget: Budget, ticks: int) -> None:
        """Give a sandbox that was made before the fuel and deadline of the call that takes it."""
        if sandbox.fuel > budget.fuel:
            raise Trapped(OUT_OF_FUEL, 0)
        self.set_fuel(sandbox.context, budget.fuel - sandbox.fuel)
        self._set_deadline(sandbox.context, ticks)

    def close(self, sandbox: Sandbox) -> None:
        """Remove a sandbox and all memory of its guest."""
        self._store_delete(sandbox.store)

    def fuel_left(self, context: int) -> int:
        """Give the fuel that a store has left."""
        fuel = U64()
        self._get_fuel(context, ctypes.addressof(fuel))
        return fuel.value

    def meter(self, context: int) -> Callable[[], int]:
        """Give what reads the fuel that a store has left, for one that is asked often by one thread."""
        fuel = U64()
        address, get_fuel = ctypes.addressof(fuel), self._get_fuel

        def fuel_left() -> int:
            get_fuel(context, address)
            return fuel.value

        return fuel_left

    def set_fuel(self, context: int, fuel: int) -> None:
        """Set the fuel that a store has left."""
        self._set_fuel(context, fuel)

    def function(self, sandbox: Sandbox, exported: Exported) -> Any:
        """Find a function in an instance."""
        function = self._structures.function()
        self.find(sandbox, exported, ctypes.addressof(function))
        return function

    def find(self, sandbox: Sandbox, exported: Exported, address: int) -> None:
        """Find a function in an instance and write it to an address."""
        found = self._get_func(ctypes.addressof(sandbox.instance), sandbox.context, exported.address, address)
        assert found, "exports were read when the component was loaded"

    def call_values(self, sandbox: Sandbox, exported: Exported, values: list[Any]) -> Any:
        """Call a function with JSON that was checked, and give the JSON of its result."""
        function = self.function(sandbox, exported)
        arguments = (self._structures.value * max(1, len(values)))()
        written = 0
        try:
            for argument, write, value in zip(arguments, exported.writes, values, strict=False):
                write(value, argument)
                written += 1
            result = self._structures.value()
            error = self._call(
                ctypes.addressof(function),
                sandbox.context,
                ctypes.addressof(arguments),
                len(values),
                ctypes.addressof(result),
                1 if exported.read else 0,
            )
        finally:
            for argument in arguments[:written]:
                self._lifting.delete(ctypes.addressof(argument))
        self.check(error, sandbox.context)
        if exported.read is None:
            return None
        try:
            return exported.read(result)
        finally:
            self._lifting.delete(ctypes.addressof(result))

    def raw_call(self, function: int, sandbox: Sandbox, arguments: int, count: int, result: int) -> None:
        """Call a function at an address with values that lie at another, leaving its one result at a third."""
        error = self._call(function, sandbox.context, arguments, count, result, 1)
        if error:
            self.check(error, sandbox.context)

    def check(self, error: int | None, context: int, *, is_setup: bool = False) -> None:
        """Turn an error of the engine into what it means.

        Raises:
            Trapped: a trap of the guest.
            ModuleFailed: the guest broke the rules of its interface, or needs more memory than it may have.
            HostShort: the host could not set the sandbox up.
        """
        if not error:
            return
        text = self._structures.text()
        self._error_message(error, ctypes.addressof(text))
        size = min(text.size, TEXT_TAIL_BYTES)
        tail = ctypes.string_at(ctypes.addressof(text.data.contents) + text.size - size, size)
        self._text_delete(ctypes.addressof(text))
        self._error_delete(error)
        said = tail.decode(errors="replace")
        raise meaning_of(said, lambda: self.fuel_left(context), is_setup=is_setup) from EngineSaid(said)


class _Text(ctypes.Structure):
    """A text as the C interface holds it."""

    _fields_ = (("size", SIZE), ("data", ctypes.c_char_p))


class _TextScratch:
    """Memory of our own that one call at a time lends to the C interface: two texts in, one result of texts out."""

    def __init__(self, structures: Structures) -> None:
        size, offset = ctypes.sizeof(structures.value), structures.value.of.offset
        self._values = (structures.value * (TEXTS_MAX + 1))()
        self._function = structures.function()
        self.start = ctypes.addressof(self._values)
        self.function_at = ctypes.addressof(self._function)
        self.texts = [_Text.from_address(self.start + index * size + offset) for index in range(TEXTS_MAX)]
        self.result_at = self.start + TEXTS_MAX * size
        self.result = self._values[TEXTS_MAX]
        union = type(self.result.of.result)
        self.is_ok = ctypes.c_bool.from_address(self.result_at + offset + union.is_ok.offset)
        self.value = POINTER.from_address(self.result_at + offset + union.val.offset)
        self.text_offset = offset
        for index in range(TEXTS_MAX):
            self._values[index].kind = structures.kinds["string"]


class CachedComponentCaller:
    """Calls text functions with structures that are filled by hand. Threads may share it: each call has a scratch."""

    def __init__(self, structures: Structures, sandboxes: Sandboxes, lifting: Lifting) -> None:
        self._structures = structures
        self._sandboxes = sandboxes
        self._delete = lifting.delete
        self._idle: list[_TextScratch] = []

    def call_text(self, sandbox: Sandbox, exported: Exported, texts: tuple[bytes, ...]) -> tuple[bool, bytes]:
        """Call a function of texts; see ``ComponentCaller``."""
        try:
            scratch = self._idle.pop()
        except IndexError:
            scratch = _TextScratch(self._structures)
        for view, text in zip(scratch.texts, texts, strict=False):
            # Borrowed for the call: the bytes outlive it, and nobody frees them but us.
            view.size, view.data = len(text), text
        self._sandboxes.find(sandbox, exported, scratch.function_at)
        self._sandboxes.raw_call(scratch.function_at, sandbox, scratch.start, len(texts), scratch.result_at)
        try:
            return scratch.is_ok.value, _bounded_text(scratch)
        finally:
            self._delete(scratch.result_at)
            # The engine drops what lies in a result before it writes the next one there.
            scratch.result.kind = 0
            for view in scratch.texts:
                view.data = None
            # A scratch that saw a trap never comes here, and is dropped: its result may be half written.
            self._idle.append(scratch)


def _bounded_text(scratch: _TextScratch) -> bytes:
    if not scratch.value.value:
        return b""
    text = (SIZE * 2).from_address(scratch.value.value + scratch.text_offset)
    if text[0] > OUTPUT_BYTES_MAX:
        raise answer_failed(f"has {text[0]} bytes, more than the {OUTPUT_BYTES_MAX} allowed")
    return ctypes.string_at(text[1], text[0]) if text[0] else b""


def meaning_of(text: str, fuel_left: Callable[[], int], *, is_setup: bool) -> Exception:
    """Say what an error of a component means, by the last line of its text alone: the guest shapes all before it."""
    line = re.sub(r"^\d+:\s*", "", text.strip().rpartition("\n")[2].strip())
    if line.startswith("wasm trap: "):
        words = line.removeprefix("wasm trap: ")
        cause = CAUSES.get(words, "unknown")
        if cause == OUT_OF_FUEL and fuel_left():
            return HostShort("the engine says that fuel is used up, and some is left")
        return Trapped(cause, 0)
    if "exceeds memory limits" in line:
        return ModuleFailed(
            "the module starts with more memory than its budget gives each of its memories",
            hint="give the module a larger tier",
            code="module-out-of-memory",
        )
    if is_setup:
        return HostShort(line[:300])
    return ModuleFailed(
        "the module broke the rules of its interface: text that is not UTF-8, a place outside its memory, a case that "
        "does not exist, or an answer that is too large",
        hint=f"report it to the module's author; the engine says: {line[:200]}",
        code="module-answer",
    )
