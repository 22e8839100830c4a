"""How long records are kept, and what a legal hold keeps longer. Pure: it reads records, and deletes nothing.

A ledger without a written policy is never pruned (C2SP tlog-tiles, Retention Policies). The policy is a record,
``retention.set``; the first one speaks for every record before it too. A record is kept for the longest time that any
policy gave its type since it was written: a later policy can lengthen what was promised, and never shorten it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from types import MappingProxyType
from typing import Any

from bailiwick.errors import InputRefused
from bailiwick.ledger.record import StoredRecord, decode
from bailiwick.model import JsonValue

RETENTION_SET = "retention.set"
HOLD_SET = "hold.set"
DECISION = "decision.sealed"
"""The type whose records have evidence beside the ledger; kept at least as long as that."""
HOLD_RELEASED = "hold.released"
FORMAT = "bailiwick-retention/1"

PERMANENT = "permanent"
MONTHS_MIN = 6
"""Shortest time that any class is kept, in months: Regulation (EU) 2024/1689, Article 26(6), for logs of use."""
MONTHS_MAX = 1_200
"""Longest time that is not ``permanent``, in months."""
TYPES_MAX = 256
"""Types that one policy names, in number."""
LEAP_DAYS_MAX = 35
"""Longest pause between two records that is taken for a pause, in days; a longer one may be a clock that was set."""

CLASSES: Mapping[str, str] = MappingProxyType(
    {"access": "P6M", "decision": "P7Y", "evidence": "P7Y", "ledger": PERMANENT}
)
"""The classes and how long each is kept unless a policy says otherwise: ISO 8601 durations of years and months."""
TYPES: Mapping[str, str] = MappingProxyType(dict.fromkeys(("access", "auth", "query", "session"), "access"))
"""The class of types by their first word; the others are decisions."""
LASTING = frozenset({"clock", "hold", "key", "ledger", "retention", "subject"})
"""First words of the types that say something about the ledger itself; always permanent, whatever a policy says."""
LASTING_TYPES = frozenset(
    {
        "module.grant-revoked",
        "module.granted",
        "module.installed",
        "module.key-revoked",
        "module.key-trusted",
        "module.pinned",
        "module.removed",
        "module.rolled-back",
        "module.started",
        "module.stopped",
        "module.swap-abandoned",
        "module.swap-started",
        "module.swapped",
        "module.unpinned",
        "pack.activated",
        "pack.installed",
        "pack.source-changed",
    }
)
"""Types of which a tenant's modules, packs, grants and revoked keys are folded: without one of them, a revoked key is
trusted again, a module that is in use is gone, or an older law is back. Permanent as well."""

_PERIOD = re.compile(r"P(?=[0-9])(?:([0-9]{1,3})Y)?(?:([0-9]{1,4})M)?\Z")
_TYPE = re.compile(r"[a-z][a-z0-9_-]{0,60}(?:\.[a-z][a-z0-9_-]{0,60}){0,2}\Z")
_DAYS_OF_MONTH = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


def read_period(text: str) -> int | None:
    """Give a period in months; None for ``permanent``.

    Raises:
        ValueError: another form, or outside ``MONTHS_MIN`` to ``MONTHS_MAX``.

    >>> read_period("P1Y6M"), read_period("permanent")
    (18, None)
    """
    if text == PERMANENT:
        return None
    match = _PERIOD.match(text)
    if not match:
        raise ValueError(f"{text[:40]!r} is neither permanent nor years and months such as P6M or P7Y")
    months = int(match[1] or 0) * 12 + int(match[2] or 0)
    if not MONTHS_MIN <= months <= MONTHS_MAX:
        raise ValueError(f"{text} is {months} months; from {MONTHS_MIN} to {MONTHS_MAX}")
    return months


def kept_until(timestamp: str, months: int) -> str:
    """Give the last day (UTC) on which a record is kept: the day of the same number, or the last of a shorter month.

    Source: Regulation (EEC, Euratom) No 1182/71, Article 3(2)(c).

    >>> kept_until("2025-08-31T10:00:00.000000000Z", 6)
    '2026-02-28'
    """
    year, month = divmod(int(timestamp[:4]) * 12 + int(timestamp[5:7]) - 1 + months, 12)
    is_leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    last = 29 if month == 1 and is_leap else _DAYS_OF_MONTH[month]
    return f"{year:04d}-{month + 1:02d}-{min(int(timestamp[8:10]), last):02d}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """A written policy: how long each class is kept, and the class of types by first word or whole name."""

    classes: Mapping[str, str] = field(default_factory=lambda: CLASSES)
    types: Mapping[str, str] = field(default_factory=lambda: TYPES)

    def __post_init__(self) -> None:
        if set(self.classes) != set(CLASSES) or self.classes["ledger"] != PERMANENT:
            raise _refused(f"it must give {', '.join(CLASSES)} a time each, and ledger is permanent")
        if len(self.types) > TYPES_MAX:
            raise _refused(f"it names {len(self.types)} types; at most {TYPES_MAX}")
        for name, period in self.classes.items():
            try:
                read_period(period)
            except ValueError as error:
                raise _refused(f"class {name}: {error}") from error
        for name, kind in self.types.items():
            if not _TYPE.match(name) or kind not in self.classes:
                raise _refused(f"{name[:80]!r}: {str(kind)[:40]!r} is not a type and its class")
            if _is_lasting(name):
                raise _refused(f"records of type {name} say what is in force, and are permanent")

    @classmethod
    def from_json(cls, value: Any) -> Retention:
        """Read a policy as ``to_json`` gives it.

        Raises:
            InputRefused: it is not one (code ``retention``).
        """
        if not isinstance(value, Mapping) or set(value) != {"classes", "format", "types"}:
            raise _refused("it must have classes, format and types, and nothing else")
        if value["format"] != FORMAT:
            raise _refused(f"its format is {str(value['format'])[:40]!r}, not {FORMAT}")
        for part in (value["classes"], value["types"]):
            if not isinstance(part, Mapping) or not all(isinstance(each, str) for each in part.values()):
                raise _refused("classes and types must be objects of text")
        return cls(classes=dict(value["classes"]), types=dict(value["types"]))

    def to_json(self) -> dict[str, JsonValue]:
        """Give the policy as JSON: the detail of its record, and the statement in an exported bundle."""
        return {"classes": dict(self.classes), "format": FORMAT, "types": dict(self.types)}

    def class_of(self, event_type: str) -> str:
        """Give the class of a type."""
        if _is_lasting(event_type):
            return "ledger"
        word = event_type.partition(".")[0]
        return self.types.get(event_type) or self.types.get(word) or "decision"

    def months(self, event_type: str) -> int | None:
        """Give how long records of a type are kept, in months; None for ever."""
        return read_period(self.classes[self.class_of(event_type)])


@dataclass(frozen=True, slots=True, kw_only=True)
class LegalHold:
    """What must not be deleted, whatever its age: everything that all of the given conditions cover.

    ``resource`` covers itself and what is below it (``pack/x`` covers ``pack/x/y``); ``since`` and ``until`` are times
    of records, both included. ``reason`` is an opaque id, such as that of a case file kept elsewhere.
    """

    id: str
    reason: str
    resource: str | None = None
    since: str | None = None
    until: str | None = None

    def covers(self, resource: str, timestamp: str | None = None) -> bool:
        """Say whether a record of that resource and time is covered; without a time: whether any such could be."""
        if self.resource is not None and resource != self.resource and not resource.startswith(self.resource + "/"):
            return False
        if timestamp is None:
            return True
        return (self.since is None or self.since <= timestamp) and (self.until is None or timestamp <= self.until)

    def to_json(self) -> dict[str, JsonValue]:
        """Give the hold as JSON: the detail of its record."""
        return {
            "hold": self.id,
            "reason": self.reason,
            "resource": self.resource,
            "since": self.since,
            "until": self.until,
        }


@dataclass(slots=True)
class Rules:
    """What the records of a ledger say about keeping them, folded in order.

    ``policies`` have the index of their record; ``holds`` are those that stand, by id; ``leaps`` the records before
    which the time moved on by more than ``LEAP_DAYS_MAX``; ``size`` the records that were folded.
    """

    policies: list[tuple[int, Retention]] = field(default_factory=list)
    holds: dict[str, LegalHold] = field(default_factory=dict)
    leaps: list[int] = field(default_factory=list)
    newest: str = ""
    size: int = 0
    changes: int = 0
    _months: dict[tuple[str, int], int | None] = field(default_factory=dict)

    def fold(self, index: int, raw: bytes) -> None:
        """Take in the next record that is kept. Cost: about 0.3 µs where it says nothing about keeping."""
        day = raw[-32:-22].decode()
        if day != self.newest:
            if self.newest and days_between(self.newest, day) > LEAP_DAYS_MAX:
                self.leaps.append(index)
            self.newest = day
        self.size = index + 1
        if b'"event_type":"hold.' in raw or b'"event_type":"retention.' in raw:
            self._take(index, decode(raw))

    def _take(self, index: int, stored: StoredRecord) -> None:
        if stored.event_type == RETENTION_SET:
            self.policies.append((index, Retention.from_json(stored.detail)))
            self._months.clear()
        elif stored.event_type == HOLD_SET:
            detail = stored.detail
            hold = LegalHold(
                id=str(detail["hold"]),
                reason=str(detail["reason"]),
                resource=detail["resource"],
                since=detail["since"],
                until=detail["until"],
            )
            self.holds[hold.id] = hold
        elif stored.event_type == HOLD_RELEASED:
            self.holds.pop(str(stored.detail["hold"]), None)
        else:
            return
        self.changes += 1

    @property
    def retention(self) -> Retention | None:
        """The newest policy, or None where none was ever written."""
        return self.policies[-1][1] if self.policies else None

    def months(self, event_type: str, index: int) -> int | None:
        """Give how long a record is kept, in months; None for ever, and where there is no policy."""
        if not self.policies:
            return None
        since = max((at for at, (start, _) in enumerate(self.policies) if start <= index), default=0)
        key = (event_type, since)
        if key not in self._months:
            promised = [policy.months(event_type) for _, policy in self.policies[since:]]
            if event_type == DECISION:
                # Evidence is found by the record of its decision, and by nothing else.
                promised += [read_period(policy.classes["evidence"]) for _, policy in self.policies[since:]]
            self._months[key] = None if None in promised else max(each for each in promised if each is not None)
        return self._months[key]

    def is_expired(self, stored: StoredRecord, index: int, today: str) -> bool:
        """Say whether a record need not be kept any more on a day (``YYYY-MM-DD``, UTC)."""
        months = self.months(stored.event_type, index)
        return months is not None and today > kept_until(stored.timestamp, months)

    def is_evidence_expired(self, event_type: str, timestamp: str, index: int, today: str) -> bool:
        """Say whether what is kept beside a record of a type, time and index need not be kept on a day any more.

        What a decision rests on has a class of its own; anything else goes when its record may.
        """
        if not self.policies:
            return False
        if event_type != DECISION:
            months = self.months(event_type, index)
            return months is not None and today > kept_until(timestamp, months)
        since = max((at for at, (start, _) in enumerate(self.policies) if start <= index), default=0)
        promised = [read_period(policy.classes["evidence"]) for _, policy in self.policies[since:]]
        longest = None if None in promised else max(each for each in promised if each is not None)
        return longest is not None and today > kept_until(timestamp, longest)

    def hold_of(self, resource: str, timestamp: str | None = None) -> LegalHold | None:
        """Give a hold that covers a record, or None."""
        return next((hold for hold in self.holds.values() if hold.covers(resource, timestamp)), None)


def fold_rules(records: Iterable[tuple[int, bytes]], rules: Rules | None = None) -> Rules:
    """Fold records, given in order with their index, into what they say about keeping them."""
    rules = rules or Rules()
    for index, raw in records:
        rules.fold(index, raw)
    return rules


def days_between(older: str, newer: str) -> int:
    """Count the days from one day to another (``YYYY-MM-DD``).

    >>> days_between("2026-01-31", "2026-03-01")
    29
    """
    return (date.fromisoformat(newer) - date.fromisoformat(older)).days


def _is_lasting(event_type: str) -> bool:
    return event_type in LASTING_TYPES or event_type.partition(".")[0] in LASTING


def _refused(why: str) -> InputRefused:
    return InputRefused(
        f"this is not a policy of retention: {why}",
        hint="bailiwick ledger retention --json shows one; write down your own from it",
        code="retention",
    )
