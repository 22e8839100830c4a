"""Bombs of compile time, which no fuel pays for: a worker with limits ends, and the node goes on."""

from __future__ import annotations

import pytest

from bailiwick.engine import Engine
from bailiwick.engine.compile import CompileLimits, Compiler
from bailiwick.errors import BailiwickError
from tests.hostile.guests import COMPONENTS, CORES, core
from tests.hostile.stand import Stand, code_of, dice_of, ending_of, told
from tests.hostile.test_binaries import altered
from tests.supervisor.conftest import wasm_of

ALTERED = 6
LIMITS = CompileLimits(cpu_seconds=1)


def joined(locals_count: int, loops: int) -> str:
    """Write a small function in which each loop joins every local: compilers take the product of both."""
    moves = "".join(
        f"(local.set {each} (i64.add (local.get {each}) (local.get {each * 7 % locals_count})))"
        for each in range(locals_count)
    )
    body = f"(loop {moves} (br_if 0 (i32.wrap_i64 (local.get 1)))"
    declared = f"(local {'i64 ' * locals_count})"
    return f"(func {declared} {'(loop ' * loops}{body}{')' * (loops + 1)})"


BOMBS = {
    "locals by loops": joined(4_000, 2_000),
    "many large functions": f"(func (param i64) (result i64) (local.get 0) {'(i64.div_s (local.get 0))' * 80_000})"
    * 10,
    "many branches": f"(func (param i32) {'(block (br_if 0 (local.get 0)) ' * 60}{')' * 60})" * 3_000,
}


@pytest.mark.parametrize("extra", BOMBS.values(), ids=BOMBS.keys())
def test_a_bomb_of_compile_time_ends_its_worker_and_nobody_else(stand: Stand, extra: str):
    """Wrong if a small signed binary could keep a node's processor for as long as it liked."""
    wasm = wasm_of(core("(i64.const 0)", extra=extra))
    with Engine(artefact=Compiler(LIMITS)) as engine:
        with pytest.raises(BailiwickError) as caught:
            engine.load(wasm)
        assert code_of(caught.value) == "module-compile-limit"
        # The very same engine compiles the next one.
        assert ending_of(engine, wasm_of(core("(unreachable)"))) == "module-trapped"
    stand.neighbour_is_right()


def test_altered_binaries_end_the_same_way_wherever_they_are_compiled(stand: Stand):
    """Wrong if a worker accepted what this process refuses, or the other way round."""
    with Engine(artefact=Compiler()) as apart:
        for case in range(ALTERED):
            with told(case):
                dice = dice_of("apart", case)
                wasm = altered(wasm_of(dice.choice((*CORES, *COMPONENTS))), dice)
                assert ending_of(apart, wasm) == ending_of(stand.engine, wasm)
    stand.neighbour_is_right()
