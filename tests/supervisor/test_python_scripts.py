"""Scripts in Python, on CPython in a sandbox: what one may do, what it may not, and that nothing of it stays."""

from __future__ import annotations

import json
from importlib import metadata

import pytest

from bailiwick.errors import ModuleFailed, ModuleRefused, Unavailable
from bailiwick.node.engines import script_engine

from .conftest import AUTHOR, CLOCK, OPERATOR, OTHER_TENANT, TENANT, asking
from .engines import engine_with_code, script

LOG, RANDOM = "bailiwick:log/log@0.1.0", "bailiwick:random/random@0.1.0"
CONFIG, INVOKE = "bailiwick:config/config@0.1.0", "bailiwick:invoke/invoke@0.1.0"
TOTAL = "def total(given):\n    return {'sum': given['a'] + given['b']}\n"

pytestmark = pytest.mark.timeout(600)  # the first test builds CPython, and compiles it


@pytest.fixture(scope="module")
def cpython(tmp_path_factory):
    """Give the engine as a node builds it, built once and kept."""
    try:
        metadata.version("componentize-py")
    except metadata.PackageNotFoundError:
        pytest.skip("componentize-py is not installed: pip install 'bailiwick[modules]'")
    place, told = tmp_path_factory.mktemp("engines"), []
    made = script_engine("cpython", kept=lambda: (place, b"k" * 32), tell=told.append)
    return made, place, told


@pytest.fixture(scope="module")
def engine(tmp_path_factory, cpython):
    """Give an engine that compiles CPython once for all of these tests."""
    with engine_with_code(tmp_path_factory.mktemp("code")) as opened:
        yield opened


@pytest.fixture
def scripts(house, cpython):
    """Give a supervisor on a node that has both engines."""
    supervisor = house.open(runner_of=lambda name: cpython[0] if name == "cpython" else script_engine(name))
    for tenant in (TENANT, OTHER_TENANT):
        supervisor.registry(tenant).trust(AUTHOR.verifier.text(), OPERATOR)
    return supervisor


def installed(scripts, text, *functions, **changes):
    """Install a script in Python, and give what calls a function of it."""
    changes.setdefault("tier", "standard")
    scripts.registry(TENANT).install(script(text, *functions, runner="cpython", **changes), OPERATOR)
    name = changes.get("name", "adder")
    return lambda function="total", given=b"{}": scripts.call(TENANT, name, function, given, OPERATOR)


def body(*lines, name="total"):
    """Write a function of these lines."""
    return f"def {name}(given):\n" + "".join(f"    {each}\n" for each in lines)


def test_an_engine_is_built_once_kept_and_believed_by_its_mac_alone(cpython, monkeypatch):
    """Wrong if each script costs ten seconds, or a changed file in the home is run as an engine."""
    made, place, told = cpython
    assert (len(told), told[0].startswith("building the engine cpython")) == (1, True)
    keep = {"kept": lambda: (place, b"k" * 32), "tell": told.append}
    assert script_engine("cpython", **keep) == made
    assert len(told) == 1
    (file,) = place.iterdir()
    right = file.read_bytes()
    file.write_bytes(right[:-1] + bytes([right[-1] ^ 1]))
    monkeypatch.setattr("bailiwick.node.engines.build", lambda *_: pytest.fail("built anew, as it must be"))
    with pytest.raises(pytest.fail.Exception):
        script_engine("cpython", **keep)
    file.write_bytes(right)


def test_a_node_without_the_toolchain_says_how_to_get_it(monkeypatch):
    """Wrong if somebody without the extra meets a failure that explains nothing."""
    monkeypatch.setattr("bailiwick.adapters.toolchain_componentize._is_installed", lambda: False)
    with pytest.raises(ModuleRefused) as caught:
        script_engine("cpython")
    assert caught.value.code == "script-engine"
    assert "bailiwick[modules]" in caught.value.hint


def test_a_script_in_python_is_called_recorded_and_run_again(scripts, house):
    """Wrong if a script in Python is another kind of thing than one in JavaScript."""
    answer = installed(scripts, TOTAL)("total", b'{"a":1,"b":2}')
    assert answer.value == {"sum": 3}
    assert scripts.replay(TENANT, answer.receipt.index).differing == ()
    assert scripts.replay(TENANT, answer.receipt.index).fuel == answer.fuel
    engine = house.events()[-2].detail["engine"]
    assert (engine["name"], len(engine["pieces"])) == ("cpython", 3)


def test_a_second_script_meets_the_engine_that_the_first_one_has(scripts, house, cpython):
    """Wrong if two scripts of a tenant carry two engines that differ in a few bytes."""
    installed(scripts, TOTAL)
    registry = house.open(runner_of=lambda _: pytest.fail("asked for again")).registry(TENANT)
    registry.install(script(TOTAL, name="second", runner="cpython", tier="standard"), OPERATOR)
    state = registry.state.now().modules
    assert state["second"].engine_digest == state["adder"].engine_digest


def test_a_script_in_python_may_do_what_was_granted_and_nothing_else(scripts):
    """Wrong if the engine, which can ask for everything, asks for a script that was granted nothing."""
    asked = [
        asking(CLOCK, "now"),
        asking(LOG, "write"),
        asking(RANDOM, "bytes"),
        asking(CONFIG, "get", "names", values={"rate": 7}),
    ]
    text = """
def now(given): return host.now()
def luck(given): return [host.randomNumber() < 2**53, len(host.randomBytes(5))]
def rate(given): return [host.configNames(), host.config('rate'), host.config('none')]
def note(given): host.log('info', 'noted')
def loud(given): host.log('shout', 'noted')
def other(given): return host.call('adder', 'now', {})
def look(given): return host.records(0, 10)
def leave(given): host.audit('payroll.corrected', 'payroll/1', {'by': 1})
"""
    names = ("now", "luck", "rate", "note", "loud", "other", "look", "leave")
    call = installed(scripts, text, *names, capabilities=asked)
    for each in set(names) - {"loud"}:
        assert call(each).refusal.code == "denied"
    for each in asked:
        scripts.registry(TENANT).grant("adder", each["interface"], OPERATOR)
    assert call("now").value > 1_500_000_000_000
    assert call("luck").value == [True, 5]
    assert call("rate").value == [["rate"], 7, None]
    assert (call("note").value, call("note").refusal) == (None, None)
    assert call("loud").refusal.code == "level"
    assert {call(each).refusal.code for each in ("other", "look", "leave")} == {"denied"}


def test_a_script_in_python_calls_one_in_javascript(scripts):
    """Wrong if scripts in two languages cannot be put together."""
    text = "function total(given) { return given.a * 2; }"
    scripts.registry(TENANT).install(script(text, name="doubler"), OPERATOR)
    asked = [asking(INVOKE, "invoke", functions=["doubler.total"])]
    call = installed(scripts, body("return host.call('doubler', 'total', given)"), capabilities=asked)
    scripts.registry(TENANT).grant("adder", INVOKE, OPERATOR)
    answer = call("total", b'{"a":21}')
    assert answer.value == 42
    assert scripts.replay(TENANT, answer.receipt.index).differing == ()


def test_a_script_in_python_refuses_its_input_with_a_code(scripts):
    """Wrong if a script cannot say no in a way that a program understands."""
    refusal = installed(scripts, body("raise Refused('no-sum', 'nothing to add')"))().refusal
    assert (refusal.code, refusal.message) == ("no-sum", "nothing to add")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("def total(given):\n    x = 1\n    return x / 0\n", "ZeroDivisionError: division by zero (line 3)"),
        ("def total(given)\n    return 1\n", "SyntaxError: expected ':' (line 1)"),
        ("x = 1\nreturn x\n", "SyntaxError: 'return' outside function (line 2)"),
        (
            "def total(given):\n  x = 1\n y = 2\n",
            "IndentationError: unindent does not match any outer indentation level (line 3)",
        ),
        (
            "def total(given): return 1 is 1, '\\d', eval('1 +')\n",
            "SyntaxError: invalid syntax (<string>, line 1) (line 1)",
        ),
        (body("import sys", "sys.exit(3)"), "SystemExit: 3 (line 3)"),
        (body("return {1, 2}"), "TypeError: Object of type set is not JSON serializable"),
        (body("return float('nan')"), "ValueError: Out of range float values are not JSON compliant: nan"),
    ],
)
def test_a_script_that_fails_says_where(scripts, text, message):
    """Wrong if an author has to guess which line failed, or a failure of a script looks like one of its engine."""
    refusal = installed(scripts, text)().refusal
    assert (refusal.code, refusal.message) == ("exception", message)


@pytest.mark.parametrize(
    ("text", "function", "code"),
    [(TOTAL, "share", "function-unknown"), ("total = 7\n", "total", "function-unknown")],
)
def test_what_is_no_function_of_the_script_is_refused_by_name(scripts, text, function, code):
    """Wrong if a typing error in a manifest looks like a broken engine."""
    assert installed(scripts, text, function)(function).refusal.code == code


def test_a_script_may_write_tracebacks_of_its_own(scripts):
    """Wrong if what Python does to show a line of a source, which is to look for a file, ends the call."""
    lines = ["import traceback", "try:", "    1 / 0", "except ZeroDivisionError:", "    return traceback.format_exc()"]
    assert installed(scripts, body(*lines))().value.splitlines()[1].endswith('File "<script>", line 4, in total')


# --- hostile scripts --------------------------------------------------------------------------------------------------

ENDS = ("module-out-of-fuel", "module-out-of-memory", "module-trapped", "module-call-stack", "exception")


def how_it_ends(call):
    """Give the code with which a call ends: of a refusal, or of a failure."""
    try:
        return call().refusal.code
    except (ModuleFailed, Unavailable) as error:
        return error.code


def together(bodies):
    """Write a script with a function for each body, and give its text and the names of its functions."""
    names = [f"try_{number}" for number in range(len(bodies))]
    return "".join(body(*each, name=name) for name, each in zip(names, bodies, strict=True)), names


HOARDING = [
    ["while True: pass"],
    ["while True:", "    try:", "        while True: pass", "    except BaseException: pass"],
    ["return 7 ** (7 ** 8)"],
    ["import re", "return bool(re.match('(a+)+$', 'a' * 40 + '!'))"],
    ["kept = []", "while True: kept.append(bytearray(1 << 20))"],
    ["return len(bytearray(1 << 30))"],
    ["return try_6(given) + try_6(given)"],
    ["import sys", "sys.setrecursionlimit(10**9)", "return try_7(given) + 1"],
    ["deep = []", "for _ in range(100_000): deep = [deep]", "return deep"],
]


def test_a_script_that_loops_or_hoards_ends_within_its_budget(scripts):
    """Wrong if a script could hold the node, or take its memory."""
    text, names = together(HOARDING)
    call = installed(scripts, text, *names, limits={"fuel": 300_000_000})
    for name in names:
        assert how_it_ends(lambda name=name: call(name)) in ENDS, name


REACHING = [
    ["import socket", "return repr(socket.create_connection(('127.0.0.1', 80)))"],
    ["import os", "return os.listdir('/')"],
    ["return open('/etc/passwd').read()"],
    ["open('/left', 'w').write('x')", "return 'written'"],
    ["import subprocess", "return subprocess.run(['id'])"],
    ["import os", "return os.system('id')"],
    ["import threading", "threading.Thread(target=print).start()", "return 'started'"],
    ["import ctypes", "return ctypes.string_at(0)"],
    ["import os", "os.abort()"],
    ["import time", "time.sleep(1)", "return 'slept'"],
    ["import time", "return time.time()"],
    ["import os", "return list(os.urandom(8))"],
]


def test_a_script_finds_no_way_to_the_machine(scripts):
    """Wrong if there is anything beside the host to ask; what comes of asking is a refusal or the end of the call."""
    text, names = together(REACHING)
    call = installed(scripts, text, *names)
    for name in names:
        assert how_it_ends(lambda name=name: call(name)) in ("exception", "module-trapped"), name


def test_a_script_sees_no_environment_and_the_same_chance_each_time(scripts):
    """Wrong if the node's environment shows, or a replay would draw other numbers."""
    call = installed(scripts, body("import os, random", "return [dict(os.environ), random.random()]"))
    first = call().value
    assert first[0] == {}
    assert call().value == first


def test_what_a_script_does_to_its_engine_no_other_call_meets(scripts):
    """Wrong if a script can change json, host or the engine for whoever comes after it."""
    evil = body(
        "import json, builtins, sys",
        "json.evil = 1",
        "json.dumps = lambda *a, **k: '{\"sum\":666}'",
        "builtins.left = 1",
        "host.now = lambda: 666",
        "sys.modules['wit_world'].left = 1",
        "return 'changed'",
    )
    installed(scripts, evil)()
    text = body("import json, builtins", "return [hasattr(json, 'evil'), hasattr(builtins, 'left'), json.dumps(1)]")
    assert installed(scripts, text, name="victim")().value == [False, False, "1"]


def test_a_script_reaches_its_host_by_any_name_and_gets_no_more_than_its_grants(scripts):
    """Wrong if the host object were the boundary: a script can import what its engine imports."""
    text = body("from wit_world.imports import clock", "return clock.now()")
    call = installed(scripts, text, capabilities=[asking(CLOCK, "now")])
    assert call().refusal.code == "exception"
    scripts.registry(TENANT).grant("adder", CLOCK, OPERATOR)
    assert json.dumps(call().value).isdigit()


def test_a_script_does_not_forge_its_own_record(scripts, house):
    """Wrong if what a script answers is taken for what was done."""
    answer = installed(scripts, body("return {'outcome': 'refused', 'fuel': 0}"))()
    record = house.ledger(TENANT).read(answer.receipt.index)
    assert (record.detail["outcome"], record.detail["fuel"]) == ("answered", answer.fuel)
    assert answer.fuel > 0
