"""Where each record's line ends in the full segments' files, so that one record is read without the other 65,535.

The side file ``lines`` has four bytes a record, little end first: where the record's line ends, in bytes from the start
of its segment's file; zeros where nobody has looked yet. It is a hint that can be deleted at any time. What it leads to
is believed only where it is whole lines between newlines whose first and last records say that they are the ones asked
for; otherwise the segment is looked through again, and the side file mended.
"""

from __future__ import annotations

import struct
from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate

import msgspec

from bailiwick.errors import LedgerBroken, Unavailable
from bailiwick.ports import LedgerStore, Segmented, Segments

LINES_NAME = "lines"
RECORDS_MAX = 4_096
"""Records that are read at once by their lines, in number; of more, the store itself finds the lines."""
SEGMENT_RECORDS_MIN = 1_024
"""Records of the shortest segment whose lines are kept, in number: a shorter one the store looks through at once."""
BYTES_MAX = 64 << 20
"""Most bytes that are read at once: a damaged side file may ask for any number."""
LOOK_RECORDS = 4_096
"""Records by which a ledger grows until segments that are full by now are looked for again, in number."""

_END_BYTES = 4
_END_MAX = 2**32 - 1


class _Numbered(msgspec.Struct):
    entry_id: int


_number = msgspec.json.Decoder(_Numbered).decode


class Lines:
    """Reads records of one store by where their lines end, where it keeps them in segments. Thread-safe."""

    def __init__(self, store: LedgerStore) -> None:
        self._store = store
        self._segments: Segments | None = store.segments() if isinstance(store, Segmented) else None
        self._bounds: Sequence[int] = ()
        self._looked_at = -LOOK_RECORDS
        self._noted: set[int] = set()

    def read(self, start: int, stop: int, size: int) -> list[bytes]:
        """Give records ``start`` to ``stop`` (not included) of a ledger of ``size`` records; as the store's ``read``.

        Raises:
            LedgerBroken: the store does not hold what its own framing says (verdict corrupt or truncated).
            Unavailable: the store cannot be read.

        Cost: two reads, and 1 µs a record; 50 ms more where nobody has looked for a segment's lines yet.
        """
        if self._segments is None or not 0 < stop - start <= RECORDS_MAX:
            return self._store.read(start, stop)
        self._look(self._segments, size)
        bounds = self._bounds
        place = bisect_right(bounds, start)
        if not 0 < place < len(bounds):
            return self._store.read(start, stop)
        first, until = bounds[place - 1], bounds[place]
        if until - first < SEGMENT_RECORDS_MIN:
            return self._store.read(start, stop)
        if stop > until:
            return self.read(start, until, size) + self.read(until, stop, size)
        records = self._by_lines(self._segments, first, start, stop)
        if records is None and first not in self._noted:
            self._note(self._segments, first, until)
            records = self._by_lines(self._segments, first, start, stop)
        return self._store.read(start, stop) if records is None else records

    def note(self, spans: Sequence[tuple[int, int]]) -> None:
        """Keep where the lines end of those full segments that nobody has looked through yet.

        Cost: about 50 ms a segment.
        """
        for first, stop in spans:
            if self._segments is not None and stop - first >= SEGMENT_RECORDS_MIN and not self._is_noted(stop):
                self._note(self._segments, first, stop)

    def _is_noted(self, stop: int) -> bool:
        try:
            return self._ends(stop - 1, stop) not in {(), (0,)}
        except Unavailable:
            return True  # nothing could be kept there either

    def _look(self, segments: Segments, size: int) -> None:
        """Look which segments are full, where the ledger grew enough since the last time."""
        if -LOOK_RECORDS < size - self._looked_at < LOOK_RECORDS:
            return
        self._looked_at = size
        try:
            spans = segments.spans()
        except Unavailable:
            spans = []  # the store says so to whoever reads
        self._bounds = [*(first for first, _ in spans), *(stop for _, stop in spans[-1:])]

    def _note(self, segments: Segments, first: int, stop: int) -> None:
        """Look for the lines of a full segment, and keep where they end; nothing where the segment is broken."""
        self._noted.add(first)
        try:
            sizes = [len(raw) + 1 for records in segments.scan(first, stop) for raw in records]
            ends = list(accumulate(sizes))
            if len(ends) == stop - first and ends[-1] <= _END_MAX:
                self._store.write_side(LINES_NAME, first * _END_BYTES, struct.pack(f"<{len(ends)}I", *ends))
        except (LedgerBroken, Unavailable):
            return  # the store gives the verdict on the segment to whoever reads there

    def _ends(self, start: int, stop: int) -> tuple[int, ...]:
        """Give where the lines of records end, as the side file has it; nothing where it is too short."""
        data = self._store.read_side(LINES_NAME, start * _END_BYTES, (stop - start) * _END_BYTES)
        return struct.unpack(f"<{stop - start}I", data) if len(data) == (stop - start) * _END_BYTES else ()

    def _by_lines(self, segments: Segments, first: int, start: int, stop: int) -> list[bytes] | None:
        """Read lines of one segment where the side file says; None where they are not the records asked for."""
        try:
            ends = (0, *self._ends(start, stop)) if start == first else self._ends(start - 1, stop)
            if len(ends) < 2 or bool(ends[0]) != (start > first) or not ends[0] < ends[-1] <= ends[0] + BYTES_MAX:
                return None
            # With the newline before them, so that a line that begins too late is seen.
            begin, end = ends[0], ends[-1]
            before = begin - 1 if begin else 0
            data = segments.slice(first, before, end)
        except Unavailable:
            return None  # it may have been pruned meanwhile, which the store looks into
        if len(data) != end - before or data[-1:] != b"\n" or (begin and data[:1] != b"\n"):
            return None
        lines = data[begin - before : -1].split(b"\n")
        is_theirs = len(lines) == stop - start and _is(lines[0], start) and _is(lines[-1], stop - 1)
        return lines if is_theirs else None


def _is(raw: bytes, index: int) -> bool:
    """Say whether a line says that it is the record of an index."""
    try:
        return _number(raw).entry_id == index
    except (msgspec.DecodeError, RecursionError):
        return False
