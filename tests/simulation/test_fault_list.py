"""The faults that a ledger must withstand, each with the tests that show it: the list is complete, the tests exist.

| Fault | Shown by |
|---|---|
| each line of ``FAULTS`` | the tests beside it; those of this file are for faults that fit nowhere else |

That each defence is needed, ``test_defences.py`` shows: it takes them away one by one. ``docs/faults.md`` has both.
"""

from __future__ import annotations

import ast
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from bailiwick.adapters.disk_system import SystemDisk
from bailiwick.adapters.ledgerstore_files import FileLedgerStore
from bailiwick.errors import BailiwickError, LedgerBroken, LedgerPoisoned, RecordRefused, Unavailable, Verdict
from bailiwick.keys import Signer, new_secret
from bailiwick.ledger import Ledger, verify_bundle
from bailiwick.ledger.note import sign_checkpoint, split_checkpoint
from bailiwick.model import Actor, Draft, Pruned
from bailiwick.testing import MemoryClock, MemoryDisk, Mishap, SimulatedDisk

TESTS = Path(__file__).parents[1]
ORIGIN = "bailiwick/0123456789abcdef"
SIGNER = Signer(ORIGIN, new_secret(bytes(range(32))))
ACTOR = Actor(id="operator-1", role="operator")
FOLDER = Path("/ledger")

FAULTS = {
    "kill -9 at any system call": [
        "simulation/test_kill.py::test_kills_at_changes_of_the_disk_lose_and_repeat_nothing",
        "simulation/test_kill.py::test_fifty_kills_at_system_calls_lose_and_repeat_nothing",
    ],
    "power cut": [
        "simulation/test_ledger.py::test_a_hundred_lives_keep_every_promise",
        "simulation/test_ledger.py::test_a_thousand_lives_keep_every_promise",
        "ledger/test_faults.py::test_power_cut_at_any_change_loses_nothing_acknowledged",
    ],
    "torn sector, garbage tail, zero-filled tail": [
        "ledger/test_recover.py::test_a_ledger_cut_at_any_byte_of_its_tail_opens_with_every_whole_record",
        "ledger/test_recover.py::test_a_tail_of_garbage_is_moved_aside_whole",
        "ledger/test_recover.py::test_a_hole_within_the_last_group_takes_that_group_only",
    ],
    "no room at write, at flush, at segment create": [
        "ledger/test_faults.py::test_an_error_at_any_change_loses_nothing_acknowledged",
        "simulation/test_fault_list.py::test_a_full_disk_stops_appending_and_nothing_else",
        "simulation/test_system_calls.py::test_a_write_that_fails_for_want_of_room_is_taken_back",
    ],
    "EIO on a flush once, then success": [
        "simulation/test_system_calls.py::test_a_flush_that_fails_once_acknowledges_nothing_and_is_not_tried_again",
        "conformance/ports/test_disk.py::test_a_failed_flush_is_never_tried_again_on_the_same_handle",
        "simulation/test_defences.py::test_without_a_defence_a_promise_is_broken",
    ],
    "short write, interrupted call": [
        "conformance/ports/test_disk.py::test_short_writes_are_finished",
        "ledger/test_commit_whole.py::test_a_group_cut_after_any_byte_is_gone_whole",
        "simulation/test_system_calls.py::test_an_interrupted_call_is_made_again",
    ],
    "bit flip in each byte of a log of 50 records": [
        "ledger/test_faults_mutations.py::test_every_flipped_byte_is_found_and_its_record_is_named",
        "ledger/test_bundle.py::test_every_flipped_byte_is_refused_and_its_file_is_named",
    ],
    "cut at each byte, at each record": [
        "ledger/test_faults_mutations.py::test_a_cut_at_any_byte_is_truncated_and_stays_so",
        "ledger/test_faults_mutations.py::test_a_tail_cut_with_its_head_is_found_by_whoever_holds_a_checkpoint",
    ],
    "reorder, duplicate, delete, insert, splice, rewritten suffix, first record swapped": [
        "ledger/test_faults_mutations.py::test_records_reordered_doubled_deleted_inserted_or_spliced_have_a_verdict",
        "ledger/test_faults_mutations.py::test_a_rewritten_suffix_whose_hashes_agree_is_forked",
        "ledger/test_faults_mutations.py::test_a_ledger_begun_anew_under_the_same_key_is_not_what_the_head_stands_for",
    ],
    "who holds the key rewrites history": [
        "ledger/test_bundle.py::test_a_second_history_under_the_same_key_is_forked",
        "ledger/test_heads.py::test_an_edge_that_grew_past_it_on_another_way_is_forked",
    ],
    "clock back and forward ten years": [
        "ledger/test_log.py::test_a_clock_that_goes_back_is_recorded_once_and_time_stands",
        "simulation/test_fault_list.py::test_time_stands_while_the_clock_is_ten_years_back",
    ],
    "two writers: threads, processes, machines": [
        "ledger/test_commit.py::test_threads_leave_one_chain_and_each_has_its_own_receipts",
        "ledger/test_commit.py::test_processes_on_one_folder_leave_one_chain",
        "simulation/test_fault_list.py::test_a_hundred_thousand_appends_of_many_threads_are_one_chain",
        "conformance/ports/test_ledgerstore_s3.py::test_of_two_writers_with_one_end_in_mind_one_is_refused",
    ],
    "fork in a writer, disk swapped, locks that are lost": [
        "simulation/test_fault_list.py::test_a_forked_writer_appends_nothing",
        "simulation/test_fault_list.py::test_an_older_copy_put_back_under_a_running_process_stops_it",
        "ledger/test_commit_whole.py::test_who_lost_the_lock_before_the_write_writes_nothing",
        "ledger/test_commit_whole.py::test_who_lost_the_lock_during_the_write_promises_nothing",
        "ledger/test_commit_whole.py::test_whoever_waits_for_a_stopped_holder_is_told_so",
    ],
    "what a store does to text and numbers": [
        "ledger/test_record.py::test_the_bytes_of_a_record_are_the_canonical_json_of_its_fields",
        "ledger/test_record.py::test_detail_outside_the_profile_is_refused",
        "test_canonical_properties.py::test_any_value_is_sealed_or_refused_and_nothing_else_happens",
        "conformance/ports/test_ledgerstore_postgres.py::test_bytes_that_no_text_of_the_database_could_hold_come_back",
    ],
    "head, columns, indexes deleted or stale": [
        "ledger/test_log.py::test_side_files_can_be_lost_or_damaged",
        "ledger/test_faults_mutations.py::test_a_head_of_another_ledger_or_of_garbage_is_not_believed",
        "ledger/test_faults_mutations.py::test_an_older_head_is_caught_up_from",
        "ledger/test_faults_mutations.py::test_columns_that_are_deleted_stale_or_of_another_ledger_change_no_proof",
    ],
    "disk lost, node comes back under its old key": [
        "ledger/test_heads.py::test_an_edge_that_comes_back_smaller_is_told_that_it_lost_records",
    ],
    "verified by the tools of others": [
        "interop/test_bundle.py::test_go_accepts_the_export_and_every_record_in_it",
        "interop/test_bundle.py::test_tlog_scales_accepts_the_export",
    ],
    "records of 65,536 bytes; detail with NUL, half characters, 10^200": [
        "ledger/test_record.py::test_the_largest_record_is_kept_and_one_byte_more_is_refused",
        "simulation/test_fault_list.py::test_hostile_detail_is_kept_to_the_byte_or_refused",
    ],
    "a store that returns other bytes than it was given": [
        "ledger/test_stores.py::test_a_store_that_gives_other_bytes_than_it_was_given_is_found_out",
        "ledger/test_stores.py::test_a_target_that_gives_other_bytes_back_ends_the_move",
    ],
    "a checkpoint from another log": [
        "simulation/test_fault_list.py::test_a_checkpoint_of_another_log_stands_for_nothing",
    ],
    "a witness that lies, lags or is down": [
        "ledger/test_heads.py::test_a_witness_that_lies_is_named_and_not_believed",
        "ledger/test_heads.py::test_a_witness_that_lags_behind_another_is_brought_up",
        "ledger/test_heads.py::test_a_witness_that_is_down_is_a_warning",
    ],
    "a sink that never answers": [
        "sinks/test_outflow.py::test_a_sink_that_never_answers_holds_nobody_else",
    ],
}
"""Each fault, and the tests that show that it is withstood, by their path within ``tests``."""

DEFENCES = {
    "kill -9": ["build_on_what_others_left", "forget_what_an_interrupted_recovery_moved"],
    "power cut": [
        "skip_flush",
        "skip_folder_flush",
        "promise_before_the_flush",
        "trust_the_name_of_a_new_segment",
        "flush_what_others_left_as_it_is",
    ],
    "torn sector": ["keep_half_a_group", "drop_without_a_word", "move_aside_without_a_copy", "cut_more_than_was_torn"],
    "no room": ["go_on_after_a_failed_write", "leave a failed group in its place"],
    "EIO on a flush": [
        "flush_again_after_an_error",
        "believe_a_flush_that_failed",
        "keep the handle of a failed flush",
    ],
    "short write": ["believe that a write was whole", "write as much at once as is asked for"],
    "bit flip": [
        "follow_any_link",
        "move_aside_whatever_cannot_be_read",
        "believe that the head is of these records",
        "move aside whatever cannot be read",
    ],
    "cut at each byte": ["forget how much there was"],
    "reorder": ["take any tree for the one that was signed", "follow_any_link"],
    "who holds the key": ["let a second history follow a kept checkpoint", "cosign whatever a log asks for"],
    "clock back": ["let_time_go_back"],
    "two writers": [
        "ignore_what_others_append",
        "record_again_under_the_same_key",
        "go on from the turn before, whoever had it",
        "believe the turn of whoever asks",
        "put an object where there is one",
    ],
    "fork in a writer": [
        "let a forked process lock",
        "write under a lock that is lost",
        "keep a file open that another process may have deleted",
    ],
    "what a store does": ["take numbers as large as they come", "let drafts have the ledger's own marks"],
    "head, columns": ["believe any head", "prove by any column"],
    "disk lost": ["take a witness that refuses for one that is behind"],
    "verified by the tools": ["export tiles of another form"],
    "records of 65,536": ["take records as long as they come", "take numbers as large as they come"],
    "a store that returns": ["believe whatever a store gives"],
    "a checkpoint from another": ["take the checkpoint of any log"],
    "a witness that lies": ["believe any answer of a witness"],
    "a sink that never": ["serve one sink after another"],
}
"""What is taken away for each fault in ``test_defences.py``, by what the fault begins with."""

SWAPS = {
    "kill -9 before any change of the disk, from plan to switch and back": [
        "simulation/test_kill_swap.py::test_kills_that_seeds_pick_leave_one_version_active",
        "simulation/test_kill_swap.py::test_kills_at_every_step_leave_one_version_active",
    ],
    "a process that died while it drained, or held every place": [
        "supervisor/test_swap.py::test_a_swap_whose_process_died_is_given_up_by_the_next_call",
        "hostile/test_swaps_processes.py::test_places_of_a_process_that_was_killed_are_free",
    ],
    "calls in flight that do not end": [
        "supervisor/test_swap.py::test_a_swap_waits_for_calls_in_flight_and_gives_up_at_its_deadline",
        "hostile/test_swaps.py::test_a_swap_under_load_gives_up_at_its_deadline_and_loses_no_call",
    ],
    "two swaps at one time: of one module, of two that call each other, in two processes": [
        "supervisor/test_swap.py::test_a_second_swap_at_the_same_time_is_turned_away",
        "hostile/test_swaps.py::test_two_modules_that_call_each_other_are_swapped_at_one_time",
        "hostile/test_swaps_processes.py::test_two_processes_swap_two_modules_that_call_each_other",
    ],
    "a key revoked, a module removed or pinned in the last moment": [
        "hostile/test_swaps.py::test_what_an_operator_does_while_a_module_drains_counts",
        "hostile/test_swaps.py::test_a_module_removed_while_it_drains_does_not_come_back",
    ],
    "a clock that jumps": ["hostile/test_swaps.py::test_a_clock_that_jumps_neither_hastens_nor_stops_a_swap"],
}
"""What a swap of a module must withstand, with tests that fail where it does not."""

PAGE = TESTS.parent / "docs" / "faults.md"


def names_of(path: Path) -> set[str]:
    """Give the tests that a file has."""
    return {node.name for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.FunctionDef)}


def test_every_fault_has_tests_that_exist():
    """Wrong if a line of the list had lost its test, or a test were renamed away from its fault."""
    missing = []
    for fault, shown_by in (FAULTS | SWAPS).items():
        assert shown_by, fault
        for each in shown_by:
            file, _, name = each.partition("::")
            if not (TESTS / file).is_file() or name not in names_of(TESTS / file):
                missing.append(f"{fault}: {each}")
    assert missing == []
    assert len(FAULTS) == 22


def defences_of(fault):
    """Give what is taken away for a fault."""
    return next(names for start, names in DEFENCES.items() if fault.startswith(start))


def removals():
    """Give the names of everything that ``test_defences.py`` takes away."""
    tree = ast.parse((TESTS / "simulation" / "test_defences.py").read_text())
    lists = {
        each.targets[0].id: each.value
        for each in tree.body
        if isinstance(each, ast.Assign) and isinstance(each.targets[0], ast.Name)
    }
    by_lives = {each.id for each in lists["REMOVALS"].elts}
    return by_lives | {each.value for each in lists["REMOVALS_OF_ONE"].keys}


def test_every_fault_has_a_defence_that_is_taken_away():
    """Wrong if a fault's tests could pass without what they are for, or a removal belonged to no fault."""
    named = {name for fault in FAULTS for name in defences_of(fault)}
    assert named == removals()
    assert len(DEFENCES) == len(FAULTS)


def page():
    """Write the page of faults."""
    lines = [
        "# Faults",
        "",
        "What a ledger must withstand, and the tests that show it. Each defence in the last column is taken away by",
        "`tests/simulation/test_defences.py`: then a simulated life, or the defence's own test, has to fail. This page",
        "comes from `tests/simulation/test_fault_list.py`, which compares it (`BAILIWICK_WRITE_GOLDEN=1` writes it).",
        "",
        "| Fault | Shown by | What is taken away, and missed |",
        "|---|---|---|",
    ]
    for fault, shown_by in FAULTS.items():
        removed = "<br>".join(name.replace("_", " ") for name in defences_of(fault))
        lines.append(f"| {fault} | {shown(shown_by)} | {removed} |")
    lines += [
        "",
        "## A module that is swapped",
        "",
        "After any of these exactly one version is active, the one that the ledger says, and it says why.",
        "",
        "| Fault | Shown by |",
        "|---|---|",
        *(f"| {fault} | {shown(shown_by)} |" for fault, shown_by in SWAPS.items()),
    ]
    return "\n".join(lines) + "\n"


def shown(by):
    """Write the tests of one fault."""
    return "<br>".join(f"`{each.partition('::')[2]}` ({each.partition('::')[0]})" for each in by)


def test_the_page_of_faults_is_this_list():
    """Wrong if the page said more, or less, than there is."""
    if os.environ.get("BAILIWICK_WRITE_GOLDEN"):
        PAGE.write_text(page())
    assert PAGE.read_text() == page()


def ledger_at(disk, clock=None, *, is_new=False, folder=FOLDER):
    """Open a ledger on a disk, or begin one."""
    store = FileLedgerStore(folder, disk)
    words = {"clock": clock or MemoryClock(step_ns=1_000), "node_id": "node-1", "checkpoint_ms": None}
    if is_new:
        return Ledger.create("local", store, SIGNER, origin=ORIGIN, actor=ACTOR, guard=anything, **words)
    return Ledger.open("local", store, SIGNER, guard=anything, **words)


def anything(draft):
    """Admit whatever these tests record."""


def draft(number):
    """Give something to record."""
    return Draft(event_type="test.step", resource="test/1", detail={"number": number}, actor=ACTOR)


def test_a_full_disk_stops_appending_and_nothing_else():
    """Wrong if a full disk lost, doubled or hid a record, or kept the ledger from going on once there is room."""
    disk, clock = SimulatedDisk(seed=1), MemoryClock(step_ns=1_000)
    ledger_at(disk, clock, is_new=True).close()
    ledger = ledger_at(disk, clock)
    ledger.record("local", draft(1))
    disk.plan(Mishap.FULL, after=1)
    with pytest.raises(BailiwickError):
        ledger.record("local", draft(2), key="two")
    assert [record.detail["number"] for record in ledger.records() if "number" in record.detail] == [1]
    assert ledger.verify().verdict is Verdict.OK
    ledger.close()
    with ledger_at(disk, clock) as full:
        assert full.size() == ledger.size()
        with pytest.raises(BailiwickError):
            full.record("local", draft(2), key="two")
    disk.make_room()
    with ledger_at(disk, clock) as again:
        again.record("local", draft(2), key="two")
        numbers = [record.detail["number"] for record in again.records() if "number" in record.detail]
        assert numbers == [1, 2]


def test_a_group_whose_flush_failed_is_taken_off_again():
    """Wrong if its bytes stayed for others to read and to build on, and a power cut could still take them."""
    disk = SimulatedDisk(seed=1)
    path = FOLDER / "seg" / "000000000000.jsonl"
    with ledger_at(disk, is_new=True) as ledger:
        ledger.record("local", draft(1))
        before = disk.read(path)
        disk.plan(Mishap.FLUSH_FAILS, after=1)
        with pytest.raises(LedgerPoisoned):
            ledger.record("local", draft(2))
        assert disk.read(path) == before


@pytest.mark.parametrize("meanwhile", ["retired", "new segment", "pruned"])
def test_what_another_did_since_the_last_turn_is_looked_for(meanwhile, tmp_path):
    """Wrong if a writer that saves itself a look went on in a store that was retired, or behind another's segment."""
    one, other = (FileLedgerStore(tmp_path, SystemDisk(), segment_records=4) for _ in range(2))
    records = [b"%d" % number for number in range(12)]
    with one.exclusive():
        one.append(one.count(), records[:4])
    with one.exclusive():
        assert one.count() == 4
    with other.exclusive():
        assert other.count() == 4
        if meanwhile == "retired":
            other.retire("it went to a store of another kind")
        else:
            other.append(4, records[4:10])
        if meanwhile == "pruned":
            other.prune(pruned_to(5), [bytes(32)] * 5, [(0, records[0])])
    if meanwhile == "retired":
        with pytest.raises(Unavailable), one.exclusive():
            raise AssertionError("a store that is retired was given")
        return
    with one.exclusive():
        assert one.count() == 10
        one.append(10, records[10:])
    with other.exclusive():
        assert other.read(5, other.count()) == records[5:]


def pruned_to(minimum):
    """Say what is kept of records below a minimum."""
    return Pruned(
        minimum=minimum,
        prev_hash=f"{minimum:064x}",
        timestamp="2020-09-13T12:26:40.000000001Z",
        peaks=(bytes(32),) * minimum.bit_count(),
        archives=((minimum, "records"),),
    )


HOSTILE = {
    "NUL": "a\x00b",
    "separators": "\u2028\u2029\x0b\x85\x1c",
    "the largest number": 2**53 - 1,
    "half a character": "\ud800",
    "10^200": 10**200,
    "-10^200": -(10**200),
    "a float": 1e308,
    "65,536 bytes": "x" * 65_536,
}
KEPT = {"NUL", "separators", "the largest number"}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_detail_is_kept_to_the_byte_or_refused(name):
    """Wrong if a store, a reader or another tool could read something else than was recorded."""
    disk, detail = MemoryDisk(), {"given": HOSTILE[name]}
    with ledger_at(disk, is_new=True) as ledger:
        hostile = Draft(event_type="test.step", resource="test/1", detail=detail, actor=ACTOR)
        if name not in KEPT:
            with pytest.raises(RecordRefused):
                ledger.record("local", hostile)
            assert ledger.size() == 1
            return
        receipt = ledger.record("local", hostile)
    with ledger_at(disk) as again:
        assert again.read(receipt.index).detail == detail
        assert again.leaf(receipt.index) == receipt.leaf
        assert again.verify().verdict is Verdict.OK


def test_a_checkpoint_of_another_log_stands_for_nothing(tmp_path):
    """Wrong if a head that somebody else's key signed could be put in the place of this log's, or be kept for it."""
    other = Signer("bailiwick/fedcba9876543210", new_secret(bytes(32)))
    with ledger_at(MemoryDisk(), is_new=True) as ledger:
        ledger.record("local", draft(1))
        ledger.export(tmp_path / "bundle")
    own = (tmp_path / "bundle" / "checkpoint").read_bytes()
    checkpoint = split_checkpoint(own)[0]
    foreign = sign_checkpoint(checkpoint.size, checkpoint.root, other).note
    key = SIGNER.verifier.text()
    (tmp_path / "kept").write_bytes(foreign)
    report = verify_bundle(tmp_path / "bundle", key=key, since=tmp_path / "kept")
    assert report.verdict is Verdict.UNTRUSTED_KEY
    (tmp_path / "bundle" / "checkpoint").write_bytes(foreign)
    assert verify_bundle(tmp_path / "bundle", key=key).verdict is Verdict.ALTERED


def test_time_stands_while_the_clock_is_ten_years_back():
    """Wrong if a record could be dated before the one before it, or time stood still after the clock caught up."""
    clock = MemoryClock(step_ns=1_000)
    years_ns = 10 * 365 * 86_400 * 1_000_000_000
    with ledger_at(MemoryDisk(), clock, is_new=True) as ledger:
        for number, by_ns in enumerate((0, -years_ns, 5, 2 * years_ns, -3 * years_ns, years_ns, 5 * years_ns)):
            clock.advance(by_ns)
            ledger.record("local", draft(number))
        times = [record.timestamp for record in ledger.records()]
        assert times == sorted(times)
        kinds = [record.event_type for record in ledger.records()]
        assert kinds.count("clock.regression") == 2
        assert ledger.verify().verdict is Verdict.OK


def test_a_forked_writer_appends_nothing(tmp_path):
    """Wrong if parent and child could both append where each believes the end to be."""
    disk = SystemDisk()
    with ledger_at(disk, is_new=True, folder=tmp_path / "ledger") as ledger:
        ledger.record("local", draft(1))
        child = os.fork()
        if child == 0:
            try:
                ledger.record("local", draft(2))
            except BailiwickError:
                os._exit(7)
            os._exit(1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
        assert ledger.record("local", draft(3)).index == 2
        assert ledger.verify().verdict is Verdict.OK
    disk.close()


@pytest.mark.parametrize("lines", [1, 3])
def test_an_older_copy_put_back_under_a_running_process_stops_it(lines):
    """Wrong if a process went on from the end that it knows, over a disk that is another one by now."""
    disk = MemoryDisk()
    with ledger_at(disk, is_new=True) as ledger:
        for number in range(5):
            ledger.record("local", draft(number))
        path = FOLDER / "seg" / "000000000000.jsonl"
        older = b"".join(disk.read(path).splitlines(keepends=True)[:lines])
        disk.truncate(path, len(older))
        for _ in range(2):
            with pytest.raises(LedgerBroken) as broken:
                ledger.record("local", draft(9))
            assert broken.value.verdict is Verdict.TRUNCATED
        assert disk.read(path) == older


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_hundred_thousand_appends_of_many_threads_are_one_chain():
    """Wrong if a race between callers, or between two ledgers on one store, were too rare for the quick tests."""
    disk, threads, each = MemoryDisk(), 8, 12_500
    clock = MemoryClock(step_ns=1_000)
    ledger_at(disk, clock, is_new=True).close()
    one, other = ledger_at(disk, clock), ledger_at(disk, clock)
    begin = threading.Barrier(threads)

    def append(thread):
        ledger = (one, other)[thread % 2]
        begin.wait(20)
        return [ledger.record("local", draft(thread * each + number)) for number in range(each)]

    with ThreadPoolExecutor(threads) as pool:
        receipts = [receipt for told in pool.map(append, range(threads)) for receipt in told]
    assert len({receipt.index for receipt in receipts}) == threads * each
    one.close()
    other.close()
    with ledger_at(disk, clock) as ledger:
        assert ledger.verify().verdict is Verdict.OK
        for receipt in receipts[::997]:
            assert ledger.leaf(receipt.index) == receipt.leaf
