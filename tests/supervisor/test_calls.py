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

from .conftest import AUTHOR, CLOCK, OPERATOR, OTHER_TENANT, TENANT, asking
from .scripted import FUEL, Refuses
from .stage import AUDIT, CONFIG, READ, Stage, answering, invoking, may_call

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
