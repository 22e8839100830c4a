"""Read what the functions of a core module take and give from its own bytes, once a compiler has found them valid.

The engine's package can say the same, and ends the process where a type is a vector: so it is not asked. Source:
WebAssembly Core Specification 2.0, sections 5.3 and 5.5.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from bailiwick.engine.binary import (
    CORE_MAGIC,
    EXPORT_SECTION,
    FUNCTION_IMPORT,
    IMPORT_SECTION,
    Reader,
    malformed,
    read_section,
    skip_import,
)

TYPE_SECTION, FUNCTION_SECTION = 1, 3
FUNCTION_TYPE = 0x60
FUNCTION_EXPORT, MEMORY_EXPORT = 0, 2
VALUE_TYPES = {0x7F: "i32", 0x7E: "i64", 0x7D: "f32", 0x7C: "f64", 0x7B: "v128", 0x70: "funcref", 0x6F: "externref"}


@dataclass(frozen=True, slots=True)
class Shape:
    """What a function takes and gives, in the words of the text format."""

    parameters: tuple[str, ...]
    results: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Signatures:
    """The shapes of imports in order, of exported functions by name, and the names of exported memories.

    A function that was imported and is exported again is left out: nobody calls the host through a guest's name.
    """

    imports: tuple[Shape | None, ...]
    exports: Mapping[str, Shape]
    memories: frozenset[str]


@dataclass(slots=True)
class _Read:
    types: list[Shape] = field(default_factory=list)
    imports: list[Shape | None] = field(default_factory=list)
    functions: list[int] = field(default_factory=list)
    exports: dict[str, tuple[int, int]] = field(default_factory=dict)


def read_signatures(wasm: bytes) -> Signatures:
    """Read the types of what a valid core module imports and exports; an import that is no function has None.

    Raises:
        ModuleRefused: it has types that no engine here lets pass (code ``module-malformed``).
    """
    reader = Reader(wasm, len(CORE_MAGIC))
    read = _Read()
    while reader.position < reader.end:
        kind, section = read_section(reader)
        if kind == TYPE_SECTION:
            read.types = [_function_type(section) for _ in range(section.number())]
        elif kind == IMPORT_SECTION:
            _imports(section, read)
        elif kind == FUNCTION_SECTION:
            read.functions += [section.number() for _ in range(section.number())]
        elif kind == EXPORT_SECTION:
            read.exports = dict(_export(section) for _ in range(section.number()))
    foreign = len([each for each in read.imports if each])
    return Signatures(
        imports=tuple(read.imports),
        exports={
            name: read.types[read.functions[index]]
            for name, (kind, index) in read.exports.items()
            if kind == FUNCTION_EXPORT and index >= foreign
        },
        memories=frozenset(name for name, (kind, _) in read.exports.items() if kind == MEMORY_EXPORT),
    )


def _function_type(section: Reader) -> Shape:
    if section.byte() != FUNCTION_TYPE:
        raise malformed(section.position, "has a type that is not a function's")
    return Shape(_values(section), _values(section))


def _values(section: Reader) -> tuple[str, ...]:
    count = section.number()
    start = section.position
    section.skip(count)
    raw = section.data[start : section.position]
    if any(byte not in VALUE_TYPES for byte in set(raw)):
        raise malformed(start, "has a function of values that are no plain ones")
    return tuple(VALUE_TYPES[byte] for byte in raw)


def _imports(section: Reader, read: _Read) -> None:
    for _ in range(section.number()):
        section.name()
        section.name()
        start = section.position
        if section.byte() == FUNCTION_IMPORT:
            index = section.number()
            read.functions.append(index)
            read.imports.append(read.types[index])
        else:
            section.position = start
            skip_import(section)
            read.imports.append(None)


def _export(section: Reader) -> tuple[str, tuple[int, int]]:
    return section.name(), (section.byte(), section.number())
