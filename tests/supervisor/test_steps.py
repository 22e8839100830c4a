"""Scripts as steps of packs: what a pin names is a step, whole and unchanged, or nothing runs."""

from __future__ import annotations

import json

import pytest

from bailiwick.adapters.packsource_builtin import builtin_engine
from bailiwick.canonical import canonical_bytes, digest
from bailiwick.errors import ModuleRefused
from bailiwick.model import Tier
from bailiwick.supervisor import load_step, step_of
from bailiwick.supervisor.steps import STEP_BYTES_MAX, pin_of

from .conftest import AUTHOR, GREETING, OPERATOR, TENANT, files_of
from .engines import engine_with_code, script

TOTAL = "function total(given) { return { sum: given.a + given.b }; }"


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    """Give an engine that compiles QuickJS once for all of these tests."""
    with engine_with_code(tmp_path_factory.mktemp("code")) as opened:
        yield opened


@pytest.fixture
def scripts(house):
    """Give a supervisor with a script installed."""
    supervisor = house.open(runner_of=builtin_engine)
    supervisor.registry(TENANT).trust(AUTHOR.verifier.text(), OPERATOR)
    supervisor.registry(TENANT).install(script(TOTAL), OPERATOR)
    return supervisor


@pytest.fixture
def step(scripts, house):
    """Give the script as a step."""
    return step_of(TENANT, house.blobs, scripts.registry(TENANT).state.now().modules["adder"])


def pieces(house):
    """Give what finds pieces of engines."""
    return lambda piece: house.blobs.get(TENANT, piece)


def test_a_step_runs_as_its_script_does(step, house, engine):
    """Wrong if a pack's call runs anything but what the tenant installed."""
    loaded = load_step(step, engine, pieces(house))
    run = engine.run(loaded.guest, "total", b'{"a":1,"b":2}', loaded.budget)
    assert (json.loads(run.output), loaded.budget) == ({"ok": {"sum": 3}}, Tier.LIGHTWEIGHT.budget)


def test_a_binary_is_pinned_by_its_own_digest_and_runs_on_the_smallest_budget(scripts, house, engine):
    """Wrong if packs that pin compiled modules would have to be written anew."""
    scripts.registry(TENANT).install(files_of(), OPERATOR)
    modules = scripts.registry(TENANT).state.now().modules
    assert pin_of(TENANT, house.blobs, modules["greeter"]) == digest(GREETING)
    assert load_step(GREETING, engine, pieces(house)).budget == Tier.LIGHTWEIGHT.budget
    shown = scripts.show(TENANT, "adder").to_json()
    assert shown["pin"] == pin_of(TENANT, house.blobs, modules["adder"]) != shown["digest"]


@pytest.mark.parametrize(
    "change",
    [
        {"format": "bailiwick-script-step/2"},
        {"tier": "endless"},
        {"script": 7},
        {"grants": ["bailiwick:clock/clock@0.1.0"]},
        {"variants": [{"name": "one", "text": "", "percent": 7, "path": "", "values": [], "more": 1}]},
    ],
)
def test_what_is_no_step_is_refused(step, house, engine, change):
    """Wrong if a document that looks like a step is run as if it were one."""
    with pytest.raises(ModuleRefused) as caught:
        load_step(canonical_bytes({**json.loads(step), **change}), engine, pieces(house))
    assert caught.value.code == "script-step"


@pytest.mark.parametrize("raw", [b"{", b"{}", b"{" + b" " * STEP_BYTES_MAX + b"}"])
def test_bytes_that_are_no_step_are_refused(house, engine, raw):
    """Wrong if a torn or endless document ends in anything but a refusal."""
    with pytest.raises(ModuleRefused) as caught:
        load_step(raw, engine, pieces(house))
    assert caught.value.code == "script-step"


def test_a_step_does_not_run_on_another_engine_than_it_says(step, house, engine):
    """Wrong if a piece that was changed on the disk decides."""
    with pytest.raises(ModuleRefused) as caught:
        load_step(step, engine, lambda piece: house.blobs.get(TENANT, piece) + b"\x00")
    assert caught.value.code == "module-digest"
