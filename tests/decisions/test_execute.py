"""Effects: asked for by decisions, performed once for each key, stopped by the panic switch, and each with a result."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from bailiwick.adapters.effectqueue_memory import MemoryEffectQueue
from bailiwick.decisions import catch_up
from bailiwick.decisions.execute import RESULTS_PER_FLUSH
from bailiwick.errors import Unavailable
from bailiwick.model import Cursor, JsonValue
from tests.decisions.effect_world import MINUTE_NS, TENANT, World, key


@pytest.fixture
def world():
    made = World()
    yield made
    made.ledger.close()


def test_an_effect_is_delivered_with_the_receipt_of_its_decision(world: World):
    """Wrong if a receiver could not ask for proof of the decision behind what it is told to do."""
    index = world.decide(7)
    report = world.executor().run()
    assert (report.delivered, report.waiting) == (1, 0)
    (message,) = world.receiver.messages(TENANT).values()
    assert f'"index":{index}'.encode() in message
    assert world.ledger.leaf(index).encode() in message


def test_each_result_is_a_record(world: World):
    """Wrong if what was done in the world were not in the ledger."""
    index = world.decide(7)
    world.executor().run()
    (result,) = world.results()
    assert (result["key"], result["record"], result["delivered"]) == (key(7), index, "now")


def test_the_same_act_asked_for_twice_is_done_once(world: World):
    """Wrong if deciding the same thing again sent a second message."""
    world.decide(7)
    world.executor().run()
    world.decide(7)
    report = world.executor().run()
    assert (report.delivered, report.repeated) == (0, 0)
    assert len(world.results()) == 1


def test_a_crash_between_delivery_and_result_delivers_under_the_same_key(world: World):
    """Wrong if a receiver that honours keys could act twice."""
    world.decide(7)
    world.receiver.deliver(TENANT, key(7), world.executor().message(waiting(world)[0]))
    report = world.executor().run()
    assert (report.delivered, report.repeated) == (0, 1)
    assert len(world.receiver.messages(TENANT)) == 1
    assert [result["delivered"] for result in world.results()] == ["before"]


def waiting(world: World):
    catch_up(TENANT, world.ledger, world.queue)
    return world.queue.waiting(TENANT, 10)


def test_a_thrown_switch_stops_every_effect(world: World):
    """Wrong if anything were done while the panic switch holds."""
    world.decide(1, 2, 3)
    world.panic.set(frozen=True, reason="drill", by="test", at="")
    report = world.executor().run()
    assert (report.delivered, report.waiting, report.frozen) == (0, 3, True)
    assert world.receiver.messages(TENANT) == {}


def test_a_switch_thrown_in_the_middle_stops_the_rest(world: World):
    """Wrong if a batch that has begun ran to its end, and its results were lost."""
    world.decide(*range(10))

    class After:
        asked = 0

        def is_frozen(self) -> bool:
            self.asked += 1
            return self.asked > 5  # once before the executor starts, and once before each effect

    report = world.executor(panic=After()).run()
    assert (report.delivered, report.waiting, report.frozen) == (4, 6, True)
    assert len(world.results()) == 4
    assert world.executor().run().delivered == 6


def test_a_failed_delivery_waits_and_does_not_hold_up_the_others(world: World):
    """Wrong if one receiver that is down stopped every later effect, or was tried for ever."""
    world.decide(1, 2, 3)

    def down(name: str, message: Mapping[str, JsonValue]) -> Mapping[str, JsonValue]:
        """Receive all but the first."""
        if name == key(1):
            raise Unavailable("the receiver is down", hint="try again", code="receiver-down")
        return world.receiver.deliver(TENANT, name, message, fence=10**6)

    report = world.run(down)
    assert (report.delivered, report.waiting) == (2, 1)
    assert [failure["code"] for failure in report.failed] == ["receiver-down"]
    assert world.run(down).is_idle, "it is not due yet"
    world.clock.advance(MINUTE_NS)
    assert world.run(lambda name, message: {"delivered": "now"}).delivered == 1


def test_more_effects_than_one_flush_holds_are_all_done(world: World):
    """Wrong if the executor stopped at the end of its first batch."""
    count = 2 * RESULTS_PER_FLUSH + 1
    for start in range(0, count, 50):
        world.decide(*range(start, min(start + 50, count)))
    seen: list[int] = []
    report = world.executor().run(progress=seen.append)
    assert (report.delivered, sum(seen)) == (count, count)


def test_a_lost_queue_is_folded_again_and_repeats_nothing(world: World):
    """Wrong if losing a file that can be rebuilt sent everything again."""
    world.decide(1, 2)
    world.executor().run()
    world.queue = MemoryEffectQueue()
    report = world.executor().run()
    assert (report.delivered, report.repeated, len(world.results())) == (0, 0, 2)


def test_a_queue_of_another_past_is_folded_again(world: World):
    """Wrong if effects of a ledger that was cut back could be performed."""
    world.decide(1)
    (phantom,) = waiting(world)
    base = world.queue.cursor(TENANT)
    world.queue.clear(TENANT)
    other = replace(base, leaf="another")
    assert world.queue.keep(TENANT, Cursor(count=0, leaf=""), other, {key(9): replace(phantom, key=key(9))})
    catch_up(TENANT, world.ledger, world.queue)
    assert [each.key for each in world.queue.listed(TENANT)] == [key(1)]
    assert world.queue.cursor(TENANT) == base


def test_lost_evidence_fails_its_effect_and_no_other(world: World):
    """Wrong if an effect could be sent whose decision cannot be shown."""
    index = world.decide(1)
    world.decide(2)
    world.blobs.corrupt(TENANT, str(world.ledger.read(index).detail["evidence"]))
    report = world.executor().run()
    assert (report.delivered, report.waiting) == (1, 1)
    assert [failure["record"] for failure in report.failed] == [index]
