"""From the bytes of an admitted module to code that can be called: compiling, checking types, linking the host in.

Compiled code comes from one function that can be replaced (``Artefact``), so that it may be made in another process and
kept. Whoever replaces it vouches for what it gives: compiled code is native code.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from bailiwick.engine.calling import Code
from bailiwick.engine.component import ComponentCode, Exported
from bailiwick.engine.package import address_of, component_package, first_line
from bailiwick.engine.reflection import Surface, reflect
from bailiwick.engine.signatures import Shape, Signatures, read_signatures
from bailiwick.errors import ModuleRefused

if TYPE_CHECKING:
    import wasmtime

    from bailiwick.engine.lifting import Lifting
    from bailiwick.engine.linking import HostDoor

Kind: TypeAlias = Literal["core", "component"]
Artefact: TypeAlias = Callable[[bytes, Kind], "bytes | Path | None"]
"""Gives the compiled code of a binary, as ``serialise`` made it, or a file of it; None has it compiled here and now."""

POINTER, SIZE = ctypes.c_void_p, ctypes.c_size_t
SIGNATURES = {"alloc": Shape(("i32",), ("i32",)), "run": Shape(("i32", "i32"), ("i64",))}
"""What the two functions of a core guest take and give."""
HOST_SHAPE = Shape(("i32", "i32"), ("i64",))
HOST_MODULE, HOST_FUNCTION = b"bailiwick", b"call"


def serialise(package: Any, engine: wasmtime.Engine, wasm: bytes, kind: Kind) -> bytes:
    """Compile a binary and give its code as bytes, which only an engine of the same version and settings takes.

    Raises:
        ModuleRefused: it is not valid (code ``module-invalid``).
    """
    owner: Any = package.Module if kind == "core" else component_package().Component
    try:
        return bytes(owner(engine, wasm).serialize())
    except package.WasmtimeError as error:
        raise invalid(error) from error


class Loader:
    """Makes callable code for one engine. Threads may share it."""

    def __init__(
        self,
        package: Any,
        engine: wasmtime.Engine,
        *,
        lifting: Lifting,
        door: HostDoor,
        cause_of: Callable[[int], str],
        artefact: Artefact | None,
    ) -> None:
        self._package = package
        self._engine = engine
        self._lifting = lifting
        self._door = door
        self._artefact = artefact
        self._core_callback = door.core_callback(cause_of)
        dll = lifting.structures.dll
        self._define_core = ctypes.PYFUNCTYPE(
            POINTER, POINTER, ctypes.c_char_p, SIZE, ctypes.c_char_p, SIZE, POINTER, POINTER, POINTER, POINTER
        )(("wasmtime_linker_define_func_unchecked", dll))
        self._define_component = ctypes.PYFUNCTYPE(POINTER, POINTER, ctypes.c_char_p, SIZE, POINTER, POINTER, POINTER)(
            ("wasmtime_component_linker_instance_add_func", dll)
        )

    def core(self, wasm: bytes, *, is_asking: bool) -> Code:
        """Make code of a core module; ``is_asking`` says that it imports the host's one function.

        Raises:
            ModuleRefused: ``module-invalid``, ``module-exports``, ``module-imports``.
        """
        module: wasmtime.Module = self._compiled(wasm, "core")
        signatures = read_signatures(wasm)
        check_types(signatures)
        linker = self._package.Linker(self._engine)
        if is_asking:
            self._link_core(linker, signatures)
        try:
            prepared = linker.instantiate_pre(module)
        except self._package.WasmtimeError as error:
            raise invalid(error) from error
        return Code((prepared, linker) if is_asking else prepared, address_of(prepared))

    def component(self, wasm: bytes, memory_pages: tuple[int, ...]) -> tuple[ComponentCode, Surface]:
        """Make code of a component, and say what it shows.

        Raises:
            ModuleRefused: ``module-invalid``, ``module-imports``, ``module-exports``, ``module-type``.
        """
        component: Any = self._compiled(wasm, "component")
        surface = reflect(component, self._engine)
        linker = component_package().Linker(self._engine)
        callbacks = self._link_component(linker, surface)
        exports = {name: self._export(component, path, each) for name, (path, each) in surface.exports.items()}
        code = ComponentCode(
            component=component,
            linker=linker,
            component_address=address_of(component),
            linker_address=address_of(linker),
            memory_pages=memory_pages,
            exports=exports,
            keep=tuple(callbacks),
        )
        return code, surface

    def _compiled(self, wasm: bytes, kind: Kind) -> Any:
        owner: Any = self._package.Module if kind == "core" else component_package().Component
        artefact = None if self._artefact is None else self._artefact(wasm, kind)
        try:
            if artefact is None:
                return owner(self._engine, wasm)
            if isinstance(artefact, bytes):
                return owner.deserialize(self._engine, artefact)
            return owner.deserialize_file(self._engine, str(artefact))
        except self._package.WasmtimeError as error:
            raise invalid(error) from error

    def _link_core(self, linker: Any, signatures: Signatures) -> None:
        package = self._package
        kind = package.FuncType([package.ValType.i32(), package.ValType.i32()], [package.ValType.i64()])
        for wanted in signatures.imports:
            if wanted != HOST_SHAPE:
                raise ModuleRefused(
                    "the module's import bailiwick.call is not a function of i32, i32 that gives i64",
                    hint="import call(place: i32, size: i32) -> i64 from the module bailiwick",
                    code="module-imports",
                )
        error = self._define_core(
            address_of(linker), HOST_MODULE, len(HOST_MODULE), HOST_FUNCTION, len(HOST_FUNCTION), address_of(kind),
            ctypes.cast(self._core_callback, POINTER), None, None,
        )  # fmt: skip
        assert not error, "one function is defined once in a new linker"

    def _link_component(self, linker: Any, surface: Surface) -> list[Any]:
        callbacks = []
        with linker.root() as root:
            for interface, functions in surface.imports.items():
                with root.add_instance(interface) as instance:
                    for name, signature in functions.items():
                        callback = self._door.component_callback(interface, name, signature)
                        callbacks.append(callback)
                        raw = name.encode()
                        error = self._define_component(
                            address_of(instance), raw, len(raw), ctypes.cast(callback, POINTER), None, None
                        )
                        assert not error, "each function is defined once in a new instance"
        return callbacks

    def _export(self, component: Any, path: tuple[str, ...], signature: Any) -> Exported:
        index = None
        for name in path:
            index = component.get_export_index(name, index)
            if index is None:
                raise ModuleRefused(
                    "the component exports what it imports, which is no code of its own",
                    hint="export functions that it has itself",
                    code="module-exports",
                )
        return Exported(
            index=index,
            address=address_of(index),
            signature=signature,
            writes=tuple(self._lifting.writer(kind) for _, kind in signature.parameters),
            read=self._lifting.reader(signature.result) if signature.result else None,
        )


def check_types(signatures: Signatures) -> None:
    """Check what is exported under the three names, which is what makes unchecked calls safe.

    Raises:
        ModuleRefused: another type (code ``module-exports``).
    """
    for name, shape in SIGNATURES.items():
        if signatures.exports.get(name) != shape:
            raise ModuleRefused(
                f"the module's export {name} is not a function of {', '.join(shape.parameters)} that gives "
                f"{shape.results[0]}",
                hint="export alloc(size: i32) -> i32 and run(place: i32, size: i32) -> i64",
                code="module-exports",
            )
    if "memory" not in signatures.memories:
        raise ModuleRefused(
            "the module's export memory is not a memory", hint="export its linear memory", code="module-exports"
        )


def invalid(error: Exception) -> ModuleRefused:
    """Give the error for what the engine does not compile."""
    return ModuleRefused(
        f"the module is not valid WebAssembly: {first_line(error)}",
        hint="build it again without threads, 64-bit memory, exceptions or garbage collection",
        code="module-invalid",
    )
