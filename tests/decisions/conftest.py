"""A loop with the real pack and the real guest, on a ledger, blobs, clock and dice in memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest

from bailiwick.adapters.packsource_builtin import builtin_module, builtin_packs
from bailiwick.decisions import Decided, Loop, RawInput, Refused, Replayer, keep
from bailiwick.engine import Engine
from bailiwick.keys import Signer, new_secret
from bailiwick.ledger import Ledger
from bailiwick.model import Actor, Tier
from bailiwick.packs import Pack, load_pack
from bailiwick.testing import MemoryBlobStore, MemoryClock, MemoryEntropy, MemoryLedgerStore

TENANT = "local"
ACTOR = Actor(id="local:test", role="operator")
HEADER = "summary_nr,injury_line_nr,degree_of_inj,nature_of_inj,part_of_body,event_type"
FATAL = "221158942,1,1,11,26,2"
HOSPITAL = "221159072,1,2,12,31,14"
LEGAL_DATE = "2024-01-01"


@dataclass
class Bench:
    """Everything of one tenant, and the loop over it."""

    loop: Loop
    ledger: Ledger
    blobs: MemoryBlobStore
    clock: MemoryClock
    replayer: Replayer

    def decide(
        self, *bodies: str, header: str = HEADER, legal_date: str | None = LEGAL_DATE
    ) -> list[Decided | Refused]:
        """Decide CSV rows."""
        rows = [RawInput(media="csv", header=header, body=body, line=n) for n, body in enumerate(bodies, 2)]
        return list(self.loop.run(rows, legal_date=legal_date))

    def decide_json(self, *bodies: str, legal_date: str | None = None) -> list[Decided | Refused]:
        """Decide JSON objects."""
        return list(self.loop.run([RawInput(media="json", body=body) for body in bodies], legal_date=legal_date))

    def with_tenant_secret(self, secret: bytes) -> Bench:
        """The same bench under another tenant key."""
        return replace(self, loop=replace(self.loop, secret=secret))


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    """One engine for all tests: compiling is the dear part."""
    with Engine() as started:
        yield started


@pytest.fixture(scope="session")
def pack() -> Pack:
    """The pack of 29 CFR 1904, loaded once."""
    return load_pack("us-osha-1904", builtin_packs().files("us-osha-1904"))


@pytest.fixture
def bench(engine: Engine, pack: Pack) -> Iterator[Bench]:
    """A new tenant with nothing decided yet."""
    clock, blobs = MemoryClock(), MemoryBlobStore()
    module = builtin_module("osha-intake")
    guest = engine.load(module[1])

    def read_row(envelope: bytes):
        return engine.run(guest, "observe", envelope, Tier.LIGHTWEIGHT.budget), module[0]

    with Ledger.create(
        TENANT,
        MemoryLedgerStore(),
        Signer("bailiwick/test", new_secret(bytes(32))),
        clock=clock,
        origin="bailiwick/test",
        node_id="test",
        actor=ACTOR,
        checkpoint_ms=None,
    ) as ledger:
        files = builtin_packs().files("us-osha-1904")
        keep(TENANT, pack, files, {"osha-intake": module}, blobs=blobs, recorder=ledger, actor=ACTOR)
        loop = Loop(
            tenant=TENANT,
            pack=pack,
            read_row=read_row,
            recorder=ledger,
            blobs=blobs,
            clock=clock,
            entropy=MemoryEntropy(),
            secret=bytes(32),
            actor=ACTOR,
            versions={"bailiwick": "0"},
        )
        yield Bench(loop, ledger, blobs, clock, Replayer(tenant=TENANT, blobs=blobs, reader_for=lambda _: read_row))
