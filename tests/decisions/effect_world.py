"""A world in which effects happen: a ledger, its blobs, a queue, a switch and a receiver, all in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace

from bailiwick.adapters.effectchannel_memory import MemoryEffectChannel
from bailiwick.adapters.effectqueue_memory import MemoryEffectQueue
from bailiwick.adapters.panicswitch_memory import MemoryPanicSwitch
from bailiwick.canonical import canonical_bytes
from bailiwick.decisions import EffectsReport, Executor, Oversight, catch_up, settings_of
from bailiwick.decisions.effects.folding import RESULT, WORDS
from bailiwick.keys import Signer, new_secret
from bailiwick.ledger import Ledger
from bailiwick.model import Actor, Draft, EffectSettings, JsonValue, QueuedEffect
from bailiwick.ports import EffectChannel
from bailiwick.testing import MemoryBlobStore, MemoryClock, MemoryEntropy, MemoryLedgerStore

TENANT = "local"
ACTOR = Actor(id="node:test", role="executor")
PERSON = Actor(id="local:person", role="operator")
PACK: dict[str, JsonValue] = {"name": "us-osha-1904", "version": "1.0.0", "digest": f"sha256:{0:064x}"}
SECOND_NS = 1_000_000_000
MINUTE_NS = 60 * SECOND_NS

Deliver = Callable[[str, Mapping[str, JsonValue]], Mapping[str, JsonValue]]


def key(number: int) -> str:
    """Give the key of an effect."""
    return f"hmac-sha256:{number:032x}{number:032x}"


class Channel:
    """A channel that does with a key and its message what a test says."""

    def __init__(self, deliver: Deliver) -> None:
        self._deliver = deliver

    def deliver(self, tenant: str, name: str, message: Mapping[str, JsonValue], *, fence: int = 0):
        """See ``ports.EffectChannel``."""
        return self._deliver(name, message)


class OneChannel:
    """Every type of effects goes to one channel."""

    def __init__(self, channel: EffectChannel, settings: EffectSettings) -> None:
        self._channel = channel
        self._settings = settings

    def of(self, kind: str) -> tuple[EffectChannel, EffectSettings]:
        """See ``decisions.Channels``."""
        return self._channel, self._settings


class World:
    """A ledger, its blobs, a queue, a switch and a receiver, all in memory."""

    def __init__(self, store: object | None = None) -> None:
        self.clock = MemoryClock()
        self.entropy = MemoryEntropy()
        self.ledger = Ledger.create(
            TENANT,
            store or MemoryLedgerStore(),  # type: ignore[arg-type]
            Signer("bailiwick/test", new_secret(bytes(32))),
            clock=self.clock,
            origin="bailiwick/test",
            node_id="test",
            actor=ACTOR,
            checkpoint_ms=None,
        )
        self.blobs = MemoryBlobStore()
        self.queue = MemoryEffectQueue()
        self.panic = MemoryPanicSwitch()
        self.panic.set(frozen=False, reason="", by="test", at="")
        self.receiver = MemoryEffectChannel()
        self.settings = replace(settings_of("notify", {}), attempts_max=3)

    def decide(self, *numbers: int, approval: dict[str, JsonValue] | None = None) -> int:
        """Seal one decision that asks for an effect under each number's key, and give its index."""
        more: dict[str, JsonValue] = {} if approval is None else {"approval": approval}
        asked: list[JsonValue] = [{"type": "notify", "key": key(number), **more} for number in numbers]
        stated: list[JsonValue] = [
            {"type": "notify", "key": str(number), "parameters": {"number": number}} for number in numbers
        ]
        evidence = canonical_bytes(
            {
                "effects": stated,
                "pack": PACK,
                "impact": {"outcome": "report-within-8-hours"},
                "legal_date": "2024-01-01",
            }
        )
        (digest,) = self.blobs.put_many(TENANT, [evidence])
        draft = Draft(
            event_type="decision.sealed",
            resource="observation/test",
            detail={"evidence": digest, "effects": asked},
            actor=ACTOR,
        )
        return self.ledger.record(TENANT, draft).index

    def executor(self, channel: object | None = None, panic: object | None = None) -> Executor:
        """Give an executor; one that has not started yet."""
        return Executor(
            tenant=TENANT,
            ledger=self.ledger,
            queue=self.queue,
            blobs=self.blobs,
            panic=panic or self.panic,  # type: ignore[arg-type]
            channels=OneChannel(channel or self.receiver, self.settings),  # type: ignore[arg-type]
            clock=self.clock,
            entropy=self.entropy,
            actor=ACTOR,
        )

    def run(self, deliver: Deliver | None = None) -> EffectsReport:
        """Run an executor once."""
        return self.executor(None if deliver is None else Channel(deliver)).run()

    def oversight(self, actor: Actor = PERSON) -> Oversight:
        """Give what says words about effects."""

        @contextmanager
        def alone() -> Iterator[None]:
            """Nobody else is there."""
            yield

        return Oversight(
            tenant=TENANT,
            ledger=self.ledger,
            queue=self.queue,
            blobs=self.blobs,
            clock=self.clock,
            entropy=self.entropy,
            exclusive=alone,
            actor=actor,
        )

    def take(self, number: int, message: Mapping[str, JsonValue]) -> Mapping[str, JsonValue]:
        """Let the receiver have a message."""
        return self.receiver.deliver(TENANT, key(number), message, fence=10**9)

    def results(self) -> list[Mapping[str, JsonValue]]:
        """Give the details of every result."""
        return [record.detail for record in self.ledger.records() if record.event_type == RESULT]

    def words(self) -> list[str]:
        """Give the types of every record about an effect, in order."""
        return [record.event_type for record in self.ledger.records() if record.event_type in WORDS]

    def effect(self, number: int) -> QueuedEffect:
        """Give an effect as it is now."""
        catch_up(TENANT, self.ledger, self.queue)
        return self.queue.find(TENANT, [key(number)])[key(number)]
