"""A series of calls over several modules gives the same bytes whenever and on however many cores it is run."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest

from bailiwick.errors import NotFound, UsageRefused
from bailiwick.supervisor import SeriesCall, read_calls
from bailiwick.supervisor.series import CALLS_PER_PIECE
from bailiwick.testing import MemoryClock, MemoryEntropy

from .conftest import CLOCK, OPERATOR, TENANT, asking, files_of, manifest_of, text_of, wasm_of

RANDOM = "bailiwick:random/random@0.1.0"
READ = "bailiwick:audit/read@0.1.0"


def asking_guest(interface, function, asked="{}"):
    """A core guest that asks the host one thing and answers with what it was told."""
    question = json.dumps({"interface": interface, "function": function, "input": json.loads(asked)})
    data = "".join(f"\\{byte:02x}" for byte in question.encode())
    opening = "".join(f"\\{byte:02x}" for byte in b'{"ok":{"greeting":')
    return wasm_of(f"""(module (import "bailiwick" "call" (func $ask (param i32 i32) (result i64)))
      (memory (export "memory") 4) (data (i32.const 65536) "{data}") (data (i32.const 131072) "{opening}")
      (global $at (mut i32) (i32.const 140000))
      (func (export "alloc") (param i32) (result i32)
        (global.get $at) (global.set $at (i32.add (global.get $at) (local.get 0))))
      (func (export "run") (param i32 i32) (result i64) (local $told i64) (local $size i32)
        (local.set $told (call $ask (i32.const 65536) (i32.const {len(question)})))
        (local.set $size (i32.wrap_i64 (local.get $told)))
        (memory.copy (i32.const {131072 + 18}) (i32.wrap_i64 (i64.shr_u (local.get $told) (i64.const 32)))
          (local.get $size))
        (i32.store8 (i32.add (i32.const {131072 + 18}) (local.get $size)) (i32.const 125))
        (i32.store8 (i32.add (i32.const {131072 + 19}) (local.get $size)) (i32.const 125))
        (i64.or (i64.shl (i64.const 131072) (i64.const 32)) (i64.extend_i32_u
          (i32.add (local.get $size) (i32.const 20))))))""")


MODULES = {
    "plain": (wasm_of(text_of('{"ok":{"greeting":"hello"}}')), []),
    "timely": (asking_guest(CLOCK, "now"), [asking(CLOCK, "now")]),
    "lucky": (asking_guest(RANDOM, "number"), [asking(RANDOM, "number")]),
    "curious": (
        asking_guest(READ, "records", '{"start":0,"limit":1000}'),
        [asking(READ, "records", event_types=["module.*"], resources=["*"])],
    ),
    "broken": (wasm_of(text_of("", traps=True)), []),
}


@pytest.fixture
def five(fleet, registry):
    """Five modules, with what they ask for."""
    for name, (wasm, asked) in MODULES.items():
        registry.install(files_of(manifest_of(name, wasm=wasm, capabilities=asked), wasm), OPERATOR)
        for each in asked:
            registry.grant(name, each["interface"], OPERATOR)
    return fleet


def calls_of(count):
    """So many calls, over all five modules in turn."""
    names = list(MODULES)
    return [SeriesCall(module=names[n % 5], function="greet", input={"name": f"n{n}"}) for n in range(count)]


def test_a_series_runs_again_to_the_same_bytes_on_one_core_and_on_two(five, house):
    """Wrong if an answer depends on the time, on chance, on what came later, or on who was faster."""
    done = five.series(TENANT).run(calls_of(60), OPERATOR, workers=2)
    record = house.ledger(TENANT).read(done.receipt.index)
    assert done.outcomes == {"answered": 48, "failed": 12}
    house.clock.advance(10**12)
    for workers in (1, 2, 3):
        again = house.open().series(TENANT).replay(record, workers=workers)
        assert (again.digest, again.was, again.first_differing) == (done.digest, done.digest, None)


def test_modules_of_a_series_see_time_and_chance_by_their_place(five, house):
    """Wrong if all calls of a series see one moment, or one random number."""
    series = five.series(TENANT)
    done = series.run(calls_of(15), OPERATOR)
    lines = [json.loads(line) for line in series.lines(house.ledger(TENANT).read(done.receipt.index))]
    times = [line["answer"]["ok"]["greeting"]["ok"] for line in lines if line["module"] == "timely"]
    assert [after - before for before, after in pairwise(times)] == [5_000_000, 5_000_000]
    lucky = [line["answer"]["ok"]["greeting"]["ok"] for line in lines if line["module"] == "lucky"]
    assert len(set(lucky)) == 3


def test_what_happened_since_changes_nothing(five, registry, house):
    """Wrong if a new version, another grant or a later record reaches into a series of the past."""
    done = five.series(TENANT).run(calls_of(10), OPERATOR)
    registry.ungrant("timely", CLOCK, OPERATOR)
    wasm = wasm_of(text_of('{"ok":{"greeting":"goodbye"}}'))
    registry.install(files_of(manifest_of("plain", version="2.0.0", wasm=wasm), wasm), OPERATOR)
    registry.remove("lucky", OPERATOR)
    again = house.open().series(TENANT).replay(house.ledger(TENANT).read(done.receipt.index))
    assert again.first_differing is None


def test_a_series_of_another_seed_differs_and_says_where(five, house):
    """Wrong if replay could not tell two series apart."""
    done = five.series(TENANT).run(calls_of(5), OPERATOR)
    house.entropy, house.clock = MemoryEntropy(seed=9), MemoryClock(1)
    other = house.open().series(TENANT).run(calls_of(5), OPERATOR)
    assert other.digest != done.digest


def test_a_denied_call_has_its_place_in_a_series(five, registry):
    """Wrong if one call that is not allowed ends a series, or moves the others."""
    registry.switch("plain", OPERATOR, on=False)
    calls = [*calls_of(3), SeriesCall(module="plain", function="none", input={})]
    done = five.series(TENANT).run(calls, OPERATOR)
    assert done.outcomes == {"answered": 2, "denied": 2}


def test_a_series_longer_than_one_piece_is_kept_whole(five, house):
    """Wrong if a boundary between blobs loses or repeats a call."""
    count = CALLS_PER_PIECE + 3
    calls = [SeriesCall(module="plain", function="greet", input={}) for _ in range(count)]
    series = five.series(TENANT)
    done = series.run(calls, OPERATOR)
    record = house.ledger(TENANT).read(done.receipt.index)
    lines = list(series.lines(record))
    assert [json.loads(line)["position"] for line in lines] == list(range(count))
    assert series.replay(record, workers=2).first_differing is None


def test_a_series_stands_in_the_ledger_as_one_record_without_what_was_said(five, house):
    """Wrong if inputs get into the ledger, or a call is counted twice."""
    done = five.series(TENANT).run([SeriesCall(module="plain", function="greet", input={"name": "Ada"})], OPERATOR)
    record = house.ledger(TENANT).read(done.receipt.index)
    assert b"Ada" not in record.raw
    assert house.types()[-1] == "module.series"
    assert record.detail["fuel"] == done.fuel > 0


def test_what_is_no_series_is_refused(five, house):
    """Wrong if an empty or an endless series is begun, or any record is run again."""
    series = five.series(TENANT)
    for calls, workers in (([], 1), (calls_of(1), 0), (calls_of(1), 65)):
        with pytest.raises(UsageRefused):
            series.run(calls, OPERATOR, workers=workers)
    with pytest.raises(NotFound):
        series.run([SeriesCall(module="none", function="greet", input={})], OPERATOR)
    with pytest.raises(NotFound, match="no series"):
        series.replay(house.ledger(TENANT).read(0))


def test_calls_are_read_a_line_each_and_a_bad_line_is_named():
    """Wrong if a typing error in the middle of a file is passed over."""
    read = read_calls(b'{"module":"a","function":"f"}\n\n{"module":"b","function":"g","input":[1]}\n')
    assert [(each.module, each.input) for each in read] == [("a", {}), ("b", [1])]
    for raw in (b"{", b"[]", b'{"module":"a"}', b'{"module":1,"function":"f"}', b'{"module":"a","function":"f","x":1}'):
        with pytest.raises(UsageRefused, match="line 2"):
            read_calls(b'{"module":"a","function":"f"}\n' + raw)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_ten_thousand_calls_over_five_modules_are_the_same_on_one_core_and_on_two(five, house):
    """Wrong if what holds for a few calls does not for many."""
    done = five.series(TENANT).run(calls_of(10_000), OPERATOR, workers=2)
    record = house.ledger(TENANT).read(done.receipt.index)
    again = [five.series(TENANT).replay(record, workers=workers) for workers in (1, 2)]
    assert [each.first_differing for each in again] == [None, None]
    assert {each.digest for each in again} == {done.digest}
