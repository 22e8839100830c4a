"""A guest does what it likes; the host gets an answer or an error that says what happened, and goes on."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from bailiwick.engine import INPUT_BYTES_MAX, OUTPUT_BYTES_MAX, Engine, Refusal, read_answer
from bailiwick.errors import InputRefused, ModuleFailed, Unavailable, UsageRefused
from bailiwick.model import Budget, Tier

from .failing import failure, reload

FREE = "(i64.const 0)"

LOOP = "(loop $l (br $l)) unreachable"
GROW_ALL = "(loop $l (br_if $l (i32.ne (memory.grow (i32.const 1)) (i32.const -1))))"
RECURSION = "(func $deep (result i64) (i64.add (i64.const 1) (call $deep)))"
DIVIDE_BY_ZERO = " (i64.extend_i32_u (i32.div_u (i32.const 1) (i32.const 0)))"
GROW_HUGE = "(if (i32.eq (memory.grow (i32.const 9999)) (i32.const -1)) (then unreachable)) (i64.const 0)"
CLAIM_TOO_MUCH = f"(drop (memory.grow (i32.const 100))) (i64.const {OUTPUT_BYTES_MAX + 1})"
ECHO = "(i64.or (i64.shl (i64.extend_i32_u (local.get $at)) (i64.const 32)) (i64.extend_i32_u (local.get $size)))"
FILL = "(loop $l (memory.fill (i32.const 0) (i32.const 1) (i32.const 8000000)) (br $l)) unreachable"
PAGES_BY_EIGHT = "(i32.add (i32.const 48) (i32.div_u (memory.size) (i32.const 8)))"
OK = b'{"ok":1}'

FAILURES = {
    "module-out-of-fuel": {
        "loops": LOOP,
        "counts for ever": "(loop $l (local.set $i (i32.add (local.get $i) (i32.const 1))) (br $l)) unreachable",
    },
    "module-out-of-memory": {
        "takes all memory and gives up": GROW_ALL + " unreachable",
        "takes all memory and divides by zero": GROW_ALL + DIVIDE_BY_ZERO,
    },
    "module-trapped": {
        "gives up": "unreachable",
        "divides by zero": DIVIDE_BY_ZERO,
        "overflows a division": "(i64.extend_i32_s (i32.div_s (i32.const -2147483648) (i32.const -1)))",
        "converts a NaN": "(i64.trunc_f64_s (f64.const nan))",
        "reads outside": "(i64.load (i32.const 0x7ffffff0))",
        "writes outside": "(i64.store (i32.const -8) (i64.const 1)) (i64.const 0)",
        "fills outside": "(memory.fill (i32.const 0) (i32.const 1) (i32.const -1)) (i64.const 0)",
        "asks for too much at once and gives up": GROW_HUGE,
    },
    "module-answer": {
        "answers nothing": "(i64.const 0)",
        "answers outside": f"(i64.const {0x7FFFFFF0 << 32 | 16})",
        "answers over the end": f"(i64.const {(131_072 - 8) << 32 | 16})",
        "answers at the very top": "(i64.const -4294967280)",
        "answers with all there is": "(i64.const 131072)",
        "claims four gigabytes": "(i64.const 4294967295)",
        "claims more than an answer may have": CLAIM_TOO_MUCH,
        "answers -1": "(i64.const -1)",
        "returns its own input": ECHO,
    },
}


@pytest.fixture(scope="module", params=["cached", "stock"])
def either(request):
    """Give an engine with the one and with the other way of calling."""
    with Engine(marshaller=request.param) as opened:
        assert opened.marshaller == request.param
        yield opened


@pytest.mark.parametrize(
    ("code", "body"), [(code, body) for code, bodies in FAILURES.items() for body in bodies.values()]
)
def test_a_guest_that_misbehaves_fails_with_its_code_each_time(either, to_wasm, code, body):
    """A failure that varies from call to call would make decisions vary."""
    guest = reload(either, to_wasm, body)
    budget = Budget(fuel=3_000_000, memory_bytes=8 << 20, deadline_ms=60_000)
    errors = [failure(either, guest, budget) for _ in range(3)]
    assert {error.code for error in errors} == {code}
    assert len({error.message for error in errors}) == 1


@pytest.mark.parametrize(
    ("code", "alloc"),
    [
        ("module-out-of-memory", "(i32.const 0)"),
        ("module-answer", "(i32.const -1)"),
        ("module-answer", "(i32.const 131071)"),
        ("module-answer", "(i32.const -16)"),
        ("module-trapped", "unreachable"),
        ("module-out-of-fuel", "(loop $l (br $l)) unreachable"),
    ],
)
def test_a_guest_that_lies_about_room_gets_nothing_written(either, to_wasm, code, alloc):
    """A place outside the guest's memory would be a place in the host's."""
    guest = reload(either, to_wasm, FREE, alloc=alloc)
    assert failure(either, guest, Budget(fuel=1_000_000, memory_bytes=8 << 20, deadline_ms=60_000)).code == code


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b"{}",
        b"ok",
        b"\xff\xfe",
        b'{"ok":1,"error":{"code":"a","message":"b"}}',
        b'{"ok":NaN}',
        b'{"ok":1} {"ok":2}',
        b'{"ok":"\xed\xa0\x80"}',
        b'{"ok":"\\ud800"}',
        b'{"ok":1,"more":2}',
        b'{"error":null}',
        b'{"error":{"code":"a"}}',
        b'{"error":{"code":"NOT A WORD","message":"x"}}',
        b'{"error":{"code":"","message":"x"}}',
        b'{"error":{"code":"a","message":"' + b"x" * 1_001 + b'"}}',
        b'{"ok":' + b"[" * 70 + b"]" * 70 + b"}",
        b'{"ok":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"ok":' + b'{"a":' * 65 + b"1" + b"}" * 65 + b"}",
        b'{"ok":1e999999999999}',
        b"\0" * 64,
    ],
)
def test_an_answer_that_is_none_is_the_guests_failure(engine, saying, budget, answer):
    """Garbage that passed here would be parsed, stored and believed further in."""
    assert failure(engine, saying(answer), budget).code == "module-answer"


def test_an_answer_of_the_largest_size_is_read_and_one_byte_more_is_not(engine, saying, budget):
    """The limit must be where it says it is."""
    largest = b'{"ok":"' + b"x" * (OUTPUT_BYTES_MAX - 9) + b'"}'
    assert len(engine.run(saying(largest), "f", b"{}", budget).output) == OUTPUT_BYTES_MAX
    assert failure(engine, saying(largest.replace(b"xx", b"xxx", 1)), budget).code == "module-answer"


def test_a_guests_own_refusal_is_an_answer_and_not_a_failure(engine, saying, budget):
    """A row that a guest refuses is the row's fault; calling it the module's would send people the wrong way."""
    run = engine.run(saying(b'{"error":{"code":"row-number","message":"age is x"}}'), "f", b"{}", budget)
    assert read_answer(run.output) == Refusal(code="row-number", message="age is x")


def test_fractions_in_an_answer_stay_exact(saying):
    """A float on the way to a decision would round the law."""
    assert str(read_answer(b'{"ok":0.1000000000000000055511151231257827}')) == "0.1000000000000000055511151231257827"


def test_a_deadline_stops_a_guest_and_is_not_an_outcome(either, to_wasm):
    """A wall-clock stop depends on the machine's load: sealing it would make replay differ."""
    guest = reload(either, to_wasm, LOOP)
    stopped = failure(either, guest, Budget(fuel=1 << 62, memory_bytes=8 << 20, deadline_ms=40), Unavailable)
    assert stopped.code == "module-deadline"


def test_a_deadline_stops_work_that_costs_no_fuel(engine, guest_of):
    """One instruction can fill megabytes, so fuel alone does not bound time."""
    guest = guest_of(FILL, memory="128")
    budget = Budget(fuel=1 << 62, memory_bytes=16 << 20, deadline_ms=40)
    assert failure(engine, guest, budget, Unavailable).code == "module-deadline"


def test_endless_recursion_ends_at_the_fuel_or_at_the_hosts_stack(either, to_wasm):
    """How deep the native stack goes differs between machines, so its end may not decide anything."""
    guest = reload(either, to_wasm, "(call $deep)", extra=RECURSION)
    shallow = Budget(fuel=1_000, memory_bytes=8 << 20, deadline_ms=60_000)
    assert failure(either, guest, shallow).code == "module-out-of-fuel"
    assert failure(either, guest, Tier.LIGHTWEIGHT.budget, Unavailable).code == "module-call-stack"
    with ThreadPoolExecutor(1) as pool:
        elsewhere = pool.submit(failure, either, guest, Tier.LIGHTWEIGHT.budget, Unavailable).result()
    assert elsewhere.code == "module-call-stack"


def test_data_that_does_not_fit_memory_fails_before_any_call(either, to_wasm, budget):
    """Instantiation is work of the guest too, and its trap must not look like the host's trouble."""
    guest = reload(either, to_wasm, FREE, extra='(data (i32.const 131070) "abcdef")')
    assert failure(either, guest, budget).code == "module-trapped"


def test_memory_over_the_budget_fails_the_same_way_each_time(engine, guest_of):
    """What fits depends on the budget of the call alone."""
    guest = guest_of(FREE, memory="32")
    assert (
        failure(engine, guest, Budget(fuel=1, memory_bytes=1 << 20, deadline_ms=1_000)).code == "module-out-of-memory"
    )


def test_memory_ends_exactly_at_the_budget(engine, guest_of, saying):
    """A page more would break the tier's promise, a page less the author's."""
    pages = guest_of(
        f"{GROW_ALL} (i32.store8 (i32.const 6) {PAGES_BY_EIGHT}) (i64.const 8)",
        extra='(data (i32.const 0) "{\\22ok\\22:0}")',
    )
    run = engine.run(pages, "f", b"{}", Budget(fuel=1_000_000, memory_bytes=40 << 16, deadline_ms=60_000))
    assert read_answer(run.output) == 5
    assert run.memory_bytes == 40 << 16


def test_table_growth_is_bounded(engine, guest_of, budget):
    """A table is host memory that the linear limit does not count."""
    guest = guest_of(
        "(loop $l (br_if $l (i32.ne (table.grow 0 (ref.null func) (i32.const 1000)) (i32.const -1)))) "
        "(i32.store8 (i32.const 6) (i32.add (i32.const 48) (i32.gt_u (table.size 0) (i32.const 65536)))) (i64.const 8)",
        extra='(table 1 funcref) (data (i32.const 0) "{\\22ok\\22:0}")',
    )
    assert read_answer(engine.run(guest, "f", b"{}", budget).output) == 0


def test_nothing_survives_from_one_call_to_the_next(engine, guest_of, budget):
    """A guest that remembers could tell one tenant what another sent."""
    counting = guest_of(
        "(i32.store8 (i32.const 6) (i32.add (i32.load8_u (i32.const 6)) (i32.const 1))) (i64.const 8)",
        extra='(data (i32.const 0) "{\\22ok\\22:0}")',
    )
    assert [read_answer(engine.run(counting, "f", b"{}", budget).output) for _ in range(5)] == [1] * 5


def test_a_nan_has_one_form(engine, guest_of, budget):
    """Processors differ in the bits of a NaN that they make; canonical ones do not."""
    guest = guest_of(
        """(i32.store8 (i32.const 6) (i32.add (i32.const 48) (i64.eq
             (i64.reinterpret_f64 (f64.add (f64.reinterpret_i64 (i64.const 0xfff4000000000123)) (f64.const 1)))
             (i64.const 0x7ff8000000000000)))) (i64.const 8)""",
        extra='(data (i32.const 0) "{\\22ok\\22:0}")',
    )
    assert read_answer(engine.run(guest, "f", b"{}", budget).output) == 1


def test_the_guest_sees_the_function_and_the_input_as_given(either, to_wasm, budget):
    """An envelope that changed the input would make the recorded input a lie."""
    guest = reload(
        either,
        to_wasm,
        "(i32.store8 (i32.add (local.get $at) (local.get $size)) (i32.const 0x7d)) "
        "(i64.or (i64.const 8770323218432) (i64.extend_i32_u (i32.add (local.get $size) (i32.const 7))))",
        alloc="(i32.const 2048)",
        extra='(data (i32.const 2042) "{\\22ok\\22:")',
    )
    assert 8770323218432 == 2042 << 32
    answer = read_answer(either.run(guest, "rows.observe", b' {"a" : [1, "\\u00e9\xc3\xa9"]}\n', budget).output)
    assert answer == {"function": "rows.observe", "input": {"a": [1, "éé"]}}


@pytest.mark.parametrize("name", ["", "Observe", "a" * 65, 'f","input":1,"x":"', "f\n", "ünder"])
def test_a_function_that_cannot_be_one_is_the_callers_mistake(engine, saying, budget, name):
    """A name that breaks out of its quotes could change what is asked."""
    with pytest.raises(UsageRefused) as caught:
        engine.run(saying(OK), name, b"{}", budget)
    assert caught.value.code == "module-function"


@pytest.mark.parametrize("text", [b"", b"{", b'1},"function":"x"', b"\xff", b'"\xff"', b"[" * 200_000, b"1 2"])
def test_an_input_that_is_not_json_is_the_callers_mistake(engine, saying, budget, text):
    """Bytes spliced into the envelope unchecked could close it and open another."""
    with pytest.raises(UsageRefused) as caught:
        engine.run(saying(OK), "f", text, budget)
    assert caught.value.code == "module-input"


def test_an_input_of_the_largest_size_arrives_and_one_byte_more_does_not(engine, guest_of, budget):
    """The limit must be where it says it is."""
    guest = guest_of("(i64.const 8)", memory="80", extra='(data (i32.const 0) "{\\22ok\\22:0}")')
    largest = b'"' + b"x" * (INPUT_BYTES_MAX - 2) + b'"'
    assert engine.run(guest, "f", largest, budget).output == b'{"ok":0}'
    with pytest.raises(InputRefused) as caught:
        engine.run(guest, "f", largest.replace(b"xx", b"xxx", 1), budget)
    assert caught.value.code == "module-input-too-large"


def test_an_input_larger_than_the_guests_memory_is_the_guests_failure(engine, saying, budget):
    """The message must not be written past the end of memory."""
    with pytest.raises(ModuleFailed) as caught:
        engine.run(saying(OK), "f", b'"' + b"x" * 200_000 + b'"', budget)
    assert caught.value.code == "module-answer"
