"""An engine for the whole room, guests written as text, and the shipped osha-intake with an example of its input."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import wasmtime

import bailiwick
from bailiwick.engine import Engine, Guest, Refusal, read_answer
from bailiwick.model import Budget, Tier

MODULE = Path(bailiwick.__file__).parent / "builtin" / "modules" / "osha-intake"


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    """Give one engine, as a process has."""
    with Engine() as opened:
        yield opened


@pytest.fixture(scope="session")
def to_wasm() -> Callable[[str], bytes]:
    """Give a function that turns WebAssembly text into its binary."""
    return lambda text: bytes(wasmtime.wat2wasm(text))


@pytest.fixture(scope="session")
def guest_of(engine: Engine, to_wasm: Callable[[str], bytes]) -> Callable[..., Guest]:
    """Give a function that loads a guest whose ``run`` has the given body.

    The text may use ``$at`` and ``$size``, the functions of ``extra``, and leaves an i64 on the stack.
    """

    def build(run: str, *, alloc: str = "(i32.const 1024)", memory: str = "2", extra: str = "") -> Guest:
        text = f"""(module (memory (export "memory") {memory}) {extra}
          (func (export "alloc") (param i32) (result i32) {alloc})
          (func (export "run") (param $at i32) (param $size i32) (result i64) (local $i i32) {run}))"""
        return engine.load(to_wasm(text))

    return build


@pytest.fixture(scope="session")
def saying(guest_of: Callable[..., Guest]) -> Callable[[bytes], Guest]:
    """Give a function that loads a guest which answers with the given bytes, whatever it is asked."""

    def build(answer: bytes) -> Guest:
        data = "".join(f"\\{byte:02x}" for byte in answer)
        pages = 2 + len(answer) // 65_536
        return guest_of(
            f"(i64.const {65_536 << 32 | len(answer)})",
            memory=str(pages),
            extra=f'(data (i32.const 65536) "{data}")' if answer else "",
        )

    return build


@pytest.fixture(scope="session")
def budget() -> Budget:
    """Give the smallest tier's budget."""
    return Tier.LIGHTWEIGHT.budget


@pytest.fixture(scope="session")
def intake(engine: Engine) -> Guest:
    """Give the shipped osha-intake, loaded."""
    return engine.load((MODULE / "osha-intake.wasm").read_bytes())


@pytest.fixture(scope="session")
def observe(engine: Engine, intake: Guest, budget: Budget) -> Callable[[str, str], Any]:
    """Give a function that has osha-intake read a row: facts, or the code of its refusal in a ``Refusal``."""

    def ask(header: str, row: str) -> dict[str, Any] | Refusal:
        question = json.dumps({"header": header, "row": row}).encode()
        return read_answer(engine.run(intake, "observe", question, budget).output)

    return ask


ALLOCATOR = """(memory (export "memory") %s) (global $top (export "top") (mut i32) (i32.const 1024))
  (func (export "realloc") (param i32 i32 i32 i32) (result i32) (local i32)
    (local.set 4 (i32.and (i32.add (global.get $top) (i32.const 7)) (i32.const -8)))
    (global.set $top (i32.add (local.get 4) (local.get 3)))
    (block $done (loop $grow
      (br_if $done (i32.le_u (global.get $top) (i32.mul (memory.size) (i32.const 65536))))
      (br_if $grow (i32.ne (memory.grow (i32.const 16)) (i32.const -1)))) )
    (local.get 4))"""
LIFT = '(memory (core memory $libc "memory")) (realloc (core func $libc "realloc"))'
TEXTS = '(param "function" string) (param "input" string) (result (result string (error string)))'


@pytest.fixture(scope="session")
def component_text() -> Callable[..., str]:
    """Give a function that writes a component as text: an allocator, a module that uses it, and what is lifted.

    ``exports`` are (name, core signature, body, lifted type); the result area lies at 16. ``imports`` is component text
    before the modules, ``lowered`` maps core names to (core signature, component function).
    """

    def write(
        exports: list[tuple[str, str, str, str]],
        *,
        imports: str = "",
        lowered: dict[str, tuple[str, str]] | None = None,
        memory: str = "1",
        data: str = "",
    ) -> str:
        asked = lowered or {}
        lower = "".join(
            f"(core func ${name} (canon lower (func {target}) {LIFT}))" for name, (_, target) in asked.items()
        )
        wanted = "".join(f'(import "host" "{name}" (func ${name} {kind}))' for name, (kind, _) in asked.items())
        given = "".join(f'(export "{name}" (func ${name}))' for name in asked)
        functions = "".join(f'(func (export "{name}") {kind} {body})' for name, kind, body, _ in exports)
        lifts = "".join(
            f'(func (export "{name}") {lifted} (canon lift (core func $main "{name}") {LIFT}))'
            for name, _, _, lifted in exports
        )
        return f"""(component {imports}
          (core module $Libc {ALLOCATOR % memory} {data}) (core instance $libc (instantiate $Libc)) {lower}
          (core module $Main (import "libc" "memory" (memory 0)) {wanted} {functions})
          (core instance $main (instantiate $Main (with "libc" (instance $libc))
            (with "host" (instance {given})))) {lifts})"""

    return write


@pytest.fixture(scope="session")
def called_by_text(component_text: Callable[..., str]) -> Callable[..., str]:
    """Give a function that writes a component whose ``call`` has the given body, which leaves the result area.

    The body may use locals 0 to 3 (place and size of function and input) and ``$i``.
    """

    def write(body: str, **parts: Any) -> str:
        kind = "(param i32 i32 i32 i32) (result i32) (local $i i32)"
        return component_text([("call", kind, body, TEXTS)], **parts)

    return write
