"""Guests of the corpus as text: small ones of each form, and one that asks the host whatever it is told to ask."""

from __future__ import annotations

from tests.engine.conftest import ALLOCATOR, LIFT, TEXTS

CLOCK = "bailiwick:clock/clock@0.1.0"
OK = "(i32.store8 (i32.const 16) (i32.const 0))"
ECHO = OK + "(i32.store (i32.const 20) (local.get 2)) (i32.store (i32.const 24) (local.get 3)) (i32.const 16)"
FOUR_INTEGERS = "(param i32 i32 i32 i32) (result i32) (local $i i32)"


def core(run: str, *, alloc: str = "(i32.const 1024)", memory: str = "2", extra: str = "") -> str:
    """Write a core guest whose ``run`` has a body; it may use ``$at`` and ``$size``."""
    return f"""(module {extra} (memory (export "memory") {memory})
      (func (export "alloc") (param $size i32) (result i32) {alloc})
      (func (export "run") (param $at i32) (param $size i32) (result i64) (local $i i32) {run}))"""


def asking_with(place: str, size: str, *, alloc: str = "(i32.const 131088)", data: bytes = b"") -> str:
    """Write a core guest that asks the host with bytes at a place, and answers with what the host says, as ``ok``."""
    text = "".join(f"\\{byte:02x}" for byte in data)
    body = f"""(local $r i64) (local $p i32) (local $n i32)
      (local.set $r (call $call {place} {size}))
      (local.set $p (i32.wrap_i64 (i64.shr_u (local.get $r) (i64.const 32))))
      (local.set $n (i32.wrap_i64 (local.get $r)))
      (i64.store (i32.sub (local.get $p) (i32.const 8)) (i64.const 0x3a226b6f227b2020))
      (i32.store8 (i32.add (local.get $p) (local.get $n)) (i32.const 0x7d))
      (i64.or (i64.shl (i64.extend_i32_u (i32.sub (local.get $p) (i32.const 6))) (i64.const 32))
        (i64.extend_i32_u (i32.add (local.get $n) (i32.const 7))))"""
    imported = '(import "bailiwick" "call" (func $call (param i32 i32) (result i64)))'
    return f"""(module {imported} (memory (export "memory") 20) (data (i32.const 524288) "{text}")
      (func (export "alloc") (param $size i32) (result i32) {alloc})
      (func (export "run") (param $at i32) (param $size i32) (result i64) {body}))"""


# The envelope of function "do" is 25 bytes before its input and one after it.
PUPPET = asking_with("(i32.add (local.get $at) (i32.const 25))", "(i32.sub (local.get $size) (i32.const 26))")
"""Asks the host with its own input."""


def component(body: str = ECHO, *, imports: str = "", lowered: str = "", wanted: str = "", given: str = "") -> str:
    """Write a component that is called by text; see the conftest of the engine's tests for its allocator."""
    return f"""(component {imports}
      (core module $Libc {ALLOCATOR % "1"}) (core instance $libc (instantiate $Libc)) {lowered}
      (core module $Main (import "libc" "memory" (memory 0)) {wanted}
        (func (export "call") {FOUR_INTEGERS} {body}))
      (core instance $main (instantiate $Main (with "libc" (instance $libc)) (with "host" (instance {given}))))
      (func (export "call") {TEXTS} (canon lift (core func $main "call") {LIFT})))"""


FAILURE = """(type $made (record (field "code" string) (field "message" string)))
  (export "failure" (type $failure (eq $made)))"""


def asking_component(interface: str, function: str, kind: str, core_kind: str, arguments: str, types: str = "") -> str:
    """Write a component that calls one function of a host interface with core arguments, and echoes its input."""
    return component(
        f"(call $asked {arguments}) {ECHO}",
        imports=f'(import "{interface}" (instance $host {FAILURE} {types} (export "{function}" (func {kind}))))',
        lowered=f'(core func $asked (canon lower (func $host "{function}") {LIFT}))',
        wanted=f'(import "host" "asked" (func $asked {core_kind}))',
        given='(export "asked" (func $asked))',
    )


CLOCK_COMPONENT = asking_component(
    CLOCK, "now", "(result (result u64 (error $failure)))", "(param i32)", "(i32.const 64)"
)
TYPED = """(component
  (core module $m (memory (export "memory") 1)
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 64))
    (func (export "add") (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1)))
    (func (export "list") (param i32 i32) (result i32) (i32.store (i32.const 16) (local.get 0))
      (i32.store (i32.const 20) (local.get 1)) (i32.const 16)))
  (core instance $i (instantiate $m))
  (func (export "add") (param "a" u32) (param "b" u32) (result u32) (canon lift (core func $i "add")))
  (func (export "list") (param "x" (list u16)) (result (list u16))
    (canon lift (core func $i "list") (memory (core memory $i "memory")) (realloc (core func $i "realloc")))))"""
NESTED = """(component
  (component $inner (core module $m (func (export "f") (result i32) (i32.const 5)))
    (core instance $i (instantiate $m)) (func (export "f") (result u32) (canon lift (core func $i "f"))))
  (instance $x (instantiate $inner)) (instance $y (instantiate $inner)) (export "f" (func $x "f")))"""
TABLED = core(
    "(drop (call_indirect (result i32) (i32.const 0))) (block (br_table 0 0 (local.get 0))) (i64.const 0)",
    extra="""(table 4 funcref) (elem (i32.const 0) $a) (global $g (mut i32) (i32.const 4))
      (func $a (result i32) (i32.const 1))""",
)
CORES = (PUPPET, TABLED)
COMPONENTS = (component(), CLOCK_COMPONENT, TYPED, NESTED)
