"""Decide again from what was kept, and compare: the same observation, pack and modules must give the same bytes.

Replay starts from the stored raw text, so it runs the reader module, the schema and every rule anew. Only the salts and
the time come from the store.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from bailiwick.canonical import digest
from bailiwick.decisions.decide import decide
from bailiwick.decisions.intake import ReadRow, intake, restore
from bailiwick.decisions.seal import SEALED, evidence_of
from bailiwick.decisions.shelf import fetch
from bailiwick.errors import BailiwickError, NotFound, Unavailable
from bailiwick.model import Record
from bailiwick.packs import CallModule, Pack
from bailiwick.ports import BlobStore
from bailiwick.schema import parse_document

ReaderFor = Callable[[Pack], ReadRow]
"""Gives the reader of a pack's rows, from the modules kept for the tenant."""

CallerFor = Callable[[Pack], CallModule]
"""Gives what runs the modules that a pack's rules call, from those kept for the tenant."""

PACKS_KEPT = 16
"""Packs that are held compiled at once, with their guests; the one that came first makes room."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """A decision that replay did not give again: its record and the first place where the evidence differs."""

    record: int
    where: str

    def to_json(self) -> dict[str, Any]:
        """Give the difference as JSON."""
        return {"record": self.record, "where": self.where}


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayReport:
    """How many decisions were replayed, which differ, and for which something was missing."""

    replayed: int
    differing: tuple[Difference, ...]
    unavailable: tuple[Difference, ...]

    def to_json(self) -> dict[str, Any]:
        """Give the report as JSON; ``unavailable`` is a count, ``missing`` says what."""
        return {
            "replayed": self.replayed,
            "differing": [difference.to_json() for difference in self.differing],
            "unavailable": len(self.unavailable),
            "missing": [difference.to_json() for difference in self.unavailable],
        }


@dataclass(slots=True, kw_only=True)
class Replayer:
    """Replays decisions of one tenant; keeps the packs and readers that it has loaded."""

    tenant: str
    blobs: BlobStore
    reader_for: ReaderFor
    caller_for: CallerFor | None = None
    _packs: dict[str, tuple[Pack, ReadRow, CallModule | None]] = field(default_factory=dict)

    def run(self, records: Iterable[Record], progress: Callable[[int], None] = lambda _: None) -> ReplayReport:
        """Replay every decision among the records; others are passed over.

        Args:
            records: In any order.
            progress: Called with 1 after each record, decision or not.
        """
        replayed = 0
        differing: list[Difference] = []
        unavailable: list[Difference] = []
        for record in records:
            progress(1)
            if record.event_type != SEALED:
                continue
            try:
                where = self._difference(record)
            except (NotFound, Unavailable) as error:
                unavailable.append(Difference(record=record.index, where=error.message))
                continue
            except BailiwickError as error:
                where = f"replay was refused: {error.code}: {error.message}"
            replayed += 1
            if where is not None:
                differing.append(Difference(record=record.index, where=where))
        return ReplayReport(replayed=replayed, differing=tuple(differing), unavailable=tuple(unavailable))

    def _difference(self, record: Record) -> str | None:
        """Say where the evidence differs from what the record stands for, or None."""
        detail: Any = record.detail
        raw, legal_date, moment = restore(self.blobs.get(self.tenant, detail["observation"], record.resource))
        pack, read_row, call_module = self._pack(detail["pack"]["name"], detail["pack"]["digest"])
        observation = intake(self.tenant, raw, pack, legal_date=legal_date, moment=moment, read_row=read_row)
        again = evidence_of(observation, decide(observation, pack, call_module), pack)
        if observation.digest != detail["observation"]:
            return "the observation's own bytes"
        if again.digest == detail["evidence"]:
            return None
        kept = self.blobs.get(self.tenant, detail["evidence"], record.resource)
        assert digest(kept) == detail["evidence"]
        return first_difference(parse_document(kept), parse_document(again.blob))

    def _pack(self, name: str, pack_digest: str) -> tuple[Pack, ReadRow, CallModule | None]:
        if pack_digest not in self._packs:
            pack = fetch(self.tenant, name, pack_digest, self.blobs)
            call_module = self.caller_for(pack) if self.caller_for is not None else None
            if len(self._packs) >= PACKS_KEPT:
                del self._packs[next(iter(self._packs))]
            self._packs[pack_digest] = (pack, self.reader_for(pack), call_module)
        return self._packs[pack_digest]


def first_difference(kept: Any, again: Any, path: str = "") -> str:
    """Name the first place where two evidences differ; in the trace, by the rule's name.

    >>> first_difference({"trace": [{"rule": "cap", "value": 1}]}, {"trace": [{"rule": "cap", "value": 2}]})
    '/trace/cap/value: was 1, is 2'
    """
    if isinstance(kept, dict) and isinstance(again, dict):
        for key in sorted(kept.keys() | again.keys()):
            if kept.get(key) != again.get(key):
                return first_difference(kept.get(key), again.get(key), f"{path}/{key}")
    if isinstance(kept, list) and isinstance(again, list) and len(kept) == len(again):
        for position, (before, after) in enumerate(zip(kept, again, strict=True)):
            if before != after:
                name = before.get("rule", position) if isinstance(before, dict) else position
                return first_difference(before, after, f"{path}/{name}")
    return f"{path or '/'}: was {_short(kept)}, is {_short(again)}"


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."
