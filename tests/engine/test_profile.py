"""Where fuel goes: the same each time, all of it, under the names that the binary has."""

from __future__ import annotations

import pytest

from bailiwick.engine import HostLink, has_names, profile_call
from bailiwick.engine.binary import Reader, read_section
from bailiwick.engine.profile import export_names, readable
from bailiwick.engine.selftest import COMPONENT_TEXT
from bailiwick.errors import ModuleFailed, UsageRefused
from bailiwick.model import Budget

wasmtime = pytest.importorskip("wasmtime")

BUDGET = Budget(fuel=1_000_000, memory_bytes=1 << 22, deadline_ms=60_000)
TEXT = """(module {imports} (memory (export "memory") 2)
  (data (i32.const 16) "{{\\22ok\\22:1}}")
  (func $spin (param $left i32)
    (loop $again (local.set $left (i32.sub (local.get $left) (i32.const 1))) (br_if $again (local.get $left))))
  (func $little (call $spin (i32.const 100)))
  (func $much (call $spin (i32.const 300)))
  (func (export "alloc") (param i32) (result i32) (i32.const 65536))
  (func $answer (export "run") (param i32 i32) (result i64)
    {first} (call $little) (call $much) (call $little)
    (i64.or (i64.shl (i64.const 16) (i64.const 32)) (i64.const 8))))"""
STRAIGHT = bytes(
    wasmtime.wat2wasm("""(module (memory (export "memory") 2) (data (i32.const 16) "{\\22ok\\22:1}")
  (func (export "alloc") (param i32) (result i32) (i32.const 65536))
  (func (export "run") (param i32 i32) (result i64)
    (drop (i32.const 1)) (drop (i32.const 1)) (drop (i32.const 1)) (drop (i32.const 1))
    (i64.const 0x0000001000000008)))""")
)
ASKING = """(import "bailiwick" "call" (func $ask (param i32 i32) (result i64)))"""
QUESTION = "{\\22interface\\22:\\22a:b/c@0.1.0\\22,\\22function\\22:\\22now\\22,\\22input\\22:{}}"


def wasm_of(imports: str = "", first: str = "") -> bytes:
    """Give a module that spins under three names."""
    return bytes(wasmtime.wat2wasm(TEXT.format(imports=imports, first=first)))


def profiled(wasm: bytes | None = None, *, samples: int = 400, host: HostLink | None = None):
    """Profile a call of it."""
    return profile_call(wasm or wasm_of(), "f", b"{}", BUDGET, host=host, samples=samples)


def test_fuel_is_told_by_function_its_own_and_with_what_it_calls():
    """Wrong if an author were sent to the wrong function."""
    found = profiled()
    costs = {each.name: each for each in found.functions}
    fuel = found.run.fuel
    assert found.functions[0].name == "spin"
    assert costs["spin"].self_fuel == costs["spin"].total_fuel > fuel * 9 // 10
    assert costs["much"].self_fuel < fuel // 50
    assert costs["answer"].total_fuel > fuel * 95 // 100
    assert 2.5 < costs["much"].total_fuel / (costs["little"].total_fuel / 2) < 3.5


def test_all_of_the_fuel_is_somewhere():
    """Wrong if parts of a call did not show."""
    found = profiled()
    assert sum(found.stacks.values()) == found.run.fuel
    assert sum(each.self_fuel for each in found.functions) == found.run.fuel


def test_a_profile_is_the_same_each_time():
    """Wrong if two looks at one call could not be compared."""
    assert profiled().folded() == profiled().folded()


def test_folded_stacks_go_from_the_outermost_in():
    """Wrong if a flame graph stood on its head."""
    lines = profiled().folded().splitlines()
    stacks = {line.rpartition(" ")[0]: int(line.rpartition(" ")[2]) for line in lines}
    assert stacks["answer;much;spin"] > stacks["answer;little;spin"] > 0


def test_a_function_without_a_name_stands_under_its_export_or_number():
    """Wrong if a binary whose names were stripped could not be looked at."""
    wasm = wasm_of()
    bare = stripped(wasm)
    assert has_names(wasm)
    assert not has_names(bare)
    assert export_names(bare) == {3: "alloc", 4: "run"}
    assert {"func[0]", "run"} <= {each.name for each in profiled(bare).functions}


def stripped(wasm: bytes) -> bytes:
    """Give a module without its custom sections."""
    reader, kept = Reader(wasm, 8), wasm[:8]
    while reader.position < reader.end:
        start = reader.position
        kind, _ = read_section(reader)
        kept += wasm[start : reader.position] if kind else b""
    return kept


def test_names_hold_nothing_that_breaks_a_line_of_stacks():
    """Wrong if a guest could forge stacks by what it calls its functions."""
    wasm = wasm_of().replace(b"spin", b"a; \n")
    assert all(len(line.split(" ")) == 2 for line in profiled(wasm).folded().splitlines())
    assert "a___" in {each.name for each in profiled(wasm).functions}


def test_names_of_rust_are_read():
    """Wrong if most of what a Rust author sees were mangling."""
    assert readable("_ZN4core3num8from_str17hd1fa509d6f9b96aaE") == "core::num::from_str"
    for broken in ("_ZN99a17hd1fa509d6f9b96aaE", "_ZNE", "_ZNx17hd1fa509d6f9b96aaE", "plain"):
        assert readable(broken) == broken


class Once:
    """A host that answers once, and differently each time that it is asked."""

    def __init__(self) -> None:
        self.asked = 0

    def call(self, interface, function, input, *, left, charge):  # noqa: A002
        """Give how often it was asked."""
        self.asked += 1
        charge(500)
        return self.asked


def test_the_host_is_asked_once_and_its_answers_stay():
    """Wrong if each sample met another world, or a profile did things in the real one 200 times."""
    size = len(QUESTION.replace("\\22", '"'))
    first = f"(drop (call $ask (i32.const 256) (i32.const {size})))"
    text = TEXT.format(imports=ASKING, first=first).replace("(data", f'(data (i32.const 256) "{QUESTION}") (data', 1)
    host = Once()
    found = profiled(bytes(wasmtime.wat2wasm(text)), host=host)
    assert host.asked == 1
    assert found.run.fuel > 500
    assert sum(found.stacks.values()) == found.run.fuel


def test_a_component_is_looked_at_as_far_as_its_engine_tells():
    """Wrong if components that take text could not be profiled."""
    text = COMPONENT_TEXT.replace(
        "(if (i32.eq (local.get $letter) (i32.const 0x75)) (then unreachable))",
        "(local.set $letter (i32.const 500)) (loop $more (br_if $more (local.tee $letter "
        "(i32.sub (local.get $letter) (i32.const 1)))))",
    )
    found = profile_call(bytes(wasmtime.wat2wasm(text)), "f", b"{}", BUDGET, samples=50)
    assert found.stacks
    assert max(found.stacks, key=found.stacks.__getitem__)[-1] == "m!func[1]"


TYPED = """(component (core module $m (memory (export "memory") 1)
  (func $work (export "f") (param i32) (result i32) (local $left i32)
    (local.set $left (i32.const 1000))
    (loop $again (br_if $again (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))
    (local.get 0)))
  (core instance $i (instantiate $m))
  (func (export "f") (param "n" u32) (result u32) (canon lift (core func $i "f"))))"""


def test_a_component_with_types_is_looked_at_too():
    """Wrong if what the engine says of a typed call were lost on the way."""
    found = profile_call(bytes(wasmtime.wat2wasm(TYPED)), "f", b'{"n":3}', BUDGET, samples=50)
    assert found.run.output == b'{"ok":3}'
    assert found.stacks == {("m!work",): found.run.fuel}


def test_a_call_without_a_place_to_look_at_is_elsewhere():
    """Wrong if a straight call were blamed on some function, or its fuel were lost."""
    found = profile_call(STRAIGHT, "f", b"{}", BUDGET)
    assert sum(found.stacks.values()) == found.run.fuel
    assert found.functions[0].name == "(elsewhere)"


def test_a_call_that_fails_by_itself_has_no_profile():
    """Wrong if part of a call were taken for the whole of it."""
    with pytest.raises(ModuleFailed) as caught:
        profile_call(wasm_of(first="unreachable"), "f", b"{}", BUDGET)
    assert caught.value.code == "module-trapped"


@pytest.mark.parametrize("samples", [0, 5_001])
def test_the_number_of_samples_is_bounded(samples):
    """Wrong if a typing error kept a machine busy for a day."""
    with pytest.raises(UsageRefused) as caught:
        profiled(samples=samples)
    assert caught.value.code == "profile-samples"


def test_more_samples_than_fuel_are_as_many_as_there_is_fuel():
    """Wrong if a small call were looked at twice in one place, or not at all."""
    found = profiled(samples=5_000)
    assert found.samples == found.run.fuel
