"""The two ways of calling a guest cost and answer the same, and the fast one is used only where it was seen to."""

import json
import random
from pathlib import Path

import pytest

import bailiwick
from bailiwick.engine import Engine
from bailiwick.engine.calling import Finished, Trapped
from bailiwick.engine.marshal import CachedCaller
from bailiwick.errors import ModuleFailed
from bailiwick.model import Budget

WASM = Path(bailiwick.__file__).parent / "builtin" / "modules" / "osha-intake" / "osha-intake.wasm"


def test_both_ways_of_calling_cost_and_answer_the_same(engine, intake):
    """Fuel is in the record: a figure that depends on the way of calling would differ between machines."""
    header = "summary_nr,injury_line_nr,degree_of_inj,nature_of_inj,part_of_body,event_type,note"
    dice = random.Random(7)
    with Engine(marshaller="stock") as stock:
        other = stock.load(WASM.read_bytes())
        for _ in range(150):
            row = "".join(dice.choice('0123456789,,,,,,,"\n\0é ') for _ in range(dice.randrange(40)))
            question = json.dumps({"header": header, "row": row}).encode()
            budget = Budget(fuel=dice.choice((500, 40_000, 1_000_000)), memory_bytes=2 << 20, deadline_ms=60_000)
            assert ending(engine, intake, question, budget) == ending(stock, other, question, budget)


def ending(engine, guest, question, budget):
    """Give all that can be known of one call as one comparable value."""
    try:
        return engine.run(guest, "observe", question, budget)
    except ModuleFailed as error:
        return error.code, error.message


def one_fuel_more(result):
    """Count one unit of fuel too many."""
    return Finished(result.output, result.fuel + 1, result.memory_bytes) if isinstance(result, Finished) else result


def one_byte_off(result):
    """Lose the answer's last byte."""
    return Finished(result.output[:-1], result.fuel, result.memory_bytes) if isinstance(result, Finished) else result


def other_cause(result):
    """Name another trap."""
    return Trapped("unreachable", result.memory_bytes) if isinstance(result, Trapped) else result


def other_memory(result):
    """Forget how much memory was in use."""
    return Trapped(result.cause, 0) if isinstance(result, Trapped) else result


@pytest.mark.parametrize("change", [one_fuel_more, one_byte_off, other_cause, other_memory])
def test_the_self_test_rejects_a_fast_way_that_differs(monkeypatch, change):
    """The fast way reads private structures; after an upgrade it must be found out before it is believed."""
    true_call = CachedCaller.call

    def lying(self, *rest):
        try:
            return change(true_call(self, *rest))
        except Trapped as trapped:
            raise change(trapped) from None

    monkeypatch.setattr(CachedCaller, "call", lying)
    with Engine() as engine:
        assert engine.marshaller == "stock"


def test_another_version_of_the_engine_is_called_its_own_way(monkeypatch, to_wasm, budget):
    """Private structures of another version may differ, and the self-test itself could crash on them."""
    monkeypatch.setattr("bailiwick.engine.sandbox.ENGINE_VERSION", "0.0.0")
    with Engine() as engine:
        assert engine.marshaller == "stock"
