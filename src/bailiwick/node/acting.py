"""The theme of what leaves the node: effects that decisions asked for, the panic switch, and sinks."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from bailiwick.adapters.auditsink_choice import open_sink
from bailiwick.adapters.cursorstore_files import FileCursorStore
from bailiwick.adapters.effectchannel_folder import FolderEffectChannel
from bailiwick.canonical import time_text
from bailiwick.decisions import EffectsReport, Executor, Pruner, catch_up
from bailiwick.model import Actor, Draft, JsonValue, QueuedEffect
from bailiwick.node.parts import Parts, silent
from bailiwick.sinks import Outflow, read_sinks


class Acting(Parts):
    """What a node does to the world outside, and what stops it."""

    def effects(self, tenant: str) -> list[QueuedEffect]:
        """List the effects that decisions asked for, oldest first."""
        catch_up(tenant, self.ledger(tenant), self._queue)
        return self._queue.listed(tenant)

    def run_effects(self, tenant: str, *, progress: Callable[[int], None] = silent) -> EffectsReport:
        """Perform the waiting effects of a tenant, one executor at a time, unless the panic switch holds.

        Raises:
            Unavailable: another executor holds the tenant's fence for longer than ``FENCE_SECONDS_MAX``.
        """
        ledger = self.ledger(tenant)
        folder = self._tenants / tenant
        executor = Executor(
            tenant=tenant,
            ledger=ledger,
            queue=self._queue,
            blobs=self._blobs,
            panic=self._panic,
            channel=FolderEffectChannel(self._tenants, self._disk),
            actor=Actor(id=f"node:{self.node_id}", role="executor"),
        )
        with self._disk.lock(folder / "effects.lock"):
            return executor.run(progress)

    def sinks(self, tenant: str) -> Outflow:
        """Give the sinks that the tenant's ledger is sent to, as ``node.toml`` declares them; secrets stay outside."""
        ports: dict[str, Any] = {"disk": self._disk, "clock": self._clock, "entropy": self._entropy}
        return Outflow(
            self.ledger(tenant),
            read_sinks(self.settings.sinks()),
            partial(open_sink, home=self.settings.home, environ=os.environ, **ports),
            cursors=FileCursorStore(self._tenants, self._disk),
            clock=self._clock,
            entropy=self._entropy,
            actor=self.actor(tenant),
        )

    def pruner(self, tenant: str) -> Pruner:
        """Give what prunes the ledger and the evidence of a tenant, with how far each of its sinks is by now."""
        return Pruner(
            tenant=tenant,
            ledger=self.ledger(tenant),
            blobs=self._blobs,
            sent={each.settings.name: each.state.cursor.count for each in self.sinks(tenant).status()},
            actor=self.actor(tenant),
        )

    def panic_state(self) -> Mapping[str, JsonValue]:
        """Say whether effects are frozen, since when, by whom and why."""
        return self._panic.state()

    def set_panic(self, tenant: str, *, frozen: bool, reason: str) -> Mapping[str, JsonValue]:
        """Throw or release the panic switch, and record it; the switch is set first, whatever the ledger's state."""
        actor = self.actor(tenant)
        self._panic.set(frozen=frozen, reason=reason, by=actor.id, at=time_text(self._clock.now_ns()))
        draft = Draft(event_type="panic.set", resource="panic", detail={"frozen": frozen}, actor=actor)
        self.ledger(tenant).record(tenant, draft)
        return self._panic.state()
