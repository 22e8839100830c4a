"""One call of one module, sandboxed: the only file that knows which engine runs it.

Each call gets a store of its own, thrown away afterwards: no guest ever sees what another left. Nothing is imported
into a guest, so a call is a function of its input, its code and its budget. Threads, relaxed SIMD and whatever else
lets two machines differ are switched off; NaNs are canonical.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import os
from dataclasses import dataclass, field
from importlib import metadata
from typing import TYPE_CHECKING, Any, Literal, Self

from bailiwick.canonical import digest as digest_of
from bailiwick.engine.answer import envelope, read_answer
from bailiwick.engine.binary import PAGE_BYTES, TABLE_ELEMENTS_MAX, TABLES_MAX, check_survey, survey
from bailiwick.engine.calling import (
    MASK_32,
    Caller,
    Code,
    Finished,
    HostShort,
    Trapped,
    check_output,
    check_room,
    explain,
)
from bailiwick.engine.marshal import CachedCaller, Library
from bailiwick.engine.selftest import PROBE_TEXT, agree
from bailiwick.engine.ticker import Ticker, ticks_until
from bailiwick.errors import ModuleFailed, ModuleRefused, Unavailable, UsageRefused
from bailiwick.model import Budget, Run, Tier

if TYPE_CHECKING:
    import wasmtime

ENGINE_VERSION = "50.0.1"
"""The one version of wasmtime whose private structures the fast way of calling knows."""
CALL_STACK_BYTES = 1 << 19
"""Native stack of a guest, in bytes."""

SIGNATURES = {"alloc": (["i32"], ["i32"]), "run": (["i32", "i32"], ["i64"])}
"""What the two functions of a core guest take and give."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Guest:
    """A module that was admitted and compiled. ``digest`` is over its bytes; sizes are in bytes."""

    digest: str
    size: int
    memory_bytes_min: int
    code: Code = field(repr=False, compare=False)
    engine: object = field(repr=False, compare=False)


class StockCaller:
    """Calls guests through the engine's own Python package: slower, and right by definition."""

    def __init__(self, engine: wasmtime.Engine) -> None:
        self._wasmtime = _wasmtime()
        self._engine = engine

    def call(self, code: Code, message: bytes, budget: Budget, ticks: int) -> Finished:
        """Call a guest in a new sandbox; see ``Caller``."""
        with contextlib.closing(self._wasmtime.Store(self._engine)) as store:
            try:
                store.set_limits(budget.memory_bytes, TABLE_ELEMENTS_MAX, 1, TABLES_MAX, 1)
                store.set_fuel(budget.fuel)
                store.set_epoch_deadline(ticks)
                return self._enter(store, code, message, budget)
            except self._wasmtime.WasmtimeError as error:
                raise HostShort(str(error)) from error

    def _enter(self, store: wasmtime.Store, code: Code, message: bytes, budget: Budget) -> Finished:
        memory: Any = None
        try:
            exports: Any = code.owner.instantiate(store).exports(store)
            memory = exports["memory"]
            place = exports["alloc"](store, len(message)) & MASK_32
            check_room(place, len(message), memory.data_len(store))
            memory.write(store, message, place)
            result = exports["run"](store, _signed(place), len(message))
        except self._wasmtime.Trap as trap:
            cause = trap.trap_code.name.lower() if trap.trap_code else "unknown"
            raise Trapped(cause, memory.data_len(store) if memory else 0) from trap
        start, size = check_output(result, memory.data_len(store))
        output = bytes(memory.read(store, start, start + size))
        return Finished(output, budget.fuel - store.get_fuel(), memory.data_len(store))


class Engine:
    """Compiles and runs modules. One per process is enough; threads may share it, each call has a sandbox of its own.

    A context manager: closing it stops the thread that counts deadlines. It does not survive a fork.

    Args:
        marshaller: ``stock`` asks for the package's own way of calling, which is three times slower; ``cached`` for the
            fast one where it proves to agree with the other. The attribute of that name says which one is in use.
    """

    def __init__(self, *, marshaller: Literal["cached", "stock"] = "cached") -> None:
        package = _wasmtime()
        self._package = package
        self._engine = package.Engine(_config(package))
        self._process = os.getpid()
        self._is_closed = False
        self._caller, self.marshaller = self._choose(marshaller)
        self._ticker = Ticker(self._engine.increment_epoch)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop the engine; closing twice is harmless. Guests that it loaded cannot be run any more."""
        self._is_closed = True
        self._ticker.stop()

    def load(self, wasm: bytes, *, memory_bytes_max: int = Tier.HEAVY.budget.memory_bytes) -> Guest:
        """Admit a core module and compile it.

        Args:
            wasm: The binary, at most ``MODULE_BYTES_MAX`` bytes, from anybody.
            memory_bytes_max: The most memory that it may start with, in bytes.

        Raises:
            ModuleRefused: codes ``module-too-large``, ``module-component``, ``module-not-wasm``, ``module-malformed``,
                ``module-imports``, ``module-start``, ``module-exports``, ``module-memory``, ``module-tables``,
                ``module-code``, ``module-invalid``.
            Unavailable: the engine is closed.

        Cost: compiling, about a millisecond for ten kilobytes.
        """
        self._check_open()
        found = survey(wasm)
        check_survey(found, memory_bytes_max)
        return Guest(
            digest=digest_of(wasm),
            size=len(wasm),
            memory_bytes_min=found.memory_pages_min[0] * PAGE_BYTES,
            code=self._compile(wasm),
            engine=self,
        )

    def run(self, guest: Guest, function: str, input: bytes, budget: Budget) -> Run:  # noqa: A002 the ABI's own word
        """Call one function of a guest in a new sandbox; ``read_answer`` reads the output.

        Args:
            guest: Loaded by this engine.
            function: Which of its functions.
            input: JSON, at most ``INPUT_BYTES_MAX`` bytes.
            budget: Fuel, memory and wall time.

        Raises:
            ModuleFailed: ``module-out-of-fuel``, ``module-out-of-memory``, ``module-trapped``, ``module-answer``; the
                same each time for the same guest, input and budget.
            Unavailable: ``module-deadline``, ``module-call-stack``, ``engine-short`` (the host lacks memory),
                ``engine-closed``, ``engine-forked``: never an outcome.
            UsageRefused: the function cannot be one, the input is not JSON, or another engine loaded the guest.
            InputRefused: the input is too large.

        Cost: about 30 microseconds and what the guest does.
        """
        self._check_open()
        if guest.engine is not self:
            raise UsageRefused(
                f"module {guest.digest} was loaded by another engine",
                hint="load it with the engine that runs it",
                code="engine-foreign",
            )
        message = envelope(function, input)
        _check_start(guest, budget)
        try:
            finished = self._caller.call(guest.code, message, budget, ticks_until(budget.deadline_ms))
        except Trapped as trapped:
            raise explain(trapped, guest.digest, budget) from None
        except HostShort as short:
            raise Unavailable(
                f"no sandbox could be set up for module {guest.digest}: {short}",
                hint="free memory or address space (ulimit -v), then try again",
                code="engine-short",
            ) from short
        read_answer(finished.output)
        return Run(output=finished.output, fuel=finished.fuel, memory_bytes=finished.memory_bytes)

    def _check_open(self) -> None:
        if self._is_closed:
            raise Unavailable("the engine is closed", hint="open a new one", code="engine-closed")
        if os.getpid() != self._process:
            raise Unavailable(
                "the engine was inherited through fork, and its deadlines do not run here",
                hint="open an engine in each process, and start processes with spawn",
                code="engine-forked",
            )

    def _compile(self, wasm: bytes) -> Code:
        package = self._package
        try:
            module = package.Module(self._engine, wasm)
            _check_types(package, module)
            prepared = package.Linker(self._engine).instantiate_pre(module)
        except package.WasmtimeError as error:
            raise ModuleRefused(
                f"the module is not valid WebAssembly: {_first_line(error)}",
                hint="build it again without threads, 64-bit memory, exceptions, garbage collection or tail calls",
                code="module-invalid",
            ) from error
        return Code(prepared, ctypes.cast(prepared.ptr(), ctypes.c_void_p).value or 0)

    def _choose(self, wanted: str) -> tuple[Caller, str]:
        """Take the fast way of calling if it knows this version of the engine and agrees with the package's own."""
        stock = StockCaller(self._engine)
        if wanted == "stock" or metadata.version("wasmtime") != ENGINE_VERSION:
            return stock, "stock"
        cached = CachedCaller(_library(self._package, self._engine))
        probe = self._compile(bytes(self._package.wat2wasm(PROBE_TEXT)))
        return (cached, "cached") if agree(cached, stock, probe) else (stock, "stock")


def _wasmtime() -> Any:
    """Import the engine's package, which takes some 60 ms, only where an engine is wanted.

    Raises:
        Unavailable: it is not installed, or has no build for this machine.
    """
    try:
        return importlib.import_module("wasmtime")
    except (ImportError, RuntimeError, OSError) as error:
        raise Unavailable(
            f"the WebAssembly engine cannot be loaded: {error}",
            hint=f"python -m pip install wasmtime=={ENGINE_VERSION}",
            code="engine-missing",
        ) from error


def _config(package: Any) -> wasmtime.Config:
    """Everything that a guest may use, and nothing by which two machines could differ."""
    config: wasmtime.Config = package.Config()
    config.consume_fuel = True
    config.epoch_interruption = True
    config.cranelift_nan_canonicalization = True
    config.wasm_relaxed_simd_deterministic = True
    config.max_wasm_stack = CALL_STACK_BYTES
    config.parallel_compilation = False
    config.memory_may_move = False
    for feature in (
        "wasm_threads",
        "shared_memory",
        "wasm_relaxed_simd",
        "wasm_memory64",
        "wasm_multi_memory",
        "wasm_tail_call",
        "wasm_exceptions",
        "wasm_function_references",
        "wasm_gc",
        "wasm_wide_arithmetic",
        "wasm_custom_page_sizes",
        "wasm_stack_switching",
        "wasm_component_model",
    ):
        setattr(config, feature, False)
    return config


def _library(package: Any, engine: wasmtime.Engine) -> Library:
    private = importlib.import_module("wasmtime._ffi")
    causes = {code.value: code.name.lower() for code in package.TrapCode}
    return Library(
        dll=private.dll,
        engine_address=ctypes.cast(engine.ptr(), ctypes.c_void_p).value or 0,
        extern=private.wasmtime_extern_t,
        instance=private.wasmtime_instance_t,
        text=private.wasm_byte_vec_t,
        cause_of=lambda code: causes.get(code, "unknown"),
    )


def _check_types(package: Any, module: wasmtime.Module) -> None:
    """Check what is exported under the three names, which is what makes unchecked calls safe."""
    types = {export.name: export.type for export in module.exports}
    for name, (parameters, results) in SIGNATURES.items():
        kind = types.get(name)
        if not isinstance(kind, package.FuncType) or (
            [str(value) for value in kind.params] != parameters or [str(value) for value in kind.results] != results
        ):
            raise ModuleRefused(
                f"the module's export {name} is not a function of {', '.join(parameters)} that gives {results[0]}",
                hint="export alloc(size: i32) -> i32 and run(place: i32, size: i32) -> i64",
                code="module-exports",
            )
    if not isinstance(types.get("memory"), package.MemoryType):
        raise ModuleRefused(
            "the module's export memory is not a memory", hint="export its linear memory", code="module-exports"
        )


def _check_start(guest: Guest, budget: Budget) -> None:
    if guest.memory_bytes_min > budget.memory_bytes:
        raise ModuleFailed(
            f"module {guest.digest} starts with {guest.memory_bytes_min} bytes of memory, and its budget is "
            f"{budget.memory_bytes}",
            hint="give the module a larger tier",
            code="module-out-of-memory",
        )


def _signed(number: int) -> int:
    """Write an unsigned 32-bit number the way the package wants an i32."""
    return number - (1 << 32) if number >= 1 << 31 else number


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0][:200] if str(error) else type(error).__name__
