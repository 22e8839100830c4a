"""A thousand calls at once, of two tenants, by guests that behave and guests that do not."""

from __future__ import annotations

import json
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from bailiwick.engine.package import SANDBOXES_MAX
from bailiwick.errors import BailiwickError, Unavailable
from tests.hostile.guests import CLOCK, PUPPET, component, core
from tests.hostile.stand import BUDGET, Stand, code_of
from tests.hostile.test_runs import GROW, LOOP
from tests.supervisor.conftest import OTHER_TENANT, TENANT, asking, wasm_of

CALLS, THREADS = 1_000, 64
SWITCH_SECONDS = 1e-5
ENDS = {
    "loops": "module-out-of-fuel",
    "grows": "module-out-of-memory",
    "traps": "module-trapped",
    "lies": "module-answer",
}


@pytest.fixture
def often() -> Iterator[None]:
    """Have the interpreter switch between threads a thousand times as often as usual."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(SWITCH_SECONDS)
    yield
    sys.setswitchinterval(before)


def test_a_thousand_calls_at_once_are_each_answered_rightly(stand: Stand, often):
    """Wrong if a sandbox, a host call or an answer of one call ever met another call."""
    small = {"limits": {"fuel": 100_000}}
    stand.add("loops", core(LOOP), **small)
    stand.add("grows", core(GROW + "(unreachable)"), limits={"memory_bytes": 1 << 20})
    stand.add("traps", core("(unreachable)"))
    stand.add("lies", core("(i64.const -1)"))
    for tenant in (TENANT, OTHER_TENANT):
        stand.add("clock", PUPPET, asking(CLOCK, "now"), tenant=tenant)
        stand.add("echo", component(), abi="component-call/1", tenant=tenant)
    question = json.dumps({"interface": CLOCK, "function": "now", "input": {}}).encode()

    def call(number: int) -> str:
        name = ["loops", "clock", "grows", "echo", "traps", "clock", "lies", "echo"][number % 8]
        tenant = TENANT if name in ENDS else (TENANT, OTHER_TENANT)[number // 8 % 2]
        given = question if name == "clock" else b'{"number":%d}' % number
        try:
            answer = stand.call(name, given, tenant)
        except BailiwickError as error:
            return f"{name}: {code_of(error)}"
        expected = {"ok": stand.house.clock.now_ns()} if name == "clock" else {"number": number}
        return f"{name}: {'right' if answer.value == expected else answer.to_json()}"

    with ThreadPoolExecutor(THREADS) as pool:
        seen = Counter(pool.map(call, range(CALLS)))
    assert set(seen) == {f"{name}: {code}" for name, code in ENDS.items()} | {"clock: right", "echo: right"}, seen
    calls = [each for tenant in (TENANT, OTHER_TENANT) for each in stand.house.events(tenant)]
    assert sum(each.event_type == "module.called" for each in calls) == CALLS


def test_host_calls_of_many_threads_reach_their_own_host(stand: Stand, often):
    """Wrong if a sandbox at the address of one that just went were led to nobody, or to another's host.

    Found by a crowd: a run that ended took away the session of another that had started at its store's old address.
    """
    guest = stand.engine.load(wasm_of(PUPPET))

    class Says:
        def __init__(self, who: int) -> None:
            self.who = who

        def call(self, interface, function, input, *, left, charge):  # noqa: A002 the shape of a link
            return [self.who, input]

    def work(who: int) -> set[bool]:
        found = set()
        for number in range(150):
            question = b'{"interface":"a","function":"b","input":%d}' % number
            output = stand.engine.run(guest, "do", question, BUDGET, host=Says(who)).output
            found.add(json.loads(output) == {"ok": {"ok": [who, number]}})
        return found

    with ThreadPoolExecutor(THREADS) as pool:
        assert list(pool.map(work, range(THREADS))) == [{True}] * THREADS


def test_guests_that_hold_every_sandbox_make_others_wait_and_nothing_else(stand: Stand):
    """Wrong if a pool that is used up ended the process, or a call that found no place were held against its module."""
    guest = stand.engine.load(wasm_of(PUPPET))
    echo = stand.engine.load(wasm_of(component()))
    everybody, go = threading.Barrier(SANDBOXES_MAX + 1), threading.Event()

    class Waits:
        def call(self, interface, function, input, *, left, charge):  # noqa: A002 the shape of a link
            everybody.wait(60)
            go.wait(60)
            return 1

    def hold(_: int) -> bytes:
        return stand.engine.run(guest, "do", b'{"interface":"a","function":"b"}', BUDGET, host=Waits()).output

    with ThreadPoolExecutor(SANDBOXES_MAX) as pool:
        held = [pool.submit(hold, number) for number in range(SANDBOXES_MAX)]
        everybody.wait(60)
        try:
            for other in (guest, echo):
                with pytest.raises(Unavailable) as caught:
                    stand.engine.run(other, "do", b"{}", BUDGET)
                assert code_of(caught.value) == "engine-busy"
        finally:
            go.set()
        assert {each.result() for each in held} == {b'{"ok":{"ok":1}}'}
    assert stand.engine.run(echo, "do", b"{}", BUDGET).output == b'{"ok":{}}'
