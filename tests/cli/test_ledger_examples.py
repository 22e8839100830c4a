"""Each example that the help of the ledger's verbs prints is run on a real home, and what it promises is looked at.

Capitals in an example stand for what only the reader has; a port that may be taken gives way to a free one.
"""

from __future__ import annotations

import json
import shlex
import shutil
import signal
import subprocess
import sys
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path

import pytest

from bailiwick.adapters import ledgerstore_s3
from bailiwick.adapters.clock_system import SystemClock
from bailiwick.adapters.ledgerstore_files import FileLedgerStore
from bailiwick.cli.commands import COMMANDS

VERBS = ("at", "erase", "find", "move", "prove", "prune", "restore", "rotate-key", "verify", "witness", "worm-probe")
PRINTED = "  bailiwick "
LISTEN = "127.0.0.1:8630"
SEGMENT = ".bailiwick/tenants/local/ledger/seg/000000000000.jsonl"
MONTH_NS = 30 * 86_400 * 1_000_000_000
SHOWN: set[str] = set()


def shows(*examples: str):
    """Say which examples a test runs; it gets each in turn."""
    SHOWN.update(examples)
    return pytest.mark.parametrize("example", examples)


def words(example: str, **stands_for: str) -> list[str]:
    """Give the words of an example, with what stands for the capitals in it."""
    return [stands_for.get(word.replace("-", "_"), word) for word in shlex.split(example)]


def records(terminal, event_type: str) -> list[dict]:
    """Give every record of a type, as the ledger shows it."""
    found = terminal("ledger", "tail", "--count", "10000", "--json").lines
    return [record for record in found if record["event_type"] == event_type]


def stored(index: int) -> bytes:
    """Give the stored bytes of a record, straight from the file."""
    return Path(SEGMENT).read_bytes().splitlines()[index]


def test_every_example_that_the_help_prints_is_run_here(cli):
    """Wrong if an example could be printed that nobody ever tried."""
    printed: set[str] = set()
    for command in COMMANDS:
        noun, _, verb = command.words.partition(" ")
        if noun == "ledger" and verb.split()[0] in VERBS:
            lines = cli(*command.words.split(), "--help").out.partition("Examples:")[2].splitlines()
            here = {line.removeprefix(PRINTED) for line in lines if line.startswith(PRINTED)}
            assert here, command.words
            printed |= here
    assert printed == SHOWN


# --- the past ---------------------------------------------------------------------------------------------------------


@shows("ledger at now")
def test_the_state_now_is_what_the_ledger_adds_up_to(decided, example):
    """Wrong if an operator read a number of waiting effects that is not theirs."""
    past = json.loads(decided(*words(example)).out.partition("\n\n")[2])
    waiting = decided("effects", "list", "--json").lines
    assert len(past["waiting"]) == len(waiting) > 0
    assert {each["record"] for each in past["waiting"]} <= {
        each["index"] for each in records(decided, "decision.sealed")
    }


@shows("ledger at MOMENT --projection decisions --json", "ledger at MOMENT --projection decisions --replay")
def test_the_state_of_a_moment_leaves_out_what_came_after(decided, injuries, example):
    """Wrong if a decision of today showed up in the state of yesterday."""
    before = records(decided, "decision.sealed")
    assert decided("decide", "us-osha-1904", injuries, "--legal-date", "2024-01-01").code == 0
    ran = decided(*words(example, MOMENT=before[-1]["timestamp"]))
    state = ran.json["state"] if "--json" in example else json.loads(ran.out.partition("\n\n")[2])
    assert len(records(decided, "decision.sealed")) == 2 * len(before)
    assert state["decisions"] == len(before)


@shows("ledger find --type panic.set --json")
def test_the_records_of_one_type_are_found(decided, example):
    """Wrong if a search by type missed a record, or found another."""
    for words_of in (("panic", "on", "--reason", "a test"), ("panic", "off")):
        assert decided(*words_of).code == 0
    ran = decided(*words(example))
    found = sorted(hit["record"] for hit in ran.json["hits"])
    assert found == [record["index"] for record in records(decided, "panic.set")]
    assert len(found) == 2


@shows("ledger find --type decision.sealed --since MOMENT --limit 5 --json")
def test_a_page_of_a_search_begins_at_its_moment_and_ends_at_its_limit(decided, injuries, example):
    """Wrong if a page held what came before the moment, or more than was asked for."""
    moment = decided("ledger", "tail", "--count", "1", "--json").lines[0]["timestamp"]
    assert decided("decide", "us-osha-1904", injuries, "--legal-date", "2024-01-01").code == 0
    later = [record["index"] for record in records(decided, "decision.sealed") if record["timestamp"] >= moment]
    page = decided(*words(example, MOMENT=moment)).json
    assert [hit["record"] for hit in page["hits"]] == later[:5]
    assert len(later) > 5


# --- proofs and verdicts ----------------------------------------------------------------------------------------------


@shows("ledger prove 3", "ledger prove 3 --out record-3.tlog-proof")
def test_a_proof_holds_for_its_record_and_for_no_other(decided, folder, example):
    """Wrong if what is handed out as a proof proved nothing."""
    key = decided("init", "--json").json["verifier_key"]
    ran = decided(*words(example))
    path = folder / "record-3.tlog-proof"
    if "--out" not in example:
        path.write_text(ran.out)
    (folder / "three").write_bytes(stored(3))
    (folder / "four").write_bytes(stored(4))
    held = decided("verify", path.name, "--record", "three", "--key", key, "--json")
    assert (held.code, held.json["record"]) == (0, 3)
    assert decided("verify", path.name, "--record", "four", "--key", key).code == 1


@shows("ledger prove --from 1")
def test_a_proof_of_growth_holds_since_the_checkpoint_of_that_size(decided, folder, example):
    """Wrong if somebody who kept a checkpoint could not see that the ledger only grew."""
    key = decided("init", "--json").json["verifier_key"]
    (folder / "kept").write_text(json.loads(stored(1))["detail"]["note"])
    (folder / "growth").write_text(decided(*words(example)).out)
    assert decided("verify", "growth", "--since", "kept", "--key", key).code == 0
    assert decided("init", "--home", "other").code == 0
    (folder / "others").write_text(decided("ledger", "show", "1", "--home", "other", "--json").json["detail"]["note"])
    assert decided("verify", "growth", "--since", "others", "--key", key).code != 0


@pytest.fixture
def short_segments(monkeypatch):
    """Let a segment end after a few records, so that a small ledger has full ones."""
    monkeypatch.setitem(FileLedgerStore.__init__.__kwdefaults__, "segment_records", 4)


@shows("ledger verify", "ledger verify --jobs 2 --json", "ledger verify --seal", "ledger verify --fast")
def test_a_verification_tells_a_sound_ledger_from_one_with_a_bit_flipped(short_segments, decided, folder, example):
    """Wrong if the verdict did not depend on the bytes."""
    assert decided("ledger", "verify", "--seal").code == 0
    sound = decided(*words(example))
    assert (sound.code, "ok" in sound.out) == (0, True)
    raw = bytearray((folder / SEGMENT).read_bytes())
    raw[len(raw) // 2] ^= 1
    (folder / SEGMENT).write_bytes(raw)
    broken = decided(*words(example))
    assert 10 <= broken.code <= 14, broken.out


# --- keys and witnesses -----------------------------------------------------------------------------------------------


@shows("ledger rotate-key", "ledger rotate-key --json")
def test_whoever_trusts_the_old_key_can_follow_the_new_one(decided, example):
    """Wrong if a change of key cut the ledger in two, or changed nothing."""
    old = decided("init", "--json").json["verifier_key"]
    ran = decided(*words(example))
    new = ran.json["key"] if "--json" in example else ran.out.split()[2]
    assert new != old
    assert len(records(decided, "ledger.key-rotated")) == 1
    assert decided("ledger", "export", "--out", "bundle", "--json").json["key"] == new
    for key in (old, new):
        assert decided("verify", "bundle", "--key", key).code == 0


@contextmanager
def serving(example: str, home: str):
    """Run the example that serves in a process of its own, on a port that is free, and give what it prints first."""
    command = [sys.executable, "-m", "bailiwick.cli", *shlex.split(example.replace(LISTEN, "127.0.0.1:0"))]
    with subprocess.Popen([*command, "--json", "--home", home], stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process, json.loads(process.stdout.readline())
        finally:
            process.kill()


@pytest.fixture
def hub(decided):
    """Give a terminal on a home, beside which another can be its witness and trusts its key."""
    assert decided("init", "--home", "hub").code == 0
    return decided


@shows("ledger witness serve --listen 127.0.0.1:8630")
def test_a_witness_that_serves_is_asked_over_the_wire_and_ends_when_interrupted(hub, example):
    """Wrong if two homes on two machines could not witness each other with these commands."""
    key = hub("init", "--json").json["verifier_key"]
    assert hub(*words("ledger witness trust VKEY", VKEY=key), "--home", "hub").code == 0
    with serving(example, "hub") as (process, told):
        assert told["logs"] == 1
        assert hub("ledger", "witness", "add", told["url"], told["key"]).code == 0
        asked = hub("ledger", "checkpoint", "--json")
        assert (asked.code, asked.json["quorum"]) == (0, True), asked.err
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 130
    assert hub("ledger", "export", "--out", "bundle").code == 0
    assert hub("ledger", "policy", "--out", "auditor.policy").code == 0
    assert hub("verify", "bundle", "--policy", "auditor.policy").code == 0


@shows("ledger witness add http://127.0.0.1:8630 WITNESS-KEY")
def test_a_witness_that_was_added_is_named_in_a_record_and_asked(hub, example):
    """Wrong if nobody could check a witness's lines, or it were never asked."""
    key = hub("ledger", "witness", "key", "--home", "hub", "--json").json["key"]
    assert hub(*words(example, WITNESS_KEY=key)).code == 0
    assert [record["detail"]["verifier"] for record in records(hub, "ledger.witness-added")] == [key]
    assert [each["url"] for each in hub("ledger", "witness", "list", "--json").json["asked"]] == [f"http://{LISTEN}"]


@shows("ledger witness list", "ledger witness list --json")
def test_the_list_has_who_is_asked_and_who_is_witnessed(hub, example):
    """Wrong if an operator could not see who stands for whom."""
    key = hub("ledger", "witness", "key", "--home", "hub", "--json").json
    assert hub("ledger", "witness", "add", f"http://{LISTEN}", key["key"]).code == 0
    assert hub("ledger", "witness", "trust", hub("init", "--json", "--home", "hub").json["verifier_key"]).code == 0
    shown = hub(*words(example)).out
    assert all(each in shown for each in (key["name"], LISTEN, "trusted"))


@shows("ledger witness remove NAME")
def test_a_witness_that_was_removed_is_asked_no_more(hub, example):
    """Wrong if a witness that is gone were asked for ever."""
    key = hub("ledger", "witness", "key", "--home", "hub", "--json").json
    assert hub("ledger", "witness", "add", f"http://{LISTEN}", key["key"]).code == 0
    assert hub(*words(example, NAME=key["name"])).code == 0
    assert hub("ledger", "witness", "list", "--json").json["asked"] == []


@shows("ledger witness key --name hub.example/w1", "ledger witness key --json")
def test_a_witness_has_one_key_that_stays(decided, example):
    """Wrong if a witness changed its key each time it was asked for it."""
    told = decided(*words(example)).out
    again = decided("ledger", "witness", "key", "--json").json
    assert again["key"] in told
    assert (again["name"] == "hub.example/w1") == ("--name" in example)


@shows("ledger witness trust VKEY")
def test_a_log_that_is_trusted_is_witnessed(hub, example):
    """Wrong if a hub took in another log than it was told to."""
    key = hub("init", "--json", "--home", "hub").json["verifier_key"]
    assert hub(*words(example, VKEY=key)).code == 0
    assert hub("ledger", "witness", "list", "--json").json["trusted"] == [key]


@shows("ledger restore bundle --witness http://127.0.0.1:8630")
def test_a_lost_ledger_is_brought_back_as_far_as_a_witness_stands_for_it(hub, folder, example):
    """Wrong if a bundle and a witness were not enough to go on, or less than the witness has were accepted."""
    key = hub("init", "--json").json["verifier_key"]
    assert hub("ledger", "witness", "trust", key, "--home", "hub").code == 0
    with serving("ledger witness serve --listen 127.0.0.1:8630", "hub") as (_, told):
        assert hub("ledger", "witness", "add", told["url"], told["key"]).code == 0
        assert hub("ledger", "checkpoint").code == 0
        assert hub("ledger", "export", "--out", "bundle").code == 0
        size = hub("ledger", "checkpoint", "--json").json["size"]
        lost = records(hub, "decision.sealed")
        shutil.rmtree(folder / ".bailiwick/tenants/local/ledger")
        ran = hub(*shlex.split(example.replace(f"http://{LISTEN}", told["url"])))
        assert ran.code == 0, ran.err
    assert records(hub, "decision.sealed") == lost
    assert [record["detail"]["from_entry"] for record in records(hub, "ledger.restored")] == [size]
    assert hub("ledger", "verify").code == 0


# --- what goes, and where it is kept ----------------------------------------------------------------------------------


@shows("ledger erase --record 3 --dry-run", "ledger erase --record 3 --record 4 --yes --json")
def test_erasing_destroys_what_was_named_and_a_dry_run_nothing(decided, example):
    """Wrong if a look destroyed evidence, or a word left some of it."""
    ran = decided(*words(example))
    assert ran.code == 0, ran.err
    is_done = "--yes" in example
    assert [decided("explain", index).code for index in ("3", "4", "5")] == ([4, 4, 0] if is_done else [0, 0, 0])
    assert len(records(decided, "subject.erased")) == (2 if is_done else 0)
    assert decided("ledger", "verify").code == 0


@pytest.fixture
def aged(cli, folder, monkeypatch):
    """Give a terminal on a home whose records are older than its policy keeps them, by a clock that can be set."""
    now_ns = SystemClock().now_ns()
    past = {"ns": now_ns - 9 * MONTH_NS}

    def tick(_clock) -> int:
        past["ns"] += 1_000
        return past["ns"]

    monkeypatch.setattr(SystemClock, "now_ns", tick)
    assert cli("init").code == 0
    policy = {"access": "P6M", "decision": "P6M", "evidence": "P6M", "ledger": "permanent"}
    written = {"classes": policy, "format": "bailiwick-retention/1", "types": {}}
    (folder / "policy.json").write_text(json.dumps(written))
    assert cli("ledger", "retention", "--write", "policy.json").code == 0
    sample = files("bailiwick") / "builtin" / "samples" / "osha-injuries.csv"
    rows = sample.read_bytes().splitlines(keepends=True)
    (folder / "many.csv").write_bytes(rows[0] + b"".join((rows[1:] * 300)[:300]))
    assert cli("decide", "us-osha-1904", "many.csv", "--legal-date", "2024-01-01").code == 0
    assert cli("effects", "run").code == 0
    while past["ns"] < now_ns - MONTH_NS:
        past["ns"] += MONTH_NS
        assert cli("panic", "status").code == 0
        assert cli("panic", "on", "--reason", "a month went by").code == 0
    (folder / "kept.checkpoint").write_text(cli("ledger", "checkpoint").out)
    return cli


@shows(
    "ledger prune --dry-run",
    "ledger prune --dry-run --carry --json",
    "ledger prune --archive archive --held kept.checkpoint --yes",
)
def test_pruning_deletes_what_nothing_keeps_and_a_dry_run_only_says_so(aged, folder, example):
    """Wrong if a look deleted records, or a deletion took a proof along, or left no archive."""
    key = aged("init", "--json").json["verifier_key"]
    three, seven = (stored(index) for index in (3, 7))
    assert aged("ledger", "prove", "7", "--out", "seven.tlog-proof").code == 0
    ran = aged(*words(example))
    assert ran.code == 0, ran.err
    told = ran.json["stop"] if "--json" in example else int(ran.out.splitlines()[0].rpartition(" ")[2])
    assert (told % 256, 7 < told <= aged("ledger", "stats", "--json").json["records"]) == (0, True)
    is_done = "--yes" in example
    assert aged("ledger", "show", "7").code == (4 if is_done else 0)
    assert (folder / "archive").exists() == is_done
    if is_done:
        (archived,) = (folder / "archive").iterdir()
        assert aged("verify", f"archive/{archived.name}", "--key", key).code == 0
    (folder / "seven").write_bytes(seven)
    (folder / "three").write_bytes(three)
    assert aged("verify", "seven.tlog-proof", "--record", "seven", "--key", key).code == 0
    assert aged("verify", "seven.tlog-proof", "--record", "three", "--key", key).code == 1
    assert aged("ledger", "verify").code == 0


@shows("ledger move --to sqlite", "ledger move --to files --json", "ledger move --to postgres", "ledger move --to s3")
def test_a_ledger_that_moved_has_the_same_head_in_the_other_place(decided, request, monkeypatch, folder, example):
    """Wrong if a move changed a byte, or left the ledger where it was."""
    there = words(example)[3]
    if there == "postgres":
        monkeypatch.setenv("BAILIWICK_LEDGER_URL", request.getfixturevalue("postgres_url"))
    elif there == "s3":
        monkeypatch.setenv("BAILIWICK_LEDGER_BUCKET", request.getfixturevalue("s3_bucket"))
    elif there == "files":
        assert decided("ledger", "move", "--to", "sqlite").code == 0
    head = decided("ledger", "checkpoint").out
    ran = decided(*words(example))
    assert ran.code == 0, ran.err
    assert (folder / ".bailiwick/tenants/local/ledger/PLACE").read_text() == f"{there}\n"
    assert decided("ledger", "checkpoint").out == head
    assert decided("ledger", "verify").code == 0


class Strict:
    """A client of moto whose bucket never gives up a lock, as S3's own does not."""

    def __init__(self) -> None:
        self._client = ledgerstore_s3.connect()

    def __getattr__(self, name):
        return getattr(self._client, name)

    def put_object_retention(self, **_words):
        from botocore.exceptions import ClientError

        answer = {"Error": {"Code": "AccessDenied"}, "ResponseMetadata": {"HTTPStatusCode": 403}}
        raise ClientError(answer, "PutObjectRetention")


@shows("ledger worm-probe", "ledger worm-probe --json")
def test_a_probe_says_and_records_whether_the_lock_held(decided, request, monkeypatch, example):
    """Wrong if a bucket that lets anybody shorten a lock passed, or one that holds could not."""
    monkeypatch.setenv("BAILIWICK_LEDGER_BUCKET", request.getfixturevalue("s3_bucket"))
    assert decided("ledger", "move", "--to", "s3").code == 0
    broken = decided(*words(example))
    monkeypatch.setattr("bailiwick.adapters.ledgerstore_worm.connect", Strict)
    held = decided(*words(example))
    assert (broken.code, held.code) == (1, 0)
    probed = records(decided, "ledger.worm-probed")
    assert [each["detail"]["held"] for each in probed] == [False, True]
    if "--json" in example:
        assert [each.json["record"] for each in (broken, held)] == [each["index"] for each in probed]
    else:
        assert f"the lock did NOT hold; record {probed[0]['index']}" in broken.out
        assert f"the compliance lock held against these credentials; record {probed[1]['index']}" in held.out
