"""What a guest asks of the host: answered, refused, counted and kept; a failing host is no outcome."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from bailiwick.engine import Engine, read_answer
from bailiwick.engine.host import HOST_CALLS_MAX, HostRefused, TranscriptHost
from bailiwick.errors import ModuleFailed, ModuleRefused, NotFound, Unavailable
from bailiwick.model import Budget, HostCall

BUDGET = Budget(fuel=50_000_000, memory_bytes=8 << 20, deadline_ms=60_000)
ASK = "bailiwick:demo/ask@0.1.0"
FAILURE = '(record (field "code" string) (field "message" string))'
IMPORTS = f"""(import "{ASK}" (instance $ask
  (type $f0 {FAILURE}) (export "failure" (type $failure (eq $f0)))
  (export "text" (func (param "question" string) (result (result string (error $failure)))))
  (export "plain" (func (param "number" u32) (result u32)))
  (export "note" (func (param "message" string)))))"""
LOWERED = {
    "text": ("(param i32 i32 i32)", '$ask "text"'),
    "plain": ("(param i32) (result i32)", '$ask "plain"'),
    "note": ("(param i32 i32)", '$ask "note"'),
}
RESULT = "(i32.store8 (i32.const 16) (i32.const 0)) (i32.const 16)"
PASS_ON = """(call $text (local.get 2) (local.get 3) (i32.const 48))
  (i32.store8 (i32.const 16) (i32.load8_u (i32.const 48)))
  (i32.store (i32.const 20) (i32.load (i32.const 52))) (i32.store (i32.const 24) (i32.load (i32.const 56)))
  (i32.const 16)"""
"""Asks with its input and answers with the answer, or with the code of the failure."""
TWICE = "(drop (call $plain (i32.const 7)))" * 2 + "(i32.store (i32.const 20) (local.get 2))"
TWICE += "(i32.store (i32.const 24) (local.get 3))" + RESULT
FOR_EVER = "(loop $l (drop (call $plain (i32.const 1))) (br $l)) unreachable"
CORE_ASK = """(call $host (i32.const 65536) (i32.const %d))"""


class Answers:
    """A link that does what a function says, and remembers what it was asked."""

    def __init__(self, answer):
        self.answer = answer
        self.asked = []

    def call(self, interface, function, input, *, left, charge):  # noqa: A002 the shape of every link
        """Answer one call."""
        self.asked.append((interface, function, input, left))
        return self.answer(function, input, left, charge)


def echo(function, question, left, charge):
    """Answer with what was asked, as JSON text."""
    return json.dumps(question) if function == "text" else 7


def refuse(function, question, left, charge):
    """Say no."""
    raise HostRefused("not-today", "come back tomorrow")


@pytest.fixture(scope="module")
def asking(engine, to_wasm, called_by_text):
    """Give a function that loads a component which asks the host in its ``call``."""
    return lambda body: engine.load(to_wasm(called_by_text(body, imports=IMPORTS, lowered=LOWERED)))


@pytest.fixture(scope="module")
def core_asking(engine, to_wasm):
    """Give a function that loads a core module which asks the host once with the given bytes, and answers with that."""

    def build(question, alloc="(i32.const 1024)", load_with=engine):
        data = "".join(f"\\{byte:02x}" for byte in question)
        return load_with.load(
            to_wasm(f"""(module (import "bailiwick" "call" (func $host (param i32 i32) (result i64)))
              (memory (export "memory") 4) (data (i32.const 65536) "{data}")
              (func (export "alloc") (param i32) (result i32) {alloc})
              (func (export "run") (param i32 i32) (result i64) {CORE_ASK % len(question)}))""")
        )

    return build


def failure(engine, guest, link, kind=ModuleFailed, budget=BUDGET):
    """Run what must fail, and give the error."""
    with pytest.raises(kind) as caught:
        engine.run(guest, "f", b'"q"', budget, host=link)
    return caught.value


def test_memory_that_grows_between_questions_is_read_and_written_where_it_grew(engine, to_wasm):
    """Wrong if the host went on with the memory as it was at the first question."""
    asked = json.dumps({"interface": ASK, "function": "text", "input": "grown"}).encode()
    data = "".join(f"\\{byte:02x}" for byte in asked)
    guest = engine.load(
        to_wasm(f"""(module (import "bailiwick" "call" (func $host (param i32 i32) (result i64)))
          (memory (export "memory") 1) (data (i32.const 1024) "{data}")
          (func (export "alloc") (param i32) (result i32) (i32.mul (memory.grow (i32.const 1)) (i32.const 65536)))
          (func (export "run") (param i32 i32) (result i64) (local $at i32)
            (drop (call $host (i32.const 1024) (i32.const {len(asked)})))
            (local.set $at (i32.mul (memory.grow (i32.const 2)) (i32.const 65536)))
            (memory.copy (local.get $at) (i32.const 1024) (i32.const {len(asked)}))
            (call $host (local.get $at) (i32.const {len(asked)}))))""")
    )
    run = engine.run(guest, "f", b'"q"', BUDGET, host=Answers(echo))
    assert read_answer(run.output) == '"grown"'
    assert [each.input for each in run.transcript] == ["grown", "grown"]
    assert run.memory_bytes == 6 * 65_536


def test_imports_are_read_from_the_binary(asking, core_asking):
    """What a manifest claims to import and what the binary imports would be two things."""
    assert asking(PASS_ON).imports == (f"{ASK}#note", f"{ASK}#plain", f"{ASK}#text")
    assert core_asking(b"").imports == ("bailiwick#call",)


def test_a_component_asks_the_host_and_the_transcript_has_it(engine, asking):
    """A call of the host that left no trace could never be replayed."""
    link = Answers(echo)
    run = engine.run(asking(PASS_ON), "f", b'"q"', BUDGET, host=link)
    assert run.output == b'{"ok":{"question": "\\"q\\""}}'
    assert run.transcript == (
        HostCall(interface=ASK, function="text", input={"question": '"q"'}, output='{"question": "\\"q\\""}'),
    )
    left = link.asked[0][3]
    assert BUDGET.fuel - 2_000 < left.fuel < BUDGET.fuel
    assert 0 < left.deadline_ms <= BUDGET.deadline_ms
    assert left.memory_bytes == BUDGET.memory_bytes


def test_a_core_guest_asks_through_its_one_import(engine, core_asking):
    """The simplest guests would have to be rewritten as components to read a clock."""
    question = b'{"interface":"a:b/c@1.0.0","function":"now","input":{"x":[1,null]}}'
    link = Answers(lambda *rest: {"at": 12})
    run = engine.run(core_asking(question), "f", b"{}", BUDGET, host=link)
    assert read_answer(run.output) == {"at": 12}
    assert run.transcript == (
        HostCall(interface="a:b/c@1.0.0", function="now", input={"x": [1, None]}, output={"at": 12}),
    )


def test_either_way_of_calling_core_guests_asks_the_same(core_asking):
    """Fuel is in the record, and may not depend on the way of calling."""
    question = b'{"interface":"a","function":"b"}'
    with Engine() as fast, Engine(marshaller="stock") as slow:
        runs = [
            each.run(core_asking(question, load_with=each), "f", b"{}", BUDGET, host=Answers(lambda *rest: 1))
            for each in (fast, slow)
        ]
    assert runs[0] == runs[1]


@pytest.mark.parametrize("question", [b"", b"{", b"\xff", b'{"interface":1,"function":"x"}', b'{"interface":"a"}'])
def test_a_question_that_is_none_is_answered_with_that(engine, core_asking, question):
    """The host must neither guess nor fall over what a guest writes."""
    link = Answers(echo)
    run = engine.run(core_asking(question), "f", b"{}", BUDGET, host=link)
    assert read_answer(run.output).code == "host-call"
    assert link.asked == []


@pytest.mark.parametrize(("place", "size"), [(-8, 16), (65_536, -1), (0, 0x7FFFFFFF), (262_143, 2), (0, (4 << 20) + 1)])
def test_a_question_outside_memory_ends_the_run(engine, to_wasm, place, size):
    """A place outside the guest's memory would be a place in the host's."""
    guest = engine.load(
        to_wasm(f"""(module (import "bailiwick" "call" (func $host (param i32 i32) (result i64)))
          (memory (export "memory") 4) (func (export "alloc") (param i32) (result i32) (i32.const 8))
          (func (export "run") (param i32 i32) (result i64) (call $host (i32.const {place}) (i32.const {size}))))""")
    )
    assert failure(engine, guest, Answers(echo)).code == "module-host-call"


@pytest.mark.parametrize(
    ("alloc", "code"),
    [
        ("(i32.const -4)", "module-host-call"),
        ("(i32.const 0)", "module-host-call"),
        ("unreachable", "module-trapped"),
        ("(loop $l (br $l)) unreachable", "module-out-of-fuel"),
        ("(drop (call $host (i32.const 65536) (i32.const 2))) (i32.const 8)", "module-host-call"),
    ],
)
def test_a_guest_that_lies_about_room_for_an_answer_is_stopped(engine, core_asking, alloc, code):
    """The first alloc is for the input: it behaves there, and not when the host's answer is placed."""
    was_called = "(i32.store (i32.const 0) (i32.const 1))"
    once = f"(if (i32.eqz (i32.load (i32.const 0))) (then {was_called} (return (i32.const 512))))"
    first = f"{once} {alloc}"
    guest = core_asking(b'{"interface":"a","function":"b"}', alloc=first)
    assert failure(engine, guest, Answers(echo)).code == code


def test_without_a_link_every_call_is_refused(engine, asking, core_asking):
    """Zero capabilities by default."""
    run = engine.run(asking(PASS_ON), "f", b'"q"', BUDGET)
    assert read_answer(run.output).code == "denied"
    assert run.transcript[0].error["code"] == "denied"
    core = engine.run(core_asking(b'{"interface":"a","function":"b"}'), "f", b"{}", BUDGET)
    assert read_answer(core.output).code == "denied"


def test_a_refusal_is_an_answer_where_the_function_can_say_it(engine, asking):
    """A guest that is told no can go on; one that cannot be told is stopped, with the reason."""
    run = engine.run(asking(PASS_ON), "f", b'"q"', BUDGET, host=Answers(refuse))
    assert read_answer(run.output).code == "not-today"
    stopped = failure(engine, asking(TWICE), Answers(refuse))
    assert stopped.code == "module-host-call"
    assert "not-today" in stopped.message
    assert [each.error["code"] for each in stopped.transcript] == ["not-today"]


@pytest.mark.parametrize("error", [ValueError("secret"), RecursionError(), MemoryError(), NotFound("x", hint="y")])
def test_a_host_that_fails_is_unavailable_and_says_nothing_to_the_guest(engine, asking, core_asking, error):
    """The host's trouble sealed as the guest's failure would be a lie, and a traceback in its hands a leak."""

    def fail(*rest):
        raise error

    for guest in (asking(PASS_ON), core_asking(b'{"interface":"a","function":"b"}')):
        failed = failure(engine, guest, Answers(fail), Unavailable)
        assert failed.code == "host-failed"
        assert "secret" not in failed.message
        assert failed.__cause__ is error


def test_an_unavailable_service_and_an_interrupt_pass_as_they_are(engine, asking):
    """Who stops the process with a key must be obeyed, also inside a callback."""

    def unavailable(*rest):
        raise Unavailable("busy", hint="wait", code="service-busy")

    def interrupted(*rest):
        raise KeyboardInterrupt

    assert failure(engine, asking(PASS_ON), Answers(unavailable), Unavailable).code == "service-busy"
    failure(engine, asking(PASS_ON), Answers(interrupted), KeyboardInterrupt)
    assert engine.run(asking(PASS_ON), "f", b'"q"', BUDGET, host=Answers(echo)).fuel > 0


@pytest.mark.parametrize("answer", [-1, 2**32, "7", None, 1.0, True, {"ok": 7}])
def test_an_answer_that_does_not_fit_its_type_is_the_hosts_failure(engine, asking, answer):
    """A value written where another type is read would be read as something else."""
    link = Answers(lambda *rest: answer)
    assert failure(engine, asking(TWICE), link, Unavailable).code == "host-answer"


def test_the_host_takes_fuel_from_the_guests_budget(engine, asking):
    """A guest could have the host work for it for nothing."""

    def costly(function, question, left, charge):
        charge(1_000_000)
        return 7

    guest = asking(TWICE)
    free = engine.run(guest, "f", b"1", BUDGET, host=Answers(echo))
    paid = engine.run(guest, "f", b"1", BUDGET, host=Answers(costly))
    assert paid.fuel == free.fuel + 2_000_000
    assert [each.fuel for each in paid.transcript] == [1_000_000] * 2
    little = Budget(fuel=1_500_000, memory_bytes=8 << 20, deadline_ms=60_000)
    short = failure(engine, guest, Answers(costly), ModuleFailed, little)
    assert short.code == "module-out-of-fuel"
    assert [each.error and each.error["code"] for each in short.transcript] == [None, "out-of-fuel"]


def test_fuel_is_taken_only_during_a_call_and_never_given_back(engine, asking):
    """A link that kept the function could change another moment of the run, or another run."""
    kept = []

    def keeping(function, question, left, charge):
        kept.append(charge)
        charge(-1)

    assert failure(engine, asking(TWICE), Answers(keeping), Unavailable).code == "host-failed"


def test_calls_of_the_host_are_counted_and_bounded(engine, asking):
    """A transcript without an end would fill the host's memory."""
    stopped = failure(engine, asking(FOR_EVER), Answers(echo))
    assert stopped.code == "module-host-call"
    assert len(stopped.transcript) == HOST_CALLS_MAX


def test_a_transcript_answers_the_same_run_again(engine, asking):
    """Replay feeds back what was answered: clocks, dice and the fuel that the host took."""
    numbers = iter(range(100))

    def counting(function, question, left, charge):
        charge(next(numbers))
        return next(numbers)

    guest = asking(TWICE)
    first = engine.run(guest, "f", b"1", BUDGET, host=Answers(counting))
    again = TranscriptHost(first.transcript)
    assert engine.run(guest, "f", b"1", BUDGET, host=again) == first
    again.check_finished()
    refused = engine.run(asking(PASS_ON), "f", b'"q"', BUDGET, host=Answers(refuse))
    assert engine.run(asking(PASS_ON), "f", b'"q"', BUDGET, host=TranscriptHost(refused.transcript)) == refused


def test_a_run_that_differs_from_its_transcript_is_found_out(engine, asking):
    """A module that asks something else is not being replayed."""
    run = engine.run(asking(PASS_ON), "f", b'"q"', BUDGET, host=Answers(echo))
    for transcript, question in [(run.transcript, b'"other"'), ((), b'"q"')]:
        with pytest.raises(Unavailable) as caught:
            engine.run(asking(PASS_ON), "f", question, BUDGET, host=TranscriptHost(transcript))
        assert caught.value.code == "transcript-differs"
    left = TranscriptHost(run.transcript * 2)
    engine.run(asking(PASS_ON), "f", b'"q"', BUDGET, host=left)
    with pytest.raises(Unavailable):
        left.check_finished()


def test_runs_nest_up_to_a_bound(engine, asking):
    """Each nested run may use a whole native stack; one too many would end the process."""
    guest, depths = asking(TWICE), []

    def deeper(function, question, left, charge):
        depths.append(1)
        engine.run(guest, "f", b"1", BUDGET, host=Answers(deeper))
        return 7

    failed = failure(engine, guest, Answers(deeper), Unavailable)
    while isinstance(failed.__cause__, Unavailable):
        failed = failed.__cause__
    assert len(depths) == 10
    assert engine.run(guest, "f", b"1", BUDGET, host=Answers(echo)).transcript


def test_errors_of_hosts_in_two_threads_stay_apart(engine, asking):
    """The package keeps one error for all threads: carried there, a tenant would read another's."""
    guest = asking(PASS_ON)

    def work(number):
        def fail(*rest):
            raise Unavailable(f"number {number}", hint="none", code="test")

        return {failure(engine, guest, Answers(fail), Unavailable).message for _ in range(200)}

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(work, range(8))) == [{f"number {number}"} for number in range(8)]


def test_a_core_guest_imports_nothing_else(engine, to_wasm):
    """Any other import would be code of the host that nobody granted."""
    for kind in ("(func (param i32) (result i64))", "(global i32)", "(memory 1)"):
        text = f"""(module (import "bailiwick" "call" {kind}) (memory (export "memory") 1)
          (func (export "alloc") (param i32) (result i32) (i32.const 8))
          (func (export "run") (param i32 i32) (result i64) (i64.const 0)))"""
        with pytest.raises(ModuleRefused) as caught:
            engine.load(to_wasm(text))
        assert caught.value.code in {"module-imports", "module-memory", "module-invalid"}


def test_a_link_of_another_kind_is_refused_as_the_host_failing(engine, asking):
    """A link without a call is the operator's mistake and not the module's."""
    assert failure(engine, asking(TWICE), object(), Unavailable).code == "host-failed"


def test_time_that_the_host_takes_counts_against_the_deadline(to_wasm, called_by_text):
    """The engine's clock does not stop host code: a slow service must end the run as soon as it comes back to it."""
    with Engine() as engine:
        guest = engine.load(to_wasm(called_by_text(TWICE, imports=IMPORTS, lowered=LOWERED)))
        left_ms = []

        def slow(function, question, left, charge):
            left_ms.append(left.deadline_ms)
            engine._ticker.count += 1_000_000
            return 7

        stopped = failure(engine, guest, Answers(slow), Unavailable)
    assert stopped.code == "module-deadline"
    assert len(left_ms) == 1
