"""Dates and moments of the law: exact integers on ISO text, no time zone database, no clock."""

from __future__ import annotations

import re

from bailiwick.canonical import NANOSECONDS, time_text
from bailiwick.errors import UsageRefused

DATE_PATTERN = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})\Z")
MOMENT_PATTERN = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt]([01][0-9]|2[0-3]):([0-5][0-9]):([0-5][0-9])(?:\.([0-9]{1,9}))?"
    r"(?:[Zz]|([+-])([01][0-9]|2[0-3]):([0-5][0-9]))\Z"
)
"""RFC 3339 section 5.6, without leap seconds (they have no place in a count of nanoseconds)."""

DAY_SECONDS = 86_400
MINUTE_NANOSECONDS = 60 * NANOSECONDS
MOMENT_MAX_NS = 253_402_300_800 * NANOSECONDS
"""The first nanosecond after 9999-12-31: later moments have no RFC 3339 text."""

EPOCH_ORDINAL = 719_163
"""1970-01-01 counted from 0001-01-01 as day 1."""

_MONTH_DAYS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


def is_date(text: object) -> bool:
    """Say whether a value is a day of the calendar as ``YYYY-MM-DD``, from year 1.

    >>> is_date("2024-02-29"), is_date("2023-02-29"), is_date("2024-2-29")
    (True, False, False)
    """
    found = DATE_PATTERN.match(text) if isinstance(text, str) else None
    if found is None:
        return False
    year, month, day = (int(group) for group in found.groups())
    return year >= 1 and 1 <= month <= 12 and 1 <= day <= _days_in(year, month)


def check_date(text: str) -> str:
    """Give a date back if it is one; such texts sort as the days do.

    Raises:
        UsageRefused: it is not a day of the calendar as ``YYYY-MM-DD`` (code ``date``).
    """
    if not is_date(text):
        raise UsageRefused(
            f"{str(text)[:40]!r} is not a date",
            hint="write the day as YYYY-MM-DD, for example 2020-09-25",
            code="date",
        )
    return text


def moment_ns(text: str) -> int | None:
    """Read an RFC 3339 moment as nanoseconds since 1970 UTC; None where it is not one.

    >>> moment_ns("1970-01-01T01:00:00.5+01:00")
    500000000
    >>> moment_ns("1970-01-01") is None
    True
    """
    found = MOMENT_PATTERN.match(text)
    if found is None or not is_date(found[1]):
        return None
    year, month, day = (int(part) for part in found[1].split("-"))
    seconds = _days_since_1970(year, month, day) * DAY_SECONDS
    seconds += int(found[2]) * 3_600 + int(found[3]) * 60 + int(found[4])
    if found[6]:
        offset = int(found[7]) * 3_600 + int(found[8]) * 60
        seconds += -offset if found[6] == "+" else offset
    return seconds * NANOSECONDS + int((found[5] or "").ljust(9, "0"))


def due_at(known_at: str, within_minutes: int) -> str | None:
    """Give the moment ``within_minutes`` after ``known_at``, in UTC with nine digits.

    None where ``known_at`` is not an RFC 3339 moment, or the result lies outside the years 1 to 9999.

    >>> due_at("2015-01-01T20:00:00-05:00", 480)
    '2015-01-02T09:00:00.000000000Z'
    """
    known = moment_ns(known_at)
    if known is None:
        return None
    due = known + within_minutes * MINUTE_NANOSECONDS
    first = _days_since_1970(1, 1, 1) * DAY_SECONDS * NANOSECONDS
    return time_text(due) if first <= due < MOMENT_MAX_NS else None


def _days_in(year: int, month: int) -> int:
    return 29 if month == 2 and _is_leap(year) else _MONTH_DAYS[month - 1]


def _is_leap(year: int) -> bool:
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)


def _days_since_1970(year: int, month: int, day: int) -> int:
    """Count days of the proleptic Gregorian calendar, which ISO 8601 and RFC 3339 use."""
    before = year - 1
    leaps = before // 4 - before // 100 + before // 400
    in_year = sum(_days_in(year, each) for each in range(1, month)) + day - 1
    return before * 365 + leaps + in_year + 1 - EPOCH_ORDINAL
