"""Dates and moments: exact, and the same everywhere."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bailiwick.errors import UsageRefused
from bailiwick.packs import check_date
from bailiwick.packs.language.dates import due_at, is_date, moment_ns

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@given(st.dates())
def test_every_day_of_the_calendar_is_a_date(day: date):
    """A case of some day could not be judged."""
    assert is_date(day.isoformat())
    assert check_date(day.isoformat()) == day.isoformat()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2015-1-1",
        "2015-02-29",
        "1900-02-29",
        "2015-00-01",
        "2015-13-01",
        "2015-01-32",
        "2015-04-31",
        "0000-01-01",
        "20150101",
        "2015-01-01 ",
        "2015-01-01\n",
        "2015-01-01T00:00:00Z",
        "-015-01-01",
        "\N{FULLWIDTH DIGIT TWO}015-01-01",
        "2015\N{EN DASH}01\N{EN DASH}01",
        "today",
    ],
)
def test_what_is_no_day_is_refused(text: str):
    """A date that does not exist would sort among those that do."""
    assert not is_date(text)
    with pytest.raises(UsageRefused) as caught:
        check_date(text)
    assert caught.value.code == "date"


def test_what_is_no_text_is_no_date():
    """A number in the facts would raise in the middle of a decision."""
    assert not is_date(20150101)
    assert not is_date(None)


@given(
    st.datetimes(min_value=datetime(2, 1, 1), max_value=datetime(9998, 12, 31)),  # noqa: DTZ001
    st.integers(-23 * 60 - 59, 23 * 60 + 59),
)
def test_moments_are_read_exactly(moment: datetime, offset: int):
    """A deadline would lie an hour, or a leap day, off."""
    there = moment.replace(tzinfo=timezone(timedelta(minutes=offset)))
    text = there.isoformat()
    span = there - EPOCH
    assert moment_ns(text) == (span.days * 86_400 + span.seconds) * 10**9 + span.microseconds * 1_000


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2020-01-01",
        "2020-01-01T00:00:00",
        "2020-01-01T24:00:00Z",
        "2020-01-01T00:60:00Z",
        "2016-12-31T23:59:60Z",
        "2020-02-30T00:00:00Z",
        "2020-01-01T00:00:00.Z",
        "2020-01-01T00:00:00.1234567890Z",
        "2020-01-01T00:00:00+24:00",
        "2020-01-01T00:00:00+0000",
        "2020-01-01T00:00:00Z\n",
        "2020-01-01 00:00:00Z",
    ],
)
def test_what_is_no_moment_is_none(text: str):
    """A deadline would be counted from a guess."""
    assert moment_ns(text) is None
    assert due_at(text, 480) is None


@pytest.mark.parametrize(
    ("known_at", "minutes", "due"),
    [
        ("2020-02-28T23:59:59.000000001Z", 1, "2020-02-29T00:00:59.000000001Z"),
        ("2019-02-28T20:00:00Z", 480, "2019-03-01T04:00:00.000000000Z"),
        ("1999-12-31T23:00:00-01:30", 0, "2000-01-01T00:30:00.000000000Z"),
        ("1969-12-31T23:59:00Z", 2, "1970-01-01T00:01:00.000000000Z"),
        ("9999-12-31T23:59:59Z", 1, None),
        ("0001-01-01T00:00:00+01:00", 0, None),
        ("2020-03-08T01:30:00-05:00", 1440, "2020-03-09T06:30:00.000000000Z"),
    ],
)
def test_deadlines_are_elapsed_time(known_at: str, minutes: int, due: str | None):
    """A deadline would move with summer time, or fall on a day that does not exist."""
    assert due_at(known_at, minutes) == due
