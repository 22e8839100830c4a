"""Bad guests for a long time: what the process holds at the end is what it held once it was warm.

``BAILIWICK_SOAK_SECONDS=150 python -m pytest -s tests/hostile/test_soak.py`` runs it for as long as one likes.
"""

from __future__ import annotations

import gc
import json
import os
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from bailiwick.engine import Engine
from bailiwick.errors import BailiwickError
from bailiwick.model import Budget
from tests.hostile.guests import CLOCK, COMPONENTS, CORES, PUPPET, component
from tests.hostile.stand import SEED, Held, Stand, code_of, dice_of, ending_of
from tests.hostile.test_binaries import altered
from tests.hostile.test_questions import ASKED, QUESTIONS, bent
from tests.hostile.test_runs import BOMBS
from tests.supervisor.conftest import OTHER_TENANT, TENANT, asking, wasm_of

SOAK_SECONDS = int(os.environ.get("BAILIWICK_SOAK_SECONDS", "600"))
WARM_SHARE = 0.3
"""Share of the time after which the process is warm: allocators have taken what they keep."""
WARM_ROUNDS = 4
"""Fewest rounds until then."""
RESIDENT_GROWTH_MAX = 48 << 20
"""How much more resident memory is held at the end than when warm, in bytes: what moves to and fro."""
ALTERED, ASKED_TIMES, THREADS, CALLS = 120, 60, 16, 64
SMALL = Budget(fuel=200_000, memory_bytes=4 << 20, deadline_ms=60_000)


def one_round(engine: Engine, number: int) -> int:
    """Do each kind of harm once, on two tenants that are new, and give the number of cases."""
    stand = Stand(engine)
    whole = [wasm_of(text) for text in (*CORES, *COMPONENTS)]
    for case in range(ALTERED):
        dice = dice_of("soak", number, case)
        ending_of(engine, altered(dice.choice(whole), dice), budget=SMALL)
    for _, text in BOMBS.values():
        ending_of(engine, wasm_of(text), budget=SMALL)
    stand.neighbour_is_right()
    stand.add("callee", component(), abi="component-call/1")
    stand.add("puppet", PUPPET, *ASKED)
    stand.add("clock", PUPPET, asking(CLOCK, "now"), tenant=OTHER_TENANT)
    for case in range(ASKED_TIMES):
        dice = dice_of("soak questions", number, case)
        interface, function = dice.choice(list(QUESTIONS))
        question = {"interface": interface, "function": function, "input": bent(QUESTIONS[interface, function], dice)}
        try:
            stand.call("puppet", json.dumps(question).encode())
        except BailiwickError as error:
            code_of(error)
    together(stand)
    stand.neighbour_is_right()
    stand.verify()
    stand.close()
    return ALTERED + len(BOMBS) + ASKED_TIMES + CALLS


def together(stand: Stand) -> None:
    """Call from many threads at once, for both tenants."""
    question = json.dumps({"interface": CLOCK, "function": "now", "input": {}}).encode()

    def call(number: int) -> bool:
        name, tenant = (("puppet", TENANT), ("clock", OTHER_TENANT))[number % 2]
        return bool(stand.call(name, question, tenant).value == {"ok": stand.house.clock.now_ns()})

    with ThreadPoolExecutor(THREADS) as pool:
        assert all(pool.map(call, range(CALLS)))


@pytest.mark.slow
@pytest.mark.timeout(SOAK_SECONDS * 3 + 300)
def test_bad_guests_for_a_long_time_leave_neither_memory_nor_files_behind(engine: Engine):
    """Wrong if a node that runs other people's code had to be started anew now and then."""
    start = time.monotonic()
    cases = rounds = 0
    warm: Held | None = None
    curve: list[tuple[int, int, Held]] = []
    while (seconds := time.monotonic() - start) < SOAK_SECONDS or rounds < 2 * WARM_ROUNDS:
        cases += one_round(engine, rounds)
        rounds += 1
        gc.collect()
        held = Held.now()
        if warm is None and seconds >= SOAK_SECONDS * WARM_SHARE and rounds >= WARM_ROUNDS:
            warm = held
        if seconds >= len(curve) * SOAK_SECONDS / 20:
            curve.append((int(seconds), cases, held))
            print(f"{seconds:7.0f} s {cases:9} cases {held}")
    assert warm is not None
    said = f"BAILIWICK_SEED={SEED}: {curve}"
    assert held.files <= warm.files, said
    assert held.threads <= warm.threads, said
    assert held.resident_bytes - warm.resident_bytes < RESIDENT_GROWTH_MAX, said
