"""What the engine's Python package hands in: its import, its configuration, its private structures.

``sandbox.py`` and this file are the only ones that know which engine it is. Everything by which two machines or two
runs could differ is switched off here.
"""

from __future__ import annotations

import ctypes
import gc
import importlib
import mmap
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bailiwick.engine.binary import TABLE_ELEMENTS_MAX, TABLES_MAX
from bailiwick.engine.marshal import Library
from bailiwick.errors import Unavailable
from bailiwick.model import Tier

if TYPE_CHECKING:
    import wasmtime

ENGINE_VERSION = "50.0.1"
"""The one version of wasmtime whose private structures the fast way of calling knows."""
CALL_STACK_BYTES = 1 << 19
"""Native stack of a guest, in bytes."""
SANDBOXES_MAX = 256
"""Most sandboxes alive at once in a pool, nested and prepared ones too; each holds 4 GiB of addresses, no memory."""
CORE_INSTANCES_MAX = 192
"""Most instances of core modules within one component; a Python guest has about 60."""
COMPONENT_TABLES_MAX = 64
"""Most tables within one component."""
COMPONENT_MEMORIES_MAX = 4
"""Most linear memories within one component; all together fit the budget."""
POOL_BYTES = SANDBOXES_MAX * (5 << 30)
"""Address space that a pool reserves, with some to spare: 4 GiB and a guard for each memory, and the tables."""
POOL_MAPPINGS = 10 * SANDBOXES_MAX
"""Stretches of memory that a pool maps, in number, with some to spare; a process may have 65,530 of them in all."""
KEEP_RESIDENT_BYTES = 128 << 10
"""Memory of a sandbox that is wiped by hand when it goes: a small guest has its stack and data there, and then needs no
fresh pages. A call took 30 us with 64 KiB, 19 with 128, 22 with 256, 40 with a megabyte."""
INSTANCE_BYTES_MAX = 8 << 20
"""Largest bookkeeping of one instance, in bytes."""

OFF = (
    "wasm_threads",
    "shared_memory",
    "wasm_relaxed_simd",
    "wasm_memory64",
    "wasm_exceptions",
    "wasm_function_references",
    "wasm_gc",
    "wasm_wide_arithmetic",
    "wasm_custom_page_sizes",
    "wasm_stack_switching",
    "wasm_component_model_map",
    "wasm_component_model_implements",
)
"""Features without a use here. Tail calls are on for JavaScript guests, several memories for the adapters that the
compiler writes between nested components: without them it ends the process. ``binary.py`` refuses the latter in guests.
"""
COMPONENT_OFF = ("async", "more_async_builtins", "async_stackful", "canonical_names", "accessors")
"""Parts of the component model that the package has no switch for, and its library has."""


@dataclass(frozen=True, slots=True)
class Structures:
    """Structures and numbers of kinds of the component part of the C interface."""

    dll: Any
    engine_address: int
    value: type[Any]
    instance: type[Any]
    function: type[Any]
    text: type[Any]
    result: type[Any]
    kinds: dict[str, int]
    extern: type[Any]


def wasmtime_package() -> Any:
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


def component_package() -> Any:
    """Import the part of the package that is about components, when the first one is met."""
    return importlib.import_module("wasmtime.component")


def configure(package: Any, *, is_pooling: bool) -> wasmtime.Config:
    """Switch on everything that a guest may use, and nothing by which two machines could differ."""
    config: wasmtime.Config = package.Config()
    config.consume_fuel = True
    config.epoch_interruption = True
    config.cranelift_nan_canonicalization = True
    config.wasm_relaxed_simd_deterministic = True
    config.max_wasm_stack = CALL_STACK_BYTES
    config.parallel_compilation = False
    config.memory_may_move = False
    config.wasm_component_model = True
    for feature in OFF:
        setattr(config, feature, False)
    bindings: Any = importlib.import_module("wasmtime._bindings")
    for feature in COMPONENT_OFF:
        getattr(bindings, f"wasmtime_config_wasm_component_model_{feature}_set")(config.ptr(), False)
    bindings.wasmtime_config_concurrency_support_set(config.ptr(), False)
    if is_pooling:
        _pool(bindings, config)
    return config


def new_engine(package: Any, allocator: str) -> tuple[wasmtime.Engine, str]:
    """Make an engine with a pool of sandboxes, or on demand where the address space is too short for one.

    Returns:
        The engine, and ``pooling`` or ``on-demand``.
    """
    # A pool that finds no room ends the process instead of raising, so the room is tried first.
    if allocator == "pooling" and not _has_room():
        gc.collect()  # an engine that nobody uses any more keeps its pool until it is collected
    if allocator == "pooling" and _has_room():
        return package.Engine(configure(package, is_pooling=True)), "pooling"
    return package.Engine(configure(package, is_pooling=False)), "on-demand"


def _has_room() -> bool:
    return has_address_space(POOL_BYTES) and has_mappings(2 * POOL_MAPPINGS)


def has_mappings(count: int) -> bool:
    """Say whether this process could map so many further stretches of memory; yes where the system does not say."""
    try:
        most = int(Path("/proc/sys/vm/max_map_count").read_text())
        with Path("/proc/self/maps").open("rb") as maps:
            return sum(1 for _ in maps) + count <= most
    except (OSError, ValueError):
        return True


def has_address_space(size: int) -> bool:
    """Say whether this process could reserve so many bytes of address space now; nothing stays reserved."""
    flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | getattr(mmap, "MAP_NORESERVE", 0)
    try:
        mmap.mmap(-1, size, flags=flags, prot=0).close()
    except (OSError, ValueError, OverflowError):
        return False
    return True


def library(package: Any, engine: wasmtime.Engine) -> Library:
    """Give what the fast way of calling core guests needs."""
    private: Any = importlib.import_module("wasmtime._ffi")
    causes = {code.value: code.name.lower() for code in package.TrapCode}
    return Library(
        dll=private.dll,
        engine_address=address_of(engine),
        extern=private.wasmtime_extern_t,
        instance=private.wasmtime_instance_t,
        text=private.wasm_byte_vec_t,
        cause_of=lambda code: causes.get(code, "unknown"),
    )


def structures(engine: wasmtime.Engine) -> Structures:
    """Give what reading and writing the values of components needs."""
    private: Any = importlib.import_module("wasmtime._ffi")
    text = private.wasm_byte_vec_t
    # Texts are read and written by address.
    assert (text.size.offset, text.data.offset) == (0, ctypes.sizeof(ctypes.c_size_t))
    prefix = "WASMTIME_COMPONENT_"
    return Structures(
        dll=private.dll,
        engine_address=address_of(engine),
        value=private.wasmtime_component_val_t,
        instance=private.wasmtime_component_instance_t,
        function=private.wasmtime_component_func_t,
        text=private.wasm_byte_vec_t,
        result=private.wasmtime_component_valresult_t,
        kinds={
            name.removeprefix(prefix).lower(): number.value
            for name, number in vars(private).items()
            if name.startswith(prefix) and isinstance(number, ctypes.c_uint8) and not _is_other_kind(name)
        },
        extern=private.wasmtime_extern_t,
    )


def address_of(owner: Any) -> int:
    """Give the address behind one of the package's objects."""
    return ctypes.cast(owner.ptr(), ctypes.c_void_p).value or 0


def first_line(error: Exception) -> str:
    """Give the first line of an error's text, bounded."""
    return str(error).splitlines()[0][:200] if str(error) else type(error).__name__


def _is_other_kind(name: str) -> bool:
    return name.startswith(("WASMTIME_COMPONENT_ITEM_", "WASMTIME_COMPONENT_VALTYPE_"))


def _pool(bindings: Any, config: wasmtime.Config) -> None:
    pool = bindings.wasmtime_pooling_allocation_config_new()
    sizes = {
        "total_component_instances": SANDBOXES_MAX,
        "total_core_instances": SANDBOXES_MAX * CORE_INSTANCES_MAX,
        "total_memories": SANDBOXES_MAX,
        "total_tables": SANDBOXES_MAX * 24,
        "table_elements": TABLE_ELEMENTS_MAX,
        "max_memory_size": Tier.HEAVY.budget.memory_bytes,
        "max_component_instance_size": INSTANCE_BYTES_MAX,
        "max_core_instance_size": INSTANCE_BYTES_MAX,
        "max_core_instances_per_component": CORE_INSTANCES_MAX,
        "max_memories_per_component": COMPONENT_MEMORIES_MAX,
        "max_tables_per_component": COMPONENT_TABLES_MAX,
        "max_tables_per_module": TABLES_MAX,
        "linear_memory_keep_resident": KEEP_RESIDENT_BYTES,
    }
    for name, size in sizes.items():
        getattr(bindings, f"wasmtime_pooling_allocation_config_{name}_set")(pool, size)
    bindings.wasmtime_pooling_allocation_strategy_set(config.ptr(), pool)
    bindings.wasmtime_pooling_allocation_config_delete(pool)
