"""Values of components between the C interface and JSON: reading what a guest gave, writing what it gets.

A reader or writer is built once for each type. Structures are the package's own, read by the names of their fields,
so they are right for whatever version is installed. Memory that is written here comes from the engine's allocator and
belongs to whoever the value is handed to.
"""

from __future__ import annotations

import base64
import ctypes
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

from bailiwick.engine.values import (
    BYTES,
    EnumOf,
    FlagsOf,
    ListOf,
    OptionOf,
    Primitive,
    RecordOf,
    ResultOf,
    TupleOf,
    VariantOf,
    WitType,
    is_nullable,
)

if TYPE_CHECKING:
    from bailiwick.engine.package import Structures

Read: TypeAlias = Callable[[Any], Any]
"""Takes a value of the C interface and gives its JSON."""
Write: TypeAlias = Callable[[Any, Any], None]
"""Takes JSON that was checked, and fills a value of the C interface."""


class NotJson(Exception):
    """A number that a guest gave and JSON does not have: not a number, or infinite."""


class Lifting:
    """Builds readers and writers. Stateless after that; threads may share it."""

    def __init__(self, structures: Structures) -> None:
        self.structures = structures
        self._kinds = structures.kinds
        self._value = structures.value
        self._size = ctypes.sizeof(structures.value)
        self._offset = structures.value.of.offset
        pointer, size = ctypes.c_void_p, ctypes.c_size_t

        def quick(name: str, result: Any, *arguments: Any) -> Any:
            return ctypes.PYFUNCTYPE(result, *arguments)((name, structures.dll))

        self.new_text = quick("wasm_byte_vec_new", None, pointer, size, ctypes.c_char_p)
        self.delete = quick("wasmtime_component_val_delete", None, pointer)
        self._new_value = quick("wasmtime_component_val_new", pointer, pointer)
        self._new_list = quick("wasmtime_component_vallist_new_uninit", None, pointer, size)
        self._new_record = quick("wasmtime_component_valrecord_new_uninit", None, pointer, size)
        self._new_tuple = quick("wasmtime_component_valtuple_new_uninit", None, pointer, size)
        self._new_flags = quick("wasmtime_component_valflags_new_uninit", None, pointer, size)

    def reader(self, kind: WitType) -> Read:
        """Build what reads values of a type."""
        if kind == BYTES:
            return self._read_bytes
        readers: dict[type[Any], Callable[[Any], Read]] = {
            Primitive: self._primitive_reader,
            ListOf: self._list_reader,
            OptionOf: self._option_reader,
            ResultOf: self._result_reader,
            TupleOf: self._tuple_reader,
            RecordOf: self._record_reader,
            EnumOf: lambda _: _read_enum,
            FlagsOf: self._flags_reader,
            VariantOf: self._variant_reader,
        }
        return readers[type(kind)](kind)

    def writer(self, kind: WitType) -> Write:
        """Build what writes values of a type; the JSON must have passed ``check_value``."""
        if kind == BYTES:
            return self._write_bytes
        writers: dict[type[Any], Callable[[Any], Write]] = {
            Primitive: self._primitive_writer,
            ListOf: self._list_writer,
            OptionOf: self._option_writer,
            ResultOf: self._result_writer,
            TupleOf: self._tuple_writer,
            RecordOf: self._record_writer,
            EnumOf: lambda _: self._write_enum,
            FlagsOf: lambda _: self._write_flags,
            VariantOf: self._variant_writer,
        }
        return writers[type(kind)](kind)

    # --- reading ----------------------------------------------------------------------------------------------------

    def _primitive_reader(self, kind: Primitive) -> Read:
        if kind.name == "string":
            return self._string_reader()
        if kind.name == "char":
            return lambda value: chr(value.of.character)
        if kind.name in ("f32", "f64"):
            return _read_f32 if kind.name == "f32" else _read_f64
        name = "boolean" if kind.name == "bool" else kind.name
        return lambda value: getattr(value.of, name)

    def _string_reader(self) -> Read:
        # Texts are what most calls pass: two words read by address cost a third of the same through structures.
        words, place, decode = ctypes.c_size_t * 2, self._offset, bytes.decode
        address, text_at = ctypes.addressof, ctypes.string_at

        def read_string(value: Any) -> str:
            size, data = words.from_address(address(value) + place)
            return decode(text_at(data, size)) if size else ""

        return read_string

    def _read_bytes(self, value: Any) -> str:
        items = value.of.list
        if not items.size:
            return ""
        # Each byte is a value of its own in the C interface; a slice with a step picks them out without a loop.
        raw = ctypes.string_at(items.data, items.size * self._size)
        return base64.b64encode(raw[self._offset :: self._size]).decode()

    def _list_reader(self, kind: ListOf) -> Read:
        read = self.reader(kind.element)

        def read_list(value: Any) -> list[Any]:
            items = value.of.list
            return [read(items.data[index]) for index in range(items.size)]

        return read_list

    def _option_reader(self, kind: OptionOf) -> Read:
        read = self.reader(kind.payload)
        is_wrapped = is_nullable(kind.payload)

        def read_option(value: Any) -> Any:
            """Give nothing as null; what could be null itself stands under ``some``."""
            pointer = value.of.option
            if not pointer:
                return None
            return {"some": read(pointer.contents)} if is_wrapped else read(pointer.contents)

        return read_option

    def _result_reader(self, kind: ResultOf) -> Read:
        reads = {True: kind.ok and self.reader(kind.ok), False: kind.error and self.reader(kind.error)}

        def read_result(value: Any) -> dict[str, Any]:
            """Give the side that it is, under its name."""
            result = value.of.result
            read = reads[result.is_ok]
            return {"ok" if result.is_ok else "error": read(result.val.contents) if read else None}

        return read_result

    def _tuple_reader(self, kind: TupleOf) -> Read:
        reads = [self.reader(each) for each in kind.elements]

        def read_tuple(value: Any) -> list[Any]:
            items = value.of.tuple
            return [read(items.data[index]) for index, read in enumerate(reads)]

        return read_tuple

    def _record_reader(self, kind: RecordOf) -> Read:
        reads = [(name, self.reader(each)) for name, each in kind.fields]

        def read_record(value: Any) -> dict[str, Any]:
            entries = value.of.record.data
            return {name: read(entries[index].val) for index, (name, read) in enumerate(reads)}

        return read_record

    def _flags_reader(self, kind: FlagsOf) -> Read:
        def read_flags(value: Any) -> list[str]:
            """Give the names that are set, in the order of the type."""
            items = value.of.flags
            named = {_text(items.data[index]) for index in range(items.size)}
            return [name for name in kind.names if name in named]

        return read_flags

    def _variant_reader(self, kind: VariantOf) -> Read:
        reads = {name: payload and self.reader(payload) for name, payload in kind.cases}

        def read_variant(value: Any) -> dict[str, Any]:
            """Give case and value."""
            variant = value.of.variant
            case = _text(variant.discriminant)
            read = reads[case]
            return {"case": case, "value": read(variant.val.contents)} if read else {"case": case}

        return read_variant

    # --- writing ----------------------------------------------------------------------------------------------------

    def _write_text(self, text: str, place: Any) -> None:
        data = text.encode()
        self.new_text(ctypes.addressof(place), len(data), data)

    def _primitive_writer(self, kind: Primitive) -> Write:
        number = self._kinds[kind.name]
        if kind.name == "string":
            new_text, place, address = self.new_text, self._offset, ctypes.addressof

            def write_string(json: str, value: Any) -> None:
                """Copy the bytes of the text into the value."""
                data = json.encode()
                new_text(address(value) + place, len(data), data)
                value.kind = number

            return write_string
        name = {"bool": "boolean", "char": "character"}.get(kind.name, kind.name)
        convert: Callable[[Any], Any] = _CONVERSIONS.get(kind.name, _as_it_is)

        def write_primitive(json: Any, value: Any) -> None:
            setattr(value.of, name, convert(json))
            value.kind = number

        return write_primitive

    def _write_bytes(self, json: str, value: Any) -> None:
        data = base64.b64decode(json)
        raw = bytearray(len(data) * self._size)
        raw[0 :: self._size] = bytes([self._kinds["u8"]]) * len(data)
        raw[self._offset :: self._size] = data
        self._new_list(ctypes.addressof(value.of.list), len(data))
        if data:
            ctypes.memmove(value.of.list.data, bytes(raw), len(raw))
        value.kind = self._kinds["list"]

    def _list_writer(self, kind: ListOf) -> Write:
        write = self.writer(kind.element)

        def write_list(json: list[Any], value: Any) -> None:
            """Make an array, and fill each place of it."""
            self._new_list(ctypes.addressof(value.of.list), len(json))
            for index, each in enumerate(json):
                write(each, value.of.list.data[index])
            value.kind = self._kinds["list"]

        return write_list

    def _boxed(self, write: Write | None, json: Any) -> Any:
        """Write a value into memory of its own and give the pointer; no writer gives no pointer."""
        kind = ctypes.POINTER(self._value)
        if write is None:
            return kind()
        inner = self._value()
        write(json, inner)
        return ctypes.cast(self._new_value(ctypes.addressof(inner)), kind)

    def _option_writer(self, kind: OptionOf) -> Write:
        write = self.writer(kind.payload)
        is_wrapped = is_nullable(kind.payload)

        def write_option(json: Any, value: Any) -> None:
            """Point to the value, or to nothing."""
            payload = json["some"] if is_wrapped and json is not None else json
            value.of.option = self._boxed(None if json is None else write, payload)
            value.kind = self._kinds["option"]

        return write_option

    def _result_writer(self, kind: ResultOf) -> Write:
        writes = {
            "ok": self.writer(kind.ok) if kind.ok else None,
            "error": self.writer(kind.error) if kind.error else None,
        }
        number, new_value, address = self._kinds["result"], self._new_value, ctypes.addressof
        result = self.structures.result
        is_ok_at, payload_at = self._offset + result.is_ok.offset, self._offset + result.val.offset

        def write_result(json: dict[str, Any], value: Any) -> None:
            """Fill the side that is given."""
            name = next(iter(json))
            write, place, payload = writes[name], address(value), 0
            if write:
                inner = self._value()
                write(json[name], inner)
                payload = new_value(address(inner))
            ctypes.c_bool.from_address(place + is_ok_at).value = name == "ok"
            ctypes.c_size_t.from_address(place + payload_at).value = payload
            value.kind = number

        return write_result

    def _tuple_writer(self, kind: TupleOf) -> Write:
        writes = [self.writer(each) for each in kind.elements]

        def write_tuple(json: list[Any], value: Any) -> None:
            """Fill each place in order."""
            self._new_tuple(ctypes.addressof(value.of.tuple), len(writes))
            for index, write in enumerate(writes):
                write(json[index], value.of.tuple.data[index])
            value.kind = self._kinds["tuple"]

        return write_tuple

    def _record_writer(self, kind: RecordOf) -> Write:
        writes = [(name, self.writer(each)) for name, each in kind.fields]

        def write_record(json: dict[str, Any], value: Any) -> None:
            """Fill each field under its name."""
            self._new_record(ctypes.addressof(value.of.record), len(writes))
            for index, (name, write) in enumerate(writes):
                entry = value.of.record.data[index]
                self._write_text(name, entry.name)
                write(json.get(name), entry.val)
            value.kind = self._kinds["record"]

        return write_record

    def _write_enum(self, json: str, value: Any) -> None:
        self._write_text(json, value.of.enumeration)
        value.kind = self._kinds["enum"]

    def _write_flags(self, json: list[str], value: Any) -> None:
        self._new_flags(ctypes.addressof(value.of.flags), len(json))
        for index, name in enumerate(json):
            self._write_text(name, value.of.flags.data[index])
        value.kind = self._kinds["flags"]

    def _variant_writer(self, kind: VariantOf) -> Write:
        writes = {name: self.writer(payload) if payload else None for name, payload in kind.cases}

        def write_variant(json: dict[str, Any], value: Any) -> None:
            """Fill case and value."""
            self._write_text(json["case"], value.of.variant.discriminant)
            value.of.variant.val = self._boxed(writes[json["case"]], json.get("value"))
            value.kind = self._kinds["variant"]

        return write_variant


def _as_it_is(json: Any) -> Any:
    return json


_CONVERSIONS: dict[str, Callable[[Any], Any]] = {"char": ord, "f32": float, "f64": float}


def _text(vector: Any) -> str:
    # The engine only hands over text that it checked to be UTF-8.
    return ctypes.string_at(vector.data, vector.size).decode() if vector.size else ""


def _read_enum(value: Any) -> str:
    return _text(value.of.enumeration)


def _read_f32(value: Any) -> float:
    return _finite(value.of.f32)


def _read_f64(value: Any) -> float:
    return _finite(value.of.f64)


def _finite(number: float) -> float:
    if not math.isfinite(number):
        raise NotJson(f"{number} is a number that JSON does not have")
    return number
