"""Walk the bytes of a component before any compiler sees them: the modules inside it, and how much it multiplies.

Source: WebAssembly Component Model, design/mvp/Binary.md. Types, names and code are the compiler's to judge; what is
bounded here is what makes compiling or instantiating costly.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from bailiwick.engine.binary import (
    COMPONENT_MAGIC,
    CORE_MAGIC,
    HAS_MAXIMUM,
    PAGE_BYTES,
    TABLE_ELEMENTS_MAX,
    TABLES_MAX,
    Reader,
    Survey,
    malformed,
    read_section,
    survey_sections,
)
from bailiwick.errors import ModuleRefused

COMPONENT_BYTES_MAX = 32 << 20
"""Largest component that is compiled, in bytes; one that carries Python has about 20 MB."""
NESTING_MAX = 8
"""Deepest nesting of components within components, in levels."""
NESTED_COMPONENTS_MAX = 64
"""Most components within a component, at all levels."""
CORE_MODULES_MAX = 128
"""Most core modules within a component; one that carries Python has 38."""
INSTANCES_MAX = 10_000
"""Most instances that a component can come to when it starts, counted from above: nesting multiplies them."""
COMPONENT_FUNCTIONS_MAX = 60_000
"""Most functions of all core modules of a component together; CPython has about 14,000."""
COMPONENT_FUNCTION_BYTES_MAX = 1 << 20
"""Largest body of one function, in bytes; the main loop of an interpreter is large."""
COMPONENT_LOCALS_MAX = 1_000_000
"""Most local variables of all functions together."""
MEMORIES_MAX = 4
"""Most linear memories of all core modules together."""
ENTRIES_MAX = 20_000
"""Most types, aliases, imports, exports and functions of one component, its nested ones left out."""

CUSTOM, CORE_MODULE, CORE_INSTANCE, CORE_TYPE, COMPONENT, INSTANCE, ALIAS, TYPE, CANON = range(9)
START, IMPORT, EXPORT, VALUE = range(9, 13)


@dataclass(frozen=True, slots=True, kw_only=True)
class ComponentSurvey:
    """What a component is made of. ``instances`` is an upper bound of what it instantiates."""

    modules: tuple[Survey, ...]
    components: int
    instances: int
    depth: int

    @property
    def memory_pages_min(self) -> tuple[int, ...]:
        """The least pages of every linear memory."""
        return tuple(pages for module in self.modules for pages in module.memory_pages_min)

    @property
    def memory_bytes_min(self) -> int:
        """The least memory of all of them together, in bytes."""
        return sum(self.memory_pages_min) * PAGE_BYTES


@dataclass(slots=True)
class _Walk:
    """What a walk has met so far."""

    modules: list[Survey] = field(default_factory=list)
    components: int = 0
    depth: int = 0


def survey_component(wasm: bytes) -> ComponentSurvey:
    """Read what a component is made of, without compiling it.

    Raises:
        ModuleRefused: ``module-too-large``, ``module-not-wasm``, ``module-malformed``, ``module-nesting``,
            ``module-start``.

    Cost: one pass over headers and local declarations; bodies, types and names are skipped.

    >>> survey_component(COMPONENT_MAGIC).instances
    1
    """
    if len(wasm) > COMPONENT_BYTES_MAX:
        raise ModuleRefused(
            f"the component has {len(wasm)} bytes, more than the {COMPONENT_BYTES_MAX} that are compiled",
            hint="strip names and debug sections, and import less",
            code="module-too-large",
        )
    walk = _Walk()
    instances = _component(Reader(wasm, len(COMPONENT_MAGIC)), walk, depth=0, outer=0)
    return ComponentSurvey(
        modules=tuple(walk.modules), components=walk.components, instances=instances, depth=walk.depth
    )


def check_component(found: ComponentSurvey, memory_bytes_max: int) -> None:
    """Refuse a component that asks for more than any gets.

    Raises:
        ModuleRefused: ``module-nesting``, ``module-memory``, ``module-tables``, ``module-code``.
    """
    if found.instances > INSTANCES_MAX:
        raise _nesting_refused(f"can come to {found.instances} instances, more than {INSTANCES_MAX}")
    _check_memories(found, memory_bytes_max)
    tables = [elements for module in found.modules for elements in module.table_elements_min]
    if max(tables, default=0) > TABLE_ELEMENTS_MAX or any(
        len(module.table_elements_min) > TABLES_MAX for module in found.modules
    ):
        raise ModuleRefused(
            f"the component has {len(tables)} tables, the largest of {max(tables, default=0)} elements",
            hint=f"a core module may have {TABLES_MAX} tables of {TABLE_ELEMENTS_MAX} elements",
            code="module-tables",
        )
    _check_code(found)


def _component(reader: Reader, walk: _Walk, *, depth: int, outer: int) -> int:
    """Walk one component and give the most instances that one of it can come to, itself counted.

    ``outer`` is the most instances of any component that was defined further out, which this one can instantiate too.
    """
    if depth > NESTING_MAX or walk.components > NESTED_COMPONENTS_MAX:
        raise _nesting_refused(f"nests over {NESTING_MAX} levels or {NESTED_COMPONENTS_MAX} components")
    walk.depth = max(walk.depth, depth)
    largest, instances, own, entries = outer, 0, 1, 0
    while reader.position < reader.end:
        kind, section = read_section(reader)
        if kind == CORE_MODULE:
            _core_module(section, walk)
        elif kind == COMPONENT:
            walk.components += 1
            inner = _nested(section)
            largest = max(largest, _component(inner, walk, depth=depth + 1, outer=largest))
        elif kind == CORE_INSTANCE:
            own += section.number()
        elif kind == INSTANCE:
            instances += section.number()
        elif kind in (CORE_TYPE, ALIAS, TYPE, CANON, IMPORT, EXPORT):
            entries += section.number()
        elif kind in (START, VALUE):
            raise ModuleRefused(
                "the component has a start section or values, which would run before anybody calls it",
                hint="build it as a library and do the work in its exports",
                code="module-start",
            )
        elif kind != CUSTOM:
            raise malformed(section.position, f"has a section of the unknown kind {kind}")
    if entries > ENTRIES_MAX:
        raise _nesting_refused(f"has {entries} types, aliases and functions, more than {ENTRIES_MAX}")
    # Counted from above, and cut off, so that no chain of multiplications makes a number of a million digits.
    return min(own + instances * max(largest, 1), 1 << 32)


def _nested(section: Reader) -> Reader:
    if section.data[section.position : section.position + 8] != COMPONENT_MAGIC:
        raise malformed(section.position, "has a nested component that is none")
    section.skip(8)
    return section


def _core_module(section: Reader, walk: _Walk) -> None:
    if section.data[section.position : section.position + 8] != CORE_MAGIC:
        raise malformed(section.position, "has a core module that is none")
    if len(walk.modules) >= CORE_MODULES_MAX:
        raise _nesting_refused(f"has more than {CORE_MODULES_MAX} core modules")
    section.skip(8)
    walk.modules.append(survey_sections(section))


def _check_memories(found: ComponentSurvey, memory_bytes_max: int) -> None:
    flags = max((module.memory_flags for module in found.modules), default=0)
    memories = found.memory_pages_min
    if (
        len(memories) > MEMORIES_MAX
        or flags & ~HAS_MAXIMUM
        or any(len(module.memory_pages_min) > 1 for module in found.modules)
    ):
        raise ModuleRefused(
            f"the component defines {len(memories)} memories, or a shared or 64-bit one, or two in one core module",
            hint=f"define at most {MEMORIES_MAX} 32-bit memories that are not shared, one to a core module",
            code="module-memory",
        )
    if found.memory_bytes_min > memory_bytes_max:
        raise ModuleRefused(
            f"the component starts with {found.memory_bytes_min} bytes of memory, more than the {memory_bytes_max} "
            "allowed",
            hint="lower its initial memory, or ask for a larger tier",
            code="module-memory",
        )


def _check_code(found: ComponentSurvey) -> None:
    functions = sum(module.functions for module in found.modules)
    locals_count = sum(module.locals for module in found.modules)
    largest = max((module.largest_function_bytes for module in found.modules), default=0)
    if (
        functions > COMPONENT_FUNCTIONS_MAX
        or locals_count > COMPONENT_LOCALS_MAX
        or largest > COMPONENT_FUNCTION_BYTES_MAX
    ):
        raise ModuleRefused(
            f"the component has {functions} functions with {locals_count} locals, the largest of {largest} bytes",
            hint=f"allowed are {COMPONENT_FUNCTIONS_MAX} functions, {COMPONENT_LOCALS_MAX} locals, "
            f"{COMPONENT_FUNCTION_BYTES_MAX} bytes a function",
            code="module-code",
        )


def _nesting_refused(what: str) -> ModuleRefused:
    return ModuleRefused(
        f"the component {what}", hint="build it as one component without copies of itself", code="module-nesting"
    )
