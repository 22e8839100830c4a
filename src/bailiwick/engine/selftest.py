"""A probe that both ways of calling must agree on before the fast one is used.

The fast way rests on structures that are private to one version of the engine. It is believed only after it gave the
same answer, fuel, memory and stop as the package's own way for each kind of end that a call can have.
"""

from __future__ import annotations

from bailiwick.engine.calling import Caller, Code, HostShort, Trapped
from bailiwick.engine.component import ComponentCaller, ComponentCode, Sandboxes
from bailiwick.errors import ModuleFailed
from bailiwick.model import Budget

PROBE_BUDGET = Budget(fuel=20_000, memory_bytes=4 << 16, deadline_ms=60_000)
PROBE_TICKS = 1 << 20
"""So far off that the probe never meets its deadline."""
PROBE_MESSAGES = tuple(letter + bytes(range(1, 200)) for letter in (b"e", b"g", b"s", b"u", b"o", b"f", b"d"))
"""Echo; grow one page and echo; spin; unreachable; an answer outside; fill all memory and trap; read out of bounds."""

PROBE_TEXT = """(module (memory (export "memory") 1)
  (func (export "alloc") (param i32) (result i32) (i32.const 64))
  (func (export "run") (param $at i32) (param $size i32) (result i64) (local $letter i32)
    (local.set $letter (i32.load8_u (local.get $at)))
    (if (i32.eq (local.get $letter) (i32.const 0x67)) (then (drop (memory.grow (i32.const 1)))))
    (if (i32.eq (local.get $letter) (i32.const 0x73)) (then (loop $again (br $again))))
    (if (i32.eq (local.get $letter) (i32.const 0x75)) (then unreachable))
    (if (i32.eq (local.get $letter) (i32.const 0x6f)) (then (return (i64.const 0x7fffffff00000010))))
    (if (i32.eq (local.get $letter) (i32.const 0x66)) (then
      (loop $again (br_if $again (i32.ne (memory.grow (i32.const 1)) (i32.const -1)))) unreachable))
    (if (i32.eq (local.get $letter) (i32.const 0x64)) (then (drop (i32.load (i32.const 0x7fffffff)))))
    (i64.or (i64.shl (i64.extend_i32_u (local.get $at)) (i64.const 32)) (i64.extend_i32_u (local.get $size)))))"""


COMPONENT_MESSAGES = (b"e \xc3\xa9", b"r no", b"e", b"u", b"s", b"b", b"f")
"""Echo; echo as the error; a single letter; unreachable; spin; a place outside; text that is not UTF-8."""
COMPONENT_TEXT = """(component (core module $m (memory (export "memory") 1) (global $top (mut i32) (i32.const 1024))
  (func (export "realloc") (param i32 i32 i32 i32) (result i32)
    (global.get $top) (global.set $top (i32.add (global.get $top) (local.get 3))))
  (func (export "call") (param i32 i32 i32 i32) (result i32) (local $letter i32)
    (local.set $letter (i32.load8_u (local.get 2)))
    (i32.store8 (i32.const 16) (i32.eq (local.get $letter) (i32.const 0x72)))
    (i32.store (i32.const 20) (local.get 2)) (i32.store (i32.const 24) (local.get 3))
    (if (i32.eq (local.get $letter) (i32.const 0x75)) (then unreachable))
    (if (i32.eq (local.get $letter) (i32.const 0x73)) (then (loop $again (br $again))))
    (if (i32.eq (local.get $letter) (i32.const 0x62)) (then (i32.store (i32.const 20) (i32.const -8))))
    (if (i32.eq (local.get $letter) (i32.const 0x66)) (then (i32.store8 (local.get 2) (i32.const 0xff))))
    (i32.const 16)))
  (core instance $i (instantiate $m))
  (func (export "call") (param "function" string) (param "input" string) (result (result string (error string)))
    (canon lift (core func $i "call") (memory (core memory $i "memory")) (realloc (core func $i "realloc")))))"""


def agree_on_components(
    first: ComponentCaller, second: ComponentCaller, sandboxes: Sandboxes, probe: ComponentCode
) -> bool:
    """Say whether two ways of calling components by text give the same result for every message of the probe."""
    return all(
        _component_ending(first, sandboxes, probe, message) == _component_ending(second, sandboxes, probe, message)
        for message in COMPONENT_MESSAGES
    )


def _component_ending(
    caller: ComponentCaller, sandboxes: Sandboxes, probe: ComponentCode, message: bytes
) -> tuple[object, ...]:
    sandbox = sandboxes.open(probe, PROBE_BUDGET, PROBE_TICKS, lambda _: None)
    try:
        is_ok, text = caller.call_text(sandbox, probe.exports["call"], (b"f", message))
        return is_ok, text, sandboxes.fuel_left(sandbox.context)
    except Trapped as trapped:
        return "trapped", trapped.cause
    except ModuleFailed as failed:
        return failed.code, failed.message
    finally:
        sandboxes.close(sandbox)


def agree(first: Caller, second: Caller, probe: Code) -> bool:
    """Say whether two ways of calling give the same result for every message of the probe."""
    return all(_ending(first, probe, message) == _ending(second, probe, message) for message in PROBE_MESSAGES)


def _ending(caller: Caller, probe: Code, message: bytes) -> tuple[object, ...]:
    """Give all that can be known of one call as one comparable value."""
    try:
        finished = caller.call(probe, message, PROBE_BUDGET, PROBE_TICKS)
    except Trapped as trapped:
        return "trapped", trapped.cause, trapped.memory_bytes
    except ModuleFailed as failed:
        return failed.code, failed.message
    except HostShort as short:
        return ("host", str(short))
    return finished.output, finished.fuel, finished.memory_bytes
