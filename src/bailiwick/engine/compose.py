"""Several components made into one: what one exports is joined to what another imports, before anything runs.

    whole = compose(Part("checker", checker), [Part("parser", parser)])

The first part's exports are those of the whole. Where a part imports an interface that another exports, the two are
joined and nobody outside can see the call; what nobody exports stays an import of the whole, under a name of its own
for each part, so that what is granted to one part is not granted to another. Pure: bytes in, bytes out; what comes out
is checked like any other binary when it is loaded.

The outer component is written as text with an empty component in the place of each part, and the parts' bytes are put
in afterwards (component model, binary format: section 4).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bailiwick.engine.package import component_package, first_line, wasmtime_package
from bailiwick.engine.reflection import IMPORT_PATTERN
from bailiwick.errors import ModuleRefused, UsageRefused

PARTS_MAX = 16
"""Most parts of one whole."""
PART_PATTERN = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*\Z")
COMPONENT_SECTION, CUSTOM_SECTION = 4, 0
HEADER_BYTES = 8

_PRIMITIVES = frozenset({"bool", "s8", "s16", "s32", "s64", "u8", "u16", "u32", "u64", "char", "string"})
_FLOATS = {"F32": "f32", "F64": "f64"}


@dataclass(frozen=True, slots=True)
class Part:
    """One component, and what it is called within the whole."""

    name: str
    wasm: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Whole:
    """A composed component.

    ``imports`` maps each import of the whole to the part that asks and the interface that it asks for; ``joined`` lists
    who imports what from whom, as (part, interface, part).
    """

    wasm: bytes = field(repr=False)
    imports: Mapping[str, tuple[str, str]]
    joined: tuple[tuple[str, str, str], ...]


def compose(first: Part, others: Sequence[Part]) -> Whole:
    """Join components into one.

    Args:
        first: Its exports are the whole's.
        others: What it, or one another, imports from.

    Raises:
        UsageRefused: no other part, too many, or two of one name (``compose-parts``).
        ModuleRefused: a part is no component (``compose-form``); two export the same interface, or two would ask the
            host under one name (``compose-clash``); parts import from one another in a circle (``compose-cycle``); a
            part that nobody imports from (``compose-unused``); what is imported and not joined is no bailiwick
            interface (``compose-import``); a resource, or another thing that cannot be joined yet
            (``compose-unsupported``); exports and imports of one name have other types (``compose-types``).
    """
    parts = [first, *others]
    _check_parts(parts)
    package = wasmtime_package()
    engine = package.Engine()
    shown = [_Shown(each, package, engine) for each in parts]
    providers = _providers(shown)
    text, imports, joined = _text(shown, providers, _in_order(shown, providers))
    try:
        outer = bytes(package.wat2wasm(text))
        wasm = filled(outer, COMPONENT_SECTION, [each.wasm for each in parts])
        component_package().Component(engine, wasm)
    except package.WasmtimeError as error:
        raise ModuleRefused(
            f"the parts do not fit: {first_line(error)}",
            hint="export and import of one interface must have the same functions and types, to the name",
            code="compose-types",
        ) from error
    return Whole(wasm=wasm, imports=imports, joined=joined)


def alias_of(part: str, interface: str) -> str:
    """Give the name under which a whole imports an interface for one of its parts.

    >>> alias_of("parser", "bailiwick:clock/clock@0.1.0")
    'bailiwick:parser-clock/clock@0.1.0'
    """
    return f"bailiwick:{part}-{interface.removeprefix('bailiwick:')}"


class _Shown:
    """One part with what it imports and exports, by name."""

    def __init__(self, part: Part, package: Any, engine: Any) -> None:
        self.part, self.engine = part, engine
        if part.wasm[:4] != b"\0asm" or part.wasm[4:8] == b"\x01\0\0\0":
            raise _refused(
                f"part {part.name} is no component",
                "compose what is built as component-call/1 or component/1",
                "form",
            )
        try:
            shown = component_package().Component(engine, part.wasm).type
        except package.WasmtimeError as error:
            raise _refused(f"part {part.name} cannot be read: {first_line(error)}", "build it again", "form") from error
        self.imports = {name: each.ty for name, each in shown.imports(engine).items()}
        self.exports = {name: each.ty for name, each in shown.exports(engine).items()}


def _check_parts(parts: list[Part]) -> None:
    names = [each.name for each in parts]
    if not 2 <= len(parts) <= PARTS_MAX or len(set(names)) < len(names) or not all(map(PART_PATTERN.match, names)):
        raise UsageRefused(
            f"these are no parts of one whole: {', '.join(names)[:200]}",
            hint=f"give 2 to {PARTS_MAX} parts, each with a name of its own in lower-case letters and digits",
            code="compose-parts",
        )


def _providers(shown: list[_Shown]) -> dict[tuple[int, str], int]:
    """Find who provides each import, by position of the part and name."""
    exporters: dict[str, int] = {}
    for position, each in enumerate(shown):
        for name, kind in each.exports.items():
            if position == 0 or not _is_instance(kind):
                continue  # functions at the top are for whoever calls the whole
            if name in exporters:
                both = f"{shown[exporters[name]].part.name} and {each.part.name}"
                raise _refused(f"{both} both export {name}", "leave one of them out", "clash")
            exporters[name] = position
    found = {
        (position, name): exporters[name]
        for position, each in enumerate(shown)
        for name in each.imports
        if name in exporters and exporters[name] != position
    }
    for position, each in enumerate(shown[1:], 1):
        if position not in found.values():
            raise _refused(
                f"nothing imports from part {each.part.name}, which exports {', '.join(each.exports) or 'nothing'}",
                "leave it out, or have another part import the interface that it exports",
                "unused",
            )
    return found


def _in_order(shown: list[_Shown], providers: Mapping[tuple[int, str], int]) -> list[int]:
    """Order the parts so that each comes after those that it imports from."""
    needs = {position: {by for (who, _), by in providers.items() if who == position} for position in range(len(shown))}
    order: list[int] = []
    while len(order) < len(shown):
        ready = [position for position in needs if position not in order and needs[position] <= set(order)]
        if not ready:
            circle = ", ".join(shown[each].part.name for each in needs if each not in order)
            raise _refused(
                f"these import from one another in a circle: {circle}",
                "let them call each other through the host: bailiwick:invoke",
                "cycle",
            )
        order += ready
    return order


# --- text -----------------------------------------------------------------------------------------------------------


def _text(
    shown: list[_Shown], providers: Mapping[tuple[int, str], int], order: list[int]
) -> tuple[str, dict[str, tuple[str, str]], tuple[tuple[str, str, str], ...]]:
    """Write the outer component, an empty one standing for each part."""
    writer = _Writer()
    imports: dict[str, tuple[str, str]] = {}
    head: list[str] = []
    bound: dict[tuple[int, str], str] = {}
    for position, each in enumerate(shown):
        for name, kind in each.imports.items():
            if (position, name) in providers:
                bound[position, name] = f'$x{providers[position, name]} "{name}"'
                continue
            alias = _import_name(each.part.name, name, kind)
            if alias in imports:
                both = f"{imports[alias][0]} and {each.part.name}"
                raise _refused(f"{both} would both ask the host as {alias}", "give one of them another name", "clash")
            symbol = f"$i{len(head)}"
            written = writer.instance(kind, each.engine, each.part.name).replace("(instance", f"(instance {symbol}", 1)
            head.append(f'(import "{alias}" {written})')
            bound[position, name] = symbol
            imports[alias] = (each.part.name, name)
    body = [f"(component $c{position})" for position in range(len(shown))]
    for position in order:
        given = " ".join(f'(with "{name}" (instance {bound[position, name]}))' for name in shown[position].imports)
        body.append(f"(instance $x{position} (instantiate $c{position} {given}))")
    for name, kind in shown[0].exports.items():
        noun = "instance" if _is_instance(kind) else "func"
        body.append(f'(export "{name}" ({noun} $x0 "{name}"))')
    names = [each.part.name for each in shown]
    joined = tuple((names[who], name, names[by]) for (who, name), by in sorted(providers.items()))
    return "(component " + " ".join([*head, *body]) + ")", imports, joined


def _import_name(part: str, name: str, kind: Any) -> str:
    if not _is_instance(kind) or not IMPORT_PATTERN.match(name):
        raise _refused(
            f"part {part} imports {name[:200]}, which no other part exports",
            "add the part that exports it; of the host, only bailiwick interfaces can be asked for",
            "import",
        )
    return alias_of(part, name)


class _Writer:
    """Writes types as text, naming the ones that an interface gives names to."""

    def __init__(self) -> None:
        self._count = 0
        self._named: list[tuple[str, Any]] = []

    def instance(self, kind: Any, engine: Any, part: str) -> str:
        """Write the type of an imported interface."""
        self._named = []
        pieces = ["(instance"]
        items = {name: each.ty for name, each in kind.exports(engine).items()}
        for name, each in items.items():
            if type(each).__name__ == "FuncType":
                continue
            if type(each).__name__ in ("ResourceType", "ComponentInstanceType"):
                raise _unsupported(part, f"the {type(each).__name__} {name}")
            number, self._count = self._count, self._count + 1
            pieces.append(
                f'(type $t{number} {self.value(each, part)}) (export "{name}" (type $e{number} (eq $t{number})))'
            )
            self._named.append((f"$e{number}", each))
        for name, each in items.items():
            if type(each).__name__ == "FuncType":
                pieces.append(f'(export "{name}" {self._function(each, part)})')
        return " ".join(pieces) + ")"

    def _function(self, kind: Any, part: str) -> str:
        given = [f'(param "{name}" {self._reference(each, part)})' for name, each in kind.params]
        result = [] if kind.result is None else [f"(result {self._reference(kind.result, part)})"]
        return " ".join(["(func", *given, *result]) + ")"

    def _reference(self, kind: Any, part: str) -> str:
        """Write a type within another, by the name that the interface gives it where it has one."""
        written = self.value(kind, part)
        for symbol, named in self._named:
            if type(named) is type(kind) and self.value(named, part) == written:
                return symbol
        return written

    def value(self, kind: Any, part: str) -> str:
        """Write a type."""
        name = type(kind).__name__
        if name.lower() in _PRIMITIVES or name in _FLOATS:
            return _FLOATS.get(name, name.lower())
        pieces = list(self._pieces(name, kind, part))
        return f"({' '.join(pieces)})"

    def _pieces(self, name: str, kind: Any, part: str) -> Iterator[str]:
        def maybe(each: Any) -> list[str]:
            return [] if each is None else [self._reference(each, part)]

        if name in ("EnumType", "FlagsType"):
            yield from (name.removesuffix("Type").lower(), *(f'"{each}"' for each in kind.names))
        elif name == "ListType":
            yield from ("list", self._reference(kind.element, part))
        elif name == "OptionType":
            yield from ("option", self._reference(kind.payload, part))
        elif name == "TupleType":
            yield from ("tuple", *(self._reference(each, part) for each in kind.elements))
        elif name == "ResultType":
            error = maybe(kind.err)
            yield from ("result", *maybe(kind.ok), *(f"(error {each})" for each in error))
        elif name == "RecordType":
            yield from ("record", *(f'(field "{each}" {self._reference(inner, part)})' for each, inner in kind.fields))
        elif name == "VariantType":
            cases = (" ".join(["(case", f'"{each}"', *maybe(inner)]) + ")" for each, inner in kind.cases)
            yield from ("variant", *cases)
        else:
            raise _unsupported(part, f"a {name}")


# --- bytes ----------------------------------------------------------------------------------------------------------


def filled(outer: bytes, section: int, parts: list[bytes]) -> bytes:
    """Put binaries in the place of the empty ones within a component, in order; custom sections go.

    Args:
        outer: A component, with one section of that kind for each part.
        section: 4 for components, 1 for core modules.
        parts: What is put in.
    """
    made, at, waiting = bytearray(outer[:HEADER_BYTES]), HEADER_BYTES, list(parts)
    while at < len(outer):
        kind = outer[at]
        size, start = _number(outer, at + 1)
        if kind == section:
            inside = waiting.pop(0)
            made += bytes([kind]) + _leb(len(inside)) + inside
        elif kind != CUSTOM_SECTION:
            made += outer[at : start + size]
        at = start + size
    assert not waiting, "there is a place for each part"
    return bytes(made)


def _number(data: bytes, at: int) -> tuple[int, int]:
    """Read an unsigned LEB128 number, and give it with the position after it."""
    value = shift = 0
    while True:
        value |= (data[at] & 0x7F) << shift
        shift, at = shift + 7, at + 1
        if data[at - 1] < 0x80:
            return value, at


def _leb(value: int) -> bytes:
    """Write an unsigned LEB128 number."""
    made = bytearray()
    while value > 0x7F:
        made.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*made, value])


def _is_instance(kind: Any) -> bool:
    return type(kind).__name__ == "ComponentInstanceType"


def _unsupported(part: str, what: str) -> ModuleRefused:
    return _refused(
        f"part {part} imports {what[:200]}, which composition cannot pass on yet",
        "pass plain values, or let the parts call each other through the host: bailiwick:invoke",
        "unsupported",
    )


def _refused(what: str, hint: str, code: str) -> ModuleRefused:
    return ModuleRefused(what, hint=hint, code=f"compose-{code}")
