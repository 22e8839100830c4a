"""Types of the WebAssembly Interface Types as values, and what their values look like as JSON.

Pure: nothing here knows an engine. ``schema_of`` and ``check_value`` say the same thing twice, once for people and
foreign validators and once for the hot path; a property test holds them together.

JSON of a type: integers are exact up to 64 bits; ``list<u8>`` is base64 text; an option is null or its value, and
``{"some": ...}`` where the value could itself be null; a result is ``{"ok": ...}`` or ``{"error": ...}``; a variant
``{"case": name, "value": ...}``; flags a list of names in the order of their declaration.
"""

from __future__ import annotations

import base64
import binascii
import math
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

INTEGER_RANGES = {
    **{f"u{bits}": (0, 2**bits - 1) for bits in (8, 16, 32, 64)},
    **{f"s{bits}": (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) for bits in (8, 16, 32, 64)},
}
"""Least and greatest value of each integer type."""
PRIMITIVES = frozenset({"bool", "f32", "f64", "char", "string", *INTEGER_RANGES})
BASE64_PATTERN = "^[A-Za-z0-9+/]*={0,2}$"


@dataclass(frozen=True, slots=True)
class Primitive:
    """A type without parts; ``name`` is its WIT name, such as ``u32``."""

    name: str


@dataclass(frozen=True, slots=True)
class ListOf:
    """Any number of values of one type."""

    element: WitType


@dataclass(frozen=True, slots=True)
class OptionOf:
    """A value or none."""

    payload: WitType


@dataclass(frozen=True, slots=True)
class ResultOf:
    """A value or an error, each of which may carry nothing."""

    ok: WitType | None
    error: WitType | None


@dataclass(frozen=True, slots=True)
class TupleOf:
    """Values of several types, by place."""

    elements: tuple[WitType, ...]


@dataclass(frozen=True, slots=True)
class RecordOf:
    """Values of several types, by name."""

    fields: tuple[tuple[str, WitType], ...]


@dataclass(frozen=True, slots=True)
class EnumOf:
    """One of several names."""

    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FlagsOf:
    """Any of several names."""

    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class VariantOf:
    """One of several cases, each of which may carry a value."""

    cases: tuple[tuple[str, WitType | None], ...]


WitType: TypeAlias = Primitive | ListOf | OptionOf | ResultOf | TupleOf | RecordOf | EnumOf | FlagsOf | VariantOf
BYTES = ListOf(Primitive("u8"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """What a function takes, by name and in order, and what it gives."""

    parameters: tuple[tuple[str, WitType], ...]
    result: WitType | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionShape:
    """What a function of a typed component takes and gives, as JSON Schema 2020-12."""

    input: Mapping[str, Any]
    output: Mapping[str, Any]


class ValueMismatch(Exception):
    """JSON that is no value of its type; ``path`` is a JSON Pointer."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{path or '/'} {reason}")
        self.path = path
        self.reason = reason


def shape_of(signature: Signature) -> FunctionShape:
    """Describe a function as JSON Schema. A result that can be an error is described by its ok value."""
    result = signature.result
    output = result.ok if isinstance(result, ResultOf) else result
    return FunctionShape(input=schema_of(RecordOf(signature.parameters)), output=_payload_schema(output))


def schema_of(kind: WitType) -> dict[str, Any]:
    """Describe the JSON of a type as JSON Schema 2020-12.

    >>> schema_of(OptionOf(Primitive("u8")))
    {'anyOf': [{'type': 'null'}, {'type': 'integer', 'minimum': 0, 'maximum': 255}]}
    """
    if kind == BYTES:
        return {"type": "string", "contentEncoding": "base64", "pattern": BASE64_PATTERN}
    return _SCHEMAS[type(kind)](kind)


def check_value(kind: WitType, value: Any, path: str = "") -> None:
    """Check that JSON is a value of a type.

    Raises:
        ValueMismatch: it is not; the first place is named.
    """
    if kind == BYTES:
        _check_base64(value, path)
    else:
        _CHECKS[type(kind)](kind, value, path)


def is_nullable(kind: WitType) -> bool:
    """Say whether null is the JSON of a value of this type, so that an option of it needs ``{"some": ...}``."""
    return isinstance(kind, OptionOf)


def _object(properties: dict[str, Any], required: list[str] | None = None) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties) if required is None else required,
        "additionalProperties": False,
    }


def _payload_schema(kind: WitType | None) -> dict[str, Any]:
    return {"type": "null"} if kind is None else schema_of(kind)


def _case_schema(name: str, kind: WitType | None) -> dict[str, Any]:
    return _object({"case": {"const": name}, **({} if kind is None else {"value": schema_of(kind)})})


def _primitive_schema(kind: Primitive) -> dict[str, Any]:
    if kind.name in INTEGER_RANGES:
        least, most = INTEGER_RANGES[kind.name]
        return {"type": "integer", "minimum": least, "maximum": most}
    if kind.name == "char":
        return {"type": "string", "minLength": 1, "maxLength": 1}
    return {"type": {"bool": "boolean", "string": "string"}.get(kind.name, "number")}


def _option_schema(kind: OptionOf) -> dict[str, Any]:
    payload = schema_of(kind.payload)
    return {"anyOf": [{"type": "null"}, _object({"some": payload}) if is_nullable(kind.payload) else payload]}


def _tuple_schema(kind: TupleOf) -> dict[str, Any]:
    size = len(kind.elements)
    return {
        "type": "array",
        "prefixItems": [schema_of(each) for each in kind.elements],
        "minItems": size,
        "maxItems": size,
    }


def _record_schema(kind: RecordOf) -> dict[str, Any]:
    required = [name for name, each in kind.fields if not isinstance(each, OptionOf)]
    return _object({name: schema_of(each) for name, each in kind.fields}, required)


_SCHEMAS: dict[type[Any], Callable[[Any], dict[str, Any]]] = {
    Primitive: _primitive_schema,
    ListOf: lambda kind: {"type": "array", "items": schema_of(kind.element)},
    OptionOf: _option_schema,
    ResultOf: lambda kind: {
        "oneOf": [_object({"ok": _payload_schema(kind.ok)}), _object({"error": _payload_schema(kind.error)})]
    },
    TupleOf: _tuple_schema,
    RecordOf: _record_schema,
    EnumOf: lambda kind: {"enum": list(kind.names)},
    FlagsOf: lambda kind: {"type": "array", "items": {"enum": list(kind.names)}, "uniqueItems": True},
    VariantOf: lambda kind: {"oneOf": [_case_schema(name, payload) for name, payload in kind.cases]},
}


def _check_primitive(kind: Primitive, value: Any, path: str) -> None:
    name = kind.name
    if name in INTEGER_RANGES:
        least, most = INTEGER_RANGES[name]
        if type(value) is not int or not least <= value <= most:
            raise ValueMismatch(path, f"is no {name}")
    elif name == "bool":
        if type(value) is not bool:
            raise ValueMismatch(path, "is no bool")
    elif name in ("f32", "f64"):
        _check_float(name, value, path)
    else:
        _check_text(value, path)
        if name == "char" and len(value) != 1:
            raise ValueMismatch(path, "is no single character")


def _check_float(name: str, value: Any, path: str) -> None:
    try:
        if type(value) not in (int, float) or not math.isfinite(float(value)):
            raise ValueMismatch(path, f"is no {name}")
        struct.pack("<f" if name == "f32" else "<d", float(value))
    except OverflowError as error:
        raise ValueMismatch(path, f"is too large for {name}") from error


def _check_text(value: Any, path: str) -> None:
    if type(value) is not str:
        raise ValueMismatch(path, "is no text")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise ValueMismatch(path, "holds half a surrogate pair") from error


def _check_base64(value: Any, path: str) -> None:
    _check_text(value, path)
    try:
        base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError) as error:
        raise ValueMismatch(path, "is no base64") from error


def _check_list(kind: ListOf, value: Any, path: str) -> None:
    if type(value) is not list:
        raise ValueMismatch(path, "is no list")
    for index, each in enumerate(value):
        check_value(kind.element, each, f"{path}/{index}")


def _check_option(kind: OptionOf, value: Any, path: str) -> None:
    if value is None:
        return
    if is_nullable(kind.payload):
        _check_keys(value, {"some"}, {"some"}, path)
        check_value(kind.payload, value["some"], f"{path}/some")
    else:
        check_value(kind.payload, value, path)


def _check_result(kind: ResultOf, value: Any, path: str) -> None:
    if type(value) is not dict or len(value) != 1 or not value.keys() <= {"ok", "error"}:
        raise ValueMismatch(path, "is no result: it holds not exactly one of ok and error")
    name = next(iter(value))
    _check_payload(kind.ok if name == "ok" else kind.error, value[name], f"{path}/{name}")


def _check_payload(kind: WitType | None, value: Any, path: str) -> None:
    if kind is not None:
        check_value(kind, value, path)
    elif value is not None:
        raise ValueMismatch(path, "carries a value, and nothing is expected")


def _check_tuple(kind: TupleOf, value: Any, path: str) -> None:
    if type(value) is not list or len(value) != len(kind.elements):
        raise ValueMismatch(path, f"is no list of {len(kind.elements)}")
    for index, (part, each) in enumerate(zip(kind.elements, value, strict=True)):
        check_value(part, each, f"{path}/{index}")


def _check_record(kind: RecordOf, value: Any, path: str) -> None:
    names = {name for name, _ in kind.fields}
    _check_keys(value, {name for name, each in kind.fields if not isinstance(each, OptionOf)}, names, path)
    for name, each in kind.fields:
        check_value(each, value.get(name), f"{path}/{name}")


def _check_enum(kind: EnumOf, value: Any, path: str) -> None:
    if type(value) is not str or value not in kind.names:
        raise ValueMismatch(path, "is none of the names of its enum")


def _check_flags(kind: FlagsOf, value: Any, path: str) -> None:
    if type(value) is not list or not all(type(each) is str and each in kind.names for each in value):
        raise ValueMismatch(path, "is no list of the names of its flags")
    if len(set(value)) != len(value):
        raise ValueMismatch(path, "names a flag twice")


def _check_variant(kind: VariantOf, value: Any, path: str) -> None:
    cases = dict(kind.cases)
    if type(value) is not dict or type(value.get("case")) is not str or value["case"] not in cases:
        raise ValueMismatch(path, "names no case of its variant")
    payload = cases[value["case"]]
    keys = {"case"} if payload is None else {"case", "value"}
    _check_keys(value, keys, keys, path)
    if payload is not None:
        check_value(payload, value["value"], f"{path}/value")


def _check_keys(value: Any, required: set[str], allowed: set[str], path: str) -> None:
    if type(value) is not dict:
        raise ValueMismatch(path, "is no object")
    missing, unknown = required - value.keys(), value.keys() - allowed
    if missing or unknown:
        what = f"lacks {', '.join(sorted(missing))}" if missing else f"has {len(unknown)} unknown names"
        raise ValueMismatch(path, what)


_CHECKS: dict[type[Any], Callable[[Any, Any, str], None]] = {
    Primitive: _check_primitive,
    ListOf: _check_list,
    OptionOf: _check_option,
    ResultOf: _check_result,
    TupleOf: _check_tuple,
    RecordOf: _check_record,
    EnumOf: _check_enum,
    FlagsOf: _check_flags,
    VariantOf: _check_variant,
}
