"""Searching a ledger: by resource, subject, type, actor, digest and time; what is found is read back and proven.

The index is unverified: it may name a record that does not fit, which is dropped, or miss one that does, which nobody
sees. So an answer says which way it was found; ``is_scanned`` reads every record instead, and misses none.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from itertools import islice
from typing import Any, NamedTuple

from bailiwick.canonical import time_ns
from bailiwick.errors import LedgerBroken, Unavailable, UsageRefused, Verdict
from bailiwick.ledger.log import Ledger
from bailiwick.ledger.moment import Times
from bailiwick.ledger.proof import leaf_digest
from bailiwick.ledger.proven import ProvenReader
from bailiwick.ledger.record import BROKEN_HINT, StoredRecord, decode
from bailiwick.model import Cursor, Record
from bailiwick.ports import LedgerIndex

HITS_MAX = 1_000
"""Hits of one page, in number."""
CANDIDATES_MAX = 10_000
"""Records that the index names and one page reads, in number: a damaged index names many that do not fit."""
RECORDS_PER_FOLD = 8_192
"""Records that are folded into the index with one transaction, in number."""
VALUE_CHARACTERS_MAX = 500
"""Longest value that is searched for, in characters; no resource is longer."""

BY_INDEX = "index: unverified, it may miss records; each hit is read from the ledger and checked against its leaf"
BY_SCAN = "scan: every record in question was read; each hit is checked against its leaf"

_DIGESTS = re.compile(rb'"((?:hmac-)?sha256:[0-9a-f]{64})"').findall
_DIGEST = re.compile(r"(?:hmac-)?sha256:[0-9a-f]{64}").fullmatch
# In canonical JSON a quote within text is escaped, so these match whole members and nothing inside a text.
_SUBJECTS = re.compile(rb'"subject":"([^"\\]{1,500})"').findall
_DAMAGED = "ledger-index-damaged"

Progress = Callable[[int], None]


def _silent(_: int) -> None:
    """Take no notice of progress."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """What to look for: every condition that is given holds. Times are nanoseconds since 1970, both included."""

    resource: str | None = None
    subject: str | None = None
    event_type: str | None = None
    actor: str | None = None
    digest: str | None = None
    since_ns: int | None = None
    until_ns: int | None = None

    def __post_init__(self) -> None:
        conditions = self.conditions()
        if not conditions and self.since_ns is None and self.until_ns is None:
            raise UsageRefused(
                "a search without a condition would be the whole ledger",
                hint="give --resource, --subject, --type, --actor, --digest, --since or --until; or use ledger tail",
                code="search-empty",
            )
        for kind, value in conditions:
            if not 0 < len(value) <= VALUE_CHARACTERS_MAX:
                raise UsageRefused(
                    f"the {kind} to look for has {len(value)} characters; it needs 1 to {VALUE_CHARACTERS_MAX}",
                    hint="copy it from a record: bailiwick ledger tail --json",
                    code="search-value",
                )
        if self.digest is not None and not _DIGEST(self.digest):
            raise UsageRefused(
                f"{self.digest[:80]!r} is not a digest",
                hint="a digest reads sha256: or hmac-sha256:, and 64 lower-case hexadecimal digits",
                code="digest",
            )

    def conditions(self) -> list[tuple[str, str]]:
        """Give kind and value of each condition but those of time, those that fewer records fulfil first."""
        given = {
            "digest": self.digest,
            "subject": self.subject,
            "resource": self.resource,
            "actor": self.actor,
            "type": self.event_type,
        }
        return [(kind, value) for kind, value in given.items() if value is not None]

    def is_met_by(self, record: Record) -> bool:
        """Say whether a record fulfils every condition, from its own bytes."""
        at_ns = time_ns(record.timestamp)
        return (
            set(self.conditions()) <= _traits(decode(record.raw), record.raw)
            and (self.since_ns is None or at_ns >= self.since_ns)
            and (self.until_ns is None or at_ns <= self.until_ns)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Records that were found, in order and proven. ``after`` goes on behind them, None where there are no more.

    ``dropped`` counts records that the index named and that do not fit or were pruned; ``label`` says how far the
    answer can be trusted; ``size`` is the ledger's at the search.
    """

    hits: tuple[Record, ...]
    after: int | None
    dropped: int
    size: int
    label: str

    def to_json(self) -> dict[str, Any]:
        """Give the page as JSON; each record as it is stored, with its leaf."""
        return {
            "hits": [
                {
                    "record": hit.index,
                    "leaf": leaf_digest(hit.raw).hex(),
                    "timestamp": hit.timestamp,
                    "event_type": hit.event_type,
                    "resource": hit.resource,
                    "actor": {"id": hit.actor.id, "role": hit.actor.role},
                    "detail": dict(hit.detail),
                }
                for hit in self.hits
            ],
            "after": self.after,
            "dropped": self.dropped,
            "records": self.size,
            "label": self.label,
        }


class _Bounds(NamedTuple):
    """Where one page looks: from ``start`` and before ``stop``, ``limit`` hits at most, of ``size`` records."""

    start: int
    stop: int
    limit: int
    size: int


class Search:
    """Searches one ledger through an index that follows it. Thread-safe."""

    def __init__(self, ledger: Ledger, index: LedgerIndex) -> None:
        self._ledger = ledger
        self._index = index
        self._reader = ProvenReader(ledger)

    def find(
        self,
        query: Query,
        *,
        after: int = -1,
        limit: int = 20,
        is_scanned: bool = False,
        progress: Progress = _silent,
    ) -> Page:
        """Give the records that fulfil a query, oldest first.

        Args:
            query: What to look for.
            after: Only records behind this one; ``Page.after`` of the page before.
            limit: Hits at most, 1 to ``HITS_MAX``.
            is_scanned: Use no index: read every record in question.
            progress: Told how many records were folded or read since it was last told.

        Raises:
            UsageRefused: the limit is out of range (code ``search-limit``).
            LedgerBroken: a hit is not what the ledger stands for.
            Unavailable: the index is held by another process (code ``ledger-index-busy``).

        Cost: a few microseconds in the index and about 100 µs a hit, once the index has caught up; that takes about
        30 µs for each record that came since the last search.
        """
        if not 1 <= limit <= HITS_MAX:
            raise UsageRefused(
                f"one page holds 1 to {HITS_MAX} hits, not {limit}",
                hint="ask page by page: the answer says where the next begins",
                code="search-limit",
            )
        size = self._reader.size()
        bounds = self._bounds(query, after, limit, size)
        terms = [_term(*condition) for condition in query.conditions()]
        if is_scanned or not terms:
            return self._scan(query, bounds, progress)
        for is_last in (False, True):
            try:
                self._catch_up(size, progress)
                return self._look_up(query, terms, bounds)
            except Unavailable as error:
                if error.code != _DAMAGED or is_last:
                    raise
        raise AssertionError("the second turn returns or raises")

    def _bounds(self, query: Query, after: int, limit: int, size: int) -> _Bounds:
        times = Times(self._reader)
        minimum = self._reader.minimum()
        start, stop = 0, size
        if query.since_ns is not None:
            before = times.last_at(query.since_ns - 1, size)
            start = before + 1 if before >= minimum else 0
        if query.until_ns is not None:
            stop = max(times.last_at(query.until_ns, size) + 1, minimum)
        return _Bounds(max(start, after + 1), stop, limit, size)

    def _look_up(self, query: Query, terms: list[int], bounds: _Bounds) -> Page:
        start, stop, limit, size = bounds
        hits: list[Record] = []
        dropped = 0
        while len(hits) < limit and dropped + len(hits) < CANDIDATES_MAX:
            named = self._index.find(self._ledger.tenant, terms, start, stop, limit - len(hits))
            for index in named:
                record = self._reader.proven_or_none(index)
                if record is not None and query.is_met_by(record):
                    hits.append(record)
                else:
                    dropped += 1
            if not named:
                return Page(hits=tuple(hits), after=None, dropped=dropped, size=size, label=BY_INDEX)
            start = named[-1] + 1
        is_more = bool(self._index.find(self._ledger.tenant, terms, start, stop, 1))
        after = start - 1 if is_more else None
        return Page(hits=tuple(hits), after=after, dropped=dropped, size=size, label=BY_INDEX)

    def _scan(self, query: Query, bounds: _Bounds, progress: Progress) -> Page:
        met = self._met(query, bounds, progress)
        hits = list(islice(met, bounds.limit))
        is_more = next(met, None) is not None
        after = hits[-1].index if is_more else None
        proven = tuple(self._reader.proven(hit.index) for hit in hits)
        return Page(hits=proven, after=after, dropped=0, size=bounds.size, label=BY_SCAN)

    def _met(self, query: Query, bounds: _Bounds, progress: Progress) -> Iterator[Record]:
        for record in self._ledger.records(bounds.start, bounds.stop):
            if record.index % RECORDS_PER_FOLD == 0:
                progress(min(RECORDS_PER_FOLD, bounds.stop - record.index))
            if query.is_met_by(record):
                yield record

    def _catch_up(self, size: int, progress: Progress) -> None:
        """Fold the records that the index has not seen. An index of another past or ledger is folded from the start."""
        tenant = self._ledger.tenant
        seen = self._index.cursor(tenant)
        if seen.count and (not 0 < seen.count <= size or self._ledger.leaf(seen.count - 1) != seen.leaf):
            self._index.clear(tenant)
            seen = Cursor(count=0, leaf="")
        for start in range(seen.count, size, RECORDS_PER_FOLD):
            stop = min(start + RECORDS_PER_FOLD, size)
            records = self._reader.indexed(start, stop)
            pairs = sorted({(term, index) for index, raw in records for term in _terms(raw, index)})
            self._index.fold(tenant, Cursor(count=stop, leaf=self._ledger.leaf(stop - 1)), pairs)
            progress(stop - start)


def _terms(raw: bytes, index: int) -> Iterable[int]:
    try:
        stored = decode(raw)
    except ValueError as error:
        message = f"record {index} is not a record: {error}"
        raise LedgerBroken(Verdict.CORRUPT, message, hint=BROKEN_HINT, index=index) from error
    return (_term(kind, value) for kind, value in _traits(stored, raw))


def _traits(stored: StoredRecord, raw: bytes) -> set[tuple[str, str]]:
    """Give every kind and value that a record can be found by."""
    found = {("type", stored.event_type), ("resource", stored.resource), ("actor", stored.actor_id)}
    found.update(("digest", each.decode()) for each in _DIGESTS(raw))
    if b'"subject":"' in raw:
        found.update(("subject", each.decode()) for each in _SUBJECTS(raw))
    return found


@lru_cache(maxsize=4_096)
def _term(kind: str, value: str) -> int:
    """Give the number that stands for a kind and a value in the index: 64 bits, signed."""
    data = f"{kind}\0{value}".encode("utf-8", "surrogatepass")
    return int.from_bytes(blake2b(data, digest_size=8).digest(), "big", signed=True)
