"""Moments: what is read as one, and which record it means."""

from __future__ import annotations

from bisect import bisect_right

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bailiwick.canonical import time_ns, time_text
from bailiwick.errors import LedgerBroken, NotFound, UsageRefused
from bailiwick.ledger import read_moment
from bailiwick.ledger.moment import Times
from bailiwick.ledger.proven import ProvenReader

FAR_NS = time_ns("9999-01-01T00:00:00.000000000Z")


@pytest.mark.parametrize(
    ("text", "utc"),
    [
        ("2024-05-01T12:00:00Z", "2024-05-01T12:00:00.000000000Z"),
        ("2024-05-01t12:00:00z", "2024-05-01T12:00:00.000000000Z"),
        ("2024-05-01T14:00:00.5+02:00", "2024-05-01T12:00:00.500000000Z"),
        ("2024-05-01T00:30:00-00:00", "2024-05-01T00:30:00.000000000Z"),
        ("2024-01-01T00:30:00+23:59", "2023-12-31T00:31:00.000000000Z"),
        ("2024-02-29T23:59:59.123456789Z", "2024-02-29T23:59:59.123456789Z"),
        ("2016-12-31T23:59:60Z", "2016-12-31T23:59:59.999999999Z"),
        ("2017-01-01T00:59:60.5+01:00", "2016-12-31T23:59:59.999999999Z"),
        ("9999-12-31T23:59:60Z", "9999-12-31T23:59:59.999999999Z"),
        ("1969-12-31T23:59:59.5Z", "1969-12-31T23:59:59.500000000Z"),
    ],
)
def test_a_moment_is_read_in_any_zone(text, utc):
    """Wrong if the same instant, written in two zones, meant two positions."""
    assert time_text(read_moment(text)) == utc


@pytest.mark.parametrize(
    "text",
    [
        "",
        "now-ish",
        "2024-05-01",
        "2024-05-01T12:00:00",
        "2024-05-01 12:00:00Z",
        "2024-05-01T12:00Z",
        "2024-05-01T24:00:00Z",
        "2024-02-30T12:00:00Z",
        "2023-02-29T12:00:00Z",
        "2024-05-01T12:60:00Z",
        "2024-05-01T12:00:61Z",
        "2024-05-01T12:00:60Z",
        "2024-05-01T23:59:60Z",
        "2016-12-31T23:59:60+01:00",
        "2024-05-01T12:00:00.1234567891Z",
        "2024-05-01T12:00:00.Z",
        "2024-05-01T12:00:00+24:00",
        "2024-05-01T12:00:00+02:60",
        "2024-05-01T12:00:00+0200",
        "0000-05-01T12:00:00Z",
        "0001-01-01T00:00:00+01:00",
        "9999-12-31T23:00:00-02:00",
        "٢٠٢٤-05-01T12:00:00Z",
        "2024-05-01T12:00:00Z\n",
        "2024-05-01T12:00:00Z" + "0" * 100_000,
        "2024-05-01T12:00:00Z\x00",
    ],
)
def test_what_is_no_moment_is_refused(text):
    """Wrong if a guess about what was meant could answer for another moment."""
    with pytest.raises(UsageRefused) as caught:
        read_moment(text)
    assert caught.value.code == "moment"
    assert len(caught.value.message) < 400


@given(st.integers(min_value=0, max_value=FAR_NS))
def test_what_the_ledger_writes_is_read_back(at_ns):
    """Wrong if a record's own timestamp did not mean its own position."""
    assert read_moment(time_text(at_ns)) == at_ns


@pytest.fixture
def walked(place, ledger):
    """Give a ledger of several flushes of several records, and its times in order."""
    for number, count in enumerate([1, 3, 1, 4, 2]):
        place.clock.advance(10**9 * (1 + 50 * number))
        ledger.record_many("local", place.drafts(count))
    return ledger, [time_ns(record.timestamp) for record in ledger.records()]


def test_a_moment_includes_every_record_of_its_flush(walked):
    """Wrong if a boundary cut a flush in two, or was off by one record or one nanosecond."""
    ledger, times = walked
    searcher = Times(ProvenReader(ledger))
    for at_ns in sorted({time + off for time in times for off in (-1, 0, 1)}):
        wanted = bisect_right(times, at_ns) - 1
        if wanted >= 0:
            assert searcher.position_at(at_ns, FAR_NS) == wanted
            assert Times(ProvenReader(ledger)).position_at(at_ns, FAR_NS) == wanted


def test_a_moment_before_the_ledger_is_refused(walked):
    """Wrong if an empty past were answered as if somebody had looked."""
    ledger, times = walked
    with pytest.raises(NotFound) as caught:
        Times(ProvenReader(ledger)).position_at(times[0] - 1, FAR_NS)
    assert caught.value.code == "time-before-ledger"


def test_a_moment_that_has_not_come_is_refused(walked):
    """Wrong if today's answer about tomorrow could change tomorrow."""
    ledger, times = walked
    searcher = Times(ProvenReader(ledger))
    with pytest.raises(UsageRefused) as caught:
        searcher.position_at(times[-1] + 2, times[-1] + 1)
    assert caught.value.code == "time-future"
    assert searcher.position_at(times[-1] + 1, times[-1] + 1) == len(times) - 1


def test_a_ledger_ahead_of_the_clock_is_readable_to_its_end(walked):
    """Wrong if a clock that went back hid records that are there."""
    ledger, times = walked
    assert Times(ProvenReader(ledger)).position_at(times[-1], times[0]) == len(times) - 1


@given(gaps=st.lists(st.integers(0, 10**12), min_size=1, max_size=40), at=st.integers(-5, 10**13))
def test_the_search_finds_what_counting_finds(gaps, at):
    """Wrong if guessing by proportion could miss the place, however unevenly records came."""
    times = [sum(gaps[: number + 1]) for number in range(len(gaps))]

    class Reader:
        def minimum(self):
            return 0

        def read(self, index):
            return type("Record", (), {"timestamp": time_text(times[index])})

    searcher = Times(Reader())
    assert searcher.last_at(at, len(times)) == bisect_right(times, at) - 1
    assert searcher.last_at(at, len(times)) == bisect_right(times, at) - 1


def test_a_search_reads_few_records_even_where_they_came_unevenly():
    """Wrong if a burst of records could make a search read all of them."""
    times = [number**4 // 1_000 for number in range(100_000)]
    reads = []

    class Reader:
        def minimum(self):
            return 0

        def read(self, index):
            reads.append(index)
            return type("Record", (), {"timestamp": time_text(times[index])})

    searcher = Times(Reader())
    assert searcher.last_at(times[50_000], len(times)) == 50_000
    assert len(reads) <= 2 * 17 + 2


def test_records_that_are_not_those_of_the_tree_answer_nothing(place, walked):
    """Wrong if a timestamp changed on disk could move what was before and after it."""
    ledger, times = walked
    data = place.bytes_of(place.segment())
    lines = data.split(b"\n")
    stamp = time_text(times[4]).encode()
    assert lines[4].count(stamp) == 1
    lines[4] = lines[4].replace(stamp, time_text(times[4] + 1).encode())
    place.overwrite(place.segment(), b"\n".join(lines))
    with pytest.raises(LedgerBroken) as caught:
        Times(ProvenReader(ledger)).position_at(times[4], FAR_NS)
    assert caught.value.exit_code >= 10
