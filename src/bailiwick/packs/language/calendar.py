"""The calendar that rules may reckon by: days, months and years on ISO dates, with every rounding stated.

The proleptic Gregorian calendar of ISO 8601, years 1 to 9999, no time zones, no clock. What has no date has no value:
a rule that asks for it is indeterminate, cause ``no-date``. Specified in ``docs/formats/pack.md``, section "Dates".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date

from bailiwick.packs.language.dates import EPOCH_ORDINAL

NO_DATE = "no-date"
"""What an engine's error says where a function has no date to give; the cause of the answer that cannot be given."""

ROUNDINGS = ("down", "up", "refuse")
"""What ``add_months`` gives where the month is too short: its last day, the first of the next month, or no date."""

_DAYS_MAX = date.max.toordinal()


class NoDate(ValueError):
    """There is no such date."""

    def __init__(self) -> None:
        super().__init__(NO_DATE)


def days(day: str) -> int:
    """Count days since 1970-01-01, which is day 0.

    >>> days("1970-01-02"), days("1969-12-31"), days("0001-01-01")
    (1, -1, -719162)
    """
    return _date(day).toordinal() - EPOCH_ORDINAL


def date_of(number: int) -> str:
    """Give the date of a day number; the other way round than ``days``.

    >>> date_of(days("2024-02-29"))
    '2024-02-29'
    """
    return _ordinal(number + EPOCH_ORDINAL).isoformat()


def add_days(day: str, count: int) -> str:
    """Give the date so many days later, or earlier.

    >>> add_days("2024-02-28", 2), add_days("2024-03-01", -1)
    ('2024-03-01', '2024-02-29')
    """
    return _ordinal(_date(day).toordinal() + count).isoformat()


def add_months(day: str, count: int, rounding: str) -> str:
    """Give the same day of the month so many months later, or earlier; ``rounding`` where that month has no such day.

    >>> [add_months("2023-01-31", 1, rounding) for rounding in ("down", "up")]
    ['2023-02-28', '2023-03-01']
    """
    start = _date(day)
    if rounding not in ROUNDINGS:
        raise NoDate
    year, month = divmod(start.year * 12 + start.month - 1 + count, 12)
    if not 1 <= year <= 9999:
        raise NoDate
    try:
        return date(year, month + 1, start.day).isoformat()
    except ValueError:
        return _rounded(year, month + 1, rounding)


def days_between(first: str, second: str) -> int:
    """Count days from the first date to the second; below 0 where the second is earlier.

    >>> days_between("2025-02-21", "2025-10-01"), days_between("2025-03-01", "2025-02-28")
    (222, -1)
    """
    return _date(second).toordinal() - _date(first).toordinal()


def years_between(first: str, second: str) -> int:
    """Count completed years from the first date to the second; below 0 where the second is earlier.

    A year is completed on the day of the same month and number; one that began on 29 February, in a common year on
    1 March.

    >>> years_between("2004-02-29", "2022-02-28"), years_between("2004-02-29", "2022-03-01")
    (17, 18)
    """
    start, stop = _date(first), _date(second)
    if stop < start:
        return -_completed(stop, start)
    return _completed(start, stop)


def year(day: str) -> int:
    """Give the year.

    >>> year("2025-10-01")
    2025
    """
    return _date(day).year


def month(day: str) -> int:
    """Give the month, 1 to 12.

    >>> month("2025-10-01")
    10
    """
    return _date(day).month


def day_of_month(day: str) -> int:
    """Give the day of the month, 1 to 31.

    >>> day_of_month("2025-10-01")
    1
    """
    return _date(day).day


def weekday(day: str) -> int:
    """Give the day of the week: 1 is Monday, 7 is Sunday.

    >>> weekday("2025-10-01")
    3
    """
    return _date(day).isoweekday()


@dataclass(frozen=True, slots=True)
class CalendarFunction:
    """A function of the calendar: what it takes and gives (``integer``, ``string``), and the function itself."""

    takes: tuple[str, ...]
    gives: str
    call: Callable[..., int | str]


CALENDAR: Mapping[str, CalendarFunction] = {
    "add_days": CalendarFunction(("string", "integer"), "string", add_days),
    "add_months": CalendarFunction(("string", "integer", "string"), "string", add_months),
    "date_of": CalendarFunction(("integer",), "string", date_of),
    "day_of_month": CalendarFunction(("string",), "integer", day_of_month),
    "days": CalendarFunction(("string",), "integer", days),
    "days_between": CalendarFunction(("string", "string"), "integer", days_between),
    "month": CalendarFunction(("string",), "integer", month),
    "weekday": CalendarFunction(("string",), "integer", weekday),
    "year": CalendarFunction(("string",), "integer", year),
    "years_between": CalendarFunction(("string", "string"), "integer", years_between),
}
"""Every function of the calendar, by the name that rules call it by."""


def _date(text: str) -> date:
    """Read ``YYYY-MM-DD`` and nothing else; ``fromisoformat`` reads other forms too."""
    if len(text) != 10 or text[4] != "-" or text[7] != "-":
        raise NoDate
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise NoDate from error


def _ordinal(ordinal: int) -> date:
    if not 1 <= ordinal <= _DAYS_MAX:
        raise NoDate
    return date.fromordinal(ordinal)


def _rounded(year: int, month: int, rounding: str) -> str:
    """Give the day that stands for one beyond the end of a month; December is never too short."""
    following = date(year, month + 1, 1)
    if rounding == "refuse":
        raise NoDate
    return (following if rounding == "up" else date.fromordinal(following.toordinal() - 1)).isoformat()


def _completed(start: date, stop: date) -> int:
    return stop.year - start.year - ((stop.month, stop.day) < (start.month, start.day))
