"""Deliveries that fail: tried again at a recorded moment, given up at a limit, fenced off, and never told twice."""

from __future__ import annotations

import errno
from collections.abc import Mapping
from dataclasses import replace

import pytest

from bailiwick.canonical import time_ns
from bailiwick.decisions.effects.folding import DEAD, FAILED, RESULT, RETRIED, STARTED
from bailiwick.errors import (
    BailiwickError,
    EffectDelayed,
    EffectFenced,
    EffectRefused,
    InputRefused,
    LedgerPoisoned,
    Unavailable,
    UsageRefused,
)
from bailiwick.model import Draft, EffectState, JsonValue
from bailiwick.schema import Schemas
from tests.decisions.effect_world import ACTOR, MINUTE_NS, SECOND_NS, TENANT, Channel, World, key

DAY_NS = 24 * 60 * MINUTE_NS


@pytest.fixture
def world():
    made = World()
    yield made
    made.ledger.close()


def failing(error: BailiwickError):
    """Give a delivery that always fails so."""

    def deliver(name: str, message: Mapping[str, JsonValue]) -> Mapping[str, JsonValue]:
        """Fail."""
        raise error

    return deliver


def down(**more) -> BailiwickError:
    """Give the error of a receiver that does not answer."""
    return EffectDelayed("down", hint="wait", **more)


def details(world: World, event_type: str) -> list[Mapping[str, JsonValue]]:
    """Give the details of every record of a type, each checked against its contract."""
    found = [record.detail for record in world.ledger.records() if record.event_type == event_type]
    for each in found:
        Schemas().check(event_type.replace(".", "-"), dict(each))
    return found


def waits_s(world: World) -> list[float]:
    """Give the seconds between each failure and the next try."""
    found = [record for record in world.ledger.records() if record.event_type == FAILED]
    return [(time_ns(str(each.detail["retry_at"])) - time_ns(each.timestamp)) / SECOND_NS for each in found]


def test_a_failure_is_a_record_with_the_moment_of_the_next_try(world: World):
    """Wrong if nobody could see why an effect waits, and until when."""
    index = world.decide(7)
    world.run(failing(down(code="effect-busy")))
    (failed,) = details(world, FAILED)
    assert (failed["attempt"], failed["code"], failed["record"]) == (1, "effect-busy", index)
    assert world.effect(7).retry_at == failed["retry_at"]
    assert "down" not in str(failed)


def test_waits_double_up_to_their_limit_and_are_drawn(world: World):
    """Wrong if a receiver that is down were stormed, or all effects came back at the same moment."""
    world.settings = replace(world.settings, attempts_max=9, wait_first_s=10, wait_max_s=100)
    world.decide(7)
    for _ in range(8):
        world.run(failing(down()))
        world.clock.advance(DAY_NS)
    longest = [10, 20, 40, 80, 100, 100, 100, 100]
    waits = waits_s(world)
    assert all(most / 2 <= wait <= most for wait, most in zip(waits, longest, strict=True)), waits
    assert len(set(waits)) > 5


def test_a_receiver_is_left_alone_for_as_long_as_it_asks(world: World):
    """Wrong if a receiver's own word did not count, or counted without an end."""
    world.settings = replace(world.settings, attempts_max=9)
    world.decide(7)
    world.run(failing(down(retry_after_s=120)))
    world.clock.advance(DAY_NS)
    world.run(failing(down(retry_after_s=10**9)))
    assert waits_s(world) == [120, 3_600]


def test_an_effect_is_not_tried_before_its_moment(world: World):
    """Wrong if a second run minutes too early asked again."""
    world.decide(7)
    world.run(failing(down(retry_after_s=120)))
    world.clock.advance(119 * SECOND_NS)
    assert world.run().is_idle
    world.clock.advance(SECOND_NS)
    assert world.run().delivered == 1


def test_after_the_last_attempt_an_effect_is_given_up(world: World):
    """Wrong if an effect nobody takes were tried for ever, or forgotten without a word."""
    world.decide(7)
    for _ in range(5):
        world.run(failing(down()))
        world.clock.advance(DAY_NS)
    (dead,) = details(world, DEAD)
    assert (dead["attempt"], dead["code"]) == (3, "effect-unreachable")
    assert world.words() == [FAILED, FAILED, DEAD]
    assert world.effect(7).state is EffectState.DEAD


@pytest.mark.parametrize(
    "error",
    [
        EffectRefused("no", hint="mend it"),
        EffectRefused("elsewhere", hint="mend it", code="effect-redirected"),
        InputRefused("too large", hint="smaller", code="effect-too-large"),
    ],
    ids=lambda error: error.code,
)
def test_a_refusal_for_good_is_given_up_at_once(world: World, error: BailiwickError):
    """Wrong if a receiver that said no were asked again and again."""
    world.decide(7, 8)
    report = world.run(failing(error))
    assert (report.dead, report.waiting, len(report.failed)) == (2, 0, 2)
    assert {each["code"] for each in details(world, DEAD)} == {error.code}


def test_what_was_given_up_can_be_tried_anew_with_all_attempts(world: World):
    """Wrong if a dead letter were lost, or had one attempt left."""
    world.decide(7)
    world.run(failing(EffectRefused("no", hint="mend it")))
    (said,) = world.oversight().retry_dead()
    assert said.effect.state is EffectState.WAITING
    world.run(failing(down()))
    assert world.effect(7).attempts == 1
    world.clock.advance(DAY_NS)
    assert world.run().delivered == 1
    assert details(world, RETRIED)[0]["key"] == key(7)


def test_settings_that_cannot_be_used_fail_their_effects_alone_and_leave_no_record(world: World):
    """Wrong if a slip in node.toml gave effects up, or stopped those of other types."""
    world.decide(7)

    class Broken:
        def of(self, kind: str):
            """Give none."""
            raise UsageRefused("the table is off", hint="mend it", code="effect-settings")

    executor = world.executor()
    executor._channels = Broken()
    report = executor.run()
    assert ([each["code"] for each in report.failed], report.waiting) == (["effect-settings"], 1)
    assert world.words() == []
    assert world.run().delivered == 1


# --- fences ---------------------------------------------------------------------------------------------------------


def test_each_executor_has_a_higher_fence_that_goes_with_its_deliveries(world: World):
    """Wrong if a receiver could not tell a newer executor from an older one."""
    seen: list[int] = []

    class Noting:
        def deliver(self, tenant, name, message, *, fence=0):
            """Note the fence."""
            seen.append(fence)
            return {"delivered": "now"}

    world.decide(1, 2)
    world.executor(Noting()).run()
    world.decide(3)
    world.executor(Noting()).run()
    started = [record.index for record in world.ledger.records() if record.event_type == STARTED]
    assert seen == [started[0], started[0], started[1]]
    assert [each["fence"] for each in world.results()] == seen


def test_an_executor_with_nothing_to_do_starts_not(world: World):
    """Wrong if looking every minute filled the ledger."""
    size = world.ledger.size()
    world.run()
    world.decide(1)
    world.panic.set(frozen=True, reason="", by="test", at="")
    world.run()
    assert world.ledger.size() == size + 1


def test_a_stale_executor_delivers_nothing_any_more(world: World):
    """Wrong if an executor that was thought dead went on beside the new one."""
    world.decide(*range(4))
    stale = None

    def deliver(name: str, message: Mapping[str, JsonValue]) -> Mapping[str, JsonValue]:
        """Be overtaken within the first delivery."""
        if name == key(0):
            world.ledger.record(TENANT, Draft(event_type=STARTED, resource="effects", detail={}, actor=ACTOR))
        return {"delivered": "now"}

    stale = world.executor(Channel(deliver))
    with pytest.raises(EffectFenced):
        stale.run()
    assert [each["key"] for each in world.results()] == [key(0)], "what it did deliver is recorded"
    with pytest.raises(EffectFenced):
        stale.run()
    assert world.run().delivered == 3


def test_a_receiver_that_knows_a_newer_executor_takes_nothing_from_the_stale_one(world: World):
    """Wrong if a delivery that was held up on the way could act after its successor's."""
    world.decide(1, 2)
    world.receiver.deliver(TENANT, key(9), {**world.executor().message(world.effect(1)), "key": key(9)}, fence=10**6)
    report = world.run()
    assert [each["code"] for each in report.failed] == ["effect-fenced"] * 2
    assert set(world.receiver.messages(TENANT)) == {key(9)}


def test_a_lie_about_fences_is_a_failure_like_any_other(world: World):
    """Wrong if a receiver that always claims a newer executor could stop this one for good."""
    world.decide(1, 2)
    report = world.run(failing(EffectFenced("newer", hint="stop")))
    assert len(report.failed) == 2
    assert world.words() == [FAILED, FAILED]


# --- results that cannot be recorded --------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC])
@pytest.mark.parametrize("turn", [1, 2])
def test_what_was_delivered_and_not_recorded_is_delivered_again_under_its_key(world: World, turn: int, number: int):
    """Wrong if a full or broken disk made an effect happen twice, or never known."""
    world.decide(1, 2)
    whole = world.ledger.record_many
    left = [turn]

    def record_many(tenant, drafts, **how):
        """Fail like a disk, before anything was written."""
        left[0] -= 1
        if left[0] == 0:
            raise LedgerPoisoned(f"the disk said {number}", hint="free some space")
        return whole(tenant, drafts, **how)

    executor = world.executor()
    executor._ledger = Broken(world.ledger, record_many)
    if turn == 1:
        with pytest.raises(LedgerPoisoned):
            executor.run()
        assert world.words() == []
    else:
        executor.run()
    report = world.run()
    assert report.delivered == 0
    assert report.repeated == (2 if turn == 1 else 0)
    assert len(world.receiver.messages(TENANT)) == 2
    assert world.words() == [RESULT, RESULT]


class Broken:
    """A ledger whose groups of records fail as a test says."""

    def __init__(self, ledger, record_many) -> None:
        self._ledger = ledger
        self.record_many = record_many

    def __getattr__(self, name: str):
        return getattr(self._ledger, name)


def test_nothing_is_delivered_where_the_start_cannot_be_recorded(world: World):
    """Wrong if effects happened of which a broken ledger could never tell."""
    world.decide(1)

    class Closed:
        def record(self, tenant, draft, **how):
            """Fail like a disk."""
            raise LedgerPoisoned("the disk is full", hint="free some space")

        def __getattr__(self, name: str):
            return getattr(world.ledger, name)

    executor = world.executor()
    executor._ledger = Closed()
    with pytest.raises(LedgerPoisoned):
        executor.run()
    assert world.receiver.messages(TENANT) == {}


def test_slow_receivers_have_their_results_recorded_one_by_one(world: World):
    """Wrong if a crash among slow deliveries repeated all of them."""
    world.decide(*range(4))
    known: list[int] = []

    def slow(name: str, message: Mapping[str, JsonValue]) -> Mapping[str, JsonValue]:
        """Take two seconds."""
        known.append(len(world.results()))
        world.clock.advance(2 * SECOND_NS)
        return {"delivered": "now"}

    world.run(slow)
    assert known == [0, 1, 2, 3]


def test_an_unavailable_blob_is_tried_again_and_not_given_up(world: World):
    """Wrong if a copy that is restored tomorrow came too late."""
    index = world.decide(1)
    world.blobs.corrupt(TENANT, str(world.ledger.read(index).detail["evidence"]))
    report = world.run()
    assert [each["code"] for each in report.failed] == ["blob-corrupt"]
    assert world.words() == [FAILED]
    assert isinstance(Unavailable("x", hint="y"), BailiwickError)
