"""Components with types: what the manifest says of their functions, and a host interface as its WIT contract has it."""

from __future__ import annotations

import pytest

from bailiwick.errors import ModuleFailed, ModuleRefused

from .conftest import CLOCK, OPERATOR, TENANT, asking, files_of, manifest_of, wasm_of

ADDING = """(component
  (core module $Main (func (export "add") (param i32 i32) (result i32)
    (i32.add (local.get 0) (local.get 1))))
  (core instance $main (instantiate $Main))
  (func (export "add") (param "a" u32) (param "b" u32) (result u32) (canon lift (core func $main "add"))))"""
NUMBER = {"type": "integer", "minimum": 0}
SUM = {"title": "Add", "input": {"type": "object", "properties": {"a": NUMBER, "b": NUMBER}}, "output": NUMBER}

CLOCK_READER = f"""(component
  (import "{CLOCK}" (instance $clock
    (type $made (record (field "code" string) (field "message" string)))
    (export "failure" (type $failure (eq $made)))
    (export "now" (func (result (result u64 (error $failure)))))))
  (core module $Libc (memory (export "memory") 1) (global $top (mut i32) (i32.const 1024))
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (local i32)
      (local.set 4 (i32.and (i32.add (global.get $top) (i32.const 7)) (i32.const -8)))
      (global.set $top (i32.add (local.get 4) (local.get 3))) (local.get 4)))
  (core instance $libc (instantiate $Libc))
  (core func $now (canon lower (func $clock "now")
    (memory (core memory $libc "memory")) (realloc (core func $libc "realloc"))))
  (core module $Main (import "libc" "memory" (memory 0)) (import "host" "now" (func $now (param i32)))
    (func (export "read") (result i64) (call $now (i32.const 16))
      (if (result i64) (i32.load8_u (i32.const 16)) (then (i64.const 0)) (else (i64.load (i32.const 24))))))
  (core instance $main (instantiate $Main (with "libc" (instance $libc))
    (with "host" (instance (export "now" (func $now))))))
  (func (export "read") (result u64) (canon lift (core func $main "read"))))"""
READ = {"title": "Read the clock", "input": {"type": "object"}, "output": NUMBER}


def add(fleet, name, text, functions, *capabilities, grant=True, **changes):
    """Install a component written as text."""
    wasm = wasm_of(text)
    told = {"abi": "component/1", "functions": functions, "capabilities": list(capabilities), **changes}
    fleet.registry(TENANT).install(files_of(manifest_of(name, wasm=wasm, **told), wasm), OPERATOR)
    for each in capabilities if grant else ():
        fleet.registry(TENANT).grant(name, each["interface"], OPERATOR)


def test_a_function_with_types_is_called_by_the_names_of_its_parameters(fleet):
    """Wrong if the typed way in gave other answers than its types say, or could not be replayed."""
    add(fleet, "adder", ADDING, {"add": SUM})
    answer = fleet.call(TENANT, "adder", "add", b'{"a":2,"b":40}', OPERATOR)
    assert answer.value == 42
    assert fleet.replay(TENANT, answer.receipt.index).differing == ()


def test_a_manifest_that_names_a_function_which_the_component_lacks_is_refused(fleet):
    """Wrong if a caller were the first to learn that a function is not there."""
    with pytest.raises(ModuleRefused) as caught:
        add(fleet, "adder", ADDING, {"add": SUM, "subtract": SUM})
    assert caught.value.code == "module-function"


@pytest.mark.parametrize("given", [b'{"a":2}', b'{"a":2,"b":4294967296}', b'{"a":2,"b":1,"c":1}', b"{}"])
def test_an_input_that_the_manifest_allows_and_the_types_do_not_is_the_modules_failure(house, fleet, given):
    """Wrong if a manifest wider than its binary made the host look unavailable, or gave the guest another number."""
    add(fleet, "adder", ADDING, {"add": SUM})
    with pytest.raises(ModuleFailed) as caught:
        fleet.call(TENANT, "adder", "add", given, OPERATOR)
    assert (caught.value.code, house.events()[-1].detail["outcome"]) == ("module-input", "failed")


def test_a_component_reads_the_clock_by_its_published_contract(house, fleet):
    """Wrong if a component built from our WIT found another interface than the one that we answer."""
    house.clock.set(1_795_271_296_123_456_789)
    add(fleet, "clock-reader", CLOCK_READER, {"read": READ}, asking(CLOCK, "now"))
    answer = fleet.call(TENANT, "clock-reader", "read", b"{}", OPERATOR)
    assert answer.value == 1_795_271_296_123_456_789
    house.clock.advance(1)
    assert fleet.replay(TENANT, answer.receipt.index).differing == ()


def test_a_component_that_was_not_granted_gets_the_err_of_the_contract(house, fleet):
    """Wrong if a refusal ended the guest instead of answering it."""
    add(fleet, "clock-reader", CLOCK_READER, {"read": READ}, asking(CLOCK, "now"), grant=False)
    assert fleet.call(TENANT, "clock-reader", "read", b"{}", OPERATOR).value == 0
    assert house.types()[-2:] == ["module.denied", "module.called"]


def test_a_component_that_imports_what_its_manifest_does_not_ask_for_is_refused(fleet):
    """Wrong if a manifest could keep quiet about an import that the binary states."""
    with pytest.raises(ModuleRefused) as caught:
        add(fleet, "clock-reader", CLOCK_READER, {"read": READ})
    assert caught.value.code == "module-unasked"


def test_a_component_that_states_another_form_is_refused(fleet):
    """Wrong if a component with types were called as one without."""
    with pytest.raises(ModuleRefused) as caught:
        add(fleet, "adder", ADDING, {"add": SUM}, abi="component-call/1")
    assert caught.value.code == "module-form"
