"""Guests that are admitted and then do harm: bombs, loops, answers and questions outside their memory, re-entry."""

from __future__ import annotations

import pytest

from bailiwick.engine import Engine
from bailiwick.errors import BailiwickError, ModuleFailed, Unavailable
from bailiwick.model import Budget
from tests.hostile.guests import CLOCK, ECHO, TYPED, asking_component, asking_with, component, core
from tests.hostile.stand import BUDGET, Stand, dice_of, ending_of, told
from tests.supervisor.conftest import asking, wasm_of

LOOP = "(loop $again (br $again)) (unreachable)"
GROW = "(loop $again (br_if $again (i32.ne (memory.grow (i32.const 1)) (i32.const -1))))"
STACK = {"module-call-stack", "module-out-of-fuel"}
BOMBS: dict[str, tuple[set[str], str]] = {
    "memory": ({"module-out-of-memory"}, core(GROW + "(unreachable)")),
    "memory in alloc": ({"module-out-of-memory"}, core("(i64.const 0)", alloc=GROW + "(unreachable)")),
    "memory at once": ({"module-trapped"}, core("(i64.load (i32.mul (memory.grow (i32.const 65535)) (i32.const 4)))")),
    "tables": (
        {"module-out-of-fuel", "module-answer"},
        core(
            "(loop $again (br_if $again (i32.ne (table.grow $t (ref.null func) (i32.const 999)) (i32.const -1))))"
            "(i64.const 0)",
            extra="(table $t 1 funcref)",
        ),
    ),
    "filling a table": (
        {"module-out-of-fuel"},
        core(
            "(loop $again (table.fill $t (i32.const 0) (ref.null func) (i32.const 60000)) (br $again)) (unreachable)",
            extra="(table $t 60000 funcref)",
        ),
    ),
    "filling memory": (
        {"module-out-of-fuel"},
        core(
            "(loop $again (memory.fill (i32.const 0) (i32.const 1) (i32.const 130000)) (br $again)) (unreachable)"
        ),
    ),
    "recursion": (STACK, core("(call $deep) (i64.const 0)", extra="(func $deep (call $deep) (call $deep))")),
    "recursion with a frame": (
        STACK,
        core(
            "(drop (call $deep (i64.const 1))) (i64.const 0)",
            extra="(func $deep (param i64) (result i64) (i64.add (call $deep (local.get 0)) (local.get 0)))",
        ),
    ),
    "recursion in alloc": (STACK, core("(i64.const 0)", alloc="(call $d) (i32.const 8)", extra="(func $d (call $d))")),
    "loop": ({"module-out-of-fuel"}, core(LOOP)),
    "loop in alloc": ({"module-out-of-fuel"}, core("(i64.const 0)", alloc=LOOP)),
    "start that loops": ({"module-start"}, core("(i64.const 0)", extra=f"(func $s {LOOP}) (start $s)")),
    "data outside": ({"module-trapped"}, core("(i64.const 0)", extra='(data (i32.const 0x7fffffff) "x")')),
    "elements outside": (
        {"module-trapped"},
        core("(i64.const 0)", extra="(table 1 funcref) (elem (i32.const 9) $f) (func $f)"),
    ),
    "too many tables": ({"module-tables"}, core("(i64.const 0)", extra="(table 1 funcref)" * 5)),
    "a large table": ({"module-tables"}, core("(i64.const 0)", extra="(table 65537 funcref)")),
    "memory of 4 GiB": ({"module-memory"}, core("(i64.const 0)", memory="65536")),
    "a component that loops": ({"module-out-of-fuel"}, component(LOOP)),
    "a component that starts with a loop": (
        {"module-out-of-fuel"},
        component().replace("(core module $Main ", f"(core module $Main (start $s) (func $s {LOOP}) ").replace(
            f'(start $s) (func $s {LOOP}) (import "libc" "memory" (memory 0)) ',
            f'(import "libc" "memory" (memory 0)) (start $s) (func $s {LOOP})',
        ),
    ),
    "a component that recurses": (
        STACK,
        component("(call $d) " + ECHO).replace(
            '(func (export "call") (param i32', '(func $d (call $d)) (func (export "call") (param i32', 1
        ),
    ),
    "a component that fills its memory": (
        {"module-trapped", "module-out-of-memory"}, component(GROW + "(unreachable)")
    ),
}  # fmt: skip


@pytest.fixture(scope="module", params=["cached pooling", "stock on-demand"])
def either(request, engine):
    """Give the engine as it is, and one that calls and allocates the plain way."""
    if request.param.startswith("cached"):
        yield engine
        return
    with Engine(marshaller="stock", allocator="on-demand") as opened:
        yield opened


@pytest.mark.parametrize(("codes", "text"), BOMBS.values(), ids=BOMBS.keys())
def test_a_bomb_ends_with_its_code_the_same_way_each_time(stand: Stand, either: Engine, codes, text):
    """Wrong if a guest could take more than its budget, hang the host, or fail differently from call to call."""
    codes_seen = {ending_of(either, wasm_of(text)) for _ in range(3)}
    assert codes_seen <= codes, codes_seen
    assert len(codes_seen) == 1
    stand.neighbour_is_right()


@pytest.mark.parametrize("name", [name for name, (codes, _) in BOMBS.items() if codes & STACK | {"module-out-of-fuel"}])
def test_a_bomb_that_is_called_leaves_a_record_and_the_neighbour_alone(stand: Stand, name: str):
    """Wrong if a call that ended badly were not in the ledger, or told of under another outcome than its own."""
    codes, text = BOMBS[name]
    form = "component-call/1" if "component" in name else "core-json/1"
    try:
        stand.add("bomb", text, abi=form)
    except BailiwickError as refused:
        assert refused.code in codes  # noqa: PT017 some are refused when they are installed, which is earlier still
        assert stand.house.types()[-1] == "module.refused"
        return
    with pytest.raises((ModuleFailed, Unavailable)) as caught:
        stand.call("bomb")
    record = stand.house.events()[-1]
    kind = "failed" if isinstance(caught.value, ModuleFailed) else "unavailable"
    assert (record.event_type, record.detail["outcome"], record.detail["code"]) == (
        "module.called", kind, caught.value.code,
    )  # fmt: skip
    if kind == "failed":
        assert stand.fleet.replay("local", record.index).differing == ()


PLACES = {
    "outside": (0x7FFF_FFF0 << 32) | 16,
    "over the end": (131_072 - 8) << 32 | 16,
    "just behind the end": 131_072 << 32 | 1,
    "all of 2^32": 0xFFFF_FFFF_FFFF_FFFF,
    "wraps round": 0xFFFF_FFF0_0000_0020,
    "negative place": 0x8000_0000_0000_0010,
    "4 GiB long": 0xFFFF_FFFF,
    "1 MiB and a byte": (1 << 20) + 1,
}


@pytest.mark.parametrize("result", PLACES.values(), ids=PLACES.keys())
def test_an_answer_outside_memory_is_the_guests_failure(stand: Stand, either: Engine, result: int):
    """Wrong if a guest could have the host read its own memory, or anybody else's."""
    assert ending_of(either, wasm_of(core(f"(i64.const {result})"))) == "module-answer"
    stand.neighbour_is_right()


@pytest.mark.parametrize(
    ("place", "code"),
    [
        ("-1", "module-answer"),
        ("0", "module-out-of-memory"),
        ("131071", "module-answer"),
        ("0x80000000", "module-answer"),
    ],
)
def test_room_outside_memory_is_the_guests_failure(stand: Stand, either: Engine, place: str, code: str):
    """Wrong if a guest could have the host write outside the guest."""
    assert ending_of(either, wasm_of(core("(i64.const 0)", alloc=f"(i32.const {place})"))) == code
    stand.neighbour_is_right()


SIZES = ("-1", "0x7fffffff", "0x80000000", "0xfffffff0", "4194305", "1310720")
ENDS = ("-1", "0x7fffffff", "0x80000000", "1310719", "1310720", "0")


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("place", ENDS)
def test_a_question_of_four_gigabytes_or_outside_memory_ends_its_guest(stand: Stand, place: str, size: str):
    """Wrong if place and size that overflow 32 bits together made the host read where the guest is not."""
    if (place, size) == ("0", "1310720"):
        pytest.skip("that is all of its memory, and inside")
    guest = asking_with(f"(i32.const {place})", f"(i32.const {size})")
    assert ending_of(stand.engine, wasm_of(guest)) == "module-host-call"
    stand.neighbour_is_right()


@pytest.mark.parametrize(
    "room", ["(i32.const -1)", "(i32.const 0)", "(i32.const 1310719)", "(i32.const 0x80000000)", "(unreachable)", LOOP]
)
def test_room_for_an_answer_of_the_host_that_lies_outside_ends_its_guest(stand: Stand, room: str):
    """Wrong if the host's answer could be written outside the guest, or its alloc could take the host down."""
    first = "(then (i32.store (i32.const 8) (i32.const 1)) (i32.const 64))"
    once = f"(if (result i32) (i32.eqz (i32.load (i32.const 8))) {first} (else {room}))"
    stand.add("asks", asking_with("(i32.const 524288)", "(i32.const 2)", alloc=once, data=b"{}"), asking(CLOCK, "now"))
    with pytest.raises(ModuleFailed) as caught:
        stand.call("asks")
    assert caught.value.code in {"module-host-call", "module-trapped", "module-out-of-fuel"}
    assert stand.fleet.replay("local", stand.house.events()[-1].index).differing == ()


def test_a_guest_that_comes_back_in_from_a_host_call_is_ended(stand: Stand):
    """Wrong if alloc, which the host calls while it answers, could ask the host again and again, ever deeper."""
    again = "(drop (call $call (i32.const 524288) (i32.const 2))) (i32.const 131088)"
    stand.add(
        "again", asking_with("(i32.const 524288)", "(i32.const 2)", alloc=again, data=b"{}"), asking(CLOCK, "now")
    )
    with pytest.raises(ModuleFailed) as caught:
        stand.call("again")
    assert caught.value.code == "module-host-call"


@pytest.mark.parametrize("answer", ["x" * 100, "x" * (1 << 20), list(range(50_000))], ids=["small", "large", "many"])
def test_answers_of_the_host_that_do_not_fit_are_the_guests_failure(stand: Stand, answer):
    """Wrong if what a service says could be written over the end of a guest's memory."""

    class Says:
        def call(self, interface, function, input, *, left, charge):  # noqa: A002 the shape of a link
            return answer

    question = b'{"interface":"a","function":"b"}'
    text = asking_with("(i32.const 524288)", f"(i32.const {len(question)})", alloc="(i32.const 1310700)", data=question)
    ending = ending_of(stand.engine, wasm_of(text), host=Says())
    assert ending in {"module-answer", "module-host-call"}
    stand.neighbour_is_right()


TEXT_PLACES = ("0", "-1", "0xfffffff0", "65536", "65530", "0x7fffffff")
TEXT_SIZES = ("0", "-1", "0xffffffff", "16", "0x7fffffff", "65537")


def test_texts_that_a_component_gives_the_host_from_anywhere_end_that_component_alone(stand: Stand):
    """Wrong if place and size of a component's argument were believed."""
    kind = '(param "level" $l) (param "message" string) (result (result (error $failure)))'
    types = '(type $e (enum "debug" "info" "warn" "error")) (export "level" (type $l (eq $e)))'
    for place in TEXT_PLACES:
        for size in TEXT_SIZES:
            for level in ("0", "9"):
                with told((place, size, level)):
                    arguments = f"(i32.const {level}) (i32.const {place}) (i32.const {size}) (i32.const 256)"
                    text = asking_component(
                        "bailiwick:log/log@0.1.0", "write", kind, "(param i32 i32 i32 i32)", arguments, types
                    )
                    is_fine = level == "0" and place in ("0",) and size in ("0", "16")
                    code = ending_of(stand.engine, wasm_of(text))
                    assert code == ("ran" if is_fine else code)
                    assert code in {"ran", "module-answer", "module-trapped"}
        stand.neighbour_is_right()


def test_lists_of_four_gigabytes_from_a_component_with_types_are_refused_before_they_are_read(stand: Stand):
    """Wrong if each value of a list, which takes 32 bytes on this side, could be asked for by the thousand million."""
    for size in ("-1", "0x7fffffff", "0x10000000", "40000"):
        for place in ("0", "-1", "65536", "1"):
            with told((place, size)):
                body = f"(i32.store (i32.const 16) (i32.const {place})) (i32.store (i32.const 20) (i32.const {size}))"
                start = TYPED.index("(i32.store (i32.const 16) (local.get 0))")
                end = TYPED.index("(i32.const 16)))", start)
                guest = stand.engine.load(wasm_of(TYPED[:start] + body + TYPED[end:]))
                with pytest.raises(ModuleFailed) as caught:
                    stand.engine.run(guest, "list", b'{"x":[1,2,3]}', BUDGET)
                assert caught.value.code == "module-answer"
    stand.neighbour_is_right()


def test_the_largest_list_that_is_read_is_bounded_whatever_the_tier(stand: Stand):
    """Wrong if a guest with the memory of the largest tier could have the host hold 32 times that."""
    heavy = Budget(fuel=10**10, memory_bytes=256 << 20, deadline_ms=60_000)
    body = "(i32.store (i32.const 16) (i32.const 0)) (i32.store (i32.const 20) (i32.const 0x6000000))"
    start = TYPED.index("(i32.store (i32.const 16) (local.get 0))")
    end = TYPED.index("(i32.const 16)))", start)
    text = (TYPED[:start] + body + TYPED[end:]).replace(
        '(memory (export "memory") 1)', '(memory (export "memory") 4000)'
    )
    guest = stand.engine.load(wasm_of(text))
    with pytest.raises(ModuleFailed) as caught:
        stand.engine.run(guest, "list", b'{"x":[]}', heavy)
    assert caught.value.code == "module-answer"
    stand.neighbour_is_right()


ANSWERS = [
    b"", b"null", b"{}", b'{"ok":1}{"ok":2}', b'{"ok":NaN}', b'{"ok":"\xff"}', b'{"ok":"\\ud800"}', b'{"ok":1e999}',
    b'\xef\xbb\xbf{"ok":1}', b'{"ok":1,"error":{"code":"x","message":"y"}}',
    b'{"error":{"code":"NOT A WORD","message":"y"}}', b'{"error":{"code":"x","message":"y","more":1}}',
    b'{"error":{"code":"x","message":"%b"}}' % (b"y" * 1_001), b'{"ok":%b}' % (b"9" * 5_000),
    b'{"ok":%b1%b}' % (b"[" * 65, b"]" * 65), b'{"ok":%b1%b}' % (b"[" * 20_000, b"]" * 20_000),
]  # fmt: skip


@pytest.mark.parametrize("number", range(len(ANSWERS)))
def test_what_is_no_answer_is_the_guests_failure_in_the_ledger(stand: Stand, number: int):
    """Wrong if a guest's bytes could break the record of its own call, or the next reader of it."""
    said = ANSWERS[number]
    data = "".join(f"\\{byte:02x}" for byte in said)
    body = f"(i64.const {65_536 << 32 | len(said)})"
    stand.add("says", core(body, extra=f'(data (i32.const 65536) "{data}")'))
    with pytest.raises(ModuleFailed) as caught:
        stand.call("says")
    assert caught.value.code == "module-answer"
    assert stand.fleet.replay("local", stand.house.events()[-1].index).differing == ()


PIECES = (
    b'{"ok":', b"[", b"]", b"}", b"1", b"-0.0", b"1e-400", b"1e400", b'"\\u0000"', b",", b'{"":', b"10" * 20,
    b'"\\ud83d\\ude00"', b"null",
)  # fmt: skip


def test_answers_of_chance_are_recorded_and_replay_whatever_they_are(stand: Stand):
    """Wrong if numbers, names or nesting that are rare made a record that cannot be read back."""
    for case in range(40):
        with told(case):
            dice = dice_of("answers", case)
            data = b"".join(dice.choice([*PIECES, dice.randbytes(2)]) for _ in range(dice.randrange(1, 9)))
            said = b'{"ok":' + data + b"}" if case % 2 else data
            text = "".join(f"\\{byte:02x}" for byte in said)
            body = f"(i64.const {65_536 << 32 | len(said)})"
            stand.add(f"chance-{case}", core(body, extra=f'(data (i32.const 65536) "{text}")'))
            try:
                stand.call(f"chance-{case}")
            except ModuleFailed as failed:
                assert failed.code == "module-answer"  # noqa: PT017 either is right, and each has its own proof
            assert stand.fleet.replay("local", stand.house.events()[-1].index).differing == ()
            stand.neighbour_is_right()


def test_bombs_by_the_hundred_leave_nothing_behind(stand: Stand):
    """Wrong if each call that ends badly kept a sandbox, a file or a thread."""
    for name in ("memory", "loop", "recursion", "a component that loops"):
        guest = stand.engine.load(wasm_of(BOMBS[name][1]))
        small = Budget(fuel=50_000, memory_bytes=4 << 20, deadline_ms=60_000)
        for _ in range(100):
            with pytest.raises(BailiwickError):
                stand.engine.run(guest, "do", b"{}", small)
        stand.neighbour_is_right()


def test_a_guest_that_spins_for_ever_is_stopped_by_the_clock_and_nobody_else_waits(stand: Stand):
    """Wrong if fuel were the only end, or a stop by the clock counted as the module's failure."""
    spins = stand.engine.load(wasm_of(core(LOOP)))
    endless = Budget(fuel=1 << 62, memory_bytes=4 << 20, deadline_ms=40)
    with pytest.raises(Unavailable) as caught:
        stand.engine.run(spins, "do", b"{}", endless)
    assert caught.value.code == "module-deadline"
