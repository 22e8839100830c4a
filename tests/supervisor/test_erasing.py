"""What a call kept can be destroyed: by its record, or when its time is over; the record stays, and says so."""

from __future__ import annotations

import pytest

from bailiwick.canonical import time_text
from bailiwick.decisions import Eraser, Pruner, subject_of
from bailiwick.errors import HoldStands, NotFound, Unavailable, UsageRefused, Verdict
from bailiwick.ledger import ERASED, EXPIRED, LegalHold, Retention, keeps_something, verify_receipt
from bailiwick.model import Draft
from bailiwick.schema import Schemas
from bailiwick.supervisor.kept import kept_parts

from .conftest import AUTHOR, CLOCK, OPERATOR, OTHER_TENANT, TENANT, asking
from .stage import Stage, answering, invoking, may_call

DAY_NS = 86_400 * 10**9
ACCESS = {"access": "access", "module.called": "access"}
SHORT = Retention(types=ACCESS)


@pytest.fixture
def stage():
    """Give a stage with a module that was called twice."""
    made = Stage()
    made.add("asker", lambda asked: asked.input)
    made.calls = [made.call(given=b'{"name":"Ada"}').receipt.index, made.call(given=b'{"name":"Bob"}').receipt.index]
    return made


def ledger_of(stage, tenant=TENANT):
    """Give a tenant's ledger."""
    return stage.house.ledger(tenant)


def eraser_of(stage, tenant=TENANT, **changes):
    """Give what erases."""
    ports = {"ledger": ledger_of(stage, tenant), "blobs": stage.house.blobs, "actor": OPERATOR}
    return Eraser(tenant=tenant, **{**ports, **changes})


def pruner_of(stage):
    """Give what lets go by age."""
    return Pruner(tenant=TENANT, ledger=ledger_of(stage), blobs=stage.house.blobs, sent={}, actor=OPERATOR)


def subject(stage, index, tenant=TENANT):
    """Give the subject of a record."""
    return subject_of(ledger_of(stage, tenant).read(index))


def is_kept(stage, index):
    """Say whether what a call took, gave and was told can be read."""
    try:
        kept_parts(TENANT, stage.house.blobs, ledger_of(stage).read(index))
    except NotFound as error:
        if error.code != "blob-erased":
            raise
        return False
    return True


def grow_old(stage, months):
    """Let months go by, with a record and a checkpoint in each, so that nobody doubts the clock."""
    ledger = ledger_of(stage)
    for _ in range(months):
        stage.house.clock.advance(30 * DAY_NS)
        ledger.keeping.set_retention(ledger.keeping.rules().retention or SHORT, OPERATOR)
        ledger.checkpoint()


# --- asked for ------------------------------------------------------------------------------------------------------


def test_an_erased_call_cannot_be_read_or_run_again_and_its_neighbour_can(stage):
    """Wrong if what somebody typed into a module were kept for ever, or one erasure took another's."""
    gone, stays = stage.calls
    (erasure,) = eraser_of(stage).erase([subject(stage, gone)])
    assert (erasure.calls, erasure.decisions, erasure.blobs) == ((gone,), (), 3)
    with pytest.raises(NotFound) as erased:
        stage.fleet.replay(TENANT, gone)
    assert erased.value.code == "blob-erased"
    assert stage.fleet.replay(TENANT, stays).differing == ()
    assert [is_kept(stage, each) for each in stage.calls] == [False, True]


def test_the_record_of_an_erased_call_is_proven_as_before(stage):
    """Wrong if erasing broke the chain, or left no trace of itself."""
    gone = stage.calls[0]
    (erasure,) = eraser_of(stage).erase([subject(stage, gone)])
    ledger = ledger_of(stage)
    told = ledger.read(erasure.record)
    assert (told.event_type, told.resource, told.detail["blobs"]) == (ERASED, subject(stage, gone), 3)
    Schemas().check("subject-erased", told.detail)
    text = ledger.prove(gone)
    assert verify_receipt(text, ledger.read(gone).raw, key=ledger.verifier_key())[0] == gone
    assert ledger.verify().verdict is Verdict.OK


def test_looking_destroys_nothing_of_a_call(stage):
    """Wrong if a dry run were not dry."""
    size = ledger_of(stage).size()
    (found,) = eraser_of(stage).find([subject(stage, stage.calls[0])])
    assert (found.calls, found.blobs, found.record) == ((stage.calls[0],), 3, None)
    assert (ledger_of(stage).size(), is_kept(stage, stage.calls[0])) == (size, True)


def test_the_module_and_its_grants_outlive_the_erasure_of_its_calls(stage):
    """Wrong if erasing a person's call took away what everybody's calls rest on."""
    stage.add("timely", answering(1), asking(CLOCK, "now"))
    index = stage.call("timely").receipt.index
    eraser_of(stage).erase([subject(stage, each) for each in (*stage.calls, index)])
    again = stage.house.open()
    assert again.call(TENANT, "timely", "do", b"{}", OPERATOR).value == 1
    assert again.show(TENANT, "timely").grants


def test_a_hold_keeps_what_a_call_kept(stage):
    """Wrong if erasing destroyed what a court asked for."""
    held, other = (subject(stage, each) for each in stage.calls)
    ledger_of(stage).keeping.add_hold(LegalHold(id="h1", reason="case-7", resource=held), OPERATOR)
    size = ledger_of(stage).size()
    with pytest.raises(HoldStands):
        eraser_of(stage).erase([other, held])
    assert (ledger_of(stage).size(), [is_kept(stage, each) for each in stage.calls]) == (size, [True, True])


def test_erased_twice_is_recorded_once(stage):
    """Wrong if repeating a command filled the ledger."""
    first = eraser_of(stage).erase([subject(stage, stage.calls[0])])
    size = ledger_of(stage).size()
    again = eraser_of(stage).erase([subject(stage, stage.calls[0])])
    assert (again[0].record, again[0].blobs) == (first[0].record, 0)
    assert ledger_of(stage).size() == size


def test_another_tenants_call_cannot_be_erased_by_its_subject(stage):
    """Wrong if whoever learnt an id could destroy what another tenant keeps."""
    with pytest.raises(NotFound) as caught:
        eraser_of(stage, OTHER_TENANT).erase([subject(stage, stage.calls[0])])
    assert caught.value.code == "subject-not-found"
    assert is_kept(stage, stage.calls[0])


def test_another_tenants_record_of_the_same_subject_destroys_nothing_of_this_ones(stage):
    """Wrong if a record that names a foreign subject reached its key."""
    wanted = ledger_of(stage).read(stage.calls[0])
    forged = Draft(event_type="module.called", resource=wanted.resource, detail=dict(wanted.detail), actor=OPERATOR)
    index = ledger_of(stage, OTHER_TENANT).record(OTHER_TENANT, forged).index
    (erasure,) = eraser_of(stage, OTHER_TENANT).erase([subject(stage, index, OTHER_TENANT)])
    assert erasure.blobs == 0
    assert is_kept(stage, stage.calls[0])


def test_records_that_keep_nothing_have_no_subject(stage):
    """Wrong if a module could be named as something to erase because a refusal to call it was recorded."""
    stage.registry.switch("asker", OPERATOR, on=False)
    with pytest.raises(Exception, match="stopped"):
        stage.call()
    kinds = {each.event_type: each.index for each in stage.house.events()}
    assert {"module.denied", "module.installed", "module.stopped"} <= kinds.keys()
    for index in (0, *(kinds[each] for each in kinds if each != "module.called")):
        with pytest.raises(NotFound) as caught:
            subject(stage, index)
        assert caught.value.code == "record-keeps-nothing"
    with pytest.raises(NotFound) as caught:
        eraser_of(stage).erase(["module/asker"])
    assert caught.value.code == "subject-not-found"


def test_every_call_however_it_ended_can_be_erased(stage):
    """Wrong if what a failed call was given could not be erased because it gave nothing back."""
    stage.add("failing", lambda asked: 1 / 0 if asked.charge(10**15) is None else None)
    with pytest.raises(Exception, match="fuel"):
        stage.call("failing", given=b'{"name":"Eve"}')
    record = stage.last()
    assert (record.detail["outcome"], keeps_something(record)) == ("failed", True)
    (erasure,) = eraser_of(stage).erase([subject(stage, record.index)])
    assert (erasure.blobs, is_kept(stage, record.index)) == (2, False)


def test_cut_off_between_key_and_record_the_next_time_records(stage):
    """Wrong if a crash left an erasure that nobody can prove."""
    stage.house.blobs.erase(TENANT, subject(stage, stage.calls[0]))
    (erasure,) = eraser_of(stage).erase([subject(stage, stage.calls[0])])
    assert (erasure.blobs, ledger_of(stage).read(erasure.record).event_type) == (0, ERASED)


def test_cut_off_between_two_calls_the_next_time_finishes(stage):
    """Wrong if the ledger said erased while a key was still there, or the second were never reached."""
    wanted = [subject(stage, each) for each in stage.calls]
    blobs, asked = stage.house.blobs, []

    class Failing:
        def __getattr__(self, name):
            return getattr(blobs, name)

        def erase(self, tenant, subject, digests=()):
            asked.append(subject)
            if len(asked) == 2:
                raise Unavailable("the disk is full", hint="make room", code="blob-store-failed")
            return blobs.erase(tenant, subject, digests)

    with pytest.raises(Unavailable):
        eraser_of(stage, blobs=Failing()).erase(wanted)
    assert [is_kept(stage, each) for each in stage.calls] == [False, True]
    assert [each.resource for each in ledger_of(stage).records() if each.event_type == ERASED] == wanted[:1]
    assert [each.blobs for each in eraser_of(stage).erase(wanted)] == [0, 3]
    assert [each.resource for each in ledger_of(stage).records() if each.event_type == ERASED] == wanted


# --- remembered -----------------------------------------------------------------------------------------------------


@pytest.fixture
def remembering():
    """Give a stage where an answer was remembered, and the record of the call that it came from."""
    stage = Stage()
    stage.add("callee", answering(7), function={"cacheable": True})
    stage.add("asker", invoking("callee"), may_call("callee.*"))
    first = stage.call().receipt.index
    stage.call()
    assert stage.last().detail["inner"][0]["outcome"] == "remembered"
    return stage, first


def test_answers_remembered_from_an_erased_call_are_forgotten(remembering):
    """Wrong if what was erased were given again from memory."""
    stage, first = remembering
    eraser_of(stage).erase([subject(stage, first)])
    stage.call()
    assert stage.last().detail["inner"][0]["outcome"] == "answered"
    stage.call()
    assert stage.last().detail["inner"][0]["outcome"] == "remembered"


def test_another_process_forgets_what_was_erased_here(remembering):
    """Wrong if a process that runs for weeks went on giving what a command erased."""
    stage, _ = remembering
    stage.house.open().call(TENANT, "asker", "do", b"{}", OPERATOR)
    eraser_of(stage).erase([subject(stage, stage.last().index)])
    stage.call()
    assert stage.last().detail["inner"][0]["outcome"] == "answered"


def test_an_erasure_of_another_tenant_makes_nobody_forget(remembering):
    """Wrong if one tenant could slow another down."""
    stage, first = remembering
    registry = stage.fleet.registry(OTHER_TENANT)
    registry.trust(AUTHOR.verifier.text(), OPERATOR)
    stage.add("callee", answering(7), function={"cacheable": True}, tenant=OTHER_TENANT)
    stage.add("asker", invoking("callee"), may_call("callee.*"), tenant=OTHER_TENANT)
    theirs = stage.call(tenant=OTHER_TENANT).receipt.index
    eraser_of(stage, OTHER_TENANT).erase([subject(stage, theirs, OTHER_TENANT)])
    stage.call(tenant=OTHER_TENANT)
    stage.call()
    assert stage.last().detail["inner"][0]["outcome"] == "remembered"
    assert is_kept(stage, first)


# --- by age ---------------------------------------------------------------------------------------------------------


def test_what_old_calls_kept_goes_with_the_class_of_their_records(stage, tmp_path):
    """Wrong if inputs of calls were kept though the policy that was written down says that their time is over."""
    ledger_of(stage).keeping.set_retention(SHORT, OPERATOR)
    grow_old(stage, 8)
    young = stage.call().receipt.index
    pruner = pruner_of(stage)
    pruning = pruner.plan()
    assert pruning.to_json()["evidence"] == {"subjects": 2, "blobs": 6}
    went = pruner.run(pruning, tmp_path, held=None, unheld=True)
    told = ledger_of(stage).read(went.evidence_record)
    assert (told.event_type, told.detail["subjects"], told.detail["blobs"]) == (EXPIRED, 2, 6)
    Schemas().check("subject-expired", told.detail)
    assert [is_kept(stage, each) for each in (*stage.calls, young)] == [False, False, True]
    assert ledger_of(stage).verify().verdict is Verdict.OK


def test_without_a_word_about_calls_they_are_kept_as_long_as_decisions(stage, tmp_path):
    """Wrong if a class that the operator did not name decided about calls."""
    classes = {"access": "P6M", "decision": "P7Y", "evidence": "P6M", "ledger": "permanent"}
    ledger_of(stage).keeping.set_retention(Retention(classes=classes), OPERATOR)
    grow_old(stage, 24)
    assert pruner_of(stage).plan().subjects == {}
    ledger_of(stage).keeping.set_retention(Retention(classes=classes, types={"module.called": "ledger"}), OPERATOR)
    grow_old(stage, 84)
    assert pruner_of(stage).plan().subjects == {}, "a later policy may lengthen what was promised"


def test_without_a_policy_no_call_grows_old(stage):
    """Wrong if anything went by age before anybody wrote down how long it is kept."""
    stage.house.clock.advance(3_650 * DAY_NS)
    stage.call()
    assert pruner_of(stage).plan(today=time_text(stage.house.clock.now_ns())[:10]).subjects == {}


def test_held_and_bounded_calls_stay(stage, tmp_path):
    """Wrong if age destroyed what a court asked for, or what is younger than was asked."""
    ledger_of(stage).keeping.set_retention(SHORT, OPERATOR)
    held = subject(stage, stage.calls[0])
    ledger_of(stage).keeping.add_hold(LegalHold(id="h1", reason="case-7", resource="call"), OPERATOR)
    grow_old(stage, 8)
    assert pruner_of(stage).plan().subjects == {}
    ledger_of(stage).keeping.release_hold("h1", OPERATOR, "case-7-closed")
    assert held in pruner_of(stage).plan().subjects
    first = ledger_of(stage).read(stage.calls[0]).timestamp
    assert pruner_of(stage).plan(before=first).subjects == {}


def test_expiry_cut_off_half_way_is_finished_the_next_time(stage, tmp_path, monkeypatch):
    """Wrong if an interrupted destruction were never finished, or no record told of it."""
    ledger_of(stage).keeping.set_retention(SHORT, OPERATOR)
    grow_old(stage, 8)
    real, asked = stage.house.blobs.erase, []

    def failing(tenant, subject, digests=()):
        asked.append(subject)
        if len(asked) == 2:
            raise Unavailable("the disk is full", hint="make room", code="blob-store-failed")
        return real(tenant, subject, digests)

    monkeypatch.setattr(stage.house.blobs, "erase", failing)
    with pytest.raises(Unavailable):
        pruner_of(stage).run(pruner_of(stage).plan(), tmp_path, held=None, unheld=True)
    assert sorted(is_kept(stage, each) for each in stage.calls) == [False, True]
    pruner_of(stage).run(pruner_of(stage).plan(), tmp_path, held=None, unheld=True)
    assert [is_kept(stage, each) for each in stage.calls] == [False, False]
    told = [each.detail["subjects"] for each in ledger_of(stage).records() if each.event_type == EXPIRED]
    assert told == [2, 1]
    with pytest.raises(UsageRefused, match="nothing to prune"):
        pruner_of(stage).run(pruner_of(stage).plan(), tmp_path, held=None, unheld=True)


def test_what_is_in_force_is_not_pruned_with_the_calls(stage, tmp_path):
    """Wrong if a revoked key were trusted again, or a module forgotten, because the record of it grew old."""
    ledger_of(stage).keeping.set_retention(
        Retention(classes={"access": "P6M", "decision": "P6M", "evidence": "P6M", "ledger": "permanent"}), OPERATOR
    )
    for _ in range(300):
        stage.call()
    key = AUTHOR.verifier.text()
    stage.registry.untrust(key, OPERATOR)
    before = stage.registry.state.now()
    grow_old(stage, 8)
    pruner = pruner_of(stage)
    went = pruner.run(pruner.plan(), tmp_path, held=None, unheld=True)
    assert went.record is not None
    with pytest.raises(NotFound):
        ledger_of(stage).read(stage.calls[0])
    after = type(stage.house.cursors)()
    anew = stage.house.open(cursors=after).registry(TENANT).state.now()
    assert (anew.revoked, anew.modules, anew.floors) == ((key,), before.modules, before.floors)


def test_a_policy_cannot_let_go_of_what_is_in_force():
    """Wrong if a written policy could make a tenant forget whom it does not trust any more."""
    for name in ("module.key-revoked", "module.installed", "module.granted"):
        with pytest.raises(Exception, match="in force"):
            Retention(types={name: "access"})
    policy = Retention(types={"module": "access"})
    assert [policy.class_of(f"module.{each}") for each in ("called", "denied", "removed")] == [
        "access",
        "access",
        "ledger",
    ]
