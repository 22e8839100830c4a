"""Projections: what the records up to a position add up to, as a pure fold.

    state = start();  for each record: state = fold(state, record)

A fold asks nothing but its two arguments, so the same records give the same state on any machine. It owns the state
that it is given and may change it in place: nobody else holds it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeAlias

import msgspec

from bailiwick.canonical import canonical_bytes
from bailiwick.errors import ProjectionFailed, RecordRefused
from bailiwick.ledger.record import CHECKPOINT, GENESIS, read_record
from bailiwick.ledger.rotation import KEY_ROTATED
from bailiwick.model import JsonValue, Record

STATE_BYTES_MAX = 64 << 20
"""Largest state of a projection, in bytes of canonical JSON; in memory it takes several times as much."""

State: TypeAlias = Any
"""JSON without floats, as ``canonical`` has it: what a snapshot can hold."""

_NAME = re.compile(r"[a-z][a-z0-9-]{0,62}").fullmatch


def _as_it_is(state: State) -> JsonValue:
    shown: JsonValue = state
    return shown


@dataclass(frozen=True, slots=True, kw_only=True)
class Projection:
    """A fold with a name and a version. Another ``version`` is another fold: its snapshots stand apart.

    ``event_types`` are the only records that it is given. ``show`` turns the state into what people ask for.
    """

    name: str
    version: int
    says: str
    event_types: frozenset[str]
    start: Callable[[], State]
    fold: Callable[[State, Record], State]
    show: Callable[[State], JsonValue] = _as_it_is

    def __post_init__(self) -> None:
        assert _NAME(self.name), self.name
        assert self.version > 0, self.version
        assert self.event_types


def fold_records(projection: Projection, state: State, records: Iterable[tuple[int, bytes, bytes]]) -> State:
    """Fold records, given as index, type and bytes in order, into a state.

    Raises:
        ProjectionFailed: the fold raised at a record (code ``projection-failed``).
        LedgerBroken: bytes that are not a record.
    """
    wanted = {each.encode() for each in projection.event_types}
    for index, event_type, raw in records:
        if event_type in wanted:
            record = read_record(raw, index)
            try:
                state = projection.fold(state, record)
            except Exception as error:
                raise ProjectionFailed(
                    f"projection {projection.name} {projection.version} cannot read record {index},"
                    f" {record.event_type}: {type(error).__name__} {str(error)[:200]}",
                    hint=f"bailiwick ledger show {index} shows the record; another projection may still work",
                ) from error
    return state


def state_bytes(projection: Projection, state: State) -> bytes:
    """Give a state as canonical JSON: what a snapshot holds, and what its digest is over.

    Raises:
        ProjectionFailed: it is not JSON without floats (code ``projection-state``), or larger than ``STATE_BYTES_MAX``
            (code ``projection-too-large``).
    """
    try:
        data = canonical_bytes(state)
    except RecordRefused as error:
        raise ProjectionFailed(
            f"the state of projection {projection.name} cannot be kept: {error.message}",
            hint="mend the projection: its state holds JSON without floats",
            code="projection-state",
        ) from error
    if len(data) > STATE_BYTES_MAX:
        raise ProjectionFailed(
            f"the state of projection {projection.name} takes {len(data)} bytes; at most {STATE_BYTES_MAX}",
            hint="ask for the history of one resource instead: bailiwick ledger find --resource R",
            code="projection-too-large",
        )
    return data


def shown(projection: Projection, state: State) -> JsonValue:
    """Give what a state shows to people, its members in one order whichever way the state came about.

    Raises:
        ProjectionFailed: the projection raised (code ``projection-failed``), or shows what is not JSON.
    """
    try:
        what = projection.show(state)
    except Exception as error:
        raise ProjectionFailed(
            f"projection {projection.name} {projection.version} cannot show its state:"
            f" {type(error).__name__} {str(error)[:200]}",
            hint="mend the projection, or ask for another",
        ) from error
    answer: JsonValue = msgspec.json.decode(state_bytes(projection, what))
    return answer


def _fold_key(state: State, record: Record) -> State:
    detail: Any = record.detail
    if record.event_type == CHECKPOINT:
        state["checkpoints"] += 1
        origin, size, root = detail["note"].split("\n")[:3]
        state["checkpoint"] = {"record": record.index, "origin": origin, "size": int(size), "root": root}
        return state
    key = detail["verifier"] if record.event_type == GENESIS else detail["new_verifier"]
    state["keys"].append({"record": record.index, "since": record.timestamp, "verifier": key})
    return state


KEYS = Projection(
    name="keys",
    version=1,
    says="the keys that signed, the newest last, and the newest checkpoint",
    event_types=frozenset({GENESIS, KEY_ROTATED, CHECKPOINT}),
    start=lambda: {"checkpoint": None, "checkpoints": 0, "keys": []},
    fold=_fold_key,
)
"""Which keys sign, and the newest checkpoint."""
