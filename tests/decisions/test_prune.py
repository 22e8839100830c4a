"""Pruning what decisions left: effects that wait are not lost, what was done is not done again, old evidence goes."""

from __future__ import annotations

import pytest

from bailiwick.adapters.effectchannel_memory import MemoryEffectChannel
from bailiwick.adapters.effectqueue_memory import MemoryEffectQueue
from bailiwick.adapters.effectqueue_sqlite import SqliteEffectQueue
from bailiwick.adapters.panicswitch_memory import MemoryPanicSwitch
from bailiwick.canonical import canonical_bytes, time_ns
from bailiwick.decisions import Executor, Pruner, catch_up, explain, settings_of
from bailiwick.decisions.effects.folding import RESULT
from bailiwick.decisions.prune import EXPIRED, find_needs
from bailiwick.errors import HoldStands, NotFound, Unavailable, UsageRefused, Verdict
from bailiwick.keys import Signer, new_secret
from bailiwick.ledger import Ledger, LegalHold, Retention, verify_receipt
from bailiwick.model import Actor, Draft, JsonValue
from bailiwick.schema import Schemas
from bailiwick.testing import MemoryBlobStore, MemoryClock, MemoryEntropy, MemoryLedgerStore
from tests.decisions.effect_world import OneChannel

TENANT = "local"
ACTOR = Actor(id="node:test", role="node")
DAY_NS = 86_400 * 10**9
START = "2020-01-10T12:00:00.000000000Z"
PACK: dict[str, JsonValue] = {"name": "us-osha-1904", "version": "1.0.0", "digest": f"sha256:{0:064x}"}
SHORT = Retention(classes={"access": "P6M", "decision": "P6M", "evidence": "P6M", "ledger": "permanent"})


class Years:
    """A ledger with decisions, effects and blobs in memory, and a clock that can pass years."""

    def __init__(self, policy: Retention | None = None) -> None:
        self.clock = MemoryClock(step_ns=1_000)
        self.clock.set(time_ns(START))
        self.store = MemoryLedgerStore()
        self.signer = Signer("bailiwick/test", new_secret(bytes(32)))
        self.ledger = Ledger.create(
            TENANT,
            self.store,
            self.signer,
            clock=self.clock,
            origin="bailiwick/test",
            node_id="test",
            actor=ACTOR,
            checkpoint_ms=None,
        )
        self.ledger.keeping.set_retention(policy or Retention(), ACTOR)
        self.blobs = MemoryBlobStore()
        self.queue = MemoryEffectQueue()
        self.panic = MemoryPanicSwitch()
        self.panic.set(frozen=False, reason="", by="test", at="")
        self.receiver = MemoryEffectChannel()
        self.sent: dict[str, int] = {}

    def decide(self, number: int, *keys: int) -> int:
        """Seal one decision about a subject of its own number, asking for effects, and give its index."""
        subject = f"observation/{number:032x}"
        stated: list[JsonValue] = [{"type": "notify", "parameters": {"number": each}} for each in keys]
        asked: list[JsonValue] = [{"type": "notify", "key": key(each)} for each in keys]
        said = {"outcome": "report-within-8-hours"}
        evidence = canonical_bytes(
            {"effects": stated, "pack": PACK, "impact": said, "legal_date": "2020-01-01", "n": number}
        )
        (digest,) = self.blobs.put_many(TENANT, [evidence], [subject])
        detail: dict[str, JsonValue] = {"evidence": digest, "effects": asked}
        return self.ledger.record(
            TENANT, Draft(event_type="decision.sealed", resource=subject, detail=detail, actor=ACTOR)
        ).index

    def fill(self, count: int = 300, start: int = 10_000) -> None:
        """Decide about many others, without effects."""
        for number in range(start, start + count):
            self.decide(number)

    def pass_years(self, years: float) -> None:
        """Let years go by in months, with a record and a checkpoint in each, so that nobody doubts the clock."""
        for _ in range(int(years * 12.2)):
            self.clock.set(self.clock.now_ns() + 30 * DAY_NS)
            self.ledger.keeping.set_retention(self.ledger.keeping.rules().retention, ACTOR)
            self.ledger.checkpoint()

    def run(self):
        """Perform the effects that wait."""
        return Executor(
            tenant=TENANT,
            ledger=self.ledger,
            queue=self.queue,
            blobs=self.blobs,
            panic=self.panic,
            channels=OneChannel(self.receiver, settings_of("notify", {})),
            clock=self.clock,
            entropy=MemoryEntropy(),
            actor=ACTOR,
        ).run()

    def pruner(self) -> Pruner:
        """Give what prunes."""
        return Pruner(tenant=TENANT, ledger=self.ledger, blobs=self.blobs, sent=self.sent, actor=ACTOR)

    def prune(self, folder, **how):
        """Plan and prune; give the plan and what went."""
        pruner = self.pruner()
        pruning = pruner.plan(**how)
        return pruning, pruner.run(pruning, folder, held=None, unheld=True)

    def waiting(self, queue=None) -> list[str]:
        """Give the keys that wait, in a queue that is folded from the first record."""
        queue = queue or MemoryEffectQueue()
        catch_up(TENANT, self.ledger, queue)
        return [each.key for each in queue.waiting(TENANT, 100)]

    def evidence(self, index: int) -> str:
        """Give the digest of a decision's evidence."""
        return str(self.ledger.read(index).detail["evidence"])


def key(number: int) -> str:
    """Give an effect's key."""
    return f"hmac-sha256:{number:064x}"


@pytest.fixture
def years():
    """A ledger of decisions that are kept for seven years."""
    made = Years()
    yield made
    made.ledger.close()


@pytest.fixture
def short():
    """A ledger of decisions that are kept for half a year."""
    made = Years(SHORT)
    yield made
    made.ledger.close()


# --- effects --------------------------------------------------------------------------------------------------------


def test_an_effect_that_waits_keeps_its_decision_and_evidence(short, tmp_path):
    """Wrong if what nobody did yet could be forgotten because it is old."""
    index = short.decide(1, 7)
    short.fill()
    short.pass_years(1)
    plan = short.pruner().plan().records
    assert plan.deleted == 0
    assert f"record {index}, decision.sealed, asks for an effect that has no result yet" in plan.blocked
    pruning, went = short.prune(tmp_path, carry=True)
    assert pruning.records.stop == 256
    assert went.record is not None
    assert short.ledger.read(index).index == index
    assert short.waiting() == [key(7)]
    assert short.ledger.verify().verdict is Verdict.OK
    short.queue = MemoryEffectQueue()
    assert short.run().delivered == 1
    assert short.waiting() == []


@pytest.mark.parametrize("make", ["memory", "sqlite"])
def test_a_queue_made_anew_on_a_pruned_ledger_knows_what_waits_and_repeats_nothing(short, tmp_path, make):
    """Wrong if a lost file cost an effect, or did one again: every queue can be made from the records that are left."""
    waits = short.decide(1, 1, 2)
    short.decide(2, 3)
    short.panic.set(frozen=False, reason="", by="test", at="")
    short.queue = MemoryEffectQueue()
    short.fill()
    short.pass_years(0.25)
    done = [r for r in (short.run(),) if r.delivered == 3]
    assert done
    later = short.decide(3, 3)
    again = short.decide(4, 9)
    short.fill(start=20_000)
    short.pass_years(1)
    short.prune(tmp_path, carry=True)
    assert short.ledger.keeping.rules().size > 512
    with pytest.raises(NotFound):
        short.ledger.read(waits)
    queue = MemoryEffectQueue() if make == "memory" else SqliteEffectQueue(tmp_path / "tenants")
    assert short.waiting(queue) == [key(9)]
    queue.close()
    assert short.ledger.read(again).index == again
    assert later > 256


def test_a_result_stays_as_long_as_any_decision_that_asked_for_it(short, tmp_path):
    """Wrong if the same act, decided again years later, were done again once its result was pruned."""
    first = short.decide(1, 5)
    short.fill()
    short.run()
    (result,) = [record.index for record in short.ledger.records() if record.event_type == RESULT]
    short.fill(start=30_000)
    short.pass_years(0.4)
    later = short.decide(2, 5)
    short.fill(start=20_000)
    short.pass_years(0.4)
    pruning, _ = short.prune(tmp_path)
    assert pruning.records.stop > result
    with pytest.raises(NotFound):
        short.ledger.read(first)
    assert short.ledger.read(later).index == later
    assert short.ledger.read(result).event_type == RESULT
    assert short.waiting() == []
    assert short.ledger.verify().verdict is Verdict.OK
    short.pass_years(1)
    short.prune(tmp_path)
    with pytest.raises(NotFound):
        short.ledger.read(later)
    assert short.waiting() == []


def test_a_plan_counts_what_really_goes(short, tmp_path):
    """Wrong if the record of a pruning said other numbers than what was deleted."""
    short.decide(1, 5)
    short.decide(2, 6)
    short.fill(280)
    short.run()
    short.fill(300, start=20_000)
    short.pass_years(0.45)
    short.decide(3, 5)
    short.pass_years(0.3)
    before = sum(1 for _ in short.ledger.records(0, 512))
    pruning, went = short.prune(tmp_path)
    after = sum(1 for _ in short.ledger.records(0, pruning.records.stop))
    detail = short.ledger.read(went.record).detail
    assert (detail["deleted"], detail["carried"]) == (pruning.records.deleted, pruning.records.carried)
    assert pruning.records.stop == 512
    assert before - after == pruning.records.deleted
    assert after == pruning.records.carried


def test_an_effect_whose_evidence_was_erased_ends(years):
    """Wrong if it waited for ever and failed in each run."""
    index = years.decide(1, 7)
    years.decide(2, 8)
    years.blobs.erase(TENANT, f"observation/{1:032x}")
    report = years.run()
    assert (report.delivered, report.ended, report.waiting, report.failed) == (1, 1, 0, ())
    (result, _) = [record for record in years.ledger.records() if record.event_type == RESULT]
    assert dict(result.detail) == {
        "key": key(7),
        "type": "notify",
        "record": index,
        "delivered": "never",
        "reason": "evidence-erased",
    }
    Schemas().check("effect-result", result.detail)
    size = years.ledger.size()
    assert years.run().ended == 0
    assert years.ledger.size() == size
    assert [each.key for each in years.queue.listed(TENANT)] == [key(8)]


@pytest.mark.parametrize("make", ["memory", "sqlite"])
def test_a_later_decision_that_asks_for_the_same_is_carried_out(years, make, tmp_path):
    """Wrong if erasing one person's evidence stopped a notice that another decision asks for."""
    if make == "sqlite":
        years.queue = SqliteEffectQueue(tmp_path)
    years.decide(1, 7)
    years.decide(2, 7)
    years.decide(3, 7)
    years.blobs.erase(TENANT, f"observation/{1:032x}")
    report = years.run()
    assert (report.delivered, report.ended, report.waiting) == (1, 1, 0)
    years.decide(4, 7)
    assert years.run().delivered == 0
    years.decide(5, 9)
    years.blobs.erase(TENANT, f"observation/{5:032x}")
    assert years.run().ended == 1
    years.decide(6, 9)
    assert years.run().delivered == 1
    assert years.waiting() == []
    years.queue.close()


def test_a_result_that_says_never_ends_only_the_decision_that_it_names(years):
    """Wrong if a queue made anew from a pruned ledger gave up an effect whose first decision is gone."""
    early, late = years.decide(1, 7), years.decide(2, 7)
    detail = {"key": key(7), "type": "notify", "record": early - 1, "delivered": "never", "reason": "evidence-erased"}
    years.ledger.record(TENANT, Draft(event_type=RESULT, resource="effect/0", detail=detail, actor=ACTOR))
    assert years.waiting() == [key(7)]
    assert find_needs(years.ledger, {}).waiting == {early, late} - {early}
    detail = {**detail, "record": early}
    years.ledger.record(TENANT, Draft(event_type=RESULT, resource="effect/0", detail=detail, actor=ACTOR))
    queue = MemoryEffectQueue()
    assert years.waiting(queue) == [key(7)]
    assert [each.record for each in queue.listed(TENANT)] == [late]


def test_a_switch_that_holds_ends_no_effect(years):
    """Wrong if anything came of an effect while everything is frozen."""
    years.decide(1, 7)
    years.blobs.erase(TENANT, f"observation/{1:032x}")
    years.panic.set(frozen=True, reason="drill", by="test", at="")
    report = years.run()
    assert (report.ended, report.waiting, report.frozen) == (0, 1, True)


# --- evidence -------------------------------------------------------------------------------------------------------


def kept(years, *indexes):
    """Say of decisions whether their evidence is there."""
    return [years.blobs.has(TENANT, years.evidence(index)) for index in indexes]


EVIDENCE_SHORT = Retention(classes={"access": "P6M", "decision": "P7Y", "evidence": "P6M", "ledger": "permanent"})


@pytest.fixture
def aging():
    """A ledger whose decisions are kept for seven years, and their evidence for half a year."""
    made = Years(EVIDENCE_SHORT)
    yield made
    made.ledger.close()


def test_old_evidence_goes_and_its_record_stays(aging, tmp_path):
    """Wrong if the evidence class were a promise that nothing keeps."""
    old = aging.decide(1, 7)
    aging.run()
    aging.pass_years(1)
    young = aging.decide(2)
    pruning, went = aging.prune(tmp_path)
    assert pruning.to_json()["evidence"] == {"subjects": 1, "blobs": 1}
    assert (went.record, went.archive) == (None, None)
    record = aging.ledger.read(went.evidence_record)
    assert record.event_type == EXPIRED
    Schemas().check("subject-expired", record.detail)
    assert (record.detail["subjects"], record.detail["blobs"]) == (1, 1)
    assert kept(aging, old, young) == [False, True]
    with pytest.raises(NotFound) as erased:
        explain(TENANT, aging.ledger.read(old), aging.blobs)
    assert erased.value.code == "blob-erased"
    text = aging.ledger.prove(old)
    assert verify_receipt(text, aging.ledger.read(old).raw, key=aging.ledger.verifier_key())[0] == old
    with pytest.raises(UsageRefused) as nothing:
        aging.prune(tmp_path)
    assert nothing.value.code == "prune-nothing"
    assert aging.waiting() == []


def test_evidence_of_a_subject_stays_while_one_of_its_decisions_is_young(aging, tmp_path):
    """Wrong if a decision of today lost what it rests on because the same was decided before."""
    old = aging.decide(1)
    other = aging.decide(2)
    aging.pass_years(1)
    young = aging.decide(1)
    pruning, _ = aging.prune(tmp_path)
    assert list(pruning.subjects) == [f"observation/{2:032x}"]
    assert kept(aging, old, other, young) == [True, False, True]


def test_held_evidence_stays(aging, tmp_path):
    """Wrong if age destroyed what a court asked for."""
    held, other = aging.decide(1), aging.decide(2)
    aging.ledger.keeping.add_hold(LegalHold(id="h1", reason="case-7", resource=f"observation/{1:032x}"), ACTOR)
    aging.pass_years(1)
    aging.prune(tmp_path)
    assert kept(aging, held, other) == [True, False]
    aging.ledger.keeping.release_hold("h1", ACTOR, "case-7-closed")
    aging.prune(tmp_path)
    assert kept(aging, held) == [False]


def test_a_hold_between_plan_and_destruction_stops_it(aging, tmp_path):
    """Wrong if what a court asked for went while somebody read the plan."""
    index = aging.decide(1)
    aging.pass_years(1)
    pruner = aging.pruner()
    pruning = pruner.plan()
    aging.ledger.keeping.add_hold(LegalHold(id="h1", reason="case-7", resource=f"observation/{1:032x}"), ACTOR)
    with pytest.raises(UsageRefused) as changed:
        pruner.run(pruning, tmp_path, held=None, unheld=True)
    assert changed.value.code == "prune-changed"
    assert kept(aging, index) == [True]


def test_a_decision_between_plan_and_destruction_keeps_its_subject(aging, tmp_path):
    """Wrong if what was decided a moment ago lost its evidence to a plan that did not know of it."""
    aging.decide(1)
    other = aging.decide(2)
    aging.pass_years(1)
    pruner = aging.pruner()
    pruning = pruner.plan()
    again = aging.decide(1)
    went = pruner.run(pruning, tmp_path, held=None, unheld=True)
    assert aging.ledger.read(went.evidence_record).detail["subjects"] == 1
    assert kept(aging, again, other) == [True, False]


def test_evidence_of_an_effect_that_waits_stays(aging, tmp_path):
    """Wrong if age took away what a message has to be made of."""
    index = aging.decide(1, 7)
    aging.pass_years(1)
    with pytest.raises(UsageRefused, match="nothing to prune"):
        aging.prune(tmp_path)
    assert kept(aging, index) == [True]
    assert aging.run().delivered == 1
    aging.prune(tmp_path)
    assert kept(aging, index) == [False]


def test_a_store_that_fails_half_way_is_asked_again(aging, tmp_path, monkeypatch):
    """Wrong if an interrupted destruction were never finished, or no record told of it."""
    aging.decide(1)
    aging.decide(2)
    aging.pass_years(1)
    real, calls = aging.blobs.erase, []

    def failing(tenant, subject, digests=()):
        calls.append(subject)
        if len(calls) == 2:
            raise Unavailable("the disk is full", hint="make room", code="blob-store-failed")
        return real(tenant, subject, digests)

    monkeypatch.setattr(aging.blobs, "erase", failing)
    with pytest.raises(Unavailable):
        aging.prune(tmp_path)
    _, went = aging.prune(tmp_path)
    told = [record.detail["subjects"] for record in aging.ledger.records() if record.event_type == EXPIRED]
    assert told == [2, 1]
    assert went.evidence_record is not None


def test_decisions_stay_as_long_as_their_evidence(tmp_path):
    """Wrong if a decision's record could go first: nobody would ever find its evidence again."""
    classes = {"access": "P6M", "decision": "P6M", "evidence": "P2Y", "ledger": "permanent"}
    years = Years(Retention(classes=classes))
    years.fill()
    years.pass_years(1)
    assert "kept until 2022-01-10" in years.pruner().plan().records.blocked
    years.pass_years(1.2)
    pruning, went = years.prune(tmp_path)
    assert pruning.blobs >= 256
    assert went.record is not None
    assert not any(years.blobs.kept_for(TENANT, f"observation/{number:032x}") for number in range(10_000, 10_300))
    years.ledger.close()


def test_a_store_that_does_not_prune_loses_old_evidence_all_the_same(aging, tmp_path):
    """Wrong if a ledger in a bucket kept persons' data for as long as its records."""

    class Plain:
        def __init__(self, store):
            self._store = store

        def __getattr__(self, name):
            if name in {"pruned", "prune", "leaves", "carried", "tidy", "begin"}:
                raise AttributeError(name)
            return getattr(self._store, name)

    index = aging.decide(1)
    aging.pass_years(1)
    aging.ledger.close()
    aging.ledger = Ledger.open(
        TENANT, Plain(aging.store), aging.signer, clock=aging.clock, node_id="test", checkpoint_ms=None
    )
    pruning, went = aging.prune(tmp_path)
    assert "does not prune" in pruning.records.blocked
    assert went.record is None
    assert kept(aging, index) == [False]


# --- sinks ----------------------------------------------------------------------------------------------------------


def test_a_sink_that_was_not_sent_everything_is_waited_for(short, tmp_path):
    """Wrong if a receiver never got records, and nobody could tell it what they were."""
    short.fill()
    short.pass_years(1)
    short.sent = {"siem": 255, "console": 1_000}
    pruning = short.pruner().plan()
    assert pruning.to_json()["sink"] == {"name": "siem", "sent": 255}
    with pytest.raises(UsageRefused, match="sink siem was sent 255 records") as behind:
        short.pruner().run(pruning, tmp_path, held=None, unheld=True)
    assert behind.value.code == "prune-sink-behind"
    assert not any(record.event_type == EXPIRED for record in short.ledger.records())
    with pytest.raises(UsageRefused) as unknown:
        short.pruner().plan(without_sinks=frozenset({"nobody"}))
    assert unknown.value.code == "sink-unknown"
    pruning, went = short.prune(tmp_path, without_sinks=frozenset({"siem"}))
    assert (pruning.records.stop, went.record is None) == (256, False)


def test_a_sink_that_has_all_that_goes_is_no_obstacle(short, tmp_path):
    """Wrong if pruning waited for a sink to have what stays."""
    short.fill()
    short.pass_years(1)
    short.sent = {"siem": 256}
    assert short.prune(tmp_path)[0].records.stop == 256


def test_a_hold_is_still_named_first(short, tmp_path):
    """Wrong if a sink's delay hid that a court stands in the way."""
    short.fill()
    short.ledger.keeping.add_hold(LegalHold(id="h1", reason="case-7", since=START), ACTOR)
    short.pass_years(1)
    short.sent = {"siem": 0}
    with pytest.raises(HoldStands):
        short.prune(tmp_path)
