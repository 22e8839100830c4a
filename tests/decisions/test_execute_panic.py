"""The panic switch in the middle of work: nothing starts once it was seen, and decisions and reads go on."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from bailiwick.decisions.execute import LOOK_MS
from bailiwick.errors import EffectDelayed, EffectsFrozen
from bailiwick.model import EffectState, JsonValue
from tests.decisions.effect_world import MINUTE_NS, TENANT, Channel, World, key

BATCH = 1_000


@pytest.fixture
def world():
    made = World()
    yield made
    made.ledger.close()


class Counting:
    """A switch that a delivery throws, and that knows whether it has been looked at since."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.was_seen = False

    def is_frozen(self) -> bool:
        """Look at the switch, and know that somebody did."""
        frozen = self.world.panic.is_frozen()
        self.was_seen = self.was_seen or frozen
        return frozen


@pytest.mark.parametrize("thrown_at", [0, 1, 63, 64, 517, BATCH - 1])
def test_of_a_thousand_effects_none_starts_after_the_switch_is_seen(world: World, thrown_at: int):
    """Wrong if a batch that has begun ran on for even one effect."""
    for start in range(0, BATCH, 100):
        world.decide(*range(start, start + 100))
    switch = Counting(world)
    started: list[str] = []

    def deliver(name: str, message: Mapping[str, JsonValue]) -> Mapping[str, JsonValue]:
        """Take it, and throw the switch in the middle of one."""
        assert not switch.was_seen, "an effect started after the switch was seen"
        started.append(name)
        if len(started) == thrown_at + 1:
            world.panic.set(frozen=True, reason="wrong amounts", by="test", at="")
        return {"delivered": "now"}

    report = world.executor(Channel(deliver), panic=switch).run()
    assert len(started) == thrown_at + 1, "at most the one that had started"
    assert (report.delivered, report.waiting) == (thrown_at + 1, BATCH - thrown_at - 1)
    assert report.frozen == (thrown_at + 1 < BATCH)
    assert len(world.results()) == thrown_at + 1, "what was done is recorded"
    assert world.decide(5_000) > 0, "decisions go on"
    world.panic.set(frozen=False, reason="", by="test", at="")
    assert world.run().waiting == 0


def test_a_channel_that_sees_the_switch_before_it_sends_uses_up_no_attempt(world: World):
    """Wrong if an effect that was stopped while it connected were counted as failed."""
    world.decide(1)

    def connecting(name: str, message: Mapping[str, JsonValue]) -> Mapping[str, JsonValue]:
        """See the switch."""
        raise EffectsFrozen("thrown while connecting", hint="wait")

    report = world.run(connecting)
    assert (report.frozen, report.waiting, report.failed) == (True, 1, ())
    assert world.words() == []


def follow(world: World, steps, deliver=None) -> list:
    """Follow effects while each step happens in one pause; give what was told."""
    told: list = []
    waited: list[int] = []
    rest = iter(steps)

    def pause(ms: int) -> bool:
        """Let the next step happen."""
        if not ms:
            return False
        waited.append(ms)
        world.clock.advance(ms * 1_000_000)
        step = next(rest, None)
        if step is not None:
            step()
        return step is None

    executor = world.executor(None if deliver is None else Channel(deliver))
    executor.follow(pause, lambda report: told.append(report.to_json()))
    assert set(waited) <= set(range(LOOK_MS + 1)), "it looks at least every 100 ms"
    return told


def freeze(world: World, frozen: bool):
    """Give a step that sets the switch."""
    return lambda: world.panic.set(frozen=frozen, reason="", by="test", at="")


def test_whoever_follows_performs_what_comes_and_stops_within_a_look(world: World):
    """Wrong if effects decided later were never performed, or performed while frozen."""
    world.decide(1)
    steps = [
        lambda: world.decide(2),
        freeze(world, True),
        lambda: world.decide(3),
        lambda: None,
        freeze(world, False),
        lambda: None,
    ]
    told = follow(world, steps)
    assert sum(each["delivered"] for each in told) == 3
    assert set(world.receiver.messages(TENANT)) == {key(1), key(2), key(3)}


def test_nothing_is_delivered_while_the_switch_holds(world: World):
    """Wrong if following looked at the switch only when it began."""
    world.panic.set(frozen=True, reason="", by="test", at="")
    follow(world, [lambda: world.decide(1), lambda: None, lambda: None])
    assert world.receiver.messages(TENANT) == {}


def test_whoever_follows_tries_again_when_the_moment_comes(world: World):
    """Wrong if an effect that failed waited for somebody to start the executor anew."""
    world.decide(1)
    tries: list[int] = []

    def once_down(name: str, message: Mapping[str, JsonValue]) -> Mapping[str, JsonValue]:
        """Be down at first."""
        tries.append(world.clock.now_ns())
        if len(tries) == 1:
            raise EffectDelayed("down", hint="wait")
        return {"delivered": "now"}

    follow(world, [lambda: None] * 200, once_down)
    assert len(tries) == 2
    assert world.effect(1).state is EffectState.DONE


def test_whoever_follows_lets_approvals_expire(world: World):
    """Wrong if an approval that nobody gives were open for ever."""
    world.decide(1, approval={"within_minutes": 1})
    follow(world, [lambda: world.clock.advance(2 * MINUTE_NS), lambda: None])
    assert world.effect(1).state is EffectState.EXPIRED
