"""Time as position: a moment as RFC 3339 writes it, and the last record that it includes.

Timestamps never go back along a ledger, and all records of one flush carry the same one. So a moment means exactly one
position: the largest index whose timestamp is not after it, and with it every record of that flush.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from datetime import UTC, datetime, timedelta, timezone

from bailiwick.canonical import NANOSECONDS, time_ns, time_text
from bailiwick.errors import LedgerBroken, NotFound, UsageRefused, Verdict
from bailiwick.ledger.proven import ProvenReader
from bailiwick.ledger.record import BROKEN_HINT

PROBES_MAX = 65_536
"""Times of records that are remembered between searches, in number; each takes about 100 bytes."""

_MOMENT = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt]([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]{1,9}))?"
    r"(?:([Zz])|([+-])([0-9]{2}):([0-9]{2}))"
).fullmatch
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND = timedelta(seconds=1)
_HINT = "write it as RFC 3339 does, with a zone: 2024-05-01T12:00:00Z, or 2024-05-01T14:00:00.5+02:00"


def read_moment(text: str) -> int:
    """Read a moment in any zone, and give nanoseconds since 1970 UTC.

    A leap second (``23:59:60`` UTC on the last day of a month) counts as the end of the second before it: the clocks
    that ledgers are stamped by have none.

    Raises:
        UsageRefused: not RFC 3339, without a zone, finer than a nanosecond, or no such moment (code ``moment``).

    Source: RFC 3339, sections 5.6 and 5.7.

    >>> time_text(read_moment("2024-05-01T14:00:00.5+02:00"))
    '2024-05-01T12:00:00.500000000Z'
    >>> read_moment("yesterday")
    Traceback (most recent call last):
    ...
    bailiwick.errors.UsageRefused: 'yesterday' is no moment
    """
    found = _MOMENT(text[:80])
    if found is None:
        raise _refused(text, "is no moment")
    day, hour, minute, second, fraction, _, sign, zone_hours, zone_minutes = found.groups(default="")
    is_leap = second == "60"
    try:
        zone = _zone(sign, zone_hours, zone_minutes)
        local = datetime.fromisoformat(f"{day}T{hour}:{minute}:{'59' if is_leap else second}").replace(tzinfo=zone)
        moment = local.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise _refused(text, "is no moment that there was or will be") from error
    whole_ns = (moment - _EPOCH) // _SECOND * NANOSECONDS
    if not is_leap:
        return whole_ns + int(fraction.ljust(9, "0"))
    if (moment.hour, moment.minute) != (23, 59) or not _is_last_of_month(moment):
        raise _refused(text, "has a leap second where there can be none")
    return whole_ns + NANOSECONDS - 1


def _zone(sign: str, hours: str, minutes: str) -> timezone:
    if not sign:
        return UTC
    if int(hours) > 23 or int(minutes) > 59:
        raise ValueError(f"no zone is {hours}:{minutes} away")
    away = timedelta(hours=int(hours), minutes=int(minutes))
    return timezone(-away if sign == "-" else away)


def _is_last_of_month(moment: datetime) -> bool:
    return (moment.month, moment.day) == (12, 31) or (moment + timedelta(days=1)).day == 1


def _refused(text: str, why: str) -> UsageRefused:
    return UsageRefused(f"{text[:80]!r} {why}", hint=_HINT, code="moment")


class Times:
    """Finds positions by time in one ledger, and remembers the times that it saw. Not thread-safe.

    It keeps no file: the records are the index. Guesses by proportion and halving take turns, so that a search reads
    few records where they came evenly, and never more than twice the binary logarithm of their number.
    """

    def __init__(self, reader: ProvenReader) -> None:
        self._reader = reader
        self._indexes: list[int] = []
        self._times: list[int] = []

    def position_at(self, at_ns: int, now_ns: int) -> int:
        """Give the last record that a moment includes; it and the record after it have been proven.

        Args:
            at_ns: The moment, in nanoseconds since 1970.
            now_ns: What the clock says. Later than that, and than the newest record, nobody can know yet.

        Raises:
            NotFound: the moment is before the first record (code ``time-before-ledger``).
            UsageRefused: the moment has not come yet (code ``time-future``).
            LedgerBroken: the records there are not those that the ledger stands for.
        """
        size = self._reader.size()
        newest_ns = self._time_of(size - 1)
        if at_ns > max(now_ns, newest_ns):
            raise UsageRefused(
                f"{_written(at_ns)} has not come yet; it is {_written(max(now_ns, newest_ns))}",
                hint="ask for a moment that has passed: what the ledger will hold is not known",
                code="time-future",
            )
        position = self.last_at(at_ns, size)
        first = self._reader.minimum()
        if position < first:
            began = "the ledger began" if first == 0 else f"what came before record {first} was pruned: it begins"
            raise NotFound(
                f"{began} at {_written(self._time_of(first))}, after {_written(at_ns)}",
                hint="ask for that moment or a later one",
                code="time-before-ledger",
            )
        self._check(position, at_ns, size)
        return position

    def last_at(self, at_ns: int, size: int) -> int:
        """Give the last of the first ``size`` records that is not after a moment; nothing is proven.

        Where all are after it, the index before the first that is there: -1 where none was pruned.

        Cost: about ten records read where they came evenly, each about 50 µs from a segment that is at hand.
        """
        first = self._reader.minimum()
        low, high = self._bracket(at_ns, size)
        is_guess = True
        while high - low > 1:
            middle = (low + high) // 2
            if is_guess and low >= first and high < size:
                low_ns, high_ns = self._time_of(low), self._time_of(high)
                middle = low + (at_ns - low_ns) * (high - low) // max(high_ns - low_ns, 1)
                middle = min(max(middle, low + 1), high - 1)
            is_guess = not is_guess
            if self._time_of(middle) <= at_ns:
                low = middle
            else:
                high = middle
        return low

    def forget(self) -> None:
        """Forget every time that was seen."""
        self._indexes.clear()
        self._times.clear()

    def _bracket(self, at_ns: int, size: int) -> tuple[int, int]:
        """Give the closest records on both sides whose times are known; outside of all that are there, one further."""
        first = self._reader.minimum()
        if size <= first:
            return size - 1, size
        for index in (first, size - 1):
            self._time_of(index)
        place = bisect_right(self._times, at_ns)
        low = max(self._indexes[place - 1] if place else -1, first - 1)
        high = self._indexes[place] if place < len(self._indexes) else size
        return (low, high) if high <= size else (min(low, size - 1), size)

    def _time_of(self, index: int) -> int:
        place = bisect_right(self._indexes, index)
        if place and self._indexes[place - 1] == index:
            return self._times[place - 1]
        at_ns = time_ns(self._reader.read(index).timestamp)
        is_before = place > 0 and self._times[place - 1] > at_ns
        if is_before or (place < len(self._times) and self._times[place] < at_ns):
            raise LedgerBroken(Verdict.ALTERED, f"time goes back around record {index}", hint=BROKEN_HINT, index=index)
        if len(self._indexes) >= PROBES_MAX:
            self.forget()
            place = 0
        self._indexes.insert(place, index)
        self._times.insert(place, at_ns)
        return at_ns

    def _check(self, position: int, at_ns: int, size: int) -> None:
        """Prove both records that the moment lies between; times that were remembered wrongly do not get past it."""
        if time_ns(self._reader.proven(position).timestamp) > at_ns or (
            position + 1 < size and time_ns(self._reader.proven(position + 1).timestamp) <= at_ns
        ):
            self.forget()
            raise LedgerBroken(
                Verdict.ALTERED,
                f"the records around {position} changed while they were searched",
                hint=BROKEN_HINT,
                index=position,
            )


def _written(at_ns: int) -> str:
    try:
        return time_text(at_ns)
    except ValueError:
        return f"{at_ns} ns since 1970"
