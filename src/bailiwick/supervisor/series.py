"""A series of calls in a fixed order, which gives the same bytes each time, on one core and on two.

What a module could see of the world is fixed for the whole series: its modules, grants and scopes are those of the
moment at which it began, the ledger ends there, the clock of the n-th call stands n milliseconds after the beginning,
and its randomness comes from a seed and n. Modules keep nothing between calls, so each call can run on any core; its
line stands in its place all the same. One record stands for all of it, and replay needs nothing else.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass, field, replace
from typing import Any, cast

from bailiwick.engine import Engine
from bailiwick.errors import (
    BailiwickError,
    DocumentRefused,
    ModuleFailed,
    ModuleRefused,
    NotFound,
    NotTrusted,
    SchemaViolated,
    UsageRefused,
)
from bailiwick.ledger import Ledger, ProvenReader
from bailiwick.model import Actor, Draft, JsonValue, Receipt, Record
from bailiwick.ports import BlobStore, Clock, Entropy
from bailiwick.supervisor.inflight import InFlight
from bailiwick.supervisor.ledgerstate import LedgerState
from bailiwick.supervisor.loaded import Shelf
from bailiwick.supervisor.registry import Registry, find_module
from bailiwick.supervisor.remembered import Remembered
from bailiwick.supervisor.running import Running
from bailiwick.supervisor.services import standard_services
from bailiwick.supervisor.state import FOLDED_TYPES, SERIES, FleetState
from bailiwick.supervisor.values import decode_value, encode_value

HEAD_FORMAT = "bailiwick-series/1"
CALLS_MAX = 100_000
"""Most calls of one series."""
CALLS_PER_PIECE = 500
"""Calls whose lines, and whose inputs, are kept as one blob."""
PIECE_BYTES_MAX = 12 << 20
"""Longest such blob, in bytes; a blob store takes more."""
WORKERS_MAX = 64
SALT_BYTES = ID_BYTES = SEED_BYTES = 16
CALL_NS = 1_000_000
"""How much later the clock of one call stands than that of the call before, in nanoseconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesCall:
    """One call of a series: a module, a function of it, and the input as JSON."""

    module: str
    function: str
    input: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """A series that was run: its record, and the digest of all its lines; ``outcomes`` counts how calls ended."""

    receipt: Receipt
    calls: int
    digest: str
    fuel: int
    outcomes: Mapping[str, int]

    def to_json(self) -> dict[str, Any]:
        """Give it as JSON."""
        return {
            "record": self.receipt.index,
            "calls": self.calls,
            "digest": self.digest,
            "fuel": self.fuel,
            "outcomes": dict(self.outcomes),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesReplayed:
    """A series that was run again: the digest of its lines now and then, and the first call whose line differs."""

    record: int
    calls: int
    digest: str
    was: str
    first_differing: int | None

    def to_json(self) -> dict[str, Any]:
        """Give it as JSON."""
        return {
            "record": self.record,
            "calls": self.calls,
            "digest": self.digest,
            "was": self.was,
            "same": self.first_differing is None and self.digest == self.was,
            "first_differing": self.first_differing,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesRunner:
    """Runs series of one tenant's modules, and runs them again."""

    registry: Registry
    engine: Engine = field(repr=False)
    blobs: BlobStore
    clock: Clock
    entropy: Entropy
    inflight: InFlight

    def run(
        self,
        calls: Sequence[SeriesCall],
        actor: Actor,
        *,
        workers: int = 1,
        progress: Callable[[int], None] = lambda _: None,
    ) -> Series:
        """Run calls in their order, keep their lines, and record that.

        Args:
            calls: 1 to ``CALLS_MAX``.
            actor: Who asks.
            workers: How many run at one time; it changes nothing but how long it takes.
            progress: Called with the number of calls that came to an end since.

        Raises:
            UsageRefused: too many calls or workers (``series-size``).
            NotFound: a module is not installed.
            Unavailable: the host stopped a call, or cannot keep the series; nothing was recorded.
        """
        if not 1 <= len(calls) <= CALLS_MAX or not 1 <= workers <= WORKERS_MAX:
            raise UsageRefused(
                f"a series has 1 to {CALLS_MAX} calls and 1 to {WORKERS_MAX} workers, not {len(calls)} and {workers}",
                hint="cut it into several",
                code="series-size",
            )
        ledger = self.registry.state.ledger
        ledger.check_usable()
        with ExitStack() as held:
            for name in sorted({each.module for each in calls}):
                find_module(self.registry.state.now(), name)
                held.enter_context(self.inflight.entered(name))
            size = ledger.size()
            drawn = self.entropy.take(SALT_BYTES + ID_BYTES + SEED_BYTES).hex()
            salt, name, seed = drawn[:32], drawn[32:64], drawn[64:]
            head: dict[str, JsonValue] = {"seed": seed, "started_ns": self.clock.now_ns(), "size": size}
            stage = self._stage(head)
            lines = stage.lines(calls, workers, progress)
            return self._keep(calls, lines, {**head, "salt": salt}, subject=f"series/{name}", actor=actor)

    def replay(
        self, record: Record, *, workers: int = 1, progress: Callable[[int], None] = lambda _: None
    ) -> SeriesReplayed:
        """Run a recorded series again, with the modules and grants of then, and compare every line; records nothing.

        Raises:
            NotFound: the record is of no series (``record-not-series``), or what was kept of it was erased.
            Unavailable: the host cannot run it now.
        """
        if record.event_type != SERIES:
            raise NotFound(
                f"record {record.index} is {record.event_type}, no series of calls",
                hint="bailiwick ledger find --type module.series",
                code="record-not-series",
            )
        detail: Any = record.detail
        head = decode_value(self._blob(record, detail["head"]))
        calls = [SeriesCall(**each) for piece in detail["inputs"] for each in decode_value(self._blob(record, piece))]
        stage = self._stage(head)
        hashed, first = hashlib.sha256(), None
        was = (line for piece in detail["lines"] for line in self._blob(record, piece).splitlines(keepends=True))
        for position, (line, before) in enumerate(zip(stage.lines(calls, workers, progress), was, strict=True)):
            hashed.update(line)
            if first is None and line != before:
                first = position
        return SeriesReplayed(
            record=record.index,
            calls=len(calls),
            digest=f"sha256:{hashed.hexdigest()}",
            was=detail["digest"],
            first_differing=first,
        )

    def lines(self, record: Record) -> Iterator[bytes]:
        """Give the lines of a recorded series, as they were kept.

        Raises:
            NotFound: what was kept of it was erased.
        """
        detail: Any = record.detail
        for piece in detail["lines"]:
            yield from self._blob(record, piece).splitlines(keepends=True)

    def _stage(self, head: Mapping[str, Any]) -> _Stage:
        state = state_at(self.registry.state.ledger, self.registry.state.now().origin, head["size"])
        return _Stage(
            registry=self.registry,
            engine=self.engine,
            shelf=Shelf(self.registry.tenant, self.blobs, self.engine),
            state=_Standing(state, LedgerUntil(self.registry.state.ledger, head["size"])),
            seed=bytes.fromhex(head["seed"]),
            started_ns=head["started_ns"],
        )

    def _keep(
        self,
        calls: Sequence[SeriesCall],
        lines: Iterator[bytes],
        head: Mapping[str, JsonValue],
        *,
        subject: str,
        actor: Actor,
    ) -> Series:
        """Keep inputs and lines piece by piece, and only then record that they are there."""
        tenant, kept = self.registry.tenant, _Kept()
        for start in range(0, len(calls), CALLS_PER_PIECE):
            some = calls[start : start + CALLS_PER_PIECE]
            inputs = encode_value([{"module": e.module, "function": e.function, "input": e.input} for e in some])
            piece = b"".join(kept.take(next(lines)) for _ in some)
            if max(len(inputs), len(piece)) > PIECE_BYTES_MAX:
                raise UsageRefused(
                    f"{CALLS_PER_PIECE} calls of the series take more than {PIECE_BYTES_MAX} bytes",
                    hint="ask for smaller answers, or give smaller inputs",
                    code="series-size",
                )
            both = self.blobs.put_many(tenant, [inputs, piece], [subject, subject])
            kept.inputs.append(both[0])
            kept.lines.append(both[1])
        (top,) = self.blobs.put_many(tenant, [encode_value({**head, "format": HEAD_FORMAT})], [subject])
        detail: dict[str, JsonValue] = {
            "calls": len(calls),
            "digest": f"sha256:{kept.hashed.hexdigest()}",
            "head": top,
            "inputs": list(kept.inputs),
            "lines": list(kept.lines),
            "fuel": kept.fuel,
            "failed": kept.outcomes.get("failed", 0),
        }
        draft = Draft(event_type=SERIES, resource=subject, detail=detail, actor=actor)
        receipt = self.registry.state.ledger.record(tenant, draft)
        return Series(
            receipt=receipt,
            calls=len(calls),
            digest=str(detail["digest"]),
            fuel=kept.fuel,
            outcomes=dict(sorted(kept.outcomes.items())),
        )

    def _blob(self, record: Record, name: str) -> bytes:
        return self.blobs.get(self.registry.tenant, name, record.resource)


@dataclass(slots=True)
class _Kept:
    """What is gathered while the lines of a series come."""

    inputs: list[str] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    hashed: Any = field(default_factory=hashlib.sha256)
    fuel: int = 0
    outcomes: dict[str, int] = field(default_factory=dict)

    def take(self, line: bytes) -> bytes:
        """Count one line, and give it back."""
        told = decode_value(line)
        self.hashed.update(line)
        self.fuel += told["fuel"]
        self.outcomes[told["outcome"]] = self.outcomes.get(told["outcome"], 0) + 1
        return line


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stage:
    """One series while it runs: what every call sees the same."""

    registry: Registry
    engine: Engine
    shelf: Shelf
    state: _Standing
    seed: bytes
    started_ns: int

    def lines(self, calls: Sequence[SeriesCall], workers: int, progress: Callable[[int], None]) -> Iterator[bytes]:
        """Give the line of each call, in their order."""
        if workers == 1:
            for position, call in enumerate(calls):
                yield self._line(position, call)
                progress(1)
            return
        with ThreadPoolExecutor(max_workers=workers) as pool:
            for start in range(0, len(calls), CALLS_PER_PIECE):
                some = list(enumerate(calls[start : start + CALLS_PER_PIECE], start))
                for line in pool.map(lambda each: self._line(*each), some):
                    yield line
                    progress(1)

    def _line(self, position: int, call: SeriesCall) -> bytes:
        """Run one call and write what came of it.

        Raises:
            Unavailable: the host stopped it.
        """
        clock, entropy = _Fixed(self.started_ns + position * CALL_NS), _Seeded(self.seed, position)
        services = {**self.registry.services, **standard_services(clock, entropy, lambda _: self.state.ledger)}
        # Nothing of a series changes what is installed or granted: of the state, only looking is asked.
        registry = replace(self.registry, state=cast(LedgerState, self.state), services=services)
        running = Running(
            registry=registry,
            shelf=self.shelf,
            engine=self.engine,
            clock=clock,
            entropy=entropy,
            remembered=Remembered(clock),
            inflight=_Free(self.state),
            on_failure=lambda *_: None,
            on_unwell=lambda _: None,
        )
        told: dict[str, Any] = {"position": position, "module": call.module, "function": call.function}
        try:
            outcome, gathered = running.perform(call.module, call.function, call.input, SERIES_ACTOR)
        except (DocumentRefused, ModuleRefused, NotFound, NotTrusted, SchemaViolated) as error:
            return encode_value({**told, "outcome": "denied", "code": error.code, "fuel": 0}) + b"\n"
        if outcome.error is not None and not isinstance(outcome.error, ModuleFailed):
            raise outcome.error
        told |= {
            "digest": outcome.module.digest,
            "outcome": outcome.kind,
            "code": outcome.code,
            "answer": outcome.answer,
            "fuel": outcome.fuel,
            "calls": outcome.transcript()["calls"],
            "inner": [each.transcript() for each in gathered.inner],
        }
        return encode_value(told) + b"\n"


SERIES_ACTOR = Actor(id="series", role="node")
"""Who calls, for the modules of a series: the same whoever runs it again."""


class _Fixed:
    """A clock that stands still."""

    def __init__(self, now_ns: int) -> None:
        self._now_ns = now_ns

    def now_ns(self) -> int:
        """Give the moment of the call."""
        return self._now_ns


class _Seeded:
    """Bytes that a seed and the position of a call decide (HMAC-SHA256, a counter); for modules, never for salts."""

    def __init__(self, seed: bytes, position: int) -> None:
        self._seed, self._at, self._count = seed, position.to_bytes(8, "big"), 0

    def take(self, count: int) -> bytes:
        """Give the next bytes; each call of this starts at a new block."""
        blocks = -(-count // 32)
        numbers = range(self._count, self._count + blocks)
        self._count += blocks
        made = (hmac.digest(self._seed, self._at + number.to_bytes(8, "big"), "sha256") for number in numbers)
        return b"".join(made)[:count]


class LedgerUntil:
    """A ledger as it was when it had so many records; all that a module can read of it."""

    def __init__(self, ledger: Ledger, size: int) -> None:
        self._ledger, self._size = ledger, size

    def size(self) -> int:
        """Give the number of records then."""
        return self._size

    def records(self, start: int = 0, stop: int | None = None) -> Iterator[Record]:
        """Give records, up to then."""
        upto = self._size if stop is None else min(stop, self._size)
        return self._ledger.records(start, upto) if start < upto else iter(())


class _Standing:
    """A tenant's modules at one moment, where ``LedgerState`` gives those of now."""

    def __init__(self, state: FleetState, ledger: LedgerUntil) -> None:
        self._state, self.ledger = state, ledger

    def now(self) -> FleetState:
        """Give them."""
        return self._state

    def seen(self) -> FleetState:
        """Give them."""
        return self._state


class _Free:
    """Places without end: the series holds one of each module for as long as it runs."""

    def __init__(self, state: _Standing) -> None:
        self._state = state

    def entered(self, name: str, wait_ms: int = 0) -> AbstractContextManager[FleetState]:
        """Be in a call of a module."""
        return self.entered_inside(name, wait_ms)

    def entered_inside(self, name: str, wait_ms: int) -> AbstractContextManager[FleetState]:
        """Be in a call of a module."""
        del name, wait_ms
        return nullcontext(self._state.now())


def state_at(ledger: Ledger, origin: str, size: int) -> FleetState:
    """Fold a tenant's modules as they were when the ledger had so many records, proven.

    Raises:
        LedgerBroken: a record that is folded is not the one that the ledger stands for.

    Cost: about 1.5 µs a record.
    """
    state = FleetState(origin=origin)
    for record in ProvenReader(ledger).of_types(FOLDED_TYPES, 0, size):
        state = state.fold(record)
    return state


def read_calls(raw: bytes) -> list[SeriesCall]:
    """Read calls, one JSON object a line: ``{"module", "function", "input"}``; input may be left out.

    Raises:
        UsageRefused: a line is none (``series-line``), named by its number.
    """
    from bailiwick.schema import parse_document

    found: list[SeriesCall] = []
    for number, line in enumerate(raw.splitlines(), 1):
        if not line.strip():
            continue
        try:
            told: Any = parse_document(line)
        except BailiwickError as error:
            raise _no_call(number, error.message) from error
        known = {"module", "function", "input"}
        if not isinstance(told, dict) or not {"module", "function"} <= told.keys() <= known:
            raise _no_call(number, 'a call is {"module": ..., "function": ..., "input": ...}')
        if type(told["module"]) is not str or type(told["function"]) is not str:
            raise _no_call(number, "module and function are text")
        found.append(SeriesCall(module=told["module"], function=told["function"], input=told.get("input", {})))
        if len(found) > CALLS_MAX:
            raise UsageRefused(f"more than {CALLS_MAX} calls", hint="cut the series into several", code="series-size")
    return found


def _no_call(number: int, why: str) -> UsageRefused:
    return UsageRefused(f"line {number} is no call: {why}", hint="write one JSON object a line", code="series-line")
