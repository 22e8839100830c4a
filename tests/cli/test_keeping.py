"""Keeping and pruning from the terminal: written down, held, refused with a way on, and done."""

from __future__ import annotations

import json
from importlib.resources import files

import pytest

from bailiwick.adapters.clock_system import SystemClock

MONTH_NS = 30 * 86_400 * 10**9
TENANT_FOLDER = ".bailiwick/tenants/local"
SINK = '[sinks.archive]\nkind = "file"\ntenant = "local"\nfolder = "sunk"\n'


def test_nothing_goes_before_a_policy_is_written(decided):
    """Wrong if a ledger without a written policy could be pruned."""
    before = decided("ledger", "prune", "--dry-run", "--json").json
    assert (before["deleted"], before["record"]) == (0, None)
    assert "no policy" in before["blocked"]
    assert decided("ledger", "retention", "--json").json["written"] is False
    assert decided("ledger", "retention", "--write", "default", "--json").json["written"] is True
    after = decided("ledger", "prune", "--dry-run", "--json").json
    assert after["deleted"] == 0
    assert "no policy" not in (after["blocked"] or "")


def test_a_policy_is_written_from_a_file_and_a_wrong_one_refused(decided, folder):
    """Wrong if a typing error became a promise."""
    policy = folder / "policy.json"
    policy.write_text('{"classes": {"access": "P5M"}, "format": "bailiwick-retention/1", "types": {}}')
    assert decided("ledger", "retention", "--write", "policy.json").code == 3
    assert decided("ledger", "retention", "--write", "absent.json").code == 5
    policy.write_text(" " * 70_000)
    assert decided("ledger", "retention", "--write", "policy.json").code == 3


def test_a_hold_is_set_listed_and_released(decided):
    """Wrong if a hold could not be found again, or stood after its release."""
    record = decided("ledger", "tail", "--json").lines[1]
    hold = decided("ledger", "hold", "add", "--resource", record["resource"], "--reason", "case-7", "--json").json[
        "hold"
    ]
    assert [each["hold"] for each in decided("ledger", "hold", "list", "--json").json["holds"]] == [hold]
    assert decided("ledger", "hold", "release", hold, "--reason", "case-7-closed").code == 0
    assert decided("ledger", "hold", "list", "--json").json == {"holds": []}
    assert decided("ledger", "hold", "release", hold, "--reason", "case-7-closed").code == 4


def test_a_held_subject_is_not_erased(decided):
    """Wrong if erasure could destroy what a court asked for."""
    decision = next(r for r in decided("ledger", "tail", "--json").lines if r["event_type"] == "decision.sealed")
    assert decided("ledger", "hold", "add", "--resource", decision["resource"], "--reason", "case-7").code == 0
    refused = decided("ledger", "erase", "--record", str(decision["index"]), "--yes")
    assert refused.code == 3
    assert "hold" in refused.err
    assert decided("explain", str(decision["index"])).code == 0


def test_pruning_asks_for_an_archive_and_a_yes(decided, folder):
    """Wrong if a word too few deleted records, or a wrong day were believed."""
    assert decided("ledger", "prune").code == 2
    assert decided("ledger", "prune", "--yes").code == 2
    assert decided("ledger", "prune", "--archive", "kept", "--yes", "--without-witness").code == 2
    assert decided("ledger", "prune", "--dry-run", "--today", "2001-01-01").code == 2
    assert decided("ledger", "prune", "--dry-run", "--before", "yesterday").code == 2
    assert not (folder / "kept").exists()


# --- pruning, done --------------------------------------------------------------------------------------------------


class Aged:
    """A terminal on a home with 300 decisions that are nine months old, by a clock that can be set."""

    def __init__(self, cli, folder, monkeypatch):
        self.cli, self.folder = cli, folder
        self.now_ns = SystemClock().now_ns() - 9 * MONTH_NS
        monkeypatch.setattr(SystemClock, "now_ns", self.tick)

    def tick(self, _clock=None) -> int:
        """Give a time a little later than the last."""
        self.now_ns += 1_000
        return self.now_ns

    def __call__(self, *words, **more):
        return self.cli(*words, **more)

    def start(self, decision="P6M", evidence="P6M"):
        """Decide what the sample has, over and over, under a policy of one's own."""
        assert self("init").code == 0
        classes = {"access": "P6M", "decision": decision, "evidence": evidence, "ledger": "permanent"}
        policy = {"classes": classes, "format": "bailiwick-retention/1", "types": {}}
        (self.folder / "policy.json").write_text(json.dumps(policy))
        assert self("ledger", "retention", "--write", "policy.json").code == 0
        rows = (files("bailiwick") / "builtin/samples/osha-injuries.csv").read_bytes().splitlines(keepends=True)
        (self.folder / "many.csv").write_bytes(rows[0] + b"".join((rows[1:] * 300)[:300]))
        assert self("decide", "us-osha-1904", "many.csv", "--legal-date", "2024-01-01").code == 0

    def pass_months(self):
        """Let eight months go by, with a record in each."""
        for _ in range(8):
            self.now_ns += MONTH_NS
            assert self("panic", "on", "--reason", "a month went by").code == 0
        assert self("panic", "off", "--reason", "and over").code == 0

    def plan(self, *words):
        """Give what pruning would do."""
        return self("ledger", "prune", "--dry-run", "--json", *words).json

    def prune(self, *words):
        """Prune, with nobody else as a witness."""
        return self("ledger", "prune", "--archive", "kept", "--without-witness", "--yes", "--json", *words)


@pytest.fixture
def aged(cli, folder, monkeypatch):
    """A home in which nothing was decided yet, nine months ago."""
    return Aged(cli, folder, monkeypatch)


def first_decision(aged) -> int:
    """Give the index of the oldest decision."""
    found = aged("ledger", "tail", "--count", "10000", "--json").lines
    return next(record["index"] for record in found if record["event_type"] == "decision.sealed")


def test_pruning_is_looked_at_then_done_and_what_is_gone_is_said_everywhere(aged, folder):
    """Wrong if a look deleted something, or a question about a pruned record were answered by anything but that."""
    aged.start()
    assert aged("effects", "run").code == 0
    index = first_decision(aged)
    aged.pass_months()
    key = aged("init", "--json").json["verifier_key"]
    before = aged("ledger", "stats", "--json").json["records"]
    plan = aged.plan()
    assert (plan["start"], plan["record"], plan["archive"]) == (0, None, None)
    assert plan["stop"] in {256, 512}
    assert aged("ledger", "stats", "--json").json["records"] == before
    assert aged("explain", str(index)).code == 0
    done = aged.prune()
    assert done.code == 0, done.err
    went, name = done.json, f"records-000000000000-{plan['stop']:012d}"
    assert (went["stop"], went["deleted"], went["carried"]) == (plan["stop"], plan["deleted"], plan["carried"])
    assert went["evidence"] == plan["evidence"]
    assert aged("verify", f"kept/{name}", "--key", key).code == 0
    for words in (("explain", str(index)), ("ledger", "show", str(index)), ("replay", str(index))):
        refused = aged(*words)
        assert refused.code == 4, words
        assert "was pruned" in refused.err
        assert name in refused.err
    proved = aged("ledger", "prove", str(index))
    assert proved.code == 0
    assert proved.out.startswith("c2sp.org/tlog-proof@v1")
    assert aged("ledger", "verify", "--json").json["minimum"] == plan["stop"]
    assert aged("replay", "--all", "--json").code in {0, 1}
    again = aged.prune()
    assert again.code == 2
    assert "nothing to prune" in again.err


def test_pruning_for_people_says_what_went(aged):
    """Wrong if the text left out the evidence, or spoke of what would go as gone."""
    aged.start()
    assert aged("effects", "run").code == 0
    aged.pass_months()
    looked = aged("ledger", "prune", "--dry-run")
    assert "records would go" in looked.out
    assert "would go: " in looked.out.splitlines()[-1]
    done = aged("ledger", "prune", "--archive", "kept", "--without-witness", "--yes")
    assert "records went" in done.out
    assert "evidence of" in done.out
    assert " went, record " in done.out


def test_effects_that_wait_hold_pruning_up_and_survive_a_lost_queue(aged, folder):
    """Wrong if an effect that nobody performed went with its decision, or with the file of the queue."""
    aged.start()
    aged.pass_months()
    blocked = aged.plan()
    assert blocked["deleted"] == 0
    assert "asks for an effect that has no result yet" in blocked["blocked"]
    waiting = aged("effects", "list", "--json").lines
    carried = aged.prune("--carry")
    assert carried.code == 0, carried.err
    for path in (folder / TENANT_FOLDER).glob("effects.db*"):
        path.unlink()
    assert aged("effects", "list", "--json").lines == waiting
    assert aged("effects", "run", "--json").json["delivered"] > 0
    assert aged("ledger", "verify").code == 0


def test_a_sink_that_is_behind_is_named_and_can_be_left_out(aged, folder):
    """Wrong if a receiver lost records without anybody having said so."""
    aged.start()
    assert aged("effects", "run").code == 0
    aged.pass_months()
    settings = folder / ".bailiwick" / "node.toml"
    settings.write_text(settings.read_text() + SINK)
    refused = aged.prune()
    assert refused.code == 2
    assert "sink archive was sent 0 records" in refused.err
    assert aged.plan()["sink"] == {"name": "archive", "sent": 0}
    assert aged("ledger", "prune", "--dry-run", "--without-sink", "nobody").code == 2
    assert aged.plan("--without-sink", "archive")["sink"] is None
    assert aged("sinks", "run").code == 0
    assert aged.prune().code == 0


def test_old_evidence_goes_and_its_decision_says_so(aged):
    """Wrong if evidence outlived its class, or its decision were then a riddle."""
    aged.start(decision="P7Y")
    assert aged("effects", "run").code == 0
    index = first_decision(aged)
    aged.pass_months()
    plan = aged.plan()
    assert plan["deleted"] == 0
    assert plan["evidence"]["subjects"] > 0
    assert aged("ledger", "prune").code == 2
    done = aged("ledger", "prune", "--yes", "--json")
    assert done.code == 0, done.err
    assert (done.json["record"], done.json["archive"]) == (None, None)
    assert aged("ledger", "show", str(done.json["evidence_record"]), "--json").json["event_type"] == "subject.expired"
    refused = aged("explain", str(index))
    assert refused.code == 4
    assert "erased" in refused.err
    assert aged("ledger", "prove", str(index)).code == 0
    replayed = aged("replay", "--all", "--json").json
    assert (replayed["replayed"], replayed["unavailable"]) == (0, 300)
    assert aged.plan()["evidence"]["subjects"] == 0


def test_an_effect_without_evidence_ends_once(aged):
    """Wrong if each run failed again on what can never be delivered."""
    aged.start()
    asked = aged("effects", "list", "--json").lines
    assert aged("ledger", "erase", "--record", str(asked[0]["record"]), "--yes").code == 0
    ran = aged("effects", "run", "--json")
    assert ran.code == 0, ran.err
    assert ran.json["ended"] >= 1
    assert ran.json["waiting"] == 0
    assert aged("effects", "run", "--json").json["ended"] == 0
