"""One version of a module in place of another: shown before, switched between calls, taken back when it does worse."""

from __future__ import annotations

import json
import threading

import pytest

from bailiwick.errors import InputRefused, ModuleFailed, ModuleRefused, NotFound, NotTrusted, Unavailable, UsageRefused
from bailiwick.keys import Signer, new_secret
from bailiwick.supervisor.inflight import PLACES

from .conftest import AUTHOR, CLOCK, OPERATOR, STRANGER, TENANT, asking, files_of, manifest_of, text_of, wasm_of

FAREWELL = wasm_of(text_of('{"ok":{"greeting":"goodbye"}}'))
TRAPS = wasm_of(text_of("", traps=True))
REFUSES = wasm_of(text_of('{"error":{"code":"no-name","message":"who is it?"}}'))
ADA = b'{"name":"Ada"}'
OTHER_AUTHOR = Signer("modules/other", new_secret(b"o" * 32))


def second(wasm=FAREWELL, **changes):
    """Files of a second version, signed by the author of the first."""
    return files_of(manifest_of(version="1.1.0", wasm=wasm, **changes), wasm)


@pytest.fixture
def greeter(fleet, registry):
    """A module that was called three times."""
    registry.install(files_of(), OPERATOR)
    for _ in range(3):
        fleet.call(TENANT, "greeter", "greet", ADA, OPERATOR)
    return fleet


def greeting(fleet):
    """What the version that is active answers."""
    return fleet.call(TENANT, "greeter", "greet", ADA, OPERATOR).value["greeting"]


# --- shown before -----------------------------------------------------------------------------------------------------


def test_a_plan_shows_what_history_would_have_been(greeter, house):
    """Wrong if somebody could swap without being shown which answers change, or planning changes anything."""
    types = house.types()
    found = greeter.swapper(TENANT).plan(second(), OPERATOR).rehearsal
    assert (found.calls, found.differing, found.kinds) == (3, 3, {"answer": 3})
    assert found.told[0].was == {"greeting": "hello"}
    assert found.told[0].would_be == {"greeting": "goodbye"}
    assert house.types() == types
    assert greeting(greeter) == "hello"


@pytest.mark.parametrize(
    ("wasm", "kind"), [(TRAPS, "failure"), (REFUSES, "refusal"), (wasm_of(text_of('{"ok":7}')), "failure")]
)
def test_a_version_that_would_have_ended_calls_otherwise_is_shown_so(greeter, wasm, kind):
    """Wrong if a trap, a refusal or an answer outside the contract passes for the same."""
    assert greeter.swapper(TENANT).plan(second(wasm), OPERATOR).rehearsal.kinds == {kind: 3}


def test_an_equal_version_shows_no_difference(greeter):
    """Wrong if a rehearsal finds differences where there are none."""
    equal = wasm_of(text_of('{"ok":{"greeting":"hello"}}', memory=3))
    found = greeter.swapper(TENANT).plan(second(equal), OPERATOR).rehearsal
    assert (found.calls, found.differing) == (3, 0)
    assert found.fuel_before > 0


def test_only_the_newest_calls_are_rehearsed(greeter):
    """Wrong if a limit is not one, or the oldest calls are taken for the newest."""
    found = greeter.swapper(TENANT).plan(second(), OPERATOR, calls=2).rehearsal
    assert found.calls == 2
    assert found.told[0].record > min(
        each.index for each in greeter.registry(TENANT).state.ledger.records() if each.event_type == "module.called"
    )
    with pytest.raises(UsageRefused, match="rehearsed"):
        greeter.swapper(TENANT).plan(second(), OPERATOR, calls=-1)


def test_a_contract_that_refuses_what_callers_send_is_shown(greeter):
    """Wrong if a narrower input contract comes as a surprise after the switch."""
    narrow = manifest_of()["functions"]
    narrow["greet"]["input"] = {**narrow["greet"]["input"], "required": ["surname"]}
    found = greeter.swapper(TENANT).plan(second(functions=narrow), OPERATOR).rehearsal
    assert found.kinds == {"input": 3}


def test_capabilities_that_a_new_version_asks_for_are_shown_and_not_granted(greeter, registry):
    """Wrong if a swap is a way to a capability that nobody granted."""
    plan = greeter.swapper(TENANT).plan(second(capabilities=[asking(CLOCK, "now")]), OPERATOR)
    assert plan.asks_more == (f"{CLOCK}#now",)
    greeter.swapper(TENANT).swap(plan, OPERATOR)
    assert registry.state.now().granted("greeter") == {}


# --- what is refused --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("files", "code"),
    [
        (files_of(), "module-same"),
        (files_of(manifest_of(version="1.1.0", wasm=FAREWELL), FAREWELL, OTHER_AUTHOR), "swap-author"),
        (files_of(manifest_of(version="0.9.0", wasm=FAREWELL), FAREWELL), "module-downgrade"),
    ],
)
def test_what_cannot_take_its_place_is_refused_and_recorded(greeter, registry, house, files, code):
    """Wrong if a name can be taken over, or time turned back, by way of a swap."""
    registry.trust(OTHER_AUTHOR.verifier.text(), OPERATOR)
    with pytest.raises(ModuleRefused) as caught:
        greeter.swapper(TENANT).plan(files, OPERATOR)
    assert caught.value.code == code
    assert house.types()[-1] == "module.refused"


def test_a_version_of_a_stranger_or_of_a_revoked_key_is_refused(greeter, registry):
    """Wrong if trust is asked for less when swapping than when installing."""
    swapper = greeter.swapper(TENANT)
    with pytest.raises(NotTrusted):
        swapper.plan(files_of(manifest_of(version="1.1.0", wasm=FAREWELL), FAREWELL, STRANGER), OPERATOR)
    plan = swapper.plan(second(), OPERATOR)
    registry.untrust(AUTHOR.verifier.text(), OPERATOR)
    with pytest.raises(ModuleRefused) as caught:
        swapper.swap(plan, OPERATOR)
    assert caught.value.code == "swap-changed"


def test_a_module_that_nobody_installed_is_not_swapped(fleet):
    """Wrong if a swap installs."""
    with pytest.raises(NotFound):
        fleet.swapper(TENANT).plan(second(), OPERATOR)


def test_a_version_that_lacks_a_function_is_swapped_by_force_alone(greeter):
    """Wrong if callers lose a function without anybody having said so."""
    other = manifest_of()["functions"]
    plan = greeter.swapper(TENANT).plan(second(functions={"wave": other["greet"]}), OPERATOR)
    assert plan.lacking == ("greet",)
    with pytest.raises(ModuleRefused, match="no function greet"):
        greeter.swapper(TENANT).swap(plan, OPERATOR)
    assert greeter.swapper(TENANT).swap(plan, OPERATOR, force=True).installed.version == "1.1.0"


@pytest.mark.parametrize(("wasm", "why"), [(TRAPS, "unreachable"), (REFUSES, "no-name")])
def test_a_version_that_is_not_well_never_becomes_active(greeter, wasm, why):
    """Wrong if what fails its own health check is switched to."""
    functions = manifest_of()["functions"]
    functions["health"] = {**functions["greet"], "output": {}}
    with pytest.raises(ModuleRefused, match=why) as caught:
        greeter.swapper(TENANT).plan(second(wasm, functions=functions), OPERATOR)
    assert caught.value.code == "swap-health"
    assert greeting(greeter) == "hello"


def test_a_pinned_module_stays_as_it_is(greeter, registry, house):
    """Wrong if a pin is a wish."""
    swapper = greeter.swapper(TENANT)
    plan = swapper.plan(second(), OPERATOR)
    swapper.pin("greeter", OPERATOR)
    swapper.pin("greeter", OPERATOR)
    for attempt in (lambda: swapper.swap(plan, OPERATOR), lambda: registry.install(second(), OPERATOR)):
        with pytest.raises(ModuleRefused) as caught:
            attempt()
        assert caught.value.code == "module-pinned"
    swapper.unpin("greeter", OPERATOR)
    assert swapper.swap(plan, OPERATOR).installed.version == "1.1.0"
    assert house.types().count("module.pinned") == 1


# --- the switch -------------------------------------------------------------------------------------------------------


def test_a_swap_is_recorded_step_by_step_with_both_versions(greeter, house):
    """Wrong if the ledger does not say which version was active when, and who changed that."""
    plan = greeter.swapper(TENANT).plan(second(), OPERATOR)
    done = greeter.swapper(TENANT).swap(plan, OPERATOR)
    assert house.types()[-3:] == ["module.swap-started", "module.installed", "module.swapped"]
    started, installed, swapped = house.events()[-3:]
    assert started.detail["rehearsed"] == started.detail["differing"] == 3
    assert (swapped.detail["old"], swapped.detail["new"]) == (plan.old.manifest, installed.detail["manifest"])
    assert swapped.detail["started"] == started.index
    assert {each.actor.id for each in (started, installed, swapped)} == {OPERATOR.id}
    assert done.receipt.index == swapped.index
    assert greeting(greeter) == "goodbye"
    assert greeting(house.open()) == "goodbye"


def test_a_swap_waits_for_calls_in_flight_and_gives_up_at_its_deadline(greeter, house):
    """Wrong if a call finds its module exchanged under it, or a swap that gave up stops the module."""
    swapper = greeter.swapper(TENANT)
    plan = swapper.plan(second(), OPERATOR)
    with swapper.inflight.entered("greeter"), pytest.raises(Unavailable) as caught:
        swapper.swap(plan, OPERATOR, drain_ms=20)
    assert caught.value.code == "swap-drain"
    assert house.types()[-2:] == ["module.swap-started", "module.swap-abandoned"]
    assert house.events()[-1].detail["code"] == "drain-deadline"
    assert greeting(greeter) == "hello"
    assert swapper.swap(plan, OPERATOR).installed.version == "1.1.0"


def test_calls_that_come_during_a_swap_are_answered_by_the_new_version(greeter):
    """Wrong if a call is dropped, or two versions answer at one time."""
    swapper = greeter.swapper(TENANT)
    plan = swapper.plan(second(), OPERATOR)
    answers: list[str] = []
    callers = [threading.Thread(target=lambda: answers.append(greeting(greeter))) for _ in range(4)]
    swapping = threading.Thread(target=lambda: swapper.swap(plan, OPERATOR))
    with swapper.inflight.entered("greeter"):
        swapping.start()
        while not swapper.registry.state.now().swaps.is_draining("greeter"):
            threading.Event().wait(0.001)
        for caller in callers:
            caller.start()
        threading.Event().wait(0.02)
        assert answers == []
    for thread in (swapping, *callers):
        thread.join()
    assert answers == ["goodbye"] * 4


def test_no_call_is_lost_and_no_answer_is_mixed_while_versions_change(greeter, registry):
    """Wrong if a steady caller ever gets an error, or an old answer after a new one."""
    ended, answers, errors = threading.Event(), [], []

    def call_on():
        try:
            while not ended.is_set():
                answers.append(greeting(greeter))
        except Exception as error:
            errors.append(error)

    caller = threading.Thread(target=call_on)
    caller.start()
    swapper = greeter.swapper(TENANT)
    while len(answers) < 20:
        threading.Event().wait(0.001)
    swapper.swap(swapper.plan(second(), OPERATOR, calls=0), OPERATOR)
    count = len(answers)
    while len(answers) < count + 20:
        threading.Event().wait(0.001)
    ended.set()
    caller.join()
    assert errors == []
    assert answers == sorted(answers, reverse=True)
    assert {answers[0], answers[-1]} == {"hello", "goodbye"}


def test_a_second_swap_at_the_same_time_is_turned_away(greeter):
    """Wrong if two operators can be right at once."""
    swapper = greeter.swapper(TENANT)
    plan = swapper.plan(second(), OPERATOR)
    with swapper.inflight.locks.exclusive(TENANT, "swap-greeter"), pytest.raises(Unavailable) as caught:
        swapper.swap(plan, OPERATOR)
    assert caught.value.code == "swap-busy"


def test_a_swap_whose_process_died_is_given_up_by_the_next_call(greeter, house):
    """Wrong if a module whose swap was interrupted answers nobody any more."""
    swapper = greeter.swapper(TENANT)
    plan = swapper.plan(second(), OPERATOR)
    detail = {"name": "greeter", "old": plan.old.manifest, "new": plan.candidate.manifest.digest}
    swapper.registry.state.record("module.swap-started", "module/greeter", detail, OPERATOR)
    assert greeting(house.open()) == "hello"
    assert house.events()[-2].event_type == "module.swap-abandoned"
    assert house.events()[-2].detail["code"] == "interrupted"


def test_an_inner_call_does_not_wait_for_the_drain_that_waits_for_it(greeter):
    """Wrong if two modules that ask each other block one another's swaps for ever."""
    swapper = greeter.swapper(TENANT)
    detail = {"name": "greeter", "old": "sha256:" + "0" * 64, "new": "sha256:" + "1" * 64}
    with swapper.inflight.locks.exclusive(TENANT, "swap-greeter"):
        swapper.registry.state.record("module.swap-started", "module/greeter", detail, OPERATOR)
        with swapper.inflight.entered_inside("greeter", 1_000):
            assert swapper.registry.state.now().swaps.is_draining("greeter")


def test_more_calls_than_there_are_places_are_turned_away(greeter):
    """Wrong if places are not bounded, or one too many waits for ever."""
    from contextlib import ExitStack

    inflight = greeter.swapper(TENANT).inflight
    with ExitStack() as held:
        for _ in range(PLACES):
            held.enter_context(inflight.entered("greeter"))
        with pytest.raises(Unavailable) as caught, inflight.entered("greeter"):
            pass
    assert caught.value.code == "module-busy"


# --- taking back ------------------------------------------------------------------------------------------------------


def test_the_first_call_that_only_the_new_version_fails_takes_the_swap_back(greeter, house):
    """Wrong if a version that traps on real calls stays, or its failure is not told to the caller."""
    swapper = greeter.swapper(TENANT)
    swapper.swap(swapper.plan(second(TRAPS), OPERATOR, calls=0), OPERATOR)
    with pytest.raises(ModuleFailed):
        greeting(greeter)
    assert house.events()[-1].event_type == "module.rolled-back"
    assert house.events()[-1].detail["code"] == "regression"
    assert house.events()[-1].actor.role == "node"
    assert greeting(greeter) == "hello"


def test_a_call_that_both_versions_fail_takes_nothing_back(fleet, registry, house):
    """Wrong if a new version is blamed for what the old one did no better."""
    registry.install(files_of(manifest_of(wasm=TRAPS), TRAPS), OPERATOR)
    swapper = fleet.swapper(TENANT)
    swapper.swap(swapper.plan(second(wasm_of(text_of("", traps=True, memory=3))), OPERATOR), OPERATOR)
    with pytest.raises(ModuleFailed):
        fleet.call(TENANT, "greeter", "greet", ADA, OPERATOR)
    assert "module.rolled-back" not in house.types()


def test_a_version_that_has_proved_itself_is_on_probation_no_more(greeter):
    """Wrong if probation never ends, so that a failure of next year brings back a version of today."""
    swapper = greeter.swapper(TENANT)
    swapper.swap(swapper.plan(second(), OPERATOR), OPERATOR)
    for _ in range(100):
        assert swapper.registry.state.now().swaps.is_on_probation("greeter")
        greeting(greeter)
    assert not swapper.registry.state.now().swaps.is_on_probation("greeter")


def test_an_operator_takes_a_swap_back_once(greeter, house):
    """Wrong if there is no way back, or two ways that end anywhere."""
    swapper = greeter.swapper(TENANT)
    swapper.swap(swapper.plan(second(), OPERATOR), OPERATOR)
    assert swapper.roll_back("greeter", OPERATOR).installed.version == "1.0.0"
    assert greeting(greeter) == greeting(house.open()) == "hello"
    with pytest.raises(ModuleRefused) as caught:
        swapper.roll_back("greeter", OPERATOR)
    assert caught.value.code == "swap-first"
    with pytest.raises(ModuleRefused) as caught:
        swapper.plan(second(wasm_of(text_of('{"ok":{"greeting":"hi"}}'))), OPERATOR)
    assert caught.value.code == "module-version-taken"


def test_the_folded_state_is_the_same_when_it_is_kept_and_folded_anew(greeter, house):
    """Wrong if what a process kept says otherwise than the ledger."""
    swapper = greeter.swapper(TENANT)
    swapper.swap(swapper.plan(second(), OPERATOR), OPERATOR)
    swapper.pin("greeter", OPERATOR)
    kept = house.open().registry(TENANT).state.now()
    house.cursors = type(house.cursors)()
    assert house.open().registry(TENANT).state.now() == kept
    assert kept.swaps.pins == {"greeter": "1.1.0"}
    assert kept.previous["greeter"].version == "1.0.0"


# --- its own cases, and how it says that it is ------------------------------------------------------------------------


def cases(output):
    """The cases that lie beside a version."""
    return json.dumps([{"name": "Ada", "function": "greet", "input": {"name": "Ada"}, "output": output}]).encode()


def test_a_version_that_fails_its_own_cases_never_becomes_active(greeter, house):
    """Wrong if an author's own test is there and nobody asks it before the switch."""
    swapper = greeter.swapper(TENANT)
    with pytest.raises(ModuleRefused, match="Ada") as caught:
        swapper.plan({**second(), "cases.json": cases({"greeting": "hello"})}, OPERATOR)
    assert caught.value.code == "swap-cases"
    assert house.types()[-1] == "module.refused"
    plan = swapper.plan({**second(), "cases.json": cases({"greeting": "goodbye"})}, OPERATOR)
    assert plan.cases == 1
    with pytest.raises(InputRefused):
        swapper.plan({**second(), "cases.json": b"{"}, OPERATOR)


def test_a_new_version_that_says_it_is_not_well_takes_its_swap_back(greeter, registry, house):
    """Wrong if a version that was well at the desk, and is not in the house, stays."""
    text = """(module (import "bailiwick" "call" (func $ask (param i32 i32) (result i64)))
      (memory (export "memory") 2)
      (data (i32.const 65536) "%s") (data (i32.const 66000) "%s") (data (i32.const 66500) "%s")
      (func (export "alloc") (param i32) (result i32) (i32.const 1024))
      (func (export "run") (param i32 i32) (result i64) (local $told i64)
        (local.set $told (call $ask (i32.const 65536) (i32.const %d)))
        (if (result i64) (i32.eq (i32.load8_u (i32.add (i32.const 2) (i32.wrap_i64 (i64.shr_u (local.get $told)
            (i64.const 32))))) (i32.const 111)) (then (i64.const %d)) (else (i64.const %d)))))"""
    question = json.dumps({"interface": CLOCK, "function": "now", "input": {}})
    bad, good = '{"error":{"code":"unwell","message":"it knows the time"}}', '{"ok":{"greeting":"hi"}}'
    data = [each.replace('"', "\\22") for each in (question, good, bad)]
    wasm = wasm_of(text % (*data, len(question), 66_500 << 32 | len(bad), 66_000 << 32 | len(good)))
    functions = manifest_of()["functions"]
    functions["health"] = {**functions["greet"], "output": {}}
    swapper = greeter.swapper(TENANT)
    plan = swapper.plan(second(wasm, functions=functions, capabilities=[asking(CLOCK, "now")]), OPERATOR)
    assert plan.health == "well"
    swapper.swap(plan, OPERATOR)
    registry.grant("greeter", CLOCK, OPERATOR)
    assert greeter.call(TENANT, "greeter", "health", b"{}", OPERATOR).refusal.code == "unwell"
    assert house.events()[-1].detail["code"] == "health"
    assert greeting(greeter) == "hello"
