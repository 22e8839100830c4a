"""The real engine, real guests, and the host between them: what is granted arrives, and replay gives the same bytes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import bailiwick
from bailiwick.errors import ModuleFailed, ModuleRefused, Unavailable
from bailiwick.schema import Schemas

from .conftest import AUTHOR, CLOCK, OPERATOR, OTHER_TENANT, TENANT, asking, files_of, manifest_of, text_of, wasm_of

BUILTIN = Path(bailiwick.__file__).parent / "builtin" / "modules"
INVOKE, READ = "bailiwick:invoke/invoke@0.1.0", "bailiwick:audit/read@0.1.0"
FREE = {"do": {"title": "Anything", "input": True, "output": True}}


def asking_text(interface: str, asked: str, /, **given) -> str:
    """Write a core guest that asks the host one thing, and answers with what the host says."""
    question = json.dumps({"interface": interface, "function": asked, "input": given}).encode()
    data = "".join(f"\\{byte:02x}" for byte in question)
    return f"""(module (import "bailiwick" "call" (func $call (param i32 i32) (result i64)))
      (memory (export "memory") 4) (data (i32.const 131072) "{data}")
      (global $next (mut i32) (i32.const 1024))
      (func (export "alloc") (param $size i32) (result i32) (local $at i32)
        (local.set $at (global.get $next))
        (global.set $next (i32.add (global.get $next) (local.get $size))) (local.get $at))
      (func (export "run") (param i32 i32) (result i64) (call $call (i32.const 131072) (i32.const {len(question)}))))"""


def add(fleet, name, text, *capabilities, grant=True, tenant=TENANT, **changes):
    """Install a guest written as text."""
    wasm = wasm_of(text)
    manifest = manifest_of(name, wasm=wasm, capabilities=list(capabilities), functions=FREE, **changes)
    registry = fleet.registry(tenant)
    registry.install(files_of(manifest, wasm), OPERATOR)
    for each in capabilities if grant else ():
        registry.grant(name, each["interface"], OPERATOR)


def call(fleet, name, tenant=TENANT):
    """Call the guest."""
    return fleet.call(tenant, name, "do", b"{}", OPERATOR)


def test_a_guest_reads_a_clock_that_it_was_granted_and_replay_feeds_the_same_back(house, fleet):
    """Wrong if a granted capability did not arrive, or replay read the clock of today."""
    add(fleet, "clock-reader", asking_text(CLOCK, "now"), asking(CLOCK, "now"))
    answer = call(fleet, "clock-reader")
    assert answer.value == house.clock.now_ns()
    house.clock.advance(10**9)
    replayed = fleet.replay(TENANT, answer.receipt.index)
    assert (replayed.differing, replayed.fuel) == ((), answer.fuel)
    assert call(fleet, "clock-reader").value == answer.value + 10**9


def test_a_guest_that_was_not_granted_reads_a_refusal_and_the_denial_is_recorded(house, fleet):
    """Wrong if importing were enough to be answered."""
    add(fleet, "clock-reader", asking_text(CLOCK, "now"), asking(CLOCK, "now"), grant=False)
    assert call(fleet, "clock-reader").refusal.code == "denied"
    assert house.types()[-2:] == ["module.denied", "module.called"]
    index = house.events()[-1].index
    assert fleet.replay(TENANT, index).differing == ()


def test_a_binary_that_asks_the_host_and_a_manifest_that_does_not_are_refused(fleet):
    """Wrong if a module could keep from its reader that it asks for anything."""
    with pytest.raises(ModuleRefused) as caught:
        add(fleet, "sly", asking_text(CLOCK, "now"))
    assert caught.value.code == "module-unasked"


def test_one_real_guest_calls_another_and_pays_for_it(house, fleet):
    """Wrong if fuel that was used inside were nobody's, or an inner call could not be replayed alone."""
    add(fleet, "callee", text_of('{"ok":7}'))
    asks = asking(INVOKE, "invoke", functions=["callee.do"])
    add(fleet, "caller", asking_text(INVOKE, "invoke", module="callee", function="do", input="{}"), asks)
    alone = call(fleet, "callee").fuel
    answer = call(fleet, "caller")
    assert (answer.value, answer.fuel > alone) == ("7", True)
    fleet.registry(TENANT).remove("callee", OPERATOR)
    assert fleet.replay(TENANT, answer.receipt.index).differing == ()


def test_a_guest_that_calls_itself_through_another_is_refused_by_the_host(fleet):
    """Wrong if native stack could be used up by calls in a circle."""
    for name, other in (("one", "two"), ("two", "one")):
        asks = asking(INVOKE, "invoke", functions=[f"{other}.do"])
        add(fleet, name, asking_text(INVOKE, "invoke", module=other, function="do", input="{}"), asks)
    answer = call(fleet, "one")
    assert (answer.refusal.code, "cycle" in answer.refusal.message) == ("callee-refused", True)


def test_guests_nest_as_deep_as_is_allowed_and_no_deeper(fleet):
    """Wrong if eight sandboxes within one another broke the host, or nine were let in."""
    for depth in range(9):
        asks = asking(INVOKE, "invoke", functions=[f"m{depth + 1}.do"])
        text = asking_text(INVOKE, "invoke", module=f"m{depth + 1}", function="do", input="{}")
        add(fleet, f"m{depth}", text, asks)
    add(fleet, "m9", text_of('{"ok":7}'))
    assert call(fleet, "m2").value.count("7") == 1
    assert "too-deep" in call(fleet, "m0").refusal.message


@pytest.mark.parametrize(("how", "code"), [("loops", "module-out-of-fuel"), ("traps", "module-trapped")])
def test_a_guest_that_fails_is_recorded_and_fails_the_same_way_again(house, fleet, how, code):
    """Wrong if a failure were the host's, or could not be shown to be the module's own."""
    add(fleet, "failing", text_of("{}", **{how: True}))
    with pytest.raises(ModuleFailed) as caught:
        call(fleet, "failing")
    record = house.events()[-1]
    assert (caught.value.code, record.detail["outcome"], record.detail["code"]) == (code, "failed", code)
    assert fleet.replay(TENANT, record.index).differing == ()


def test_a_guest_that_is_stopped_by_the_clock_is_unavailable_and_not_failed(house, fleet):
    """Wrong if a slow machine were held against a module."""
    functions = {"do": {**FREE["do"], "timeout_ms": 1}}
    wasm = wasm_of(text_of("{}", loops=True))
    manifest = manifest_of("slow", wasm=wasm, tier="heavy", functions=functions)
    fleet.registry(TENANT).install(files_of(manifest, wasm), OPERATOR)
    with pytest.raises(Unavailable) as caught:
        call(fleet, "slow")
    assert caught.value.code == "module-deadline"
    assert house.events()[-1].detail["outcome"] == "unavailable"


def test_audit_view_shows_the_ledger_within_its_grant_and_never_another_tenants(house, fleet):
    """Wrong if the module that we ship could not be installed, or showed what it was not granted."""
    files = {path.name: path.read_bytes() for path in (BUILTIN / "audit-view").iterdir()}
    manifest = json.loads(files["module.json"])
    files |= files_of(manifest, files["audit-view.wasm"], AUTHOR) | {"module.json": files["module.json"]}
    scope = {"event_types": ["module.installed"], "resources": ["module/*"]}
    for tenant in (TENANT, OTHER_TENANT):
        registry = fleet.registry(tenant)
        registry.trust(AUTHOR.verifier.text(), OPERATOR)
        registry.install(files, OPERATOR)
        registry.grant("audit-view", READ, OPERATOR, scope=scope)
    answer = fleet.call(TENANT, "audit-view", "view", b'{"start":0,"limit":10}', OPERATOR)
    assert answer.refusal is None
    assert [each["event_type"] for each in answer.value["entries"]] == ["module.installed"]
    assert fleet.replay(TENANT, answer.receipt.index).differing == ()


def test_the_first_party_modules_have_manifests_and_binaries_that_agree(engine):
    """Wrong if what ships could not be installed."""
    from bailiwick.supervisor.check import admit
    from bailiwick.supervisor.manifest import parse_manifest, read_manifest

    for folder in sorted(BUILTIN.iterdir()):
        manifest = read_manifest(parse_manifest((folder / "module.json").read_bytes()))
        assert admit(manifest, (folder / manifest.file).read_bytes(), engine).form == manifest.abi
    assert Schemas().names()


def test_a_thousand_calls_from_many_threads_are_all_right_and_all_recorded(house, fleet):
    """Wrong if calls at one time mixed up answers, grants or records, or lost one."""
    from concurrent.futures import ThreadPoolExecutor

    add(fleet, "seven", text_of('{"ok":7}'))
    add(fleet, "eight", text_of('{"ok":8}'))
    add(fleet, "clock-reader", asking_text(CLOCK, "now"), asking(CLOCK, "now"))
    add(fleet, "refused", asking_text(CLOCK, "now"), asking(CLOCK, "now"), grant=False)
    add(fleet, "failing", text_of("{}", traps=True))
    now_ns = house.clock.now_ns()

    def one(number: int) -> bool:
        name = ("seven", "eight", "clock-reader", "refused", "failing")[number % 5]
        if name == "failing":
            with pytest.raises(ModuleFailed):
                call(fleet, name)
            return True
        answer = call(fleet, name)
        if name == "refused":
            return answer.refusal.code == "denied"
        return answer.value == {"seven": 7, "eight": 8, "clock-reader": now_ns}[name]

    with ThreadPoolExecutor(16) as threads:
        assert all(threads.map(one, range(1_000)))
    called = [each for each in house.events() if each.event_type == "module.called"]
    assert len(called) == 1_000
    assert len({each.resource for each in called}) == 1_000
    assert fleet.registry(TENANT).state.now() == house.open().registry(TENANT).state.now()
