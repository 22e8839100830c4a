"""Walk the bytes of a module before any compiler sees them: what it asks for, and whether that is bounded.

Only shapes and sizes are read here; whether the code is valid is the compiler's to say. Nothing in this file imports
an engine. Source: WebAssembly Core Specification 2.0, chapter 5 (binary format).
"""

from __future__ import annotations

from dataclasses import dataclass

from bailiwick.errors import ModuleRefused

MODULE_BYTES_MAX = 4 << 20
"""Largest core module that is compiled, in bytes; compiling is work that no fuel pays for."""
FUNCTION_BYTES_MAX = 256 << 10
"""Largest body of one function, in bytes; compile time grows faster than a body does."""
FUNCTIONS_MAX = 20_000
"""Most functions of one module."""
LOCALS_MAX = 100_000
"""Most local variables of all functions together: five bytes can declare 50,000 of them."""
TABLES_MAX = 4
"""Most tables of one module."""
TABLE_ELEMENTS_MAX = 65_536
"""Most elements of one table, at the start and later."""
ENTRIES_MAX = 400_000
"""Most sections, imports, exports, functions and groups of locals that are walked: what a second of walking can do."""
IMPORTS_SHOWN_MAX = 20
"""Most imports that an error lists."""
NAME_CHARACTERS_MAX = 80
"""Longest piece of a name from outside that an error shows."""
PAGE_BYTES = 65_536
"""Unit of linear memory."""

HOST_IMPORT = "bailiwick.call"
"""The one function that a core module may import."""

CORE_MAGIC = b"\0asm\x01\0\0\0"
COMPONENT_MAGIC = b"\0asm\x0d\0\x01\0"
IMPORT_SECTION, TABLE_SECTION, MEMORY_SECTION, EXPORT_SECTION, START_SECTION, CODE_SECTION = 2, 4, 5, 7, 8, 10
FUNCTION_IMPORT, TABLE_IMPORT, MEMORY_IMPORT, GLOBAL_IMPORT, TAG_IMPORT = 0, 1, 2, 3, 4
HAS_MAXIMUM, IS_SHARED, IS_64_BIT, HAS_PAGE_SIZE = 1, 2, 4, 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """What a module is made of. ``imports`` and ``exports`` are names, bounded and safe to print."""

    imports: tuple[str, ...]
    exports: tuple[str, ...]
    memory_pages_min: tuple[int, ...]
    memory_flags: int
    table_elements_min: tuple[int, ...]
    has_start: bool
    functions: int
    locals: int
    largest_function_bytes: int


@dataclass(slots=True)
class Effort:
    """What is left of the entries that one walk may look at."""

    left: int = ENTRIES_MAX

    def spend(self, entries: int, position: int) -> None:
        """Take from what is left.

        Raises:
            ModuleRefused: there is not enough (code ``module-code``).
        """
        self.left -= entries
        if self.left < 0:
            raise ModuleRefused(
                f"the module has more than {ENTRIES_MAX} sections, imports, exports, functions and groups of locals, "
                f"counted up to byte {position}",
                hint="build it for size, without what it does not use",
                code="module-code",
            )


class Reader:
    """A cursor that refuses to leave its bytes."""

    def __init__(self, data: bytes, position: int = 0, end: int | None = None, effort: Effort | None = None) -> None:
        self.data = data
        self.position = position
        self.end = len(data) if end is None else end
        self.effort = effort or Effort()

    def byte(self) -> int:
        """Read one byte."""
        if self.position >= self.end:
            raise malformed(self.position, "ends early")
        self.position += 1
        return self.data[self.position - 1]

    def number(self) -> int:
        """Read an unsigned LEB128 of at most 64 bits."""
        value = 0
        for shift in range(0, 70, 7):
            byte = self.byte()
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
        raise malformed(self.position, "has a number of more than ten bytes")

    def skip(self, count: int) -> None:
        """Step over bytes that must be there."""
        if count > self.end - self.position:
            raise malformed(self.position, f"promises {count} bytes and has {self.end - self.position}")
        self.position += count

    def name(self) -> str:
        """Read a name, bounded and safe to print."""
        size = self.number()
        start = self.position
        self.skip(size)
        shown = self.data[start : min(start + size, start + NAME_CHARACTERS_MAX)]
        return "".join(chr(byte) if 0x20 < byte < 0x7F else "?" for byte in shown)

    def limits(self) -> tuple[int, int]:
        """Read the limits of a memory or table: the minimum and the flags."""
        flags = self.byte()
        minimum = self.number()
        if flags & HAS_MAXIMUM:
            self.number()
        if flags & HAS_PAGE_SIZE:
            self.number()
        return minimum, flags


def is_component(wasm: bytes) -> bool:
    """Say whether bytes begin as a component does."""
    return wasm[:8] == COMPONENT_MAGIC


def survey(wasm: bytes) -> Survey:
    """Read what a core module asks for, without compiling it.

    Raises:
        ModuleRefused: ``module-too-large``, ``module-not-wasm``, ``module-malformed``.

    Cost: one pass over headers and local declarations; bodies are skipped.

    >>> survey(CORE_MAGIC).imports
    ()
    >>> survey(b"MZ")
    Traceback (most recent call last):
    ...
    bailiwick.errors.ModuleRefused: 2 bytes that start with 4d5a are not a WebAssembly module
    """
    _check_magic(wasm)
    return survey_sections(Reader(wasm, len(CORE_MAGIC)))


def survey_sections(reader: Reader) -> Survey:
    """Read what the sections of a core module ask for; the reader stands behind the magic number."""
    imports: list[str] = []
    exports: list[str] = []
    memories: list[tuple[int, int]] = []
    tables: list[int] = []
    bodies = (0, 0, 0)
    has_start = False
    while reader.position < reader.end:
        kind, section = read_section(reader)
        if kind == IMPORT_SECTION:
            imports += [_import_name(section) for _ in range(_count(section))]
        elif kind == EXPORT_SECTION:
            exports += [_export_name(section) for _ in range(_count(section))]
        elif kind == MEMORY_SECTION:
            memories += [section.limits() for _ in range(_count(section))]
        elif kind == TABLE_SECTION:
            tables += _tables(section)
        elif kind == START_SECTION:
            has_start = True
        elif kind == CODE_SECTION:
            bodies = _bodies(section)
    return Survey(
        imports=tuple(imports),
        exports=tuple(exports),
        memory_pages_min=tuple(minimum for minimum, _ in memories),
        memory_flags=max((flags for _, flags in memories), default=0),
        table_elements_min=tuple(tables),
        has_start=has_start,
        functions=bodies[0],
        locals=bodies[1],
        largest_function_bytes=bodies[2],
    )


def check_survey(found: Survey, memory_bytes_max: int) -> None:
    """Refuse a module that asks for what no module gets.

    Raises:
        ModuleRefused: ``module-imports`` (other than ``HOST_IMPORT``), ``module-start`` (code before the first call),
            ``module-exports``, ``module-memory``, ``module-tables``, ``module-code``.
    """
    foreign = tuple(name for name in found.imports if name != HOST_IMPORT)
    if foreign or len(found.imports) > 1:
        raise imports_refused(foreign or found.imports)
    if found.has_start:
        raise ModuleRefused(
            "the module has a start function, which would run before anybody calls it",
            hint="build it as a library without an entry (-Wl,--no-entry) and do the work in run",
            code="module-start",
        )
    missing = [name for name in ("memory", "alloc", "run") if name not in found.exports]
    if missing:
        raise ModuleRefused(
            f"the module does not export {', '.join(missing)}",
            hint="export memory, alloc(size) -> place and run(place, size) -> place << 32 | size",
            code="module-exports",
        )
    _check_memory(found, memory_bytes_max)
    _check_tables(found)
    _check_code(found)


def _check_magic(wasm: bytes) -> None:
    if len(wasm) > MODULE_BYTES_MAX:
        raise ModuleRefused(
            f"the module has {len(wasm)} bytes, more than the {MODULE_BYTES_MAX} that are compiled",
            hint="strip names and debug sections, and build for size",
            code="module-too-large",
        )
    if wasm[:8] != CORE_MAGIC:
        raise ModuleRefused(
            f"{len(wasm)} bytes that start with {wasm[:8].hex()} are not a WebAssembly module",
            hint="give the .wasm binary, not its source or its text form",
            code="module-not-wasm",
        )


def read_section(reader: Reader) -> tuple[int, Reader]:
    """Read a section's kind and give a reader of what is in it."""
    kind = reader.byte()
    size = reader.number()
    start = reader.position
    reader.skip(size)
    reader.effort.spend(1, start)
    return kind, Reader(reader.data, start, reader.position, reader.effort)


def _count(section: Reader) -> int:
    """Read how many entries follow; each takes a byte at least, so a count is bounded by its section."""
    count = section.number()
    if count > section.end - section.position:
        raise malformed(section.position, f"promises {count} entries in {section.end - section.position} bytes")
    section.effort.spend(count, section.position)
    return count


def _import_name(section: Reader) -> str:
    name = f"{section.name()}.{section.name()}"
    skip_import(section)
    return name


def skip_import(section: Reader) -> None:
    """Step over what an import is: its kind and type."""
    kind = section.byte()
    if kind == FUNCTION_IMPORT:
        section.number()
    elif kind == TABLE_IMPORT:
        section.byte()
        section.limits()
    elif kind == MEMORY_IMPORT:
        section.limits()
    elif kind in (GLOBAL_IMPORT, TAG_IMPORT):
        section.byte()
        section.number()
    else:
        raise malformed(section.position, f"has an import of the unknown kind {kind}")


def _export_name(section: Reader) -> str:
    name = section.name()
    section.byte()
    section.number()
    return name


def _tables(section: Reader) -> list[int]:
    minimums = []
    for _ in range(_count(section)):
        # A table with an initialiser starts with 0x40 0x00 and ends with an expression; no compiler for C, Rust or
        # AssemblyScript writes one, and walking expressions is the compiler's work.
        if section.byte() == 0x40:
            raise malformed(section.position, "has a table with an initialiser")
        minimums.append(section.limits()[0])
    return minimums


def _bodies(section: Reader) -> tuple[int, int, int]:
    """Give the number of functions, of their locals together, and the largest body in bytes."""
    functions = _count(section)
    locals_count = largest = 0
    for _ in range(functions):
        size = section.number()
        start = section.position
        section.skip(size)
        body = Reader(section.data, start, section.position, section.effort)
        for _ in range(_count(body)):
            locals_count += body.number()
            body.byte()
        largest = max(largest, size)
    return functions, locals_count, largest


def imports_refused(imports: tuple[str, ...]) -> ModuleRefused:
    """Give the error for imports that nobody can grant."""
    shown = ", ".join(imports[:IMPORTS_SHOWN_MAX])
    more = len(imports) - IMPORTS_SHOWN_MAX
    return ModuleRefused(
        f"the module imports {shown}{f' and {more} more' if more > 0 else ''}, which nobody can grant",
        hint="build it without WASI (--stub-wasi) and ask only for bailiwick interfaces; the rest is in its input",
        code="module-imports",
    )


def _check_memory(found: Survey, memory_bytes_max: int) -> None:
    if len(found.memory_pages_min) != 1 or found.memory_flags & ~HAS_MAXIMUM:
        raise ModuleRefused(
            f"the module defines {len(found.memory_pages_min)} memories, or a shared or 64-bit one",
            hint="define exactly one 32-bit memory that is not shared",
            code="module-memory",
        )
    size = found.memory_pages_min[0] * PAGE_BYTES
    if size > memory_bytes_max:
        raise ModuleRefused(
            f"the module starts with {size} bytes of memory, more than the {memory_bytes_max} allowed",
            hint="lower its initial memory, or ask for a larger tier",
            code="module-memory",
        )


def _check_tables(found: Survey) -> None:
    largest = max(found.table_elements_min, default=0)
    if len(found.table_elements_min) > TABLES_MAX or largest > TABLE_ELEMENTS_MAX:
        raise ModuleRefused(
            f"the module has {len(found.table_elements_min)} tables, the largest of {largest} elements",
            hint=f"at most {TABLES_MAX} tables of {TABLE_ELEMENTS_MAX} elements are allowed",
            code="module-tables",
        )


def _check_code(found: Survey) -> None:
    if (
        found.functions > FUNCTIONS_MAX
        or found.locals > LOCALS_MAX
        or found.largest_function_bytes > FUNCTION_BYTES_MAX
    ):
        raise ModuleRefused(
            f"the module has {found.functions} functions with {found.locals} locals, the largest of "
            f"{found.largest_function_bytes} bytes",
            hint=f"allowed are {FUNCTIONS_MAX} functions, {LOCALS_MAX} locals, {FUNCTION_BYTES_MAX} bytes a function",
            code="module-code",
        )


def malformed(position: int, what: str) -> ModuleRefused:
    """Give the error for bytes that are damaged; ``what`` completes "the module ..."."""
    return ModuleRefused(
        f"the module {what}, near byte {position}",
        hint="the file is damaged or truncated: copy or build it again, and compare its digest",
        code="module-malformed",
    )
