"""An engine over a long life: many calls, many threads, other processes, little room, and its end."""

import gc
import json
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import bailiwick
from bailiwick.engine import Engine, package
from bailiwick.errors import ModuleFailed, Unavailable, UsageRefused
from bailiwick.model import Budget

from .failing import failure, reload

CALLS_WHILE_MEASURING = 20_000
GROWTH_BYTES_MAX = 3 << 20
"""What memory of the process may grow by in all those calls: less than 160 bytes a call."""

LOOP = "(loop $l (br $l)) unreachable"
GROW_ALL = "(loop $l (br_if $l (i32.ne (memory.grow (i32.const 1)) (i32.const -1))))"
WASM = Path(bailiwick.__file__).parent / "builtin" / "modules" / "osha-intake" / "osha-intake.wasm"
OK = b'{"ok":1}'


def test_a_thousand_failures_leave_the_next_guest_right(engine, guest_of, intake, observe):
    """A poisoned store, a leaked trap or a reused buffer would show in the guest after the bad one."""
    small = Budget(fuel=50_000, memory_bytes=1 << 20, deadline_ms=60_000)
    bad = [guest_of(body) for body in (LOOP, GROW_ALL + " unreachable", "unreachable", "(i64.const -1)")]
    header, row = "summary_nr,injury_line_nr,degree_of_inj,nature_of_inj,part_of_body,event_type", "7,1,1,12,13,5"
    before = observe(header, row)
    for call in range(1_000):
        failure(engine, bad[call % len(bad)], small)
    assert observe(header, row) == before
    assert before["degree"] == "fatality"


def test_calls_in_many_threads_give_what_they_give_in_one(engine, intake, saying, guest_of, budget):
    """One store is one call; anything shared between them would mix answers."""
    good = [saying(b'{"ok":%d}' % number) for number in range(8)]
    bad = guest_of("unreachable")

    def work(number):
        seen = set()
        for _ in range(200):
            seen.add(engine.run(good[number], "f", b"{}", budget).output)
            with pytest.raises(ModuleFailed):
                engine.run(bad, "f", b"{}", budget)
        return seen

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(work, range(8))) == [{b'{"ok":%d}' % number} for number in range(8)]


def test_a_guest_that_spins_does_not_stop_other_threads(engine, guest_of, saying, budget):
    """A guest that held the interpreter's lock would freeze the node for the length of its deadline."""
    spinning = guest_of(LOOP)
    long = Budget(fuel=1 << 62, memory_bytes=8 << 20, deadline_ms=300)
    good, answered = saying(OK), 0
    thread = threading.Thread(target=failure, args=(engine, spinning, long, Unavailable))
    thread.start()
    while thread.is_alive():
        answered += engine.run(good, "f", b"{}", budget).output == OK
    thread.join()
    assert answered > 50


def resident_bytes():
    """Give the memory that the process holds, in bytes."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="memory in use is read from /proc, which is not here")
def test_memory_and_files_stay_flat_over_many_calls(engine, guest_of, saying):
    """A few hundred bytes lost per call would end a node in days."""
    small = Budget(fuel=20_000, memory_bytes=1 << 20, deadline_ms=60_000)
    good, bad = saying(OK), guest_of("unreachable")

    def calls(count):
        for call in range(count):
            if call % 10:
                engine.run(good, "f", b"{}", small)
            else:
                failure(engine, bad, small)

    calls(2_000)
    gc.collect()
    memory, files = resident_bytes(), len(list(Path("/proc/self/fd").iterdir()))
    calls(CALLS_WHILE_MEASURING)
    gc.collect()
    assert resident_bytes() - memory < GROWTH_BYTES_MAX
    assert len(list(Path("/proc/self/fd").iterdir())) == files


FRESH = """
import sys, pathlib
from bailiwick.engine import Engine, package
from bailiwick.model import Tier
with Engine() as engine:
    guest = engine.load(pathlib.Path(sys.argv[1]).read_bytes())
    runs = [engine.run(guest, "observe", sys.argv[2].encode(), Tier.LIGHTWEIGHT.budget) for _ in range(2)]
    print(engine.marshaller, runs)
"""


def test_fuel_memory_and_answer_are_the_same_in_fresh_processes(intake):
    """Replay on another day starts a new process; if fuel moved there, a row at the limit would change its outcome."""
    question = json.dumps({"header": "summary_nr", "row": "1"})
    runs = [
        subprocess.run(
            [sys.executable, "-c", FRESH, str(WASM), question], capture_output=True, check=True, env=env
        ).stdout
        for env in ({**os.environ, "PYTHONHASHSEED": "1"}, {**os.environ, "PYTHONHASHSEED": "2"})
    ]
    assert runs[0] == runs[1]
    assert runs[0].startswith(b"cached")


SHORT = """
import pathlib, resource, sys
from bailiwick.engine import Engine, package
from bailiwick.errors import Unavailable
from bailiwick.model import Tier
with Engine(allocator="on-demand") as engine:
    guest = engine.load(pathlib.Path(sys.argv[1]).read_bytes())
    question = b'{"header":"a","row":"1"}'
    before = engine.run(guest, "observe", question, Tier.LIGHTWEIGHT.budget)
    in_use = int(pathlib.Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (in_use + (64 << 20), resource.RLIM_INFINITY))
    try:
        engine.run(guest, "observe", question, Tier.LIGHTWEIGHT.budget)
    except Unavailable as error:
        print(error.code)
    resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    print(engine.run(guest, "observe", question, Tier.LIGHTWEIGHT.budget) == before)
"""


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="address space in use is read from /proc")
def test_a_host_without_room_is_unavailable_and_works_again_later():
    """A shortage taken for the guest's failure would be sealed as one."""
    ran = subprocess.run([sys.executable, "-c", SHORT, str(WASM)], capture_output=True, check=False)
    assert ran.stdout.split() == [b"engine-short", b"True"], ran.stderr


def test_a_guest_of_another_engine_is_refused(engine, saying, budget):
    """Compiled code of one engine in a store of another would end the process."""
    guest = saying(OK)
    with Engine() as other, pytest.raises(UsageRefused) as caught:
        other.run(guest, "f", b"{}", budget)
    assert caught.value.code == "engine-foreign"


def test_closing_an_engine_ends_its_thread_and_its_calls(to_wasm, budget):
    """A thread that stays would keep ticking for the life of the process."""
    before = threading.active_count()
    with Engine() as engine:
        guest = reload(engine, to_wasm, "(i64.const 0)")
        assert threading.active_count() == before + 1
    assert threading.active_count() == before
    with pytest.raises(Unavailable) as caught:
        engine.run(guest, "f", b"{}", budget)
    assert caught.value.code == "engine-closed"


def test_an_engine_that_came_through_fork_refuses_to_work(engine, saying, budget):
    """In a forked child no ticker runs, so a guest could spin past any deadline."""
    guest = saying(OK)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("os.getpid", lambda: -1)
        with pytest.raises(Unavailable) as caught:
            engine.run(guest, "f", b"{}", budget)
    assert caught.value.code == "engine-forked"


def test_engines_that_nobody_uses_any_more_do_not_end_the_process(monkeypatch):
    """Wrong if pools that wait to be collected take the last mapping, for which the package ends the process."""
    counted = iter([64_000, 64_000, 2_000, 2_000])
    collected = []
    monkeypatch.setattr(package.gc, "collect", lambda: collected.append(True))
    monkeypatch.setattr(package, "has_mappings", lambda count: next(counted) + count <= 65_530)
    with Engine() as first:
        assert (first.allocator, collected) == ("on-demand", [True])
    with Engine() as second:
        assert (second.allocator, collected) == ("pooling", [True])


def test_mappings_are_counted_where_the_system_tells():
    """Wrong if the room for a pool were guessed."""
    assert package.has_mappings(1)
    assert not package.has_mappings(10**9) or not Path("/proc/self/maps").exists()
