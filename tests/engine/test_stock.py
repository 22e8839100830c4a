"""Sandboxes made in advance: the same answer and fuel as one made for the call, used once, and gone at the end."""

import threading

import pytest

from bailiwick.engine import Engine
from bailiwick.engine.component import Sandbox
from bailiwick.engine.stock import Stock
from bailiwick.errors import ModuleFailed, UsageRefused
from bailiwick.model import Budget

BUDGET = Budget(fuel=3_000_000, memory_bytes=8 << 20, deadline_ms=60_000)
COUNT = """(i32.store (i32.const 40) (i32.add (i32.load (i32.const 40)) (i32.const 1)))
  (i32.store8 (i32.const 44) (i32.add (i32.const 48) (i32.load (i32.const 40))))
  (i32.store8 (i32.const 16) (i32.const 0)) (i32.store (i32.const 20) (i32.const 44))
  (i32.store (i32.const 24) (i32.const 1)) (i32.const 16)"""
"""Answers how often this instance was called."""
SPIN_AT_START = "(func $start (local i32) (local.set 0 (i32.const 5000)) (loop $l (br_if $l (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))) (start $start)"  # noqa: E501
TRAP_AT_START = "(func $start unreachable) (start $start)"


@pytest.fixture
def own():
    """Give an engine of its own, whose threads can be counted."""
    with Engine() as engine:
        yield engine


def with_start(text, start):
    """Add a start function to the first core module of a component."""
    return text.replace(
        "(core module $Main", f"(core module $S {start}) (core instance (instantiate $S)) (core module $Main", 1
    )


def test_a_call_from_stock_answers_and_costs_the_same(own, to_wasm, called_by_text):
    """Fuel is in the record: stock that changed it would make two nodes differ."""
    guest = own.load(to_wasm(with_start(called_by_text(COUNT), SPIN_AT_START)))
    fresh = own.run(guest, "f", b"{}", BUDGET)
    assert fresh.fuel > 15_000
    assert own.keep_ready(guest, BUDGET, 4).result(timeout=60) == 4
    other = Budget(fuel=BUDGET.fuel * 2, memory_bytes=BUDGET.memory_bytes, deadline_ms=60_000)
    runs = [own.run(guest, "f", b"{}", budget) for budget in (BUDGET, other, BUDGET, BUDGET, BUDGET, BUDGET)]
    assert runs == [fresh] * 6


def test_fuel_that_the_start_alone_uses_up_ends_a_call_from_stock_too(own, to_wasm, called_by_text):
    """A guest over its budget would get by wherever it was started in advance."""
    guest = own.load(to_wasm(with_start(called_by_text(COUNT), SPIN_AT_START)))
    little = Budget(fuel=9_000, memory_bytes=BUDGET.memory_bytes, deadline_ms=60_000)
    for _ in range(2):
        with pytest.raises(ModuleFailed) as caught:
            own.run(guest, "f", b"{}", little)
        assert caught.value.code == "module-out-of-fuel"
        own.keep_ready(guest, BUDGET, 2).result(timeout=60)


def test_a_guest_that_cannot_start_is_not_stocked_and_still_says_why(own, to_wasm, called_by_text):
    """A thread that tried for ever would eat a processor, and an error met there must not be lost."""
    guest = own.load(to_wasm(with_start(called_by_text(COUNT), TRAP_AT_START)))
    assert own.keep_ready(guest, BUDGET, 2).result(timeout=60) == 0
    with pytest.raises(ModuleFailed) as caught:
        own.run(guest, "f", b"{}", BUDGET)
    assert caught.value.code == "module-trapped"


def test_stock_ends_with_its_engine_and_with_its_guest(to_wasm, called_by_text):
    """A thread or a sandbox that stayed would be lost memory."""
    before = threading.active_count()
    with Engine() as engine:
        guest = engine.load(to_wasm(called_by_text(COUNT)))
        engine.keep_ready(guest, BUDGET, 3).result(timeout=60)
        assert threading.active_count() == before + 2
        engine.release(guest)
        assert engine._stock.take(guest.code, BUDGET) is None
        assert engine.run(guest, "f", b"{}", BUDGET).output == b'{"ok":1}'
        engine.keep_ready(guest, BUDGET, 16)
    assert threading.active_count() == before


def test_stock_is_bounded(own, to_wasm, called_by_text, guest_of):
    """Every module asking for a thousand sandboxes would fill the host's memory."""
    guest = own.load(to_wasm(called_by_text(COUNT)))
    core = guest_of("(i64.const 0)")
    for kept, count in [(guest, 0), (guest, 17), (core, 1)]:
        with pytest.raises(UsageRefused) as caught:
            own.keep_ready(kept, BUDGET, count)
        assert caught.value.code == "engine-stock"


def test_a_used_sandbox_is_removed_once_and_replaced():
    """If it failed, memory would leak, or be given back twice, or the next call would find nothing ready."""
    made, closed, all_made = [], [], threading.Semaphore(0)

    def open_one(code, budget):
        made.append(Sandbox(len(made), 0, None, 0))
        all_made.release()
        return made[-1]

    stock = Stock(open_one, lambda sandbox: closed.append(sandbox.store))
    code = object()
    assert stock.keep(code, BUDGET, 2).result(timeout=60) == 2
    taken = [stock.take(code, BUDGET) for _ in range(2)]
    assert {sandbox.store for sandbox in taken} == {0, 1}
    for sandbox in taken:
        stock.give_back(sandbox)
    assert all(all_made.acquire(timeout=60) for _ in range(4))
    stock.close()
    stock.give_back(Sandbox(99, 0, None, 0))
    assert sorted(closed) == [*range(len(made)), 99]
