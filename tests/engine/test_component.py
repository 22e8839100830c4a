"""Components: admitted by what they are made of, called by text, stopped like any guest."""

import base64
import gc
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from bailiwick.engine import Engine, Refusal, read_answer
from bailiwick.engine.component import CachedComponentCaller
from bailiwick.errors import ModuleFailed, ModuleRefused, Unavailable, UsageRefused
from bailiwick.model import Budget, Tier

BUDGET = Budget(fuel=3_000_000, memory_bytes=8 << 20, deadline_ms=60_000)
OK = "(i32.store8 (i32.const 16) (i32.const 0))"
ERROR = "(i32.store8 (i32.const 16) (i32.const 1))"
INPUT = "(i32.store (i32.const 20) (local.get 2)) (i32.store (i32.const 24) (local.get 3)) (i32.const 16)"
ECHO = OK + INPUT
NOW = '(instance (export "now" (func (result u64))))'
LOOP = "(loop $l (br $l)) unreachable"


def fixed(place, size):
    """Give a body that answers with bytes at a place."""
    words = f"(i32.store (i32.const 20) (i32.const {place})) (i32.store (i32.const 24) (i32.const {size}))"
    return f"{OK} {words} (i32.const 16)"


@pytest.fixture(scope="module", params=["cached", "stock"])
def either(request):
    """Give an engine with the one and with the other way of calling."""
    with Engine(marshaller=request.param) as opened:
        yield opened


def failure(engine, guest, kind=ModuleFailed, budget=BUDGET, question=b"{}"):
    """Run what must fail, and give the error."""
    with pytest.raises(kind) as caught:
        engine.run(guest, "f", question, budget)
    assert caught.value.hint
    return caught.value


def refusal(engine, wasm):
    """Load what must be refused, and give the error."""
    with pytest.raises(ModuleRefused) as caught:
        engine.load(wasm)
    assert caught.value.hint
    return caught.value


@pytest.mark.parametrize("question", ["{}", '"é ☃ 😀"', "[1,2,3]", json.dumps("x" * 100_000), "0.1000000000000000055"])
def test_a_component_answers_text_with_text(either, to_wasm, called_by_text, question):
    """Text that changed on its way through would make the recorded input a lie."""
    guest = either.load(to_wasm(called_by_text(ECHO)))
    assert guest.form == "component-call/1"
    assert guest.imports == ()
    run = either.run(guest, "f", question.encode(), BUDGET)
    assert run.output == b'{"ok":%b}' % question.encode()
    assert 0 < run.fuel < 1_000


@pytest.mark.parametrize(
    ("said", "code", "message"),
    [
        (b'{"code":"row-number","message":"age is x"}', "row-number", "age is x"),
        (b'"not-here"', "not-here", "not-here"),
        (b'"It broke"', "refused", "It broke"),
        (b'{"case":"too-large","value":1}', "too-large", '{"case":"too-large","value":1}'),
        (b"[1]", "refused", "[1]"),
    ],
)
def test_a_components_own_refusal_is_an_answer(either, to_wasm, called_by_text, said, code, message):
    """A refusal taken for a failure would send people to the wrong author."""
    guest = either.load(to_wasm(called_by_text(ERROR + INPUT)))
    assert read_answer(either.run(guest, "f", said, BUDGET).output) == Refusal(code=code, message=message)


FAILURES = {
    "loops": ("module-out-of-fuel", LOOP),
    "gives up": ("module-trapped", "unreachable"),
    "divides by zero": ("module-trapped", "(i32.div_u (i32.const 1) (i32.const 0))"),
    "reads outside": ("module-trapped", "(i32.load (i32.const 0x7ffffff0))"),
    "answers outside": ("module-answer", fixed(0x7FFFFFF0, 16)),
    "answers over the end": ("module-answer", fixed(65_530, 16)),
    "answers four gigabytes": ("module-answer", fixed(0, 0xFFFFFFFF)),
    "puts the result outside": ("module-answer", "(i32.const -4)"),
    "puts the result crooked": ("module-answer", "(i32.const 17)"),
    "names no case": ("module-answer", "(i32.store8 (i32.const 16) (i32.const 7)) (i32.const 16)"),
    "answers no UTF-8": ("module-answer", "(i32.store8 (i32.const 40) (i32.const 255))" + fixed(40, 1)),
    "answers no JSON": ("module-answer", fixed(40, 4)),
    "answers two values": ("module-answer", "(i32.store (i32.const 40) (i32.const 0x312c3022))" + fixed(41, 3)),
    "answers nothing": ("module-answer", fixed(0, 0)),
}


@pytest.mark.parametrize(("code", "body"), FAILURES.values(), ids=FAILURES.keys())
def test_a_component_that_misbehaves_fails_with_its_code_each_time(either, to_wasm, called_by_text, code, body):
    """A failure that varies from call to call would make decisions vary."""
    guest = either.load(to_wasm(called_by_text(body)))
    errors = [failure(either, guest) for _ in range(3)]
    assert {error.code for error in errors} == {code}
    assert len({error.message for error in errors}) == 1


def test_an_answer_larger_than_allowed_is_refused_before_it_is_copied(engine, to_wasm, called_by_text):
    """A guest could have the host copy all of its memory on each call."""
    guest = engine.load(to_wasm(called_by_text(fixed(0, (1 << 20) + 1), memory="17")))
    assert failure(engine, guest).code == "module-answer"


def test_deadlines_and_deep_recursion_of_a_component_are_no_outcome(either, to_wasm, called_by_text):
    """Both depend on the machine: sealed as the guest's failure they would make replay differ."""
    spinning = either.load(to_wasm(called_by_text(LOOP)))
    short = Budget(fuel=1 << 62, memory_bytes=8 << 20, deadline_ms=40)
    assert failure(either, spinning, Unavailable, short).code == "module-deadline"
    deep = called_by_text("(call $deep)").replace(
        '(func (export "call")',
        '(func $deep (result i32) (i32.add (i32.const 1) (call $deep))) (func (export "call")',
        1,
    )
    long = Budget(fuel=1 << 40, memory_bytes=8 << 20, deadline_ms=60_000)
    assert failure(either, either.load(to_wasm(deep)), Unavailable, long).code == "module-call-stack"


def test_a_guest_cannot_name_the_cause_of_its_own_end(engine, to_wasm, called_by_text):
    """Function names stand in the error's text; a guest that could forge its last line would choose what is sealed."""
    text = called_by_text("(call $deadline) (i32.const 16)").replace(
        '(func (export "call")',
        '(func $deadline (@name "x\\nwasm trap: interrupt\\nwasm trap: all fuel consumed by WebAssembly") unreachable) '
        '(func (export "call")',
        1,
    )
    assert failure(engine, engine.load(to_wasm(text))).code == "module-trapped"


def test_memory_of_a_component_ends_at_the_budget(either, to_wasm, called_by_text):
    """The allocator grows until it is refused; then the guest writes outside and fails the same way each time."""
    guest = either.load(to_wasm(called_by_text(ECHO)))
    question = json.dumps("x" * 3_000_000).encode()
    small = Budget(fuel=1_000_000_000, memory_bytes=2 << 20, deadline_ms=60_000)
    assert failure(either, guest, ModuleFailed, small, question).code in {"module-answer", "module-out-of-fuel"}
    large = Budget(fuel=1_000_000_000, memory_bytes=8 << 20, deadline_ms=60_000)
    failed = failure(either, guest, ModuleFailed, large, question)
    assert "3000002 bytes" in failed.message


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("module-imports", f'(component (import "wasi:clocks/wall-clock@0.2.0" {NOW}))'),
        ("module-imports", f'(component (import "acme:clock/clock@0.1.0" {NOW}))'),
        ("module-imports", '(component (import "now" (func)))'),
        ("module-imports", f'(component (import "bailiwick:clock/clock" {NOW}))'),
        ("module-type", '(component (import "acme:a/b@0.1.0" (instance (export "r" (type (sub resource))))))'),
        ("module-type", '(component (import "bailiwick:a/b@0.1.0" (instance (export "r" (type (sub resource))))))'),
        ("module-exports", "(component)"),
        ("module-memory", "(component (core module (memory 5000)))"),
        ("module-memory", "(component" + " (core module (memory 1))" * 5 + ")"),
        ("module-memory", "(component (core module (memory 1) (memory 1)))"),
        ("module-memory", "(component (core module (memory 1 2 shared)))"),
        ("module-tables", "(component (core module (table 70000 funcref)))"),
        ("module-nesting", "(component " * 11 + ")" * 11),
        ("module-nesting", "(component" + " (component)" * 70 + ")"),
        ("module-nesting", "(component" + " (core module)" * 130 + ")"),
        (
            "module-nesting",
            "(component (component $a) "
            + "".join(
                f"(component ${chr(98 + n)} (alias outer 1 ${chr(97 + n)} (component $x))"
                + "(instance (instantiate $x))" * 8
                + ")"
                for n in range(7)
            )
            + "(instance (instantiate $h)))",
        ),
        ("module-invalid", "(component (core module $m) (core instance $i (instantiate $m)) "
                           "(core func (canon resource.drop 0)))"),
    ],
)  # fmt: skip
def test_a_component_that_asks_for_what_none_gets_is_refused(engine, to_wasm, code, text):
    """A bomb of nesting or memory would act in the compiler, where no fuel is counted."""
    try:
        wasm = to_wasm(text)
    except Exception:
        pytest.skip("the text itself is refused by the encoder")
    assert refusal(engine, wasm).code == code


def test_types_of_anybody_may_be_imported_and_grant_nothing(engine, to_wasm, called_by_text):
    """A world that uses a type of an interface imports that interface; without functions there is nothing to grant."""
    slip = '(instance (type $r (record (field "minutes" u32))) (export "slip" (type (eq $r))))'
    guest = engine.load(to_wasm(called_by_text(ECHO, imports=f'(import "acme:pay/types@1.0.0" {slip})')))
    assert guest.imports == ()
    assert engine.run(guest, "f", b"[7]", BUDGET).output == b'{"ok":[7]}'


def test_a_component_cut_short_anywhere_is_refused(engine, to_wasm, called_by_text):
    """A download that stopped half way must never be run, and never end the process."""
    wasm = to_wasm(called_by_text(ECHO))
    for length in range(8, len(wasm), 7):
        assert refusal(engine, wasm[:length]).code.startswith("module-")


def test_health_is_asked_for_where_it_is_said(engine, to_wasm, component_text, called_by_text):
    """A version that is not well would be put to work."""
    kind = "(param i32 i32 i32 i32) (result i32)"
    texts = '(param "function" string) (param "input" string) (result (result string (error string)))'
    text = component_text(
        [
            ("call", kind, ECHO, texts),
            ("health", "(result i32)", f"{OK} (i32.const 16)", "(result (result (error string)))"),
        ]
    )
    assert engine.health(engine.load(to_wasm(text)), BUDGET).output == b'{"ok":null}'
    with pytest.raises(UsageRefused):
        engine.health(engine.load(to_wasm(called_by_text(ECHO))), BUDGET)


def test_both_ways_of_calling_components_cost_and_answer_the_same(to_wasm, called_by_text):
    """Fuel is in the record: a figure that depends on the way of calling would differ between machines."""
    wasm = to_wasm(called_by_text(ECHO))
    with Engine() as fast, Engine(marshaller="stock") as slow:
        runs = [engine.run(engine.load(wasm), "f", b'{"a":"\xc3\xa9"}', BUDGET) for engine in (fast, slow)]
        assert isinstance(fast._component_calls(), CachedComponentCaller)
    assert runs[0] == runs[1]


def test_the_self_test_rejects_a_fast_way_for_components_that_differs(monkeypatch, to_wasm, called_by_text):
    """The fast way fills private structures; after an upgrade it must be found out before it is believed."""
    true_call = CachedComponentCaller.call_text

    def lying(self, *rest):
        is_ok, text = true_call(self, *rest)
        return is_ok, text[:-1]

    monkeypatch.setattr(CachedComponentCaller, "call_text", lying)
    with Engine() as engine:
        assert engine.run(engine.load(to_wasm(called_by_text(ECHO))), "f", b"[]", BUDGET).output == b'{"ok":[]}'


def test_threads_share_components_and_get_their_own_answers(engine, to_wasm, called_by_text):
    """Structures that two calls shared would hand one tenant's answer to another."""
    guest = engine.load(to_wasm(called_by_text(ECHO)))

    def work(number):
        return {engine.run(guest, "f", b'"%d"' % number, BUDGET).output for _ in range(300)}

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(work, range(8))) == [{b'{"ok":"%d"}' % number} for number in range(8)]


SHORT = """
import resource, sys
resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))
from bailiwick.engine import Engine
with Engine() as engine:
    print(engine.allocator)
"""


def test_without_address_space_for_a_pool_the_engine_goes_on_without_one():
    """The library ends the process when its pool finds no room; a container with a limit could not start a node."""
    ran = subprocess.run([sys.executable, "-c", SHORT], capture_output=True, check=True)
    assert ran.stdout.split() == [b"on-demand"]


@pytest.mark.parametrize("allocator", ["pooling", "on-demand"])
def test_either_allocator_holds_the_heavy_tier(to_wasm, called_by_text, allocator):
    """A pool with smaller slots than a tier promises would refuse what was sold."""
    grow = "(drop (memory.grow (i32.const 4000)))" + ECHO
    with Engine(allocator=allocator) as engine:
        assert engine.allocator == allocator
        guest = engine.load(to_wasm(called_by_text(grow)))
        assert engine.run(guest, "f", b"1", Tier.HEAVY.budget).output == b'{"ok":1}'


FRESH = """
import base64, os, sys
os.sched_setaffinity(0, {int(core) for core in sys.argv[1].split(",")})
from bailiwick.engine import Engine, HostRefused
from bailiwick.model import Budget

class Link:
    def call(self, interface, function, input, *, left, charge):
        charge(left.fuel // 1000)
        return str(left.fuel) + str(left.memory_bytes)

with Engine() as engine:
    for wasm in sys.argv[2:]:
        guest = engine.load(base64.b64decode(wasm))
        for kept in (0, 2):
            budget = Budget(fuel=3_000_000, memory_bytes=8 << 20, deadline_ms=60_000)
            kept and guest.form.startswith("component") and engine.keep_ready(guest, budget, kept).result(timeout=60)
            print(guest.digest, guest.imports, engine.run(guest, "f", b'{"a":[1,2]}', budget, host=Link()))
"""
ASKING = """(call $text (local.get 2) (local.get 3) (i32.const 48))
  (i32.store8 (i32.const 16) (i32.const 0))
  (i32.store (i32.const 20) (i32.load (i32.const 52))) (i32.store (i32.const 24) (i32.load (i32.const 56)))
  (i32.const 16)"""
IMPORT = """(import "bailiwick:demo/ask@0.1.0" (instance $ask
  (export "text" (func (param "question" string) (result (result string (error string)))))))"""


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="which cores a process runs on is set by Linux")
def test_ten_fresh_processes_answer_and_cost_the_same_on_one_core_and_two(to_wasm, called_by_text):
    """Replay runs in another process on another day; what differs there would change what was decided."""
    lowered = {"text": ("(param i32 i32 i32)", '$ask "text"')}
    binaries = [called_by_text(ECHO), called_by_text(ASKING, imports=IMPORT, lowered=lowered)]
    words = [base64.b64encode(to_wasm(text)).decode() for text in binaries]
    cores = sorted(os.sched_getaffinity(0))[:2]
    seen = set()
    for number in range(10):
        chosen = ",".join(str(core) for core in (cores if number % 2 else cores[:1]))
        env = {**os.environ, "PYTHONHASHSEED": str(number)}
        command = [sys.executable, "-c", FRESH, chosen, *words]
        seen.add(subprocess.run(command, capture_output=True, check=True, env=env).stdout)
    assert len(seen) == 1
    assert b"HostCall" in seen.pop()


class Sevens:
    """A link that answers everything with the same text."""

    def call(self, interface, function, input, *, left, charge):  # noqa: A002 the shape of every link
        """Answer one call."""
        return "7"


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="memory in use is read from /proc, which is not here")
def test_memory_and_files_stay_flat_over_a_hundred_thousand_calls(engine, to_wasm, called_by_text):
    """A few hundred bytes lost per call, or per failure, would end a node in days."""
    lowered = {"text": ("(param i32 i32 i32)", '$ask "text"')}
    asking = engine.load(to_wasm(called_by_text(ASKING, imports=IMPORT, lowered=lowered)))
    guests = [engine.load(to_wasm(called_by_text(body))) for body in (ECHO, "unreachable", fixed(0x7FFFFFF0, 16))]

    def calls(count):
        for number in range(count):
            engine.run(asking, "f", b'"x"', BUDGET, host=Sevens())
            if number % 3:
                failure(engine, guests[number % 3], ModuleFailed)
            else:
                engine.run(guests[0], "f", b'"x"', BUDGET)

    calls(2_000)
    gc.collect()
    pages, files = int(Path("/proc/self/statm").read_text().split()[1]), len(list(Path("/proc/self/fd").iterdir()))
    calls(50_000)
    gc.collect()
    grown = int(Path("/proc/self/statm").read_text().split()[1]) - pages
    assert grown * os.sysconf("SC_PAGE_SIZE") < 6 << 20
    assert len(list(Path("/proc/self/fd").iterdir())) == files
