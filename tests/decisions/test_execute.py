"""Effects: asked for by decisions, performed once for each key, stopped by the panic switch, and each with a result."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from bailiwick.adapters.effectchannel_memory import MemoryEffectChannel
from bailiwick.adapters.effectqueue_memory import MemoryEffectQueue
from bailiwick.adapters.panicswitch_memory import MemoryPanicSwitch
from bailiwick.canonical import canonical_bytes
from bailiwick.decisions import Executor, catch_up
from bailiwick.decisions.execute import RESULT, RESULTS_PER_FLUSH
from bailiwick.errors import Unavailable
from bailiwick.keys import Signer, new_secret
from bailiwick.ledger import Ledger
from bailiwick.model import Actor, Cursor, Draft, JsonValue
from bailiwick.testing import MemoryBlobStore, MemoryClock, MemoryLedgerStore

TENANT = "local"
ACTOR = Actor(id="node:test", role="node")
PACK: dict[str, JsonValue] = {"name": "us-osha-1904", "version": "1.0.0", "digest": f"sha256:{0:064x}"}


class World:
    """A ledger, its blobs, a queue, a switch and a receiver, all in memory."""

    def __init__(self) -> None:
        self.clock = MemoryClock()
        self.ledger = Ledger.create(
            TENANT,
            MemoryLedgerStore(),
            Signer("bailiwick/test", new_secret(bytes(32))),
            clock=self.clock,
            origin="bailiwick/test",
            node_id="test",
            actor=ACTOR,
            checkpoint_ms=None,
        )
        self.blobs = MemoryBlobStore()
        self.queue = MemoryEffectQueue()
        self.panic = MemoryPanicSwitch()
        self.panic.set(frozen=False, reason="", by="test", at="")
        self.receiver = MemoryEffectChannel()

    def decide(self, *numbers: int) -> int:
        """Seal one decision that asks for an effect under each number's key, and give its index."""
        asked: list[JsonValue] = [{"type": "notify", "key": key(number)} for number in numbers]
        stated: list[JsonValue] = [
            {"type": "notify", "key": str(number), "parameters": {"number": number}} for number in numbers
        ]
        evidence = canonical_bytes(
            {
                "effects": stated,
                "pack": PACK,
                "impact": {"outcome": "report-within-8-hours"},
                "legal_date": "2024-01-01",
            }
        )
        (digest,) = self.blobs.put_many(TENANT, [evidence])
        draft = Draft(
            event_type="decision.sealed",
            resource="observation/test",
            detail={"evidence": digest, "effects": asked},
            actor=ACTOR,
        )
        return self.ledger.record(TENANT, draft).index

    def executor(self, channel: object | None = None, panic: object | None = None) -> Executor:
        return Executor(
            tenant=TENANT,
            ledger=self.ledger,
            queue=self.queue,
            blobs=self.blobs,
            panic=panic or self.panic,  # type: ignore[arg-type]
            channel=channel or self.receiver,  # type: ignore[arg-type]
            actor=ACTOR,
        )

    def results(self) -> list[Mapping[str, JsonValue]]:
        return [record.detail for record in self.ledger.records() if record.event_type == RESULT]


def key(number: int) -> str:
    return f"hmac-sha256:{number:064x}"


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
    world.receiver.deliver(TENANT, key(7), world.executor()._message(waiting(world)[0]))
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
            return self.asked > 4

    report = world.executor(panic=After()).run()
    assert (report.delivered, report.waiting, report.frozen) == (4, 6, True)
    assert len(world.results()) == 4
    assert world.executor().run().delivered == 6


def test_a_failed_delivery_waits_and_does_not_hold_up_the_others(world: World):
    """Wrong if one receiver that is down stopped every later effect, or was tried for ever."""
    world.decide(1, 2, 3)

    class Down:
        def deliver(self, tenant: str, name: str, message: Mapping[str, JsonValue]) -> Mapping[str, JsonValue]:
            if name == key(1):
                raise Unavailable("the receiver is down", hint="try again", code="receiver-down")
            return world.receiver.deliver(tenant, name, message)

    report = world.executor(channel=Down()).run()
    assert (report.delivered, report.waiting) == (2, 1)
    assert [failure["code"] for failure in report.failed] == ["receiver-down"]
    assert world.executor().run().delivered == 1


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
    phantom = waiting(world)
    world.queue.clear(TENANT)
    world.queue.fold(TENANT, Cursor(count=1, leaf="another"), phantom, {})
    catch_up(TENANT, world.ledger, world.queue)
    assert [each.key for each in world.queue.listed(TENANT)] == [key(1)]
    assert world.queue.cursor(TENANT).leaf == world.ledger.leaf(world.ledger.size() - 1)


def test_lost_evidence_fails_its_effect_and_no_other(world: World):
    """Wrong if an effect could be sent whose decision cannot be shown."""
    index = world.decide(1)
    world.decide(2)
    world.blobs.corrupt(TENANT, str(world.ledger.read(index).detail["evidence"]))
    report = world.executor().run()
    assert (report.delivered, report.waiting) == (1, 1)
    assert [failure["record"] for failure in report.failed] == [index]
