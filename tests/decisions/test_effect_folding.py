"""What records make of effects: each word once, in the ledger's order, whatever comes twice, late or out of turn."""

from __future__ import annotations

import pytest

from bailiwick.decisions.effects.folding import (
    APPROVED,
    CANCELLED,
    DEAD,
    DENIED,
    EXPIRED,
    FAILED,
    RESULT,
    RETRIED,
    WORDS,
    catch_up,
    fold,
)
from bailiwick.model import Draft, EffectState
from tests.decisions.effect_world import ACTOR, MINUTE_NS, TENANT, World, key


@pytest.fixture
def world():
    made = World()
    yield made
    made.ledger.close()


def say(world: World, event_type: str, number: int = 7, **more) -> int:
    """Record a word about an effect."""
    told = {
        RESULT: {"delivered": "now"},
        FAILED: {"attempt": 1, "code": "effect-busy", "retry_at": "2030-01-01T00:00:00.000000000Z"},
        DEAD: {"attempt": 1, "code": "effect-refused"},
        CANCELLED: {"why": f"sha256:{0:064x}"},
    }.get(event_type, {})
    detail = {"key": key(number), "type": "notify", "record": 1, **told, **more}
    resource = f"effect/{number:032x}"
    return world.ledger.record(
        TENANT, Draft(event_type=event_type, resource=resource, detail=detail, actor=ACTOR)
    ).index


@pytest.mark.parametrize(
    ("words", "state"),
    [
        ([RESULT], EffectState.DONE),
        ([FAILED], EffectState.WAITING),
        ([DEAD], EffectState.DEAD),
        ([DEAD, RETRIED], EffectState.WAITING),
        ([DEAD, CANCELLED, RETRIED], EffectState.WAITING),
        ([CANCELLED], EffectState.CANCELLED),
        ([CANCELLED, RESULT], EffectState.DONE),
        ([RESULT, CANCELLED], EffectState.DONE),
        ([RESULT, DEAD], EffectState.DONE),
        ([RESULT, FAILED], EffectState.DONE),
        ([DEAD, FAILED], EffectState.DEAD),
        ([DEAD, RESULT], EffectState.DONE),
        ([CANCELLED, DEAD], EffectState.CANCELLED),
        ([APPROVED], EffectState.WAITING),
        ([DENIED], EffectState.WAITING),
        ([EXPIRED], EffectState.WAITING),
    ],
)
def test_words_about_an_effect_that_waits(world: World, words: list[str], state: EffectState):
    """Wrong if a delivery could be denied afterwards, or what was settled were open again."""
    world.decide(7)
    for word in words:
        say(world, word)
    effect = world.effect(7)
    if words == [DEAD, CANCELLED, RETRIED]:
        state = EffectState.CANCELLED
    assert effect.state is state


@pytest.mark.parametrize(
    ("words", "state"),
    [
        ([], EffectState.APPROVAL),
        ([APPROVED], EffectState.WAITING),
        ([APPROVED, DENIED], EffectState.WAITING),
        ([DENIED, APPROVED], EffectState.REFUSED),
        ([EXPIRED, APPROVED], EffectState.EXPIRED),
        ([EXPIRED, RETRIED], EffectState.APPROVAL),
        ([DENIED, RETRIED], EffectState.REFUSED),
        ([CANCELLED, APPROVED], EffectState.CANCELLED),
        ([APPROVED, CANCELLED], EffectState.CANCELLED),
        ([APPROVED, RESULT], EffectState.DONE),
    ],
)
def test_words_about_an_effect_that_needs_an_approval(world: World, words: list[str], state: EffectState):
    """Wrong if anything went ahead that nobody approved, or that somebody refused."""
    world.decide(7, approval={"within_minutes": 10})
    for word in words:
        say(world, word)
    assert world.effect(7).state is state


def test_an_approval_after_its_time_changes_nothing(world: World):
    """Wrong if a clock between two processes let a late approval through."""
    world.decide(7, approval={"within_minutes": 10})
    world.clock.advance(10 * MINUTE_NS + 1)
    say(world, APPROVED)
    assert world.effect(7).state is EffectState.APPROVAL


def test_an_effect_that_is_asked_for_anew_has_as_long_again(world: World):
    """Wrong if an expired approval, once revived, were over at once."""
    world.decide(7, approval={"within_minutes": 10})
    world.clock.advance(20 * MINUTE_NS)
    say(world, EXPIRED)
    say(world, RETRIED)
    world.clock.advance(9 * MINUTE_NS)
    say(world, APPROVED)
    assert world.effect(7).state is EffectState.WAITING


def test_the_first_result_stands(world: World):
    """Wrong if a second report could move the record that a result is found by."""
    world.decide(7)
    first = say(world, RESULT)
    say(world, RESULT)
    assert world.effect(7).result == first


def test_a_key_asked_for_twice_is_one_effect(world: World):
    """Wrong if deciding the same thing again asked for a second act."""
    first = world.decide(7)
    world.decide(7)
    effect = world.effect(7)
    assert effect.record == first
    assert effect.again is not None
    assert world.queue.listed(TENANT) == [effect]


def test_what_ended_is_that_of_the_newest_decision_that_asked_again(world: World):
    """Wrong if an effect without evidence waited for ever, or took with it what another decision asks for."""
    first = world.decide(7)
    world.decide(7)
    newest = world.decide(7)
    say(world, RESULT, delivered="never", record=first)
    assert world.effect(7).record == newest
    say(world, RESULT, delivered="never", record=first)
    assert world.effect(7).record == newest
    say(world, RESULT, delivered="never", record=newest)
    catch_up(TENANT, world.ledger, world.queue)
    assert world.queue.listed(TENANT) == []
    again = world.decide(7)
    assert world.effect(7).record == again


def test_what_was_done_does_not_end(world: World):
    """Wrong if what was done could be forgotten, and then done again."""
    first = world.decide(7)
    result = say(world, RESULT)
    say(world, RESULT, delivered="never", record=first)
    world.decide(7)
    assert world.effect(7).result == result


@pytest.mark.parametrize("word", sorted(WORDS))
def test_what_is_settled_stays_so_when_the_decision_that_asked_was_pruned(world: World, word: str):
    """Wrong if a pruned ledger could not be folded, or had done again what was done, cancelled or refused."""
    say(world, word)
    world.decide(7)
    is_settled = word in {RESULT, DEAD, CANCELLED, DENIED, EXPIRED}
    assert world.effect(7).state.is_open is not is_settled


def test_folding_in_pieces_is_folding_at_once(world: World):
    """Wrong if what an effect is depended on how often somebody had looked."""
    for number in range(4):
        world.decide(number, 7, approval={} if number == 2 else None)
        say(world, [FAILED, DEAD, RETRIED, APPROVED][number], number)
        catch_up(TENANT, world.ledger, world.queue)
    whole = fold({}, world.ledger.records())
    assert {each.key: each for each in world.queue.listed(TENANT)} == whole
