"""The theme of the main job: decide, say why, decide again, and erase what was observed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from importlib.metadata import version
from itertools import islice
from typing import BinaryIO

from bailiwick import __version__
from bailiwick.decisions import (
    BATCH_MAX,
    Answer,
    Eraser,
    Explanation,
    Loop,
    RawInput,
    Replayer,
    ReplayReport,
    check_modules,
    explain,
    keep,
    read_inputs,
)
from bailiwick.errors import InputRefused
from bailiwick.model import JsonValue
from bailiwick.node.keys import PSEUDONYM_NAME
from bailiwick.node.packs import Law, Packing
from bailiwick.node.parts import silent
from bailiwick.packs import check_date


def engine_versions() -> dict[str, JsonValue]:
    """Give the versions of everything that computed, for records; evidence holds none of them."""
    return {
        "bailiwick": __version__,
        "cel": version("cel-expr-python"),
        "wasmtime": version("wasmtime"),
    }


class Deciding(Packing):
    """What a node decides, and what became of it."""

    def read_inputs(self, stream: BinaryIO, media: str) -> Iterator[RawInput | InputRefused]:
        """Cut a stream into inputs: one JSON object, JSON objects one a line, or CSV rows under a header line.

        Raises:
            UsageRefused: ``media`` is none of ``json``, ``jsonl`` and ``csv``.
        """
        return read_inputs(stream, media)

    def decide(
        self,
        tenant: str,
        pack: str,
        inputs: Iterable[RawInput | InputRefused],
        *,
        legal_date: str | None = None,
        batch: int = BATCH_MAX,
        may_wait: bool = False,
        attachments: Mapping[str, bytes] | None = None,
    ) -> Iterator[Answer]:
        """Decide inputs by a pack and give one durable answer for each, in order.

        Before each batch it is asked which version is in use, so that a stream without end changes its law on the day.

        Args:
            tenant: Whose ledger.
            pack: An installed name, or the path of a folder.
            inputs: See ``read_inputs``; may be endless.
            legal_date: ``YYYY-MM-DD`` to judge by; None takes each input's own.
            batch: How many inputs share a flush; 1 answers each before the next is read.
            may_wait: Whether an input whose module cannot run now is kept, to be decided later; else it is refused.
            attachments: Files that the pack pins and does not hold, by digest (see ``attachments_in``).
        """
        if legal_date is not None:
            check_date(legal_date)
        loop = replace(self.loop(tenant, pack, attachments), may_wait=may_wait)
        if not 1 <= batch <= BATCH_MAX:
            raise AssertionError(f"a batch holds 1 to {BATCH_MAX} inputs")
        return self._decide_in_batches(loop, pack, iter(inputs), legal_date, batch)

    def _decide_in_batches(
        self, loop: Loop, pack: str, source: Iterator[RawInput | InputRefused], legal_date: str | None, batch: int
    ) -> Iterator[Answer]:
        while taken := list(islice(source, batch)):
            used = self.installer(loop.tenant).in_use(pack)
            if used is not None and used.digest != loop.pack.digest:
                loop = replace(self.loop(loop.tenant, pack), may_wait=loop.may_wait)
            yield from loop.run(taken, legal_date=legal_date, batch=batch)

    def loop(self, tenant: str, pack: str, attachments: Mapping[str, bytes] | None = None) -> Loop:
        """Join everything that deciding for a tenant by a pack needs, and keep the pack for replay."""
        return self.loop_by(tenant, self.law(tenant, pack, attachments))

    def loop_by(self, tenant: str, law: Law) -> Loop:
        """Join everything that deciding by one law needs, and keep its pack for replay."""
        loaded = law.pack
        modules = self.modules_of(tenant, loaded)
        check_modules(loaded, modules)
        ledger = self.ledger(tenant)
        actor = self.actor(tenant)
        if law.origin != "installed":
            keep(
                tenant,
                loaded,
                law.files,
                modules,
                blobs=self._blobs,
                recorder=ledger,
                actor=actor,
                is_shipped=law.origin == "shipped",
            )
        return Loop(
            tenant=tenant,
            pack=loaded,
            read_row=self._reader(loaded, {ref.digest: (ref, wasm) for ref, wasm in modules.values()}),
            call_module=self._caller_of(tenant, modules),
            recorder=ledger,
            blobs=self._blobs,
            clock=self._clock,
            entropy=self._entropy,
            secret=self._keys.get(tenant, PSEUDONYM_NAME),
            actor=actor,
            versions=engine_versions(),
        )

    def explain(self, tenant: str, record: int, *, language: str | None = None) -> Explanation:
        """Say why one decision came out as it did, in one of its pack's languages.

        Raises:
            NotFound: no such record, not a decision, or its evidence is not kept.
            Unavailable: the evidence was altered, or is of another decision than the record says.
            UsageRefused: the pack does not speak the language.
        """
        ledger = self.ledger(tenant)
        found = explain(tenant, ledger.read(record), self._blobs, language=language, leaf=ledger.leaf(record))
        return replace(found, superseded_by=self.superseding(tenant, **found.evidence["pack"]))

    def replay(
        self, tenant: str, records: Iterable[int] | None = None, *, progress: Callable[[int], None] = silent
    ) -> ReplayReport:
        """Decide again from what was kept and compare every byte of evidence; None means the whole ledger."""
        ledger = self.ledger(tenant)
        replayer = Replayer(
            tenant=tenant,
            blobs=self._blobs,
            reader_for=lambda pack: self._kept_reader(tenant, pack),
            caller_for=lambda _: self._kept_caller(tenant),
        )
        chosen = ledger.records() if records is None else map(ledger.read, records)
        return replayer.run(chosen, progress)

    def eraser(self, tenant: str) -> Eraser:
        """Give what erases the subjects of a tenant."""
        return Eraser(tenant=tenant, ledger=self.ledger(tenant), blobs=self._blobs, actor=self.actor(tenant))
