"""The ledger at a moment: the state of any projection as it was then.

    moment ─▶ position ─▶ newest snapshot before it ─▶ fold what came between, proven ─▶ state

Everything that the answer rests on is proven: the two records that the moment lies between, the snapshot's digest, and
every record that was folded, by the chain from the last of them back.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import msgspec

from bailiwick.canonical import digest, time_text
from bailiwick.errors import BailiwickError, LedgerBroken, NotFound, Unavailable
from bailiwick.ledger.log import Ledger
from bailiwick.ledger.moment import Times
from bailiwick.ledger.projection import Projection, State, fold_records, shown, state_bytes
from bailiwick.ledger.proven import ProvenReader
from bailiwick.ledger.record import read_record
from bailiwick.ledger.snapshot import SNAPSHOT, SNAPSHOT_RECORDS, Snapshots, Written, records_apart
from bailiwick.model import JsonValue

WAYPOINT_RECORDS = 512
"""Records between states that are remembered in memory while a past is walked, in number."""
WAYPOINT_BYTES_MAX = 32_768
"""Largest state that is remembered in memory, in bytes."""
WAYPOINTS_MAX = 1_024
"""States that are remembered in memory, in number: at most 32 MiB."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """The state of a projection at a moment, and what it rests on.

    ``position`` is the last record that the moment includes and ``timestamp`` its time; ``snapshot`` the index of the
    snapshot's record that the fold started from, or None; ``folded`` how many records were read after it. ``checked``
    and ``wrong`` are records of snapshots that a replay met, all and those that it does not agree with. ``unkept`` says
    why a snapshot that was due could not be kept, or None.
    """

    at: str
    position: int
    timestamp: str
    projection: Projection
    state: JsonValue
    snapshot: int | None
    folded: int
    checked: tuple[int, ...]
    wrong: tuple[int, ...]
    unkept: str | None

    def to_json(self) -> dict[str, Any]:
        """Give the state and what it rests on as JSON."""
        return {
            "at": self.at,
            "position": self.position,
            "timestamp": self.timestamp,
            "projection": self.projection.name,
            "version": self.projection.version,
            "state": self.state,
            "snapshot": self.snapshot,
            "folded": self.folded,
            "checked": list(self.checked),
            "wrong": list(self.wrong),
            "unkept": self.unkept,
        }


WRITTEN_MAX = 16
"""Snapshots that a walk writes before it records their digests, in number."""

Progress = Callable[[int], None]


def _silent(_: int) -> None:
    """Take no notice of progress."""


class _Waypoint(NamedTuple):
    """A state in memory: its bytes, how many records the newest snapshot before it holds, and where it started."""

    data: bytes
    kept: int
    snapshot: int | None


class Timeline:
    """The past of one ledger. Thread-safe; one question is answered at a time."""

    def __init__(self, ledger: Ledger) -> None:
        self._reader = ProvenReader(ledger)
        self.times = Times(self._reader)
        self._snapshots = Snapshots(self._reader)
        self._waypoints: OrderedDict[tuple[str, int, int], _Waypoint] = OrderedDict()
        self._mutex = threading.Lock()

    def state_at(
        self,
        at_ns: int,
        projection: Projection,
        *,
        now_ns: int,
        is_replayed: bool = False,
        is_kept: bool = False,
        progress: Progress = _silent,
    ) -> Past:
        """Give the state of a projection as it was at a moment.

        Args:
            at_ns: The moment, in nanoseconds since 1970.
            projection: What to fold.
            now_ns: What the clock says; no later moment can be asked for.
            is_replayed: Trust no snapshot: fold every record from the first, and check every snapshot met.
            is_kept: Keep a snapshot of the answer, also where none is due.
            progress: Told how many records were folded since it was last told.

        Raises:
            NotFound, UsageRefused: before the first record, or in the future.
            NotFound: what it would be folded from was pruned (code ``state-pruned``).
            ProjectionFailed: the fold raised, or its state cannot be kept.
            LedgerBroken: what is stored is not what the ledger stands for.

        Cost: about 2 µs a record since the newest snapshot, and the reading of the snapshot.
        """
        with self._mutex:
            position = self.times.position_at(at_ns, now_ns)
            if is_replayed:
                walk = self._replay(projection, position, progress)
            else:
                walk = _Walk(self._reader, self._snapshots, projection, progress)
                self._start(walk, projection, position)
                for reached, data in walk.to(position):
                    self._remember(projection, reached, _Waypoint(data, walk.kept, walk.snapshot))
            if is_kept:
                walk.keep(position)
            walk.finish()
            return Past(
                at=time_text(at_ns),
                position=position,
                timestamp=self._reader.read(position).timestamp,
                projection=projection,
                state=shown(projection, walk.state),
                snapshot=walk.snapshot,
                folded=walk.folded,
                checked=tuple(walk.checked),
                wrong=tuple(walk.wrong),
                unkept=walk.unkept,
            )

    def _start(self, walk: _Walk, projection: Projection, position: int) -> None:
        """Start from the closest state before a position that can be believed: in memory, or a snapshot."""
        name, version = projection.name, projection.version
        last = position + 1 - (position + 1) % WAYPOINT_RECORDS
        listed = [each.position + 1 for each in self._snapshots.entries(projection) if each.position <= position]
        for reached in range(last, max(*listed, last - SNAPSHOT_RECORDS, 0, 0), -WAYPOINT_RECORDS):
            known = self._waypoints.get((name, version, reached))
            if known is not None:
                self._waypoints.move_to_end((name, version, reached))
                walk.start(known.data, reached, kept=known.kept, snapshot=known.snapshot)
                return
        found = self._snapshots.newest(projection, position)
        if found is not None:
            reached = found.position + 1
            walk.start(found.data, reached, kept=reached, snapshot=found.record)

    def _replay(self, projection: Projection, position: int, progress: Progress) -> _Walk:
        """Fold from the first record and stop wherever there is a snapshot; again where the catalogue lacked one."""
        for _ in range(2):
            entries = self._snapshots.entries(projection)
            stops = {each.position + 1 for each in entries if self._snapshots.digest_of(projection, each) is not None}
            walk = _Walk(self._reader, self._snapshots, projection, progress, stops=frozenset(stops))
            for _ in walk.to(position):
                pass  # the walk compares what it passes
            if not walk.missed:
                break
        return walk

    def _remember(self, projection: Projection, reached: int, waypoint: _Waypoint) -> None:
        if len(waypoint.data) > WAYPOINT_BYTES_MAX or reached % WAYPOINT_RECORDS:
            return
        self._waypoints[projection.name, projection.version, reached] = waypoint
        while len(self._waypoints) > WAYPOINTS_MAX:
            self._waypoints.popitem(last=False)


class _Walk:
    """One fold from a state that can be believed to a position, a proven stretch at a time.

    With ``stops`` it is a replay: it keeps nothing, and compares the state at each stop with the snapshot that the
    ledger has of it.
    """

    def __init__(
        self,
        reader: ProvenReader,
        snapshots: Snapshots,
        projection: Projection,
        progress: Progress,
        *,
        stops: frozenset[int] | None = None,
    ) -> None:
        self._reader = reader
        self._snapshots = snapshots
        self._progress = progress
        self._projection = projection
        self._stops = stops
        self._ahead = sorted(stops or ())
        self._digests: dict[int, str] = {}
        self._size = 0
        self._reached = 0
        self.kept = 0
        self._written: list[Written] = []
        self.state: State = projection.start()
        self.snapshot: int | None = None
        self.folded = 0
        self.checked: list[int] = []
        self.wrong: list[int] = []
        self.missed = 0
        self.unkept: str | None = None

    def start(self, data: bytes, reached: int, *, kept: int, snapshot: int | None) -> None:
        """Start from a state that holds the first ``reached`` records; the newest snapshot holds ``kept`` of them."""
        self.state, self._size = msgspec.json.decode(data), len(data)
        self._reached, self.snapshot = reached, snapshot
        self.kept = kept

    def to(self, position: int) -> Iterator[tuple[int, bytes]]:
        """Fold up to a position, and give records and state in bytes wherever it stops on the way."""
        if self._reached < self._reader.minimum():
            raise NotFound(
                f"records from {self._reached} on were pruned, and no snapshot of {self._projection.name} is left that"
                f" holds them",
                hint="ask for another projection; before pruning, keep a snapshot: bailiwick ledger at now --keep",
                code="state-pruned",
            )
        while self._reached <= position:
            stop = self._next_stop(position)
            records = self._watched(self._reader.stretch(self._reached, stop))
            self.state = fold_records(self._projection, self.state, records)
            self.folded += stop - self._reached
            self._progress(stop - self._reached)
            self._reached = stop
            if stop % self._step == 0 or (self._stops is not None and stop in self._stops):
                data = state_bytes(self._projection, self.state)
                self._size = len(data)
                yield stop, data
                self._pass(stop, data)

    def keep(self, position: int) -> None:
        """Keep a snapshot of the state as it is at a position."""
        self._write(position, state_bytes(self._projection, self.state))

    def finish(self) -> None:
        """Record the digests of the files that were written: only now is every record of old snapshots met."""
        try:
            while self._written:
                self._snapshots.vouch(self._projection, self._written[0])
                self._written.pop(0)
        except (Unavailable, LedgerBroken) as error:
            self._written.clear()
            self.unkept = _why(error)  # reading goes on without it, and the answer says so

    @property
    def _step(self) -> int:
        return WAYPOINT_RECORDS if self._size <= WAYPOINT_BYTES_MAX and self._stops is None else SNAPSHOT_RECORDS

    def _next_stop(self, position: int) -> int:
        stop = min(self._reached - self._reached % self._step + self._step, position + 1)
        while self._ahead and self._ahead[0] <= self._reached:
            self._ahead.pop(0)
        return min(stop, self._ahead[0]) if self._ahead else stop

    def _pass(self, stop: int, data: bytes) -> None:
        """Keep a snapshot where one is due; a replay remembers what it should hold."""
        if self._stops is not None:
            self._digests[stop - 1] = digest(data)
        elif stop % SNAPSHOT_RECORDS == 0 and stop - self.kept >= records_apart(len(data)):
            self._write(stop - 1, data)
            if len(self._written) >= WRITTEN_MAX:
                self.finish()

    def _write(self, position: int, data: bytes) -> None:
        try:
            self._written.append(self._snapshots.write(self._projection, position, data))
            self.kept = position + 1
        except Unavailable as error:
            self.unkept = _why(error)  # reading goes on without it, and the answer says so

    def _watched(self, records: Iterator[tuple[int, bytes, bytes]]) -> Iterator[tuple[int, bytes, bytes]]:
        """Pass records on, and take in each that vouches for a snapshot."""
        mark = SNAPSHOT.encode()
        for index, event_type, raw in records:
            if event_type == mark:
                self._meet(index, raw)
            yield index, event_type, raw

    def _meet(self, index: int, raw: bytes) -> None:
        record = read_record(raw, index)
        try:
            entry = self._snapshots.meet(self._projection, record)
        except Unavailable as error:
            self.unkept = _why(error)
            return
        if entry is None or self._stops is None:
            return
        if entry.position not in self._digests:
            self.missed += 1
            return
        self.checked.append(index)
        if self._digests[entry.position] != record.detail["digest"]:
            self.wrong.append(index)


def _why(error: BailiwickError) -> str:
    return f"{error.code}: {error.message}"
