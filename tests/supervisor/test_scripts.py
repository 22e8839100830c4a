"""Scripts in JavaScript: modules whose binary is a text, run by an engine that forgets everything between calls."""

from __future__ import annotations

import pytest

from bailiwick.adapters.packsource_builtin import builtin_engine
from bailiwick.canonical import digest
from bailiwick.errors import ModuleFailed, ModuleRefused, NotFound, SchemaViolated, Unavailable
from bailiwick.supervisor.kept import kept_parts
from bailiwick.supervisor.schedule import Schedule

from .conftest import AUTHOR, CLOCK, OPERATOR, OTHER_TENANT, TENANT, asking, files_of, manifest_of
from .engines import engine_with_code, script

RANDOM = "bailiwick:random/random@0.1.0"
INVOKE = "bailiwick:invoke/invoke@0.1.0"
READ = "bailiwick:audit/read@0.1.0"


class StillAnswered(Exception):
    """A script that ended by itself, and refused."""

    def __init__(self, refusal):
        self.code = refusal.code


TOTAL = "function total(given) { return { sum: given.a + given.b }; }"


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    """Give an engine that compiles QuickJS once for all of these tests."""
    with engine_with_code(tmp_path_factory.mktemp("code")) as opened:
        yield opened


@pytest.fixture
def scripts(house):
    """A supervisor on a node that has the engine."""
    supervisor = house.open(runner_of=builtin_engine)
    for tenant in (TENANT, OTHER_TENANT):
        supervisor.registry(tenant).trust(AUTHOR.verifier.text(), OPERATOR)
    return supervisor


def installed(scripts, text, *functions, **changes):
    """Install a script, and give what calls a function of it."""
    files = script(text, *functions, **changes)
    scripts.registry(TENANT).install(files, OPERATOR)
    name = changes.get("name", "adder")
    return lambda function, given=b"{}": scripts.call(TENANT, name, function, given, OPERATOR)


def test_a_script_is_called_recorded_and_run_again_like_any_module(scripts, house):
    """Wrong if a script is a second kind of thing, outside of records and replay."""
    call = installed(scripts, TOTAL)
    answer = call("total", b'{"a":1,"b":2}')
    assert answer.value == {"sum": 3}
    assert scripts.replay(TENANT, answer.receipt.index).differing == ()
    other = house.open()
    assert other.replay(TENANT, answer.receipt.index).differing == ()
    assert other.call(TENANT, "adder", "total", b'{"a":2,"b":2}', OPERATOR).value == {"sum": 4}


def test_a_script_may_do_what_was_granted_and_nothing_else(scripts):
    """Wrong if the engine, which can ask for everything, asks for a script that was granted nothing."""
    text = "function now() { return host.now(); } function luck() { return host.randomNumber(); }"
    call = installed(scripts, text, "now", "luck", capabilities=[asking(CLOCK, "now")])
    refused = call("now")
    assert refused.refusal.code == "denied"
    scripts.registry(TENANT).grant("adder", CLOCK, OPERATOR)
    assert call("now").value > 1_500_000_000_000
    assert call("luck").refusal.code == "denied"


def test_one_script_calls_another_with_its_own_grants(scripts):
    """Wrong if scripts cannot be put together, or one borrows what another may do."""
    scripts.registry(TENANT).install(script(TOTAL), OPERATOR)
    text = "function twice(given) { return host.call('adder', 'total', { a: given, b: given }).sum; }"
    asked = [asking(INVOKE, "invoke", functions=["adder.total"])]
    call = installed(scripts, text, "twice", name="doubler", capabilities=asked)
    scripts.registry(TENANT).grant("doubler", INVOKE, OPERATOR)
    answer = call("twice", b"21")
    assert answer.value == 42
    assert scripts.replay(TENANT, answer.receipt.index).differing == ()


def test_a_script_refuses_its_input_by_throwing_a_code(scripts):
    """Wrong if a script cannot say no in a way that a program understands."""
    call = installed(scripts, "function total(given) { throw { code: 'no-sum', message: 'nothing to add' }; }")
    assert (call("total").refusal.code, call("total").refusal.message) == ("no-sum", "nothing to add")


# --- hostile scripts --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "function total() { while (true) {} }",
        "while (true) {}",
        "function total() { try { while (true) {} } catch (e) { while (true) {} } }",
        "function total() { return /^(a+)+$/.test('a'.repeat(40) + '!'); }",
        "function total() { return total() + total(); }",
        "function total() { const kept = []; while (true) kept.push(new Array(1e6).fill(7)); }",
    ],
)
def test_a_script_that_loops_or_hoards_ends_within_its_budget(scripts, text):
    """Wrong if a script could hold the node, or take its memory."""
    call = installed(scripts, text)
    with pytest.raises((ModuleFailed, Unavailable, StillAnswered)) as caught:
        raise StillAnswered(call("total").refusal)
    codes = ("module-out-of-fuel", "module-out-of-memory", "module-trapped", "module-call-stack", "exception")
    assert caught.value.code in codes


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("function total() { return typeof require + typeof process + typeof fetch + typeof std + typeof os; }", None),
        (
            "function total() { return Object.keys(globalThis).filter((k) => /wasi|native/i.test(k)).length; }",
            0,
        ),
    ],
)
def test_a_script_finds_no_way_to_the_machine(scripts, text, answer):
    """Wrong if there is anything beside the host to ask."""
    given = installed(scripts, text)("total").value
    assert given == ("undefined" * 5 if answer is None else answer)


def test_what_a_script_does_to_its_engine_no_other_call_meets(scripts):
    """Wrong if a script can change JSON, Array or host for whoever comes after it."""
    evil = """function total() {
      JSON.stringify = () => '{"sum":666}'; Array.prototype.push = () => 666; globalThis.left = 1;
      try { host.now = () => 666; } catch (error) { return 'frozen'; }
      return 'changed';
    }"""
    installed(scripts, evil)("total")
    text = "function total() { return [typeof left, [1].concat([2]).length, JSON.stringify({ a: 1 })]; }"
    assert installed(scripts, text, name="victim")("total").value == ["undefined", 2, '{"a":1}']


def test_a_script_does_not_forge_its_own_record(scripts, house):
    """Wrong if what a script answers is taken for what was done."""
    text = "function total() { return { record: 0, receipt: { index: 0 }, outcome: 'refused', fuel: 0 }; }"
    answer = installed(scripts, text)("total")
    record = house.ledger(TENANT).read(answer.receipt.index)
    assert (record.detail["outcome"], record.detail["module"]["name"]) == ("answered", "adder")
    assert record.detail["fuel"] == answer.fuel > 0


def test_a_script_reaches_nothing_of_another_tenant(scripts):
    """Wrong if a name, or a cursor of the ledger, leads to somebody else's."""
    scripts.registry(OTHER_TENANT).install(script(TOTAL), OPERATOR)
    text = "function look() { return host.call('adder', 'total', { a: 1, b: 1 }); }"
    call = installed(
        scripts, text, "look", name="thief", capabilities=[asking(INVOKE, "invoke", functions=["adder.total"])]
    )
    scripts.registry(TENANT).grant("thief", INVOKE, OPERATOR)
    assert call("look").refusal.code == "not-found"


def test_the_same_chance_each_time_is_not_taken_for_chance(scripts):
    """Wrong if a script's Math.random differs between machines, so that a replay would."""
    call = installed(scripts, "function total() { return Math.random(); }")
    assert call("total").value == call("total").value


# --- what is refused --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"engine": {"name": "quickjs", "digest": "sha256:" + "0" * 64}}, "script-engine"),
        ({"file": "adder.py"}, "module-form"),
        ({"engine": {"name": "cpython"}}, "module-form"),
        ({"abi": "core-json/1"}, "module-form"),
    ],
)
def test_a_script_that_does_not_fit_its_engine_is_refused(scripts, change, code):
    """Wrong if a script is run by another engine than its author meant."""
    with pytest.raises(ModuleRefused) as caught:
        scripts.registry(TENANT).install(script(TOTAL, **change), OPERATOR)
    assert caught.value.code == code


@pytest.mark.parametrize("text", ["", " \n", "a" * 300_000, "function total() {}\x00"])
def test_what_is_no_text_of_a_script_is_refused(scripts, text):
    """Wrong if an empty, endless or binary text is installed."""
    with pytest.raises(ModuleRefused) as caught:
        scripts.registry(TENANT).install(script(text), OPERATOR)
    assert caught.value.code in ("script-text", "module-too-large")


def test_a_node_without_engines_runs_no_scripts(fleet):
    """Wrong if a script is installed where nothing can run it."""
    with pytest.raises(ModuleRefused) as caught:
        fleet.registry(TENANT).install(script(TOTAL), OPERATOR)
    assert caught.value.code == "script-engine"


def test_a_function_that_the_script_does_not_have_is_refused_by_name(scripts):
    """Wrong if a typing error in a manifest looks like a broken engine."""
    call = installed(scripts, TOTAL, "total", "share")
    assert call("share").refusal.code == "function-unknown"
    with pytest.raises(NotFound):
        call("none")
    assert isinstance(scripts._schedule, Schedule)


def test_a_script_is_swapped_like_any_module(scripts):
    """Wrong if logic that changes weekly cannot be shown against history first."""
    call = installed(scripts, TOTAL)
    call("total", b'{"a":1,"b":2}')
    swapper = scripts.swapper(TENANT)
    files = script("function total(given) { return { sum: given.a * given.b }; }", version="1.1.0")
    plan = swapper.plan(files, OPERATOR)
    assert plan.rehearsal.told[0].would_be == {"sum": 2}
    swapper.swap(plan, OPERATOR)
    assert call("total", b'{"a":3,"b":4}').value == {"sum": 12}


# --- variants ---------------------------------------------------------------------------------------------------------

PRODUCT = "function total(given) { return { sum: given.a * given.b }; }"


def varied(*variants):
    """Give the files of a script with variants: name, text, percent, and what else a manifest says of one."""
    stated = [
        {"name": name, "file": f"{name}.js", "digest": digest(text.encode()), "percent": percent, **more}
        for name, text, percent, more in variants
    ]
    texts = {f"{name}.js": text.encode() for name, text, _, _ in variants}
    return {**script(TOTAL, variants=stated), **texts}


def test_a_share_of_the_calls_meets_another_text_and_the_record_says_so(scripts, house):
    """Wrong if nobody can tell afterwards which text answered, or replay runs the other."""
    files = varied(("product", PRODUCT, 50, {}))
    scripts.registry(TENANT).install(files, OPERATOR)
    met = set()
    for number in range(12):
        answer = scripts.call(TENANT, "adder", "total", b'{"a":%d,"b":5}' % number, OPERATOR)
        detail = house.events()[-1].detail
        name = detail.get("variant")
        assert answer.value == {"sum": number * 5 if name == "product" else number + 5}
        assert kept_parts(TENANT, house.blobs, house.events()[-1])[2]["run"].get("variant") == name
        assert scripts.replay(TENANT, answer.receipt.index).differing == ()
        assert house.open().replay(TENANT, answer.receipt.index).differing == ()
        met.add(name)
    assert met == {"product", None}


def test_a_variant_is_shown_and_outlives_the_process(scripts, house):
    """Wrong if an operator cannot see that a trial runs, or a new process runs the script's own text."""
    when = {"path": "/a", "in": [7, "x"]}
    scripts.registry(TENANT).install(varied(("product", PRODUCT, 99, {"when": when})), OPERATOR)
    (shown,) = scripts.show(TENANT, "adder").to_json()["variants"]
    assert (shown["name"], shown["percent"], shown["when"]) == ("product", 99, when)
    other = house.open()
    answers = [
        other.call(TENANT, "adder", "total", b'{"a":7,"b":%d}' % b, OPERATOR).value["sum"] - 7 * b for b in (3, 4)
    ]
    assert answers == [0, 0]
    assert other.call(TENANT, "adder", "total", b'{"a":6,"b":3}', OPERATOR).value == {"sum": 9}


def test_the_text_that_a_call_inside_met_stands_in_the_record_of_the_call(scripts, house):
    """Wrong if a trial within another script leaves no trace."""
    scripts.registry(TENANT).install(varied(("product", PRODUCT, 99, {})), OPERATOR)
    text = "function twice(given) { return host.call('adder', 'total', given).sum; }"
    asked = [asking(INVOKE, "invoke", functions=["adder.total"])]
    call = installed(scripts, text, "twice", name="doubler", capabilities=asked)
    scripts.registry(TENANT).grant("doubler", INVOKE, OPERATOR)
    assert call("twice", b'{"a":3,"b":7}').value == 21
    assert house.events()[-1].detail["inner"][0]["variant"] == "product"


@pytest.mark.parametrize(
    ("variants", "code"),
    [
        ([("one", TOTAL, 60, {}), ("two", TOTAL, 41, {})], "module-variants"),
        ([("one", TOTAL, 10, {}), ("one", TOTAL, 10, {})], "module-manifest"),
        ([("one", TOTAL, 10, {"file": "one.py"})], "module-variants"),
        ([("one", TOTAL, 10, {"digest": "sha256:" + "0" * 64})], "module-digest"),
        ([("one", TOTAL, 10, {"file": "missing.js"})], "module-file"),
        ([("one", "", 10, {})], "script-text"),
    ],
)
def test_variants_that_do_not_add_up_are_refused(scripts, variants, code):
    """Wrong if a share of the calls meets a text that nobody signed, or no text at all."""
    with pytest.raises(ModuleRefused) as caught:
        scripts.registry(TENANT).install(varied(*variants), OPERATOR)
    assert caught.value.code == code


def test_variants_are_of_scripts_alone(scripts):
    """Wrong if a compiled module seems to run a trial."""
    stated = [{"name": "one", "file": "one.wasm", "digest": digest(b"x"), "percent": 10}]
    with pytest.raises((ModuleRefused, SchemaViolated)):
        scripts.registry(TENANT).install(files_of(manifest_of(variants=stated)), OPERATOR)
    stated[0]["file"] = "one.js"
    with pytest.raises(ModuleRefused) as caught:
        scripts.registry(TENANT).install(files_of(manifest_of(variants=stated)), OPERATOR)
    assert caught.value.code == "module-variants"
