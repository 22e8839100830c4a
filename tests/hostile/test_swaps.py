"""Swaps that others work against: modules that call each other, versions that loop, operators who act in between."""

from __future__ import annotations

import threading
from contextlib import ExitStack, contextmanager

import pytest

from bailiwick.adapters.cursorstore_memory import MemoryCursorStore
from bailiwick.errors import ModuleFailed, ModuleRefused, NotFound, NotTrusted, Unavailable
from bailiwick.keys import Signer, new_secret
from bailiwick.supervisor.inflight import PLACES
from bailiwick.supervisor.rehearse import OUT_OF_FUEL_MAX
from tests.hostile.stand import Stand
from tests.supervisor.conftest import (
    AUTHOR,
    CLOCK,
    OPERATOR,
    TENANT,
    asking,
    files_of,
    manifest_of,
    text_of,
    wasm_of,
)
from tests.supervisor.stage import Stage, invoking, may_call

FAREWELL = wasm_of(text_of('{"ok":{"greeting":"goodbye"}}'))
LOOPS = wasm_of(text_of("", loops=True))
TRAPS = wasm_of(text_of("", traps=True))
ADA = b'{"name":"Ada"}'
SMALL = {"fuel": 100_000}
OTHER_AUTHOR = Signer("modules/other", new_secret(b"o" * 32))


def second(wasm=FAREWELL, version="1.1.0", signer=AUTHOR, **changes):
    """Files of another version of the greeter."""
    return files_of(manifest_of(version=version, wasm=wasm, **changes), wasm, signer)


@pytest.fixture
def greeter(stand):
    """A stand whose tenant has a greeter that was called."""
    stand.registry.install(files_of(), OPERATOR)
    greeting(stand)
    return stand


def greeting(stand):
    """What the version that is active answers."""
    return stand.fleet.call(TENANT, "greeter", "greet", ADA, OPERATOR).value["greeting"]


def types(house):
    """The types of the records of swaps, in order."""
    return [each.removeprefix("module.") for each in house.types() if "swap" in each or "rolled" in each]


# --- two at a time ----------------------------------------------------------------------------------------------------


def call_crosswise(stage, began, go):
    """Have ping call pong and pong call ping, each within a call that began before the other asks."""

    def program(name, other):
        def run(asked):
            if asked.function != "do":
                return name
            began[name].set()
            assert go.wait(60)
            return invoking(other, "leaf")(asked)

        return run

    functions = {each: {"title": "Anything", "input": True, "output": True} for each in ("do", "leaf", "health")}
    for name, other in (("ping", "pong"), ("pong", "ping")):
        for version in ("1.0.0", "1.1.0"):
            wasm = f"{name} {version}".encode()
            stage.engine.programs[wasm] = program(name, other)
        stage.add(name, program(name, other), may_call(f"{other}.leaf"), functions=functions)
    return functions


def test_two_modules_that_call_each_other_are_swapped_at_one_time():
    """Wrong if each swap takes the places that the other's calls in flight still need, and calls are lost to that."""
    stage, began, go = Stage(), {name: threading.Event() for name in ("ping", "pong")}, threading.Event()
    functions = call_crosswise(stage, began, go)
    swapper = stage.fleet.swapper(TENANT)
    answers, done, errors = {}, [], []

    def guarded(act):
        def run():
            try:
                act()
            except Exception as error:
                errors.append(error)

        return threading.Thread(target=run)

    calls = [guarded(lambda name=name: answers.update({name: stage.call(name).value})) for name in began]
    with ExitStack() as held:  # others are in calls too, so that these two have the places that a drain reaches last
        for name in [*began] * (PLACES - 1):
            held.enter_context(swapper.inflight.entered(name))
        for call in calls:
            call.start()
        assert all(each.wait(60) for each in began.values())
    plans = []
    for name, other in (("ping", "pong"), ("pong", "ping")):
        wasm = f"{name} 1.1.0".encode()
        manifest = manifest_of(
            name, version="1.1.0", wasm=wasm, capabilities=[may_call(f"{other}.leaf")], functions=functions
        )
        plans.append(swapper.plan(files_of(manifest, wasm), OPERATOR, calls=0))
    swaps = [guarded(lambda plan=plan: done.append(swapper.swap(plan, OPERATOR))) for plan in plans]
    for swap in swaps:
        swap.start()
    while not swapper.registry.state.now().swaps.under_way:
        threading.Event().wait(0.001)
    threading.Event().wait(0.1)  # for as many places as can be had to be taken
    go.set()
    for thread in (*calls, *swaps):
        thread.join()
    assert errors == []
    assert {name: told["ok"] if isinstance(told, dict) else told for name, told in answers.items()} == {
        "ping": '"pong"',
        "pong": '"ping"',
    }
    assert {each.installed.version for each in done} == {"1.1.0"}
    assert len(done) == 2


def test_a_swap_under_load_gives_up_at_its_deadline_and_loses_no_call(greeter):
    """Wrong if callers pay for a swap that could not be made with an error."""
    swapper, ended, answers, errors = greeter.fleet.swapper(TENANT), threading.Event(), [], []
    plan = swapper.plan(second(), OPERATOR)

    def call_on():
        try:
            while not ended.is_set():
                answers.append(greeting(greeter))
        except Exception as error:
            errors.append(error)

    callers = [threading.Thread(target=call_on) for _ in range(8)]
    for caller in callers:
        caller.start()
    with swapper.inflight.entered("greeter"), pytest.raises(Unavailable) as caught:
        swapper.swap(plan, OPERATOR, drain_ms=50)
    assert swapper.swap(plan, OPERATOR).installed.version == "1.1.0"
    ended.set()
    for caller in callers:
        caller.join()
    assert (caught.value.code, errors) == ("swap-drain", [])
    assert types(greeter.house) == ["swap-started", "swap-abandoned", "swap-started", "swapped"]


# --- while it drains --------------------------------------------------------------------------------------------------


class Meddling(MemoryCursorStore):
    """Locks, and somebody who acts in the moment before a lock of the modules is had."""

    def __init__(self):
        super().__init__()
        self.wait_for, self.act = None, None

    @contextmanager
    def exclusive(self, tenant, reader, wait_ms=None):
        """Hold a lock."""
        act = self.act
        if act is not None and reader == "modules" and self.wait_for():
            self.act = None
            act()
        with super().exclusive(tenant, reader, wait_ms):
            yield


@pytest.fixture
def meddled(engine):
    """A greeter, and a hand that does something when its swap drains."""
    made = Stand(engine)
    made.house.cursors = Meddling()
    made.fleet = made.house.open()
    made.registry.install(files_of(), OPERATOR)
    yield made
    made.neighbour_is_right()
    made.verify()
    made.close()


def when_draining(stand, act):
    """Have somebody act after the drain began, before what follows is recorded."""
    cursors, registry = stand.house.cursors, stand.registry
    cursors.wait_for = lambda: registry.state.seen().swaps.is_draining("greeter") and bool(registry.state.now())
    cursors.act = act


@pytest.mark.parametrize(
    ("act", "code"),
    [
        (lambda registry, _: registry.untrust(AUTHOR.verifier.text(), OPERATOR), "swap-changed"),
        (lambda registry, _: registry.remove("greeter", OPERATOR), "swap-changed"),
        (lambda _, swapper: swapper.pin("greeter", OPERATOR), "module-pinned"),
    ],
)
def test_what_an_operator_does_while_a_module_drains_counts(meddled, act, code):
    """Wrong if a key revoked, a pin set or a module removed in the last moment is passed over by the switch."""
    swapper = meddled.fleet.swapper(TENANT)
    plan = swapper.plan(second(), OPERATOR)
    when_draining(meddled, lambda: act(meddled.registry, swapper))
    with pytest.raises(ModuleRefused) as caught:
        swapper.swap(plan, OPERATOR)
    assert meddled.house.cursors.act is None
    assert caught.value.code == code
    assert "swapped" not in types(meddled.house)
    assert not swapper.registry.state.now().swaps.is_draining("greeter")


def test_a_module_removed_while_it_drains_does_not_come_back(meddled):
    """Wrong if a version that was to be brought back brings back what an operator took away."""
    swapper = meddled.fleet.swapper(TENANT)
    swapper.swap(swapper.plan(second(), OPERATOR), OPERATOR)
    when_draining(meddled, lambda: meddled.registry.remove("greeter", OPERATOR))
    with pytest.raises(NotFound):
        swapper.roll_back("greeter", OPERATOR)
    assert "greeter" not in swapper.registry.state.now().modules
    assert "rolled-back" not in types(meddled.house)
    meddled.registry.install(second(version="1.2.0"), OPERATOR)
    assert greeting(meddled) == "goodbye"


def test_nothing_is_installed_while_a_module_drains(greeter):
    """Wrong if an install walks past the calls that a swap waits for."""
    swapper = greeter.fleet.swapper(TENANT)
    plan = swapper.plan(second(), OPERATOR)
    caught = []

    def install():
        try:
            greeter.registry.install(second(version="2.0.0"), OPERATOR)
        except ModuleRefused as error:
            caught.append(error.code)

    with swapper.inflight.entered("greeter"):
        swapping = threading.Thread(target=lambda: swapper.swap(plan, OPERATOR))
        swapping.start()
        while not swapper.registry.state.now().swaps.is_draining("greeter"):
            threading.Event().wait(0.001)
        install()
    swapping.join()
    assert caught == ["module-swapping"]
    assert greeting(greeter) == "goodbye"
    assert swapper.registry.state.now().modules["greeter"].version == "1.1.0"


# --- taking back ------------------------------------------------------------------------------------------------------


def test_a_pin_holds_against_a_way_back(greeter):
    """Wrong if a pinned version goes because somebody, or the node itself, brings the one before it back."""
    swapper = greeter.fleet.swapper(TENANT)
    swapper.swap(swapper.plan(second(TRAPS), OPERATOR, calls=0), OPERATOR)
    swapper.pin("greeter", OPERATOR)
    with pytest.raises(ModuleRefused) as caught:
        swapper.roll_back("greeter", OPERATOR)
    assert caught.value.code == "module-pinned"
    with pytest.raises(ModuleFailed):
        greeting(greeter)
    assert "rolled-back" not in types(greeter.house)


def test_calls_that_fail_at_one_time_are_each_told_so(greeter):
    """Wrong if the second of two failing calls ends in an error about a swap that the first has taken back."""
    swapper = greeter.fleet.swapper(TENANT)
    swapper.swap(swapper.plan(second(TRAPS), OPERATOR, calls=0), OPERATOR)
    codes, ready = [], threading.Barrier(8)

    def call():
        ready.wait()
        try:
            codes.append(greeting(greeter))
        except Exception as error:
            codes.append(error.code)

    threads = [threading.Thread(target=call) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(codes) <= {"module-trapped", "hello"}
    assert "module-trapped" in codes
    assert types(greeter.house).count("rolled-back") == 1
    assert greeting(greeter) == "hello"


def test_a_failure_takes_back_the_version_that_failed_and_no_other(greeter):
    """Wrong if a late judgement of one version takes the next one back."""
    swapper = greeter.fleet.swapper(TENANT)
    swapper.swap(swapper.plan(second(), OPERATOR), OPERATOR)
    failed = swapper.registry.state.now().modules["greeter"].manifest
    swapper.swap(swapper.plan(second(version="1.2.0"), OPERATOR), OPERATOR)
    with pytest.raises(ModuleRefused) as caught:
        swapper.roll_back("greeter", OPERATOR, of=failed)
    assert caught.value.code == "swap-changed"
    assert swapper.registry.state.now().modules["greeter"].version == "1.2.0"


def test_a_version_of_a_revoked_key_is_not_brought_back(greeter):
    """Wrong if the way back leads to what nobody trusts any more."""
    greeter.registry.trust(OTHER_AUTHOR.verifier.text(), OPERATOR)
    greeter.registry.install(second(signer=OTHER_AUTHOR), OPERATOR)
    greeter.registry.untrust(AUTHOR.verifier.text(), OPERATOR)
    with pytest.raises(NotTrusted) as caught:
        greeter.fleet.swapper(TENANT).roll_back("greeter", OPERATOR)
    assert caught.value.code == "key-revoked"
    assert greeting(greeter) == "goodbye"


def test_a_version_that_comes_back_has_nothing_that_another_author_was_granted(greeter):
    """Wrong if taking a name over and back hands one author's grants to another."""
    greeter.registry.trust(OTHER_AUTHOR.verifier.text(), OPERATOR)
    greeter.registry.install(second(signer=OTHER_AUTHOR, capabilities=[asking(CLOCK, "now")]), OPERATOR)
    greeter.registry.grant("greeter", CLOCK, OPERATOR)
    greeter.fleet.swapper(TENANT).roll_back("greeter", OPERATOR)
    assert greeter.registry.state.now().granted("greeter") == {}


@pytest.mark.parametrize("act", ["swap", "roll_back"])
def test_a_module_that_was_stopped_stays_stopped(greeter, act):
    """Wrong if a swap, or a node that takes one back by itself, starts what an operator stopped."""
    swapper = greeter.fleet.swapper(TENANT)
    plan = swapper.plan(second(), OPERATOR)
    if act == "roll_back":
        swapper.swap(plan, OPERATOR)
    greeter.registry.switch("greeter", OPERATOR, on=False)
    if act == "roll_back":
        swapper.roll_back("greeter", OPERATOR)
    else:
        swapper.swap(plan, OPERATOR)
    with pytest.raises(ModuleRefused) as caught:
        greeting(greeter)
    assert caught.value.code == "module-stopped"


# --- versions that mean harm ------------------------------------------------------------------------------------------


def test_a_version_whose_health_loops_never_becomes_active(greeter):
    """Wrong if asking a version whether it is well can be made to last."""
    functions = manifest_of()["functions"]
    functions["health"] = {**functions["greet"], "output": {}}
    with pytest.raises(ModuleRefused, match="module-out-of-fuel") as caught:
        greeter.fleet.swapper(TENANT).plan(second(LOOPS, functions=functions, limits=SMALL), OPERATOR)
    assert caught.value.code == "swap-health"
    assert greeting(greeter) == "hello"


def test_a_rehearsal_of_a_version_that_loops_ends_soon(greeter):
    """Wrong if showing what a version would do takes as long as it likes."""
    for _ in range(OUT_OF_FUEL_MAX + 4):
        greeting(greeter)
    found = greeter.fleet.swapper(TENANT).plan(second(LOOPS, limits=SMALL), OPERATOR).rehearsal
    assert (found.calls, found.left, found.kinds) == (OUT_OF_FUEL_MAX, 5, {"failure": OUT_OF_FUEL_MAX})


def test_a_history_that_was_erased_is_counted_and_not_guessed(greeter):
    """Wrong if what was erased is rehearsed after all, or stops the rehearsal."""
    house = greeter.house
    for record in [each for each in house.events(TENANT) if each.event_type == "module.called"]:
        house.blobs.erase(TENANT, record.resource)
    greeting(greeter)
    found = greeter.fleet.swapper(TENANT).plan(second(), OPERATOR).rehearsal
    assert (found.gone, found.calls) == (1, 1)


@pytest.mark.parametrize("years", [-10, 10])
def test_a_clock_that_jumps_neither_hastens_nor_stops_a_swap(greeter, years):
    """Wrong if how long a drain waits, or which version went before, hangs on the time of day."""
    swapper = greeter.fleet.swapper(TENANT)
    plan = swapper.plan(second(), OPERATOR)
    greeter.house.clock.advance(years * 365 * 86_400 * 10**9)
    with swapper.inflight.entered("greeter"), pytest.raises(Unavailable, match="50 ms"):
        swapper.swap(plan, OPERATOR, drain_ms=50)
    swapper.swap(plan, OPERATOR)
    assert greeting(greeter) == "goodbye"
    swapper.roll_back("greeter", OPERATOR)
    assert greeting(greeter) == "hello"
