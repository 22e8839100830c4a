"""Calls: what is checked before, what a guest may ask during, and what is recorded before the answer leaves."""

from __future__ import annotations

import contextlib
import threading
from dataclasses import replace

import pytest

from bailiwick.engine import HostRefused
from bailiwick.errors import (
    BailiwickError,
    DocumentRefused,
    ModuleFailed,
    ModuleRefused,
    NotFound,
    NotTrusted,
    SchemaViolated,
    Unavailable,
)
from bailiwick.supervisor import NodeRules
from bailiwick.supervisor.kept import kept_parts

from .conftest import AUTHOR, CLOCK, OPERATOR, OTHER_TENANT, TENANT, House, asking, files_of, manifest_of
from .scripted import FUEL, Refuses, ScriptedEngine

INVOKE = "bailiwick:invoke/invoke@0.1.0"
AUDIT, READ = "bailiwick:audit/log@0.1.0", "bailiwick:audit/read@0.1.0"
LOG, RANDOM, CONFIG = "bailiwick:log/log@0.1.0", "bailiwick:random/random@0.1.0", "bailiwick:config/config@0.1.0"
FREE = {"title": "Anything", "input": True, "output": True}


class Stage:
    """A tenant whose modules are Python functions."""

    def __init__(self, rules: NodeRules | None = None) -> None:
        self.engine = ScriptedEngine()
        self.house = House(self.engine, rules=rules or NodeRules())
        self.fleet = self.house.open()
        self.registry = self.fleet.registry(TENANT)
        self.registry.trust(AUTHOR.verifier.text(), OPERATOR)

    def add(self, name, program, *capabilities, grant=True, tenant=TENANT, function=None, **changes):
        """Install a module that runs a program, with what it asks for granted."""
        wasm = f"{name} {changes.get('version', '1.0.0')}".encode()
        self.engine.programs[wasm] = program
        changes.setdefault("functions", {"do": {**FREE, **(function or {})}})
        manifest = manifest_of(name, wasm=wasm, capabilities=list(capabilities), **changes)
        registry = self.fleet.registry(tenant)
        registry.install(files_of(manifest, wasm), OPERATOR)
        for each in capabilities if grant else ():
            registry.grant(name, each["interface"], OPERATOR)

    def call(self, name="asker", given=b"{}", function="do", tenant=TENANT):
        """Call a module."""
        return self.fleet.call(tenant, name, function, given, OPERATOR)

    def last(self, event_type="module.called"):
        """Give the newest record of a type."""
        return [each for each in self.house.events() if each.event_type == event_type][-1]

    def transcript(self):
        """Give the transcript of the newest call."""
        return kept_parts(TENANT, self.house.blobs, self.last())[2]


@pytest.fixture
def stage():
    """Give an empty stage."""
    return Stage()


def answering(value):
    """Give a program that answers the same."""
    return lambda asked: value


def invoking(module, function="do", text="{}"):
    """Give a program that calls a function of another module and answers what that gave, or how it was refused."""

    def program(asked):
        try:
            return asked.ask(INVOKE, "invoke", module=module, function=function, input=text)
        except HostRefused as refused:
            return refused.code

    return program


def may_call(*functions):
    """Give what a manifest asks for to call functions."""
    return asking(INVOKE, "invoke", functions=list(functions))


# --- before ---------------------------------------------------------------------------------------------------------


def test_a_call_is_recorded_with_digests_and_cost_before_its_answer_leaves(stage):
    """Wrong if an answer could be used that nobody can find again."""
    stage.add("asker", answering({"n": 1}))
    answer = stage.call(given=b'{"secret":"Ada Lovelace"}')
    record = stage.last()
    assert (answer.value, answer.receipt.index) == ({"n": 1}, record.index)
    assert (record.detail["outcome"], record.detail["fuel"], record.actor) == ("answered", FUEL, OPERATOR)
    assert b"Ada" not in record.raw
    told, output, _ = kept_parts(TENANT, stage.house.blobs, record)
    assert (told["input"], output["answer"]) == ({"secret": "Ada Lovelace"}, {"ok": {"n": 1}})


def test_equal_inputs_have_unequal_digests_in_the_ledger(stage):
    """Wrong if whoever reads the ledger could find out an input by trying."""
    stage.add("asker", answering(1))
    digests = set()
    for _ in range(2):
        stage.call()
        digests.add(stage.last().detail["input"])
    assert len(digests) == 2


@pytest.mark.parametrize(
    ("call", "kind"),
    [
        ({"name": "nobody"}, NotFound),
        ({"function": "none"}, NotFound),
        ({"given": b"{"}, DocumentRefused),
        ({"given": b"[]"}, SchemaViolated),
        ({"tenant": OTHER_TENANT}, NotFound),
    ],
    ids=str,
)
def test_what_cannot_be_called_is_refused_without_running_anything(stage, call, kind):
    """Wrong if the code of a module ran on what its contract refuses, or for another tenant."""
    stage.add("asker", answering(1), function={"input": {"type": "object"}})
    with pytest.raises(kind):
        stage.call(**call)
    assert stage.engine.runs == []


def test_a_stopped_module_answers_nothing_until_it_is_started(stage):
    """Wrong if stopping a module did not stop it, at once."""
    stage.add("asker", answering(1))
    stage.registry.switch("asker", OPERATOR, on=False)
    with pytest.raises(ModuleRefused) as caught:
        stage.call()
    assert (caught.value.code, stage.last("module.denied").detail["code"]) == ("module-stopped", "module-stopped")
    stage.registry.switch("asker", OPERATOR, on=True)
    assert stage.call().value == 1


def test_a_module_whose_key_is_revoked_is_called_no_more(stage):
    """Wrong if revoking a key left running what was signed by whoever stole it."""
    stage.add("asker", answering(1))
    stage.registry.untrust(AUTHOR.verifier.text(), OPERATOR)
    with pytest.raises(NotTrusted):
        stage.call()
    assert stage.last("module.denied").detail["code"] == "key-revoked"
    assert stage.engine.runs == []


def test_a_day_has_only_so_much_fuel_and_the_next_day_has_it_again():
    """Wrong if one tenant could use the machine up, or was shut out for ever."""
    stage = Stage(NodeRules.read({"fuel_per_day": 2 * FUEL}))
    stage.add("asker", answering(1))
    assert [stage.call().value, stage.call().value] == [1, 1]
    with pytest.raises(ModuleRefused) as caught:
        stage.call()
    assert caught.value.code == "module-quota"
    again = replace(stage.house, engine=stage.engine).open()
    with pytest.raises(ModuleRefused):
        again.call(TENANT, "asker", "do", b"{}", OPERATOR)
    stage.house.clock.advance(86_400 * 10**9)
    assert stage.call().value == 1


def test_a_call_that_the_clock_stopped_is_charged_to_the_day_as_if_it_had_used_everything():
    """Wrong if a module that runs until it is stopped cost nothing."""
    stage = Stage(NodeRules.read({"fuel_per_day": 100_000_000}))

    def is_stopped(asked):
        raise Unavailable("late", hint="again", code="module-deadline")

    stage.add("asker", is_stopped)
    with pytest.raises(Unavailable):
        stage.call()
    with pytest.raises(ModuleRefused) as caught:
        stage.call()
    assert caught.value.code == "module-quota"


def test_calls_go_on_where_the_folded_state_cannot_be_kept(monkeypatch):
    """Wrong if a full disk beside the ledger stopped what the ledger can still take."""
    monkeypatch.setattr("bailiwick.supervisor.ledgerstate.RECORDS_PER_KEEPING", 1)
    stage = Stage()
    stage.add("asker", answering(1))
    monkeypatch.setattr(stage.house.cursors, "put", _broken_put)
    assert [stage.call().value, stage.call().value] == [1, 1]
    with pytest.raises(Unavailable):
        stage.registry.switch("asker", OPERATOR, on=False)


def test_only_so_many_calls_run_at_one_time():
    """Wrong if a thousand callers could hold a thousand sandboxes."""
    stage = Stage(NodeRules.read({"concurrent": 1}))
    inside, done = threading.Event(), threading.Event()

    def slow(asked):
        inside.set()
        assert done.wait(30)
        return 1

    stage.add("asker", slow)
    answers = []
    thread = threading.Thread(target=lambda: answers.append(stage.call().value))
    thread.start()
    assert inside.wait(30)
    with pytest.raises(Unavailable) as caught:
        stage.call()
    done.set()
    thread.join()
    assert (caught.value.code, answers, stage.call().value) == ("module-busy", [1], 1)


def test_the_budget_of_a_function_is_the_least_of_tier_limits_timeout_and_node():
    """Wrong if any of the four could be passed by."""
    stage = Stage(NodeRules.read({"fuel_per_call": 50_000}))
    stage.add("asker", lambda asked: [asked.budget.fuel, asked.budget.memory_bytes, asked.budget.deadline_ms],
              tier="standard", limits={"memory_bytes": 1 << 20}, function={"timeout_ms": 250})  # fmt: skip
    assert stage.call().value == [50_000, 1 << 20, 250]


# --- after ----------------------------------------------------------------------------------------------------------


def test_a_refusal_of_the_module_is_an_answer_with_its_code(stage):
    """Wrong if a module could not say no."""

    def refuses(asked):
        raise Refuses("that is off")

    stage.add("asker", refuses, function={"errors": {"input-off": "the input is off"}})
    answer = stage.call()
    assert (answer.refusal.code, stage.last().detail["outcome"], stage.last().detail["code"]) == (
        "input-off", "refused", "input-off",
    )  # fmt: skip


def test_a_code_or_name_that_a_module_makes_up_never_enters_the_ledger(stage):
    """Wrong if code from anybody could write text of its own into what is kept for years."""

    def refuses(asked):
        with contextlib.suppress(HostRefused):
            asked.ask("ada:lovelace/born@1815.12.10", "ada-lovelace")
        raise Refuses("ada")

    stage.add("asker", refuses)
    assert stage.call().refusal.code == "input-off"
    assert stage.last().detail["code"] == "unlisted"
    assert b"lovelace" not in stage.last("module.denied").raw


def test_an_answer_that_breaks_the_modules_own_contract_never_leaves(stage):
    """Wrong if a caller got what the manifest says that it cannot get."""
    stage.add("asker", answering("text"), function={"output": {"type": "integer"}})
    with pytest.raises(ModuleFailed) as caught:
        stage.call()
    assert (caught.value.code, stage.last().detail["outcome"]) == ("module-output", "failed")


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (ModuleFailed("trap", hint="mend", code="module-trapped"), "failed"),
        (Unavailable("late", hint="again", code="module-deadline"), "unavailable"),
    ],
    ids=["trap", "deadline"],
)
def test_a_call_that_fails_is_recorded_with_what_it_left_for_auditors(stage, error, outcome):
    """Wrong if a module could undo its audit entries by failing afterwards."""
    entry = {"event-type": "pay.changed", "resource": "pay/1", "detail": "{}"}

    def leaves_and_fails(asked):
        asked.ask(AUDIT, "record-event", entry=entry)
        raise error

    stage.add("asker", leaves_and_fails, asking(AUDIT, "record-event"))
    with pytest.raises(type(error)):
        stage.call()
    detail = stage.last().detail
    assert (detail["outcome"], detail["code"], detail["audited"], detail["output"]) == (outcome, error.code, 1, None)
    assert stage.transcript()["run"]["calls"][0]["input"] == {"entry": entry}


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


# --- again ----------------------------------------------------------------------------------------------------------


def test_a_recorded_call_runs_again_from_its_transcript_alone(stage):
    """Wrong if what a module did could not be shown to somebody who was not there."""
    stage.add("callee", answering(7))
    stage.add(
        "asker",
        lambda asked: [asked.ask(CLOCK, "now"), invoking("callee")(asked), invoking("gone")(asked)],
        asking(CLOCK, "now"),
        may_call("callee.*"),
    )
    answer = stage.call()
    stage.registry.remove("callee", OPERATOR)
    stage.house.clock.advance(10**9)
    size = stage.house.ledger(TENANT).size()
    replayed = stage.fleet.replay(TENANT, answer.receipt.index)
    assert replayed.differing == ()
    assert replayed.fuel == answer.fuel
    assert stage.house.ledger(TENANT).size() == size


def test_a_guest_that_does_something_else_the_second_time_is_found_out(stage):
    """Wrong if replay agreed with whatever comes out."""
    turns = iter([1, 2])
    stage.add("asker", lambda asked: next(turns))
    index = stage.call().receipt.index
    assert stage.fleet.replay(TENANT, index).differing == ("bytes",)


def test_a_guest_that_asks_something_else_the_second_time_is_found_out(stage):
    """Wrong if the host's answers could be fed to other questions."""
    questions = iter(["a", "b"])
    stage.add("asker", lambda asked: asked.ask(CONFIG, "get", name=next(questions)), asking(CONFIG, "get"))
    index = stage.call().receipt.index
    assert "questions" in stage.fleet.replay(TENANT, index).differing


def test_a_failed_call_fails_again_in_the_same_way(stage):
    """Wrong if failures could not be shown to be the module's own."""

    def fails(asked):
        raise ModuleFailed("trap", hint="mend", code="module-trapped")

    stage.add("asker", fails)
    with pytest.raises(ModuleFailed):
        stage.call()
    assert stage.fleet.replay(TENANT, stage.last().index).differing == ()


def test_a_call_whose_data_was_erased_is_not_replayed(stage):
    """Wrong if erasing a call left its input readable."""
    stage.add("asker", answering(1))
    stage.call()
    record = stage.last()
    stage.house.blobs.erase(TENANT, record.resource)
    with pytest.raises(NotFound):
        stage.fleet.replay(TENANT, record.index)


def test_no_error_of_a_service_reaches_the_guest_as_it_is(stage):
    """Wrong if the words of the host, paths and all, were told to code from anybody."""
    stage.add("asker", lambda asked: asked.ask(READ, "records", start=0, limit=1),
              asking(READ, "records", event_types=["*"], resources=["*"]))  # fmt: skip
    stage.fleet._services[READ]._open_ledger = _broken
    with pytest.raises(BailiwickError) as caught:
        stage.call()
    assert (caught.value.code, stage.last().detail["outcome"]) == ("unavailable", "unavailable")


def _broken(tenant):
    raise Unavailable("disk /dev/x is gone", hint="look at it")


def _broken_put(tenant, reader, state):
    raise Unavailable("full", hint="free some space")
