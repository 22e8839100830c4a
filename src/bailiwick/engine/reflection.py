"""What a compiled component takes, gives and asks for, read from its own types: signatures, imports, form.

The package's types come in, our own come out. Resources, streams, futures and whatever else has no JSON are refused.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bailiwick.engine.answer import FUNCTION_PATTERN
from bailiwick.engine.binary import imports_refused
from bailiwick.engine.values import (
    EnumOf,
    FlagsOf,
    ListOf,
    OptionOf,
    Primitive,
    RecordOf,
    ResultOf,
    Signature,
    TupleOf,
    VariantOf,
    WitType,
)
from bailiwick.errors import ModuleRefused

TYPE_NODES_MAX = 5_000
"""Most parts of all types of one component, written out: a type that names another twice doubles it."""
TYPE_DEPTH_MAX = 32
"""Deepest nesting of one type, in levels."""
FUNCTIONS_SHOWN_MAX = 200
"""Most functions that one component exports or imports."""
IMPORT_PATTERN = re.compile(r"bailiwick:[a-z][a-z0-9-]{0,62}/[a-z][a-z0-9-]{0,62}@\d{1,4}\.\d{1,4}\.\d{1,4}\Z")

TEXT = Primitive("string")
CALL = Signature(parameters=(("function", TEXT), ("input", TEXT)), result=ResultOf(TEXT, TEXT))
HEALTH = Signature(parameters=(), result=ResultOf(None, TEXT))


@dataclass(frozen=True, slots=True, kw_only=True)
class Surface:
    """What a component shows: its form, its imports by interface, its exports by name.

    ``exports`` maps the name a caller uses to the path of names within the component, and the signature.
    """

    form: str
    imports: Mapping[str, Mapping[str, Signature]]
    exports: Mapping[str, tuple[tuple[str, ...], Signature]]


def reflect(component: Any, engine: Any) -> Surface:
    """Read the surface of a compiled component.

    Raises:
        ModuleRefused: ``module-imports`` (what is no bailiwick interface), ``module-type`` (resources and other types
            without JSON, or too many), ``module-exports`` (nothing that can be called).
    """
    types = _Types()
    shown = component.type
    imports = {name: types.interface(name, each.ty, engine) for name, each in shown.imports(engine).items()}
    roots = {name: each.ty for name, each in shown.exports(engine).items()}
    if _is_called_by_text(types, roots):
        exports = {name: ((name,), CALL if name == "call" else HEALTH) for name in ("call", "health") if name in roots}
        return Surface(form="component-call/1", imports=imports, exports=exports)
    typed = types.exports(roots, engine)
    if not typed:
        raise ModuleRefused(
            "the component exports no function",
            hint="export call(function: string, input: string) -> result<string, string>, or functions with types",
            code="module-exports",
        )
    return Surface(form="component/1", imports=imports, exports=typed)


def _is_called_by_text(types: _Types, roots: Mapping[str, Any]) -> bool:
    call, health = roots.get("call"), roots.get("health")
    if type(call).__name__ != "FuncType" or types.signature("call", call) != CALL:
        return False
    if health is not None and (type(health).__name__ != "FuncType" or types.signature("health", health) != HEALTH):
        raise ModuleRefused(
            "the component's export health is not func() -> result<_, string>",
            hint="see contracts/wit/module.wit",
            code="module-exports",
        )
    return True


class _Types:
    """Turns the package's types into ours, counting what it met."""

    def __init__(self) -> None:
        self._nodes = 0

    def interface(self, name: str, kind: Any, engine: Any) -> dict[str, Signature]:
        """Give the functions of an imported interface: a bailiwick interface, or anybody's with nothing but types."""
        if type(kind).__name__ != "ComponentInstanceType":
            raise imports_refused((_printable(name),))
        items = {item: each.ty for item, each in kind.exports(engine).items()}
        if not IMPORT_PATTERN.match(name) and any(type(each).__name__ == "FuncType" for each in items.values()):
            raise imports_refused((_printable(name),))
        for item, each in items.items():
            if type(each).__name__ == "ResourceType":
                raise _type_refused(f"imports the resource {_printable(name)}#{_printable(item)}")
            if type(each).__name__ != "FuncType":
                self.value(each, f"{name}#{item}", 0)
        return {
            item: self.signature(f"{name}#{item}", each)
            for item, each in items.items()
            if type(each).__name__ == "FuncType"
        }

    def exports(self, roots: Mapping[str, Any], engine: Any) -> dict[str, tuple[tuple[str, ...], Signature]]:
        """Give every function that can be called, those of interfaces as ``interface.function``."""
        found: dict[str, tuple[tuple[str, ...], Signature]] = {}
        for name, kind in roots.items():
            if type(kind).__name__ == "FuncType":
                self._add(found, name, (name,), kind)
            elif type(kind).__name__ == "ComponentInstanceType":
                short = name.rpartition("/")[2].partition("@")[0]
                for item, each in kind.exports(engine).items():
                    inner = each.ty
                    if type(inner).__name__ == "FuncType":
                        self._add(found, f"{short}.{item}", (name, item), inner)
        return found

    def _add(
        self, found: dict[str, tuple[tuple[str, ...], Signature]], name: str, path: tuple[str, ...], kind: Any
    ) -> None:
        if name in found or not FUNCTION_PATTERN.match(name) or len(found) >= FUNCTIONS_SHOWN_MAX:
            raise ModuleRefused(
                f"the component exports {_printable(name)} twice, under a name of another form, or as one of more than "
                f"{FUNCTIONS_SHOWN_MAX}",
                hint="a lower-case letter, then up to 63 of a-z 0-9 . _ -",
                code="module-exports",
            )
        found[name] = (path, self.signature(name, kind))

    def signature(self, name: str, kind: Any) -> Signature:
        """Give the signature of a function."""
        parameters = tuple((parameter, self.value(each, name, 0)) for parameter, each in kind.params)
        result = kind.result
        return Signature(parameters=parameters, result=None if result is None else self.value(result, name, 0))

    def value(self, kind: Any, where: str, depth: int) -> WitType:  # noqa: PLR0911 one return for each kind
        """Give one type."""
        self._nodes += 1
        if self._nodes > TYPE_NODES_MAX or depth > TYPE_DEPTH_MAX:
            raise _type_refused(f"has types of more than {TYPE_NODES_MAX} parts or {TYPE_DEPTH_MAX} levels")
        name = type(kind).__name__
        if name.lower() in _PRIMITIVE_NAMES:
            return Primitive(name.lower())

        def inner(each: Any) -> WitType:
            return self.value(each, where, depth + 1)

        def maybe(each: Any) -> WitType | None:
            return None if each is None else inner(each)

        if name == "ListType":
            return ListOf(inner(kind.element))
        if name == "OptionType":
            return OptionOf(inner(kind.payload))
        if name == "ResultType":
            return ResultOf(maybe(kind.ok), maybe(kind.err))
        if name == "TupleType":
            return TupleOf(tuple(inner(each) for each in kind.elements))
        if name == "RecordType":
            return RecordOf(tuple((field, inner(each)) for field, each in kind.fields))
        if name == "EnumType":
            return EnumOf(tuple(kind.names))
        if name == "FlagsType":
            return FlagsOf(tuple(kind.names))
        if name == "VariantType":
            return VariantOf(tuple((case, maybe(each)) for case, each in kind.cases))
        raise _type_refused(f"uses a {_printable(name)} in {_printable(where)}, which has no JSON")


_PRIMITIVE_NAMES = frozenset(
    {"bool", "s8", "s16", "s32", "s64", "u8", "u16", "u32", "u64", "f32", "f64", "char", "string"}
)


def _printable(name: str) -> str:
    return "".join(each if " " < each < "\x7f" else "?" for each in name[:80])


def _type_refused(what: str) -> ModuleRefused:
    return ModuleRefused(
        f"the component {what}",
        hint="pass plain values: records, lists, options, results, variants, enums, flags, text and numbers",
        code="module-type",
    )
