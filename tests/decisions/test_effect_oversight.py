"""What people say of effects: once, by name, in time; and what happens when it races with the executor."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from bailiwick.decisions.effects.folding import APPROVED, CANCELLED, DENIED, EXPIRED, RESULT
from bailiwick.decisions.effects.oversight import REASON_CHARACTERS_MAX
from bailiwick.errors import BailiwickError, EffectDelayed, EffectSettled, InputRefused, NotFound, UsageRefused
from bailiwick.model import EffectState, JsonValue
from bailiwick.schema import Schemas, parse_document
from tests.decisions.effect_world import ACTOR, MINUTE_NS, PERSON, TENANT, World, key

HOUR: dict[str, JsonValue] = {"within_minutes": 60}


@pytest.fixture
def world():
    made = World()
    yield made
    for record in made.ledger.records():
        if record.event_type.startswith("effect."):
            Schemas().check(record.event_type.replace(".", "-"), dict(record.detail))
    made.ledger.close()


def code_of(ask) -> str:
    """Give the code of the refusal."""
    with pytest.raises(BailiwickError) as caught:
        ask()
    return caught.value.code


def test_an_effect_that_needs_an_approval_waits_for_it(world: World):
    """Wrong if anything were done that a person has to approve first."""
    world.decide(1, approval=HOUR)
    report = world.run()
    assert (report.delivered, report.unapproved, report.waiting) == (0, 1, 0)
    said = world.oversight().approve(key(1))
    assert (said.is_new, said.effect.state) == (True, EffectState.WAITING)
    assert world.ledger.read(said.record).actor == PERSON
    assert world.run().delivered == 1


def test_approving_twice_is_answered_and_recorded_once(world: World):
    """Wrong if two people who press at once left two records, or one of them an error."""
    world.decide(1, approval=HOUR)
    first = world.oversight().approve(key(1))
    second = world.oversight().approve(key(1))
    assert (second.is_new, second.record) == (False, first.record)
    world.run()
    third = world.oversight().approve(key(1))
    assert (third.is_new, third.record, third.effect.state) == (False, first.record, EffectState.DONE)
    assert world.words().count(APPROVED) == 1


def test_an_approval_that_comes_late_is_refused_and_the_expiry_recorded(world: World):
    """Wrong if a payment went out by a nod that came after its time."""
    world.decide(1, approval=HOUR)
    world.clock.advance(60 * MINUTE_NS + 1)
    assert code_of(lambda: world.oversight().approve(key(1))) == "approval-late"
    assert code_of(lambda: world.oversight().approve(key(1))) == "approval-late"
    assert world.words() == [EXPIRED]
    assert world.run().delivered == 0


def test_an_approval_at_the_last_moment_counts(world: World):
    """Wrong if the hour that a pack gives were shorter than an hour."""
    world.decide(1, approval=HOUR)
    world.clock.advance(60 * MINUTE_NS)
    assert world.oversight().approve(key(1)).is_new


def test_what_nobody_approves_waits_and_then_expires(world: World):
    """Wrong if it were done at the end of its time, or waited for ever."""
    world.decide(1, 2, approval=HOUR)
    world.decide(3, approval={})
    assert world.run().unapproved == 3
    world.clock.advance(61 * MINUTE_NS)
    report = world.run()
    assert (report.expired, report.unapproved, report.delivered) == (2, 1, 0)
    assert world.run().expired == 0
    assert world.words() == [EXPIRED, EXPIRED]


def test_what_expired_can_be_asked_for_anew_and_needs_an_approval_again(world: World):
    """Wrong if reviving an effect went past the person who has to approve it."""
    world.decide(1, approval=HOUR)
    world.clock.advance(61 * MINUTE_NS)
    world.run()
    assert world.oversight().retry(key(1)).effect.state is EffectState.APPROVAL
    assert world.run().delivered == 0
    world.oversight().approve(key(1))
    assert world.run().delivered == 1


def test_the_executor_cannot_approve_what_it_performs(world: World):
    """Wrong if the machine could nod to itself."""
    world.decide(1, approval=HOUR)
    for say in (world.oversight(ACTOR).approve, world.oversight(ACTOR).deny):
        assert code_of(lambda say=say: say(key(1))) == "approval-executor"
    assert world.words() == []


def test_what_was_refused_stays_refused(world: World):
    """Wrong if a second person could overrule the first without a word."""
    world.decide(1, approval=HOUR)
    denied = world.oversight().deny(key(1), "the account is not theirs")
    again = world.oversight().deny(key(1), "again")
    assert (again.is_new, again.record) == (False, denied.record)
    assert code_of(lambda: world.oversight().approve(key(1))) == "effect-settled"
    assert code_of(lambda: world.oversight().retry(key(1))) == "effect-settled"
    assert code_of(lambda: world.oversight().cancel(key(1), "x")) == "effect-settled"
    assert world.run().delivered == 0
    assert world.words() == [DENIED]


def test_an_effect_that_needs_none_is_not_approved(world: World):
    """Wrong if a record claimed an approval that nobody had asked for."""
    world.decide(1)
    assert code_of(lambda: world.oversight().approve(key(1))) == "approval-not-asked"
    assert code_of(lambda: world.oversight().deny(key(1))) == "approval-not-asked"
    assert world.words() == []


def test_a_reason_stays_out_of_the_record(world: World):
    """Wrong if what a person typed could never be erased."""
    world.decide(1)
    said = world.oversight().cancel(key(1), "Jane Doe called, 555-0100")
    record = world.ledger.read(said.record)
    assert b"Jane" not in record.raw
    blob = parse_document(world.blobs.get(TENANT, str(record.detail["why"]), record.resource))
    assert blob["text"] == "Jane Doe called, 555-0100"
    assert len(blob["salt"]) == 32


def test_the_same_reason_has_another_digest_each_time(world: World):
    """Wrong if a digest told what was typed to whoever guesses."""
    world.decide(1, 2)
    said = [world.oversight().cancel(key(number), "no") for number in (1, 2)]
    assert len({world.ledger.read(each.record).detail["why"] for each in said}) == 2


def test_a_reason_has_a_limit(world: World):
    """Wrong if a pasted book filled the store."""
    world.decide(1)
    with pytest.raises(InputRefused) as caught:
        world.oversight().cancel(key(1), "x" * (REASON_CHARACTERS_MAX + 1))
    assert caught.value.code == "reason-too-long"
    assert world.oversight().cancel(key(1), "x" * REASON_CHARACTERS_MAX).is_new


def test_what_was_cancelled_is_not_performed(world: World):
    """Wrong if an effect that somebody took back happened all the same."""
    world.decide(1, 2)
    first = world.oversight().cancel(key(1), "superseded")
    second = world.oversight().cancel(key(1), "superseded")
    assert (first.is_new, second.is_new, second.record) == (True, False, first.record)
    assert world.run().delivered == 1
    assert set(world.receiver.messages(TENANT)) == {key(2)}


def test_what_was_delivered_cannot_be_cancelled(world: World):
    """Wrong if a record claimed that something was stopped that had happened."""
    world.decide(1)
    world.run()
    assert code_of(lambda: world.oversight().cancel(key(1), "too late")) == "effect-settled"
    assert world.words() == [RESULT]


def test_a_cancellation_in_the_same_batch_is_seen_before_the_delivery(world: World):
    """Wrong if an executor in the middle of a batch went by what it knew at its beginning."""
    world.decide(*range(10))

    def deliver(name: str, message: Mapping[str, JsonValue]) -> Mapping[str, JsonValue]:
        """Cancel another while the first is delivered."""
        if name == key(0):
            world.oversight().cancel(key(5), "superseded")
        assert name != key(5)
        return {"delivered": "now"}

    report = world.run(deliver)
    assert (report.delivered, report.waiting) == (9, 0)
    assert world.effect(5).state is EffectState.CANCELLED


@pytest.mark.parametrize("is_delivered", [True, False])
def test_a_cancellation_during_the_delivery_ends_in_what_happened(world: World, is_delivered: bool):
    """Wrong if the ledger said cancelled of what was delivered, or what failed were tried again."""
    world.decide(1)

    def deliver(name: str, message: Mapping[str, JsonValue]) -> Mapping[str, JsonValue]:
        """Be cancelled while it is delivered."""
        world.oversight().cancel(name, "superseded")
        if is_delivered:
            return {"delivered": "now"}
        raise EffectDelayed("down", hint="wait")

    world.run(deliver)
    assert world.effect(1).state is (EffectState.DONE if is_delivered else EffectState.CANCELLED)
    world.clock.advance(60 * MINUTE_NS)
    assert world.run().is_idle
    assert world.words()[0] == CANCELLED


def test_keys_are_found_by_their_first_digits(world: World):
    """Wrong if people had to type 64 digits, or got another effect than they meant."""
    world.decide(1, 2)
    digits = key(1).partition(":")[2]
    assert world.oversight().find(digits).key == key(1)
    assert world.oversight().find(key(2)).key == key(2)
    with pytest.raises(UsageRefused, match="2 effects"):
        world.oversight().find(digits[:20])
    with pytest.raises(UsageRefused, match="too short"):
        world.oversight().find("0000000")
    with pytest.raises(NotFound) as caught:
        world.oversight().find("f" * 64)
    assert caught.value.code == "effect-not-found"


def test_an_effect_that_waits_for_its_moment_can_be_tried_now(world: World):
    """Wrong if somebody who mended a receiver had to wait for hours."""
    world.decide(1)

    def down(name: str, message: Mapping[str, JsonValue]) -> Mapping[str, JsonValue]:
        """Fail."""
        raise EffectDelayed("down", hint="wait", retry_after_s=3_000)

    world.run(down)
    assert world.oversight().retry(key(1)).is_new
    assert not world.oversight().retry(key(1)).is_new, "it is due already"
    assert world.run().delivered == 1
    with pytest.raises(EffectSettled):
        world.oversight().retry(key(1))


@pytest.mark.parametrize(
    "wrong",
    [
        {"state": EffectState.WAITING},
        {"state": EffectState.WAITING, "needs_approval": False},
        {"state": EffectState.WAITING, "approved": 0},
        {"state": EffectState.WAITING, "approved": 10**9},
    ],
)
def test_a_queue_that_says_somebody_approved_is_not_believed(world: World, wrong: dict[str, object]):
    """Wrong if a changed file beside the ledger could stand for a person."""
    world.decide(1, approval=HOUR)
    changed = replace(world.effect(1), **wrong)  # type: ignore[arg-type]
    seen = world.queue.cursor(TENANT)
    assert world.queue.keep(TENANT, seen, seen, {key(1): changed})
    assert (world.run().delivered, world.effect(1).state) == (0, EffectState.APPROVAL)
    world.oversight().approve(key(1))
    assert world.run().delivered == 1


@pytest.mark.parametrize("wrong", [{"position": 1}, {"position": 9}, {"record": 2}, {"record": 10**9}, {"type": "x"}])
def test_a_queue_that_names_another_effect_sends_nothing_of_it(world: World, wrong: dict[str, object]):
    """Wrong if one flipped byte sent a receiver what was meant for another."""
    assert (world.decide(1, 2), world.decide(3)) == (1, 2)
    changed = replace(world.effect(1), **wrong)  # type: ignore[arg-type]
    seen = world.queue.cursor(TENANT)
    assert world.queue.keep(TENANT, seen, seen, {key(1): changed})
    sent: dict[str, JsonValue] = {}

    def deliver(name: str, message: Mapping[str, JsonValue]) -> Mapping[str, JsonValue]:
        """Keep what was sent under which key."""
        sent[name] = message["parameters"]
        return {"delivered": "now"}

    world.run(deliver)
    world.run(deliver)
    assert sent == {key(number): {"number": number} for number in (1, 2, 3)}
