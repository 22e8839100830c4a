"""Seeded nonsense from anybody: manifests, module folders and questions to the host. The next call is always right."""

from __future__ import annotations

import contextlib
import copy
import json
import random
from collections.abc import Iterator
from typing import Any

import pytest

from bailiwick.engine import HostRefused
from bailiwick.errors import BailiwickError, ModuleFailed
from bailiwick.supervisor.services.invoke import DEPTH_MAX

from .conftest import CLOCK, GREETING, OPERATOR, TENANT, asking, files_of, manifest_of
from .stage import INVOKE, Stage, answering, may_call

SEEDS = range(40)
STRANGE: list[Any] = [
    None, True, -1, 2**53, 10**30, "", "\u0000", "../../etc/passwd", "x" * 70_000, [], {}, [[]], {"$ref": "#"},
    {"a": {"b": {}}}, "\u202e", "\ud800", ["*"], "bailiwick:clock/clock@0.1.0",
]  # fmt: skip
INTERFACES = {
    "bailiwick:log/log@0.1.0": ("write",),
    "bailiwick:clock/clock@0.1.0": ("now",),
    "bailiwick:random/random@0.1.0": ("bytes", "number"),
    "bailiwick:config/config@0.1.0": ("get", "names"),
    "bailiwick:audit/log@0.1.0": ("record-event",),
    "bailiwick:audit/read@0.1.0": ("records",),
    INVOKE: ("invoke",),
}
SCOPES = {
    "bailiwick:audit/read@0.1.0": {"event_types": ["*"], "resources": ["*"]},
    INVOKE: {"functions": ["callee.*"]},
}
NAMES = ("level", "message", "count", "name", "entry", "start", "limit", "module", "function", "input", "event-type")


def places(value: Any, path: tuple = ()) -> Iterator[tuple]:
    """Give the path of every member of a value."""
    for key, item in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield (*path, key)
        yield from places(item, (*path, key))


def bent(value: Any, dice: random.Random) -> Any:
    """Give a copy of a value with one member replaced, removed, or added."""
    made = copy.deepcopy(value)
    *above, last = dice.choice(list(places(made)))
    target = made
    for key in above:
        target = target[key]
    how = dice.randrange(3)
    if how == 0:
        target[last] = dice.choice(STRANGE)
    elif how == 1:
        del target[last]
    elif isinstance(target, dict):
        target[str(dice.choice(NAMES))] = dice.choice(STRANGE)
    return made


def refusal_of(registry, files) -> BailiwickError | None:
    """Install, and give the error by which that was refused, or None where it was not."""
    try:
        registry.install(files, OPERATOR)
    except BailiwickError as refused:
        return refused
    return None


@pytest.mark.parametrize("seed", SEEDS)
def test_a_bent_manifest_is_refused_or_is_one_and_the_next_module_is_right(fleet, registry, seed):
    """Wrong if any manifest broke the registry in another way than by a refusal with a code and a hint."""
    dice = random.Random(seed)
    whole = manifest_of(
        "bent",
        capabilities=[asking(CLOCK, "now")],
        dependencies=[],
        enums={"Mood": {"kind": "Kind"}},
        ui={"components": ["Form"], "views": {"main": {"component": "View", "query": {"id": "ID"}}}},
        limits={"fuel": 1_000_000},
        internal=False,
    )
    for _ in range(10):
        manifest = bent(whole, dice)
        try:
            files = files_of(manifest) if isinstance(manifest.get("file"), str) else {"module.json": b"{}"}
        except (BailiwickError, KeyError, UnicodeEncodeError):
            files = {"module.json": json.dumps(manifest).encode(), "bent.wasm": GREETING, "module.sig": b"{}"}
        refused = refusal_of(registry, files)
        assert refused is None or (refused.exit_code in (2, 3) and refused.hint), refused
    registry.install(files_of(), OPERATOR)
    assert fleet.call(TENANT, "greeter", "greet", b"{}", OPERATOR).value == {"greeting": "hello"}


@pytest.mark.parametrize("seed", SEEDS)
def test_bytes_flipped_anywhere_in_a_modules_files_are_refused(house, registry, seed):
    """Wrong if a module could be altered on its way and still be installed."""
    dice = random.Random(seed)
    whole = files_of(manifest_of("flipped"))
    for name in whole:
        raw = bytearray(whole[name])
        raw[dice.randrange(len(raw))] ^= 1 << dice.randrange(8)
        refused = refusal_of(registry, whole | {name: bytes(raw)})
        # White space of module.json is the one thing that no signature is over.
        is_same = name == "module.json" and refused is None and json.loads(raw) == json.loads(whole[name])
        assert is_same or (refused is not None and refused.exit_code == 3)
    assert {each.event_type for each in house.events()} <= {
        "module.key-trusted", "module.refused", "module.installed",
    }  # fmt: skip


@pytest.mark.parametrize("seed", SEEDS)
def test_strange_questions_to_the_host_are_answers_to_the_guest_and_the_next_call_is_right(seed):
    """Wrong if a guest could break the host, another call, or the record by what it asks."""
    dice = random.Random(seed)
    stage = Stage()

    def asks(asked):
        for _ in range(50):
            interface = dice.choice([*INTERFACES, "bailiwick:data/query@0.1.0", "", "x" * 5_000])
            function = dice.choice([*INTERFACES.get(interface, ()), "none", ""])
            given = {dice.choice(NAMES): dice.choice(STRANGE[:15]) for _ in range(dice.randrange(4))}
            with contextlib.suppress(HostRefused):
                asked.ask(interface, function, **given)
        return 1

    stage.add("callee", answering(7))
    stage.add("asker", asks, *(asking(name, *its, **SCOPES.get(name, {})) for name, its in INTERFACES.items()))
    assert stage.call().value == 1
    record = stage.last()
    assert record.detail["host_calls"] == 50
    assert stage.fleet.replay(TENANT, record.index).fuel == record.detail["fuel"]
    assert stage.call("callee").value == 7


def test_a_thousand_modules_that_all_fail_leave_the_next_call_right():
    """Wrong if failing calls used up places, sandboxes or patience."""
    stage = Stage()

    def fails(asked):
        raise ModuleFailed("trap", hint="mend", code="module-trapped")

    stage.add("failing", fails)
    stage.add("asker", answering(1))
    for _ in range(1_000):
        with pytest.raises(ModuleFailed):
            stage.call("failing")
    assert stage.call().value == 1


def test_a_module_that_calls_and_calls_is_ended_by_its_own_fuel():
    """Wrong if calling others in a loop were free."""
    stage = Stage()

    def asks(asked):
        while True:
            asked.ask(INVOKE, "invoke", module="callee", function="do", input="{}")

    stage.add("callee", answering(7), function={"cacheable": True})
    stage.add("asker", asks, may_call("callee.*"), limits={"fuel": 50_000})
    with pytest.raises(ModuleFailed) as caught:
        stage.call()
    assert caught.value.code == "module-out-of-fuel"
    assert len(stage.last().detail["inner"]) == 49
    assert DEPTH_MAX == 8
