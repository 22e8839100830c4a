"""What happens during a call: questions to the host, calls of other modules, answers that are remembered."""

from __future__ import annotations

import pytest

from bailiwick.engine import HostRefused
from bailiwick.errors import (
    ModuleFailed,
)

from .conftest import AUTHOR, CLOCK, OPERATOR, OTHER_TENANT, TENANT, asking
from .scripted import FUEL, Refuses
from .stage import AUDIT, CONFIG, INVOKE, LOG, RANDOM, READ, answering, invoking, may_call

# --- during ---------------------------------------------------------------------------------------------------------


def test_a_question_that_was_not_granted_is_refused_and_recorded(stage):
    """Wrong if asking in the manifest were enough, or trying left no trace."""

    def tries(asked):
        for _ in range(3):
            try:
                asked.ask(CLOCK, "now")
            except HostRefused as refused:
                code = refused.code
        return code

    stage.add("asker", tries, asking(CLOCK, "now"), grant=False)
    assert stage.call().value == "denied"
    denied = [each for each in stage.house.events() if each.event_type == "module.denied"]
    assert [(each.detail["interface"], each.detail["host_function"]) for each in denied] == [(CLOCK, "now")]
    assert stage.last().detail["denied"] == 3


def test_an_interface_that_was_never_asked_for_is_refused(stage):
    """Wrong if a core guest could name any interface to the host."""
    stage.add("asker", lambda asked: asked.ask("bailiwick:data/query@0.1.0", "query", sql="SELECT 1"))
    with pytest.raises(HostRefused):
        stage.call()


def test_a_grant_that_is_taken_back_ends_at_the_next_question_of_a_running_call(stage):
    """Wrong if a running module kept what was taken from it."""

    def asks_twice(asked):
        first = asked.ask(CLOCK, "now")
        stage.registry.ungrant("asker", CLOCK, OPERATOR)
        try:
            asked.ask(CLOCK, "now")
        except HostRefused as refused:
            return [type(first).__name__, refused.code]

    stage.add("asker", asks_twice, asking(CLOCK, "now"))
    assert stage.call().value == ["int", "denied"]


def test_what_the_host_answered_stands_in_the_transcript_exactly(stage):
    """Wrong if replay could not feed back nanoseconds beyond 2^53."""
    stage.house.clock.set(1_795_271_296_123_456_789)
    stage.add(
        "asker",
        lambda asked: [asked.ask(CLOCK, "now"), asked.ask(RANDOM, "number"), asked.ask(CONFIG, "get", name="rate")],
        asking(CLOCK, "now"),
        asking(RANDOM, "number"),
        asking(CONFIG, "get", values={"rate": {"percent": 3}}),
    )
    answer = stage.call()
    outputs = [each["output"] for each in stage.transcript()["run"]["calls"]]
    assert outputs == answer.value
    assert (outputs[0], outputs[2]) == (1_795_271_296_123_456_789, '{"percent":3}')


def test_audit_reading_gives_only_what_the_scope_names_and_pages_through(stage):
    """Wrong if a module could read records beyond its grant, or miss some."""
    stage.add(
        "asker",
        lambda asked: asked.ask(READ, "records", start=asked.input["start"], limit=2),
        asking(
            READ, "records", event_types=["module.key-*", "module.installed"], resources=["module/*", "module-key/*"]
        ),
    )
    seen, start = [], 0
    while True:
        page = stage.call(given=b'{"start":%d}' % start).value
        seen += [each["event-type"] for each in page["records"]]
        start = page["next"]
        if page["at-end"]:
            break
    assert seen == ["module.key-trusted", "module.installed"]


@pytest.mark.parametrize("start", [-1, True, "0", None, 2**64], ids=str)
def test_audit_reading_from_nowhere_is_refused_or_empty(stage, start):
    """Wrong if a strange cursor broke the host."""

    def reads(asked):
        try:
            return asked.ask(READ, "records", start=start, limit=1)["records"]
        except HostRefused as refused:
            return refused.code

    stage.add("asker", reads, asking(READ, "records", event_types=["*"], resources=["*"]))
    assert stage.call().value in ("unreadable", [])


@pytest.mark.parametrize(
    ("interface", "function", "given"),
    [
        (LOG, "write", {"level": "loud", "message": "x"}),
        (LOG, "write", {"level": "info", "message": "x" * 9_000}),
        (LOG, "write", {"level": "info"}),
        (RANDOM, "bytes", {"count": 0}),
        (RANDOM, "bytes", {"count": 4 << 30}),
        (RANDOM, "bytes", {"count": True}),
        (CONFIG, "get", {"name": 1}),
        (CLOCK, "now", {"zone": "UTC"}),
        (AUDIT, "record-event", {"entry": {"event-type": "Pay", "resource": "a", "detail": "{}"}}),
        (AUDIT, "record-event", {"entry": {"event-type": "a.b", "resource": "a b", "detail": "{}"}}),
        (AUDIT, "record-event", {"entry": {"event-type": "a.b", "resource": "a", "detail": "{"}}),
        (AUDIT, "record-event", {"entry": {"event-type": "a.b", "resource": "a", "detail": '"' + "x" * 20_000}}),
        (AUDIT, "record-event", {"entry": []}),
        (AUDIT, "record-event", {}),
        (INVOKE, "invoke", {"module": "x", "function": 1, "input": "{}"}),
    ],
    ids=str,
)
def test_a_question_of_another_form_is_refused_as_an_answer_to_the_guest(stage, interface, function, given):
    """Wrong if a guest could break the host, or end its own call by asking badly."""

    def asks(asked):
        try:
            return asked.ask(interface, function, **given)
        except HostRefused as refused:
            return refused.code

    scope = {INVOKE: {"functions": ["x.*"]}}.get(interface, {})
    stage.add("asker", asks, asking(interface, function, **scope))
    assert stage.call().value in {"unreadable", "too-large"}
    assert "error" in stage.transcript()["run"]["calls"][0]


def test_a_guest_that_asks_without_end_is_refused_after_a_while(stage):
    """Wrong if one call could fill the disk with its transcript."""

    def asks(asked):
        for count in range(100_000):
            try:
                asked.ask(LOG, "write", level="info", message="x")
            except HostRefused as refused:
                return [count, refused.code]

    stage.add("asker", asks, asking(LOG, "write"))
    assert stage.call().value == [1_000, "too-many"]


# --- one another ----------------------------------------------------------------------------------------------------


def test_a_module_calls_another_within_its_grant_and_one_record_tells_of_both(stage):
    """Wrong if modules could not share work, or inner calls went unrecorded."""
    stage.add("callee", lambda asked: {"got": asked.input})
    stage.add("asker", invoking("callee", text='{"a":1}'), may_call("callee.do"))
    answer = stage.call()
    assert answer.value == '{"got":{"a":1}}'
    assert answer.fuel == 2 * FUEL
    detail = stage.last().detail
    assert [(each["module"]["name"], each["fuel"]) for each in detail["inner"]] == [("callee", FUEL)]
    assert stage.house.types().count("module.called") == 1


@pytest.mark.parametrize(
    ("functions", "code"),
    [(["callee.do"], None), (["callee.*"], None), (["callee.other"], "denied"), (["calle.*"], "denied")],
)
def test_a_module_calls_only_the_functions_that_its_scope_names(stage, functions, code):
    """Wrong if a grant to call one function were one to call any."""
    stage.add("callee", answering(7))
    stage.add("asker", invoking("callee"), may_call(*functions))
    assert stage.call().value == (code or "7")


def test_a_callee_uses_its_own_grants_and_never_its_callers(stage):
    """Wrong if a module could lend what it was granted."""

    def reads_the_clock(asked):
        try:
            return asked.ask(CLOCK, "now")
        except HostRefused as refused:
            return refused.code

    stage.add("callee", reads_the_clock, asking(CLOCK, "now"), grant=False)
    stage.add("asker", invoking("callee"), may_call("callee.do"), asking(CLOCK, "now"))
    assert stage.call().value == '"denied"'
    assert stage.last("module.denied").detail["module"] == "callee"


def test_modules_that_call_in_a_circle_are_refused(stage):
    """Wrong if two modules could keep a call going until the native stack ends."""
    stage.add("one", invoking("two"), may_call("two.*"))
    stage.add("two", invoking("one"), may_call("one.*"))
    assert stage.call("one").value == '"cycle"'
    assert stage.call("two").value == '"cycle"'


def test_calls_nest_only_so_deep(stage):
    """Wrong if a chain of modules could use up sandboxes and stack."""
    for depth in range(10):
        stage.add(f"m{depth}", invoking(f"m{depth + 1}"), may_call(f"m{depth + 1}.*"))
    answer = stage.call("m0")
    assert "too-deep" in answer.value
    assert len(stage.engine.runs) == 8


def test_a_callee_runs_on_what_is_left_of_its_callers_fuel(stage):
    """Wrong if a module could get more fuel than it has by asking others to work."""
    stage.add("callee", lambda asked: asked.budget.fuel)
    stage.add("asker", invoking("callee"), may_call("callee.*"), limits={"fuel": 5_000})
    assert stage.call().value == str(5_000 - FUEL)


def test_a_callee_that_eats_everything_fails_its_caller_by_fuel(stage):
    """Wrong if fuel that was used inside were nobody's."""

    def eats(asked):
        asked.charge(asked.budget.fuel)

    stage.add("callee", eats)
    stage.add("asker", invoking("callee"), may_call("callee.*"), limits={"fuel": 5_000})
    with pytest.raises(ModuleFailed) as caught:
        stage.call()
    assert caught.value.code == "module-out-of-fuel"
    assert stage.last().detail["outcome"] == "failed"


@pytest.mark.parametrize(
    ("prepare", "code"),
    [
        (lambda stage: stage.registry.switch("callee", OPERATOR, on=False), "denied"),
        (lambda stage: stage.registry.remove("callee", OPERATOR), "not-found"),
    ],
    ids=["stopped", "removed"],
)
def test_a_callee_that_is_stopped_or_gone_is_a_refusal_to_its_caller(stage, prepare, code):
    """Wrong if a module inside another could be reached though it is stopped."""
    stage.add("callee", answering(7))
    stage.add("asker", invoking("callee"), may_call("callee.*"))
    prepare(stage)
    assert stage.call().value == code


def test_a_callee_that_refuses_or_fails_is_an_answer_to_its_caller_without_the_hosts_words(stage):
    """Wrong if a guest saw a traceback, or a failure inside ended the call outside."""

    def fails(asked):
        raise ModuleFailed("/secret/path", hint="x", code="module-trapped")

    def refuses(asked):
        raise Refuses("not that")

    messages = []

    def asks(asked):
        for name in ("failing", "refusing"):
            try:
                asked.ask(INVOKE, "invoke", module=name, function="do", input="{}")
            except HostRefused as refused:
                messages.append((refused.code, refused.message))
        return None

    stage.add("failing", fails)
    stage.add("refusing", refuses)
    stage.add("asker", asks, may_call("failing.*", "refusing.*"))
    stage.call()
    assert [code for code, _ in messages] == ["callee-failed", "callee-refused"]
    assert "secret" not in str(messages)


# --- remembered -----------------------------------------------------------------------------------------------------


def test_an_answer_is_remembered_where_the_manifest_says_so_and_costs_the_same(stage):
    """Wrong if remembering changed what a call takes, or nothing were remembered."""
    stage.add("callee", answering(7), function={"cacheable": True})
    stage.add("asker", invoking("callee"), may_call("callee.*"))
    first, second = stage.call(), stage.call()
    assert (first.value, first.fuel) == (second.value, second.fuel)
    assert [name for name, _ in stage.engine.runs].count("callee 1.0.0") == 1
    assert stage.last().detail["inner"][0]["outcome"] == "remembered"


@pytest.mark.parametrize("how", ["not-cacheable", "other-input", "asks-the-host", "new-version", "stale"])
def test_an_answer_that_may_have_changed_is_asked_for_again(stage, how):
    """Wrong if a caller got an answer that is no longer the callee's."""
    function = {} if how == "not-cacheable" else {"cacheable": True, "cache_ttl_sec": 60}
    asks = [asking(CLOCK, "now")] if how == "asks-the-host" else []
    program = (lambda asked: asked.ask(CLOCK, "now")) if asks else answering(7)
    stage.add("callee", program, *asks, function=function)
    stage.add("asker", lambda asked: invoking("callee", text=str(asked.input))(asked), may_call("callee.*"))
    stage.call(given=b"1")
    if how == "new-version":
        stage.add("callee", answering(8), function=function, version="1.1.0")
    if how == "stale":
        stage.house.clock.advance(60 * 10**9)
    stage.call(given=b"2" if how == "other-input" else b"1")
    assert len([name for name, _ in stage.engine.runs if name.startswith("callee")]) == 2


def test_what_one_tenants_module_answered_is_remembered_for_no_other(stage):
    """Wrong if an answer leaked from tenant to tenant."""
    stage.fleet.registry(OTHER_TENANT).trust(AUTHOR.verifier.text(), OPERATOR)
    for tenant in (TENANT, OTHER_TENANT):
        stage.add("callee", answering(7), function={"cacheable": True}, tenant=tenant)
        stage.add("asker", invoking("callee"), may_call("callee.*"), tenant=tenant)
        stage.call(tenant=tenant)
    assert [name for name, _ in stage.engine.runs].count("callee 1.0.0") == 2
