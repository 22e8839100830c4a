"""What guests ask of the host: every function of every interface, with arguments that know the shape they break."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bailiwick.errors import BailiwickError
from bailiwick.supervisor import Answer, NodeRules
from tests.hostile.guests import CLOCK, CLOCK_COMPONENT, PUPPET, asking_with, component
from tests.hostile.stand import Stand, code_of, dice_of, told
from tests.supervisor.conftest import OPERATOR, OTHER_TENANT, TENANT, asking

LOG, RANDOM = "bailiwick:log/log@0.1.0", "bailiwick:random/random@0.1.0"
CONFIG, INVOKE = "bailiwick:config/config@0.1.0", "bailiwick:invoke/invoke@0.1.0"
AUDIT, READ = "bailiwick:audit/log@0.1.0", "bailiwick:audit/read@0.1.0"
ENTRY = {"event-type": "payroll.read", "resource": "row/1", "detail": "{}"}
QUESTIONS: dict[tuple[str, str], dict[str, Any]] = {
    (LOG, "write"): {"level": "info", "message": "it went well"},
    (CLOCK, "now"): {},
    (RANDOM, "bytes"): {"count": 16},
    (RANDOM, "number"): {},
    (CONFIG, "get"): {"name": "rate"},
    (CONFIG, "names"): {},
    (AUDIT, "record-event"): {"entry": ENTRY},
    (READ, "records"): {"start": 0, "limit": 3},
    (INVOKE, "invoke"): {"module": "callee", "function": "do", "input": "{}"},
}
"""Every function that this version answers, with arguments that are right."""
ASKED = [
    asking(LOG, "write"), asking(CLOCK, "now"), asking(RANDOM, "bytes", "number"),
    asking(CONFIG, "get", "names", values={"rate": 7}), asking(AUDIT, "record-event"),
    asking(READ, "records", event_types=["*"], resources=["*"]), asking(INVOKE, "invoke", functions=["callee.*"]),
]  # fmt: skip
STRANGE: list[Any] = [
    None, True, False, 0, -1, 1, 2**31, 2**32 - 1, 2**32, 2**53 - 1, -(2**53) + 1, 0.5, 1e22, 1e-7, "", "\0",
    " ", "a b", "../../etc/passwd", "x" * 70_000, "\u202e", "\U0001f600", "*", "callee", "puppet", "do", "{",
    "[" * 60, "1e999999999",
    '{"a":1}', [], {}, [[]], [1] * 300, {"": 1}, {"\0": None}, {"level": "info"}, ENTRY,
    {**ENTRY, "detail": "[" * 9_000}, {**ENTRY, "resource": "\n"}, {**ENTRY, "event-type": "module.called"},
    {"entry": {"entry": {}}},
]  # fmt: skip
ROUNDS, ROUNDS_SLOW = 250, 8_000


def bent(given: dict[str, Any], dice) -> Any:
    """Give arguments with a member put off, left out or added; now and then no object at all."""
    made = dict(given)
    for _ in range(dice.choice([1, 1, 2])):
        how = dice.randrange(8)
        if how == 0:
            return dice.choice(STRANGE)
        if how == 1:
            made[dice.choice(["count", "start", "more", "", "input", "limit"])] = dice.choice(STRANGE)
        elif how == 2 and made:
            made.pop(dice.choice(sorted(made)))
        elif made:
            made[dice.choice(sorted(made))] = dice.choice(STRANGE)
    return made


def with_puppet(stand: Stand) -> Stand:
    """Install a guest that asks what it is told to, another that it may call, and config for it."""
    stand.add("callee", component(), abi="component-call/1")
    stand.add("puppet", PUPPET, *ASKED)
    return stand


def ask(stand: Stand, question: Any) -> str:
    """Have the puppet ask, check that the call replays, and give what became of it."""
    try:
        answer = stand.call("puppet", json.dumps(question).encode())
    except BailiwickError as error:
        return code_of(error)
    # A call that asked for no more than what is granted was recorded, and the ledger gives it back.
    assert stand.fleet.replay(TENANT, answer.receipt.index).differing == ()
    return code_in(answer)


def code_in(answer: Answer) -> str:
    """Give the code by which the host refused the one question of a guest that passes it on, or ``answered``."""
    refused = answer.value.get("error")
    return "answered" if refused is None else str(refused["code"])


def ask_by_chance(stand: Stand, rounds: int) -> set[str]:
    with_puppet(stand)
    seen = set()
    for case in range(rounds):
        with told(case):
            dice = dice_of("questions", case)
            interface, function = dice.choice(list(QUESTIONS))
            question = {
                "interface": interface,
                "function": function,
                "input": bent(QUESTIONS[interface, function], dice),
            }
            if dice.random() < 0.1:
                question[dice.choice(["interface", "function", "more"])] = dice.choice(STRANGE)
            seen.add(ask(stand, question))
            stand.neighbour_is_right()
    return seen


ANSWERS = {"answered", "denied", "unreadable", "too-large", "too-many", "not-found", "cycle", "callee-refused"}
ENDS = {"host-call", "module-answer", "module-host-call", "module-out-of-fuel", "module-trapped"}
"""What may become of a question: an answer, or the guest's own end; never the host's."""
REFUSED_BEFORE = {"json-integer-too-large", "json-too-deep", "json-too-large"}


@pytest.mark.parametrize("asked", QUESTIONS, ids=lambda asked: asked[1])
def test_every_function_answers_what_is_asked_rightly(stand: Stand, asked):
    """Wrong if the arguments that are bent in the other tests were wrong to begin with."""
    question = {"interface": asked[0], "function": asked[1], "input": QUESTIONS[asked]}
    assert ask(with_puppet(stand), question) == "answered"


def test_bent_questions_are_answered_or_end_their_guest(stand: Stand):
    """Wrong if a guest could break the host, the record of its call or its replay by what it asks."""
    seen = ask_by_chance(stand, ROUNDS)
    assert seen <= ANSWERS | ENDS | REFUSED_BEFORE, seen
    assert len(seen) > 4


@pytest.mark.slow
@pytest.mark.timeout(1_800)
def test_many_bent_questions_are_answered_or_end_their_guest(stand: Stand):
    """Wrong if rare questions did what common ones do not."""
    assert ask_by_chance(stand, ROUNDS_SLOW) <= ANSWERS | ENDS | REFUSED_BEFORE


RAW = [
    b"", b"[]", b"{}", b"null", b"\xff", b"{", b'{"interface":1}', b'{"interface":"\\ud800","function":"now"}',
    b'{"interface":"a","function":"b","input":1e999}', b'{"interface":"a","function":"b","input":%b}' % (b"1" * 3_000),
    b'{"interface":"a","function":"b","input":%b%b}' % (b"[" * 65, b"]" * 65),
    b'{"interface":"a","function":"b","input":%b%b}' % (b"[" * 700, b"]" * 700),
    b'{"interface":"a","function":"b","input":%b%b}' % (b"[" * 90_000, b"]" * 90_000),
    b'{"interface":"%b","function":"now","input":{"b":1e22,"a":1e-7}}' % CLOCK.encode(),
    b'{"interface":"%b","function":"now","function":"other"}' % CLOCK.encode(),
    b'{"interface":"%b","function":"records","input":{"start":99999999999999999999,"limit":3}}' % READ.encode(),
    b'{"interface":"%b","function":"bytes","input":{"count":99999999999999999999}}' % RANDOM.encode(),
]  # fmt: skip


@pytest.mark.parametrize("number", range(len(RAW)))
def test_bytes_that_are_no_question_are_answered_and_replay(stand: Stand, number: int):
    """Wrong if numbers beyond 2^53, depth, or text that is none made a call that cannot be run again."""
    data = RAW[number]
    text = asking_with("(i32.const 524288)", f"(i32.const {len(data)})", data=data)
    stand.add("raw", text, *ASKED)
    answer = stand.call("raw")
    assert stand.fleet.replay(TENANT, answer.receipt.index).differing == ()


@pytest.mark.parametrize("depth", [64, 65, 400])
def test_how_deep_a_question_may_nest_does_not_depend_on_how_deep_the_host_is(stand: Stand, depth: int):
    """Wrong if the same guest were answered in one thread what it is refused in another."""
    data = b'{"interface":"a","function":"b","input":%b%b}' % (b"[" * depth, b"]" * depth)
    stand.add("deep", asking_with("(i32.const 524288)", f"(i32.const {len(data)})", data=data), *ASKED)

    def call_from(level: int) -> str:
        return call_from(level - 1) if level else code_in(stand.call("deep"))

    assert {call_from(0), call_from(300)} == {"denied" if depth == 64 else "host-call"}


def test_a_question_that_was_not_granted_is_denied_for_one_tenant_and_answered_for_another(stand: Stand):
    """Wrong if grants of one tenant were another's."""
    question = json.dumps({"interface": CLOCK, "function": "now", "input": {}}).encode()
    for tenant in (TENANT, OTHER_TENANT):
        stand.add("asks", PUPPET, asking(CLOCK, "now"), tenant=tenant)
    stand.fleet.registry(TENANT).ungrant("asks", CLOCK, OPERATOR)
    assert code_in(stand.call("asks", question)) == "denied"
    types = stand.house.types()
    assert code_in(stand.call("asks", question, OTHER_TENANT)) == "answered"
    assert types[-2:] == ["module.denied", "module.called"]


def test_a_component_that_imports_and_is_not_granted_reads_a_refusal_each_time(stand: Stand):
    """Wrong if asking often enough were granted in the end."""
    stand.add("clock", CLOCK_COMPONENT, asking(CLOCK, "now"), abi="component-call/1")
    stand.fleet.registry(TENANT).ungrant("clock", CLOCK, OPERATOR)
    for _ in range(5):
        stand.call("clock")
        assert stand.house.events()[-1].detail["denied"] == 1


def test_a_guest_that_asks_without_end_is_ended_by_a_limit(stand: Stand):
    """Wrong if a loop of questions could fill the memory of the host with its own transcript."""
    data = json.dumps({"interface": RANDOM, "function": "bytes", "input": {"count": 4_096}}).encode()
    text = asking_with("(i32.const 524288)", f"(i32.const {len(data)})", data=data)
    start = text.index("(local.set $r")
    looping = f"(loop $again (drop (call $call (i32.const 524288) (i32.const {len(data)}))) (br $again))"
    stand.add("asks", text[:start] + looping + text[start:], *ASKED, tier="heavy")
    with pytest.raises(BailiwickError) as caught:
        stand.call("asks")
    assert code_of(caught.value) in {"module-host-call", "module-out-of-fuel"}
    assert stand.house.events()[-1].detail["host_calls"] <= 10_001


def test_a_tenant_that_uses_up_its_day_leaves_the_neighbour_its_own(engine):
    """Wrong if one tenant's fuel were taken from all."""
    stand = Stand(engine, NodeRules(fuel_per_day=100))
    stand.add("callee", component(), abi="component-call/1")
    codes = set()
    for _ in range(50):
        try:
            stand.call("callee")
        except BailiwickError as error:
            codes.add(code_of(error))
    assert codes == {"module-quota"}
    stand.neighbour_is_right()
    stand.close()
