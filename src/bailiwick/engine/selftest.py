"""A probe that both ways of calling must agree on before the fast one is used.

The fast way rests on structures that are private to one version of the engine. It is believed only after it gave the
same answer, fuel, memory and stop as the package's own way for each kind of end that a call can have.
"""

from __future__ import annotations

from bailiwick.engine.calling import Caller, Code, HostShort, Trapped
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
