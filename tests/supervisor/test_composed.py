"""A composed module on a node: one call from outside, no call of the host between its parts, grants for each part."""

from __future__ import annotations

import json

import pytest
import wasmtime

from bailiwick.authoring import compose_modules, read_piece
from bailiwick.canonical import digest
from bailiwick.errors import InputRefused, ModuleRefused, NotFound, UsageRefused
from bailiwick.trust import sign_manifest

from .conftest import AUTHOR, CLOCK, OPERATOR, TENANT, asking, manifest_of

ADD = "acme:math/add@1.0.0"
TWO = '(param "a" s64) (param "b" s64) (result s64)'
ASKS = f"""(import "{CLOCK}" (instance $k (type $f (record (field "code" string) (field "message" string)))
    (export "failure" (type $g (eq $f))) (type $r (result u64 (error $g))) (export "now" (func (result $r)))))
  (alias export $k "now" (func $now))
  (core module $room (memory (export "memory") 1)
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 512)))
  (core instance $mem (instantiate $room))
  (core func $ask (canon lower (func $now)
    (memory (core memory $mem "memory")) (realloc (core func $mem "realloc"))))"""
HOST = '(instance (export "now" (func $ask)) (export "memory" (memory $mem "memory")))'
IMPORTS = '(import "h" "now" (func $now (param i32))) (import "h" "memory" (memory 1))'
DENIED = "(call $now (i32.const 64)) (i64.mul (i64.const {}) (i64.extend_i32_u (i32.load8_u (i32.const 64))))"
"""Asks the host, and gives a number that shows whether it was denied."""

ADDER = f"""(component {ASKS}
  (core module $c {IMPORTS} (func (export "f") (param i64 i64) (result i64)
    (i64.add (i64.add (local.get 0) (local.get 1)) (block (result i64) {DENIED.format(10)}))))
  (core instance $i (instantiate $c (with "h" {HOST})))
  (func $f {TWO} (canon lift (core func $i "f")))
  (instance $x (export "add" (func $f))) (export "{ADD}" (instance $x)))"""
CHECKER = f"""(component {ASKS} (import "{ADD}" (instance $m (export "add" (func {TWO}))))
  (alias export $m "add" (func $a)) (core func $g (canon lower (func $a)))
  (core module $c {IMPORTS} (import "m" "add" (func $add (param i64 i64) (result i64)))
    (func (export "f") (param i64) (result i64)
    (i64.add (call $add (local.get 0) (i64.const 1)) (block (result i64) {DENIED.format(100)}))))
  (core instance $i (instantiate $c (with "h" {HOST}) (with "m" (instance (export "add" (func $g))))))
  (func $out (param "n" s64) (result s64) (canon lift (core func $i "f")))
  (export "check" (func $out)))"""
NUMBER = {"title": "Check a number", "input": {"type": "object"}, "output": {"type": "integer"}}


def folder_of(name, text, functions):
    """The files of a part."""
    wasm = bytes(wasmtime.wat2wasm(text))
    asked = [asking(CLOCK, "now")]
    manifest = manifest_of(name, wasm=wasm, abi="component/1", capabilities=asked, functions=functions)
    return {"module.json": json.dumps(manifest).encode(), manifest["file"]: wasm}


PARTS = (folder_of("checker", CHECKER, {"check": NUMBER}), folder_of("adder", ADDER, {"add.add": NUMBER}))


@pytest.fixture
def composed():
    """A module made of both parts."""
    return compose_modules("checked", "1.0.0", *[read_piece(PARTS[0])], [read_piece(PARTS[1])])


def signed(files):
    """The same files, signed by the author."""
    return {**files, "module.sig": sign_manifest(json.loads(files["module.json"]), AUTHOR)}


def test_what_is_granted_to_one_part_is_granted_to_no_other(fleet, registry, composed):
    """Wrong if joining two modules joins what they may do."""
    registry.install(signed(composed.built.files), OPERATOR)

    def check():
        return fleet.call(TENANT, "checked", "check", b'{"n":1}', OPERATOR).value

    assert check() == 112
    registry.grant("checked", "bailiwick:adder-clock/clock@0.1.0", OPERATOR)
    assert check() == 102
    registry.grant("checked", "bailiwick:checker-clock/clock@0.1.0", OPERATOR)
    assert check() == 2
    registry.ungrant("checked", "bailiwick:adder-clock/clock@0.1.0", OPERATOR)
    assert check() == 12
    with pytest.raises(UsageRefused, match="does not ask"):
        registry.grant("checked", CLOCK, OPERATOR)


def test_a_call_of_a_composed_module_is_run_again_to_the_same_bytes(fleet, registry, house, composed):
    """Wrong if what the parts asked, each under its own name, is not told apart when it is replayed."""
    registry.install(signed(composed.built.files), OPERATOR)
    registry.grant("checked", "bailiwick:adder-clock/clock@0.1.0", OPERATOR)
    receipt = fleet.call(TENANT, "checked", "check", b'{"n":1}', OPERATOR).receipt
    assert fleet.replay(TENANT, receipt.index).differing == ()
    record = house.ledger(TENANT).read(receipt.index)
    assert (record.detail["host_calls"], record.detail["inner"]) == (2, [])


def test_a_manifest_says_what_a_module_was_made_of(composed):
    """Wrong if nobody could find out later which versions were joined."""
    manifest = json.loads(composed.built.files["module.json"])
    assert [(each["part"], each["version"]) for each in manifest["parts"]] == [("checker", "1.0.0"), ("adder", "1.0.0")]
    assert manifest["parts"][1]["digest"] == digest(PARTS[1]["adder.wasm"])
    assert [(each["part"], each["of"]) for each in manifest["capabilities"]] == [("checker", CLOCK), ("adder", CLOCK)]
    assert set(manifest["functions"]) == {"check"}


@pytest.mark.parametrize(
    "misleading",
    [
        {"of": "bailiwick:audit/read@0.1.0"},
        {"part": "adder"},
        {"of": "bailiwick:audit/read@0.1.0", "part": "clock"},
        {"of": "bailiwick:audit/read@0.1.0", "part": "adder"},
    ],
)
def test_a_name_that_stands_for_another_interface_than_it_reads_like_is_refused(registry, composed, misleading):
    """Wrong if somebody grants the clock, and the module reads the audit log."""
    files = composed.built.files
    manifest = json.loads(files["module.json"])
    manifest["capabilities"] = [{**asking(CLOCK, "now"), **misleading}]
    with pytest.raises(ModuleRefused) as caught:
        registry.install(signed({**files, "module.json": json.dumps(manifest).encode()}), OPERATOR)
    assert caught.value.code == "module-manifest"


@pytest.mark.parametrize(
    ("change", "error", "code"),
    [
        (lambda files: {}, NotFound, "module-manifest-missing"),
        (lambda files: {"module.json": files["module.json"]}, NotFound, "module-file"),
        (lambda files: {**files, "adder.wasm": files["adder.wasm"] + b"\0"}, InputRefused, "module-digest"),
        (
            lambda files: {
                **files,
                "module.json": files["module.json"].replace(b'"component/1"', b'"core-json/1"'),
            },
            InputRefused,
            "compose-form",
        ),
    ],
)
def test_a_folder_that_is_no_part_is_refused(change, error, code):
    """Wrong if what was not built, was changed, or is of another form becomes a part."""
    with pytest.raises(error) as caught:
        read_piece(change(PARTS[1]))
    assert caught.value.code == code
