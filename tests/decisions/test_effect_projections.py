"""What effects and the panic switches were at any moment, from records of every kind about them."""

from __future__ import annotations

import pytest

from bailiwick.canonical import time_ns
from bailiwick.decisions import find_projection
from bailiwick.errors import EffectDelayed, EffectRefused
from bailiwick.ledger import Timeline
from bailiwick.model import Actor, Draft
from tests.decisions.effect_world import MINUTE_NS, TENANT, World, key

FAR_NS = time_ns("9999-01-01T00:00:00.000000000Z")


@pytest.fixture
def world():
    made = World()
    yield made
    made.ledger.close()


def at(world: World, name: str, position: int | None = None):
    """Give what a projection shows at a record's time, or at the end."""
    position = world.ledger.size() - 1 if position is None else position
    moment = time_ns(world.ledger.read(position).timestamp)
    return Timeline(world.ledger).state_at(moment, find_projection(name), now_ns=FAR_NS).state


def failing(error):
    """Give a delivery that fails so."""

    def deliver(name, message):
        """Fail."""
        raise error

    return deliver


def test_effects_are_told_by_what_they_are(world: World):
    """Wrong if what was given up, cancelled or waits for a person looked as if it would still be done by itself."""
    asked = world.decide(1, 2, 3)
    world.clock.advance(MINUTE_NS)
    world.decide(4, approval={})
    world.clock.advance(MINUTE_NS)
    world.oversight().cancel(key(1), "superseded")
    world.run(
        lambda name, message: {"delivered": "now"} if name == key(2) else failing(EffectRefused("no", hint="x"))(0, 0)
    )
    shown = at(world, "effects")
    assert (shown["waiting"], shown["done"], shown["done_by_type"]) == ([], 1, {"notify": 1})
    assert shown["others"] == {"cancelled": 1, "dead": 1, "needs-approval": 1}
    assert [each["key"] for each in at(world, "effects", asked)["waiting"]] == [key(1), key(2), key(3)]


def test_an_effect_that_failed_waits_and_one_that_is_revived_waits_again(world: World):
    """Wrong if a snapshot forgot what can still be done."""
    world.decide(1)
    world.run(failing(EffectDelayed("down", hint="x")))
    assert [each["key"] for each in at(world, "effects")["waiting"]] == [key(1)]
    world.clock.advance(60 * MINUTE_NS)
    world.run(failing(EffectRefused("no", hint="x")))
    assert at(world, "effects")["waiting"] == []
    world.clock.advance(MINUTE_NS)
    world.oversight().retry(key(1))
    assert [each["key"] for each in at(world, "effects")["waiting"]] == [key(1)]


def test_what_was_cancelled_and_then_asked_for_again_does_not_wait(world: World):
    """Wrong if deciding the same thing again looked as if it brought a cancelled act back."""
    world.decide(1)
    world.oversight().cancel(key(1), "superseded")
    world.decide(1)
    assert at(world, "effects")["waiting"] == []
    assert world.run().is_idle


def panic(world: World, frozen: bool, **scope) -> int:
    """Record a word about a switch, a minute later."""
    world.clock.advance(MINUTE_NS)
    actor = Actor(id="local:test", role="operator")
    draft = Draft(event_type="panic.set", resource="panic", detail={"frozen": frozen, **scope}, actor=actor)
    return world.ledger.record(TENANT, draft).index


def test_either_switch_freezes_and_both_must_be_released(world: World):
    """Wrong if a ledger said that effects were free while one of two switches held."""
    everywhere = panic(world, True)  # as an early version recorded it
    panic(world, True, scope="tenant")
    panic(world, False, scope="tenant")
    assert at(world, "panic")["record"] == everywhere
    assert at(world, "panic")["frozen"] is True
    last = panic(world, False, scope="everywhere")
    assert (at(world, "panic")["frozen"], at(world, "panic")["record"]) == (False, last)
