"""Values with types: JSON in, JSON out, and a schema that says the same as the check."""

import base64
import ctypes
import json

import jsonschema_rs
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from bailiwick.engine import read_answer
from bailiwick.engine.values import (
    BYTES,
    INTEGER_RANGES,
    EnumOf,
    FlagsOf,
    ListOf,
    OptionOf,
    Primitive,
    RecordOf,
    ResultOf,
    TupleOf,
    ValueMismatch,
    VariantOf,
    check_value,
    schema_of,
)
from bailiwick.errors import ModuleFailed, ModuleRefused, UsageRefused
from bailiwick.model import Budget

BUDGET = Budget(fuel=3_000_000, memory_bytes=8 << 20, deadline_ms=60_000)
NAMES = st.lists(
    st.sampled_from(["a", "b", "c-d", "ok", "error", "some", "value"]), min_size=1, max_size=4, unique=True
)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)


def maybe(inner):
    """Give a type or none."""
    return st.none() | inner


def compound(inner):
    """Give types made of types."""
    return st.one_of(
        st.builds(ListOf, inner),
        st.builds(OptionOf, inner),
        st.builds(ResultOf, maybe(inner), maybe(inner)),
        st.lists(inner, min_size=1, max_size=3).map(lambda parts: TupleOf(tuple(parts))),
        NAMES.flatmap(lambda names: st.tuples(*[st.tuples(st.just(name), inner) for name in names])).map(RecordOf),
        NAMES.flatmap(lambda names: st.tuples(*[st.tuples(st.just(name), maybe(inner)) for name in names])).map(
            VariantOf
        ),
        NAMES.map(lambda names: EnumOf(tuple(names))),
        NAMES.map(lambda names: FlagsOf(tuple(names))),
    )


PRIMITIVES = st.sampled_from(
    [Primitive(name) for name in (*INTEGER_RANGES, "bool", "f32", "f64", "char", "string")] + [BYTES]
)
TYPES = st.recursive(PRIMITIVES, compound, max_leaves=6)


def values_of(kind):
    """Give JSON of a type, as a reader writes it."""
    if kind == BYTES:
        return st.binary(max_size=40).map(lambda data: base64.b64encode(data).decode())
    if isinstance(kind, Primitive):
        return primitives_of(kind.name)
    if isinstance(kind, ListOf):
        return st.lists(values_of(kind.element), max_size=3)
    if isinstance(kind, OptionOf):
        inner = values_of(kind.payload)
        return st.none() | (inner.map(lambda value: {"some": value}) if isinstance(kind.payload, OptionOf) else inner)
    if isinstance(kind, ResultOf):
        sides = [("ok", kind.ok), ("error", kind.error)]
        return st.one_of(*[payload_of(side).map(lambda value, name=name: {name: value}) for name, side in sides])
    if isinstance(kind, TupleOf):
        return st.tuples(*[values_of(part) for part in kind.elements]).map(list)
    if isinstance(kind, RecordOf):
        return st.fixed_dictionaries({name: values_of(part) for name, part in kind.fields})
    if isinstance(kind, EnumOf):
        return st.sampled_from(kind.names)
    if isinstance(kind, FlagsOf):
        return st.sets(st.sampled_from(kind.names)).map(lambda some: [name for name in kind.names if name in some])
    return st.one_of(*[case_of(name, part) for name, part in kind.cases])


def primitives_of(name):
    """Give JSON of a type without parts."""
    if name in INTEGER_RANGES:
        return st.integers(*INTEGER_RANGES[name])
    floats = st.floats(allow_nan=False, allow_infinity=False, width=32 if name == "f32" else 64)
    character = st.characters(exclude_categories=["Cs"])
    return {"bool": st.booleans(), "f32": floats, "f64": floats, "char": character, "string": TEXT}[name]


def payload_of(kind):
    """Give JSON of a type, or null for none."""
    return st.none() if kind is None else values_of(kind)


def case_of(name, kind):
    """Give JSON of one case."""
    return st.just({"case": name}) if kind is None else values_of(kind).map(lambda v: {"case": name, "value": v})


def canonical(value):
    """Write JSON so that equal text means equal values, 1 and 1.0 and -0.0 told apart."""
    return json.dumps(value, sort_keys=True)


TYPED = TYPES.flatmap(lambda kind: st.tuples(st.just(kind), values_of(kind)))
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers(-300, 2**65) | TEXT | st.just(0.5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["ok", "case", "a", "some"]), inner),
    max_leaves=4,
)
SLOW = settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])


@SLOW
@given(typed=TYPED)
def test_what_is_written_for_the_engine_is_read_back_the_same(engine, typed):
    """A value that changed at the boundary would be one that nobody sent."""
    kind, value = typed
    check_value(kind, value)
    lifting = engine._lifting
    place = lifting.structures.value()
    lifting.writer(kind)(value, place)
    try:
        assert canonical(lifting.reader(kind)(place)) == canonical(value)
    finally:
        lifting.delete(ctypes.addressof(place))


@SLOW
@given(typed=TYPED, other=ANYTHING)
def test_the_schema_of_a_type_says_what_the_check_says(typed, other):
    """A client that validates by the schema would be refused, or trusted, wrongly."""
    kind, value = typed
    schema = jsonschema_rs.validator_for(schema_of(kind))
    assert schema.is_valid(value)
    try:
        check_value(kind, other)
    except ValueMismatch:
        is_value = False
    else:
        is_value = True
    # What a schema cannot say: base64 of a whole number of bytes, a whole float where an integer is meant.
    assume(is_said_by_schema(kind))
    assert not is_value or schema.is_valid(other)
    if is_value is False and not has_float(other):
        assert not schema.is_valid(other)


def parts_of(kind):
    """Give every type within a type."""
    yield kind
    inner = {
        ListOf: lambda: [kind.element],
        OptionOf: lambda: [kind.payload],
        ResultOf: lambda: [kind.ok, kind.error],
        TupleOf: lambda: kind.elements,
        RecordOf: lambda: [part for _, part in kind.fields],
        VariantOf: lambda: [part for _, part in kind.cases],
    }.get(type(kind), list)()
    for part in inner:
        if part is not None:
            yield from parts_of(part)


def is_said_by_schema(kind):
    """Say whether no bytes are in a type, nor floats, whose range a schema leaves open."""
    return all(part != BYTES and part not in (Primitive("f32"), Primitive("f64")) for part in parts_of(kind))


def has_float(value):
    """Say whether a float is anywhere in JSON."""
    return "." in json.dumps(value)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (Primitive("u8"), 256),
        (Primitive("u8"), -1),
        (Primitive("u8"), True),
        (Primitive("u8"), 1.0),
        (Primitive("s64"), 2**63),
        (Primitive("bool"), 1),
        (Primitive("f32"), 1e39),
        (Primitive("f64"), 10**400),
        (Primitive("f64"), "1"),
        (Primitive("f64"), float("nan")),
        (Primitive("char"), ""),
        (Primitive("char"), "ab"),
        (Primitive("string"), "\ud800"),
        (BYTES, "é"),
        (BYTES, "YQ"),
        (EnumOf(("a",)), "b"),
        (FlagsOf(("a",)), ["a", "a"]),
        (FlagsOf(("a",)), "a"),
        (RecordOf((("a", Primitive("u8")),)), {}),
        (RecordOf((("a", Primitive("u8")),)), {"a": 1, "b": 2}),
        (VariantOf((("a", None),)), {"case": "a", "value": None}),
        (VariantOf((("a", Primitive("u8")),)), {"case": "a"}),
        (ResultOf(None, None), {"ok": 1}),
        (ResultOf(None, None), {"ok": None, "error": None}),
        (OptionOf(OptionOf(Primitive("u8"))), 1),
        (TupleOf((Primitive("u8"),)), [1, 2]),
        (ListOf(Primitive("string")), ["a", 1]),
    ],
)
def test_json_that_is_no_value_of_its_type_is_refused(kind, value):
    """A value written as what it is not would be read as something else by the guest."""
    with pytest.raises(ValueMismatch):
        check_value(kind, value)


ADD = ("add", "(param i64 i64) (result i64)", "(i64.add (local.get 0) (local.get 1))",
       '(param "left" u64) (param "right" u64) (result u64)')  # fmt: skip
HALF = ("half", "(param f64) (result f64)", "(f64.div (local.get 0) (f64.const 2))",
        '(param "number" f64) (result f64)')  # fmt: skip
RATIO = ("ratio", "(param f64 f64) (result f64)", "(f64.div (local.get 0) (local.get 1))",
         '(param "over" f64) (param "under" f64) (result f64)')  # fmt: skip
CHECK = ("check", "(param i32) (result i32)", "(i32.store8 (i32.const 16) (local.get 0)) (i32.const 16)",
         '(param "bad" bool) (result (result (error string)))')  # fmt: skip
SAY = ("say", "(param i32 i32) (result i32)",
       "(i32.store (i32.const 16) (local.get 0)) (i32.store (i32.const 20) (local.get 1)) (i32.const 16)",
       '(param "bytes" (list u8)) (result (list u8))')  # fmt: skip


@pytest.fixture(scope="module")
def typed(engine, to_wasm, component_text):
    """Give a component with functions that have types."""
    return engine.load(to_wasm(component_text([ADD, HALF, RATIO, CHECK, SAY])))


def ask(engine, typed, function, values):
    """Call a function and read its answer."""
    return read_answer(engine.run(typed, function, json.dumps(values).encode(), BUDGET).output)


def test_a_typed_component_describes_its_functions(typed):
    """A caller could not know what to send."""
    assert typed.form == "component/1"
    assert set(typed.functions) == {"add", "half", "ratio", "check", "say"}
    shape = typed.functions["add"]
    assert shape.input["required"] == ["left", "right"]
    assert shape.output == {"type": "integer", "minimum": 0, "maximum": 2**64 - 1}
    assert typed.functions["check"].output == {"type": "null"}


def test_functions_with_types_are_called_with_json(engine, typed):
    """Sixty-four bits must come through whole: a float in between would round them."""
    assert ask(engine, typed, "add", {"left": 2**63 + 1, "right": 2**62 + 3}) == 2**63 + 2**62 + 4
    assert float(ask(engine, typed, "half", {"number": 5})) == 2.5
    assert ask(engine, typed, "check", {"bad": False}) is None
    assert ask(engine, typed, "check", {"bad": True}).code == "refused"
    data = base64.b64encode(bytes(range(256)) * 40).decode()
    assert ask(engine, typed, "say", {"bytes": data}) == data


def test_a_number_that_json_does_not_have_is_the_guests_failure(engine, typed):
    """Infinity written as JSON would be garbage further in."""
    with pytest.raises(ModuleFailed) as caught:
        ask(engine, typed, "ratio", {"over": 1, "under": 0})
    assert caught.value.code == "module-answer"


@pytest.mark.parametrize(
    ("function", "values"),
    [
        ("add", {}),
        ("add", {"left": 1, "right": -1}),
        ("add", [1, 2]),
        ("add", None),
        ("none", {}),
        ("half", {"number": "1"}),
    ],
)
def test_input_that_does_not_fit_the_types_is_refused(engine, typed, function, values):
    """The caller's mistake must not look like the module's."""
    with pytest.raises(UsageRefused) as caught:
        ask(engine, typed, function, values)
    assert caught.value.code in {"module-input", "module-function"}


def test_a_type_that_doubles_itself_is_refused(engine, to_wasm):
    """Sixty lines can name a type with 2 to the 60 parts, which nobody could write out."""
    types = "(type $t0 (tuple u8 u8))" + "".join(f"(type $t{n + 1} (tuple $t{n} $t{n}))" for n in range(16))
    text = f"""(component {types} (core module $m (func (export "f") (param i32)) (memory (export "m") 1)
        (func (export "r") (param i32 i32 i32 i32) (result i32) (i32.const 0)))
      (core instance $i (instantiate $m))
      (func (export "f") (param "a" $t16) (canon lift (core func $i "f") (memory (core memory $i "m"))
        (realloc (core func $i "r")))))"""
    with pytest.raises(ModuleRefused) as caught:
        engine.load(to_wasm(text))
    assert caught.value.code in {"module-type", "module-invalid"}
