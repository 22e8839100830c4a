"""What a pruning would do, found by one walk over the records that could go. Pure: it deletes nothing.

Besides policy and holds, other rooms have a say (``Needs``): effects that wait, and sinks that were not sent all yet.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from bailiwick.errors import HoldStands, UsageRefused
from bailiwick.ledger.record import StoredRecord
from bailiwick.ledger.retention import LegalHold, Rules, kept_until
from bailiwick.ledger.tree import TILE_WIDTH


@dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    """What other rooms need of a ledger's records, by index, as they know it now.

    ``waiting`` are decisions of which an effect has no result yet: kept as if they were young. ``results`` gives, for
    the record of each result, the decisions that asked for it: it is kept as long as any of them, or what was done
    would be asked for again. ``sent`` says for each sink how many records it was sent, from the first on.
    """

    waiting: frozenset[int] = frozenset()
    results: Mapping[int, tuple[int, ...]] = field(default_factory=dict)
    sent: Mapping[str, int] = field(default_factory=dict)

    def stays(self, index: int, staying: Iterable[int], stop: int) -> bool:
        """Say whether a record must stay below ``stop`` because one of ``staying``, or one from ``stop`` on, does."""
        asked = self.results.get(index, ())
        return any(each >= stop or each in staying for each in asked)

    @property
    def decisions(self) -> frozenset[int]:
        """Every decision that asked for what has a result."""
        return frozenset(each for asked in self.results.values() for each in asked)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a pruning would do, or did: records from ``start`` to ``stop`` go, but for those that are carried on.

    ``blocked`` says why it goes no further, ``hold`` names the legal hold in the way, ``sink`` the sink that was not
    sent all of it yet, and ``sent`` how many records it was; empty where there is none.
    ``today`` is the day that ages were counted to, ``before`` the time that was asked for.
    """

    start: int
    stop: int
    deleted: int
    carried: int
    today: str
    before: str | None
    is_carrying: bool
    blocked: str = ""
    hold: str = ""
    sink: str = ""
    sent: int = 0
    changes: int = 0
    """Policies and holds that were recorded or released when it was made."""
    needs: Needs = Needs()

    def to_json(self) -> dict[str, Any]:
        """Give the plan as JSON."""
        return {
            "start": self.start,
            "stop": self.stop,
            "deleted": self.deleted,
            "carried": self.carried,
            "today": self.today,
            "blocked": self.blocked or None,
            "hold": self.hold or None,
            "sink": {"name": self.sink, "sent": self.sent} if self.sink else None,
        }

    def is_old(self, index: int, stored: StoredRecord, rules: Rules) -> bool:
        """Say whether nothing but other records keeps a record below ``stop`` any more."""
        if not rules.is_expired(stored, index, self.today) or index in self.needs.waiting:
            return False
        if self.before is not None and stored.timestamp >= self.before:
            return False
        return rules.hold_of(stored.resource, stored.timestamp) is None


class Finding:
    """What a walk from the minimum on found: for each entry bundle, what could go and what would be carried on."""

    def __init__(self, start: int, needs: Needs) -> None:
        self.reached = start
        self.blocked = ""
        self._start = start
        self._needs = needs
        self._decisions = needs.decisions
        self._held: tuple[int, LegalHold] | None = None
        self._counts: dict[int, list[int]] = {}
        self._last_deleted = -1
        self._results: list[int] = []
        self._going: set[int] = set()

    def take(
        self, index: int, stored: StoredRecord, rules: Rules, day: str, *, before: str | None, carry: bool
    ) -> bool:
        """Take in one record, and say whether the walk can go on."""
        self.reached = index
        counts = self._counts.setdefault(index // TILE_WIDTH, [0, 0])
        months = rules.months(stored.event_type, index)
        if before is not None and stored.timestamp >= before:
            self.blocked = f"record {index} is not from before {before}"
            return False
        if months is None:
            counts[1] += 1
        elif rules.is_expired(stored, index, day) and index not in self._needs.waiting:
            hold = rules.hold_of(stored.resource, stored.timestamp)
            if hold is not None and self._held is None:
                self._held = (index, hold)
            counts[0] += 1
            self._last_deleted = index
            self._note(index)
        elif carry:
            counts[1] += 1
        elif index in self._needs.waiting:
            self.blocked = f"record {index}, {stored.event_type}, asks for an effect that has no result yet"
            return False
        else:
            self.blocked = f"record {index}, {stored.event_type}, is kept until {kept_until(stored.timestamp, months)}"
            return False
        return True

    def _note(self, index: int) -> None:
        if index in self._decisions:
            self._going.add(index)
        elif index in self._needs.results:
            self._results.append(index)

    def plan(self, day: str, before: str | None, carry: bool, changes: int) -> Plan:
        """Give the plan: whole entry bundles, up to the last that has something to delete."""
        wanted = -(-(self._last_deleted + 1) // TILE_WIDTH) * TILE_WIDTH
        stop = max(min(self.reached // TILE_WIDTH * TILE_WIDTH, wanted), self._start)
        within = [counts for number, counts in self._counts.items() if number * TILE_WIDTH < stop]
        staying = self._decisions - self._going
        tied = sum(each < stop and self._needs.stays(each, staying, stop) for each in self._results)
        deleted = sum(counts[0] for counts in within) - tied
        hold, (sink, sent) = "", self._behind(stop)
        if self._held is not None and self._held[0] < stop:
            hold = self._held[1].id
        return Plan(
            start=self._start,
            stop=stop if deleted else self._start,
            deleted=deleted,
            carried=sum(counts[1] for counts in within) + tied if deleted else 0,
            today=day,
            before=before,
            is_carrying=carry,
            blocked=self.blocked,
            hold=hold,
            sink=sink if deleted else "",
            sent=sent if deleted else 0,
            changes=changes,
            needs=self._needs,
        )

    def _behind(self, stop: int) -> tuple[str, int]:
        """Give the sink that is furthest behind, and how far it is, where that is not far enough."""
        sent, name = min(((count, name) for name, count in self._needs.sent.items()), default=(stop, ""))
        return (name, sent) if sent < stop else ("", 0)


def check_plan(plan: Plan) -> None:
    """Refuse a plan that something stands in the way of, or that does nothing.

    Raises:
        HoldStands: a legal hold covers a record that would go.
        UsageRefused: a sink was not sent all of it (code ``prune-sink-behind``), or nothing would go (code
            ``prune-nothing``).
    """
    if plan.hold:
        raise HoldStands(
            f"hold {plan.hold} covers records that would be pruned",
            hint=f"prune less: --before TIME; where the matter is closed: bailiwick ledger hold release {plan.hold}",
            hold=plan.hold,
        )
    if plan.sink:
        raise UsageRefused(
            f"sink {plan.sink} was sent {plan.sent} records, and those up to {plan.stop} would be pruned",
            hint=f"bailiwick sinks flush; or prune what it will never get: --without-sink {plan.sink}",
            code="prune-sink-behind",
        )
    if plan.stop == plan.start:
        raise UsageRefused(
            f"there is nothing to prune from record {plan.start} on; {plan.blocked or 'no whole bundle of 256 is old'}",
            hint="bailiwick ledger retention shows what is kept until when; --carry goes past what must be kept",
            code="prune-nothing",
        )
