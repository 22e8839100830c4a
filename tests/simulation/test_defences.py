"""Each defence of the ledger, taken away: some life of a hundred then breaks a promise, and with it none does.

What a simulation cannot meet by chance (a stranger's head, a lost lock, a cut tail) has a test of its own, which is run
here against a ledger without that defence, and must fail.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
from pathlib import Path

import pytest

from bailiwick.adapters.ledgerstore_files import FileLedgerStore
from bailiwick.adapters.ledgerstore_quarantine import Quarantine
from bailiwick.errors import LedgerPoisoned
from bailiwick.ledger import audit, chain, recover, tip, writer
from bailiwick.ledger.record import decode
from bailiwick.testing import SimulatedDisk
from bailiwick.testing.simulation import LedgerSimulation

SEEDS_MAX = 120
TESTS = Path(__file__).parents[1]


def lives_go_wrong(seeds_max: int = SEEDS_MAX) -> bool:
    """Say whether one of the lives ends in anything but peace."""
    for seed in range(1, seeds_max + 1):
        try:
            LedgerSimulation(seed).run()
        except AssertionError as broken:
            print(str(broken).partition("\n")[0])
            return True
    return False


@contextlib.contextmanager
def poisoning():
    """Say what the store would say of an error of the disk."""
    try:
        yield
    except OSError as error:
        raise LedgerPoisoned(str(error), hint="none") from error


def skip_flush(patch):
    """Nothing is flushed."""
    patch.setattr(SimulatedDisk, "sync", lambda disk, path: disk._file(path) and None)


def skip_folder_flush(patch):
    """No name is flushed."""
    patch.setattr(SimulatedDisk, "sync_folder", lambda disk, folder: None)


def flush_again_after_an_error(patch):
    """A flush that failed is tried again, and the second is believed."""
    once = SimulatedDisk.sync

    def sync(disk, path):
        try:
            once(disk, path)
        except OSError:
            once(disk, path)

    patch.setattr(SimulatedDisk, "sync", sync)


def believe_a_flush_that_failed(patch):
    """An error of a flush is not passed on."""
    once = SimulatedDisk.sync

    def sync(disk, path):
        with contextlib.suppress(OSError):
            once(disk, path)

    patch.setattr(SimulatedDisk, "sync", sync)


def build_on_what_others_left(patch):
    """What a dead process wrote is believed to be durable."""
    patch.setattr(FileLedgerStore, "sync", lambda store, start=0: None)


def flush_what_others_left_as_it_is(patch):
    """What another process wrote is flushed, and not written again."""

    def sync(store, start=0):
        with poisoning():
            store._disk.sync(store._active.path)

    patch.setattr(FileLedgerStore, "sync", sync)


def trust_the_name_of_a_new_segment(patch):
    """A segment that is there and empty is taken for one whose name is durable."""
    append, create = FileLedgerStore.append, FileLedgerStore._create

    def append_to_it(store, start, records):
        with pytest.MonkeyPatch.context() as within:
            within.setattr(store._disk, "sync_folder", lambda folder: None)
            append(store, start, records)

    def create_it(store, first):
        create(store, first)
        with poisoning():
            SimulatedDisk.sync_folder(store._disk, store._path(first).parent)

    patch.setattr(FileLedgerStore, "append", append_to_it)
    patch.setattr(FileLedgerStore, "_create", create_it)


def go_on_after_a_failed_write(patch):
    """A failed write does not stop the writer."""
    patch.setattr(writer.Writer, "check_usable", lambda this: None)
    patch.setattr(FileLedgerStore, "_undo", lambda store, segment, error: None)


def ignore_what_others_append(patch):
    """A writer goes on from the end that it knows."""
    patch.setattr(writer.Writer, "_catch_up", lambda this: None)


def let_time_go_back(patch):
    """A record is dated by the clock alone."""
    patch.setattr(writer.Writer, "_stamp", lambda this: writer.time_text(this._clock.now_ns()).encode())


def keep_half_a_group(patch):
    """Recovery keeps the first records of a group that was torn."""
    patch.setattr(tip.Tip, "is_within_group", property(lambda this: False))


def drop_without_a_word(patch):
    """What is moved aside is not recorded."""
    patch.setattr(recover, "catch_up", recover.catch_up)
    once = writer.catch_up
    patch.setattr(writer, "catch_up", lambda *args, **known: (once(*args, **known)[0], None))
    patch.setattr(writer.Writer, "_say_unsaid", lambda this, start: None)


def forget_what_an_interrupted_recovery_moved(patch):
    """A crash between moving aside and recording it leaves no word."""
    patch.setattr(writer.Writer, "_say_unsaid", lambda this, start: None)


def record_again_under_the_same_key(patch):
    """A key is written and never looked for."""
    patch.setattr(writer.Writer, "_kept", lambda this, key, entries: None)


def move_aside_without_a_copy(patch):
    """What is cut is not kept."""
    keep = Quarantine.keep

    def forget(place, start, data):
        kept = keep(place, start, data)
        place._disk.unlink(place._folder / kept.name)
        return kept

    patch.setattr(Quarantine, "keep", forget)


def cut_more_than_was_torn(patch):
    """Recovery moves one record too many out of the way."""
    cut = FileLedgerStore.cut
    patch.setattr(FileLedgerStore, "cut", lambda store, start: cut(store, max(start - 1, store._active.first)))


def promise_before_the_flush(patch):
    """The flush comes with the next group."""
    once = SimulatedDisk.sync
    late = {}

    def sync(disk, path):
        if path.suffix == ".jsonl" and (disk, path) not in late:
            late[disk, path] = True
            return
        late.pop((disk, path), None)
        once(disk, path)

    patch.setattr(SimulatedDisk, "sync", sync)


def move_aside_whatever_cannot_be_read(patch):
    """A worn record in the middle is taken for a write that was cut off."""
    patch.setattr(recover, "_check_torn", lambda *_: None)


def follow_any_link(patch):
    """A record may be chained to bytes that are not there."""
    once = chain.read_next

    def read_next(raw, index, prev_hash, timestamp):
        with contextlib.suppress(ValueError):
            prev_hash = decode(raw).prev_hash
        return once(raw, index, prev_hash, timestamp)

    patch.setattr(audit, "read_next", read_next)
    patch.setattr(tip, "read_next", read_next)


REMOVALS = [
    skip_flush,
    skip_folder_flush,
    flush_again_after_an_error,
    believe_a_flush_that_failed,
    build_on_what_others_left,
    flush_what_others_left_as_it_is,
    trust_the_name_of_a_new_segment,
    go_on_after_a_failed_write,
    ignore_what_others_append,
    let_time_go_back,
    keep_half_a_group,
    drop_without_a_word,
    forget_what_an_interrupted_recovery_moved,
    record_again_under_the_same_key,
    move_aside_without_a_copy,
    cut_more_than_was_torn,
    promise_before_the_flush,
    move_aside_whatever_cannot_be_read,
    follow_any_link,
]


@pytest.mark.parametrize("remove", REMOVALS, ids=lambda remove: remove.__name__)
def test_without_a_defence_a_promise_is_broken(remove, monkeypatch):
    """Wrong if a defence could be taken out and no simulation would notice."""
    remove(monkeypatch)
    assert lives_go_wrong()


REMOVALS_OF_ONE = {
    "believe any head": (
        "from bailiwick.ledger import head, note\n"
        "head.open_checkpoint = lambda text, _: note.split_checkpoint(text)[0]",
        "ledger/test_faults_mutations.py::test_a_head_of_another_ledger_or_of_garbage_is_not_believed",
    ),
    "forget how much there was": (
        "from bailiwick.ledger import log, recover; recover.check_count = log.check_count = lambda count, known: None",
        "ledger/test_faults_mutations.py::test_a_cut_at_any_byte_is_truncated_and_stays_so",
    ),
    "move aside whatever cannot be read": (
        "from bailiwick.ledger import recover; recover._check_torn = lambda *_: None",
        "ledger/test_recover.py::test_a_hole_with_later_groups_behind_it_is_corrupt_and_untouched",
    ),
    "believe that the head is of these records": (
        "from bailiwick.ledger import recover; recover._check_head = lambda *_: None",
        "ledger/test_faults_mutations.py::test_a_flipped_bit_is_found_and_its_record_is_named",
    ),
    "write under a lock that is lost": (
        "from bailiwick.adapters.ledgerstore_files import FileLedgerStore as s; s._is_held = lambda _: True",
        "ledger/test_commit_whole.py::test_who_lost_the_lock_before_the_write_writes_nothing",
    ),
    "leave a failed group in its place": (
        "from bailiwick.adapters.ledgerstore_files import FileLedgerStore as s; s._undo = lambda *_: None",
        "simulation/test_fault_list.py::test_a_group_whose_flush_failed_is_taken_off_again",
    ),
    "believe the turn of whoever asks": (
        "from bailiwick.adapters import ledgerstore_exclusive as e\n"
        "once = e.Exclusive._take\n"
        "def take(this):\n"
        "    once(this); this._store._is_undisturbed = True\n"
        "e.Exclusive._take = take",
        "simulation/test_fault_list.py::test_what_another_did_since_the_last_turn_is_looked_for",
    ),
    "go on from the turn before, whoever had it": (
        "from bailiwick.adapters import ledgerstore_exclusive as e\n"
        "once = e.Exclusive._take\n"
        "def take(this):\n"
        "    before = this._store._turn; once(this)\n"
        "    this._store._is_undisturbed = before >= 0\n"
        "e.Exclusive._take = take",
        "simulation/test_fault_list.py::test_what_another_did_since_the_last_turn_is_looked_for",
    ),
    "keep a file open that another process may have deleted": (
        "from bailiwick.adapters import ledgerstore_exclusive as e\n"
        "once = e.Exclusive._take\n"
        "def take(this):\n"
        "    let_go = this._disk.release; this._disk.release = lambda path: None\n"
        "    once(this); this._disk.release = let_go\n"
        "e.Exclusive._take = take",
        "simulation/test_fault_list.py::test_what_another_did_since_the_last_turn_is_looked_for",
    ),
    "let drafts have the ledger's own marks": (
        "from bailiwick.ledger import record; record._check_names = lambda _: None",
        "ledger/test_commit_whole.py::test_a_draft_cannot_have_the_ledgers_own_marks",
    ),
    "write as much at once as is asked for": (
        "from bailiwick.ledger import retries; retries.GROUP_BYTES_MAX = 1 << 40",
        "ledger/test_commit.py::test_a_batch_larger_than_a_group_is_refused_or_takes_several",
    ),
    "keep the handle of a failed flush": (
        "import os; from bailiwick.adapters.disk_system import SystemDisk as d\n"
        "d.sync = lambda disk, path: os.fdatasync(disk._handle(path))",
        "conformance/ports/test_disk.py::test_a_failed_flush_is_never_tried_again_on_the_same_handle",
    ),
    "let a forked process lock": (
        "from bailiwick.adapters import disk_system as d; d.os.getpid = lambda: 1",
        "simulation/test_fault_list.py::test_a_forked_writer_appends_nothing",
    ),
    "believe that a write was whole": (
        "import os; from bailiwick.adapters.disk_system import SystemDisk as d\n"
        "d.write = lambda disk, path, offset, data: os.pwrite(disk._handle(path), data, offset)",
        "conformance/ports/test_disk.py::test_short_writes_are_finished",
    ),
    "prove by any column": (
        "from bailiwick.ledger import prover, writer\n"
        "prover.verify_inclusion = writer.verify_inclusion = lambda *_: None",
        "ledger/test_faults_mutations.py::test_columns_that_are_deleted_stale_or_of_another_ledger_change_no_proof",
    ),
    "let a second history follow a kept checkpoint": (
        "from bailiwick.ledger import bundle; bundle._BundleAudit._check_older = lambda *_: None",
        "ledger/test_bundle.py::test_a_second_history_under_the_same_key_is_forked",
    ),
    "cosign whatever a log asks for": (
        "from bailiwick.ledger import witness; witness._check_growth = lambda *_: None",
        "ledger/test_witness.py::test_what_grew_is_cosigned_again_and_what_did_not_is_refused",
    ),
    "believe any answer of a witness": (
        "from bailiwick.ledger import witness; witness.is_cosigned = lambda *_: True",
        "ledger/test_heads.py::test_a_witness_that_lies_is_named_and_not_believed",
    ),
    "take a witness that refuses for one that is behind": (
        "from bailiwick.ledger import witness\n"
        "def suspect(this, asked, name, claim):\n"
        "    return witness.Outcome(name=name, verdict=witness.WitnessVerdict.LIES, message=claim)\n"
        "witness.Asking._suspect = suspect",
        "ledger/test_heads.py::test_an_edge_that_comes_back_smaller_is_told_that_it_lost_records",
    ),
    "take records as long as they come": (
        "from bailiwick.ledger import record; record.RECORD_BYTES_MAX = 1 << 20",
        "simulation/test_fault_list.py::test_hostile_detail_is_kept_to_the_byte_or_refused",
    ),
    "take numbers as large as they come": (
        "from bailiwick import canonical; canonical.INTEGER_MAX = 10**400",
        "simulation/test_fault_list.py::test_hostile_detail_is_kept_to_the_byte_or_refused",
    ),
    "believe whatever a store gives": (
        "from bailiwick.ledger import audit, chain, export, tip\n"
        "once = chain.read_next\n"
        "def read_next(raw, index, prev_hash, timestamp):\n"
        "    return once(raw, index, chain.decode(raw).prev_hash, timestamp)\n"
        "audit.read_next = tip.read_next = read_next",
        "ledger/test_stores.py::test_a_store_that_gives_other_bytes_than_it_was_given_is_found_out",
    ),
    "take the checkpoint of any log": (
        "from bailiwick.ledger import bundle, note\n"
        "bundle.open_checkpoint = lambda text, _: note.split_checkpoint(text)[0]\n"
        "bundle._is_signed_by = lambda *_: True",
        "simulation/test_fault_list.py::test_a_checkpoint_of_another_log_stands_for_nothing",
    ),
    "export tiles of another form": (
        "from bailiwick.ledger import export\n"
        "def frame(records):\n"
        "    return b''.join(len(raw).to_bytes(2, 'little') + raw for raw in records)\n"
        "export.frame_entries = frame",
        "interop/test_bundle.py::test_tlog_scales_accepts_the_export",
    ),
    "serve one sink after another": (
        "from bailiwick.sinks import outflow\n"
        "once = outflow.ThreadPoolExecutor\n"
        "outflow.ThreadPoolExecutor = lambda count, **words: once(1, **words)",
        "sinks/test_outflow.py::test_a_sink_that_never_answers_holds_nobody_else",
    ),
    "put an object where there is one": (
        "from bailiwick.adapters.ledgerstore_s3 import S3LedgerStore as s\n"
        "import botocore.client as c\n"
        "once = c.BaseClient._make_api_call\n"
        "def call(client, name, words):\n"
        "    return once(client, name, {key: words[key] for key in words if key != 'IfNoneMatch'})\n"
        "c.BaseClient._make_api_call = call",
        "conformance/ports/test_ledgerstore_s3.py::test_of_two_writers_with_one_end_in_mind_one_is_refused",
    ),
    "take any tree for the one that was signed": (
        "from bailiwick.ledger import audit, chain, tip; once = chain.read_checkpoint\n"
        "def any_tree(stored, index, root, verifier):\n"
        "    note = stored.detail['note'].encode()\n"
        "    return once(stored, index, chain.open_checkpoint(note, verifier).root, verifier)\n"
        "audit.read_checkpoint = tip.read_checkpoint = any_tree",
        "ledger/test_faults_mutations.py::test_a_rewritten_suffix_whose_hashes_agree_is_forked",
    ),
}
"""What is taken away, in Python, and the test that must then fail, by its path within ``tests``."""


def run_without(removal: str, test: str) -> subprocess.CompletedProcess[str]:
    """Run one test in a process of its own, in which something was taken away."""
    program = f"{removal}\nimport sys, pytest; sys.exit(pytest.main(['-q', '-x', '-m', 'not slow', sys.argv[1]]))"
    words = [sys.executable, "-c", program, str(TESTS / test)]
    return subprocess.run(words, capture_output=True, text=True, timeout=100, check=False, cwd=TESTS.parent)


@pytest.mark.slow
@pytest.mark.parametrize("name", REMOVALS_OF_ONE)
def test_without_a_defence_its_own_test_fails(name):
    """Wrong if a test passed with and without what it is for."""
    removal, test = REMOVALS_OF_ONE[name]
    ran = run_without(removal, test)
    assert ran.returncode == 1, ran.stdout[-2000:] + ran.stderr[-2000:]
